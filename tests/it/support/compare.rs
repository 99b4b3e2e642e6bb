//! Whether a backup holds what the service holds, field by field and byte by byte.

use super::Sandbox;
use microcms_sim::Truth;
use rusqlite::params;
use std::collections::BTreeMap;

/// Compares everything. Tombstones are not looked at: they are what the service has no more.
#[track_caller]
pub(crate) fn assert_holds(home: &Sandbox, truth: &Truth) {
    assert_endpoints(home, truth);
    assert_contents(home, truth);
    assert_media(home, truth);
}

#[track_caller]
fn assert_endpoints(home: &Sandbox, truth: &Truth) {
    let sql = home.sql();
    let mut query = sql
        .prepare("SELECT endpoint, name, kind, schema FROM endpoints WHERE deleted_at IS NULL ORDER BY endpoint")
        .expect("endpoints");
    let held: Vec<(String, String, String, Option<String>)> = query
        .query_map([], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect();
    let mut real: Vec<_> = truth
        .endpoints
        .iter()
        .map(|api| {
            let kind = serde_json::to_value(api.kind).expect("a word");
            let kind = kind.as_str().expect("a word").to_owned();
            (
                api.endpoint.clone(),
                api.name.clone(),
                kind,
                Some(api.schema.clone()),
            )
        })
        .collect();
    real.sort();
    assert_eq!(held, real);
}

type Content = (String, Option<String>, Option<String>);

#[track_caller]
fn assert_contents(home: &Sandbox, truth: &Truth) {
    let sql = home.sql();
    let mut query = sql
        .prepare("SELECT endpoint, id, metadata, published_body, draft_body FROM contents WHERE deleted_at IS NULL")
        .expect("contents");
    let held: BTreeMap<(String, String), Content> = query
        .query_map([], |row| {
            Ok((
                (row.get(0)?, row.get(1)?),
                (row.get(2)?, row.get(3)?, row.get(4)?),
            ))
        })
        .expect("rows")
        .map(|row| row.expect("a row"))
        .collect();
    let real: BTreeMap<(String, String), Content> = truth
        .contents
        .iter()
        .map(|content| {
            let key = (content.endpoint.clone(), content.id.clone());
            (
                key,
                (
                    content.metadata.clone(),
                    content.published.clone(),
                    content.draft.clone(),
                ),
            )
        })
        .collect();
    for (key, real) in &real {
        assert_eq!(held.get(key), Some(real), "{key:?}");
    }
    assert_eq!(
        held.len(),
        real.len(),
        "contents that the service does not have"
    );
}

#[track_caller]
fn assert_media(home: &Sandbox, truth: &Truth) {
    let sql = home.sql();
    for medium in &truth.media {
        let (metadata, url, name): (String, String, String) = sql
            .query_row(
                "SELECT metadata, url, file_name FROM media WHERE id = ?1 AND deleted_at IS NULL",
                params![medium.id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap_or_else(|err| panic!("medium {} {}: {err}", medium.id, medium.url));
        assert_eq!((&metadata, &url), (&medium.listing, &medium.url));
        assert!(!name.is_empty());
        let (state, sha256, bytes): (String, Option<String>, Option<i64>) = sql
            .query_row(
                "SELECT state, sha256, bytes FROM assets WHERE media_id = ?1",
                params![medium.id],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap_or_else(|err| panic!("asset of {}: {err}", medium.id));
        let expected = medium.sha256();
        assert_eq!(
            (state.as_str(), sha256.as_deref()),
            ("saved", Some(expected.as_str())),
            "{}",
            medium.url
        );
        assert_eq!(
            bytes.and_then(|bytes| u64::try_from(bytes).ok()),
            Some(medium.size),
            "{}",
            medium.url
        );
        assert_eq!(
            home.saved_bytes(&medium.id).as_deref(),
            Some(&*medium.bytes()),
            "{}",
            medium.url
        );
    }
    let live = home.count("SELECT count(*) FROM media WHERE deleted_at IS NULL");
    assert_eq!(
        live,
        truth.media.len() as u64,
        "media that the service does not have"
    );
}
