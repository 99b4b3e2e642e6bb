//! The folder of the demo's backup.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::table::Table;

const MARK: &str = "DEMO.txt";
const MARK_TEXT: &str = "Made by the demo of microcms-backup, and emptied by the next one. \
Nothing here is worth keeping.\n";

/// A folder that belongs to the demo.
pub(crate) struct Home {
    folder: PathBuf,
}

impl Home {
    /// Makes the folder, or empties the one of an earlier demo. A folder with other things in it is
    /// refused and left alone.
    pub(crate) fn prepare(folder: &Path) -> Result<Self, Box<dyn Error>> {
        fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make the folder `{}`: {error}", folder.display()))?;
        let home = Self {
            folder: folder.to_owned(),
        };
        if home.path(MARK).is_file() {
            home.clear()?;
        } else if fs::read_dir(folder)?.next().is_some() {
            return Err(format!(
                "`{}` has things in it that this demo did not make; name an empty or a new folder: \
                 cargo run --release --example demo -- FOLDER",
                folder.display()
            )
            .into());
        }
        fs::write(home.path(MARK), MARK_TEXT)?;
        Ok(home)
    }

    /// Removes what a demo makes, name by name.
    fn clear(&self) -> io::Result<()> {
        for folder in ["mirror", "archive"] {
            ignore_missing(fs::remove_dir_all(self.path(folder)))?;
        }
        for suffix in ["", "-wal", "-shm", ".lock"] {
            ignore_missing(fs::remove_file(
                self.path(&format!("backup.sqlite3{suffix}")),
            ))?;
        }
        for report in ["first.json", "second.json"] {
            ignore_missing(fs::remove_file(self.path(report)))?;
        }
        Ok(())
    }

    /// The path of something in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Says what lies where.
    pub(crate) fn show(&self, out: &mut impl Write) -> io::Result<()> {
        let mut table = Table::new(["path", "files", "bytes", "what it is"]);
        for (name, what) in [
            ("backup.sqlite3", "rows, bodies, schemas, history, runs"),
            ("mirror", "the files; a web root"),
            ("archive", "superseded bytes, by SHA-256"),
            ("second.json", "the last run's report"),
        ] {
            let (files, bytes) = weigh(&self.path(name))?;
            let path = self.path(name).display().to_string();
            table.row(vec![
                path,
                files.to_string(),
                bytes.to_string(),
                what.to_owned(),
            ]);
        }
        table.print(out)
    }
}

fn ignore_missing(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Counts files and bytes, all folders below included.
fn weigh(path: &Path) -> io::Result<(u64, u64)> {
    let about = fs::symlink_metadata(path)?;
    if !about.is_dir() {
        return Ok((1, about.len()));
    }
    fs::read_dir(path)?.try_fold((0, 0), |(files, bytes), entry| {
        let (more_files, more_bytes) = weigh(&entry?.path())?;
        Ok((files + more_files, bytes + more_bytes))
    })
}
