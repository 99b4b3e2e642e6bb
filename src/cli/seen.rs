//! Whether the database that this process worked with is still there.
//!
//! Rooms are opened for each run, so a volume that was taken away between two runs would look like a place where nothing was
//! ever saved, and a daemon would begin a new backup there in silence. To begin anew is for a person to say.

use super::failure::Failure;
use crate::model::ExitCode;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The database that was opened last. A `std` mutex: one path is read or put there, nothing else happens under it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Option<PathBuf>>>);

impl Seen {
    /// Takes note of a database that was opened, if there is a file of it.
    pub(crate) fn note(&self, database: &Path) {
        if !is_gone(database) {
            *self.last() = Some(database.to_owned());
        }
    }

    /// Looks whether a database that was opened before is still there. One that the configuration names since is another one.
    ///
    /// # Errors
    /// If it is not. Exit code 1: the next run may find it again.
    pub(crate) fn check(&self, database: &Path) -> Result<(), Failure> {
        let was_there = self.last().as_deref() == Some(database);
        if !was_there || !is_gone(database) {
            return Ok(());
        }
        let text = format!(
            "the database `{}` was there when this daemon began, and is gone",
            database.display()
        );
        Err(Failure::new(ExitCode::Failed, text)
            .with_hint("mount its volume, or restart the daemon to begin a new backup"))
    }

    fn last(&self) -> MutexGuard<'_, Option<PathBuf>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns whether a file is there and nothing is in it.
pub(super) fn is_empty(path: &Path) -> bool {
    path.metadata()
        .is_ok_and(|about| about.is_file() && about.len() == 0)
}

/// A link that leads nowhere is still there, and whoever opens it says so.
fn is_gone(path: &Path) -> bool {
    if is_empty(path) {
        return true;
    }
    let about = path.symlink_metadata();
    let kind = about.err().map(|err| err.kind());
    matches!(
        kind,
        Some(io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
    )
}
