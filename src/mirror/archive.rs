//! Superseded bytes, one file for each digest: `{ab}/{cd}/{sha256}`.

use std::io;

use cap_std::fs::{Dir, File};

use super::digest::Digest;
use super::error::MirrorError;
use super::folders::{Folder, Tree, cannot_link, open_file};
use super::read::hash_file;
use super::steps::Steps;
use super::temp::TempFolder;

/// The archive's folder, open for keeping.
#[derive(Debug)]
pub(super) struct Archive {
    tree: Tree,
    temp: TempFolder,
    steps: Steps,
}

/// Superseded bytes that have their name in the archive, perhaps not flushed.
#[derive(Debug)]
pub(super) struct Linked {
    folder: Folder,
    name: String,
    /// It is the file of the mirror itself, so in the mirror's file system.
    pub(super) is_second_name: bool,
}

impl Archive {
    pub(super) fn new(tree: Tree, temp: TempFolder, steps: &Steps) -> Self {
        Self {
            tree,
            temp,
            steps: steps.clone(),
        }
    }

    /// Returns its folder of temporary files.
    pub(super) fn temp(&self) -> &TempFolder {
        &self.temp
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
        // Bytes of unknown origin may never have been flushed, nor those that the archive has already: a group linked them,
        // and its flush failed.
        let linked = self.linked(folder, name, file, digest, File::sync_all)?;
        self.settle(linked)
    }

    /// As [`Archive::keep`], with a copy: whoever the file belongs to may go on writing to it. `false`, and nothing kept, if
    /// that was done while it was copied.
    pub(super) fn keep_copy(&self, file: &File, digest: Digest) -> Result<bool, MirrorError> {
        let (place, name) = digest.place();
        let kept = self.tree.folder(&place, &name)?;
        let failed = || MirrorError::io("write archive file", &name);
        if let Some(there) = self.there(&kept, &name, digest)? {
            there.sync_all().map_err(failed())?;
        } else {
            let mut copied = self.temp.copy(file).map_err(failed())?;
            let mut reread = copied.reopen().map_err(failed())?;
            if hash_file(&mut reread).map_err(failed())?.sha256 != digest {
                return Ok(false);
            }
            copied.move_to(&kept.dir, &name).map_err(failed())?;
        }
        self.tree.settle(kept, &name)?;
        Ok(true)
    }

    /// As [`Archive::keep`], with nothing flushed: the caller flushes the whole file system of the mirror before it
    /// takes the file away, and what of this lies in another one is flushed by [`Archive::settle`].
    pub(super) fn link(
        &self,
        folder: &Dir,
        name: &str,
        file: &File,
        digest: Digest,
    ) -> Result<Linked, MirrorError> {
        self.linked(folder, name, file, digest, |_| Ok(()))
    }

    fn linked(
        &self,
        folder: &Dir,
        name: &str,
        file: &File,
        digest: Digest,
        flush: impl Fn(&File) -> io::Result<()>,
    ) -> Result<Linked, MirrorError> {
        let (place, kept_name) = digest.place();
        let kept = self.tree.folder(&place, &kept_name)?;
        let failed = || MirrorError::io("move superseded bytes to archive file", &kept_name);
        let mut is_second_name = false;
        if let Some(there) = self.there(&kept, &kept_name, digest)? {
            flush(&there).map_err(failed())?;
        } else {
            flush(file).map_err(failed())?;
            self.steps.pass().map_err(failed())?;
            match folder.hard_link(name, &kept.dir, &kept_name) {
                Ok(()) => is_second_name = true,
                // Another thread kept the same bytes in the meantime, perhaps for a group that is not flushed yet.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    open_file(&kept.dir, &kept_name)
                        .and_then(|there| flush(&there))
                        .map_err(failed())?;
                }
                Err(error) if cannot_link(&error) => {
                    let mut copied = self.temp.copy(file).map_err(failed())?;
                    copied.move_to(&kept.dir, &kept_name).map_err(failed())?;
                }
                Err(error) => return Err(failed()(error)),
            }
        }
        Ok(Linked {
            folder: kept,
            name: kept_name,
            is_second_name,
        })
    }

    /// Flushes the folders of what was linked.
    pub(super) fn settle(&self, linked: Linked) -> Result<(), MirrorError> {
        self.tree.settle(linked.folder, &linked.name)
    }

    /// Takes note that what was linked is on the disk: the whole file system was flushed.
    pub(super) fn settled(&self, linked: Linked) {
        self.tree.settled(linked.folder);
    }

    /// Removes a file. `false` if it was not there.
    pub(super) fn remove(&self, folder: &str, name: &str) -> Result<bool, MirrorError> {
        self.tree.remove(folder, name)
    }

    /// Returns the file that keeps the bytes already. One of that name with other bytes was damaged; it moves to the
    /// name that its bytes have now.
    fn there(
        &self,
        kept: &Folder,
        name: &str,
        digest: Digest,
    ) -> Result<Option<File>, MirrorError> {
        let failed = || MirrorError::io("read archive file", name);
        if kept.is_new {
            return Ok(None);
        }
        let mut file = match open_file(&kept.dir, name) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed()(error)),
        };
        let actual = hash_file(&mut file).map_err(failed())?.sha256;
        if actual == digest {
            return Ok(Some(file));
        }
        let (place, true_name) = actual.place();
        let aside = self.tree.folder(&place, &true_name)?;
        self.steps.pass().map_err(failed())?;
        kept.dir
            .rename(name, &aside.dir, &true_name)
            .map_err(MirrorError::io("set aside damaged archive file", name))?;
        self.tree.settle(aside, &true_name)?;
        Ok(None)
    }
}
