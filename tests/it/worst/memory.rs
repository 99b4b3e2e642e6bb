//! What was ever saved, and what must hold of it after every run.

use crate::support::{Sandbox, archived, assert_untampered, digest, files};
use microcms_backup::model::RunReport;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a run ever reported as saved.
#[derive(Default)]
pub(super) struct Memory {
    /// Digests of files.
    files: BTreeSet<String>,
    /// Rows of the history, and bodies, each as its table and text.
    rows: BTreeSet<(String, String)>,
}

impl Memory {
    /// Holds database, mirror and archive against what was there before, and remembers what is new.
    #[track_caller]
    pub(super) fn check(&mut self, home: &Sandbox, report: &RunReport) {
        assert_eq!(home.texts("PRAGMA integrity_check"), ["ok"]);
        assert_untampered(home);
        let mirror = mirrored(home);
        every_row_tells_its_file(home, &mirror);
        let named: BTreeSet<String> = home
            .texts(
                "SELECT sha256 FROM assets WHERE sha256 IS NOT NULL
                 UNION SELECT sha256 FROM assets_history WHERE sha256 IS NOT NULL",
            )
            .into_iter()
            .collect();
        self.files.extend(named.iter().cloned());
        let kept: BTreeSet<&String> = mirror.values().collect();
        for sha256 in &self.files {
            assert!(named.contains(sha256), "no row names {sha256} any more");
            assert!(
                kept.contains(sha256)
                    || archived(home, sha256).is_some_and(|bytes| digest(&bytes) == *sha256),
                "the bytes {sha256} are nowhere"
            );
        }
        let rows = rows(home);
        for row in &self.rows {
            assert!(rows.contains(row), "gone: {row:?}");
        }
        self.rows = rows;
        for (table, key) in [
            ("media", "id"),
            ("contents", "json_array(endpoint, id)"),
            ("endpoints", "endpoint"),
            ("assets", "media_id"),
        ] {
            assert_continuous(home, table, key);
        }
        only_kept_beginnings_are_left(home);
        if report.exit_code == 0 && !report.dry_run {
            assert_eq!(
                home.count(
                    "SELECT count(*) FROM assets JOIN media ON id = media_id
                     WHERE deleted_at IS NULL AND state <> 'saved'"
                ),
                0,
                "a complete run owes nothing"
            );
        }
    }
}

/// The files of the mirror, by path, with their digests.
fn mirrored(home: &Sandbox) -> BTreeMap<String, String> {
    let root = home.path("mirror");
    let all = files(&root).into_iter().map(|file| {
        let path = file.strip_prefix(&root).expect("below the root");
        let path = path.to_str().expect("UTF-8").to_owned();
        (path, digest(&std::fs::read(file).expect("a file")))
    });
    all.collect()
}

/// A row's file is the one that it tells of, or is not there, which only a row that is not `saved` may
/// say.
#[track_caller]
fn every_row_tells_its_file(home: &Sandbox, mirror: &BTreeMap<String, String>) {
    let sql = home.sql();
    let mut query = sql
        .prepare("SELECT media_id, state, path, sha256 FROM assets WHERE sha256 IS NOT NULL")
        .expect("assets");
    let rows = query
        .query_map([], |row| {
            let row: (String, String, String, String) =
                (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
            Ok(row)
        })
        .expect("rows");
    let mut owners = BTreeMap::new();
    for row in rows {
        let (id, state, path, sha256) = row.expect("a row");
        match mirror.get(&path) {
            Some(found) => assert_eq!(*found, sha256, "{id}, {state}: `{path}`"),
            None => assert_ne!(state, "saved", "{id}: `{path}` is not there"),
        }
        if let Some(other) = owners.insert(path.clone(), id.clone()) {
            panic!("`{path}` is said to hold {other} and {id}");
        }
    }
}

/// Everything that may never go away again.
fn rows(home: &Sandbox) -> BTreeSet<(String, String)> {
    let mut all = BTreeSet::new();
    for table in ["media", "contents", "endpoints", "assets"] {
        let history = format!("{table}_history");
        let columns = home.texts(&format!("SELECT name FROM pragma_table_info('{history}')"));
        let columns = columns.join(", ");
        for row in home.texts(&format!("SELECT json_array({columns}) FROM {history}")) {
            all.insert((history.clone(), digest(row.as_bytes())));
        }
    }
    for body in home.texts(
        "SELECT json_array(endpoint, id, published_body) FROM contents WHERE published_body IS NOT NULL
         UNION SELECT json_array(endpoint, id, draft_body) FROM contents WHERE draft_body IS NOT NULL
         UNION SELECT json_array(endpoint, id, published_body) FROM contents_history WHERE published_body IS NOT NULL
         UNION SELECT json_array(endpoint, id, draft_body) FROM contents_history WHERE draft_body IS NOT NULL",
    ) {
        all.insert(("bodies".to_owned(), body));
    }
    for medium in home.texts("SELECT id FROM media") {
        all.insert(("media".to_owned(), medium));
    }
    all
}

/// Versions follow each other without a gap and without an overlap.
#[track_caller]
fn assert_continuous(home: &Sandbox, table: &str, key: &str) {
    let sql = home.sql();
    let mut query = sql
        .prepare(&format!(
            "SELECT {key} AS k, valid_from, NULL FROM {table}
             UNION ALL SELECT {key}, valid_from, valid_to FROM {table}_history ORDER BY k, 2"
        ))
        .expect("versions");
    let versions = query
        .query_map([], |row| {
            let row: (String, String, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
            Ok(row)
        })
        .expect("rows");
    let mut before: Option<(String, Option<String>)> = None;
    for version in versions {
        let (key, from, to) = version.expect("a row");
        if let Some((_, end)) = before.filter(|(known, _)| *known == key) {
            assert_eq!(end.as_ref(), Some(&from), "{table}: {key}");
        }
        assert!(to.as_ref().is_none_or(|to| from < *to), "{table}: {key}");
        before = Some((key, to));
    }
}

/// Temporary files are gone, but for beginnings that a row tells of.
#[track_caller]
fn only_kept_beginnings_are_left(home: &Sandbox) {
    let mut left = 0;
    for root in ["mirror", "archive"] {
        let entries = std::fs::read_dir(home.path(root).join(".tmp"));
        for entry in entries.into_iter().flatten() {
            let name = entry.expect("an entry").file_name();
            assert!(name.to_string_lossy().starts_with("kept-"), "{name:?}");
            left += 1;
        }
    }
    let told = home.count("SELECT count(*) FROM partials");
    assert!(left <= told, "{left} beginnings, {told} told");
}
