//! A file that nobody sees yet.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cap_std::fs::{Dir, DirBuilder, DirBuilderExt as _, File, OpenOptions, OpenOptionsExt as _};
use rustix::fs::Mode;

use super::folders::open_folder;
use super::steps::Steps;
use crate::model::path::TEMP_FOLDER;

/// How our temporary files begin; no other file in the folder is touched.
pub(super) const PREFIX: &str = "part-";
const DEFAULT_FILE_MODE: u32 = 0o600;
const HINT_CHARS: usize = 40;

/// The folder of temporary files in one file system.
#[derive(Debug)]
pub(super) struct TempFolder {
    dir: Arc<Dir>,
    mode: Option<u32>,
    count: AtomicU64,
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
            count: AtomicU64::new(0),
            steps: steps.clone(),
        })
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
            .write(true)
            .create_new(true)
            .mode(self.mode.unwrap_or(DEFAULT_FILE_MODE));
        loop {
            let count = self.count.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{}-{count}-{hint}", std::process::id());
            match self.dir.open_with(&name, &options) {
                Ok(file) => {
                    let temp = TempFile {
                        dir: Arc::clone(&self.dir),
                        name,
                        file: Some(file),
                        is_moved: false,
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
}

/// A temporary file; dropped without [`TempFile::move_to`], it is removed.
#[derive(Debug)]
pub(super) struct TempFile {
    dir: Arc<Dir>,
    name: String,
    /// `None` once the bytes are on the disk.
    file: Option<File>,
    is_moved: bool,
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
        match self.file.take() {
            Some(file) => file.sync_all(),
            None => Ok(()),
        }
    }

    /// Gives the file its name, taking the place of a file that has it now. Atomic, and possible once.
    pub(super) fn move_to(&mut self, folder: &Dir, name: &str) -> io::Result<()> {
        if self.is_moved {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        self.steps.pass()?;
        self.dir.rename(&self.name, folder, name)?;
        self.is_moved = true;
        self.steps.pass()
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_moved && !self.steps.is_dead() {
            // Nobody is left to tell; the next start clears the folder.
            self.dir.remove_file(&self.name).ok();
        }
    }
}
