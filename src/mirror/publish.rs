//! Making a finished file visible, so that at every moment the path holds whole bytes, old or new.

mod group;
mod restore;

use std::io;

use cap_std::fs::{Dir, File, Metadata, MetadataExt as _};
use rustix::io::Errno;

use super::digest::Digest;
use super::error::{MirrorError, is_of_the_device};
use super::folders::{Folder, open_file, sync_folder};
use super::open::{Inner, Mirror};
use super::partial::{Body, Finished};
use super::read::{hash_file, regular_at};
use super::temp::TempFile;
use crate::model::path::RelPath;

pub use group::Entry;

/// What the caller knows of the file that a new one takes the place of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superseded {
    /// Where it is. Another path than the new one's only if no other medium's row names it: the file leaves it.
    pub path: RelPath,
    /// What its bytes were when it was saved.
    pub sha256: Digest,
}

/// A file that is saved: visible, whole and on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Where it is.
    pub path: RelPath,
    /// What its bytes are.
    pub sha256: Digest,
    /// How many there are.
    pub bytes: u64,
    /// What went to the archive: none, one, or two when a stranger's file was in the place and the old one elsewhere.
    /// Bytes that live on at the new path are not archived.
    pub archived: Vec<Digest>,
    /// Whether the path held these bytes already and was left alone.
    pub was_unchanged: bool,
}

impl Finished {
    /// Makes the file visible at `path` and returns once that will survive a power cut.
    ///
    /// Whatever else is at the path goes to the archive first, under the digest of its actual bytes. A file that the device cannot
    /// read has none: it gives way to the very bytes that `old` says were saved there, and is in the way of others. With `old` at another path
    /// (renamed upstream), the old file goes to the archive after the new one is in place, provided its bytes are
    /// still the recorded ones; otherwise it is left alone, for it may be another medium's.
    ///
    /// # Errors
    /// On [`MirrorError::is_blocked`] call it once more with `RelPath::fallback`: the bytes are still there. Any error leaves the
    /// path with its old or its new bytes, whole, and repeating the work is safe.
    pub fn publish(
        &mut self,
        path: &RelPath,
        old: Option<&Superseded>,
    ) -> Result<Published, MirrorError> {
        let new = New {
            path,
            sha256: self.sha256(),
            bytes: self.bytes(),
        };
        let source = match &mut self.body {
            Body::Memory(bytes) => Source::Memory {
                bytes,
                hint: &self.hint,
            },
            Body::Temp(temp) => Source::Temp(temp),
        };
        self.inner.publish(source, new, old)
    }
}

impl Mirror {
    /// Saves bytes in one go: the short way for small files. As `begin`, `write`, `finish` and [`Finished::publish`].
    ///
    /// # Errors
    /// As [`Finished::publish`].
    pub fn save_whole(
        &self,
        bytes: &[u8],
        path: &RelPath,
        old: Option<&Superseded>,
    ) -> Result<Published, MirrorError> {
        let new = New {
            path,
            sha256: Digest::of(bytes),
            bytes: bytes.len() as u64,
        };
        self.inner
            .publish(Source::Memory { bytes, hint: "" }, new, old)
    }

    /// Gives a saved file another path and returns once that will survive a power cut: first the new name,
    /// then the old one goes, so that at every moment the bytes have a name. Repeating this changes nothing.
    ///
    /// The old name goes before the caller writes its row. Cut off in between, the file lies where its medium's URL leads,
    /// and is found there; with the row first, the old name would stay, which then nothing knows of.
    ///
    /// Whatever else is at the new path goes to the archive first.
    ///
    /// # Errors
    /// As [`Finished::publish`], and [`MirrorError::Gone`] if the file at neither path is the recorded
    /// one; nothing is changed then.
    pub fn relocate(&self, saved: &Superseded, path: &RelPath) -> Result<Published, MirrorError> {
        self.name_also(saved, path, Some(saved))
    }

    /// Gives a saved file a second path and returns once that will survive a power cut; it stays where it is. Repeating
    /// this changes nothing.
    ///
    /// Whatever else is at the new path goes to the archive first.
    ///
    /// # Errors
    /// As [`Mirror::relocate`].
    pub fn add_path(&self, saved: &Superseded, path: &RelPath) -> Result<Published, MirrorError> {
        self.name_also(saved, path, None)
    }

    fn name_also(
        &self,
        saved: &Superseded,
        path: &RelPath,
        old: Option<&Superseded>,
    ) -> Result<Published, MirrorError> {
        let failed = || MirrorError::io("move", &saved.path);
        let (parent, name) = saved.path.split();
        let folder = self.inner.tree.existing(parent).map_err(failed())?;
        let found = match &folder {
            Some(folder) => regular_at(folder, name).map_err(failed())?,
            None => None,
        };
        let hashed = match found {
            Some(mut file) => Some((hash_file(&mut file).map_err(failed())?, file)),
            None => None,
        };
        match (folder, hashed) {
            (Some(dir), Some((hashed, file))) if hashed.sha256 == saved.sha256 => {
                let new = New {
                    path,
                    sha256: saved.sha256,
                    bytes: hashed.bytes,
                };
                let source = Source::Named {
                    dir: &dir,
                    name,
                    file: &file,
                };
                self.inner.publish(source, new, old)
            }
            // Cut off after the move and before it was recorded.
            (Some(_) | None, _) => {
                let there = self.hash(path)?;
                match there.filter(|there| there.sha256 == saved.sha256) {
                    Some(there) => Ok(Published {
                        path: path.clone(),
                        sha256: there.sha256,
                        bytes: there.bytes,
                        archived: Vec::new(),
                        was_unchanged: true,
                    }),
                    None => Err(MirrorError::Gone {
                        path: saved.path.to_string(),
                    }),
                }
            }
        }
    }

    /// Removes a file whose retention has ended, and the folders that this leaves empty. `false` if it was not there.
    /// Only `prune` calls this.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, path: &RelPath) -> Result<bool, MirrorError> {
        let (folder, name) = path.split();
        self.inner.tree.remove(folder, name)
    }

    /// Moves a file, whose own retention has ended, to the archive, because something else needs its bytes. `false` if
    /// the path does not hold these bytes. Only `prune` calls this.
    ///
    /// # Errors
    /// When it cannot be moved; then it is still where it was.
    pub fn archive(&self, file: &Superseded) -> Result<bool, MirrorError> {
        let archived = self.inner.retire(file, None)?;
        Ok(archived.is_some())
    }

    /// Removes archived bytes whose retention has ended, and the folders that this leaves empty. `false` if they were not
    /// there. Only `prune` calls this.
    ///
    /// # Errors
    /// When they cannot be removed.
    pub fn remove_archived(&self, digest: &Digest) -> Result<bool, MirrorError> {
        let (folder, name) = digest.place();
        self.inner.archive.remove(&folder, &name)
    }
}

/// The bytes to publish.
enum Source<'a> {
    Memory {
        bytes: &'a [u8],
        hint: &'a str,
    },
    Temp(&'a mut TempFile),
    /// A visible file, which gets a second name.
    Named {
        dir: &'a Dir,
        name: &'a str,
        file: &'a File,
    },
}

#[derive(Clone, Copy)]
struct New<'a> {
    path: &'a RelPath,
    sha256: Digest,
    bytes: u64,
}

impl Inner {
    fn publish(
        &self,
        mut source: Source<'_>,
        new: New<'_>,
        old: Option<&Superseded>,
    ) -> Result<Published, MirrorError> {
        let placed = match self.place(&mut source, new, old) {
            Err(error) if error.is_missing() => {
                // A remembered folder was removed behind our back: its handle leads nowhere, a fresh one will not.
                self.tree.forget();
                self.place(&mut source, new, old)?
            }
            placed => placed?,
        };
        self.published(new, old, placed.archived, placed.was_unchanged)
    }

    /// Puts away the old file, where it is elsewhere, once the new one is in its place.
    fn published(
        &self,
        new: New<'_>,
        old: Option<&Superseded>,
        archived: Option<Digest>,
        was_unchanged: bool,
    ) -> Result<Published, MirrorError> {
        let mut archived: Vec<Digest> = archived.into_iter().collect();
        if let Some(old) = old.filter(|old| old.path != *new.path) {
            let living = Living {
                sha256: new.sha256,
                found_at: was_unchanged.then_some(new.path),
            };
            archived.extend(self.retire(old, Some(living))?);
        }
        let New {
            path,
            sha256,
            bytes,
        } = new;
        Ok(Published {
            path: path.clone(),
            sha256,
            bytes,
            archived,
            was_unchanged,
        })
    }

    /// Puts the bytes at their path, archiving what is there. The order is what keeps a crash harmless: new bytes
    /// flushed, old bytes archived and flushed, name switched, name flushed.
    fn place(
        &self,
        source: &mut Source<'_>,
        new: New<'_>,
        old: Option<&Superseded>,
    ) -> Result<Placed, MirrorError> {
        let (parent, name) = new.path.split();
        let path = new.path.as_str();
        let folder = self.tree.folder(parent, path)?;
        let present = if folder.is_new {
            None
        } else {
            match present(&folder, name, path) {
                Err(MirrorError::Io { source, .. }) if is_of_the_device(&source) => {
                    give_way(new, old, source)?;
                    None
                }
                present => present?,
            }
        };
        let mut placed = Placed {
            archived: None,
            was_unchanged: false,
        };
        if let Some((file, found)) = &present
            && *found == new.sha256
        {
            // The right bytes, but perhaps of a run that was cut off before they were flushed.
            file.sync_all().map_err(MirrorError::io("flush", path))?;
            placed.was_unchanged = true;
        } else {
            let mut written = None;
            let temp = match source {
                Source::Temp(temp) => temp,
                Source::Named { dir, name, file } => written.insert(
                    self.temp
                        .second_name(dir, name, file)
                        .map_err(MirrorError::io("give a second name to the file for", path))?,
                ),
                Source::Memory { bytes, hint } => written.insert(
                    self.written(bytes, hint)
                        .map_err(MirrorError::io("write a temporary file for", path))?,
                ),
            };
            temp.sync()
                .map_err(MirrorError::io("flush a temporary file for", path))?;
            if let Some((file, found)) = &present {
                self.archive.keep(&folder.dir, name, file, *found)?;
                placed.archived = Some(*found);
            }
            temp.move_to(&folder.dir, name).map_err(MirrorError::named(
                "rename a temporary file to",
                path,
                path,
            ))?;
        }
        self.tree.settle(folder, path)?;
        Ok(placed)
    }

    fn written(&self, bytes: &[u8], hint: &str) -> io::Result<TempFile> {
        let mut temp = self.temp.create(hint)?;
        temp.write(bytes)?;
        Ok(temp)
    }

    /// Moves a file away from its path and to the archive, if it still is that file. Bytes that live on elsewhere in the
    /// mirror are not archived, and where there are such, a file that the device cannot read is left alone: perhaps it is
    /// another one.
    fn retire(
        &self,
        old: &Superseded,
        living: Option<Living<'_>>,
    ) -> Result<Option<Digest>, MirrorError> {
        let path = old.path.as_str();
        let failed = || MirrorError::io("move to the archive", path);
        let (parent, name) = old.path.split();
        let Some(folder) = self.tree.existing(parent).map_err(failed())? else {
            return Ok(None);
        };
        let Some(mut file) = regular_at(&folder, name).map_err(failed())? else {
            return Ok(None);
        };
        let found = match hash_file(&mut file) {
            Err(error) if living.is_some() && is_of_the_device(&error) => return Ok(None),
            hashed => hashed.map_err(failed())?.sha256,
        };
        if found != old.sha256 {
            return Ok(None);
        }
        let lives_on = living.filter(|living| living.sha256 == found);
        let doubtful = match lives_on.and_then(|living| living.found_at) {
            Some(path)
                if self
                    .may_be_the_same(path, &folder, name, &file)
                    .map_err(failed())? =>
            {
                Some(path)
            }
            Some(_) | None => None,
        };
        if lives_on.is_none() || doubtful.is_some() {
            self.archive.keep(&folder, name, &file, found)?;
        }
        self.steps.pass().map_err(failed())?;
        folder.remove_file(name).map_err(failed())?;
        sync_folder(&folder).map_err(failed())?;
        if let Some(path) = doubtful {
            self.name_again(path, &file)?;
        }
        Ok(lives_on.is_none().then_some(found))
    }

    /// Returns whether a path of the mirror may lead to the very name of a file, by another spelling: the file is the same one,
    /// the folder, too, and it does not list both names.
    fn may_be_the_same(
        &self,
        path: &RelPath,
        folder: &Dir,
        name: &str,
        file: &File,
    ) -> io::Result<bool> {
        let (parent, other) = path.split();
        let Some(there) = self.tree.existing(parent)? else {
            return Ok(false);
        };
        let Some(found) = regular_at(&there, other)? else {
            return Ok(false);
        };
        let which = |about: Metadata| (about.dev(), about.ino());
        let is_one_file = which(found.metadata()?) == which(file.metadata()?);
        if !is_one_file || which(there.dir_metadata()?) != which(folder.dir_metadata()?) {
            return Ok(false);
        }
        let mut listed = 0;
        for entry in folder.entries()? {
            let entry = entry?.file_name();
            listed += u8::from(entry == name || entry == other);
        }
        Ok(listed < 2)
    }

    /// Gives a file, whose other name is gone, its new name again if that went, too: the two were one name, as where capital
    /// and small letters are not told apart. What is open can still be read, and the archive has it.
    fn name_again(&self, path: &RelPath, file: &File) -> Result<(), MirrorError> {
        let failed = || MirrorError::io("put back", path);
        let (parent, name) = path.split();
        let folder = self.tree.folder(parent, path.as_str())?;
        self.steps.pass().map_err(failed())?;
        if regular_at(&folder.dir, name).map_err(failed())?.is_none() {
            let mut copy = self.temp.copy(file).map_err(failed())?;
            copy.move_to(&folder.dir, name).map_err(failed())?;
        }
        self.tree.settle(folder, path.as_str())
    }
}

/// Bytes that stay here when a file is put away that may have them, too.
#[derive(Clone, Copy)]
struct Living<'a> {
    sha256: Digest,
    /// The path in the mirror that had them before anything was done. It may be that of the very file that is put away, by
    /// another spelling: until that is known, the archive has to have the bytes.
    found_at: Option<&'a RelPath>,
}

struct Placed {
    archived: Option<Digest>,
    was_unchanged: bool,
}

/// Lets a file that the device cannot read give way to the bytes that were saved there: whatever could be rescued of it is at
/// hand. To others it does not, for nobody else may have what it holds.
fn give_way(new: New<'_>, old: Option<&Superseded>, source: io::Error) -> Result<(), MirrorError> {
    let is_the_same = |old: &Superseded| old.path == *new.path && old.sha256 == new.sha256;
    if old.is_some_and(is_the_same) {
        return Ok(());
    }
    Err(MirrorError::Blocked {
        path: new.path.to_string(),
        at: new.path.to_string(),
        source,
    })
}

/// Opens and hashes the file that has the name now. `None` if there is nothing whose bytes could be lost: a symbolic
/// link or a socket is simply replaced.
fn present(folder: &Folder, name: &str, path: &str) -> Result<Option<(File, Digest)>, MirrorError> {
    let failed = || MirrorError::io("read", path);
    match folder.dir.symlink_metadata(name) {
        Ok(found) if found.is_dir() => Err(MirrorError::named("replace", path, path)(
            Errno::ISDIR.into(),
        )),
        Ok(found) if found.is_file() => {
            let mut file = open_file(&folder.dir, name).map_err(failed())?;
            let found = hash_file(&mut file).map_err(failed())?;
            Ok(Some((file, found.sha256)))
        }
        Ok(_) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(MirrorError::named("look at", path, path)(error)),
    }
}
