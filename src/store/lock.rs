//! One run at a time: a lock file beside the database.

use super::StoreError;
use super::files::{behind_links, beside, create_parents};
use crate::model::Timestamp;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tracing::debug;

/// How often a waiting process looks whether the lock is free.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Who only looks whether the lock is free ([`Lock::look`]) has a share in it meanwhile, for some
/// microseconds. One who wants it does not give up for that.
const GLANCE: Duration = Duration::from_millis(50);
/// Who starts another program has its files, a lock that was just given back among them, until that
/// program begins. So one who finds the lock taken tries once more after this, and then says so.
const FORK: Duration = Duration::from_millis(8);

/// The right to run. The operating system takes it back when the value is dropped, and when the
/// process dies in whatever way; the file stays, and what a dead process wrote in it is no obstacle.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Why there is no lock.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run holds it.
    #[error("another run{} holds `{}`", holder(*pid, since.as_deref()), path.display())]
    Held {
        /// Its process, where it has said so already.
        pid: Option<u32>,
        /// When it began.
        since: Option<String>,
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be used.
    #[error(transparent)]
    Unusable(#[from] StoreError),
}

impl LockError {
    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Held { .. } => Some(
                "wait for it with `--wait-lock 5m`; the lock ends with its process, so never delete the file"
                    .to_owned(),
            ),
            Self::Unusable(error) => error.hint(),
        }
    }
}

fn holder(pid: Option<u32>, since: Option<&str>) -> String {
    match (pid, since) {
        (Some(pid), Some(since)) => format!(" (process {pid}, since {since})"),
        (Some(pid), None) => format!(" (process {pid})"),
        (None, _) => String::new(),
    }
}

impl Lock {
    /// Takes the lock of a database, `<database>.lock` beside the file itself, waiting for up to `wait`. `on_wait` hears of
    /// the holder once, before the waiting begins. Blocks the calling thread.
    #[expect(
        clippy::disallowed_methods,
        reason = "says that it blocks; a file lock has no other way to wait for so long and no longer"
    )]
    pub fn acquire(
        database_path: &Path,
        wait: Option<Duration>,
        now: Timestamp,
        on_wait: impl FnOnce(&LockError),
    ) -> Result<Self, LockError> {
        let path = beside(&behind_links(database_path), ".lock");
        create_parents(&path)?;
        if is_pipe(&path) {
            return Err(StoreError::NotAFile { path }.into());
        }
        let unusable = |doing, source| StoreError::File {
            doing,
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|e| unusable("open the lock file", e))?;
        let begin = Instant::now();
        let wait = wait.unwrap_or_default();
        let mut on_wait = Some(on_wait).filter(|_| !wait.is_zero());
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(e)) => return Err(unusable("lock", e).into()),
                Err(TryLockError::WouldBlock) => {}
            }
            let held = read_holder(&mut file, &path);
            let patience = if is_only_looked_at(&file) {
                wait.max(GLANCE)
            } else {
                wait.max(FORK)
            };
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                return Err(held);
            }
            if let Some(on_wait) = on_wait.take() {
                on_wait(&held);
            }
            std::thread::sleep(left.min(LOOK_EVERY));
        }
        // Only a courtesy: with a full disk, too, the lock is held.
        if let Err(err) = write_holder(&mut file, now) {
            let path = path.display();
            debug!("`{path}` does not say who holds it: {err}");
        }
        Ok(Self { file })
    }
}

/// Returns whether a pipe is in the place of the file: who opens it may wait for somebody at its other end.
fn is_pipe(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|about| about.file_type().is_fifo())
}

/// Returns whether the lock that could not be had is only being looked at: then it can be shared, which
/// with a run it cannot. Another one who wants it takes this share for a look, too, and tries again.
fn is_only_looked_at(file: &File) -> bool {
    file.try_lock_shared().is_ok() && file.unlock().is_ok()
}

/// What a look at the lock found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LockState {
    /// Nobody holds it.
    Free,
    /// Somebody does.
    Held {
        /// Its process, where it has said so already.
        pid: Option<u32>,
        /// When it took it.
        since: Option<String>,
    },
    /// It cannot be told; why.
    Unknown(String),
}

impl Lock {
    /// Looks whether somebody holds the lock of a database, without taking it and without making its
    /// file. By the time of the answer it may be otherwise.
    pub fn look(database_path: &Path) -> LockState {
        let path = beside(&behind_links(database_path), ".lock");
        if is_pipe(&path) {
            return LockState::Unknown(StoreError::NotAFile { path }.to_string());
        }
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return LockState::Free,
            Err(err) => return LockState::Unknown(err.to_string()),
        };
        match file.try_lock_shared() {
            // Given back at once with the file.
            Ok(()) => LockState::Free,
            Err(TryLockError::Error(err)) => LockState::Unknown(err.to_string()),
            Err(TryLockError::WouldBlock) => match read_holder(&mut file, &path) {
                LockError::Held { pid, since, .. } => LockState::Held { pid, since },
                LockError::Unusable(err) => LockState::Unknown(err.to_string()),
            },
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Whoever finds the lock held a moment later shall not read our name. Only a courtesy, so a
        // failure changes nothing.
        drop(self.file.set_len(0));
    }
}

fn write_holder(file: &mut File, now: Timestamp) -> std::io::Result<()> {
    let holder = serde_json::json!({ "pid": std::process::id(), "started_at": now });
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{holder}\n").as_bytes())
}

/// Says who holds the lock, as far as the file can be read and understood.
fn read_holder(file: &mut File, path: &Path) -> LockError {
    let mut text = String::new();
    let read = file
        .seek(SeekFrom::Start(0))
        .and_then(|_| file.take(4096).read_to_string(&mut text));
    let holder: Option<serde_json::Value> =
        read.ok().and_then(|_| serde_json::from_str(&text).ok());
    let field = |name| holder.as_ref().and_then(|holder| holder.get(name));
    LockError::Held {
        pid: field("pid")
            .and_then(serde_json::Value::as_u64)
            .and_then(|pid| u32::try_from(pid).ok()),
        since: field("started_at")
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned),
        path: path.to_owned(),
    }
}
