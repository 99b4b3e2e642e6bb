//! Which files there must be: what the rows say of the mirror and of the archive. Read leniently: a row
//! that somebody edited is named by who compares it with the disk, and ends no reading.

use super::plain::is_at;
use super::values::{count, int, json_array, lenient};
use super::{Store, StoreError};
use rusqlite::{Connection, Row, named_params};

/// Paths of current files with the same bytes that are named for a digest. One that is whole is enough.
const COPIES: i64 = 4;

/// The row of a file, as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldFile {
    /// Its number, which it keeps.
    pub row: i64,
    /// The medium.
    pub media_id: String,
    /// Relative to the mirror.
    pub path: Option<String>,
    /// The length of the version saved last.
    pub bytes: Option<u64>,
    /// Its digest, hex.
    pub sha256: Option<String>,
    /// The word for where the file stands.
    pub state: String,
    /// The word for why it is owed.
    pub why: Option<String>,
    /// Whether the medium exists upstream, so that the file can be had again.
    pub is_live: bool,
    /// Whether a person accepted these bytes as lost.
    pub is_accepted: bool,
    /// Where the service says that it is. A run puts a file at the path for this before it writes its row.
    pub listed_url: Option<String>,
}

/// Bytes that earlier versions need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeededBytes {
    /// Their digest, hex.
    pub sha256: String,
    /// Their length.
    pub bytes: Option<u64>,
    /// A medium whose earlier version has them.
    pub media_id: String,
    /// Whether a person accepted them as lost.
    pub is_accepted: bool,
    /// Whether a medium that exists upstream has them, and its host did not refuse them: they can be had again.
    pub is_live: bool,
}

/// A saved file whose length its host can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostedFile {
    /// Its number, which it keeps.
    pub row: i64,
    /// The medium.
    pub media_id: String,
    /// Where the service says it is.
    pub url: String,
    /// Its recorded length.
    pub bytes: u64,
}

const HELD: &str = "SELECT a.media_id, a.path, a.bytes, a.sha256, a.state, a.why,
         EXISTS (SELECT 1 FROM media AS m WHERE m.id = a.media_id AND m.deleted_at IS NULL),
         a.rowid, (SELECT m.url FROM media AS m WHERE m.id = a.media_id),
         EXISTS (SELECT 1 FROM accepted_losses AS l WHERE l.sha256 = a.sha256)
     FROM assets AS a";
const NEEDED: &str = concat!(
    "SELECT h.sha256, max(h.bytes), min(h.media_id),
         EXISTS (SELECT 1 FROM accepted_losses AS l WHERE l.sha256 = h.sha256),
         EXISTS (SELECT 1 FROM assets AS a INDEXED BY assets_by_digest
             CROSS JOIN media AS m ON m.id = a.media_id
             WHERE ",
    is_at!(digest_start, "a.sha256", "h.sha256"),
    " AND m.deleted_at IS NULL AND a.state <> 'failed')
     FROM assets_history AS h"
);

impl Store {
    /// Returns up to `limit` rows of files, whatever their state, in the order of their numbers, from
    /// behind `after`.
    pub fn held_files(&self, after: i64, limit: usize) -> Result<Vec<HeldFile>, StoreError> {
        self.read("read which files the mirror must hold", |conn| {
            conn.prepare_cached(&format!(
                "{HELD} WHERE a.rowid > :after ORDER BY a.rowid LIMIT :limit"
            ))?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                held,
            )?
            .collect()
        })
    }

    /// Returns the rows of some files, those that there still are.
    pub fn held_files_of(&self, numbers: &[i64]) -> Result<Vec<HeldFile>, StoreError> {
        self.read("read again which files the mirror must hold", |conn| {
            conn.prepare_cached(&format!(
                "{HELD} WHERE a.rowid IN (SELECT value FROM json_each(:numbers)) ORDER BY a.rowid"
            ))?
            .query_map(
                named_params! { ":numbers": serde_json::Value::from(numbers).to_string() },
                held,
            )?
            .collect()
        })
    }

    /// Returns up to `limit` saved files of live media, in the order of their numbers, from behind
    /// `after`.
    pub fn hosted_files(&self, after: i64, limit: usize) -> Result<Vec<HostedFile>, StoreError> {
        self.read("read which files hosts can be asked for", |conn| {
            conn.prepare_cached(
                "SELECT a.rowid, a.media_id, coalesce(m.url, a.url), a.bytes
                 FROM assets AS a CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE a.rowid > :after AND a.state = 'saved' AND m.deleted_at IS NULL
                 ORDER BY a.rowid LIMIT :limit",
            )?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                |row| {
                    Ok(HostedFile {
                        row: row.get(0)?,
                        media_id: lenient(row, 1).unwrap_or_default(),
                        url: lenient(row, 2).unwrap_or_default(),
                        bytes: count(row, 3)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Returns up to `limit` digests that earlier versions name, in their order, from behind `after`.
    pub fn needed_bytes(&self, after: &str, limit: usize) -> Result<Vec<NeededBytes>, StoreError> {
        self.read("read which bytes the archive must hold", |conn| {
            conn.prepare_cached(&format!(
                "{NEEDED} WHERE h.sha256 > :after GROUP BY h.sha256 ORDER BY h.sha256 LIMIT :limit"
            ))?
            .query_map(
                named_params! { ":after": after, ":limit": int(limit as u64) },
                needed,
            )?
            .collect()
        })
    }

    /// Returns which of these digests earlier versions name by now.
    pub fn needed_bytes_of(&self, digests: &[String]) -> Result<Vec<NeededBytes>, StoreError> {
        self.read("read again which bytes the archive must hold", |conn| {
            conn.prepare_cached(&format!(
                "{NEEDED} WHERE h.sha256 IN (SELECT value FROM json_each(:digests)) GROUP BY h.sha256"
            ))?
            .query_map(named_params! { ":digests": json_array(digests) }, needed)?
            .collect()
        })
    }

    /// Returns where the mirror may have these bytes, as far as rows say so; not all of many: paths, and
    /// URLs whose files may be in place before their rows say so.
    pub fn mirrored_copies(
        &self,
        sha256: &str,
    ) -> Result<Vec<(String, Option<String>)>, StoreError> {
        self.read("look for copies of a file", |conn| {
            conn.prepare_cached(concat!(
                "SELECT a.path, iif(a.state = 'saved', NULL, m.url)
                 FROM assets AS a INDEXED BY assets_by_digest LEFT JOIN media AS m ON m.id = a.media_id
                 WHERE ",
                is_at!(digest_start, "a.sha256", ":sha256"),
                " AND a.path IS NOT NULL AND a.state <> 'gone'
                     AND coalesce(a.why, '') NOT IN ('missing', 'damaged')
                 ORDER BY a.state <> 'saved', a.media_id LIMIT :limit",
            ))?
            .query_map(
                named_params! { ":sha256": sha256, ":limit": COPIES },
                |row| Ok((lenient(row, 0).unwrap_or_default(), lenient(row, 1))),
            )?
            .collect()
        })
    }

    /// Returns those of the paths that no row names.
    pub fn strange_paths(&self, paths: &[String]) -> Result<Vec<String>, StoreError> {
        self.read("ask whose files these are", |conn| {
            conn.prepare_cached(concat!(
                "SELECT value FROM json_each(:paths) AS asked
                 WHERE NOT EXISTS (SELECT 1 FROM assets INDEXED BY assets_by_near
                     WHERE ",
                is_at!(near, "path", "asked.value"),
                ")",
            ))?
            .query_map(named_params! { ":paths": json_array(paths) }, |row| {
                row.get(0)
            })?
            .collect()
        })
    }

    /// Returns those of the paths that files had in the past. Reads the whole history: ask for many at once.
    pub fn former_paths(&self, paths: &[String]) -> Result<Vec<String>, StoreError> {
        self.read("ask whose files these were", |conn| {
            conn.prepare_cached(
                "SELECT DISTINCT path FROM assets_history
                 WHERE path IN (SELECT value FROM json_each(:paths))",
            )?
            .query_map(named_params! { ":paths": json_array(paths) }, |row| {
                row.get(0)
            })?
            .collect()
        })
    }

    /// Tells what may lie in the mirror before its row says so: each URL, with its medium's id, whose file may
    /// come to it or to its safe path, and each whose file may give way to another medium's; and each path whose
    /// file `prune` has yet to look at.
    pub fn each_coming_and_going(
        &self,
        coming: &mut dyn FnMut(&str, &str),
        leaving: &mut dyn FnMut(&str, &str),
        path: &mut dyn FnMut(&str),
    ) -> Result<(), StoreError> {
        self.read("read which files come and go", |conn| {
            each(
                conn,
                "SELECT coalesce(m.url, a.url), a.media_id FROM assets AS a JOIN media AS m ON m.id = a.media_id
                 WHERE a.state IN ('owed', 'failed') OR a.recheck_at IS NOT NULL",
                coming,
            )?;
            each(
                conn,
                "SELECT m.url, m.id FROM assets AS a NOT INDEXED CROSS JOIN media AS m ON m.id = a.media_id
                 WHERE instr(a.path, '/_unsafe/') > 0 AND m.deleted_at IS NULL",
                coming,
            )?;
            each(
                conn,
                "SELECT url, id FROM media WHERE deleted_at IS NOT NULL",
                leaving,
            )?;
            each(
                conn,
                "SELECT path, '' FROM doomed_files WHERE path IS NOT NULL",
                &mut |doomed, _| path(doomed),
            )
        })
    }
}

fn each(conn: &Connection, sql: &str, tell: &mut dyn FnMut(&str, &str)) -> rusqlite::Result<()> {
    let mut query = conn.prepare_cached(sql)?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let text = |at| lenient(row, at).unwrap_or_default();
        tell(&text(0), &text(1));
    }
    Ok(())
}

fn held(row: &Row<'_>) -> rusqlite::Result<HeldFile> {
    Ok(HeldFile {
        media_id: lenient(row, 0).unwrap_or_default(),
        path: lenient(row, 1),
        bytes: lenient(row, 2).and_then(|bytes| bytes.parse().ok()),
        sha256: lenient(row, 3),
        state: lenient(row, 4).unwrap_or_default(),
        why: lenient(row, 5),
        is_live: row.get(6)?,
        row: row.get(7)?,
        listed_url: lenient(row, 8),
        is_accepted: row.get(9)?,
    })
}

fn needed(row: &Row<'_>) -> rusqlite::Result<NeededBytes> {
    Ok(NeededBytes {
        sha256: lenient(row, 0).unwrap_or_default(),
        bytes: lenient(row, 1).and_then(|bytes| bytes.parse().ok()),
        media_id: lenient(row, 2).unwrap_or_default(),
        is_accepted: row.get(3)?,
        is_live: row.get(4)?,
    })
}
