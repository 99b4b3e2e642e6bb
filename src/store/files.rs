//! Private files and folders beside the database.

use super::StoreError;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Creates the folders above `path` for their owner alone (less what the umask takes). Folders that
/// exist keep their permissions.
pub(super) fn create_parents(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent().filter(|parent| *parent != Path::new("")) else {
        return Ok(());
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(parent)
        .map_err(|source| StoreError::File {
            doing: "create the folder",
            path: parent.to_owned(),
            source,
        })
}

/// Creates an empty file for its owner alone, unless it exists. SQLite gives the files that it puts
/// beside a database the permissions of the database itself.
pub(super) fn create_private(path: &Path) -> Result<(), StoreError> {
    let created = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    match created {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File {
            doing: "create",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Opens a folder that is ours: not through a link, and none that others can write into, who could then
/// lead elsewhere what is written there, or what is cleared away.
pub(super) fn own_folder(path: &Path) -> io::Result<File> {
    let seen = fs::symlink_metadata(path)?;
    if seen.is_dir() {
        let folder = File::open(path)?;
        let opened = folder.metadata()?;
        let is_itself = (seen.dev(), seen.ino()) == (opened.dev(), opened.ino());
        if is_itself && opened.mode() & 0o022 == 0 {
            return Ok(folder);
        }
    }
    let text = "it is a link, or others can write into it: remove it";
    Err(io::Error::new(ErrorKind::PermissionDenied, text))
}

/// Flushes a file or a folder to disk.
pub(super) fn flush(path: &Path) -> Result<(), StoreError> {
    File::open(path)
        .and_then(|file| file.sync_all())
        .map_err(|source| StoreError::File {
            doing: "flush to disk",
            path: path.to_owned(),
            source,
        })
}

/// Returns the file that a database's path leads to: the path itself, or what the link there leads to.
/// SQLite puts its log beside that file, so whatever lies beside a database is looked for there; else
/// two ways to one file would have two locks. A link that leads nowhere is returned as it is.
pub fn behind_links(path: &Path) -> PathBuf {
    match fs::symlink_metadata(path) {
        Ok(about) if about.is_symlink() => {
            fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
        }
        // People know their own spelling; links among its folders lead to one place for all names.
        Ok(_) | Err(_) => path.to_owned(),
    }
}

/// Returns `path` with `suffix` at the end of its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
