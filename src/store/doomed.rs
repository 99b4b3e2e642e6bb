//! What retention lets go: which rows are old enough, and who still needs the bytes of their files.

use super::plain::{digest_start, is_at, status_words};
use super::values::{count, int};
use super::{PruneId, Store, StoreError};
use crate::model::{Claims, Cutoffs, DoomedFile, PrunedFiles, PrunedRows, PrunedTables};
use rusqlite::{Connection, OptionalExtension, named_params};

/// Whether medium `m`, with its file's row `a`, is old enough to go. What is owed or failed is not
/// settled, whatever else its rows say. With `:deleted` being NULL nothing is old enough.
macro_rules! doomed_medium {
    () => {
        "m.deleted_at < :deleted AND ifnull(a.state, 'gone') IN ('saved', 'gone')"
    };
}
pub(super) use doomed_medium;

/// Whether content `c` is old enough to go.
macro_rules! doomed_content {
    () => {
        "(c.deleted_at < :deleted AND NOT EXISTS (
              SELECT 1 FROM owed_bodies AS o WHERE o.endpoint = c.endpoint AND o.id = c.id))"
    };
}

pub(super) use doomed_content;

/// Whether version `h` of a content is what there was last of something that was deleted upstream, or has the newest body of a
/// side whose body is not there now and may come yet (it is owed, or was when its content was deleted), or the newest body of any
/// side where neither is there now, or is newer than that version. However old it is, nothing took its place, and a history has
/// no gaps.
macro_rules! last_of_content {
    () => {
        concat!(
            "EXISTS (SELECT 1 FROM contents AS c WHERE c.endpoint = h.endpoint AND c.id = h.id AND (
                 (c.deleted_at IS NOT NULL AND h.valid_from >= (
                     SELECT max(n.valid_from) FROM contents_history AS n
                     WHERE n.endpoint = h.endpoint AND n.id = h.id)) OR ",
            last_of_content!("published_body", "= 'DRAFT'"),
            " OR ",
            last_of_content!("draft_body", "IN ('PUBLISH', 'CLOSED')"),
            " OR (c.published_body IS NULL AND c.draft_body IS NULL AND h.valid_from >= (
                 SELECT max(n.valid_from) FROM contents_history AS n
                 WHERE n.endpoint = h.endpoint AND n.id = h.id
                     AND (n.published_body IS NOT NULL OR n.draft_body IS NOT NULL)))))"
        )
    };
    // The words of a status that has no such body (`Status::has_published`, `Status::has_draft`).
    ($body:literal, $without:literal) => {
        concat!(
            "(c.",
            $body,
            " IS NULL AND (",
            status_words!("c."),
            " ",
            $without,
            ") IS NOT TRUE AND h.valid_from >= (
                 SELECT max(n.valid_from) FROM contents_history AS n
                 WHERE n.endpoint = h.endpoint AND n.id = h.id AND n.",
            $body,
            " IS NOT NULL))"
        )
    };
}
pub(super) use last_of_content;

/// Whether version `h` of a medium is what there was last of it before it was deleted upstream.
macro_rules! last_of_medium {
    () => {
        "EXISTS (SELECT 1 FROM media AS m WHERE m.id = h.id AND m.deleted_at IS NOT NULL AND h.valid_from >= (
             SELECT max(n.valid_from) FROM media_history AS n WHERE n.id = h.id))"
    };
}
pub(super) use last_of_medium;

/// Whether version `h` of an API is what there was last of it before it was deleted upstream.
macro_rules! last_of_endpoint {
    () => {
        "EXISTS (SELECT 1 FROM endpoints AS e WHERE e.endpoint = h.endpoint AND e.deleted_at IS NOT NULL
             AND h.valid_from >= (SELECT max(n.valid_from) FROM endpoints_history AS n WHERE n.endpoint = h.endpoint))"
    };
}
pub(super) use last_of_endpoint;

/// Whether the medium of `$row`, which has a `media_id`, is old enough to go.
macro_rules! of_doomed_medium {
    ($row:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM media AS m LEFT JOIN assets AS a ON a.media_id = m.id
                 WHERE m.id = ",
            $row,
            " AND ",
            doomed_medium!(),
            ")"
        )
    };
}

/// Paths of current files with the same bytes that a claim names. One whose file is whole is enough; a
/// service may have thousands of copies of one placeholder.
const PATHS: i64 = 4;

/// Where a look at the files of deleted media stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DoomedCursor {
    sha256: String,
    rowid: i64,
}

impl Store {
    /// Counts the rows that a `prune` with these cutoffs would remove.
    pub fn count_doomed_rows(&self, cutoffs: Cutoffs) -> Result<PrunedTables, StoreError> {
        self.read("count what retention lets go", |conn| {
            let ask = |sql: &str| -> rusqlite::Result<u64> {
                let mut query = conn.prepare(sql)?;
                // Not every question is about both.
                for (name, time) in [
                    (":superseded", cutoffs.superseded_before),
                    (":deleted", cutoffs.deleted_before),
                ] {
                    if let Some(index) = query.parameter_index(name)? {
                        query.raw_bind_parameter(index, time)?;
                    }
                }
                let mut rows = query.raw_query();
                rows.next()?.map_or(Ok(0), |row| count(row, 0))
            };
            let last_of_endpoint = last_of_endpoint!();
            let doomed_endpoint = concat!(
                "e.deleted_at < :deleted AND NOT EXISTS (SELECT 1 FROM contents AS c
                     WHERE c.endpoint = e.endpoint AND ",
                doomed_content!(),
                " IS NOT TRUE)"
            );
            Ok(PrunedTables {
                endpoints: PrunedRows {
                    versions: ask(&format!(
                        "SELECT count(*) FROM endpoints_history AS h
                         WHERE h.valid_to < :superseded AND NOT {last_of_endpoint}
                             OR EXISTS (SELECT 1 FROM endpoints AS e
                                 WHERE e.endpoint = h.endpoint AND {doomed_endpoint})"
                    ))?,
                    deleted: ask(&format!(
                        "SELECT count(*) FROM endpoints AS e WHERE {doomed_endpoint}"
                    ))?,
                },
                contents: PrunedRows {
                    versions: ask(concat!(
                        "SELECT count(*) FROM contents_history AS h
                         WHERE h.valid_to < :superseded AND NOT ",
                        last_of_content!(),
                        " OR EXISTS (SELECT 1 FROM contents AS c
                                 WHERE c.endpoint = h.endpoint AND c.id = h.id AND ",
                        doomed_content!(),
                        ")"
                    ))?,
                    deleted: ask(concat!(
                        "SELECT count(*) FROM contents AS c WHERE ",
                        doomed_content!()
                    ))?,
                },
                media: PrunedRows {
                    versions: ask(concat!(
                        "SELECT count(*) FROM media_history AS h WHERE h.valid_to < :superseded AND NOT ",
                        last_of_medium!(),
                        " OR ",
                        of_doomed_medium!("h.id")
                    ))?,
                    deleted: ask(concat!(
                        "SELECT count(*) FROM media AS m LEFT JOIN assets AS a ON a.media_id = m.id
                         WHERE ",
                        doomed_medium!()
                    ))?,
                },
                assets: PrunedRows {
                    versions: ask(concat!(
                        "SELECT count(*) FROM assets_history AS h WHERE h.valid_to < :superseded OR ",
                        of_doomed_medium!("h.media_id")
                    ))?,
                    deleted: ask(concat!(
                        "SELECT count(*) FROM media AS m CROSS JOIN assets AS a ON a.media_id = m.id
                         WHERE ",
                        doomed_medium!()
                    ))?,
                },
            })
        })
    }

    /// Returns up to `limit` files of the queue, in its order, from behind number `after`, with the
    /// claims of all rows there are.
    pub fn doomed_files(&self, after: i64, limit: usize) -> Result<Vec<DoomedFile>, StoreError> {
        self.read("read which files are doomed", |conn| {
            let queued: Vec<(i64, String, Option<String>)> = conn
                .prepare_cached(
                    "SELECT id, sha256, path FROM doomed_files WHERE id > :after ORDER BY id LIMIT :limit",
                )?
                .query_map(
                    named_params! { ":after": after, ":limit": int(limit as u64) },
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )?
                .collect::<rusqlite::Result<_>>()?;
            queued
                .into_iter()
                .map(|(id, sha256, path)| {
                    let mut claims = claims(conn, &sha256, Cutoffs::default())?;
                    claims.is_path_owned = is_owned(conn, path.as_deref(), Cutoffs::default())?;
                    Ok(DoomedFile {
                        id,
                        sha256,
                        path,
                        claims,
                    })
                })
                .collect()
        })
    }

    /// Returns how many files are in the queue.
    pub fn count_doomed_files(&self) -> Result<u64, StoreError> {
        self.read("count the doomed files", |conn| {
            conn.query_row("SELECT count(*) FROM doomed_files", [], |row| count(row, 0))
        })
    }

    /// Takes files out of the queue, and adds to the row of the `prune` what came of them: all of it, or
    /// nothing.
    pub fn forget_doomed_files(
        &mut self,
        prune: PruneId,
        settled: &[i64],
        files: PrunedFiles,
    ) -> Result<(), StoreError> {
        if settled.is_empty() {
            return Ok(());
        }
        self.write("record which files were removed", |tx| {
            let mut forget = tx.prepare_cached("DELETE FROM doomed_files WHERE id = :id")?;
            for id in settled {
                forget.execute(named_params! { ":id": id })?;
            }
            tx.prepare_cached(
                "UPDATE prunes SET files = files + :files, bytes = bytes + :bytes WHERE id = :id",
            )?
            .execute(named_params! {
                ":id": prune.0, ":files": int(files.removed()), ":bytes": int(files.bytes),
            })?;
            Ok(())
        })
    }

    /// Returns up to `limit` files of deleted media that `cutoffs` would doom, and where to go on, with
    /// the claims of the rows that would stay. For a dry run.
    pub fn preview_mirror(
        &self,
        after: &DoomedCursor,
        limit: usize,
        cutoffs: Cutoffs,
    ) -> Result<(Vec<DoomedFile>, DoomedCursor), StoreError> {
        self.read("look for files that retention lets go", |conn| {
            // By digest, so that equal bytes are looked up once.
            let rows: Vec<(i64, String, Option<String>)> = conn
                .prepare_cached(concat!(
                    "SELECT a.rowid, a.sha256, a.path
                     FROM assets AS a CROSS JOIN media AS m ON m.id = a.media_id
                     WHERE a.sha256 IS NOT NULL AND ",
                    digest_start!("a.sha256"),
                    " >= ",
                    digest_start!(":sha256"),
                    " AND (a.sha256, a.rowid) > (:sha256, :rowid) AND ",
                    doomed_medium!(),
                    " ORDER BY ",
                    digest_start!("a.sha256"),
                    ", a.sha256, a.rowid LIMIT :limit"
                ))?
                .query_map(
                    named_params! {
                        ":sha256": after.sha256, ":rowid": after.rowid,
                        ":deleted": cutoffs.deleted_before, ":limit": int(limit as u64),
                    },
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
                )?
                .collect::<rusqlite::Result<_>>()?;
            let mut next = after.clone();
            let mut known = Claims::default();
            let mut files = Vec::with_capacity(rows.len());
            for (rowid, sha256, path) in rows {
                if files.is_empty() || next.sha256 != sha256 {
                    known = claims(conn, &sha256, cutoffs)?;
                }
                next = DoomedCursor {
                    sha256: sha256.clone(),
                    rowid,
                };
                files.push(DoomedFile {
                    id: 0,
                    sha256,
                    claims: Claims {
                        is_path_owned: is_owned(conn, path.as_deref(), cutoffs)?,
                        ..known.clone()
                    },
                    path,
                });
            }
            Ok((files, next))
        })
    }

    /// Returns up to `limit` digests, in their order, from behind `after`, whose bytes `cutoffs` would
    /// doom in the archive, with the claims of the rows that would stay; those of the queue are among
    /// them. For a dry run.
    pub fn preview_archive(
        &self,
        after: &str,
        limit: usize,
        cutoffs: Cutoffs,
    ) -> Result<Vec<DoomedFile>, StoreError> {
        self.read("look for archived bytes that retention lets go", |conn| {
            // Each part comes in order, by an index, and SQLite merges them as it goes: however many
            // digests there are, only these are held.
            let digests: Vec<String> = conn
                .prepare_cached(concat!(
                    "SELECT h.sha256 FROM assets_history AS h
                     WHERE h.sha256 > :after AND (h.valid_to < :superseded OR ",
                    of_doomed_medium!("h.media_id"),
                    ")
                     UNION
                     SELECT sha256 FROM (
                         SELECT DISTINCT a.sha256 FROM assets AS a CROSS JOIN media AS m ON m.id = a.media_id
                         WHERE a.sha256 IS NOT NULL AND ",
                    digest_start!("a.sha256"),
                    " >= ",
                    digest_start!(":after"),
                    " AND a.sha256 > :after AND ",
                    doomed_medium!(),
                    " ORDER BY ",
                    digest_start!("a.sha256"),
                    ", a.sha256 LIMIT :limit)
                     UNION
                     SELECT sha256 FROM doomed_files WHERE sha256 > :after
                     ORDER BY 1 LIMIT :limit"
                ))?
                .query_map(
                    named_params! {
                        ":after": after, ":superseded": cutoffs.superseded_before,
                        ":deleted": cutoffs.deleted_before, ":limit": int(limit as u64),
                    },
                    |row| row.get(0),
                )?
                .collect::<rusqlite::Result<_>>()?;
            digests
                .into_iter()
                .map(|sha256| {
                    Ok(DoomedFile {
                        id: 0,
                        claims: claims(conn, &sha256, cutoffs)?,
                        sha256,
                        path: None,
                    })
                })
                .collect()
        })
    }
}

/// Asks which rows need bytes. Rows that `cutoffs` would let go do not count.
fn claims(conn: &Connection, sha256: &str, cutoffs: Cutoffs) -> rusqlite::Result<Claims> {
    let has_history = conn
        .prepare_cached(concat!(
            "SELECT 1 FROM assets_history AS h
             WHERE h.sha256 = :sha256 AND (h.valid_to < :superseded) IS NOT TRUE AND NOT ",
            of_doomed_medium!("h.media_id"),
            " LIMIT 1"
        ))?
        .query_row(
            named_params! {
                ":sha256": sha256, ":superseded": cutoffs.superseded_before,
                ":deleted": cutoffs.deleted_before,
            },
            |_| Ok(()),
        )
        .optional()?
        .is_some();
    // A row without a path claims bytes that the mirror cannot have: a path that leads nowhere.
    let current_paths = conn
        .prepare_cached(concat!(
            "SELECT ifnull(current.path, '') FROM assets AS current
             WHERE ",
            is_at!(digest_start, "current.sha256", ":sha256"),
            " AND NOT ",
            of_doomed_medium!("current.media_id"),
            " LIMIT :limit"
        ))?
        .query_map(
            named_params! {
                ":sha256": sha256, ":deleted": cutoffs.deleted_before, ":limit": PATHS,
            },
            |row| row.get(0),
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(Claims {
        has_history,
        current_paths,
        is_path_owned: false,
    })
}

/// Asks whether a file that stays has this path.
fn is_owned(conn: &Connection, path: Option<&str>, cutoffs: Cutoffs) -> rusqlite::Result<bool> {
    let Some(path) = path else { return Ok(false) };
    let owner = conn
        .prepare_cached(concat!(
            "SELECT 1 FROM assets AS owner INDEXED BY assets_by_near
             WHERE ",
            is_at!(near, "owner.path", ":path"),
            " AND NOT ",
            of_doomed_medium!("owner.media_id"),
            " LIMIT 1"
        ))?
        .query_row(
            named_params! { ":path": path, ":deleted": cutoffs.deleted_before },
            |_| Ok(()),
        )
        .optional()?;
    Ok(owner.is_some())
}
