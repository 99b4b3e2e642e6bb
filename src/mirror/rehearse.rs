//! Whether a file could be saved, before anybody pays for its bytes. Leaves nothing behind that a start does not clear away.

use std::io::{self, ErrorKind};

use cap_std::fs::Dir;
use rustix::fs::{Access, AtFlags};
use rustix::io::Errno;

use super::error::MirrorError;
use super::folders::cannot_link;
use super::open::Mirror;
use super::temp::TempFolder;
use crate::model::path::RelPath;

impl Mirror {
    /// Tries what saving at a path needs of the folder directly below the mirror's: that it is one or can be made, that it may
    /// be written, that it takes files from the folder of temporary ones, and that this takes bytes.
    ///
    /// # Errors
    /// With what is in the way. A file of another folder may be saved all the same.
    pub fn rehearse(&self, path: &RelPath) -> Result<(), MirrorError> {
        let inner = &self.inner;
        let host = path.host_folder();
        let folder = inner.tree.folder(host, host)?;
        inner.temp.try_out(host)?;
        may_enter(&folder.dir).map_err(MirrorError::io("write into", host))?;
        takes_from(&folder.dir, &inner.temp).map_err(MirrorError::io("move files into", host))
    }

    /// Tries whether the archive takes files of the mirror. Returns whether it has to copy them: where it has not, they are
    /// there already, and get one name more.
    ///
    /// # Errors
    /// With what is in the way.
    pub fn rehearse_archive(&self) -> Result<bool, MirrorError> {
        let archive = self.inner.archive.temp();
        archive.try_out(ARCHIVE)?;
        match takes_from(archive.dir(), &self.inner.temp) {
            Ok(()) => Ok(false),
            Err(error) if cannot_link(&error) => Ok(true),
            Err(error) => Err(MirrorError::io("write into", ARCHIVE)(error)),
        }
    }

    /// Looks whether the archive's file system has room for a copy of so many bytes.
    ///
    /// # Errors
    /// Where it has not, or does not say.
    pub fn fits_archive(&self, bytes: u64) -> Result<(), MirrorError> {
        let failed =
            |errno: Errno| MirrorError::io("put superseded bytes into", ARCHIVE)(errno.into());
        let stat = rustix::fs::fstatvfs(self.inner.archive.temp().dir()).map_err(failed)?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free > bytes {
            Ok(())
        } else {
            Err(failed(Errno::NOSPC))
        }
    }
}

/// How it is called in messages.
const ARCHIVE: &str = "the archive";

impl TempFolder {
    /// Writes a file and removes it: a file system that became read-only by itself shows that only so.
    fn try_out(&self, wanted: &str) -> Result<(), MirrorError> {
        let mut temp = self
            .create("rehearsal")
            .map_err(MirrorError::io("write a temporary file for", wanted))?;
        temp.write(b"\n")
            .map_err(MirrorError::io("write a temporary file for", wanted))
    }
}

fn may_enter(folder: &Dir) -> io::Result<()> {
    let wanted = Access::WRITE_OK | Access::EXEC_OK;
    Ok(rustix::fs::accessat(folder, ".", wanted, AtFlags::empty())?)
}

/// Asks for a file to be moved that does not exist. Before the system looks for it, it looks whether both folders are in one mount
/// that may be written.
fn takes_from(folder: &Dir, temp: &TempFolder) -> io::Result<()> {
    const NOBODY: &str = ".no-such-file";
    match temp.dir().rename(NOBODY, folder, NOBODY) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}
