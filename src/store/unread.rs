//! What follows from bodies and URLs: readable text, mentions of files, paths of media.
//!
//! The database's triggers note what changed in `unread`; here it is looked through, in the transaction
//! that changed it. What a crash, an older program or somebody's own edit left is looked through when the
//! database is opened next.

use super::plain::{is_plain_medium, odd_mention};
use super::{Store, StoreError};
use crate::model::{BodyDigest, UrlPath};
use rusqlite::{Connection, OptionalExtension, Transaction, named_params};

/// How much one transaction looks through at most: a page of a listing notes a hundred.
const BATCH: u32 = 500;

impl Store {
    /// Looks through everything that is noted, in batches: each is kept, whatever stops the next one.
    pub(super) fn read_unread(&mut self) -> Result<(), StoreError> {
        loop {
            let is_done = self.read("look for what was not looked through", |conn| {
                is_nothing_unread(conn)
            })?;
            if is_done {
                return Ok(());
            }
            // Each write looks through some of it.
            self.write("look through what changed", |_tx| Ok(()))?;
        }
    }
}

fn is_nothing_unread(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare_cached("SELECT NOT EXISTS (SELECT 1 FROM unread)")?
        .query_row([], |row| row.get(0))
}

/// Looks through up to [`BATCH`] of what is noted: media as long as there are any, and contents in a
/// transaction that changed no medium. Bodies take longer, and the pages of the media listing hang on each
/// other by tokens that do not live long.
pub(super) fn read_some(tx: &Transaction<'_>) -> rusqlite::Result<()> {
    if is_nothing_unread(tx)? {
        return Ok(());
    }
    let noted: Vec<(String, String, String)> = tx
        .prepare_cached(
            "SELECT kind, scope, id FROM unread WHERE kind = (SELECT max(kind) FROM unread)
             ORDER BY kind, scope, id LIMIT :batch",
        )?
        .query_map(named_params! { ":batch": BATCH }, |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    for (kind, scope, id) in noted {
        match kind.as_str() {
            "content" => read_content(tx, &scope, &id)?,
            _ => read_medium(tx, &id)?,
        }
        tx.prepare_cached("DELETE FROM unread WHERE kind = :kind AND scope = :scope AND id = :id")?
            .execute(named_params! { ":kind": kind, ":scope": scope, ":id": id })?;
    }
    Ok(())
}

fn read_content(tx: &Transaction<'_>, endpoint: &str, id: &str) -> rusqlite::Result<()> {
    let bodies: Option<(Option<String>, Option<String>)> = tx
        .prepare_cached(
            "SELECT published_body, draft_body FROM contents
             WHERE endpoint = :endpoint AND id = :id AND deleted_at IS NULL",
        )?
        .query_row(named_params! { ":endpoint": endpoint, ":id": id }, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    let (published, draft) = bodies.unwrap_or_default();
    for (side, body) in [("published", published), ("draft", draft)] {
        let digest = body.as_deref().map(BodyDigest::of).unwrap_or_default();
        record_text(tx, endpoint, id, side, &digest.text)?;
        record_mentions(tx, endpoint, id, side, &digest)?;
    }
    Ok(())
}

fn record_text(
    tx: &Transaction<'_>,
    endpoint: &str,
    id: &str,
    side: &str,
    text: &str,
) -> rusqlite::Result<()> {
    if text.is_empty() {
        tx.prepare_cached(
            "DELETE FROM content_texts WHERE endpoint = :endpoint AND id = :id AND side = :side",
        )?
        .execute(named_params! { ":endpoint": endpoint, ":id": id, ":side": side })?;
        return Ok(());
    }
    tx.prepare_cached(
        "INSERT INTO content_texts (endpoint, id, side, text) VALUES (:endpoint, :id, :side, :text)
         ON CONFLICT (endpoint, id, side) DO UPDATE SET text = excluded.text WHERE text <> excluded.text",
    )?
    .execute(
        named_params! { ":endpoint": endpoint, ":id": id, ":side": side, ":text": text },
    )?;
    Ok(())
}

fn record_mentions(
    tx: &Transaction<'_>,
    endpoint: &str,
    id: &str,
    side: &str,
    digest: &BodyDigest,
) -> rusqlite::Result<()> {
    tx.prepare_cached(
        "DELETE FROM media_references WHERE endpoint = :endpoint AND id = :id AND side = :side",
    )?
    .execute(named_params! { ":endpoint": endpoint, ":id": id, ":side": side })?;
    let mut insert = tx.prepare_cached(
        "INSERT INTO media_references (endpoint, id, side, field, place, url, odd_host, odd_path, odd_name)
         VALUES (:endpoint, :id, :side, :field, :place, :url, :host, :path, :name)",
    )?;
    for mention in &digest.mentions {
        let odd = odd_mention(&mention.url, &mention.at);
        insert.execute(named_params! {
            ":endpoint": endpoint, ":id": id, ":side": side, ":field": mention.field,
            ":place": mention.place.as_str(), ":url": mention.url,
            ":host": odd.at.map(|at| &at.host), ":path": odd.at.map(|at| &at.path), ":name": odd.name,
        })?;
    }
    Ok(())
}

fn read_medium(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    let medium: Option<(Option<String>, String)> = tx
        .prepare_cached("SELECT url, file_name FROM media WHERE id = :id")?
        .query_row(named_params! { ":id": id }, |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .optional()?;
    match medium {
        Some((Some(url), name)) if !is_plain_medium(&url, &name) => record_odd_path(tx, id, &url),
        // Of a medium without a URL nothing is computed.
        Some(_) | None => forget_odd_path(tx, id),
    }
}

/// Records where a URL points to that the schema would not compute; no path: nowhere.
fn record_odd_path(tx: &Transaction<'_>, id: &str, url: &str) -> rusqlite::Result<()> {
    let at = UrlPath::of(url);
    tx.prepare_cached(
        "INSERT INTO media_odd_paths (media_id, host, path) VALUES (:id, :host, :path)
         ON CONFLICT (media_id) DO UPDATE SET host = excluded.host, path = excluded.path
         WHERE host IS NOT excluded.host OR path IS NOT excluded.path",
    )?
    .execute(named_params! {
        ":id": id, ":host": at.as_ref().map(|at| &at.host), ":path": at.as_ref().map(|at| &at.path),
    })
    .map(drop)
}

/// What is computed is right, or there is nothing to tell any more.
fn forget_odd_path(tx: &Transaction<'_>, id: &str) -> rusqlite::Result<()> {
    tx.prepare_cached("DELETE FROM media_odd_paths WHERE media_id = :id")?
        .execute(named_params! { ":id": id })
        .map(drop)
}
