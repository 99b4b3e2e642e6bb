//! Files that `verify` found wrong, until a run has read them.

use super::{Store, StoreError};
use crate::model::{MediaId, Timestamp, Why};
use rusqlite::{Transaction, named_params};

/// A file that `verify` found wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongFile {
    /// Its medium.
    pub media_id: MediaId,
    /// Where it lies in the mirror.
    pub path: String,
    /// What its bytes must be, in hexadecimal.
    pub sha256: String,
}

/// What a run saw of such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reread {
    /// Its medium.
    pub media_id: MediaId,
    /// Why it is to be fetched again; `None` if it is whole.
    pub why: Option<Why>,
}

/// Files of live media whose recorded bytes nobody knows to be missing or damaged, whatever else they are owed for: owed
/// for a weaker reason, a row says of them what it says of whole ones.
macro_rules! is_to_be_read {
    () => {
        "m.deleted_at IS NULL AND a.path IS NOT NULL AND a.sha256 IS NOT NULL
         AND (a.state = 'saved' OR a.state IN ('owed', 'failed') AND a.why NOT IN ('missing', 'damaged'))"
    };
}

impl Store {
    /// Forgets those that no reading can settle: what is known to be missing or damaged, or has no bytes or no row any more, is
    /// made good; what was lost with its medium stays a difference. Returns whether any are left to be read.
    pub fn sift_wrong_files(&mut self) -> Result<bool, StoreError> {
        let are_any = |store: &Self| {
            store.read("look for files that were found wrong", |conn| {
                conn.prepare_cached("SELECT 1 FROM wrong_files")?.exists([])
            })
        };
        if !are_any(self)? {
            return Ok(false);
        }
        self.write("sift the files that were found wrong", |tx| {
            let sifted: Vec<(MediaId, bool)> = tx
                .prepare(concat!(
                    "SELECT DISTINCT w.media_id, a.state IS NULL OR a.state <> 'gone' AND m.deleted_at IS NULL
                     FROM wrong_files AS w LEFT JOIN assets AS a ON a.media_id = w.media_id
                         LEFT JOIN media AS m ON m.id = w.media_id
                     WHERE (",
                    is_to_be_read!(),
                    ") IS NOT TRUE"
                ))?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            sifted
                .iter()
                .try_for_each(|(id, is_good)| forget(tx, id, *is_good))
        })?;
        are_any(self)
    }

    /// Returns up to `limit` files that were found wrong and are to be read, in the order of their media's ids, from behind `after`.
    pub fn wrong_files(
        &self,
        after: Option<&MediaId>,
        limit: usize,
    ) -> Result<Vec<WrongFile>, StoreError> {
        let after = after.map_or("", MediaId::as_str);
        self.read("read which files were found wrong", |conn| {
            // In this order: the notes are few, and files may be a million.
            conn.prepare_cached(concat!(
                "SELECT DISTINCT w.media_id, a.path, a.sha256
                 FROM wrong_files AS w CROSS JOIN assets AS a ON a.media_id = w.media_id
                     CROSS JOIN media AS m ON m.id = w.media_id
                 WHERE w.media_id > :after AND ",
                is_to_be_read!(),
                " ORDER BY w.media_id LIMIT :limit"
            ))?
            .query_map(
                named_params! { ":after": after, ":limit": super::values::int(limit as u64) },
                |row| {
                    Ok(WrongFile {
                        media_id: row.get(0)?,
                        path: row.get(1)?,
                        sha256: row.get(2)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Records what a run saw of them: those that are wrong still are owed, and none is a difference any more that nobody
    /// does anything about. All of it, or nothing.
    pub fn record_reread(&mut self, reread: &[Reread], now: Timestamp) -> Result<(), StoreError> {
        if reread.is_empty() {
            return Ok(());
        }
        self.write("record which files are wrong still", |tx| {
            for file in reread {
                if let Some(why) = file.why {
                    super::assets::lose(tx, &file.media_id, why, now)?;
                }
                forget(tx, &file.media_id, true)?;
            }
            Ok(())
        })
    }
}

/// Notes what a `verify` found, which is recorded in the same transaction.
pub(super) fn note(
    tx: &Transaction<'_>,
    verification: i64,
    wrong: &[MediaId],
) -> rusqlite::Result<()> {
    let mut insert = tx.prepare_cached(
        "INSERT INTO wrong_files (media_id, verification) VALUES (:id, :verification)
         ON CONFLICT DO NOTHING",
    )?;
    for id in wrong {
        insert.execute(named_params! { ":id": id, ":verification": verification })?;
    }
    Ok(())
}

fn forget(tx: &Transaction<'_>, id: &MediaId, is_made_good: bool) -> rusqlite::Result<()> {
    if is_made_good {
        tx.prepare_cached(
            "UPDATE verifications SET repaired = min(repaired + 1, differences)
             WHERE id IN (SELECT verification FROM wrong_files WHERE media_id = :id)",
        )?
        .execute(named_params! { ":id": id })?;
    }
    tx.prepare_cached("DELETE FROM wrong_files WHERE media_id = :id")?
        .execute(named_params! { ":id": id })
        .map(drop)
}
