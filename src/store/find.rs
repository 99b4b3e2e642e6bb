//! From a name that a person typed to the things that have it.

use super::{Store, StoreError};
use crate::model::{ContentId, Endpoint, MediaId, Thing};
use rusqlite::{Connection, OptionalExtension, named_params};
use std::ops::ControlFlow;

/// So many things of one name are told.
const MOST: usize = 20;

/// The name of something, as a person may have meant it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Name<'a> {
    /// The API, for a content.
    pub endpoint: Option<&'a str>,
    /// An endpoint, an id or a file's name.
    pub text: &'a str,
    /// Of a file's name: the id of its medium.
    pub id: Option<&'a str>,
}

impl Store {
    /// Returns what has this name, now or in the past: an API by its endpoint, contents by id or
    /// `endpoint/id`, a medium by its id. Where none of these fits, media by the URL or the name of their
    /// file, for which all of them are read. At most 20.
    pub fn find(&self, name: &str) -> Result<Vec<Thing>, StoreError> {
        self.read("look for a name", |conn| {
            let mut found: Vec<Thing> = Vec::new();
            if let Some((endpoint, id)) = name.split_once('/') {
                found.extend(content(conn, endpoint, id)?);
            }
            found.extend(api(conn, name)?);
            found.extend(contents(conn, name)?);
            found.extend(medium(conn, name)?);
            if found.is_empty() {
                found = files(conn, name)?;
            }
            Ok(found)
        })
    }

    /// Returns the content of an API that holds only one; `None` where the API is a list, or its content was
    /// never seen.
    pub fn single_content(&self, endpoint: &Endpoint) -> Result<Option<Thing>, StoreError> {
        self.read("look for the content of an API", |conn| {
            conn.query_row(
                "SELECT c.endpoint, c.id FROM endpoints AS e CROSS JOIN contents AS c ON c.endpoint = e.endpoint
                 WHERE e.endpoint = :endpoint AND e.kind = 'object'
                 ORDER BY c.deleted_at IS NOT NULL, c.valid_from DESC LIMIT 1",
                named_params! { ":endpoint": endpoint },
                |row| Ok(Thing::Content(row.get(0)?, row.get(1)?)),
            )
            .optional()
        })
    }

    /// Tells every name that there is now: of APIs, contents and files. Nothing is kept of them.
    pub fn each_name(
        &self,
        mut visit: impl FnMut(Name<'_>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        self.read("read all names", |conn| {
            let mut select = conn.prepare(
                "SELECT NULL, endpoint, NULL FROM endpoints
                 UNION ALL SELECT endpoint, id, NULL FROM contents
                 UNION ALL SELECT NULL, file_name, id FROM media
                 UNION ALL SELECT NULL, id, NULL FROM media",
            )?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                let name = Name {
                    endpoint: row.get_ref(0)?.as_str_or_null()?,
                    text: row.get_ref(1)?.as_str()?,
                    id: row.get_ref(2)?.as_str_or_null()?,
                };
                if visit(name).is_break() {
                    break;
                }
            }
            Ok(())
        })
    }
}

fn content(conn: &Connection, endpoint: &str, id: &str) -> rusqlite::Result<Option<Thing>> {
    let (Ok(endpoint), Ok(id)) = (Endpoint::parse(endpoint), ContentId::parse(id)) else {
        return Ok(None);
    };
    let is_known: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM contents WHERE endpoint = :endpoint AND id = :id)
             OR EXISTS (SELECT 1 FROM contents_history WHERE endpoint = :endpoint AND id = :id)",
        named_params! { ":endpoint": endpoint, ":id": id },
        |row| row.get(0),
    )?;
    Ok(is_known.then_some(Thing::Content(endpoint, id)))
}

fn api(conn: &Connection, name: &str) -> rusqlite::Result<Option<Thing>> {
    conn.query_row(
        "SELECT endpoint FROM endpoints WHERE endpoint = :name
         UNION SELECT endpoint FROM endpoints_history WHERE endpoint = :name",
        named_params! { ":name": name },
        |row| row.get(0).map(Thing::Api),
    )
    .optional()
}

/// The key begins with the endpoint: the way is from each API to its content.
fn contents(conn: &Connection, id: &str) -> rusqlite::Result<Vec<Thing>> {
    conn.prepare(&format!(
        "WITH apis AS (SELECT endpoint FROM endpoints UNION SELECT endpoint FROM endpoints_history)
         SELECT a.endpoint, c.id FROM apis AS a CROSS JOIN contents AS c ON c.endpoint = a.endpoint AND c.id = :id
         UNION
         SELECT a.endpoint, c.id FROM apis AS a
         CROSS JOIN contents_history AS c INDEXED BY contents_history_by_id ON c.endpoint = a.endpoint AND c.id = :id
         LIMIT {MOST}"
    ))?
    .query_map(named_params! { ":id": id }, |row| {
        Ok(Thing::Content(row.get(0)?, row.get(1)?))
    })?
    .collect()
}

fn medium(conn: &Connection, name: &str) -> rusqlite::Result<Option<Thing>> {
    let Ok(id) = MediaId::parse(name) else {
        return Ok(None);
    };
    let is_known: bool = conn.query_row(
        "SELECT EXISTS (SELECT 1 FROM media WHERE id = :id)
             OR EXISTS (SELECT 1 FROM media_history WHERE id = :id)",
        named_params! { ":id": id },
        |row| row.get(0),
    )?;
    Ok(is_known.then_some(Thing::Medium(id)))
}

/// Pages name a file with parameters that are none of its own (`?w=300`).
fn files(conn: &Connection, name: &str) -> rusqlite::Result<Vec<Thing>> {
    let url = name.split(['?', '#']).next().unwrap_or(name);
    conn.prepare(&format!(
        "SELECT id FROM media WHERE file_name = :name OR url IN (:name, :url)
         UNION SELECT id FROM media_history WHERE file_name = :name OR url IN (:name, :url)
         LIMIT {MOST}"
    ))?
    .query_map(named_params! { ":name": name, ":url": url }, |row| {
        row.get(0).map(Thing::Medium)
    })?
    .collect()
}
