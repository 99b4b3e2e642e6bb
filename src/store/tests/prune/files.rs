//! What retention says about the files: the queue of those that go, and what a preview tells of it.

use super::super::timeline::{self, Edit, Model, as_of, breaks, edit};
use super::super::{Sandbox, at, media_id};
use super::{cutoffs, prune, pruned, save};
use crate::model::{Claims, Cutoffs, DoomedFile, PrunedFiles, Timestamp};
use crate::store::DoomedCursor;
use proptest::prelude::*;
use std::collections::BTreeSet;

/// The claims on bytes once their row has gone, as the queue tells them.
fn claims(home: &Sandbox, sha256: &str, path: Option<&str>) -> Claims {
    let queued = home.store.doomed_files(0, 1_000).unwrap();
    let file = queued
        .into_iter()
        .find(|file| (file.sha256.as_str(), file.path.as_deref()) == (sha256, path))
        .unwrap();
    file.claims
}

#[test]
fn the_queue_tells_which_rows_still_need_the_bytes() {
    let mut home = Sandbox::new();
    // Two media with the same bytes, one of them with a younger version; a third one took the path.
    save(&mut home, "a", 1, "same", 1);
    save(&mut home, "b", 1, "same", 1);
    home.store.retire_media(&[media_id("a")], at(10)).unwrap();
    pruned(&mut home, cutoffs(None, Some(11)));
    let path = Some("host/a.png");
    assert_eq!(
        claims(&home, "same", path),
        Claims {
            has_history: false,
            current_paths: vec!["host/b.png".to_owned()],
            is_path_owned: false
        }
    );
    save(&mut home, "b", 2, "other", 20);
    assert_eq!(
        claims(&home, "same", path),
        Claims {
            has_history: true,
            ..Claims::default()
        }
    );
    // The medium returned.
    save(&mut home, "a", 3, "third", 21);
    assert!(claims(&home, "same", path).is_path_owned);
    pruned(&mut home, cutoffs(Some(30), None));
    assert!(!claims(&home, "same", path).need_bytes());
    assert_eq!(claims(&home, "same", None), Claims::default());
    for n in 0..9 {
        save(&mut home, &format!("copy{n}"), 1, "same", 40);
    }
    assert_eq!(
        claims(&home, "same", None).current_paths.len(),
        4,
        "a few are enough"
    );
}

#[test]
fn a_file_leaves_the_queue_with_its_count() {
    let mut home = Sandbox::new();
    save(&mut home, "a", 1, "one", 1);
    save(&mut home, "a", 2, "two", 2);
    let (id, _) = prune(&mut home, cutoffs(Some(3), None));
    let queued = home.store.doomed_files(0, 10).unwrap();
    assert_eq!(home.store.doomed_files(queued[0].id, 10).unwrap(), []);
    let files = PrunedFiles {
        archive: 1,
        bytes: 7,
        ..PrunedFiles::default()
    };
    home.store
        .forget_doomed_files(id, &[queued[0].id], files)
        .unwrap();
    assert_eq!(home.store.count_doomed_files().unwrap(), 0);
    assert_eq!(home.ask("SELECT files || ' ' || bytes FROM prunes"), "1 7");
    // Numbers are not given out twice: "behind this one" stays true while the queue empties.
    save(&mut home, "a", 3, "three", 4);
    prune(&mut home, cutoffs(Some(5), None));
    assert!(home.store.doomed_files(0, 10).unwrap()[0].id > queued[0].id);
}

#[test]
fn sqlite_finds_what_a_preview_asks_for_by_indexes_and_in_order() {
    let home = Sandbox::new();
    for (what, sql) in [
        (
            "who has these bytes",
            "SELECT path FROM assets AS a WHERE substr(a.sha256, 1, 12) = substr('x', 1, 12)
             AND a.sha256 = 'x' AND a.sha256 IS NOT NULL",
        ),
        (
            "files of deleted media",
            "SELECT a.rowid FROM assets AS a CROSS JOIN media AS m ON m.id = a.media_id
             WHERE a.sha256 IS NOT NULL AND substr(a.sha256, 1, 12) >= substr('', 1, 12)
                 AND (a.sha256, a.rowid) > ('', 0) AND m.deleted_at < 'x'
             ORDER BY substr(a.sha256, 1, 12), a.sha256, a.rowid LIMIT 9",
        ),
        (
            "archived bytes",
            "SELECT sha256 FROM assets_history WHERE sha256 > ''
             UNION SELECT sha256 FROM (
                 SELECT DISTINCT a.sha256 FROM assets AS a
                 WHERE a.sha256 IS NOT NULL AND substr(a.sha256, 1, 12) >= substr('', 1, 12) AND a.sha256 > ''
                 ORDER BY substr(a.sha256, 1, 12), a.sha256 LIMIT 9)
             UNION SELECT sha256 FROM doomed_files WHERE sha256 > '' ORDER BY 1 LIMIT 9",
        ),
    ] {
        let plan: Vec<String> = home
            .store
            .read("test", |conn| {
                conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?
                    .query_map([], |row| row.get(3))?
                    .collect()
            })
            .unwrap();
        // What is sorted are the rows of one beginning of a digest, and the few of one answer.
        let is_small = |step: &str| {
            step.starts_with("SCAN (subquery")
                || step.contains("OF ORDER BY")
                || what == "archived bytes" && step.contains("B-TREE")
        };
        let is_slow = plan.iter().any(|step| {
            (step.starts_with("SCAN") || step.contains("B-TREE")) && !is_small(step)
        });
        assert!(!is_slow, "{what}: {plan:#?}");
    }
}

/// All that a preview tells about files: those of the mirror, then the archived ones.
fn previews(home: &Sandbox, cutoffs: Cutoffs) -> (Vec<DoomedFile>, Vec<DoomedFile>) {
    let (mut mirror, mut archive) = (Vec::new(), Vec::new());
    let mut after = DoomedCursor::default();
    loop {
        let (files, next) = home.store.preview_mirror(&after, 2, cutoffs).unwrap();
        if files.is_empty() {
            break;
        }
        mirror.extend(files);
        after = next;
    }
    loop {
        let after = archive
            .last()
            .map_or("", |file: &DoomedFile| file.sha256.as_str());
        let files = home.store.preview_archive(after, 2, cutoffs).unwrap();
        if files.is_empty() {
            break;
        }
        archive.extend(files);
    }
    (mirror, archive)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened and whatever the setting: the counts told before are those that go, the time
    /// that is left reads as before, what is live stays, and the previews tell of the very files that are
    /// then in the queue, with the claims that are then true.
    #[test]
    fn what_is_left_reads_as_before_and_the_preview_told_what_went(
        edits in prop::collection::vec((edit(), 1_i64..4), 1..60),
        superseded in prop::option::of(0_i64..120),
        deleted in prop::option::of(0_i64..120),
    ) {
        let first = 1_700_000_100_000_i64;
        let instant = Timestamp::from_unix_millis;
        let mut home = Sandbox::new();
        let mut model = Model::default();
        let mut millis = first;
        for (edit, pause) in &edits {
            timeline::apply(&mut home, &mut model, edit, instant(millis));
            millis += pause;
        }
        // The sequences of edits always end with nobody owing anything.
        timeline::apply(&mut home, &mut model, &Edit::Save { bytes: 9 }, instant(millis));
        let cutoffs = Cutoffs {
            superseded_before: superseded.map(|n| instant(first + n)),
            deleted_before: deleted.map(|n| instant(first + n)),
        };
        let live = "SELECT group_concat(id || valid_from || metadata) FROM (
                SELECT id, valid_from, metadata FROM contents WHERE deleted_at IS NULL
                UNION ALL SELECT id, valid_from, metadata FROM media WHERE deleted_at IS NULL ORDER BY 1, 2)";
        let live_before = home.ask(live);
        let told = previews(&home, cutoffs);
        let from = superseded.max(deleted).map_or(first, |n| first + n);
        let before: Vec<_> = (from..millis + 9).map(|t| as_of(&home, instant(t))).collect();

        pruned(&mut home, cutoffs);

        prop_assert_eq!(breaks(&home), "0");
        prop_assert_eq!(home.ask(live), live_before);
        let media = home.ask("SELECT ifnull(group_concat(id), '') FROM media");
        for (t, mut then) in (from..millis + 9).zip(before) {
            // Files of deleted media are in their timeline for as long as the medium is known.
            then.retain(|(what, _)| what.strip_prefix("file ").is_none_or(|id| media.contains(id)));
            prop_assert_eq!(as_of(&home, instant(t)), then, "at {}", t - first);
        }
        let queued = home.store.doomed_files(0, 1_000).unwrap();
        let strip = |file: &DoomedFile| (file.sha256.clone(), file.path.clone(), file.claims.clone());
        let mut in_mirror: Vec<_> = queued.iter().filter(|file| file.path.is_some()).map(strip).collect();
        in_mirror.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        let mut told_mirror: Vec<_> = told.0.iter().map(strip).collect();
        told_mirror.sort_by(|a, b| (&a.0, &a.1).cmp(&(&b.0, &b.1)));
        prop_assert_eq!(told_mirror, in_mirror);
        let digests: BTreeSet<_> = queued.iter().map(|file| file.sha256.clone()).collect();
        let told_digests: Vec<_> = told.1.iter().map(|file| file.sha256.clone()).collect();
        prop_assert_eq!(told_digests, digests.into_iter().collect::<Vec<_>>());
        for file in &told.1 {
            let queued = queued.iter().find(|queued| queued.sha256 == file.sha256).unwrap();
            prop_assert_eq!(file.claims.has_history, queued.claims.has_history);
            prop_assert_eq!(&file.claims.current_paths, &queued.claims.current_paths);
        }
    }
}
