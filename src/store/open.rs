//! Opening, pragmas and migrating: the one place where a connection is made.

use super::StoreError;
use super::files::{create_parents, create_private};
use super::look::{Found, look};
use super::migrate::{self, MIGRATIONS, Migration};
use super::proof;
use super::unread::{self, Read};
use crate::model::Timestamp;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, named_params};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// "mCMS": tells this program's databases from others', also for `file(1)`.
pub(super) const APPLICATION_ID: i32 = 0x6D43_4D53;

/// Whether a store may write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Creates and migrates what is needed.
    ReadWrite,
    /// Writes nothing: every recording method fails. Where no database exists, an empty one in
    /// memory stands in.
    DryRun,
}

/// What to open.
#[derive(Clone, Debug)]
pub struct Options {
    /// The database file.
    pub path: PathBuf,
    /// The service it must belong to.
    pub service_id: String,
    /// Whether it may be written.
    pub mode: Mode,
}

/// The open database: one connection, one writer.
#[derive(Debug)]
pub struct Store {
    conn: Connection,
    mode: Mode,
    /// What lay at the path when it was opened for writing.
    place: Option<Place>,
}

/// A file, by its path and by what it is.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    device: u64,
    number: u64,
}

impl Place {
    fn of(path: &Path) -> Option<Self> {
        let about = fs::metadata(path).ok()?;
        Some(Self {
            path: path.to_owned(),
            device: about.dev(),
            number: about.ino(),
        })
    }
}

impl Store {
    /// Opens the database of `options.service_id`; in [`Mode::ReadWrite`] creates it, for its owner
    /// alone, and migrates it if needed.
    ///
    /// # Errors
    /// Whatever is refused (another program's file, a newer schema, another service) is left
    /// untouched byte for byte.
    pub fn open(options: &Options, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_with(options, MIGRATIONS, now)
    }

    pub(super) fn open_with(
        options: &Options,
        migrations: &[Migration],
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let found = look(&options.path)?;
        let version = check(&found, options, migrations)?;
        refuse_redacted(&found, &options.path)?;
        let conn = match options.mode {
            Mode::ReadWrite => open_for_writing(options, &found, version, migrations, now)?,
            Mode::DryRun => open_for_reading(options, &found, version, migrations, now)?,
        };
        conn.set_prepared_statement_cache_capacity(64);
        let mut store = Self {
            conn,
            mode: options.mode,
            place: match options.mode {
                Mode::ReadWrite => Place::of(&options.path),
                Mode::DryRun => None,
            },
        };
        match options.mode {
            Mode::ReadWrite => store.read_unread()?,
            Mode::DryRun => {}
        }
        Ok(store)
    }

    /// A store that only answers, on a connection that cannot write.
    pub(super) fn for_looking(conn: Connection) -> Self {
        Self {
            conn,
            mode: Mode::DryRun,
            place: None,
        }
    }

    /// Returns whether something else, or nothing, lies at the path by now: what is recorded goes into a file that nobody
    /// will find.
    pub fn is_displaced(&self) -> bool {
        self.place.as_ref().is_some_and(|opened| {
            Place::of(&opened.path)
                .is_none_or(|now| (now.device, now.number) != (opened.device, opened.number))
        })
    }

    /// Closes the database tidily: the planner's statistics are refreshed where they are stale, and
    /// the write-ahead log is emptied into the file. Dropping a store loses nothing either.
    pub fn close(self) -> Result<(), StoreError> {
        const DOING: &str = "close the database";
        if self.mode == Mode::ReadWrite {
            self.conn
                .execute_batch("PRAGMA optimize; PRAGMA wal_checkpoint(TRUNCATE);")
                .map_err(|e| StoreError::sql(DOING, e))?;
        }
        self.conn
            .close()
            .map_err(|(_, e)| StoreError::sql(DOING, e))
    }

    /// Does `work` in one transaction: all of it, or nothing.
    pub(super) fn write<T>(
        &mut self,
        doing: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.write_read(doing, &Read::default(), work)
    }

    /// The same for bodies that somebody has read through already.
    pub(super) fn write_read<T>(
        &mut self,
        doing: &'static str,
        read: &Read<'_>,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let in_transaction = || {
            let tx = self
                .conn
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&tx)?;
            unread::read_some(&tx, read)?;
            tx.commit()?;
            Ok(done)
        };
        in_transaction().map_err(|e| StoreError::sql(doing, e))
    }

    /// Asks several things as of one moment, though a run may be writing; `work` must not write.
    pub(super) fn read_at_once<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.read(doing, |conn| {
            if !conn.is_autocommit() {
                // A look has begun one already.
                return work(conn);
            }
            // Ends with its drop: there is nothing to keep.
            let tx = conn.unchecked_transaction()?;
            work(&tx)
        })
    }

    /// Asks something; `work` must not write.
    pub(super) fn read<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        work(&self.conn).map_err(|e| StoreError::sql(doing, e))
    }

    #[cfg(test)]
    pub(super) fn conn_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }
}

/// Refuses what was made for handing on: it is no backup, and must not be taken for one.
pub(super) fn refuse_redacted(found: &Found, path: &Path) -> Result<(), StoreError> {
    match found {
        Found::Ours {
            is_redacted: true, ..
        } => Err(StoreError::Redacted {
            path: path.to_owned(),
        }),
        Found::Ours { .. } | Found::Nothing => Ok(()),
    }
}

/// Returns the schema version to start from, or why this file is not to be touched.
pub(super) fn check(
    found: &Found,
    options: &Options,
    migrations: &[Migration],
) -> Result<u32, StoreError> {
    let Found::Ours {
        version,
        service_id,
        is_redacted: _,
        is_empty,
    } = found
    else {
        return Ok(0);
    };
    let known = migrate::latest(migrations);
    if *version > known {
        return Err(StoreError::Newer {
            found: *version,
            known,
        });
    }
    // A slip in the id of the very first run must not claim the file for ever.
    let others = service_id.as_ref().filter(|id| **id != options.service_id);
    if let Some(found) = others.filter(|_| !is_empty) {
        return Err(StoreError::OtherService {
            path: options.path.clone(),
            found: found.clone(),
            expected: options.service_id.clone(),
        });
    }
    if *version < known && options.mode == Mode::DryRun {
        return Err(StoreError::Older {
            found: *version,
            known,
        });
    }
    Ok(*version)
}

fn open_for_writing(
    options: &Options,
    found: &Found,
    version: u32,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<Connection, StoreError> {
    let path = &options.path;
    let is_claimed = matches!(
        found,
        Found::Ours {
            service_id: Some(id),
            ..
        } if *id == options.service_id
    );
    create_parents(path)?;
    create_private(path)?;
    // SQLite would quietly fall back to reading, and the first write would fail far from here.
    OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|source| StoreError::File {
            doing: "write to",
            path: path.clone(),
            source,
        })?;
    let mut conn = connect(Some(path))?;
    if version > 0 {
        migrate::check_applied(&conn, version, migrations)?;
    }
    // Readers, such as `status` or any SQLite tool, work while a run writes. Stays set in the file;
    // does nothing inside a transaction, so it stands before the migrations.
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))
        .map_err(|e| StoreError::sql("switch to a write-ahead log", e))?;
    migrate::migrate(&mut conn, Some(path), version, migrations, now)?;
    if !is_claimed {
        claim(&conn, &options.service_id)?;
    }
    proof::watch(&conn).map_err(|e| StoreError::sql("watch what is recorded", e))?;
    Ok(conn)
}

fn open_for_reading(
    options: &Options,
    found: &Found,
    version: u32,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<Connection, StoreError> {
    let conn = match found {
        Found::Nothing => {
            let mut conn = connect(None)?;
            migrate::migrate(&mut conn, None, 0, migrations, now)?;
            claim(&conn, &options.service_id)?;
            conn
        }
        Found::Ours { .. } => {
            let conn = connect(Some(&options.path))?;
            migrate::check_applied(&conn, version, migrations)?;
            conn
        }
    };
    conn.pragma_update(None, "query_only", true)
        .map_err(|e| StoreError::sql("open the database for reading", e))?;
    Ok(conn)
}

/// Opens a connection to an existing file, or to an empty database in memory.
pub(super) fn connect(path: Option<&Path>) -> Result<Connection, StoreError> {
    // Neither `CREATE` nor `URI`: the file is there by now. The dot keeps a relative path named
    // `:memory:` a path; before an absolute one it vanishes.
    let path = path.map_or_else(
        || PathBuf::from(":memory:"),
        |path| Path::new(".").join(path),
    );
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connect = || {
        let conn = Connection::open_with_flags(&path, flags)?;
        // Another process may hold the write lock for the length of a transaction or checkpoint.
        conn.busy_timeout(Duration::from_secs(5))?;
        // What a run calls saved survives a power cut. Costs nothing visible at a page of rows per
        // transaction (measured: about 30,000 rows/s for NORMAL and FULL alike).
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "foreign_keys", true)?;
        // Without it `REPLACE INTO` would delete rows past the history triggers.
        conn.pragma_update(None, "recursive_triggers", true)?;
        // 8 MiB. The whole program is to stay within 64 MiB, whatever the database's size.
        conn.pragma_update(None, "cache_size", -8192)?;
        // Ids come in no order, so a page of rows touches hundreds of pages of the file. Moving them
        // from the log every 32 MiB, not every 4, moves each fewer times (measured: twice as fast
        // where 100,000 media change).
        conn.pragma_update_and_check(None, "wal_autocheckpoint", 8000, |_| Ok(()))?;
        // A log that one large transaction blew up goes back to 64 MiB with the next checkpoint.
        conn.pragma_update_and_check(None, "journal_size_limit", 67_108_864, |_| Ok(()))?;
        Ok(conn)
    };
    connect().map_err(|e| StoreError::sql("open the database", e))
}

/// Writes the service's id into a database that has none yet, or one for which nothing was saved.
fn claim(conn: &Connection, service_id: &str) -> Result<(), StoreError> {
    conn.execute(
        "INSERT INTO meta (key, value) VALUES ('service_id', :id)
         ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        named_params! { ":id": service_id },
    )
    .map(drop)
    .map_err(|e| StoreError::sql("write whose backup this is", e))
}
