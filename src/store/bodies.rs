//! Bodies that are owed, and what came of asking for them.

use super::contents::DROP_OWED;
use super::doubts::doubt;
use super::plain::status_words;
use super::unread::Read;
use super::values::{count, int, later};
use super::{BodyProblem, BodyTotals, HadBody, Store, StoreError, TwoBodies};
use crate::model::{BodyOutcome, BodySide, ContentId, Endpoint, OwedBody, Status, Timestamp};
use rusqlite::{CachedStatement, OptionalExtension, Transaction, named_params};

impl Store {
    /// Returns up to `limit` owed bodies of one API in the order in which they became owed, from behind the one with the
    /// number `after`. Those that were refused to the key come only where `include_refused` is set.
    pub fn owed_bodies(
        &self,
        endpoint: &Endpoint,
        after: Option<i64>,
        limit: usize,
        include_refused: bool,
    ) -> Result<Vec<OwedBody>, StoreError> {
        self.read("read which bodies are owed", |conn| {
            conn.prepare_cached(concat!(
                "SELECT o.number, o.id, o.side, coalesce(",
                status_words!("c."),
                ", ''), c.updated_at, c.revised_at, c.draft_key,
                     o.state = 'refused', o.attempts, o.owed_at, o.last_error, c.published_at
                 FROM owed_bodies AS o INDEXED BY owed_bodies_in_order
                 CROSS JOIN contents AS c ON c.endpoint = o.endpoint AND c.id = o.id
                 WHERE o.endpoint = :endpoint AND o.number > :after
                     AND (:include_refused OR o.state = 'owed')
                 ORDER BY o.number LIMIT :limit"
            ))?
            .query_map(
                named_params! {
                    ":endpoint": endpoint, ":after": after.unwrap_or(i64::MIN),
                    ":include_refused": include_refused, ":limit": int(limit as u64),
                },
                |row| {
                    Ok(OwedBody {
                        number: row.get(0)?,
                        id: row.get(1)?,
                        side: row.get(2)?,
                        status: Status::parse(row.get_ref(3)?.as_str()?),
                        updated_at: row.get(4)?,
                        revised_at: row.get(5)?,
                        draft_key: row.get(6)?,
                        is_refused: row.get(7)?,
                        attempts: row.get(8)?,
                        owed_at: row.get(9)?,
                        last_error: row.get(10)?,
                        published_at: row.get(11)?,
                    })
                },
            )?
            .collect()
        })
    }

    /// Returns a content of one API that was not published when it was listed last, if there is one with a draft
    /// key. Reads the API's rows until it finds one: ask once or twice per run.
    pub fn unpublished_content(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<ContentId>, StoreError> {
        self.read("look for an unpublished content", |conn| {
            conn.prepare_cached(
                "SELECT id FROM contents
                 WHERE endpoint = :endpoint AND deleted_at IS NULL AND status = 'DRAFT' AND draft_key IS NOT NULL
                     AND metadata -> '$.status[1]' IS NULL LIMIT 1",
            )?
            .query_row(named_params! { ":endpoint": endpoint }, |row| row.get(0))
            .optional()
        })
    }

    /// Returns a content of one API whose recorded bodies differ, published and draft, if there is one that owes none. Reads as
    /// [`Store::unpublished_content`] does.
    pub fn content_with_two_bodies(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Option<TwoBodies>, StoreError> {
        self.read("look for a content with two bodies", |conn| {
            conn.prepare_cached(
                "SELECT c.id, c.published_body, c.draft_body FROM contents AS c
                 WHERE c.endpoint = :endpoint AND c.deleted_at IS NULL AND c.status = 'PUBLISH_AND_DRAFT'
                     AND c.published_body <> c.draft_body
                     AND NOT EXISTS (SELECT 1 FROM owed_bodies AS o INDEXED BY owed_bodies_by_name
                         WHERE o.endpoint = c.endpoint AND o.id = c.id)
                 LIMIT 1",
            )?
            .query_row(named_params! { ":endpoint": endpoint }, |row| {
                Ok(TwoBodies {
                    id: row.get(0)?,
                    published: row.get(1)?,
                    draft: row.get(2)?,
                })
            })
            .optional()
        })
    }

    /// Returns the body that was recorded last for one side of a content, with what the listing said of it then.
    pub fn had_body(
        &self,
        endpoint: &Endpoint,
        id: &ContentId,
        side: BodySide,
    ) -> Result<Option<HadBody>, StoreError> {
        self.read("look for the body before", |conn| {
            conn.prepare_cached(
                "SELECT body, updated_at, revised_at, published_at FROM (
                     SELECT iif(:side = 'published', published_body, draft_body) AS body, updated_at, revised_at, published_at, valid_from
                     FROM contents WHERE endpoint = :endpoint AND id = :id
                     UNION ALL
                     SELECT iif(:side = 'published', published_body, draft_body), updated_at, revised_at, published_at, valid_from
                     FROM contents_history WHERE endpoint = :endpoint AND id = :id)
                 WHERE body IS NOT NULL ORDER BY valid_from DESC LIMIT 1",
            )?
            .query_row(
                named_params! { ":endpoint": endpoint, ":id": id, ":side": side },
                |row| {
                    Ok(HadBody {
                        text: row.get(0)?,
                        updated_at: row.get(1)?,
                        revised_at: row.get(2)?,
                        published_at: row.get(3)?,
                    })
                },
            )
            .optional()
        })
    }

    /// Records what came of asking for bodies: all of it, or nothing. Returns how many bodies that
    /// were owed are recorded now.
    ///
    /// An answer counts only for the question it was given to (`owed_at`): where the content changed,
    /// or was marked as deleted, since the question was read, nothing is written and the body stays
    /// owed, or is owed no more. A body fills an empty column in place; one that differs from what
    /// is recorded begins a new version; an equal one is not written.
    pub fn record_bodies(
        &mut self,
        outcomes: &[BodyOutcome],
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        if outcomes.is_empty() {
            return Ok(0);
        }
        let read = Read::of(outcomes);
        self.write_read("record bodies", &read, |tx| {
            let mut writer = Writer::new(tx, now)?;
            let (mut saved, mut is_saved) = (0, false);
            for outcome in outcomes {
                match outcome {
                    BodyOutcome::Saved {
                        endpoint,
                        id,
                        side,
                        owed_at,
                        body,
                        digest: _,
                    } => {
                        is_saved = writer.save(endpoint, id, *side, *owed_at, body)?;
                        saved += u64::from(is_saved);
                    }
                    BodyOutcome::Refused {
                        endpoint,
                        id,
                        side,
                        owed_at,
                        reason,
                    } => note(tx, endpoint, id, *side, *owed_at, Some("refused"), reason)?,
                    BodyOutcome::Doubted {
                        endpoint,
                        id,
                        side,
                        look_at,
                    } => {
                        // An answer to an older question says nothing.
                        if is_saved {
                            doubt(tx, endpoint, id, *side, *look_at)?;
                        }
                    }
                    BodyOutcome::Failed {
                        endpoint,
                        id,
                        side,
                        owed_at,
                        reason,
                    } => note(tx, endpoint, id, *side, *owed_at, None, reason)?,
                }
            }
            Ok(saved)
        })
    }

    /// Returns how many owed bodies are among those that `is_counted` names.
    pub fn owed_bodies_among(
        &self,
        is_counted: &dyn Fn(&Endpoint, &ContentId, BodySide) -> bool,
    ) -> Result<BodyTotals, StoreError> {
        self.read("count owed bodies", |conn| {
            let mut select = conn
                .prepare_cached("SELECT endpoint, id, side, state = 'refused' FROM owed_bodies")?;
            let mut rows = select.query([])?;
            let mut totals = BodyTotals {
                owed: 0,
                refused: 0,
            };
            while let Some(row) = rows.next()? {
                if is_counted(&row.get(0)?, &row.get(1)?, row.get(2)?) {
                    totals.owed += 1;
                    totals.refused += u64::from(row.get::<_, bool>(3)?);
                }
            }
            Ok(totals)
        })
    }

    /// Returns the APIs that owe bodies, by name.
    pub fn body_problems(&self) -> Result<Vec<BodyProblem>, StoreError> {
        self.read("read which APIs owe bodies", |conn| {
            conn.prepare_cached(
                "SELECT endpoint, count(*), count(*) FILTER (WHERE state = 'refused'),
                     coalesce(min(last_error) FILTER (WHERE state = 'refused'), min(last_error))
                 FROM owed_bodies GROUP BY endpoint ORDER BY endpoint",
            )?
            .query_map([], |row| {
                Ok(BodyProblem {
                    endpoint: row.get(0)?,
                    owed: count(row, 1)?,
                    refused: count(row, 2)?,
                    example_error: row.get(3)?,
                })
            })?
            .collect()
        })
    }

    /// Asks again for every body of one API that is recorded or was refused (`--full`). What is
    /// recorded stays until an answer differs. Returns how many are owed anew.
    pub fn refetch_all_bodies(
        &mut self,
        endpoint: &Endpoint,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write("ask again for all bodies", |tx| {
            let params = named_params! { ":endpoint": endpoint, ":now": now };
            let reopened = tx.execute(
                "UPDATE owed_bodies SET state = 'owed', attempts = 0, last_error = NULL,
                     owed_at = max(:now, strftime('%Y-%m-%dT%H:%M:%fZ', owed_at, '+0.001 seconds'))
                 WHERE endpoint = :endpoint AND state = 'refused'",
                params,
            )?;
            let asked = tx.execute(
                "INSERT INTO owed_bodies (endpoint, id, side, owed_at)
                 SELECT :endpoint, id, side, :now FROM (
                     SELECT rowid AS number, id, 'published' AS side FROM contents
                     WHERE endpoint = :endpoint AND deleted_at IS NULL AND published_body IS NOT NULL
                     UNION ALL
                     SELECT rowid, id, 'draft' FROM contents
                     WHERE endpoint = :endpoint AND deleted_at IS NULL AND draft_body IS NOT NULL)
                 WHERE TRUE ORDER BY number, side DESC
                 ON CONFLICT (endpoint, id, side) DO NOTHING",
                params,
            )?;
            Ok((reopened + asked) as u64)
        })
    }
}

/// Writes bodies that came. The statements are looked up once.
struct Writer<'a> {
    tx: &'a Transaction<'a>,
    now_text: String,
    settle: CachedStatement<'a>,
    published: CachedStatement<'a>,
    draft: CachedStatement<'a>,
}

impl<'a> Writer<'a> {
    fn new(tx: &'a Transaction<'a>, now: Timestamp) -> rusqlite::Result<Self> {
        Ok(Self {
            tx,
            now_text: now.to_string(),
            settle: tx.prepare_cached(
                "DELETE FROM owed_bodies
                 WHERE endpoint = ?1 AND id = ?2 AND side = ?3 AND owed_at = ?4",
            )?,
            published: tx.prepare_cached(concat!(
                "UPDATE contents SET published_body = :body,
                     valid_from = iif(published_body IS NULL, valid_from, ",
                later!(),
                ")
                 WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL
                     AND published_body IS NOT :body"
            ))?,
            draft: tx.prepare_cached(concat!(
                "UPDATE contents SET draft_body = :body,
                     valid_from = iif(draft_body IS NULL, valid_from, ",
                later!(),
                ")
                 WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL
                     AND draft_body IS NOT :body"
            ))?,
        })
    }

    /// Writes a body if the question is still the one that was answered, and returns whether it is.
    fn save(
        &mut self,
        endpoint: &Endpoint,
        id: &ContentId,
        side: BodySide,
        owed_at: Timestamp,
        body: &str,
    ) -> rusqlite::Result<bool> {
        let is_open = self.settle.execute((
            endpoint.as_str(),
            id.as_str(),
            side.as_str(),
            owed_at.to_string(),
        ))? > 0
            || self.settle_otherwise_written(endpoint, id, side, owed_at)?;
        if is_open {
            let update = match side {
                BodySide::Published => &mut self.published,
                BodySide::Draft => &mut self.draft,
            };
            update.execute(named_params! {
                ":endpoint": endpoint.as_str(), ":id": id.as_str(), ":body": body,
                ":now": self.now_text,
            })?;
        }
        Ok(is_open)
    }

    /// The same time may stand there in other characters, if somebody else wrote the row.
    fn settle_otherwise_written(
        &self,
        endpoint: &Endpoint,
        id: &ContentId,
        side: BodySide,
        owed_at: Timestamp,
    ) -> rusqlite::Result<bool> {
        let key = (endpoint.as_str(), id.as_str(), side.as_str());
        let open: Option<Timestamp> = self
            .tx
            .prepare_cached(
                "SELECT owed_at FROM owed_bodies WHERE endpoint = ?1 AND id = ?2 AND side = ?3",
            )?
            .query_row(key, |row| row.get(0))
            .optional()?;
        if open != Some(owed_at) {
            return Ok(false);
        }
        self.tx.prepare_cached(DROP_OWED)?.execute(key)?;
        Ok(true)
    }
}

fn note(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    id: &ContentId,
    side: BodySide,
    owed_at: Timestamp,
    state: Option<&'static str>,
    reason: &str,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "UPDATE owed_bodies SET
             state = coalesce(:state, state), attempts = attempts + 1, last_error = :reason
         WHERE endpoint = :endpoint AND id = :id AND side = :side AND owed_at = :owed_at",
    )?
    .execute(named_params! {
        ":endpoint": endpoint, ":id": id, ":side": side, ":owed_at": owed_at,
        ":state": state, ":reason": reason,
    })?;
    Ok(())
}
