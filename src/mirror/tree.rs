//! A second tree of the mirror's files, of one moment, with a list of digests.
//!
//! Its files are second names of the mirror's own wherever the file system can do that: they cost no room.
//! That is safe because nothing in this room writes into a file that has a name: what changes gets a new
//! file, and the old one stays what it was under its other names.

use std::fs::{self, TryLockError};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::Mode;

use super::digest::Digest;
use super::error::MirrorError;
use super::folders::{cannot_link, open_file, open_folder, sync_folder};
use super::open::{Options, existing_folder, own_folder};
use super::read::{Reader, archived_path, hash_file, is_missing, regular_at};
use crate::model::RelPath;

/// The list of digests, in the first folder of a copy. No host's folder has capitals.
pub const MANIFEST: &str = "SHA256SUMS";
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// Where the bytes of a file may be.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// At a path of the mirror.
    Mirror(&'a RelPath),
    /// In the archive, under their digest.
    Archive,
}

/// What came of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// The file has one more name. How many bytes it has.
    Linked(u64),
    /// The file has bytes of its own. How many.
    Copied(u64),
    /// These bytes are not there.
    Missing,
}

/// A tree that is being made. Nobody sees it before [`TreeCopy::publish`]; dropped without
/// [`TreeCopy::keep`], it is gone.
#[derive(Debug)]
pub struct TreeCopy {
    target: PathBuf,
    /// The folder beside the target in which the tree comes to be.
    hidden: PathBuf,
    root: Dir,
    /// The folder that was used last: files come in the order of their paths.
    folder: Option<(String, Dir)>,
    manifest: BufWriter<File>,
    copies: bool,
    file_mode: Option<u32>,
    dir_mode: Option<u32>,
    is_visible: bool,
    is_kept: bool,
    /// Held as long as this is: the hidden folder has one user.
    _lock: fs::File,
}

impl TreeCopy {
    /// Begins a tree that becomes `target`, a folder that does not exist or is empty. With `copies`
    /// every file gets bytes of its own, for a tree that others may write to.
    ///
    /// # Errors
    /// [`MirrorError::Taken`] where something is there already; when the folder cannot be made.
    pub fn begin(target: &Path, options: &Options, copies: bool) -> Result<Self, MirrorError> {
        is_free(target)?;
        let name = target
            .file_name()
            .ok_or_else(|| taken(target, "is no name for a folder"))?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(".partial");
        let hidden = folder_of(target).join(hidden);
        let failed = |doing| MirrorError::io(doing, hidden.display());
        match fs::DirBuilder::new().mode(0o700).create(&hidden) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(failed("create folder"))?,
        }
        let lock = own_folder(&hidden).map_err(failed("open folder"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(taken(target, "is being written by another snapshot"));
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock")(error)),
        }
        // The very folder that was looked at, whatever its name leads to by now.
        let root = lock
            .try_clone()
            .map(Dir::from_std_file)
            .map_err(failed("open folder"))?;
        clear(&root).map_err(failed("clear"))?;
        let manifest = create(&root, MANIFEST, options.file_mode).map_err(failed("write into"))?;
        Ok(Self {
            target: target.to_owned(),
            hidden,
            root,
            folder: None,
            manifest: BufWriter::new(manifest),
            copies,
            file_mode: options.file_mode,
            dir_mode: options.dir_mode,
            is_visible: false,
            is_kept: false,
            _lock: lock,
        })
    }

    /// Adds a file from a source if that has the bytes of `digest`: all of them are read. Otherwise the
    /// tree stays as it was.
    ///
    /// # Errors
    /// When the source cannot be read or the tree cannot be written.
    pub fn add(
        &mut self,
        reader: &Reader,
        path: &RelPath,
        digest: &Digest,
        source: Source<'_>,
    ) -> Result<Added, MirrorError> {
        let (from, at) = match (source, reader.archive()) {
            (Source::Mirror(at), _) => (reader.root(), at.as_str().to_owned()),
            (Source::Archive, Some(archive)) => (archive, archived_path(digest)),
            (Source::Archive, None) => return Ok(Added::Missing),
        };
        let (folder, name) = path
            .as_str()
            .rsplit_once('/')
            .unwrap_or(("", path.as_str()));
        self.enter(folder)?;
        let Some((_, dir)) = &self.folder else {
            return Ok(Added::Missing);
        };
        let failed = || MirrorError::io("copy", path);
        let added = if self.copies {
            copy(from, &at, dir, name, digest, self.file_mode).map_err(failed())?
        } else {
            match link(from, &at, dir, name, digest) {
                Err(error) if cannot_link(&error) => {
                    copy(from, &at, dir, name, digest, self.file_mode).map_err(failed())?
                }
                other => other.map_err(failed())?,
            }
        };
        if added != Added::Missing {
            let line = manifest_line(digest, path.as_str());
            self.manifest
                .write_all(line.as_bytes())
                .map_err(MirrorError::io("write", MANIFEST))?;
        }
        Ok(added)
    }

    /// Makes the tree visible: under its name, whole, flushed.
    ///
    /// # Errors
    /// When it cannot be flushed or renamed; [`MirrorError::Taken`] where something came to be there.
    pub fn publish(&mut self) -> Result<(), MirrorError> {
        let failed = |doing| MirrorError::io(doing, self.target.display());
        self.manifest.flush().map_err(failed("write"))?;
        if let Some(mode) = self.dir_mode {
            rustix::fs::fchmod(&self.root, Mode::from_raw_mode(mode))
                .map_err(|errno| failed("set the mode of")(errno.into()))?;
        }
        // One flush of everything instead of one for each of many small folders.
        rustix::fs::syncfs(&self.root).map_err(|errno| failed("flush")(errno.into()))?;
        is_free(&self.target)?;
        // An empty folder gives way; one that is not empty any more does not.
        fs::rename(&self.hidden, &self.target).map_err(failed("write"))?;
        self.is_visible = true;
        let above = folder_of(&self.target);
        existing_folder(above)
            .and_then(|dir| sync_folder(&dir))
            .map_err(MirrorError::io("flush", above.display()))
    }

    /// Leaves the tree where it is, once all that belongs to it is there.
    pub fn keep(mut self) {
        self.is_kept = true;
    }

    /// Opens the folder of the next file, making what is missing.
    fn enter(&mut self, path: &str) -> Result<(), MirrorError> {
        if self.folder.as_ref().is_some_and(|(open, _)| open == path) {
            return Ok(());
        }
        let failed = || MirrorError::io("create folder", path);
        let mut dir = self.root.try_clone().map_err(failed())?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            let made =
                dir.create_dir_with(name, DirBuilder::new().mode(self.dir_mode.unwrap_or(0o700)));
            let is_new = match made {
                Ok(()) => true,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => false,
                Err(error) => return Err(failed()(error)),
            };
            dir = open_folder(&dir, name).map_err(failed())?;
            if let (true, Some(mode)) = (is_new, self.dir_mode) {
                rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode))
                    .map_err(|errno| failed()(errno.into()))?;
            }
        }
        self.folder = Some((path.to_owned(), dir));
        Ok(())
    }
}

impl Drop for TreeCopy {
    fn drop(&mut self) {
        if self.is_kept {
            return;
        }
        // Nobody is left to tell; the next snapshot clears the folder.
        if self.is_visible {
            // Out of sight first: a part of a tree is none.
            drop(fs::rename(&self.target, &self.hidden));
        }
        drop(clear(&self.root));
        drop(fs::remove_dir(&self.hidden));
    }
}

/// Fails unless there is nothing at `target`, or an empty folder.
fn is_free(target: &Path) -> Result<(), MirrorError> {
    let failed = || MirrorError::io("look at", target.display());
    match fs::symlink_metadata(target) {
        Ok(about) if about.is_dir() => {}
        Ok(_) => return Err(taken(target, "is not a folder")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed()(error)),
    }
    match fs::read_dir(target).map_err(failed())?.next() {
        None => Ok(()),
        Some(_) => Err(taken(target, "is not empty and was left as it is")),
    }
}

fn taken(target: &Path, why: &'static str) -> MirrorError {
    MirrorError::Taken {
        path: target.to_owned(),
        why,
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        Some(_) | None => Path::new("."),
    }
}

/// Removes everything in a folder of ours.
fn clear(dir: &Dir) -> io::Result<()> {
    for entry in dir.entries()? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            dir.remove_dir_all(entry.file_name())?;
        } else {
            dir.remove_file(entry.file_name())?;
        }
    }
    Ok(())
}

/// Gives a file one more name, and takes it back if the bytes are not the ones asked for. The name comes
/// first: from then on the bytes stay, whatever a run does to the mirror.
fn link(from: &Dir, at: &str, dir: &Dir, name: &str, digest: &Digest) -> io::Result<Added> {
    match from.hard_link(at, dir, name) {
        Ok(()) => {}
        Err(error) if is_missing(&error) => return Ok(Added::Missing),
        Err(error) => return Err(error),
    }
    let hashed = regular_at(dir, name)
        .and_then(|file| file.map(|mut file| hash_file(&mut file)).transpose());
    match hashed {
        Ok(Some(hashed)) if hashed.sha256 == *digest => Ok(Added::Linked(hashed.bytes)),
        Ok(_) => dir.remove_file(name).map(|()| Added::Missing),
        Err(error) => Err(error),
    }
}

/// Copies a file, and removes the copy if the bytes are not the ones asked for.
fn copy(
    from: &Dir,
    at: &str,
    dir: &Dir,
    name: &str,
    digest: &Digest,
    mode: Option<u32>,
) -> io::Result<Added> {
    let Some(mut source) = regular_at(from, at)? else {
        return Ok(Added::Missing);
    };
    let mut target = create(dir, name, mode)?;
    let mut buffer = vec![0; COPY_BUFFER_BYTES];
    loop {
        let read = match source.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match buffer.get(..read) {
            Some([]) | None => break,
            Some(bytes) => target.write_all(bytes)?,
        }
    }
    drop(target);
    // Read back: what counts is what the copy has.
    let hashed = hash_file(&mut open_file(dir, name)?)?;
    if hashed.sha256 == *digest {
        return Ok(Added::Copied(hashed.bytes));
    }
    dir.remove_file(name).map(|()| Added::Missing)
}

fn create(dir: &Dir, name: &str, mode: Option<u32>) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .write(true)
        .create_new(true)
        .mode(mode.unwrap_or(0o600));
    let file = dir.open_with(name, &options)?;
    if let Some(mode) = mode {
        // The mode was asked for by name, so the umask has no say.
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    }
    Ok(file)
}

/// One line of the list, in the form of `sha256sum`: a name with a backslash or a line break is escaped,
/// and a backslash at the line's beginning says so.
fn manifest_line(digest: &Digest, path: &str) -> String {
    if !path.contains(['\\', '\n', '\r']) {
        return format!("{digest}  {path}\n");
    }
    let escaped = path
        .replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('\r', "\\r");
    format!("\\{digest}  {escaped}\n")
}
