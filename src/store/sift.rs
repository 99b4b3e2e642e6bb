//! What of a listing is recorded just as it is listed, and is set aside before anything is decided.

use super::in_step::{Found, Ways, in_step};
use super::{Store, StoreError};
use crate::model::{
    ContentId, Endpoint, KnownContent, KnownMedium, MediaId, ServedContent, ServedMedium,
};
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, Params, Row};
use std::collections::HashMap;
use std::hash::Hash;

impl Store {
    /// Sets aside the listed media that are recorded with just this text, and returns the others in their
    /// order, with what is known of them.
    pub fn sift_media(
        &self,
        listed: Vec<ServedMedium>,
    ) -> Result<Vec<(ServedMedium, Option<KnownMedium>)>, StoreError> {
        let same = self.read("compare media with what is known", |conn| {
            // One look at the database, not one for each: locks are taken once.
            let _look = conn.unchecked_transaction()?;
            let is_recorded = media_in_step(conn, &listed)?;
            let each = listed.iter().zip(&is_recorded);
            let recorded: Vec<&ServedMedium> = each
                .filter_map(|(medium, is_recorded)| is_recorded.then_some(medium))
                .collect();
            let mut has_file = assets_in_step(conn, &recorded)?.into_iter();
            let is_recorded = is_recorded.into_iter();
            Ok(is_recorded
                .map(|is_recorded| is_recorded && has_file.next() == Some(true))
                .collect())
        })?;
        let others = without(listed, same);
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<MediaId> = others.iter().map(|medium| medium.id.clone()).collect();
        let known = self.load_media(&ids)?;
        Ok(with_known(others, &known, |medium| &medium.id))
    }

    /// Sets aside the listed contents that are recorded with just this text and whose bodies are recorded
    /// or owed, and returns the others in their order, with what is known of them.
    pub fn sift_contents(
        &self,
        endpoint: &Endpoint,
        listed: Vec<ServedContent>,
    ) -> Result<Vec<(ServedContent, Option<KnownContent>)>, StoreError> {
        let same = self.read("compare contents with what is known", |conn| {
            let _look = conn.unchecked_transaction()?;
            contents_in_step(conn, endpoint, &listed)
        })?;
        let others = without(listed, same);
        if others.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<ContentId> = others.iter().map(|content| content.id.clone()).collect();
        let known = self.load_contents(endpoint, &ids)?;
        Ok(with_known(others, &known, |content| &content.id))
    }
}

fn media_in_step(conn: &Connection, listed: &[ServedMedium]) -> rusqlite::Result<Vec<bool>> {
    let mut by_id = conn.prepare_cached(
        "SELECT rowid, id, metadata FROM media WHERE id = ?1 AND deleted_at IS NULL",
    )?;
    let select = "SELECT rowid, id, metadata FROM media WHERE deleted_at IS NULL";
    let is_same = |row: &Row<'_>, medium: &ServedMedium| {
        Ok(is(row, 1, medium.id.as_str())? && is(row, 2, &medium.metadata)?)
    };
    let find = |medium: &ServedMedium| found(&mut by_id, (medium.id.as_str(),), medium, is_same);
    in_step(listed, find, Ways::new(conn, select)?, is_same)
}

/// Whether each has a row for its file.
fn assets_in_step(conn: &Connection, media: &[&ServedMedium]) -> rusqlite::Result<Vec<bool>> {
    let mut by_id =
        conn.prepare_cached("SELECT rowid, media_id FROM assets WHERE media_id = ?1")?;
    let select = "SELECT rowid, media_id FROM assets WHERE TRUE";
    let is_same = |row: &Row<'_>, medium: &&ServedMedium| is(row, 1, medium.id.as_str());
    let find = |medium: &&ServedMedium| found(&mut by_id, (medium.id.as_str(),), medium, is_same);
    in_step(media, find, Ways::new(conn, select)?, is_same)
}

fn contents_in_step(
    conn: &Connection,
    endpoint: &Endpoint,
    listed: &[ServedContent],
) -> rusqlite::Result<Vec<bool>> {
    // `iif`, because SQLite reads all of a body to answer `IS NULL` as a result, and none of it as a condition.
    let mut by_id = conn.prepare_cached(
        "SELECT rowid, endpoint, id, metadata,
             iif(published_body IS NULL, 0, 1)
                 OR EXISTS (SELECT 1 FROM owed_bodies AS o
                     WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'published'),
             iif(draft_body IS NULL, 0, 1)
                 OR EXISTS (SELECT 1 FROM owed_bodies AS o
                     WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'draft')
         FROM contents AS c WHERE endpoint = ?1 AND id = ?2 AND deleted_at IS NULL",
    )?;
    // Of what is owed it says that it is missing: that is looked up.
    let select =
        "SELECT rowid, endpoint, id, metadata, iif(published_body IS NULL, 0, 1), iif(draft_body IS NULL, 0, 1)
        FROM contents WHERE deleted_at IS NULL";
    let is_same = |row: &Row<'_>, content: &ServedContent| {
        Ok(is(row, 1, endpoint.as_str())?
            && is(row, 2, content.id.as_str())?
            && is(row, 3, &content.metadata)?
            && (!content.status.has_published() || row.get(4)?)
            && (!content.status.has_draft() || row.get(5)?))
    };
    let find = |content: &ServedContent| {
        let key = (endpoint.as_str(), content.id.as_str());
        found(&mut by_id, key, content, is_same)
    };
    in_step(listed, find, Ways::new(conn, select)?, is_same)
}

/// What a query by an item's id finds.
fn found<T>(
    by_id: &mut CachedStatement<'_>,
    key: impl Params,
    item: &T,
    is_same: impl Fn(&Row<'_>, &T) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Option<Found>> {
    let mut rows = by_id.query(key)?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(Found {
        rowid: row.get(0)?,
        is_same: is_same(row, item)?,
    }))
}

/// Whether a column has just this text. Nothing is copied.
fn is(row: &Row<'_>, column: usize, text: &str) -> rusqlite::Result<bool> {
    Ok(row.get_ref(column)? == ValueRef::Text(text.as_bytes()))
}

/// Leaves out those that are the same.
fn without<T>(listed: Vec<T>, same: Vec<bool>) -> Vec<T> {
    let each = listed.into_iter().zip(same);
    each.filter_map(|(item, is_same)| (!is_same).then_some(item))
        .collect()
}

/// Puts beside each what is known of it.
fn with_known<T, I: Eq + Hash, K: Clone>(
    others: Vec<T>,
    known: &HashMap<I, K>,
    id: impl Fn(&T) -> &I,
) -> Vec<(T, Option<K>)> {
    let each = others.into_iter();
    each.map(|item| {
        let known = known.get(id(&item)).cloned();
        (item, known)
    })
    .collect()
}
