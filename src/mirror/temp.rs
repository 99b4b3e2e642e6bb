//! A file that nobody sees yet.

use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::flush::Alarms;
use super::folders::{cannot_link, open_file, open_folder};
use super::steps::Steps;
use crate::model::path::TEMP_FOLDER;

/// How our temporary files begin; no other file in the folder is touched.
pub(super) const PREFIX: &str = "part-";
/// How files begin that a later process may go on with. They stay until they are wanted or refused.
pub(super) const KEPT_PREFIX: &str = "kept-";
const DEFAULT_FILE_MODE: u32 = 0o600;
const HINT_CHARS: usize = 40;
const COPY_BUFFER_BYTES: usize = 256 * 1024;

/// Numbers for names: what an earlier run of this process may still have under way has others.
static NUMBERS: AtomicU64 = AtomicU64::new(0);

/// The folder of temporary files in one file system.
#[derive(Debug)]
pub(super) struct TempFolder {
    dir: Arc<Dir>,
    mode: Option<u32>,
    alarms: Alarms,
    steps: Steps,
}

impl TempFolder {
    /// Opens the folder below `root`, creating it if needed, and removes what earlier processes left in it.
    pub(super) fn open(root: &Dir, mode: Option<u32>, steps: &Steps) -> io::Result<Self> {
        // Half-written files are nobody's business, whatever the mode of the finished ones.
        match root.create_dir_with(TEMP_FOLDER, DirBuilder::new().mode(0o700)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        let dir = open_folder(root, TEMP_FOLDER)?;
        for entry in dir.entries()? {
            let entry = entry?;
            let is_ours = entry
                .file_name()
                .as_encoded_bytes()
                .starts_with(PREFIX.as_bytes());
            if is_ours && entry.file_type()?.is_file() {
                entry.remove_file()?;
            }
        }
        Ok(Self {
            dir: Arc::new(dir),
            mode,
            alarms: Alarms::default(),
            steps: steps.clone(),
        })
    }

    pub(super) fn dir(&self) -> &Arc<Dir> {
        &self.dir
    }

    /// Returns what counts failed flushes of the whole file system, for whoever flushes it.
    pub(super) fn alarms(&self) -> &Alarms {
        &self.alarms
    }

    /// Creates an empty file. The hint makes its name tell something to a person who finds it.
    pub(super) fn create(&self, hint: &str) -> io::Result<TempFile> {
        self.steps.pass()?;
        let hint: String = hint
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
            .take(HINT_CHARS)
            .collect();
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create_new(true)
            .mode(self.mode.unwrap_or(DEFAULT_FILE_MODE));
        loop {
            let count = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{count}-{hint}", std::process::id());
            match self.dir.open_with(&name, &options) {
                Ok(file) => {
                    let temp = TempFile {
                        dir: Arc::clone(&self.dir),
                        name,
                        file: Some(file),
                        is_lost: false,
                        alarms: self.alarms.so_far(),
                        is_moved: false,
                        is_kept: false,
                        steps: self.steps.clone(),
                    };
                    if let (Some(mode), Some(file)) = (self.mode, &temp.file) {
                        // The mode was asked for by name, so the umask has no say.
                        rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
                    }
                    return Ok(temp);
                }
                // Left by a process with the same id in another container: take the next number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Gives a visible file a second name in this folder, or copies it where the file system has no such
    /// thing. The bytes are flushed.
    pub(super) fn second_name(&self, dir: &Dir, name: &str, file: &File) -> io::Result<TempFile> {
        file.sync_all()?;
        self.steps.pass()?;
        let linked = loop {
            let count = NUMBERS.fetch_add(1, Ordering::Relaxed);
            let linked = format!("{PREFIX}{}-{count}-link", std::process::id());
            match dir.hard_link(name, &self.dir, &linked) {
                Ok(()) => break linked,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if cannot_link(&error) => return self.copy(file),
                Err(error) => return Err(error),
            }
        };
        Ok(TempFile {
            dir: Arc::clone(&self.dir),
            name: linked,
            file: None,
            is_lost: false,
            alarms: self.alarms.so_far(),
            is_moved: false,
            is_kept: false,
            steps: self.steps.clone(),
        })
    }

    /// Copies an open file from its beginning, flushed.
    pub(super) fn copy(&self, file: &File) -> io::Result<TempFile> {
        let mut source = file.try_clone()?;
        // The handle stands where hashing left it, at the end.
        source.rewind()?;
        let mut temp = self.create("copy")?;
        let mut buffer = vec![0; COPY_BUFFER_BYTES];
        loop {
            let read = source.read(&mut buffer)?;
            match buffer.get(..read) {
                Some([]) | None => break,
                Some(bytes) => temp.write(bytes)?,
            }
        }
        temp.sync()?;
        Ok(temp)
    }

    /// Opens a file that was kept under `name`, to read and to append. `None` if there is none.
    pub(super) fn reopen(&self, name: &str) -> io::Result<Option<(TempFile, File)>> {
        self.steps.pass()?;
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = match self.dir.open_with(name, &options) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        if !file.metadata()?.is_file() {
            return Ok(None);
        }
        let temp = TempFile {
            dir: Arc::clone(&self.dir),
            name: name.to_owned(),
            file: Some(file.try_clone()?),
            is_lost: false,
            alarms: self.alarms.so_far(),
            is_moved: false,
            is_kept: true,
            steps: self.steps.clone(),
        };
        Ok(Some((temp, file)))
    }

    /// Removes the file kept under `name`, if there is one.
    pub(super) fn remove_kept(&self, name: &str) -> io::Result<()> {
        match self.dir.remove_file(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Removes kept files that are not wanted and returns how many.
    pub(super) fn sift_kept(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<u64> {
        let mut removed = 0;
        for entry in self.dir.entries()? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str().filter(|name| name.starts_with(KEPT_PREFIX)) else {
                continue;
            };
            if !is_wanted(name) && entry.file_type()?.is_file() {
                self.remove_kept(name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }
}

/// A temporary file; dropped without [`TempFile::move_to`], it is removed.
#[derive(Debug)]
pub(super) struct TempFile {
    dir: Arc<Dir>,
    name: String,
    /// `None` once the bytes are on the disk.
    file: Option<File>,
    /// Some of its bytes did not reach the disk, and the kernel tells that only once: it never gets a place.
    is_lost: bool,
    /// How many flushes of the whole file system had failed when it was begun.
    alarms: u64,
    is_moved: bool,
    /// It has a name that a later process knows, and stays when it is dropped.
    is_kept: bool,
    steps: Steps,
}

impl TempFile {
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.steps.pass()?;
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Flushes the bytes to the disk and closes the file. May be repeated.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        self.steps.pass()?;
        if let Some(file) = &self.file {
            let flushed = file.sync_all();
            self.is_lost |= flushed.is_err();
            flushed?;
        }
        self.flushed()
    }

    /// Opens it once more, to read what was written.
    pub(super) fn reopen(&self) -> io::Result<File> {
        open_file(&self.dir, &self.name)
    }

    /// Returns how many flushes of the whole file system had failed when it was begun.
    pub(super) fn begun_after(&self) -> u64 {
        self.alarms
    }

    /// Closes the file once the whole file system was flushed.
    pub(super) fn flushed(&mut self) -> io::Result<()> {
        if self.is_lost {
            return Err(Errno::IO.into());
        }
        self.file = None;
        Ok(())
    }

    /// Flushes what was written so far and gives the file a name by which [`TempFolder::reopen`] finds
    /// it, in the place of one kept earlier. May be repeated.
    pub(super) fn keep(&mut self, name: &str) -> io::Result<()> {
        self.steps.pass()?;
        match &self.file {
            Some(file) => file.sync_data()?,
            None => return Err(io::ErrorKind::InvalidInput.into()),
        }
        if !self.is_kept {
            self.steps.pass()?;
            self.dir.rename(&self.name, &self.dir, name)?;
            name.clone_into(&mut self.name);
            self.is_kept = true;
            super::folders::sync_folder(&self.dir)?;
        }
        Ok(())
    }

    /// Reads the last bytes, `most` at most. What is written afterwards goes to the end again.
    pub(super) fn tail(&mut self, most: usize) -> io::Result<Vec<u8>> {
        let Some(file) = &mut self.file else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let len = file.metadata()?.len();
        let from = len.saturating_sub(most as u64);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::with_capacity(most);
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads from an offset on, `most` bytes at most and fewer only at the end.
    pub(super) fn read(&self, from: u64, most: usize) -> io::Result<Vec<u8>> {
        let Some(file) = &self.file else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let mut bytes = vec![0; most];
        let mut filled = 0;
        while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match rustix::io::pread(file, rest, from.saturating_add(filled as u64)) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(Errno::INTR) => {}
                Err(err) => return Err(err.into()),
            }
        }
        bytes.truncate(filled);
        Ok(bytes)
    }

    /// Cuts the file at `len`; what is written next goes there.
    pub(super) fn cut_at(&mut self, len: u64) -> io::Result<()> {
        self.steps.pass()?;
        let Some(file) = &mut self.file else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        file.set_len(len)?;
        file.seek(SeekFrom::Start(len)).map(drop)
    }

    /// Lets the file go: dropped, it is removed, whether it was kept or not.
    pub(super) fn let_go(&mut self) {
        self.is_kept = false;
    }

    /// Gives the file its name, taking the place of a file that has it now. Atomic, and possible once.
    pub(super) fn move_to(&mut self, folder: &Dir, name: &str) -> io::Result<()> {
        self.rename_to(folder, name, RenameFlags::empty())
    }

    /// As [`TempFile::move_to`], where nothing has the name: what came there meanwhile is an error.
    pub(super) fn move_to_free(&mut self, folder: &Dir, name: &str) -> io::Result<()> {
        self.rename_to(folder, name, RenameFlags::NOREPLACE)
    }

    fn rename_to(&mut self, folder: &Dir, name: &str, flags: RenameFlags) -> io::Result<()> {
        if self.is_moved || self.is_lost || self.file.is_some() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.steps.pass()?;
        if flags.is_empty() {
            self.dir.rename(&self.name, folder, name)?;
        } else {
            // Both names are single ones below folders that are open: no link is followed.
            rustix::fs::renameat_with(&*self.dir, &self.name, folder, name, flags)?;
        }
        self.is_moved = true;
        self.steps.pass()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_moved && !self.is_kept && !self.steps.is_dead() {
            // Nobody is left to tell; the next start clears the folder.
            self.dir.remove_file(&self.name).ok();
        }
    }
}
