//! Where a snapshot is made, and how it gets its name.

use crate::store::error::{StoreError, Taken};
use crate::store::files::{behind_links, beside, flush, own_folder};
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

/// What SQLite puts beside a database.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A folder beside the target, for its owner alone, in which the snapshot comes to be. Dropped, it is
/// removed; what a killed process left in it goes when the next snapshot to the same target begins.
#[derive(Debug)]
pub(super) struct Place {
    target: PathBuf,
    folder: PathBuf,
    may_replace: bool,
    /// Held as long as this is: the folder has one user.
    _lock: File,
}

impl Place {
    /// Makes sure that `target` can be written, and claims the folder beside it.
    pub(super) fn claim(
        target: &Path,
        database: &Path,
        may_replace: bool,
    ) -> Result<Self, StoreError> {
        is_free(target, database, may_replace)?;
        let folder = hidden(target)?;
        match DirBuilder::new().mode(0o700).create(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            other => other.map_err(failed("create the folder", &folder))?,
        }
        let lock = own_folder(&folder).map_err(failed("open the folder", &folder))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(taken(target, Taken::Snapshot)),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &folder)(source)),
        }
        let place = Self {
            target: target.to_owned(),
            folder,
            may_replace,
            _lock: lock,
        };
        place.clear()?;
        Ok(place)
    }

    /// The copy of the pages, as they are.
    pub(super) fn copy(&self) -> PathBuf {
        self.folder.join("copy.sqlite3")
    }

    /// What becomes the snapshot.
    pub(super) fn made(&self) -> PathBuf {
        self.folder.join("snapshot.sqlite3")
    }

    /// Removes what lies in the folder.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        for file in [self.copy(), self.made()] {
            remove(&file)?;
        }
        Ok(())
    }

    /// Removes what is not needed any more. Returns the length of what is.
    pub(super) fn settle(&self) -> Result<u64, StoreError> {
        remove(&self.copy())?;
        let made = self.made();
        flush(&made)?;
        let about = fs::metadata(&made).map_err(failed("look at", &made))?;
        Ok(about.len())
    }

    /// Gives the snapshot its name, on the disk too.
    pub(super) fn publish(self) -> Result<(), StoreError> {
        let made = self.made();
        // Once more: it may have come meanwhile.
        has_no_log(&self.target)?;
        if self.may_replace {
            fs::rename(&made, &self.target).map_err(failed("write", &self.target))?;
        } else {
            self.publish_new(&made)?;
        }
        flush(folder_of(&self.target))
    }

    /// A second name fails where there is a file by now, which a rename would replace.
    fn publish_new(&self, made: &Path) -> Result<(), StoreError> {
        match fs::hard_link(made, &self.target) {
            Ok(()) => return remove(made),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(taken(&self.target, Taken::File));
            }
            // No second names in this file system: a look has to do.
            Err(_) if !exists(&self.target) => {}
            Err(_) => return Err(taken(&self.target, Taken::File)),
        }
        fs::rename(made, &self.target).map_err(failed("write", &self.target))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // Nobody is left to tell; the next snapshot clears the folder.
        drop(self.clear());
        drop(fs::remove_dir(&self.folder));
    }
}

/// Fails where a snapshot must not stand.
fn is_free(target: &Path, database: &Path, may_replace: bool) -> Result<(), StoreError> {
    let real = behind_links(database);
    let own = COMPANIONS.iter().map(|suffix| beside(&real, suffix));
    for own in [database.to_owned(), real.clone()].into_iter().chain(own) {
        if is_same(target, &own) {
            return Err(taken(target, Taken::Database));
        }
    }
    match fs::symlink_metadata(target) {
        Ok(about) if !about.is_file() => return Err(taken(target, Taken::NotAFile)),
        Ok(_) if !may_replace => return Err(taken(target, Taken::File)),
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed("look at", target)(error)),
    }
    has_no_log(target)
}

/// SQLite would take an old log for the new file's own, and apply it.
fn has_no_log(target: &Path) -> Result<(), StoreError> {
    let mut logs = COMPANIONS.iter().map(|suffix| beside(target, suffix));
    match logs.any(|log| exists(&log)) {
        true => Err(taken(target, Taken::Log)),
        false => Ok(()),
    }
}

/// Whether two paths name one file, or would.
fn is_same(one: &Path, other: &Path) -> bool {
    let is_one_file = match (fs::metadata(one), fs::metadata(other)) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    };
    let place = |path: &Path| {
        Some((
            folder_of(path).canonicalize().ok()?,
            path.file_name()?.to_owned(),
        ))
    };
    is_one_file || (place(one).is_some() && place(one) == place(other))
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The folder in which the snapshot is made: of a fixed name, so that the next one finds what was left.
fn hidden(target: &Path) -> Result<PathBuf, StoreError> {
    let name = target
        .file_name()
        .ok_or_else(|| taken(target, Taken::NotAFile))?;
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".partial");
    Ok(folder_of(target).join(hidden))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Removes a database file that may be there, and what SQLite put beside it.
fn remove(path: &Path) -> Result<(), StoreError> {
    for suffix in [""].iter().chain(&COMPANIONS) {
        let path = beside(path, suffix);
        match fs::remove_file(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => other.map_err(failed("remove", &path))?,
        }
    }
    Ok(())
}

fn taken(target: &Path, by: Taken) -> StoreError {
    StoreError::Taken {
        path: target.to_owned(),
        by,
    }
}

fn failed(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::File {
        doing,
        path,
        source,
    }
}
