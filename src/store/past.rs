//! Versions of things: as they were at a time, and which ones began when.

mod wanted;

pub use wanted::Wanted;
use wanted::{Table, wanted_columns};

use super::plain::digest_start;
use super::values::{int, lenient, optional_count};
use super::{Store, StoreError};
use crate::model::past::{ApiState, ContentState, FileState, MediumState};
use crate::model::{BodySide, Endpoint, State, Thing, ThingKind, Timestamp, Version};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, named_params};
use std::ops::ControlFlow;
use std::time::Duration;

impl Store {
    /// Returns the version that a thing had at a time; it may say "deleted". `None`: nothing is known of it
    /// for that time.
    pub fn version_at(&self, thing: &Thing, at: Timestamp) -> Result<Option<Version>, StoreError> {
        self.read("read a version", |conn| {
            let table = Table::of(thing.kind());
            let current = format!("{} AND valid_from <= :at", table.current());
            if let Some(version) = one(conn, &current, thing, at)? {
                return Ok(Some(version));
            }
            let last = format!(
                "{} AND valid_from <= :at ORDER BY valid_from DESC LIMIT 1",
                table.history()
            );
            let last = one(conn, &last, thing, at)?;
            Ok(last.filter(|version| version.valid_to.is_some_and(|to| at < to)))
        })
    }

    /// Returns when an API was deleted that was gone at a time (`None`: now); `None` where it was there, or was never seen.
    pub fn api_deleted_at(
        &self,
        endpoint: &Endpoint,
        at: Option<Timestamp>,
    ) -> Result<Option<Timestamp>, StoreError> {
        let at = at.unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX));
        let version = self.version_at(&Thing::Api(endpoint.clone()), at)?;
        Ok(version.and_then(|version| version.deleted_at))
    }

    /// Returns the version before the one that began at a time.
    pub fn version_before(
        &self,
        thing: &Thing,
        began: Timestamp,
    ) -> Result<Option<Version>, StoreError> {
        self.read("read the version before", |conn| {
            let sql = format!(
                "{} AND valid_from < :at ORDER BY valid_from DESC LIMIT 1",
                Table::of(thing.kind()).history()
            );
            one(conn, &sql, thing, began)
        })
    }

    /// Returns the last instant at which a content had a body on this side, of the versions before the one that
    /// began at a time. `None`: none of those that are kept has it.
    pub fn last_body(
        &self,
        thing: &Thing,
        side: BodySide,
        began: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        self.read("look for the last body", |conn| {
            let sql = format!(
                "{} AND valid_from < :at AND {}_body IS NOT NULL AND deleted_at IS NULL
                 ORDER BY valid_from DESC LIMIT 1",
                Table::of(ThingKind::Content).history(),
                side.as_str()
            );
            let version = one(conn, &sql, thing, began)?;
            let end = version.and_then(|version| version.valid_to);
            Ok(end.map(|end| end.minus(Duration::from_millis(1))))
        })
    }

    /// Returns when the first version of a thing that is kept began.
    pub fn first_known(&self, thing: &Thing) -> Result<Option<Timestamp>, StoreError> {
        self.read("read when a thing began", |conn| {
            let Table { name, key, .. } = Table::of(thing.kind());
            let sql = format!(
                "SELECT min(valid_from) FROM (SELECT valid_from FROM {name} WHERE {key}
                 UNION ALL SELECT valid_from FROM {name}_history INDEXED BY {name}_history_by_id WHERE {key})"
            );
            conn.prepare_cached(&sql)?
                .query_row(&*key_params(thing, &[]), |row| row.get(0))
        })
    }

    /// Tells the versions that are wanted, the newest first, up to `most` of them: when each began, and of
    /// what. The first version of a file is told only where things are named: else its medium says it.
    pub fn versions(
        &self,
        wanted: &Wanted,
        most: u64,
        mut visit: impl FnMut(Thing, Timestamp) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let most = int(most);
        // Each table gives its newest alone, by its index where it has one.
        let arms = wanted.arms(|kind, table, condition| {
            let has_older = "EXISTS (SELECT 1 FROM assets_history AS old
                WHERE old.media_id = it.media_id AND old.valid_from < it.valid_from)";
            let condition = match (kind, &wanted.things) {
                (ThingKind::File, None) => format!("{condition} AND {has_older}"),
                _ => condition.to_owned(),
            };
            let columns = wanted_columns(kind);
            format!(
                "SELECT * FROM (SELECT '{}' AS kind, {columns}, valid_from FROM {table}
                 WHERE {condition} ORDER BY valid_from DESC LIMIT :most)",
                kind.as_str()
            )
        });
        let sql = format!(
            "{} ORDER BY valid_from DESC, kind, endpoint, id LIMIT :most",
            arms.join(" UNION ALL ")
        );
        self.each(
            "read which versions there are",
            wanted,
            &sql,
            &[(":most", &most)],
            |row| Ok((thing(row)?, row.get("valid_from")?)),
            |(thing, began)| visit(thing, began),
        )
    }

    /// Tells the things that have a version which is wanted, each once, in the order of their names. A
    /// medium is told for its file, too.
    pub fn changed_things(
        &self,
        wanted: &Wanted,
        visit: impl FnMut(Thing) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let arms = wanted.arms(|kind, table, condition| {
            let told = match kind {
                ThingKind::File => ThingKind::Medium,
                ThingKind::Api | ThingKind::Content | ThingKind::Medium => kind,
            };
            let columns = wanted_columns(kind);
            format!(
                "SELECT '{}' AS kind, {columns} FROM {table} WHERE {condition}",
                told.as_str()
            )
        });
        let sql = format!("{} ORDER BY kind, endpoint, id", arms.join(" UNION "));
        self.each("read what changed", wanted, &sql, &[], thing, visit)
    }

    /// Returns when the newest version of anything began.
    pub fn last_change(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("read when something changed last", |conn| {
            conn.query_row(
                "SELECT max(newest) FROM (
                     SELECT max(valid_from) AS newest FROM endpoints
                     UNION ALL SELECT max(valid_from) FROM contents
                     UNION ALL SELECT max(valid_from) FROM media
                     UNION ALL SELECT max(valid_from) FROM assets)",
                [],
                |row| row.get(0),
            )
        })
    }

    /// Returns the run that was under way at a time, or the last one before: its number and when it began.
    pub fn run_at(&self, at: Timestamp) -> Result<Option<(i64, Timestamp)>, StoreError> {
        self.read("read which run it was", |conn| {
            conn.prepare_cached(
                "SELECT id, started_at FROM runs WHERE started_at <= :at ORDER BY started_at DESC, id DESC LIMIT 1",
            )?
            .query_row(named_params! { ":at": at }, |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
        })
    }

    /// Returns when a run began; `None` if there was no such run.
    pub fn begin_of_run(&self, run: i64) -> Result<Option<Timestamp>, StoreError> {
        self.read("read when a run began", |conn| {
            conn.prepare_cached("SELECT started_at FROM runs WHERE id = :run")?
                .query_row(named_params! { ":run": run }, |row| row.get(0))
                .optional()
        })
    }

    /// Returns a path in the mirror whose file has these bytes now, that of the given medium if it does.
    pub fn path_of_bytes(&self, sha256: &str, of: &Thing) -> Result<Option<String>, StoreError> {
        self.read("look for a file with these bytes", |conn| {
            conn.prepare_cached(concat!(
                "SELECT path FROM assets WHERE ",
                digest_start!("sha256"),
                " = ",
                digest_start!(":sha256"),
                " AND sha256 = :sha256 AND path IS NOT NULL ORDER BY media_id <> :id LIMIT 1",
            ))?
            .query_row(named_params! { ":sha256": sha256, ":id": of.id() }, |row| {
                row.get(0)
            })
            .optional()
        })
    }

    /// Reads rows and tells them one by one; nothing of them is kept. `visit` may ask the store itself.
    fn each<T>(
        &self,
        doing: &'static str,
        wanted: &Wanted,
        sql: &str,
        more: &[(&'static str, &dyn ToSql)],
        read: impl Fn(&Row<'_>) -> rusqlite::Result<T>,
        mut visit: impl FnMut(T) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        let mut trouble = None;
        let things = wanted.things_json();
        self.read(doing, |conn| {
            let mut params: Vec<(&str, &dyn ToSql)> =
                vec![(":since", &wanted.since), (":until", &wanted.until)];
            if let Some(endpoint) = &wanted.endpoint {
                params.push((":endpoint", endpoint));
            }
            if wanted.things.is_some() {
                params.push((":things", &things));
            }
            params.extend(more);
            let mut select = conn.prepare(sql)?;
            let mut rows = select.query(&*params)?;
            while let Some(row) = rows.next()? {
                match visit(read(row)?) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => break,
                    Err(err) => {
                        trouble = Some(err);
                        break;
                    }
                }
            }
            Ok(())
        })?;
        trouble.map_or(Ok(()), Err)
    }
}

fn thing(row: &Row<'_>) -> rusqlite::Result<Thing> {
    Ok(match row.get("kind")? {
        ThingKind::Api => Thing::Api(row.get("endpoint")?),
        ThingKind::Content => Thing::Content(row.get("endpoint")?, row.get("id")?),
        ThingKind::Medium => Thing::Medium(row.get("id")?),
        ThingKind::File => Thing::File(row.get("id")?),
    })
}

fn key_params<'a>(
    thing: &'a Thing,
    more: &[(&'static str, &'a dyn ToSql)],
) -> Vec<(&'static str, &'a dyn ToSql)> {
    let mut params: Vec<(&str, &dyn ToSql)> = match thing {
        Thing::Api(endpoint) => vec![(":id", endpoint)],
        Thing::Content(endpoint, id) => vec![(":endpoint", endpoint), (":id", id)],
        Thing::Medium(id) | Thing::File(id) => vec![(":id", id)],
    };
    params.extend(more);
    params
}

fn one(
    conn: &Connection,
    sql: &str,
    thing: &Thing,
    at: Timestamp,
) -> rusqlite::Result<Option<Version>> {
    conn.prepare_cached(sql)?
        .query_row(&*key_params(thing, &[(":at", &at)]), |row| {
            version(thing, row)
        })
        .optional()
}

fn version(thing: &Thing, row: &Row<'_>) -> rusqlite::Result<Version> {
    let state = match thing {
        Thing::Api(_) => State::Api(ApiState {
            name: row.get("name")?,
            kind: row.get("kind")?,
            schema: row.get("schema")?,
        }),
        Thing::Content(..) => State::Content(Box::new(ContentState {
            metadata: row.get("metadata")?,
            open_metadata: row.get("open_metadata")?,
            draft_key: row.get("draft_key")?,
            status: text(row, "status")?,
            updated_by: text(row, "updated_by")?,
            facts: facts(
                row,
                &[
                    "status",
                    "custom_status",
                    "created_at",
                    "created_by",
                    "updated_at",
                    "updated_by",
                    "published_at",
                    "revised_at",
                    "closed_at",
                    "reservation_time",
                ],
            )?,
            published: row.get("published_body")?,
            draft: row.get("draft_body")?,
        })),
        Thing::Medium(_) => State::Medium(MediumState {
            metadata: row.get("metadata")?,
            file_name: text(row, "file_name")?.unwrap_or_default(),
            facts: facts(
                row,
                &[
                    "url",
                    "width",
                    "height",
                    "alt",
                    "tags",
                    "created_at",
                    "updated_at",
                ],
            )?,
        }),
        Thing::File(_) => State::File(FileState {
            state: row.get("state")?,
            url: row.get("url")?,
            path: row.get("path")?,
            bytes: optional_count(row, row.as_ref().column_index("bytes")?)?,
            sha256: row.get("sha256")?,
            content_type: row.get("content_type")?,
            fetched_at: row.get("fetched_at")?,
        }),
    };
    Ok(Version {
        thing: thing.clone(),
        valid_from: row.get("valid_from")?,
        valid_to: row.get("valid_to")?,
        deleted_at: row.get("deleted_at")?,
        state,
    })
}

/// Reads the columns that have a value. The service's JSON may hold a number where a text is usual.
fn facts(row: &Row<'_>, columns: &[&'static str]) -> rusqlite::Result<Vec<(&'static str, String)>> {
    let mut facts = Vec::new();
    for column in columns {
        if let Some(fact) = text(row, column)? {
            facts.push((*column, fact));
        }
    }
    Ok(facts)
}

/// Reads a column that is made of the service's JSON, where half an emoji makes bytes that are no text.
fn text(row: &Row<'_>, column: &str) -> rusqlite::Result<Option<String>> {
    Ok(lenient(row, row.as_ref().column_index(column)?))
}

/// How a version of a kind is looked for.
#[cfg(test)]
pub(super) fn lookups(kind: ThingKind) -> [String; 2] {
    let table = Table::of(kind);
    let last = format!(
        "{} AND valid_from <= :at ORDER BY valid_from DESC LIMIT 1",
        table.history()
    );
    [format!("{} AND valid_from <= :at", table.current()), last]
}
