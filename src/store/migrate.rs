//! Brings a database to this program's schema.

use super::StoreError;
use super::before::copy_before;
use super::open::APPLICATION_ID;
use super::proof;
use crate::model::Timestamp;
use rusqlite::{Connection, OptionalExtension, TransactionBehavior, named_params};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use tracing::info;

/// One file of `migrations/`.
#[derive(Debug)]
pub(super) struct Migration {
    /// Its number, from 1 without gaps.
    pub(super) version: u32,
    /// Its name without number and ending.
    pub(super) name: &'static str,
    /// Its text.
    pub(super) sql: &'static str,
}

impl Migration {
    fn sha256(&self) -> String {
        hex::encode(Sha256::digest(self.sql.as_bytes()))
    }
}

/// Every file of `migrations/` at build time, in order (written by `build.rs`).
pub(super) const MIGRATIONS: &[Migration] = include!(concat!(env!("OUT_DIR"), "/migrations.rs"));

/// Returns the number of the newest migration.
pub(super) fn latest(migrations: &[Migration]) -> u32 {
    migrations.last().map_or(0, |newest| newest.version)
}

/// Checks that the schema, which is at `version`, was made by the very files that this program has.
pub(super) fn check_applied(
    conn: &Connection,
    version: u32,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let mut select = conn
        .prepare("SELECT sha256 FROM migrations WHERE version = :version")
        .map_err(|e| StoreError::sql("read which migrations were applied", e))?;
    for migration in migrations.iter().filter(|m| m.version <= version) {
        let recorded: Option<String> = select
            .query_row(named_params! { ":version": migration.version }, |row| {
                row.get(0)
            })
            .optional()
            .map_err(|e| StoreError::sql("read which migrations were applied", e))?;
        if recorded != Some(migration.sha256()) {
            return Err(StoreError::EditedMigration {
                version: migration.version,
                name: migration.name,
            });
        }
    }
    Ok(())
}

/// Applies every migration after `version`, each in a transaction of its own with its number; those of a
/// new database in one, so that a kill leaves all of the schema or nothing.
///
/// A database that holds something already (`version` above 0) is copied first, to
/// `<name>.before-vN.sqlite3` beside it. Where a migration fails, the database is at the one before
/// it, and the copy, which then says nothing new, is removed.
pub(super) fn migrate(
    conn: &mut Connection,
    path: Option<&Path>,
    version: u32,
    migrations: &[Migration],
    now: Timestamp,
) -> Result<(), StoreError> {
    let newest = latest(migrations);
    if version >= newest {
        return Ok(());
    }
    let copy = match path {
        Some(path) if version > 0 => Some(copy_before(conn, path, newest)?),
        Some(_) | None => None,
    };
    // The migration that begins the log hashes what is there.
    proof::register(conn).map_err(|e| StoreError::sql("migrate the database", e))?;
    let steps = match version {
        0 => migrations.len().max(1),
        _ => 1,
    };
    for step in migrations.chunks(steps) {
        let Some(first) = step.iter().find(|m| m.version > version) else {
            continue;
        };
        if let Err(source) = apply(conn, step, now) {
            if let Some(copy) = copy.as_ref().filter(|_| first.version == version + 1) {
                // A copy that cannot be removed is in nobody's way; the failure is what counts.
                drop(fs::remove_file(copy));
            }
            return Err(StoreError::sql("migrate the database", source));
        }
    }
    if let Some(copy) = copy {
        let copy = copy.display();
        info!(
            from = version, to = newest, %copy,
            "brought the database from version {version} to {newest}; as it was before, it is kept in `{copy}`, which may go \
             after a run that ends SAFE"
        );
    }
    Ok(())
}

/// Applies what is not applied yet of some migrations that follow each other: all of them, or none.
fn apply(conn: &mut Connection, step: &[Migration], now: Timestamp) -> rusqlite::Result<()> {
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been here between the look and the lock.
    let version: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in step.iter().filter(|m| m.version > version) {
        tx.execute_batch(migration.sql)?;
        tx.execute(
            "INSERT INTO migrations (version, name, sha256, applied_at)
             VALUES (:version, :name, :sha256, :now)",
            named_params! {
                ":version": migration.version, ":name": migration.name,
                ":sha256": migration.sha256(), ":now": now,
            },
        )?;
        // The two numbers stand in the file's header and are part of the transaction.
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", migration.version)?;
    }
    tx.commit()
}
