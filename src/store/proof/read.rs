//! The log and the runs that committed to it, as they lie there.

use super::{field, leaf_of};
use crate::model::Hash;
use crate::model::proof::{Digester, Field, LastProof, Proof, ProvenRun};
use crate::store::values::count;
use crate::store::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

/// What a run's record is over, beside its walks. For ever in this order: columns that come later are not
/// part of it.
const RECORD: &str = "SELECT id, trigger, program, started_at, finished_at, outcome, exit_code, error,
         media_seen, media_new, media_changed, media_returned, media_missing, media_deleted,
         contents_seen, contents_new, contents_changed, contents_returned, contents_missing, contents_deleted,
         bodies_saved, bodies_owed, bodies_refused, assets_saved, assets_unchanged, assets_owed, assets_failed,
         assets_moved, assets_withheld, asset_bytes, requests, log_size, log_head
     FROM runs WHERE id = :run";
const WALKS: &str =
    "SELECT scope, pages, total_count, unique_ids, duplicates, restarts, max_token_age_ms, verdict,
         detail, started_at, finished_at
     FROM walks WHERE run_id = :run ORDER BY scope";

/// Hashes the record of a run: its row and its walks.
pub(super) fn record(conn: &Connection, run: i64) -> rusqlite::Result<Hash> {
    let mut digester = Digester::default();
    digester.add("microcms-backup run 1");
    for sql in [RECORD, WALKS] {
        let mut query = conn.prepare_cached(sql)?;
        let columns = query.column_count();
        let mut rows = query.query(named_params! { ":run": run })?;
        while let Some(row) = rows.next()? {
            // A mark before each row: walks cannot be cut otherwise than they were.
            digester.add(Field::Int(1));
            for index in 0..columns {
                digester.add(field(row.get_ref(index)?));
            }
        }
    }
    Ok(digester.finish())
}

/// Reads a hash in hex. What is no such thing any more is no hash that any run had.
fn hash(row: &Row<'_>, index: usize) -> rusqlite::Result<Hash> {
    let text = row.get_ref(index)?.as_str().ok();
    Ok(text.and_then(Hash::parse).unwrap_or(Hash::ZERO))
}

impl Store {
    /// Returns the newest root and whose it is; `None` before the first one.
    pub fn last_proof(&self) -> Result<Option<LastProof>, StoreError> {
        self.read("read the newest root", last_proof)
    }

    /// Returns every run that committed to a root, oldest first.
    pub fn proven_runs(&self) -> Result<Vec<ProvenRun>, StoreError> {
        self.read("read what runs proved", |conn| {
            let mut query = conn.prepare(
                "SELECT id, ifnull(finished_at, ''), ifnull(log_size, 0), log_head, root
                 FROM runs WHERE root IS NOT NULL ORDER BY id",
            )?;
            let runs = query.query_map([], |row| {
                let id = row.get(0)?;
                Ok(ProvenRun {
                    id,
                    finished_at: row.get(1)?,
                    // A number below 0 was edited, which the record tells.
                    log_size: count(row, 2).unwrap_or(0),
                    log_head: hash(row, 3)?,
                    root: hash(row, 4)?,
                    record: record(conn, id)?,
                })
            })?;
            runs.collect()
        })
    }

    /// Returns the complete runs since the first one with a root that have none: there is no way that the
    /// program could have left such a row.
    pub fn complete_runs_without_root(&self) -> Result<Vec<i64>, StoreError> {
        self.read("read what runs proved", |conn| {
            conn.prepare(
                "SELECT id FROM runs WHERE outcome = 'complete' AND root IS NULL
                     AND id > (SELECT min(id) FROM runs WHERE root IS NOT NULL)
                 ORDER BY id LIMIT 1000",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        })
    }

    /// Tells every entry of the log: its number, and its hash as a leaf of the tree, oldest first.
    pub fn log(&self, each: &mut dyn FnMut(u64, Hash)) -> Result<(), StoreError> {
        self.read("read the log of what was recorded", |conn| {
            let mut query = conn.prepare(
                "SELECT seq, deed, kind, scope, id, valid_from, digest FROM leaves ORDER BY seq",
            )?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                // A number below 1 was written by somebody else; it leaves a wrong head.
                each(count(row, 0).unwrap_or(0), leaf_of(row, 1)?);
            }
            Ok(())
        })
    }
}

/// As [`Store::last_proof`].
pub(in crate::store) fn last_proof(conn: &Connection) -> rusqlite::Result<Option<LastProof>> {
    conn.prepare_cached(
        "SELECT id, ifnull(log_size, 0), root FROM runs WHERE root IS NOT NULL ORDER BY id DESC LIMIT 1",
    )?
    .query_row([], |row| {
        Ok(LastProof {
            run_id: row.get(0)?,
            proof: Proof {
                root: hash(row, 2)?,
                log_size: count(row, 1).unwrap_or(0),
            },
        })
    })
    .optional()
}
