//! Looking at the database without changing anything: while a run writes, and where nobody could.

use super::files::{behind_links, beside};
use super::look::{Found, look};
use super::migrate::{self, MIGRATIONS};
use super::open::{check, refuse_redacted};
use super::{Mode, Options, Store, StoreError};
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, ffi};
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const DOING: &str = "look into the database";
/// How often a question is asked again because a run began or ended meanwhile.
const TRIES: u32 = 20;

/// Asks the database of a service something. `None`: there is none yet. Neither migrates nor creates,
/// and works on a read-only file system too; the lock is not needed.
///
/// One exception: where a run died and its log lies there without SQLite's index of it (`-shm`), SQLite
/// makes that index, or fails if it cannot.
///
/// # Errors
/// As [`Store::open`]; [`StoreError::Older`] where the schema is not this program's.
pub fn view<T>(
    path: &Path,
    service_id: &str,
    ask: impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    look_into(path, service_id, false, &ask)
}

/// The same of a backup: a redacted snapshot is none, whatever its rows say.
///
/// # Errors
/// As [`view`], and [`StoreError::Redacted`].
pub fn view_backup<T>(
    path: &Path,
    service_id: &str,
    ask: impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    look_into(path, service_id, true, &ask)
}

fn look_into<T>(
    path: &Path,
    service_id: &str,
    is_backup: bool,
    ask: &impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let options = Options {
        path: path.to_owned(),
        service_id: service_id.to_owned(),
        mode: Mode::DryRun,
    };
    for _ in 0..TRIES {
        let before = Seen::at(path);
        let answer = view_once(&options, is_backup, before, ask);
        // With a log SQLite itself sees to it that what is read is of one moment. Without one it was
        // told that nobody writes: that must still have been so at the end.
        if before.has_log || Seen::at(path) == before {
            return answer;
        }
    }
    let busy = rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_BUSY), None);
    Err(StoreError::sql(DOING, busy))
}

fn view_once<T>(
    options: &Options,
    is_backup: bool,
    seen: Seen,
    ask: &impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let found = look(&options.path)?;
    let version = check(&found, options, MIGRATIONS)?;
    if is_backup {
        refuse_redacted(&found, &options.path)?;
    }
    match found {
        Found::Nothing => return Ok(None),
        Found::Ours { .. } => {}
    }
    let conn = connect(&options.path, seen).map_err(|e| StoreError::sql(DOING, e))?;
    migrate::check_applied(&conn, version, MIGRATIONS)?;
    // All answers are of one moment, however many questions `ask` has. Reading alone, it ends with the
    // connection.
    conn.execute_batch("BEGIN")
        .map_err(|e| StoreError::sql(DOING, e))?;
    ask(&Store::for_looking(conn)).map(Some)
}

/// Opens the database for reading alone. Without a log beside it, no file is made for that: nobody is
/// writing, which is what `immutable` takes for granted.
fn connect(path: &Path, seen: Seen) -> rusqlite::Result<Connection> {
    let mode = if seen.has_log { "" } else { "&immutable=1" };
    // The dot keeps a relative path a path; before an absolute one it vanishes.
    let path: PathBuf = Path::new(".").join(path);
    let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    let conn = Connection::open_with_flags(
        format!("file:{name}?mode=ro{mode}"),
        OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI,
    )?;
    conn.busy_timeout(Duration::from_secs(2))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "cache_size", -8192)?;
    Ok(conn)
}

/// What tells whether the file was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    has_log: bool,
    database: Option<(u64, u64, i64, i64)>,
}

impl Seen {
    fn at(path: &Path) -> Self {
        let has_log =
            fs::metadata(beside(&behind_links(path), "-wal")).is_ok_and(|about| about.len() > 0);
        let database = fs::metadata(path)
            .map(|about| (about.ino(), about.len(), about.mtime(), about.mtime_nsec()))
            .ok();
        Self { has_log, database }
    }
}
