//! Every field of every table that the log covers, changed one at a time.

use super::{Scene, words};
use crate::support::{Expect as _, assert_untampered, tampered_rows};
use microcms_backup::model::TamperKind;
use rusqlite::Connection;

/// The tables of versions, with the column of their ids.
const VERSIONS: [(&str, &str); 8] = [
    ("endpoints", "endpoint"),
    ("endpoints_history", "endpoint"),
    ("contents", "id"),
    ("contents_history", "id"),
    ("media", "id"),
    ("media_history", "id"),
    ("assets", "media_id"),
    ("assets_history", "media_id"),
];

/// Columns that the program itself keeps for its work and changes in place: the log does not cover them.
/// docs/proof.md says so.
const UNCOVERED: [&str; 18] = [
    "content_type",
    "etag",
    "last_modified",
    "state",
    "why",
    "owed_at",
    "attempts",
    "last_error",
    "fetched_at",
    "checked_at",
    "recheck_at",
    "rechecks",
    "next_attempt_at",
    "failed_at",
    "announced_bytes",
    "recent_requests",
    "clock_at",
    "log_peaks",
];

fn columns(scene: &Scene, table: &str) -> Vec<(String, String)> {
    let names = scene
        .home()
        .texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
    let kinds = scene
        .home()
        .texts(&format!("SELECT type FROM pragma_table_info('{table}')"));
    let all = names.into_iter().zip(kinds);
    all.filter(|(name, _)| !UNCOVERED.contains(&name.as_str()))
        .collect()
}

/// Ways to change a field so that it differs.
fn changes(column: &str, kind: &str) -> Vec<String> {
    match (column, kind) {
        ("metadata", _) => vec![format!("json_set({column}, '$.x', 1)")],
        (_, "INTEGER") => vec![format!("ifnull({column}, 0) + 1000")],
        (_, "BLOB") => vec![format!("iif({column} = zeroblob(32), x'01', zeroblob(32))")],
        _ => vec![
            format!("ifnull({column}, '') || ' '"),
            format!(
                "iif({column} IS NULL, '2026-01-01T00:00:00.000Z', upper({column}) || lower({column}) || '.')"
            ),
        ],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_every_version_that_is_changed_is_named() {
    let scene = Scene::new().await;
    let mut tried = 0;
    for (table, id) in VERSIONS {
        let saved = if table.starts_with("assets") {
            "WHERE sha256 IS NOT NULL"
        } else {
            ""
        };
        let rows = scene.home().texts(&format!(
            "SELECT rowid || ' ' || {id} FROM {table} {saved} ORDER BY rowid"
        ));
        assert!(!rows.is_empty(), "{table} has rows");
        // The first, one in the middle, and the last.
        let some = [0, rows.len() / 2, rows.len() - 1].map(|index| &rows[index]);
        for (column, kind) in columns(&scene, table) {
            for change in changes(&column, &kind) {
                for row in some {
                    let (rowid, name) = row.split_once(' ').expect("two words");
                    let sql =
                        format!("UPDATE {table} SET {column} = {change} WHERE rowid = {rowid}");
                    let report = scene.after(&sql);
                    let is_named = report
                        .findings
                        .listed
                        .iter()
                        .any(|finding| finding.version.as_ref().is_some_and(|v| v.id == name));
                    assert!(is_named, "{sql}: {:#?}", words(&report));
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 150, "{tried}");
    assert_untampered(scene.home());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_the_log_and_of_proven_runs_that_is_changed_is_named() {
    let scene = Scene::new().await;
    for (table, condition) in [
        ("leaves", "1"),
        ("runs", "root IS NOT NULL"),
        ("walks", "1"),
    ] {
        let key = if table == "walks" {
            "run_id || ' ' || scope"
        } else {
            "rowid"
        };
        let rows = scene.home().texts(&format!(
            "SELECT CAST({key} AS TEXT) FROM {table} WHERE {condition} ORDER BY 1"
        ));
        let some = [0, rows.len() / 2, rows.len() - 1].map(|index| &rows[index]);
        for (column, kind) in columns(&scene, table) {
            for change in changes(&column, &kind) {
                for row in some {
                    let sql =
                        format!("UPDATE {table} SET {column} = {change} WHERE {key} = '{row}'");
                    let report = scene.after(&sql);
                    assert!(report.findings.total() > 0, "{sql}");
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_removed_added_or_exchanged_is_named() {
    let scene = Scene::new().await;
    for (table, id) in VERSIONS {
        let saved = if table.starts_with("assets") {
            "sha256 IS NOT NULL"
        } else {
            "1"
        };
        let rows = scene.home().texts(&format!(
            "SELECT rowid || ' ' || {id} FROM {table} WHERE {saved} ORDER BY rowid"
        ));
        for row in &rows {
            let (rowid, name) = row.split_once(' ').expect("two words");
            let report = scene.after(&format!("DELETE FROM {table} WHERE rowid = {rowid}"));
            let kinds: Vec<_> = report
                .findings
                .listed
                .iter()
                .map(|finding| {
                    (
                        finding.kind,
                        finding.version.as_ref().map(|v| v.id.as_str()),
                    )
                })
                .collect();
            assert_eq!(kinds, [(TamperKind::VanishedRow, Some(name))], "{table}");
            assert!(report.findings.listed[0].run_id.is_some(), "{table}");
        }
        // The same version once more, and one that never was.
        let names: Vec<String> = scene
            .home()
            .texts(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let all = names.join(", ");
        if table.ends_with("_history") {
            let report = scene.after(&format!(
                "INSERT INTO {table} ({all}) SELECT {all} FROM {table} LIMIT 1"
            ));
            assert_eq!(
                report.findings.counts.get(&TamperKind::UnrecordedRow),
                Some(&1),
                "{table}: {:#?}",
                words(&report)
            );
        }
        let forged = all
            .split(", ")
            .map(|name| match name {
                name if name == id => format!("'forged' AS {name}"),
                name => name.to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", ");
        let report = scene.after(&format!(
            "INSERT INTO {table} ({all}) SELECT {forged} FROM {table} WHERE {saved} LIMIT 1"
        ));
        assert!(
            words(&report)
                .iter()
                .any(|word| word.starts_with("unrecorded row") && word.contains("forged")),
            "{table}: {:#?}",
            words(&report)
        );
    }
    // Two rows that exchange what they say.
    let report = scene.after(
        "CREATE TEMP TABLE two AS SELECT rowid AS n, metadata AS old,
             lag(metadata, 1, (SELECT metadata FROM media WHERE rowid = 2)) OVER (ORDER BY rowid) AS new
             FROM media WHERE rowid <= 2;
         UPDATE media SET metadata = (SELECT new FROM two WHERE n = media.rowid) WHERE rowid <= 2;",
    );
    assert_eq!(
        report.findings.counts.get(&TamperKind::ChangedRow),
        Some(&2),
        "{:#?}",
        words(&report)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_was_cut_thinned_or_made_up_is_named() {
    let scene = Scene::new().await;
    for sql in [
        "DELETE FROM leaves",
        "DELETE FROM leaves WHERE seq = 1",
        "DELETE FROM leaves WHERE seq = (SELECT max(seq) / 2 FROM leaves)",
        "DELETE FROM leaves WHERE seq = (SELECT max(seq) FROM leaves)",
        "DELETE FROM leaves WHERE seq > (SELECT max(seq) / 2 FROM leaves)",
        "UPDATE leaves SET seq = -seq WHERE seq = 1",
        // A removal that no `prune` did: of nothing, and of what is there.
        "INSERT INTO leaves (deed, kind, scope, id, valid_from)
         SELECT 'removed', kind, scope, id, valid_from FROM leaves WHERE id IN (SELECT id FROM media) LIMIT 1",
        "DELETE FROM walks WHERE run_id = (SELECT max(id) FROM runs)",
        "INSERT INTO walks SELECT run_id, 'contents/forged', pages, total_count, unique_ids, duplicates, restarts,
             max_token_age_ms, verdict, detail, started_at, finished_at FROM walks LIMIT 1",
        "DELETE FROM runs WHERE id = (SELECT min(id) FROM runs)",
        "DELETE FROM runs WHERE id = (SELECT max(id) - 1 FROM runs)",
        "UPDATE runs SET root = NULL WHERE id = (SELECT max(id) FROM runs)",
        "UPDATE runs SET root = NULL WHERE id = (SELECT min(id) FROM runs)",
    ] {
        let report = scene.after(sql);
        assert!(report.findings.total() > 0, "{sql}");
    }
}

/// With a SQLite tool, and by its rules: the triggers write history.
#[tokio::test(flavor = "multi_thread")]
async fn an_edit_with_a_sqlite_tool_is_named_also_after_later_runs() {
    let scene = Scene::new().await;
    let edit = |sql: &str| {
        let conn = Connection::open(scene.home().database()).expect("it opens");
        conn.execute_batch(sql).expect(sql);
    };
    let media = scene
        .home()
        .texts("SELECT id FROM media WHERE deleted_at IS NULL ORDER BY id");
    let (edited, removed) = (&media[0], &media[1]);
    edit(&format!(
        "UPDATE media SET metadata = json_set(metadata, '$.alt', 'forged'),
             valid_from = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = '{edited}';
         DELETE FROM media WHERE id = '{removed}';"
    ));
    let expected = |n: usize| {
        let report = tampered_rows(scene.home(), None);
        let mut found: Vec<_> = report
            .findings
            .listed
            .iter()
            .map(|f| (f.version.as_ref().expect("a version").id.clone(), f.kind))
            .collect();
        found.sort();
        let mut all = vec![
            (edited.clone(), TamperKind::UnrecordedRow),
            (removed.clone(), TamperKind::ChangedEnd),
        ];
        all.sort();
        assert_eq!(found, all, "after {n} runs: {:#?}", words(&report));
    };
    expected(0);
    // The next runs put right what the service says otherwise; the forged version is history by then.
    for n in 1..3 {
        scene.home().sync(&scene.world.sim).await.expect_complete();
        expected(n);
    }
}
