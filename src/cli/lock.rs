//! One run at a time: an advisory lock on a file beside the database.
//!
//! The system drops the lock when the process ends, however it ends, so nothing has to be cleaned
//! up and a lock file that lies around means nothing. It is never removed: a second process could
//! hold the old file while a third locks a new one.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;
use tracing::info;

use super::failure::Failure;
use crate::model::ExitCode;

/// How often a waiting process looks again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The right to run, for as long as it lives.
#[derive(Debug)]
pub(crate) struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the backup whose database is `database`, waiting at most `wait`. Creates
    /// the database's folder (0700) and the lock file (0600) if they are missing.
    ///
    /// # Errors
    /// With [`ExitCode::Locked`] if another process has it still; with [`ExitCode::Failed`] if the
    /// file cannot be made or the file system knows no locks.
    pub(crate) async fn take(database: &Path, wait: Duration) -> Result<Self, Failure> {
        let path = path_beside(database);
        let unusable = |err: io::Error| {
            let text = format!("cannot lock `{}`: {err}", path.display());
            Failure::new(ExitCode::Failed, text)
                .with_hint("`storage.database` needs a local folder that this user may write to")
        };
        let mut file = open(&path).map_err(unusable)?;
        let patience = Instant::now() + wait;
        let mut is_said = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < patience => {
                    if !is_said {
                        info!("waiting for the lock `{}`", path.display());
                        is_said = true;
                    }
                    tokio::time::sleep(LOOK_EVERY.min(patience - Instant::now())).await;
                }
                Err(TryLockError::WouldBlock) => return Err(held(&mut file, &path)),
                Err(TryLockError::Error(err)) => return Err(unusable(err)),
            }
        }
        sign(&mut file).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

fn path_beside(database: &Path) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    let is_link = fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link {
        return Err(io::Error::other("it is a symbolic link"));
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Leaves the number of this process for whoever finds the lock taken.
fn sign(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

fn held(file: &mut File, path: &Path) -> Failure {
    let mut text = String::new();
    // The holder may not have signed yet, and its number is a courtesy.
    let pid = file
        .take(20)
        .read_to_string(&mut text)
        .ok()
        .and_then(|_| text.trim().parse::<u32>().ok());
    let who = pid
        .map(|pid| format!(" (process {pid})"))
        .unwrap_or_default();
    let text = format!("another run{who} holds the lock `{}`", path.display());
    Failure::new(ExitCode::Locked, text).with_hint("`--wait-lock 30s` waits for its end")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        path.metadata().expect("it exists").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn the_second_is_told_who_holds_it_and_the_next_one_gets_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("new/backup.sqlite3");
        let first = RunLock::take(&database, Duration::ZERO)
            .await
            .expect("it is free");
        assert_eq!(mode(&folder.path().join("new")), 0o700);
        assert_eq!(mode(&path_beside(&database)), 0o600);

        let failure = RunLock::take(&database, Duration::ZERO)
            .await
            .expect_err("it is held");
        assert_eq!(failure.exit, ExitCode::Locked);
        let expected = format!(
            "another run (process {}) holds the lock `{}.lock`",
            std::process::id(),
            database.display()
        );
        assert_eq!(failure.error.to_string(), expected);

        drop(first);
        RunLock::take(&database, Duration::ZERO)
            .await
            .expect("it is free again");
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_rewarded_and_has_an_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("backup.sqlite3");
        let first = RunLock::take(&database, Duration::ZERO)
            .await
            .expect("it is free");
        let begun = Instant::now();
        let wait = Duration::from_secs(30);
        let failure = RunLock::take(&database, wait)
            .await
            .expect_err("it is held");
        assert_eq!(failure.exit, ExitCode::Locked);
        assert_eq!(begun.elapsed(), wait);

        let release = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(RunLock::take(&database, wait), release);
        second.expect("released in time");
    }

    #[tokio::test]
    async fn what_lies_around_means_nothing_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("a");
        fs::write(
            path_beside(&database),
            "999999999999 left over from a crash",
        )
        .expect("a file");
        drop(
            RunLock::take(&database, Duration::ZERO)
                .await
                .expect("nobody holds it"),
        );

        let target = folder.path().join("precious");
        fs::write(&target, "text").expect("a file");
        let database = folder.path().join("b");
        std::os::unix::fs::symlink(&target, path_beside(&database)).expect("a link");
        let failure = RunLock::take(&database, Duration::ZERO)
            .await
            .expect_err("a link");
        assert_eq!(failure.exit, ExitCode::Failed);
        assert_eq!(fs::read_to_string(&target).expect("a file"), "text");
    }
}
