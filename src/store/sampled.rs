//! Some of what the rows say of files, from all over the tables: enough to see whether the disks hold it.

use super::plain::is_at;
use super::values::{count, int};
use super::{SavedFile, Store, StoreError};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

/// Files that are looked for: enough to see that a volume is not mounted, or that much was lost.
pub const SAMPLE: usize = 24;

/// Rows behind each place among which a fitting one is looked for, at most.
const NEAR: i64 = 64;

/// Whether version `h` of a file has bytes that the archive should hold: no current file has them, and nobody accepted them
/// as lost.
macro_rules! is_archived {
    () => {
        concat!(
            "h.sha256 IS NOT NULL AND h.sha256 NOT IN (SELECT sha256 FROM accepted_losses)
             AND NOT EXISTS (SELECT 1 FROM assets AS a INDEXED BY assets_by_digest WHERE ",
            is_at!(digest_start, "a.sha256", "h.sha256"),
            ")"
        )
    };
}

impl Store {
    /// Returns up to `most` saved files from all over the table. Reads little, however many there are.
    pub fn sampled_files(&self, most: usize) -> Result<Vec<SavedFile>, StoreError> {
        let file = |row: &Row<'_>| {
            Ok(SavedFile {
                path: row.get(0)?,
                bytes: count(row, 1)?,
            })
        };
        self.read("read some of the saved files", |conn| {
            spread(
                conn,
                "SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM assets",
                "SELECT path, bytes FROM (
                     SELECT path, bytes, state FROM assets NOT INDEXED
                     WHERE rowid BETWEEN :from AND :from + :near - 1)
                 WHERE state = 'saved' AND path IS NOT NULL LIMIT 1",
                most,
                file,
            )
        })
    }

    /// Returns up to `most` digests, hex, of bytes that the archive should hold, from all over the history. Reads little,
    /// however long that is, unless it finds none: what is rare in the history is then looked for in all of it.
    pub fn sampled_archived(&self, most: usize) -> Result<Vec<String>, StoreError> {
        let sample = self.read("read some of the superseded files", |conn| {
            spread(
                conn,
                "SELECT coalesce(min(rowid), 0), coalesce(max(rowid), -1) FROM assets_history",
                concat!(
                    "SELECT h.sha256 FROM (
                         SELECT sha256 FROM assets_history NOT INDEXED
                         WHERE rowid BETWEEN :from AND :from + :near - 1) AS h
                     WHERE ",
                    is_archived!(),
                    " LIMIT 1"
                ),
                most,
                |row| row.get(0),
            )
        })?;
        match sample.is_empty() {
            true => self.oldest_archived(most),
            false => Ok(sample),
        }
    }

    /// Returns the first `most` digests of bytes that the archive should hold, those of the oldest versions. Misses none, and
    /// may read the whole history for it.
    pub fn oldest_archived(&self, most: usize) -> Result<Vec<String>, StoreError> {
        self.read("read which bytes are archived", |conn| {
            conn.prepare_cached(concat!(
                "SELECT h.sha256 FROM assets_history AS h NOT INDEXED WHERE ",
                is_archived!(),
                " ORDER BY h.rowid LIMIT :most"
            ))?
            .query_map(named_params! { ":most": int(most as u64) }, |row| {
                row.get(0)
            })?
            .collect()
        })
    }
}

/// Asks at places that are the same way apart for the next row that fits: `bounds` tells the first and the last number of a
/// table's rows, `select` one of `:near` rows from `:from` on.
fn spread<T>(
    conn: &Connection,
    bounds: &str,
    select: &str,
    most: usize,
    read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<Vec<T>> {
    let (first, last): (i64, i64) = conn
        .prepare_cached(bounds)?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let apart = (last.saturating_sub(first) / int(most.max(1) as u64)).max(1);
    let mut select = conn.prepare_cached(select)?;
    let (mut found, mut from) = (Vec::new(), first);
    while from <= last && found.len() < most {
        let params = named_params! { ":from": from, ":near": apart.min(NEAR) };
        found.extend(select.query_row(params, &read).optional()?);
        from = from.saturating_add(apart);
    }
    Ok(found)
}
