//! A copy of the database as one file: consistent while a run writes, checked, whole or not there at all.

mod place;
mod redact;

pub(super) use redact::REDACTED;

use super::files::{create_private, flush};
use super::plain::is_at;
use super::values::count;
use super::{Store, StoreError, view};
use place::Place;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, ffi, named_params};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Pages copied between two looks at whether to go on: 4 MiB.
const PAGES: std::ffi::c_int = 1024;

/// A snapshot that is being made. Nobody sees it before [`Snapshot::publish`]; dropped, it is gone.
#[derive(Debug)]
pub struct Snapshot {
    // Closed before its file is removed.
    conn: Connection,
    place: Place,
    rows: BTreeMap<String, u64>,
    bytes: u64,
}

/// A file of the mirror, as a snapshot knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotFile {
    /// The number of its row.
    pub row: i64,
    /// Its path in the mirror. A text, for the database may have been edited.
    pub path: String,
    /// The digest of its bytes, hex.
    pub sha256: String,
}

impl Snapshot {
    /// Copies the database of a service to a place beside `target`, as of one moment, and checks the
    /// copy: all of its pages, and its rows against the rows that were there at that moment. Takes no
    /// lock and changes nothing of the database. `None`: there is no database yet.
    ///
    /// With `is_redacted`, what is not for everybody is taken out: see the table in `redact.rs`. With
    /// `may_replace` an old file at `target` may be replaced. `goes_on` is asked now and then.
    ///
    /// # Errors
    /// [`StoreError::Taken`] where `target` cannot be used; as [`view()`]; [`StoreError::Unsound`] where
    /// the copy, and most likely the database, is damaged; and any error after `goes_on` said no.
    pub fn take(
        database: &Path,
        service_id: &str,
        target: &Path,
        options: SnapshotOptions,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, StoreError> {
        let made = Self::made(database, service_id, target, options, goes_on);
        if let Err(StoreError::OutOfSpace { doing: DOING, .. }) = made {
            // It is the copy's disk, which need not be the database's.
            return Err(StoreError::File {
                doing: "copy the database to",
                path: target.to_owned(),
                source: std::io::ErrorKind::StorageFull.into(),
            });
        }
        made
    }

    fn made(
        database: &Path,
        service_id: &str,
        target: &Path,
        options: SnapshotOptions,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, StoreError> {
        let place = Place::claim(target, database, options.may_replace)?;
        let raw = place.copy();
        let copied = view(database, service_id, |store| {
            place.clear()?;
            store.copy_pages(&raw, goes_on)
        })?;
        let Some(before) = copied else {
            return Ok(None);
        };
        let from = open(&raw)?;
        check(&from)?;
        must_go_on(goes_on)?;
        if options.is_redacted {
            redact::redact(&from)?;
            must_go_on(goes_on)?;
        }
        let made = place.made();
        compact(&from, &made)?;
        drop(from);
        must_go_on(goes_on)?;
        let conn = open(&made)?;
        check(&conn)?;
        let rows = counted(&conn).map_err(sql)?;
        compare(&before, &rows, options.is_redacted)?;
        let bytes = place.settle()?;
        Ok(Some(Self {
            conn,
            place,
            rows,
            bytes,
        }))
    }

    /// Rows by table.
    pub fn rows(&self) -> &BTreeMap<String, u64> {
        &self.rows
    }

    /// Its length in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns files of the mirror behind the row `after`, in the order of their rows; empty after the
    /// last one. Each path comes once: of two media that claim it, the one that is still listed has it.
    pub fn files(&self, after: i64) -> Result<Vec<SnapshotFile>, StoreError> {
        let asked = || {
            self.conn
                .prepare_cached(concat!(
                    "SELECT a.rowid, a.path, a.sha256 FROM assets AS a
                     WHERE a.rowid > :after AND a.path IS NOT NULL AND a.sha256 IS NOT NULL
                         AND NOT EXISTS (SELECT 1 FROM assets AS b INDEXED BY assets_by_near
                             WHERE ",
                    is_at!(near, "b.path", "a.path"),
                    " AND b.sha256 IS NOT NULL
                                 AND (b.state = 'gone', b.rowid) < (a.state = 'gone', a.rowid))
                     ORDER BY a.rowid LIMIT 500"
                ))?
                .query_map(named_params! { ":after": after }, |row| {
                    Ok(SnapshotFile {
                        row: row.get(0)?,
                        path: row.get(1)?,
                        sha256: row.get(2)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()
        };
        asked().map_err(|e| StoreError::sql("read which files there are", e))
    }

    /// Makes the snapshot visible: under its name, whole, flushed.
    ///
    /// # Errors
    /// [`StoreError::Taken`] where a file came to be there meanwhile that may not be replaced.
    pub fn publish(self) -> Result<(), StoreError> {
        let Self { place, conn, .. } = self;
        drop(conn);
        place.publish()
    }
}

/// How a snapshot is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SnapshotOptions {
    /// Whether what is not for everybody is taken out.
    pub is_redacted: bool,
    /// Whether an old file may be replaced.
    pub may_replace: bool,
}

impl Store {
    /// Copies every page as of the present transaction, and counts the rows of it.
    fn copy_pages(
        &self,
        raw: &Path,
        goes_on: &dyn Fn() -> bool,
    ) -> Result<BTreeMap<String, u64>, StoreError> {
        create_private(raw)?;
        self.read(DOING, |conn| {
            // The first question fixes the moment; the transaction is the looker's.
            let rows = counted(conn)?;
            let mut to = connect(raw)?;
            let backup = Backup::new(conn, &mut to)?;
            loop {
                match backup.step(PAGES)? {
                    StepResult::Done => return Ok(rows),
                    StepResult::More if goes_on() => {}
                    StepResult::More => return Err(code(ffi::SQLITE_INTERRUPT)),
                    StepResult::Busy | StepResult::Locked => return Err(code(ffi::SQLITE_BUSY)),
                    // SQLite may learn new words.
                    _ => return Err(code(ffi::SQLITE_BUSY)),
                }
            }
        })
    }

    /// Returns where the mirror has these bytes now.
    pub fn paths_of(&self, sha256: &str) -> Result<Vec<String>, StoreError> {
        self.read("ask where a file is now", |conn| {
            conn.prepare_cached(concat!(
                "SELECT path FROM assets WHERE ",
                is_at!(digest_start, "sha256", ":sha256"),
                " AND path IS NOT NULL LIMIT 20",
            ))?
            .query_map(named_params! { ":sha256": sha256 }, |row| row.get(0))?
            .collect()
        })
    }
}

const DOING: &str = "copy the database";

fn sql(source: rusqlite::Error) -> StoreError {
    StoreError::sql(DOING, source)
}

fn code(code: std::ffi::c_int) -> rusqlite::Error {
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), None)
}

fn must_go_on(goes_on: &dyn Fn() -> bool) -> Result<(), StoreError> {
    match goes_on() {
        true => Ok(()),
        false => Err(sql(code(ffi::SQLITE_INTERRUPT))),
    }
}

/// A connection to a file of ours. Names are names, though they begin with `file:`.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    conn.busy_timeout(Duration::ZERO)?;
    Ok(conn)
}

/// Opens a copy that nobody else can see, and that is thrown away if anything fails: so without a
/// journal, which would need room, and without flushes before the last one.
fn open(path: &Path) -> Result<Connection, StoreError> {
    let opened = || {
        let conn = connect(path)?;
        conn.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
        // Out of the log's mode first: the pages were copied with it.
        conn.pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))?;
        conn.pragma_update_and_check(None, "journal_mode", "OFF", |_| Ok(()))?;
        conn.pragma_update(None, "synchronous", "OFF")?;
        conn.pragma_update(None, "cache_size", -8192)?;
        Ok(conn)
    };
    opened().map_err(sql)
}

/// Writes the copy anew: without free pages, which may hold what was removed, and not in the log's mode,
/// so that the file is all there is and can be read where nothing can be written.
fn compact(from: &Connection, made: &Path) -> Result<(), StoreError> {
    // `VACUUM INTO` writes into an existing file only if it is empty, and keeps its permissions.
    create_private(made)?;
    let name = made.to_str().ok_or_else(|| StoreError::File {
        doing: "copy the database to",
        path: made.to_owned(),
        source: std::io::Error::other("the path is not UTF-8"),
    })?;
    from.execute("VACUUM INTO :target", named_params! { ":target": name })
        .map_err(sql)?;
    flush(made)
}

/// Reads every page and looks whether tables, indexes and constraints agree.
fn check(conn: &Connection) -> Result<(), StoreError> {
    let finding: String = conn
        .query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))
        .map_err(|e| StoreError::sql("check the copy of the database", e))?;
    match finding.as_str() {
        "ok" => Ok(()),
        _ => Err(StoreError::Unsound { finding }),
    }
}

/// Counts the rows of each table; those that SQLite keeps for itself, or for a virtual table, are no tables.
fn counted(conn: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    let mut rows = BTreeMap::new();
    for table in tables(conn)? {
        let sql = format!("SELECT count(*) FROM {}", quoted(&table));
        rows.insert(table, conn.query_row(&sql, [], |row| count(row, 0))?);
    }
    Ok(rows)
}

/// The names of the tables, virtual ones included.
fn tables(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    conn.prepare(
        "SELECT name FROM pragma_table_list
         WHERE schema = 'main' AND type IN ('table', 'virtual') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'
         ORDER BY name",
    )?
    .query_map([], |row| row.get(0))?
    .collect()
}

/// A name of the schema, as SQL writes it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Holds the rows of the copy against those that were there.
fn compare(
    before: &BTreeMap<String, u64>,
    after: &BTreeMap<String, u64>,
    is_redacted: bool,
) -> Result<(), StoreError> {
    for (table, rows) in before {
        let has = after.get(table).copied();
        if has != Some(*rows) && !(is_redacted && redact::removes_rows(table)) {
            let has = has.map_or_else(|| "none".to_owned(), |has| has.to_string());
            let finding = format!("`{table}` had {rows} rows, and the copy has {has}");
            return Err(StoreError::Unsound { finding });
        }
    }
    Ok(())
}
