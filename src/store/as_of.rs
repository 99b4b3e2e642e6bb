//! What everything looked like at an instant, row by row: for those who carry it elsewhere.

use super::plain::is_at;
use super::plain::status_words;
use super::values::count;
use super::{Store, StoreError};
use crate::model::{
    ContentAt, Endpoint, EndpointAt, FieldAt, FileAt, MediaId, MediumAt, RunAt, Status, Timestamp,
};
use rusqlite::{OptionalExtension, Row, named_params};
use std::ops::ControlFlow;

/// The end of time: every current version began before it.
fn or_latest(at: Option<Timestamp>) -> Timestamp {
    at.unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX))
}

impl Store {
    /// Returns the APIs that there were, by name. `at`: `None` for the latest state.
    pub fn endpoints_at(&self, at: Option<Timestamp>) -> Result<Vec<EndpointAt>, StoreError> {
        self.read("read the APIs", |conn| {
            let mut fields = conn.prepare_cached(
                "SELECT ifnull(value ->> '$.fieldId', ''), ifnull(value ->> '$.kind', '')
                 FROM json_each(:schema, '$.apiFields') WHERE type = 'object' ORDER BY key",
            )?;
            conn.prepare_cached(
                "SELECT endpoint, schema, ifnull(json_valid(schema), 0) FROM endpoints_timeline
                 WHERE valid_from <= :at AND (valid_to IS NULL OR :at < valid_to) ORDER BY endpoint",
            )?
            .query_map(named_params! { ":at": or_latest(at) }, |row| {
                let schema: Option<String> = row.get(1)?;
                let known = schema.as_deref().filter(|_| row.get(2) == Ok(true));
                let fields = match known {
                    None => Vec::new(),
                    Some(schema) => fields
                        .query_map(named_params! { ":schema": schema }, |row| {
                            Ok(FieldAt {
                                id: row.get(0)?,
                                kind: row.get(1)?,
                            })
                        })?
                        .collect::<Result<_, _>>()?,
                };
                Ok(EndpointAt {
                    endpoint: row.get(0)?,
                    schema,
                    fields,
                })
            })?
            .collect()
        })
    }

    /// Shows the contents of one API as they were, in the order of their ids (byte by byte), until `each`
    /// breaks. Memory holds one at a time.
    pub fn each_content_at(
        &self,
        endpoint: &Endpoint,
        at: Option<Timestamp>,
        mut each: impl FnMut(ContentAt) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        // The second form merges two ordered indexes; nothing is sorted, so nothing is held.
        let sql = match at {
            None => concat!(
                "SELECT id, ifnull(",
                status_words!(""),
                ", ''), published_body, draft_body FROM contents
                 WHERE endpoint = :endpoint AND deleted_at IS NULL AND :at IS NOT NULL ORDER BY id"
            ),
            Some(_) => concat!(
                "SELECT id, ifnull(",
                status_words!(""),
                ", ''), published_body, draft_body FROM contents
                 WHERE endpoint = :endpoint AND deleted_at IS NULL AND valid_from <= :at
                 UNION ALL
                 SELECT id, ifnull(",
                status_words!(""),
                ", ''), published_body, draft_body FROM contents_history
                 WHERE endpoint = :endpoint AND deleted_at IS NULL AND valid_from <= :at AND :at < valid_to
                 ORDER BY id"
            ),
        };
        self.read("read the contents", |conn| {
            let mut select = conn.prepare_cached(sql)?;
            let mut rows =
                select.query(named_params! { ":endpoint": endpoint, ":at": or_latest(at) })?;
            while let Some(row) = rows.next()? {
                if each(content(row)?).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Returns which keys the bodies of one API had, by name: those that visitors saw or, with `all`, every
    /// body's.
    pub fn body_keys_at(
        &self,
        endpoint: &Endpoint,
        at: Option<Timestamp>,
        all: bool,
    ) -> Result<Vec<String>, StoreError> {
        self.read("read the keys of bodies", |conn| {
            conn.prepare_cached(concat!(
                "WITH seen AS (
                     SELECT ",
                status_words!(""),
                " AS words, published_body, draft_body FROM contents
                     WHERE endpoint = :endpoint AND deleted_at IS NULL AND valid_from <= :at
                     UNION ALL
                     SELECT ",
                status_words!(""),
                ", published_body, draft_body FROM contents_history
                     WHERE :is_past AND endpoint = :endpoint AND deleted_at IS NULL
                         AND valid_from <= :at AND :at < valid_to)
                 SELECT key FROM seen, json_each(published_body)
                 WHERE (:all OR words IN ('PUBLISH', 'PUBLISH_AND_DRAFT', 'PUBLISH,DRAFT', 'DRAFT,PUBLISH'))
                     AND key IS NOT NULL
                 UNION
                 SELECT key FROM seen, json_each(draft_body) WHERE :all AND key IS NOT NULL
                 ORDER BY key"
            ))?
            .query_map(
                named_params! {
                    ":endpoint": endpoint, ":at": or_latest(at), ":is_past": at.is_some(), ":all": all,
                },
                |row| row.get(0),
            )?
            .collect()
        })
    }

    /// Shows the media as they were listed, in the order of their ids, until `each` breaks.
    pub fn each_medium_at(
        &self,
        at: Option<Timestamp>,
        mut each: impl FnMut(MediumAt) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let sql = "
            SELECT id, metadata FROM media WHERE deleted_at IS NULL AND valid_from <= :at
            UNION ALL
            SELECT id, metadata FROM media_history
            WHERE deleted_at IS NULL AND valid_from <= :at AND :at < valid_to
            ORDER BY id";
        self.read("read the media", |conn| {
            let mut file = conn.prepare_cached(
                "SELECT path, bytes, sha256 FROM assets
                 WHERE media_id = :id AND sha256 IS NOT NULL AND valid_from <= :at
                 UNION ALL
                 SELECT path, bytes, sha256 FROM assets_history
                 WHERE media_id = :id AND valid_from <= :at AND :at < valid_to",
            )?;
            let mut select = conn.prepare_cached(sql)?;
            let mut rows = select.query(named_params! { ":at": or_latest(at) })?;
            while let Some(row) = rows.next()? {
                let id: MediaId = row.get(0)?;
                let file = file
                    .query_row(named_params! { ":id": id, ":at": or_latest(at) }, |row| {
                        Ok(FileAt {
                            path: row.get(0)?,
                            bytes: count(row, 1)?,
                            sha256: row.get(2)?,
                        })
                    })
                    .optional()?;
                let metadata = row.get(1)?;
                if each(MediumAt { id, metadata, file }).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Returns the hosts below which the mirror has files, by name.
    pub fn mirrored_hosts(&self) -> Result<Vec<String>, StoreError> {
        self.read("read which hosts the mirror has", |conn| {
            conn.prepare_cached(
                "SELECT DISTINCT substr(path, 1, instr(path, '/') - 1) FROM assets
                 WHERE path IS NOT NULL ORDER BY 1",
            )?
            .query_map([], |row| row.get(0))?
            .collect()
        })
    }

    /// Returns whether the mirror holds at `path` what a medium's URL had at that instant: `false` where
    /// it never did, where the bytes were replaced since, and where they were lost.
    pub fn has_mirrored(&self, path: &str, at: Option<Timestamp>) -> Result<bool, StoreError> {
        self.read("look for a file of the mirror", |conn| {
            conn.prepare_cached(concat!(
                "SELECT EXISTS (SELECT 1 FROM assets INDEXED BY assets_by_near WHERE ",
                is_at!(near, "path", ":path"),
                " AND sha256 IS NOT NULL AND state <> 'gone' AND valid_from <= :at)",
            ))?
            .query_row(
                named_params! { ":path": path, ":at": or_latest(at) },
                |row| row.get(0),
            )
        })
    }

    /// Returns the newest run that had begun; `None` before any.
    pub fn newest_run_at(&self, at: Option<Timestamp>) -> Result<Option<RunAt>, StoreError> {
        self.read("read the newest run", |conn| {
            conn.prepare_cached(
                "SELECT id, outcome FROM runs WHERE started_at <= :at ORDER BY id DESC LIMIT 1",
            )?
            .query_row(named_params! { ":at": or_latest(at) }, |row| {
                Ok(RunAt {
                    id: row.get(0)?,
                    outcome: row.get(1)?,
                })
            })
            .optional()
        })
    }
}

fn content(row: &Row<'_>) -> rusqlite::Result<ContentAt> {
    Ok(ContentAt {
        id: row.get(0)?,
        status: Status::parse(&row.get::<_, String>(1)?),
        published: row.get(2)?,
        draft: row.get(3)?,
    })
}
