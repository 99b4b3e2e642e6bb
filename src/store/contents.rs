//! Contents: their metadata, and what becomes of their bodies when it moves.

use super::absences::deny;
use super::values::{is_text, json_array, later};
use super::{Absent, Recorded, Store, StoreError};
use crate::model::{
    BodySide, BodyStep, ContentId, ContentStep, Endpoint, KnownContent, ListedContent, Scope,
    ServedContent, Timestamp,
};
use rusqlite::{OptionalExtension, Transaction, named_params};
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
                     c.published_body IS NOT NULL, c.draft_body IS NOT NULL,
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

    /// Sets aside the listed contents that are recorded with just this text and whose bodies are recorded
    /// or owed, and returns the others in their order, with what is known of them.
    pub fn sift_contents(
        &self,
        endpoint: &Endpoint,
        listed: Vec<ServedContent>,
    ) -> Result<Vec<(ServedContent, Option<KnownContent>)>, StoreError> {
        let others = self.read("compare contents with what is known", |conn| {
            let mut known = conn.prepare_cached(
                "SELECT metadata FROM contents AS c
                 WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL
                     AND (NOT :has_published OR published_body IS NOT NULL
                         OR EXISTS (SELECT 1 FROM owed_bodies AS o
                             WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'published'))
                     AND (NOT :has_draft OR draft_body IS NOT NULL
                         OR EXISTS (SELECT 1 FROM owed_bodies AS o
                             WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'draft'))",
            )?;
            let mut others = Vec::new();
            for content in listed {
                let asked = named_params! {
                    ":endpoint": endpoint, ":id": content.id,
                    ":has_published": content.status.has_published(),
                    ":has_draft": content.status.has_draft(),
                };
                if !is_text(&mut known, asked, &content.metadata)? {
                    others.push(content);
                }
            }
            Ok(others)
        })?;
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ContentId> = others.iter().map(|content| content.id.clone()).collect();
        let known = self.load_contents(endpoint, &ids)?;
        let with_known = |content: ServedContent| {
            let known = known.get(&content.id).cloned();
            (content, known)
        };
        Ok(others.into_iter().map(with_known).collect())
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
            for step in steps {
                match step {
                    ContentStep::Keep => {}
                    ContentStep::Record {
                        content,
                        published,
                        draft,
                    } => {
                        upsert(
                            tx,
                            endpoint,
                            content,
                            *published,
                            *draft,
                            now,
                            &mut recorded,
                        )?;
                    }
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
    pub fn absent_contents(
        &self,
        endpoint: &Endpoint,
        is_seen: &dyn Fn(&str) -> bool,
    ) -> Result<Absent<ContentId>, StoreError> {
        self.read("look for contents that were not listed", |conn| {
            // Ids alone, from their index: no row is read for what was seen.
            let mut select = conn.prepare_cached(
                "SELECT id FROM contents AS c WHERE endpoint = :endpoint AND NOT EXISTS (
                     SELECT 1 FROM contents AS d INDEXED BY contents_deleted
                     WHERE d.endpoint = c.endpoint AND d.id = c.id AND d.deleted_at IS NOT NULL) ORDER BY id",
            )?;
            deny(select.query(named_params! { ":endpoint": endpoint })?, is_seen)
        })
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
                "DELETE FROM owed_bodies WHERE endpoint = :endpoint AND id = :id",
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

fn upsert(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    content: &ListedContent,
    published: BodyStep,
    draft: BodyStep,
    now: Timestamp,
    recorded: &mut Recorded,
) -> rusqlite::Result<()> {
    let was_deleted: Option<bool> = tx
        .prepare_cached(
            "SELECT deleted_at IS NOT NULL FROM contents WHERE endpoint = :endpoint AND id = :id",
        )?
        .query_row(
            named_params! { ":endpoint": endpoint, ":id": content.id },
            |row| row.get(0),
        )
        .optional()?;
    let keeps_published = published == BodyStep::Keep;
    let keeps_draft = draft == BodyStep::Keep;
    let written = tx
        .prepare_cached(concat!(
            "INSERT INTO contents (endpoint, id, valid_from, metadata)
             VALUES (:endpoint, :id, :now, :metadata)
             ON CONFLICT (endpoint, id) DO UPDATE SET
                 metadata = excluded.metadata, deleted_at = NULL,
                 published_body = iif(:keeps_published, published_body, NULL),
                 draft_body = iif(:keeps_draft, draft_body, NULL),
                 valid_from = ",
            later!(),
            "
             WHERE metadata <> excluded.metadata OR deleted_at IS NOT NULL
                 OR (NOT :keeps_published AND published_body IS NOT NULL)
                 OR (NOT :keeps_draft AND draft_body IS NOT NULL)"
        ))?
        .execute(named_params! {
            ":endpoint": endpoint, ":id": content.id, ":now": now, ":metadata": content.metadata,
            ":keeps_published": keeps_published, ":keeps_draft": keeps_draft,
        })?;
    match was_deleted {
        None => recorded.new += 1,
        Some(true) => recorded.returned += 1,
        Some(false) if written > 0 => recorded.changed += 1,
        Some(false) => {}
    }
    for (side, step) in [(BodySide::Published, published), (BodySide::Draft, draft)] {
        match step {
            BodyStep::Keep => {}
            BodyStep::Clear => drop_owed(tx, endpoint, &content.id, side)?,
            BodyStep::Fetch => owe(tx, endpoint, &content.id, side, written > 0, now)?,
        }
    }
    Ok(())
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
pub(super) fn drop_owed(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    id: &ContentId,
    side: BodySide,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM owed_bodies WHERE endpoint = :endpoint AND id = :id AND side = :side",
    )?
    .execute(named_params! { ":endpoint": endpoint, ":id": id, ":side": side })?;
    Ok(())
}
