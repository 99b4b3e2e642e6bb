//! What the file systems under the backup have left, and whether we may write to them. Changes nothing.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

/// A file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Tells it from others.
    pub device: u64,
    /// Free bytes for an ordinary user.
    pub free_bytes: u64,
    /// All bytes.
    pub total_bytes: u64,
    /// Free inodes and all inodes, one for each file. `None` when the file system does not count them.
    pub inodes: Option<(u64, u64)>,
}

/// Looks at the file system that `path` is on, or will be on once it is made.
///
/// # Errors
/// When the file system does not say.
pub fn disk(path: &Path) -> io::Result<Disk> {
    let path = existing(path);
    let device = fs::metadata(&path)?.dev();
    let stat = rustix::fs::statvfs(&path)?;
    Ok(Disk {
        device,
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        // btrfs and others make inodes as needed and report none.
        inodes: (stat.f_files > 0).then_some((stat.f_favail, stat.f_files)),
    })
}

/// Returns whether `folder` exists, if this user may write to it, or may make it.
///
/// # Errors
/// When that is not so; also on a file system that is mounted read-only.
pub fn may_write(folder: &Path) -> io::Result<bool> {
    let existing = existing(folder);
    if !fs::metadata(&existing)?.is_dir() {
        return Err(rustix::io::Errno::NOTDIR.into());
    }
    rustix::fs::access(&existing, Access::WRITE_OK | Access::EXEC_OK)?;
    Ok(existing == folder)
}

/// Checks that this user may write to an existing file.
///
/// # Errors
/// When that is not so.
pub fn may_write_file(path: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(
        path,
        Access::READ_OK | Access::WRITE_OK,
    )?)
}

/// The nearest of `path` and the folders above it that exists.
fn existing(path: &Path) -> PathBuf {
    path.ancestors()
        .map(|path| match path.as_os_str().is_empty() {
            true => Path::new("."),
            false => path,
        })
        // Only "there is none" leads further up: one that may not be looked at is the answer.
        .find(|path| {
            fs::metadata(path).map_or_else(|err| err.kind() != io::ErrorKind::NotFound, |_| true)
        })
        .unwrap_or(Path::new("."))
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_is_not_there_yet_has_the_disk_of_the_one_above() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b/c");
        let (here, there) = (disk(folder.path()).unwrap(), disk(&below).unwrap());
        assert_eq!(here.device, there.device);
        assert!(here.total_bytes > 0 && here.free_bytes <= here.total_bytes);
        assert!(!may_write(&below).unwrap());
        assert!(may_write(folder.path()).unwrap());
        assert!(!below.exists());
    }

    #[test]
    fn a_file_is_no_folder_and_a_relative_path_begins_here() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(may_write(file.path()).is_err());
        assert!(may_write(&file.path().join("below")).is_err());
        assert!(disk(Path::new("surely/not/here")).is_ok());
    }
}
