//! `--report FILE` and `--metrics-file FILE`: a file that is either the whole new one or the whole old
//! one. And the other file that a command writes for people: a new one of `init`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::mirror;

/// More bytes than any report has: a longer file is something else.
const LONGEST_REPORT: u64 = 64 << 20;

/// Where a report goes, checked before the run: an hour later is too late for a typing error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportFile {
    path: PathBuf,
    /// A pipe or a device takes the bytes; putting a file in its place would break it.
    is_stream: bool,
    /// The mode of the new file, whatever the umask; `None`: as the umask says.
    mode: Option<u32>,
}

/// A report for as long as this lives.
#[derive(Debug)]
pub(crate) struct Lent(ReportFile);

impl ReportFile {
    /// Checks that a file could be created at `path`. Follows a symbolic link, so that later the
    /// file behind it is replaced and not the link.
    ///
    /// # Errors
    /// If the folder does not exist or takes no file from this user, or `path` is a folder, a named pipe
    /// or a link that leads nowhere.
    pub(crate) fn at(path: &Path) -> io::Result<Self> {
        let file = Self::found(path)?;
        // A file is replaced: what counts is its folder.
        if !file.is_stream {
            mirror::may_write(folder_of(&file.path))?;
        }
        Ok(file)
    }

    fn found(path: &Path) -> io::Result<Self> {
        match path.canonicalize() {
            Ok(path) => {
                let kind = path.metadata()?.file_type();
                if kind.is_dir() {
                    return Err(io::Error::from(io::ErrorKind::IsADirectory));
                }
                if kind.is_fifo() {
                    // Who opens it waits for a reader, and no signal ends that.
                    let text = "it is a named pipe";
                    return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
                }
                Ok(Self {
                    path,
                    is_stream: !kind.is_file(),
                    mode: None,
                })
            }
            // A link that cannot be named and leads somewhere all the same, as `/dev/stdout` does to a pipe.
            Err(_) if path.is_symlink() => {
                path.metadata()?;
                Ok(Self {
                    path: path.to_owned(),
                    is_stream: true,
                    mode: None,
                })
            }
            Err(err) if err.kind() == io::ErrorKind::NotFound && path.file_name().is_some() => {
                let folder = folder_of(path).canonicalize()?;
                if !folder.is_dir() {
                    return Err(io::Error::from(io::ErrorKind::NotADirectory));
                }
                let name = path.file_name().unwrap_or_default();
                Ok(Self {
                    path: folder.join(name),
                    is_stream: false,
                    mode: None,
                })
            }
            Err(err) => Err(err),
        }
    }

    /// Lets everybody read the file: another user's program is to.
    pub(crate) fn readable_by_all(self) -> Self {
        let mode = Some(0o644);
        Self { mode, ..self }
    }

    /// Saves `text`: temporary name, write, flush to disk, rename, flush the folder. After an
    /// error or a crash the old file is as it was.
    ///
    /// # Errors
    /// Those of the file system; the temporary file is removed as far as possible.
    pub(crate) fn save(&self, text: &str) -> io::Result<()> {
        if self.is_stream {
            return OpenOptions::new()
                .write(true)
                .open(&self.path)?
                .write_all(text.as_bytes());
        }
        let temporary = self.temporary();
        let saved = write_new(&temporary, text, self.mode)
            .and_then(|()| fs::rename(&temporary, &self.path));
        if let Err(err) = saved {
            // It may never have been created; the first error is the one to tell.
            drop(fs::remove_file(&temporary));
            return Err(err);
        }
        File::open(folder_of(&self.path))?.sync_all()
    }

    /// As [`ReportFile::save`], but not to a pipe or a device, which would get the text twice when it
    /// is saved for good.
    ///
    /// # Errors
    /// As there.
    pub(crate) fn save_if_lasting(&self, text: &str) -> io::Result<()> {
        if self.is_stream {
            return Ok(());
        }
        self.save(text)
    }

    /// Returns whether there is a file already, with a text of which `is_such` holds.
    pub(crate) fn holds(&self, is_such: impl FnOnce(&str) -> bool) -> bool {
        let is_short = |about: fs::Metadata| about.len() <= LONGEST_REPORT;
        !self.is_stream
            && self.path.metadata().is_ok_and(is_short)
            && fs::read_to_string(&self.path).is_ok_and(|text| is_such(&text))
    }

    /// Returns where it is, for messages.
    pub(crate) fn place(&self) -> String {
        self.path.display().to_string()
    }

    /// Returns where it is, unless it is a pipe or a device.
    pub(crate) fn lasting(&self) -> Option<&Path> {
        (!self.is_stream).then_some(self.path.as_path())
    }

    /// Saves `text` beside the database, in a file that is removed with the returned value. One that a
    /// killed process left there is replaced by the next.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn lend(database: &Path, text: &str) -> io::Result<Lent> {
        let mut name = database.file_name().unwrap_or_default().to_owned();
        name.push(".report.json");
        let file = Self {
            mode: Some(0o600),
            ..Self::at(&database.with_file_name(name))?
        };
        file.save(text)?;
        Ok(Lent(file))
    }

    /// A name in the same folder that no other run uses at the same time.
    fn temporary(&self) -> PathBuf {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        self.path
            .with_file_name(format!(".{name}.{}.tmp", std::process::id()))
    }
}

impl Lent {
    /// Returns where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // Somebody else may have tidied up; the next one replaces it.
        drop(fs::remove_file(&self.0.path));
    }
}

/// Saves `text` as a new file, flushed; one that exists is left as it is.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`], or those of the file system; then there is no new file.
pub(crate) fn create(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // Ours, and only a part of it is there; the first error is the one to tell.
        drop(fs::remove_file(path));
    }
    written
}

fn write_new(path: &Path, text: &str, mode: Option<u32>) -> io::Result<()> {
    // What a killed process of the same id left there is nobody's, and what somebody else laid there, such
    // as a link, is not written through.
    match fs::remove_file(path) {
        Err(err) if err.kind() != io::ErrorKind::NotFound => return Err(err),
        Ok(()) | Err(_) => {}
    }
    // Private from the first moment where it has to be; the umask may have taken away what others are to have.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode.unwrap_or(0o666))
        .open(path)?;
    if let Some(mode) = mode {
        file.set_permissions(fs::Permissions::from_mode(mode))?;
    }
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        Some(_) | None => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .expect("a folder")
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn the_new_report_replaces_the_old_one_and_leaves_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        for text in ["old", "new"] {
            ReportFile::at(&path)
                .expect("a usable path")
                .save(text)
                .expect("saved");
            assert_eq!(fs::read_to_string(&path).expect("a file"), text);
        }
        assert_eq!(names(folder.path()), ["report.json"]);
    }

    #[test]
    fn a_lent_report_is_for_its_owner_alone_and_goes_with_its_value() {
        let folder = tempfile::tempdir().expect("a folder");
        let lent = ReportFile::lend(&folder.path().join("b.db"), "text").expect("saved");
        assert_eq!(names(folder.path()), ["b.db.report.json"]);
        assert_eq!(fs::read_to_string(lent.path()).expect("a file"), "text");
        let mode = lent.path().metadata().expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        drop(lent);
        assert_eq!(names(folder.path()), Vec::<String>::new());
    }

    #[test]
    fn a_file_for_others_can_be_read_by_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("metrics.prom");
        let file = ReportFile::at(&path).expect("a usable path");
        file.readable_by_all().save("m 1\n").expect("saved");
        let mode = fs::metadata(&path).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o644);
    }

    #[test]
    fn a_link_in_the_place_of_the_temporary_file_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let (path, victim) = (folder.path().join("m.prom"), folder.path().join("victim"));
        fs::write(&victim, "mine").expect("a file");
        fs::set_permissions(&victim, fs::Permissions::from_mode(0o600)).expect("a mode");
        let report = ReportFile::at(&path).expect("a usable path");
        let report = report.readable_by_all();
        std::os::unix::fs::symlink(&victim, report.temporary()).expect("a link");
        report.save("m 1\n").expect("saved");
        assert_eq!(fs::read_to_string(&victim).expect("a file"), "mine");
        let mode = fs::metadata(&victim).expect("a file").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!path.is_symlink());
        assert_eq!(fs::read_to_string(&path).expect("a file"), "m 1\n");
        assert_eq!(names(folder.path()), ["m.prom", "victim"]);
    }

    #[test]
    fn a_link_stays_and_the_file_behind_it_is_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        fs::write(&file, "old").expect("a file");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        ReportFile::at(&link)
            .expect("a usable path")
            .save("new")
            .expect("saved");
        assert!(link.symlink_metadata().expect("a link").is_symlink());
        assert_eq!(fs::read_to_string(&file).expect("a file"), "new");
    }

    #[test]
    fn a_device_takes_the_bytes_and_is_not_replaced() {
        let report = ReportFile::at(Path::new("/dev/null")).expect("a device");
        assert!(report.is_stream);
        report.save("gone").expect("written");
    }

    #[test]
    fn a_link_to_a_pipe_stays_and_the_pipe_takes_the_bytes() {
        use std::os::fd::AsRawFd as _;
        let (mut reader, writer) = io::pipe().expect("a pipe");
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("out");
        let end = format!("/proc/self/fd/{}", writer.as_raw_fd());
        std::os::unix::fs::symlink(end, &link).expect("a link");
        let report = ReportFile::at(&link).expect("a usable path");
        assert_eq!(report.lasting(), None);
        report.save("text").expect("written");
        assert!(link.is_symlink());
        drop(writer);
        let mut read = String::new();
        io::Read::read_to_string(&mut reader, &mut read).expect("read");
        assert_eq!(read, "text");
    }

    #[test]
    fn a_path_that_cannot_work_is_found_before_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let astray = folder.path().join("link");
        std::os::unix::fs::symlink("nowhere", &astray).expect("a link");
        ReportFile::at(&astray).expect_err("leads nowhere");
        fs::remove_file(&astray).expect("removed");
        let kind = |path: &Path| ReportFile::at(path).expect_err("not usable").kind();
        assert_eq!(kind(folder.path()), io::ErrorKind::IsADirectory);
        assert_eq!(
            kind(&folder.path().join("missing/report.json")),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_failed_save_leaves_the_old_report_and_no_temporary_file() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        let report = ReportFile::at(&path).expect("a usable path");
        // A folder took the place meanwhile: the rename must fail.
        fs::create_dir(&path).expect("a folder in the way");
        assert!(report.save("new").is_err());
        assert_eq!(names(folder.path()), ["report.json"]);
    }
}
