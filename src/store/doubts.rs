//! Bodies that the service insisted on although they were older than their listing says.

use super::assets::LONGEST_WAIT;
use super::{Store, StoreError};
use crate::model::{BodySide, ContentId, Endpoint, Timestamp};
use rusqlite::{Transaction, named_params};

/// What is noted at bodies that are asked for again, as if earlier attempts had brought what they brought.
#[derive(Clone, Copy, Debug)]
pub struct LaterLook {
    /// Attempts that there have been.
    pub attempts: u32,
    /// Their last result, for all looks but the last.
    pub error: &'static str,
    /// The same for the last look.
    pub last_error: &'static str,
    /// Looks that there are.
    pub looks: u32,
    /// When the next one is due.
    pub next_at: Timestamp,
}

/// What is due: also what a clock that stood wrong put off.
macro_rules! due {
    () => {
        "endpoint = :endpoint AND (look_at <= :now OR look_at > :latest)"
    };
}

/// The content as it was when the body was doubted, if it still has the body.
macro_rules! same_content {
    () => {
        "FROM contents AS c
         WHERE c.endpoint = d.endpoint AND c.id = d.id AND c.deleted_at IS NULL AND (c.updated_at IS d.updated_at OR julianday(c.updated_at) = julianday(d.updated_at))
             AND iif(d.side = 'published', c.published_body, c.draft_body) IS NOT NULL"
    };
}

impl Store {
    /// Owes anew those bodies of one API whose later look is due: all of them, or nothing. What changed since it was
    /// doubted is not among them. What is recorded stays until an answer differs.
    pub fn owe_doubted_bodies(
        &mut self,
        endpoint: &Endpoint,
        look: LaterLook,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let latest = now.plus(LONGEST_WAIT);
        let is_any_due = self.read("look for doubted bodies", |conn| {
            conn.prepare_cached(concat!(
                "SELECT EXISTS (SELECT 1 FROM doubted_bodies WHERE ",
                due!(),
                ")"
            ))?
            .query_row(
                named_params! { ":endpoint": endpoint, ":now": now, ":latest": latest },
                |row| row.get::<_, bool>(0),
            )
        })?;
        if !is_any_due {
            return Ok(());
        }
        self.write("ask again for doubted bodies", |tx| {
            tx.execute(
                concat!(
                    "INSERT INTO owed_bodies (endpoint, id, side, attempts, last_error, owed_at)
                     SELECT endpoint, id, side, :attempts, iif(looks + 1 < :looks, :error, :last_error), :now
                     FROM doubted_bodies AS d WHERE ",
                    due!(),
                    " AND EXISTS (SELECT 1 ",
                    same_content!(),
                    ") ON CONFLICT (endpoint, id, side) DO NOTHING"
                ),
                named_params! {
                    ":endpoint": endpoint, ":now": now, ":latest": latest, ":attempts": look.attempts,
                    ":looks": look.looks, ":error": look.error, ":last_error": look.last_error,
                },
            )?;
            tx.execute(
                concat!(
                    "DELETE FROM doubted_bodies AS d WHERE ",
                    due!(),
                    " AND (looks + 1 >= :looks OR NOT EXISTS (SELECT 1 ",
                    same_content!(),
                    "))"
                ),
                named_params! {
                    ":endpoint": endpoint, ":now": now, ":latest": latest, ":looks": look.looks,
                },
            )?;
            tx.execute(
                concat!(
                    "UPDATE doubted_bodies SET looks = looks + 1, look_at = :next WHERE ",
                    due!()
                ),
                named_params! {
                    ":endpoint": endpoint, ":now": now, ":latest": latest, ":next": look.next_at,
                },
            )?;
            Ok(())
        })
    }
}

/// Notes that a recorded body is doubted; one that is noted already keeps its looks, unless its content changed since.
/// Or that it is not (`None`).
pub(super) fn doubt(
    tx: &Transaction<'_>,
    endpoint: &Endpoint,
    id: &ContentId,
    side: BodySide,
    look_at: Option<Timestamp>,
) -> rusqlite::Result<()> {
    let Some(look_at) = look_at else {
        tx.prepare_cached(
            "DELETE FROM doubted_bodies WHERE endpoint = :endpoint AND id = :id AND side = :side",
        )?
        .execute(named_params! { ":endpoint": endpoint, ":id": id, ":side": side })?;
        return Ok(());
    };
    tx.prepare_cached(
        "INSERT INTO doubted_bodies (endpoint, id, side, updated_at, looks, look_at)
         SELECT endpoint, id, :side, updated_at, 0, :look_at FROM contents WHERE endpoint = :endpoint AND id = :id
         ON CONFLICT (endpoint, id, side) DO UPDATE
         SET updated_at = excluded.updated_at, looks = 0, look_at = excluded.look_at
         WHERE updated_at IS NOT excluded.updated_at",
    )?
    .execute(named_params! {
        ":endpoint": endpoint, ":id": id, ":side": side, ":look_at": look_at,
    })?;
    Ok(())
}
