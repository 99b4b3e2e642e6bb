//! Superseded bytes, one file for each digest: `{ab}/{cd}/{sha256}`.

use std::io::{self, Read as _};

use cap_std::fs::{Dir, File};
use rustix::io::Errno;

use super::digest::Digest;
use super::error::MirrorError;
use super::folders::{Folder, Tree, open_file};
use super::read::hash_file;
use super::steps::Steps;
use super::temp::TempFolder;

const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// The archive's folder, open for keeping.
#[derive(Debug)]
pub(super) struct Archive {
    tree: Tree,
    temp: TempFolder,
    steps: Steps,
}

impl Archive {
    pub(super) fn new(tree: Tree, temp: TempFolder, steps: &Steps) -> Self {
        Self {
            tree,
            temp,
            steps: steps.clone(),
        }
    }

    /// Keeps the bytes of the file `name` in `folder` under their digest, flushed. The file itself stays.
    ///
    /// `file` is that file, open, and `digest` what was computed from it. Repeating this changes nothing.
    pub(super) fn keep(
        &self,
        folder: &Dir,
        name: &str,
        file: &File,
        digest: Digest,
    ) -> Result<(), MirrorError> {
        let (place, kept_name) = digest.place();
        let kept = self.tree.folder(&place, &kept_name)?;
        let failed = || MirrorError::io("move superseded bytes to archive file", &kept_name);
        if !self.has(&kept, &kept_name, digest)? {
            // Bytes of unknown origin may never have been flushed.
            file.sync_all().map_err(failed())?;
            self.steps.pass().map_err(failed())?;
            match folder.hard_link(name, &kept.dir, &kept_name) {
                Ok(()) => {}
                // Another thread kept the same bytes in the meantime.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if cannot_link(&error) => {
                    self.copy(file, &kept, &kept_name).map_err(failed())?;
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        self.tree.settle(kept, &kept_name)
    }

    /// Removes a file. `false` if it was not there.
    pub(super) fn remove(&self, folder: &str, name: &str) -> Result<bool, MirrorError> {
        self.tree.remove(folder, name)
    }

    /// Tells whether the bytes are kept already. A file of that name with other bytes was damaged; it moves to the
    /// name that its bytes have now.
    fn has(&self, kept: &Folder, name: &str, digest: Digest) -> Result<bool, MirrorError> {
        let failed = || MirrorError::io("read archive file", name);
        if kept.is_new {
            return Ok(false);
        }
        let mut file = match open_file(&kept.dir, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(failed()(error)),
        };
        let actual = hash_file(&mut file).map_err(failed())?.sha256;
        if actual == digest {
            return Ok(true);
        }
        let (place, true_name) = actual.place();
        let aside = self.tree.folder(&place, &true_name)?;
        self.steps.pass().map_err(failed())?;
        kept.dir
            .rename(name, &aside.dir, &true_name)
            .map_err(MirrorError::io("set aside damaged archive file", name))?;
        self.tree.settle(aside, &true_name)?;
        Ok(false)
    }

    fn copy(&self, file: &File, kept: &Folder, name: &str) -> io::Result<()> {
        let mut source = file.try_clone()?;
        // The handle stands where hashing left it, at the end.
        io::Seek::rewind(&mut source)?;
        let mut temp = self.temp.create(name)?;
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        loop {
            let read = source.read(&mut buffer)?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(bytes) => temp.write(bytes)?,
            }
        }
        temp.sync()?;
        temp.move_to(&kept.dir, name)
    }
}

/// Another file system, one without hard links, or one that forbids them (`protected_hardlinks`).
fn cannot_link(error: &io::Error) -> bool {
    let reasons = [
        Errno::XDEV,
        Errno::PERM,
        Errno::ACCESS,
        Errno::MLINK,
        Errno::OPNOTSUPP,
        Errno::NOSYS,
    ];
    Errno::from_io_error(error).is_some_and(|errno| reasons.contains(&errno))
}
