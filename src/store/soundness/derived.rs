//! What follows from bodies and URLs, against what they say now.

use super::Flaws;
use crate::model::{BodyDigest, DifferenceKind, UrlPath};
use crate::store::values::lenient;
use rusqlite::{Connection, Row, named_params};
use std::collections::BTreeSet;

const EXPECTED: &str = "what its body or URL says";

/// Compares texts, references and paths. What is noted in `unread` is not looked through yet, and left out.
pub(super) fn derived(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    bodies(conn, flaws)?;
    strangers(conn, flaws)?;
    paths(conn, flaws)?;
    strange_paths(conn, flaws)
}

fn bodies(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    let mut query = conn.prepare(
        "SELECT endpoint, id, published_body, draft_body FROM contents AS c NOT INDEXED
         WHERE deleted_at IS NULL AND NOT EXISTS (
             SELECT 1 FROM unread AS u WHERE u.kind = 'content' AND u.scope = c.endpoint AND u.id = c.id)",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let text = |index| lenient(row, index).unwrap_or_default();
        let (endpoint, id) = (text(0), text(1));
        for (side, index) in [("published", 2), ("draft", 3)] {
            let digest = BodyDigest::of(&text(index));
            let thing = format!("{endpoint}/{id}, {side}");
            if text_of(conn, &endpoint, &id, side)? != digest.text {
                flaws.add(
                    DifferenceKind::Row,
                    &thing,
                    "content_texts",
                    EXPECTED,
                    "another text",
                );
            }
            let said: BTreeSet<_> = digest
                .mentions
                .iter()
                .map(|m| {
                    let place = m.place.as_str().to_owned();
                    [
                        m.field.clone(),
                        place,
                        m.url.clone(),
                        m.at.host.clone(),
                        m.at.path.clone(),
                    ]
                })
                .collect();
            if references_of(conn, &endpoint, &id, side)? != said {
                let place = "media_references";
                flaws.add(
                    DifferenceKind::Row,
                    &thing,
                    place,
                    EXPECTED,
                    "other references",
                );
            }
        }
    }
    Ok(())
}

fn text_of(conn: &Connection, endpoint: &str, id: &str, side: &str) -> rusqlite::Result<String> {
    let mut query = conn.prepare_cached(
        "SELECT text FROM content_texts WHERE endpoint = :endpoint AND id = :id AND side = :side",
    )?;
    let mut rows =
        query.query(named_params! { ":endpoint": endpoint, ":id": id, ":side": side })?;
    Ok(rows
        .next()?
        .and_then(|row| lenient(row, 0))
        .unwrap_or_default())
}

fn references_of(
    conn: &Connection,
    endpoint: &str,
    id: &str,
    side: &str,
) -> rusqlite::Result<BTreeSet<[String; 5]>> {
    conn.prepare_cached(
        "SELECT field, place, url, host, path FROM media_references
         WHERE endpoint = :endpoint AND id = :id AND side = :side",
    )?
    .query_map(
        named_params! { ":endpoint": endpoint, ":id": id, ":side": side },
        |row: &Row<'_>| Ok([0, 1, 2, 3, 4].map(|index| lenient(row, index).unwrap_or_default())),
    )?
    .collect()
}

/// Rows that follow from nothing.
fn strangers(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    for table in ["content_texts", "media_references"] {
        let mut query = conn.prepare(&format!(
            "SELECT DISTINCT endpoint || '/' || id || ', ' || side FROM {table} AS d
             WHERE NOT EXISTS (SELECT 1 FROM contents AS c
                 WHERE c.endpoint = d.endpoint AND c.id = d.id AND c.deleted_at IS NULL
                     AND iif(d.side = 'published', c.published_body, c.draft_body) IS NOT NULL)"
        ))?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let thing = lenient(row, 0).unwrap_or_default();
            flaws.add(
                DifferenceKind::Row,
                thing,
                table,
                "no row: there is no such body",
                "one",
            );
        }
    }
    Ok(())
}

fn paths(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    let mut query = conn.prepare(
        // As `media_paths` has it, but medium by medium.
        "SELECT m.id, m.url, iif(o.media_id IS NULL, p.host, o.host), iif(o.media_id IS NULL, p.path, o.path)
         FROM media AS m NOT INDEXED
         CROSS JOIN media_plain_paths AS p ON p.media_id = m.id
         LEFT JOIN media_odd_paths AS o ON o.media_id = m.id
         WHERE NOT EXISTS (SELECT 1 FROM unread AS u WHERE u.kind = 'medium' AND u.scope = '' AND u.id = m.id)",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let said = lenient(row, 1).as_deref().and_then(UrlPath::of);
        let said = said.map(|at| (at.host, at.path));
        if lenient(row, 2).zip(lenient(row, 3)) != said {
            let thing = lenient(row, 0).unwrap_or_default();
            flaws.add(
                DifferenceKind::Row,
                thing,
                "media_paths",
                EXPECTED,
                "another path",
            );
        }
    }
    Ok(())
}

fn strange_paths(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    let mut query = conn.prepare(
        "SELECT media_id FROM media_odd_paths AS o
         WHERE NOT EXISTS (SELECT 1 FROM media AS m WHERE m.id = o.media_id)
             AND NOT EXISTS (SELECT 1 FROM unread AS u WHERE u.kind = 'medium' AND u.scope = '' AND u.id = o.media_id)",
    )?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        flaws.add(
            DifferenceKind::Row,
            lenient(row, 0).unwrap_or_default(),
            "media_odd_paths",
            "no row: there is no such medium",
            "one",
        );
    }
    Ok(())
}
