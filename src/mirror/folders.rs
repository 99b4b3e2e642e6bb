//! A tree of folders, made as files need them.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::error::MirrorError;
use super::read::is_missing;
use super::steps::Steps;

const DEFAULT_FOLDER_MODE: u32 = 0o700;
/// Each holds a descriptor open, of which a service has 1,024 by default. When it is full it starts
/// afresh: the folders in use come back at once, the others were not worth keeping.
const MAX_KNOWN: usize = 64;

/// The folders below one root.
#[derive(Debug)]
pub(super) struct Tree {
    root: Arc<Dir>,
    mode: Option<u32>,
    /// Folders that exist and are on the disk. A `std` mutex: held for a look-up, never across a system call.
    known: Mutex<HashMap<String, Arc<Dir>>>,
    steps: Steps,
}

/// A folder to save into. [`Tree::settle`] makes its own name last.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) dir: Arc<Dir>,
    /// Made just now, so nothing can be in it.
    pub(super) is_new: bool,
    /// Folders whose entries must reach the disk before what was saved counts as saved.
    unsettled: Vec<Arc<Dir>>,
    /// Folders that may be remembered then.
    reached: Vec<(String, Arc<Dir>)>,
}

impl Tree {
    pub(super) fn new(root: Arc<Dir>, mode: Option<u32>, steps: &Steps) -> Self {
        Self {
            root,
            mode,
            known: Mutex::default(),
            steps: steps.clone(),
        }
    }

    /// Opens a folder by its path below the root, making what is missing. `wanted` is the file that needs it.
    pub(super) fn folder(&self, path: &str, wanted: &str) -> Result<Folder, MirrorError> {
        if path.is_empty() {
            return Ok(Folder::settled(Arc::clone(&self.root)));
        }
        if let Some(dir) = self.known().get(path) {
            return Ok(Folder::settled(Arc::clone(dir)));
        }
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut folder = self.folder(parent, wanted)?;
        let is_new = self.make(&folder.dir, name).map_err(MirrorError::named(
            "create folder",
            wanted,
            path,
        ))?;
        let dir = open_folder(&folder.dir, name).map_err(MirrorError::named(
            "open folder",
            wanted,
            path,
        ))?;
        if let (true, Some(mode)) = (is_new, self.mode) {
            // The mode was asked for by name, so the umask has no say.
            rustix::fs::fchmod(&dir, Mode::from_raw_mode(mode))
                .map_err(|errno| MirrorError::io("set the mode of", path)(errno.into()))?;
        }
        let dir = Arc::new(dir);
        // Also when it was there already: another thread may have made it a moment ago and not yet flushed it.
        folder
            .unsettled
            .push(std::mem::replace(&mut folder.dir, Arc::clone(&dir)));
        folder.is_new = is_new;
        // Most folders hold one medium and are never asked for again: one that is new is not remembered.
        if !is_new {
            folder.reached.push((path.to_owned(), dir));
        }
        Ok(folder)
    }

    /// Flushes the folder, and the names of the folders made for it, to the disk.
    pub(super) fn settle(&self, folder: Folder, path: &str) -> Result<(), MirrorError> {
        self.steps
            .pass()
            .map_err(MirrorError::io("flush the folder of", path))?;
        sync_folder(&folder.dir).map_err(MirrorError::io("flush the folder of", path))?;
        // From the inside out: a journal that commits the first has mostly committed the others.
        for parent in folder.unsettled.iter().rev() {
            self.steps
                .pass()
                .map_err(MirrorError::io("flush a folder above", path))?;
            sync_folder(parent).map_err(MirrorError::io("flush a folder above", path))?;
        }
        self.settled(folder);
        Ok(())
    }

    /// Takes note that the folder, and those above it, are on the disk: the whole file system was flushed.
    pub(super) fn settled(&self, folder: Folder) {
        if !folder.reached.is_empty() {
            let mut known = self.known();
            if known.len() + folder.reached.len() > MAX_KNOWN {
                known.clear();
            }
            known.extend(folder.reached);
        }
    }

    /// Opens a folder that may exist, making nothing.
    pub(super) fn existing(&self, path: &str) -> io::Result<Option<Dir>> {
        match open_folder(&self.root, path) {
            Ok(dir) => Ok(Some(dir)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Removes a file and flushes its folder. Folders that this leaves empty go as well, but for those directly below
    /// the root, which a web server may serve. `false` if the file was not there.
    pub(super) fn remove(&self, folder: &str, name: &str) -> Result<bool, MirrorError> {
        let failed = || MirrorError::io("remove", format!("{folder}/{name}"));
        let Some(dir) = self.existing(folder).map_err(failed())? else {
            return Ok(false);
        };
        self.steps.pass().map_err(failed())?;
        let was_there = match dir.remove_file(name) {
            Ok(()) => true,
            Err(error) if is_missing(&error) => false,
            Err(error) => return Err(failed()(error)),
        };
        // Also where it was not there: whoever removed it may have died before this.
        self.steps.pass().map_err(failed())?;
        sync_folder(&dir).map_err(failed())?;
        // An empty folder is in nobody's way: what keeps it from going is no error, and it may come back after a power cut.
        self.remove_empty(folder).map_err(failed())?;
        Ok(was_there)
    }

    fn remove_empty(&self, folder: &str) -> io::Result<()> {
        let mut empty = folder;
        while let Some((parent, name)) = empty.rsplit_once('/') {
            self.steps.pass()?;
            let Ok(Some(dir)) = self.existing(parent) else {
                break;
            };
            if dir.remove_dir(name).is_err() {
                break;
            }
            empty = parent;
        }
        if empty != folder {
            // A remembered handle would lead to a folder that is no more.
            self.forget();
        }
        Ok(())
    }

    /// Forgets what is remembered: somebody removed a folder behind our back.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    fn make(&self, parent: &Dir, name: &str) -> io::Result<bool> {
        self.steps.pass()?;
        match parent.create_dir_with(
            name,
            DirBuilder::new().mode(self.mode.unwrap_or(DEFAULT_FOLDER_MODE)),
        ) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Dir>>> {
        // A cache is whole after every single operation on it.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Folder {
    fn settled(dir: Arc<Dir>) -> Self {
        Self {
            dir,
            is_new: false,
            unsettled: Vec::new(),
            reached: Vec::new(),
        }
    }
}

/// Opens a folder without following a symbolic link, readable so that it can be flushed (`Dir::open_dir` gives a
/// handle that cannot).
pub(super) fn open_folder(parent: &Dir, path: &str) -> io::Result<Dir> {
    let file = parent.open_with(path, &flagged(OFlags::DIRECTORY | OFlags::NOFOLLOW))?;
    Ok(Dir::from_std_file(file.into_std()))
}

/// Opens a file for reading without following a symbolic link and without waiting at a named pipe.
pub(super) fn open_file(folder: &Dir, name: &str) -> io::Result<cap_std::fs::File> {
    folder.open_with(name, &flagged(OFlags::NONBLOCK | OFlags::NOFOLLOW))
}

fn flagged(flags: OFlags) -> OpenOptions {
    let mut options = OpenOptions::new();
    // The bits are the kernel's, all far below the sign.
    options.read(true).custom_flags(flags.bits().cast_signed());
    options
}

pub(super) fn sync_folder(dir: &Dir) -> io::Result<()> {
    match rustix::fs::fsync(dir) {
        // The file system has no such thing as flushing a folder (some network and user-space ones).
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// Another file system, one without hard links, or one that forbids them (`protected_hardlinks`).
pub(super) fn cannot_link(error: &io::Error) -> bool {
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
