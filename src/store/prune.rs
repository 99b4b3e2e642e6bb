//! Retention: the rows that go, and the notes about their files.
//!
//! A row and the note that its file is doomed change in one transaction, so that a crash can leave a
//! file without a row, and never a row without its file.

use super::doomed::{
    doomed_content, doomed_medium, last_of_content, last_of_endpoint, last_of_medium,
};
use super::plain::{is_at, status_words};
use super::values::{count, int};
use super::{Store, StoreError};
use crate::model::{Cutoffs, PrunedRows, PrunedTables, Timestamp};
use rusqlite::{Transaction, named_params};

/// Rows removed in one transaction. A thing that was deleted takes its whole history along, so there
/// are fewer of them.
const VERSIONS: usize = 500;
const THINGS: usize = 100;

/// The row of one `prune`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PruneId(pub(super) i64);

/// A kind of rows to remove. Versions come first: what is deleted takes the rest along. APIs come after
/// their contents, which their schemas explain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PruneStep {
    /// Superseded versions of APIs.
    EndpointVersions,
    /// Superseded versions of contents.
    ContentVersions,
    /// Superseded versions of media.
    MediumVersions,
    /// Superseded versions of files.
    AssetVersions,
    /// Deleted contents with their history.
    DeletedContents,
    /// Deleted APIs with their history.
    DeletedEndpoints,
    /// Deleted media, with their files' rows and both histories.
    DeletedMedia,
}

impl PruneStep {
    /// All of them, in their order.
    pub const ALL: [Self; 7] = [
        Self::EndpointVersions,
        Self::ContentVersions,
        Self::MediumVersions,
        Self::AssetVersions,
        Self::DeletedContents,
        Self::DeletedEndpoints,
        Self::DeletedMedia,
    ];
}

/// Rows that one transaction removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrunedBatch {
    /// How many, of which kind.
    pub rows: PrunedTables,
    /// Where to go on; `None`: the step is done.
    pub next: Option<i64>,
}

impl Store {
    /// Opens the row of a `prune` that has something to remove. It comes before the first removal, so
    /// that the database says that its history is not whole even if the process dies.
    pub fn begin_prune(
        &mut self,
        program: &str,
        cutoffs: Cutoffs,
        now: Timestamp,
    ) -> Result<PruneId, StoreError> {
        self.write("record the start of a prune", |tx| {
            tx.execute(
                "INSERT INTO prunes (program, started_at, superseded_before, deleted_before)
                 VALUES (:program, :now, :superseded, :deleted)",
                named_params! {
                    ":program": program, ":now": now, ":superseded": cutoffs.superseded_before,
                    ":deleted": cutoffs.deleted_before,
                },
            )?;
            Ok(PruneId(tx.last_insert_rowid()))
        })
    }

    /// Records that a `prune` came to its end.
    pub fn finish_prune(&mut self, prune: PruneId, now: Timestamp) -> Result<(), StoreError> {
        self.write("record the end of a prune", |tx| {
            tx.execute(
                "UPDATE prunes SET finished_at = :now WHERE id = :id",
                named_params! { ":id": prune.0, ":now": now },
            )?;
            // Losses that no version names any more.
            tx.execute(
                concat!(
                    "DELETE FROM accepted_losses AS l
                     WHERE NOT EXISTS (SELECT 1 FROM assets AS a INDEXED BY assets_by_digest WHERE ",
                    is_at!(digest_start, "a.sha256", "l.sha256"),
                    ")
                     AND NOT EXISTS (SELECT 1 FROM assets_history AS h WHERE h.sha256 = l.sha256)"
                ),
                [],
            )?;
            Ok(())
        })
    }

    /// Returns how many bytes of the database's file hold nothing. The file keeps its length when rows
    /// go; rows to come use this room first.
    pub fn free_bytes(&self) -> Result<u64, StoreError> {
        self.read("ask for the room within the database", |conn| {
            let pragma = |name| conn.pragma_query_value(None, name, |row| count(row, 0));
            Ok(pragma("freelist_count")? * pragma("page_size")?)
        })
    }

    /// Removes the next rows of one step, from behind `after` (0 at first), and dooms their files: all
    /// of it, or nothing.
    ///
    /// What is live, owed or failed is never among them, nor is the last version of a thing that was deleted upstream and
    /// stays, nor the last body there is of a content that lacks it now, and nothing is where the cutoff is `None`.
    pub fn prune_rows(
        &mut self,
        prune: PruneId,
        step: PruneStep,
        after: i64,
        cutoffs: Cutoffs,
        now: Timestamp,
    ) -> Result<PrunedBatch, StoreError> {
        self.write("remove rows whose retention has ended", |tx| {
            let batch = match step {
                PruneStep::EndpointVersions
                | PruneStep::ContentVersions
                | PruneStep::MediumVersions
                | PruneStep::AssetVersions => match cutoffs.superseded_before {
                    Some(before) => remove_versions(tx, step, after, before, now)?,
                    None => PrunedBatch::default(),
                },
                PruneStep::DeletedContents
                | PruneStep::DeletedEndpoints
                | PruneStep::DeletedMedia => match cutoffs.deleted_before {
                    Some(before) => remove_deleted(tx, step, after, before, now)?,
                    None => PrunedBatch::default(),
                },
            };
            if !batch.rows.is_empty() {
                tx.prepare_cached(
                    "UPDATE prunes SET versions = versions + :versions, deleted = deleted + :deleted
                     WHERE id = :id",
                )?
                .execute(named_params! {
                    ":id": prune.0, ":versions": int(batch.rows.versions()),
                    ":deleted": int(batch.rows.deleted()),
                })?;
            }
            Ok(batch)
        })
    }
}

/// Removes old versions, in the order of their row ids: one pass over the table, however many batches.
fn remove_versions(
    tx: &Transaction<'_>,
    step: PruneStep,
    after: i64,
    before: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<PrunedBatch> {
    macro_rules! from {
        ($table:literal, $returning:literal $(, $but:expr)?) => {
            concat!(
                "DELETE FROM ", $table, " WHERE rowid IN (
                     SELECT h.rowid FROM ", $table, " AS h
                     WHERE h.rowid > :after AND h.valid_to < :before ", $("AND NOT ", $but,)? "
                     ORDER BY h.rowid LIMIT :limit)
                 RETURNING ", $returning
            )
        };
    }
    let sql = match step {
        PruneStep::EndpointVersions => {
            from!("endpoints_history", "rowid, NULL", last_of_endpoint!())
        }
        PruneStep::ContentVersions => from!("contents_history", "rowid, NULL", last_of_content!()),
        PruneStep::MediumVersions => from!("media_history", "rowid, NULL", last_of_medium!()),
        PruneStep::AssetVersions => from!("assets_history", "rowid, sha256"),
        PruneStep::DeletedContents | PruneStep::DeletedEndpoints | PruneStep::DeletedMedia => {
            return Ok(PrunedBatch::default());
        }
    };
    let removed: Vec<(i64, Option<String>)> = tx
        .prepare_cached(sql)?
        .query_map(
            named_params! { ":after": after, ":before": before, ":limit": int(VERSIONS as u64) },
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut doom = tx.prepare_cached(
        "INSERT INTO doomed_files (sha256, doomed_at) VALUES (:sha256, :now) ON CONFLICT DO NOTHING",
    )?;
    for sha256 in removed.iter().filter_map(|(_, sha256)| sha256.as_ref()) {
        doom.execute(named_params! { ":sha256": sha256, ":now": now })?;
    }
    let mut batch = PrunedBatch {
        next: removed
            .iter()
            .map(|(rowid, _)| *rowid)
            .max()
            .filter(|_| removed.len() == VERSIONS),
        ..PrunedBatch::default()
    };
    let rows = PrunedRows {
        versions: removed.len() as u64,
        deleted: 0,
    };
    match step {
        PruneStep::EndpointVersions => batch.rows.endpoints = rows,
        PruneStep::ContentVersions => batch.rows.contents = rows,
        PruneStep::MediumVersions => batch.rows.media = rows,
        PruneStep::AssetVersions => batch.rows.assets = rows,
        PruneStep::DeletedContents | PruneStep::DeletedEndpoints | PruneStep::DeletedMedia => {}
    }
    Ok(batch)
}

/// Removes things that were deleted upstream, in the order of their row ids.
fn remove_deleted(
    tx: &Transaction<'_>,
    step: PruneStep,
    after: i64,
    before: Timestamp,
    now: Timestamp,
) -> rusqlite::Result<PrunedBatch> {
    // The second column is the thing's own id, the third its API's.
    let sql = match step {
        PruneStep::DeletedContents => concat!(
            "SELECT c.rowid, c.id, c.endpoint FROM contents AS c
             WHERE c.rowid > :after AND ",
            doomed_content!(),
            " ORDER BY c.rowid LIMIT :limit"
        ),
        PruneStep::DeletedEndpoints => {
            "SELECT e.rowid, e.endpoint, e.endpoint FROM endpoints AS e
             WHERE e.rowid > :after AND e.deleted_at < :deleted
                 AND NOT EXISTS (SELECT 1 FROM contents AS c WHERE c.endpoint = e.endpoint)
             ORDER BY e.rowid LIMIT :limit"
        }
        PruneStep::DeletedMedia => concat!(
            "SELECT m.rowid, m.id, '' FROM media AS m LEFT JOIN assets AS a ON a.media_id = m.id
             WHERE m.rowid > :after AND ",
            doomed_medium!(),
            " ORDER BY m.rowid LIMIT :limit"
        ),
        PruneStep::EndpointVersions
        | PruneStep::ContentVersions
        | PruneStep::MediumVersions
        | PruneStep::AssetVersions => return Ok(PrunedBatch::default()),
    };
    let things: Vec<(i64, String, String)> = tx
        .prepare_cached(sql)?
        .query_map(
            named_params! { ":after": after, ":deleted": before, ":limit": int(THINGS as u64) },
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let mut batch = PrunedBatch {
        next: things
            .last()
            .map(|(rowid, ..)| *rowid)
            .filter(|_| things.len() == THINGS),
        ..PrunedBatch::default()
    };
    for (_, id, endpoint) in things {
        match step {
            PruneStep::DeletedContents => {
                batch.rows.contents.versions += remove_content(tx, &endpoint, &id)?;
                batch.rows.contents.deleted += 1;
            }
            PruneStep::DeletedEndpoints => {
                batch.rows.endpoints.versions += remove_endpoint(tx, &endpoint)?;
                batch.rows.endpoints.deleted += 1;
            }
            PruneStep::DeletedMedia => batch.rows.add(remove_medium(tx, &id, now)?),
            PruneStep::EndpointVersions
            | PruneStep::ContentVersions
            | PruneStep::MediumVersions
            | PruneStep::AssetVersions => {}
        }
    }
    Ok(batch)
}

// Removing a row writes it to the history once more, as it must (whoever removes one by hand loses
// nothing). So the history goes last; what it held before is counted.

fn remove_content(tx: &Transaction<'_>, endpoint: &str, id: &str) -> rusqlite::Result<u64> {
    let params = named_params! { ":endpoint": endpoint, ":id": id };
    let versions = tx
        .prepare_cached(
            "SELECT count(*) FROM contents_history WHERE endpoint = :endpoint AND id = :id",
        )?
        .query_row(params, |row| count(row, 0))?;
    for sql in [
        "DELETE FROM contents WHERE endpoint = :endpoint AND id = :id",
        "DELETE FROM contents_history WHERE endpoint = :endpoint AND id = :id",
        "DELETE FROM absences WHERE scope = 'contents/' || :endpoint AND id = :id",
        "DELETE FROM doubted_bodies WHERE endpoint = :endpoint AND id = :id",
    ] {
        tx.prepare_cached(sql)?.execute(params)?;
    }
    Ok(versions)
}

fn remove_endpoint(tx: &Transaction<'_>, endpoint: &str) -> rusqlite::Result<u64> {
    let params = named_params! { ":endpoint": endpoint };
    let versions = tx
        .prepare_cached("SELECT count(*) FROM endpoints_history WHERE endpoint = :endpoint")?
        .query_row(params, |row| count(row, 0))?;
    for sql in [
        "DELETE FROM endpoints WHERE endpoint = :endpoint",
        "DELETE FROM endpoints_history WHERE endpoint = :endpoint",
    ] {
        tx.prepare_cached(sql)?.execute(params)?;
    }
    Ok(versions)
}

fn remove_medium(tx: &Transaction<'_>, id: &str, now: Timestamp) -> rusqlite::Result<PrunedTables> {
    let params = named_params! { ":id": id };
    tx.prepare_cached(
        "INSERT INTO doomed_files (sha256, path, doomed_at)
         SELECT sha256, path, :now FROM assets WHERE media_id = :id AND sha256 IS NOT NULL
         UNION SELECT sha256, NULL, :now FROM assets_history WHERE media_id = :id AND sha256 IS NOT NULL
         ON CONFLICT DO NOTHING",
    )?
    .execute(named_params! { ":id": id, ":now": now })?;
    let counted = |sql| {
        tx.prepare_cached(sql)?
            .query_row(params, |row| count(row, 0))
    };
    let rows = PrunedTables {
        media: PrunedRows {
            versions: counted("SELECT count(*) FROM media_history WHERE id = :id")?,
            deleted: 1,
        },
        assets: PrunedRows {
            versions: counted("SELECT count(*) FROM assets_history WHERE media_id = :id")?,
            deleted: counted("SELECT count(*) FROM assets WHERE media_id = :id")?,
        },
        ..PrunedTables::default()
    };
    for sql in [
        "DELETE FROM assets WHERE media_id = :id",
        "DELETE FROM media WHERE id = :id",
        "DELETE FROM assets_history WHERE media_id = :id",
        "DELETE FROM media_history WHERE id = :id",
        "DELETE FROM absences WHERE scope = 'media' AND id = :id",
    ] {
        tx.prepare_cached(sql)?.execute(params)?;
    }
    Ok(rows)
}
