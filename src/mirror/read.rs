//! Looking at the files, changing nothing.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cap_std::fs::{Dir, File, MetadataExt as _, ReadDir};

use super::digest::Digest;
use super::error::MirrorError;
use super::folders::{open_file, open_folder};
use super::open::{Options, existing_folder};
use crate::model::path::{OnDisk, RelPath, TEMP_FOLDER};

/// Large enough that the digest, not the system calls, takes the time.
const READ_BUFFER_BYTES: usize = 128 * 1024;

/// The mirror and its archive, open for looking. Safe beside a run.
#[derive(Clone, Debug)]
pub struct Reader {
    root: Arc<Dir>,
    /// `None` while nothing was ever superseded.
    archive: Option<Arc<Dir>>,
}

/// What a file's bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// Their SHA-256.
    pub sha256: Digest,
    /// How many there are.
    pub bytes: u64,
}

/// A file of the disk, under whatever names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileId {
    device: u64,
    number: u64,
}

/// What is left in the mirror's file system for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Free bytes for an ordinary user.
    pub bytes: u64,
    /// All bytes, used and free.
    pub total_bytes: u64,
    /// Free inodes, one for each file. `None` when the file system does not count them.
    pub inodes: Option<u64>,
    /// All inodes, used and free; `None` as above.
    pub total_inodes: Option<u64>,
}

/// A file that a scan came across.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its path below the folder scanned, as the disk has it: possibly one that no medium can have.
    pub path: PathBuf,
    /// Its length in bytes; `None` for links, sockets and the like, which are not the mirror's and strays to a
    /// reader of the list.
    pub bytes: Option<u64>,
}

impl Reader {
    pub(super) fn new(root: Arc<Dir>, archive: Option<Arc<Dir>>) -> Self {
        Self { root, archive }
    }

    pub(super) fn root(&self) -> &Dir {
        &self.root
    }

    pub(super) fn archive(&self) -> Option<&Dir> {
        self.archive.as_deref()
    }

    /// Opens the mirror for looking. Makes and removes nothing; the archive may be missing.
    ///
    /// # Errors
    /// When the mirror's folder is missing or cannot be read.
    pub fn open(options: &Options) -> Result<Self, MirrorError> {
        let root = existing_folder(&options.root).map_err(|source| MirrorError::Open {
            path: options.root.clone(),
            source,
        })?;
        let archive = match existing_folder(&options.archive) {
            Ok(dir) => Some(Arc::new(dir)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => {
                return Err(MirrorError::Open {
                    path: options.archive.clone(),
                    source,
                });
            }
        };
        Ok(Self::new(Arc::new(root), archive))
    }

    /// As [`Reader::open`]; `None` if the mirror's folder does not exist.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn open_if_there(options: &Options) -> Result<Option<Self>, MirrorError> {
        match Self::open(options) {
            Ok(reader) => Ok(Some(reader)),
            Err(MirrorError::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(err) => Err(err),
        }
    }

    /// Looks at what lies at a path, without reading it: a regular file of that length is [`OnDisk::Intact`].
    ///
    /// # Errors
    /// When the disk cannot tell: then nothing may be concluded.
    pub fn check(&self, path: &RelPath, expected_bytes: u64) -> Result<OnDisk, MirrorError> {
        match self.root.symlink_metadata(path) {
            Ok(found) if found.is_file() && found.len() == expected_bytes => Ok(OnDisk::Intact),
            Ok(_) => Ok(OnDisk::Damaged),
            Err(error) if is_missing(&error) => Ok(OnDisk::Missing),
            Err(source) => Err(MirrorError::io("look at", path)(source)),
        }
    }

    /// Reads a file and computes its digest. `None` if there is no regular file at the path.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hash(&self, path: &RelPath) -> Result<Option<Hashed>, MirrorError> {
        hash_at(&self.root, path.as_str())
    }

    /// Returns which file lies at a path, so that two paths to one file are not taken for two copies. `None`
    /// if there is no regular file at the path.
    ///
    /// # Errors
    /// When the disk cannot tell.
    pub fn which(&self, path: &RelPath) -> Result<Option<FileId>, MirrorError> {
        which_at(&self.root, path.as_str())
    }

    /// Returns in which file archived bytes are. `None` if they are not there.
    ///
    /// # Errors
    /// When the disk cannot tell.
    pub fn which_archived(&self, digest: &Digest) -> Result<Option<FileId>, MirrorError> {
        match &self.archive {
            Some(archive) => which_at(archive, &archived_path(digest)),
            None => Ok(None),
        }
    }

    /// Opens a file for reading. `None` if there is no regular file at the path.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_file(&self, path: &RelPath) -> Result<Option<std::fs::File>, MirrorError> {
        let file = regular_at(&self.root, path.as_str()).map_err(MirrorError::io("open", path))?;
        Ok(file.map(File::into_std))
    }

    /// Reads archived bytes and computes their digest, which should be the one asked for. `None` if they are not there.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn hash_archived(&self, digest: &Digest) -> Result<Option<Hashed>, MirrorError> {
        match &self.archive {
            Some(archive) => hash_at(archive, &archived_path(digest)),
            None => Ok(None),
        }
    }

    /// Tells how long archived bytes are, without reading them. `None` if they are not there.
    ///
    /// # Errors
    /// When the disk cannot tell.
    pub fn archived_length(&self, digest: &Digest) -> Result<Option<u64>, MirrorError> {
        let Some(archive) = &self.archive else {
            return Ok(None);
        };
        match archive.symlink_metadata(archived_path(digest)) {
            Ok(found) => Ok(found.is_file().then(|| found.len())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(source) => Err(MirrorError::io("look at archive file", digest)(source)),
        }
    }

    /// Opens archived bytes for reading. `None` if they are not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open_archived(&self, digest: &Digest) -> Result<Option<std::fs::File>, MirrorError> {
        let Some(archive) = &self.archive else {
            return Ok(None);
        };
        let file = regular_at(archive, &archived_path(digest))
            .map_err(MirrorError::io("open archive file", digest))?;
        Ok(file.map(File::into_std))
    }

    /// Tells how much room the mirror's file system has.
    ///
    /// # Errors
    /// When the file system does not say.
    pub fn free_space(&self) -> Result<Space, MirrorError> {
        let stat = rustix::fs::fstatvfs(&self.root)
            .map_err(|errno| MirrorError::io("ask for free space of", "mirror")(errno.into()))?;
        Ok(Space {
            bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
            total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
            // btrfs and others make inodes as needed and report none.
            inodes: (stat.f_files > 0).then_some(stat.f_favail),
            total_inodes: (stat.f_files > 0).then_some(stat.f_files),
        })
    }

    /// Walks over the mirror's files in no particular order, temporary ones left out. Memory does not grow with their number.
    pub fn scan(&self) -> Scan {
        Scan::new(Some(&self.root))
    }

    /// Walks over the archive's files, as [`Reader::scan`].
    pub fn scan_archive(&self) -> Scan {
        Scan::new(self.archive.as_deref())
    }
}

/// A walk over files; see [`Reader::scan`]. A folder that cannot be read is one error, and the walk goes on.
#[derive(Debug)]
pub struct Scan {
    /// The folders being read, outermost first, each with its path.
    open: Vec<(PathBuf, ReadDir)>,
    failed: Option<MirrorError>,
}

impl Scan {
    fn new(root: Option<&Dir>) -> Self {
        let mut scan = Self {
            open: Vec::new(),
            failed: None,
        };
        if let Some(root) = root {
            scan.enter(PathBuf::new(), root.entries());
        }
        scan
    }

    fn enter(&mut self, path: PathBuf, entries: io::Result<ReadDir>) {
        match entries {
            Ok(entries) => self.open.push((path, entries)),
            // Removed while we walked.
            Err(error) if is_missing(&error) => {}
            Err(error) => self.failed = Some(MirrorError::io("read folder", path.display())(error)),
        }
    }

    fn visit(&mut self, path: PathBuf, entry: &cap_std::fs::DirEntry) -> io::Result<Option<Found>> {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if path != Path::new(TEMP_FOLDER) {
                let entries = entry.open_dir().and_then(|dir| dir.entries());
                self.enter(path, entries);
            }
            return Ok(None);
        }
        let bytes = if kind.is_file() {
            Some(entry.metadata()?.len())
        } else {
            None
        };
        Ok(Some(Found { path, bytes }))
    }
}

impl Iterator for Scan {
    type Item = Result<Found, MirrorError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(failed) = self.failed.take() {
                return Some(Err(failed));
            }
            let (folder, entries) = self.open.last_mut()?;
            let Some(entry) = entries.next() else {
                self.open.pop();
                continue;
            };
            let mut path = folder.clone();
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.open.pop();
                    return Some(Err(MirrorError::io("read folder", path.display())(error)));
                }
            };
            path.push(entry.file_name());
            match self.visit(path.clone(), &entry) {
                Ok(Some(found)) => return Some(Ok(found)),
                Ok(None) => {}
                Err(error) if is_missing(&error) => {}
                Err(error) => return Some(Err(MirrorError::io("look at", path.display())(error))),
            }
        }
    }
}

pub(super) fn archived_path(digest: &Digest) -> String {
    let (folder, name) = digest.place();
    format!("{folder}/{name}")
}

fn which_at(dir: &Dir, path: &str) -> Result<Option<FileId>, MirrorError> {
    match dir.symlink_metadata(path) {
        Ok(found) => Ok(found.is_file().then(|| FileId {
            device: found.dev(),
            number: found.ino(),
        })),
        Err(error) if is_missing(&error) => Ok(None),
        Err(source) => Err(MirrorError::io("look at", path)(source)),
    }
}

fn hash_at(root: &Dir, path: &str) -> Result<Option<Hashed>, MirrorError> {
    let failed = || MirrorError::io("read", path);
    match regular_at(root, path).map_err(failed())? {
        Some(mut file) => hash_file(&mut file).map(Some).map_err(failed()),
        None => Ok(None),
    }
}

/// Opens a regular file; `None` for anything else.
pub(super) fn regular_at(root: &Dir, path: &str) -> io::Result<Option<File>> {
    let opened = match path.rsplit_once('/') {
        Some((folder, name)) => {
            open_folder(root, folder).and_then(|folder| open_file(&folder, name))
        }
        None => open_file(root, path),
    };
    match opened {
        Ok(file) => Ok(file.metadata()?.is_file().then_some(file)),
        Err(error) if is_missing(&error) || is_link(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn hash_file(file: &mut File) -> io::Result<Hashed> {
    hash_file_heeding(file, &mut |_read| Ok(()))
}

/// As [`hash_file`]; `heed` hears of each piece and may end it.
pub(super) fn hash_file_heeding(
    file: &mut File,
    heed: &mut dyn FnMut(usize) -> io::Result<()>,
) -> io::Result<Hashed> {
    use sha2::Digest as _;

    let mut hasher = sha2::Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; READ_BUFFER_BYTES];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        match buffer.get(..read) {
            Some([]) | None => break,
            Some(chunk) => {
                hasher.update(chunk);
                bytes += chunk.len() as u64;
                heed(chunk.len())?;
            }
        }
    }
    Ok(Hashed {
        sha256: Digest::finish(hasher),
        bytes,
    })
}

/// There is nothing at the path, or a file where one of its folders should be.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// A symbolic link, which is not followed, or a socket, which cannot be opened.
fn is_link(error: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(Errno::from_io_error(error), Some(Errno::LOOP | Errno::NXIO))
}
