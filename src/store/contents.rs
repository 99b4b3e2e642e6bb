//! Contents: their metadata, and what becomes of their bodies when it moves.

use super::absences::deny;
use super::values::{count, json_array, later};
use super::{Absent, Recorded, Store, StoreError, counts};
use crate::model::{
    BodySide, BodyStep, ContentId, ContentStep, Endpoint, KnownContent, ListedContent, Scope,
    Timestamp,
};
use rusqlite::{CachedStatement, Transaction, named_params};
use std::collections::HashMap;

impl Store {
    /// Returns what is known of the given contents; those never seen are not in the map.
    pub fn load_contents(
        &self,
        endpoint: &Endpoint,
        ids: &[ContentId],
    ) -> Result<HashMap<ContentId, KnownContent>, StoreError> {
        self.read("read what is known of contents", |conn| {
            // CROSS JOIN: SQLite shall go from the few ids to their rows, never the other way.
            conn.prepare_cached(
                "SELECT c.id, c.metadata, c.deleted_at IS NOT NULL,
                     iif(c.published_body IS NULL, 0, 1), iif(c.draft_body IS NULL, 0, 1),
                     EXISTS (SELECT 1 FROM owed_bodies AS o
                         WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'published'),
                     EXISTS (SELECT 1 FROM owed_bodies AS o
                         WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'draft')
                 FROM json_each(:ids) AS wanted
                 CROSS JOIN contents AS c ON c.endpoint = :endpoint AND c.id = wanted.value",
            )?
            .query_map(
                named_params! {
                    ":ids": json_array(ids.iter().map(ContentId::as_str)), ":endpoint": endpoint,
                },
                |row| {
                    let known = KnownContent {
                        metadata: row.get(1)?,
                        is_deleted: row.get(2)?,
                        has_published: row.get(3)?,
                        has_draft: row.get(4)?,
                        owes_published: row.get(5)?,
                        owes_draft: row.get(6)?,
                    };
                    Ok((row.get(0)?, known))
                },
            )?
            .collect()
        })
    }

    /// Records one page of contents, with the bodies that they owe from now on: all of it, or
    /// nothing. May be repeated: what did not change is not written.
    pub fn record_contents(
        &mut self,
        endpoint: &Endpoint,
        steps: &[ContentStep],
        now: Timestamp,
    ) -> Result<Recorded, StoreError> {
        if steps.iter().all(|step| *step == ContentStep::Keep) {
            return Ok(Recorded::default());
        }
        self.write("record a page of contents", |tx| {
            let mut recorded = Recorded::default();
            let mut writer = Writer::new(tx, endpoint, now)?;
            for step in steps {
                match step {
                    ContentStep::Keep => {}
                    ContentStep::Record {
                        content,
                        published,
                        draft,
                    } => writer.record(content, *published, *draft, &mut recorded)?,
                    ContentStep::Bodies {
                        id,
                        published,
                        draft,
                    } => {
                        for (side, is_asked) in
                            [(BodySide::Published, *published), (BodySide::Draft, *draft)]
                        {
                            if is_asked {
                                ask_again(tx, endpoint, id, side, now)?;
                            }
                        }
                    }
                }
            }
            Ok(recorded)
        })
    }

    /// Returns which contents that are not marked as deleted `is_seen` denies. Memory holds the
    /// missing ids only.
    ///
    /// `recorded` tells how many different ones were seen, if each of them is recorded and not marked. Where that is as many
    /// as there are, none is missing, and none is looked at.
    pub fn absent_contents(
        &self,
        endpoint: &Endpoint,
        recorded: Option<u64>,
        is_seen: &dyn Fn(&str) -> bool,
    ) -> Result<Absent<ContentId>, StoreError> {
        self.read("look for contents that were not listed", |conn| {
            if recorded.is_some() {
                let live = conn
                    .prepare_cached(
                        "SELECT (SELECT count(*) FROM contents WHERE endpoint = :endpoint)
                             - (SELECT count(*) FROM contents INDEXED BY contents_deleted
                                WHERE endpoint = :endpoint AND deleted_at IS NOT NULL)",
                    )?
                    .query_row(named_params! { ":endpoint": endpoint }, |row| count(row, 0))?;
                if recorded == Some(live) {
                    return Ok(Absent::none_of(live));
                }
            }
            // Ids alone, from their index: no row is read for what was seen.
            let mut select = conn.prepare_cached(
                "SELECT id FROM contents AS c WHERE endpoint = :endpoint AND NOT EXISTS (
                     SELECT 1 FROM contents AS d INDEXED BY contents_deleted
                     WHERE d.endpoint = c.endpoint AND d.id = c.id AND d.deleted_at IS NOT NULL) ORDER BY id",
            )?;
            deny(select.query(named_params! { ":endpoint": endpoint })?, is_seen)
        })
    }

    /// Counts the contents of all APIs that exist upstream.
    pub fn live_contents(&self) -> Result<u64, StoreError> {
        self.read(
            "count the contents",
            |conn| Ok(counts::contents(conn)?.live),
        )
    }

    /// Marks contents as deleted and drops the bodies that they owed: all of it, or nothing. What
    /// was recorded of them is kept. Returns how many were marked; those already marked do not count.
    pub fn retire_contents(
        &mut self,
        endpoint: &Endpoint,
        ids: &[ContentId],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if ids.is_empty() {
            return Ok(0);
        }
        self.write("mark contents as deleted", |tx| {
            let mut mark = tx.prepare_cached(concat!(
                "UPDATE contents SET deleted_at = ",
                later!(),
                ", valid_from = ",
                later!(),
                " WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL"
            ))?;
            let mut forget = tx.prepare_cached(
                "DELETE FROM owed_bodies INDEXED BY owed_bodies_by_name WHERE endpoint = :endpoint AND id = :id",
            )?;
            let mut unsight =
                tx.prepare_cached("DELETE FROM absences WHERE scope = :scope AND id = :id")?;
            let scope = Scope::Contents(endpoint.clone()).to_string();
            let mut marked = 0;
            for id in ids {
                if mark.execute(named_params! { ":endpoint": endpoint, ":id": id, ":now": now })?
                    > 0
                {
                    marked += 1;
                    forget.execute(named_params! { ":endpoint": endpoint, ":id": id })?;
                    unsight.execute(named_params! { ":scope": scope, ":id": id })?;
                }
            }
            Ok(marked)
        })
    }
}

/// Writes contents of one API. The statements that every new one needs are looked up once; they are
/// `OR ROLLBACK` for the reason that those of media are.
struct Writer<'a> {
    tx: &'a Transaction<'a>,
    endpoint: &'a Endpoint,
    now: Timestamp,
    /// The same as a column's text.
    now_text: String,
    content: CachedStatement<'a>,
    owed: CachedStatement<'a>,
    settled: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    fn new(
        tx: &'a Transaction<'a>,
        endpoint: &'a Endpoint,
        now: Timestamp,
    ) -> rusqlite::Result<Self> {
        Ok(Self {
            tx,
            endpoint,
            now,
            now_text: now.to_string(),
            content: tx.prepare_cached(
                "INSERT OR ROLLBACK INTO contents (endpoint, id, valid_from, metadata)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT (endpoint, id) DO NOTHING",
            )?,
            owed: tx.prepare_cached(
                "INSERT OR ROLLBACK INTO owed_bodies (endpoint, id, side, owed_at)
                 VALUES (?1, ?2, ?3, ?4) ON CONFLICT (endpoint, id, side) DO NOTHING",
            )?,
            settled: tx.prepare_cached(DROP_OWED)?,
        })
    }

    /// Writes a content's row if it is new or differs, and what that makes of its bodies.
    fn record(
        &mut self,
        content: &ListedContent,
        published: BodyStep,
        draft: BodyStep,
        recorded: &mut Recorded,
    ) -> rusqlite::Result<()> {
        let is_new = self.content.execute((
            self.endpoint.as_str(),
            content.id.as_str(),
            self.now_text.as_str(),
            content.metadata.as_str(),
        ))? > 0;
        let is_written = if is_new {
            recorded.new += 1;
            true
        } else {
            let keeps = [published, draft].map(|step| step == BodyStep::Keep);
            self.renew(content, keeps, recorded)?
        };
        for (side, step) in [(BodySide::Published, published), (BodySide::Draft, draft)] {
            let key = (self.endpoint.as_str(), content.id.as_str(), side.as_str());
            match step {
                BodyStep::Keep => {}
                BodyStep::Clear => {
                    self.settled.execute(key)?;
                }
                BodyStep::Fetch => {
                    let row = (key.0, key.1, key.2, self.now_text.as_str());
                    let is_first = is_new && self.owed.execute(row)? > 0;
                    if !is_first {
                        owe(
                            self.tx,
                            self.endpoint,
                            &content.id,
                            side,
                            is_written,
                            self.now,
                        )?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Writes a known content's row if it differs, and returns whether it did. `keeps` says which of its
    /// bodies stay.
    fn renew(
        &self,
        content: &ListedContent,
        keeps: [bool; 2],
        recorded: &mut Recorded,
    ) -> rusqlite::Result<bool> {
        let was_deleted: bool = self
            .tx
            .prepare_cached(
                "SELECT deleted_at IS NOT NULL FROM contents WHERE endpoint = :endpoint AND id = :id",
            )?
            .query_row(
                named_params! { ":endpoint": self.endpoint, ":id": content.id },
                |row| row.get(0),
            )?;
        let [keeps_published, keeps_draft] = keeps;
        let written = self
            .tx
            .prepare_cached(concat!(
                "UPDATE contents SET
                     metadata = :metadata, deleted_at = NULL,
                     published_body = iif(:keeps_published, published_body, NULL),
                     draft_body = iif(:keeps_draft, draft_body, NULL),
                     valid_from = ",
                later!(),
                "
                 WHERE endpoint = :endpoint AND id = :id
                     AND (metadata <> :metadata OR deleted_at IS NOT NULL
                         OR (NOT :keeps_published AND published_body IS NOT NULL)
                         OR (NOT :keeps_draft AND draft_body IS NOT NULL))"
            ))?
            .execute(named_params! {
                ":endpoint": self.endpoint, ":id": content.id, ":now": self.now_text,
                ":metadata": content.metadata, ":keeps_published": keeps_published,
                ":keeps_draft": keeps_draft,
            })?;
        match was_deleted {
            true => recorded.returned += 1,
            false if written > 0 => recorded.changed += 1,
            false => {}
        }
        Ok(written > 0)
    }
}

/// Makes a body owed. Where the content has a new version, an answer to an earlier question counts
/// no more, and attempts begin anew.
fn owe(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    id: &ContentId,
    side: BodySide,
    is_new_version: bool,
    now: Timestamp,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "INSERT INTO owed_bodies (endpoint, id, side, owed_at) VALUES (:endpoint, :id, :side, :now)
         ON CONFLICT (endpoint, id, side) DO UPDATE SET
             state = 'owed', attempts = 0, last_error = NULL,
             owed_at = max(:now, strftime('%Y-%m-%dT%H:%M:%fZ', owed_at, '+0.001 seconds'))
         WHERE :is_new_version OR state <> 'owed'",
    )?
    .execute(named_params! {
        ":endpoint": endpoint, ":id": id, ":side": side, ":now": now,
        ":is_new_version": is_new_version,
    })?;
    Ok(())
}

/// Makes a body owed whose content is as it was. The recorded body stays until the answer differs.
fn ask_again(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    id: &ContentId,
    side: BodySide,
    now: Timestamp,
) -> rusqlite::Result<()> {
    let is_live: bool = tx
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM contents
                 WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL)",
        )?
        .query_row(named_params! { ":endpoint": endpoint, ":id": id }, |row| {
            row.get(0)
        })?;
    if is_live {
        owe(tx, endpoint, id, side, false, now)?;
    }
    Ok(())
}

/// Forgets that a body is owed.
pub(super) const DROP_OWED: &str =
    "DELETE FROM owed_bodies WHERE endpoint = ?1 AND id = ?2 AND side = ?3";
