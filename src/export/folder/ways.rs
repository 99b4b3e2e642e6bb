//! How files are written, and who may read them.

use cap_std::fs::{Permissions, PermissionsExt as _};

use super::Folder;
use crate::export::error::ExportError;

/// How files are written.
#[derive(Clone, Copy, Debug)]
pub(in crate::export) struct Ways {
    /// Files that somebody changed are written anew.
    pub(in crate::export) overwrites: bool,
    /// For the owner alone, whatever the umask; also what an earlier export let others read.
    pub(in crate::export) is_private: bool,
}

impl Ways {
    pub(super) fn file_mode(self) -> u32 {
        if self.is_private { 0o600 } else { 0o666 }
    }

    pub(super) fn folder_mode(self) -> u32 {
        if self.is_private { 0o700 } else { 0o777 }
    }
}

impl Folder {
    /// Takes away what an earlier export let others do with a file of ours, and with its folder.
    pub(super) fn hide(&self, path: &str) -> Result<(), ExportError> {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.hide_one(parent)?;
        }
        self.hide_one(path)
    }

    pub(super) fn hide_one(&self, path: &str) -> Result<(), ExportError> {
        if !self.how.is_private {
            return Ok(());
        }
        let hide = || {
            let mode = self.dir.symlink_metadata(path)?.permissions().mode();
            match mode & 0o077 {
                0 => Ok(()),
                _ => {
                    let private = Permissions::from_mode(mode & 0o700);
                    self.dir.set_permissions(path, private)
                }
            }
        };
        hide().map_err(self.failed("close to others", path))
    }
}
