//! A look at a file before it is opened for writing, so that what is refused stays untouched.

use super::StoreError;
use super::files::{behind_links, beside};
use super::open::APPLICATION_ID;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What stands at a database's path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// No file, or a database that was begun and holds nothing.
    Nothing,
    /// A database of this program.
    Ours {
        /// The number of its newest migration.
        version: u32,
        /// The service it belongs to.
        service_id: Option<String>,
        /// Whether it is a snapshot from which something was taken out.
        is_redacted: bool,
        /// Whether nothing of any service was ever saved in it.
        is_empty: bool,
    },
}

const DOING: &str = "look into the database";

/// Looks at `path` without changing a byte of it, or of a write-ahead log beside it.
///
/// Fails where there is something that this program must not write to.
pub(super) fn look(path: &Path) -> Result<Found, StoreError> {
    let file_error = |source| StoreError::File {
        doing: "open",
        path: path.to_owned(),
        source,
    };
    let about = match fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            // A link that leads nowhere tells of a disk that is not mounted rather than of a new backup.
            return match fs::read_link(path) {
                Ok(target) => Err(StoreError::Dangling {
                    path: path.to_owned(),
                    target,
                }),
                Err(_) => Ok(Found::Nothing),
            };
        }
        Err(error) => return Err(file_error(error)),
    };
    if !about.is_file() {
        return Err(StoreError::NotAFile {
            path: path.to_owned(),
        });
    }
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(16).read_to_end(&mut start))
        .map_err(file_error)?;
    if start.is_empty() {
        return Ok(Found::Nothing);
    }
    if start != b"SQLite format 3\0" {
        return Err(StoreError::NotADatabase {
            path: path.to_owned(),
        });
    }
    let conn = open_untouched(path).map_err(|e| StoreError::sql(DOING, e))?;
    identify(&conn, path)
}

/// Opens a database so that closing it leaves the folder as it was.
pub(super) fn open_untouched(path: &Path) -> rusqlite::Result<Connection> {
    // The dot keeps a relative path named `:memory:` a path; before an absolute one it vanishes.
    let path = &Path::new(".").join(path);
    let has_log =
        fs::metadata(beside(&behind_links(path), "-wal")).is_ok_and(|about| about.len() > 0);
    if has_log {
        // The newest pages stand in the log, so the log must be read too. A reader never moves its
        // pages into the database.
        return Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        );
    }
    // A plain read-only connection would leave an empty log beside a database in WAL mode. Without
    // a log nobody is writing, which is what `immutable` takes for granted.
    let name = percent_encode(path.as_os_str().as_bytes(), NON_ALPHANUMERIC);
    Connection::open_with_flags(
        format!("file:{name}?mode=ro&immutable=1"),
        OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_NO_MUTEX
            | OpenFlags::SQLITE_OPEN_URI,
    )
}

fn identify(conn: &Connection, path: &Path) -> Result<Found, StoreError> {
    let sql = |e| StoreError::sql(DOING, e);
    let (application_id, version, tables): (i32, u32, i64) = conn
        .query_row(
            "SELECT (SELECT application_id FROM pragma_application_id),
                    (SELECT user_version FROM pragma_user_version),
                    (SELECT count(*) FROM sqlite_schema)",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .map_err(sql)?;
    match application_id {
        APPLICATION_ID => {}
        0 if tables == 0 && version == 0 => return Ok(Found::Nothing),
        _ => {
            return Err(StoreError::Foreign {
                path: path.to_owned(),
                application_id,
            });
        }
    }
    // A newer schema may keep its service elsewhere, or under another name.
    let service_id = conn
        .query_row(
            "SELECT value FROM meta WHERE key = 'service_id'",
            [],
            |row| row.get(0),
        )
        .optional();
    let service_id = match service_id {
        Ok(service_id) => service_id,
        Err(_) if version > super::migrate::latest(super::migrate::MIGRATIONS) => None,
        Err(error) => return Err(sql(error)),
    };
    let is_redacted = conn
        .query_row(
            "SELECT count(*) FROM meta WHERE key = :key",
            [super::snapshot::REDACTED],
            |row| row.get::<_, i64>(0),
        )
        .is_ok_and(|marks| marks > 0);
    Ok(Found::Ours {
        version,
        service_id,
        is_redacted,
        is_empty: is_empty(conn),
    })
}

/// Returns whether nothing was ever saved: not even a proof that there is nothing. Where that cannot be told, something
/// was.
fn is_empty(conn: &Connection) -> bool {
    conn.query_row(
        "SELECT NOT (EXISTS (SELECT 1 FROM endpoints) OR EXISTS (SELECT 1 FROM endpoints_history)
                  OR EXISTS (SELECT 1 FROM contents) OR EXISTS (SELECT 1 FROM contents_history)
                  OR EXISTS (SELECT 1 FROM media) OR EXISTS (SELECT 1 FROM media_history)
                  OR EXISTS (SELECT 1 FROM assets) OR EXISTS (SELECT 1 FROM assets_history)
                  OR EXISTS (SELECT 1 FROM walks WHERE verdict = 'proven'))",
        [],
        |row| row.get(0),
    )
    .unwrap_or(false)
}
