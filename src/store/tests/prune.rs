//! What retention removes, what it leaves, and what it says about the files.

use super::timeline::{self, Edit, Model, as_of, breaks, edit};
use super::{Sandbox, at, content, content_id, endpoint, media_id, medium};
use crate::model::{
    AssetOutcome, AssetStep, BodyStep, Claims, ContentStep, Cutoffs, DoomedFile, EndpointKind,
    MediumStep, PrunedFiles, PrunedRows, PrunedTables, Scope, Timestamp, Why,
};
use crate::store::{DoomedCursor, EndpointFacts, PruneId, PruneStep};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn cutoffs(superseded: Option<i64>, deleted: Option<i64>) -> Cutoffs {
    Cutoffs {
        superseded_before: superseded.map(at),
        deleted_before: deleted.map(at),
    }
}

/// Removes all rows, and returns what was counted while they went.
fn prune(home: &mut Sandbox, cutoffs: Cutoffs) -> (PruneId, PrunedTables) {
    let id = home.store.begin_prune("test", cutoffs, at(9_000)).unwrap();
    let mut rows = PrunedTables::default();
    for step in PruneStep::ALL {
        let mut after = Some(0);
        while let Some(from) = after {
            let batch = home
                .store
                .prune_rows(id, step, from, cutoffs, at(9_001))
                .unwrap();
            rows.add(batch.rows);
            after = batch.next;
        }
    }
    home.store.finish_prune(id, at(9_002)).unwrap();
    (id, rows)
}

/// Removes all rows, with the counts told before and while it happens being the same.
fn pruned(home: &mut Sandbox, cutoffs: Cutoffs) -> PrunedTables {
    let expected = home.store.count_doomed_rows(cutoffs).unwrap();
    let (_, rows) = prune(home, cutoffs);
    assert_eq!(rows, expected);
    assert_eq!(
        home.store.count_doomed_rows(cutoffs).unwrap(),
        PrunedTables::default()
    );
    rows
}

fn list(home: &mut Sandbox, id: &str, version: u32, asset: AssetStep, seconds: i64) {
    let url = format!("https://host/{id}.png");
    let medium = medium(id, &url, &format!(r#","updatedAt":"{version}""#));
    home.store
        .record_media(&[MediumStep::Record { medium, asset }], at(seconds))
        .unwrap();
}

/// Lists a medium anew and saves these bytes for it.
fn save(home: &mut Sandbox, id: &str, version: u32, sha256: &str, seconds: i64) {
    list(home, id, version, AssetStep::Fetch(Why::Changed), seconds);
    let owed = home
        .store
        .owed_assets(None, 100, false, at(seconds))
        .unwrap();
    let owed = owed
        .iter()
        .find(|owed| owed.media_id.as_str() == id)
        .unwrap();
    let outcome = AssetOutcome::Saved {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        url: owed.listed_url.clone(),
        path: format!("host/{id}.png"),
        bytes: 1,
        sha256: sha256.to_owned(),
        content_type: None,
        etag: None,
        last_modified: None,
        recheck_at: None,
        rechecks: 0,
    };
    home.store.record_assets(&[outcome], at(seconds)).unwrap();
}

fn write(home: &mut Sandbox, api: &str, id: &str, text: &str, seconds: i64) {
    let step = ContentStep::Record {
        content: content(id, "PUBLISH", text),
        published: BodyStep::Clear,
        draft: BodyStep::Clear,
    };
    home.store
        .record_contents(&endpoint(api), &[step], at(seconds))
        .unwrap();
}

fn describe(home: &mut Sandbox, api: &str, name: &str, seconds: i64) {
    let facts = EndpointFacts {
        endpoint: endpoint(api),
        name: name.to_owned(),
        kind: EndpointKind::List,
        schema: Some("{}".to_owned()),
    };
    home.store.record_endpoints(&[facts], at(seconds)).unwrap();
}

/// The queue: digest and path of each.
fn queue(home: &Sandbox) -> BTreeSet<(String, Option<String>)> {
    let queued = home.store.doomed_files(0, 1_000).unwrap();
    let doomed: BTreeSet<_> = queued
        .iter()
        .map(|file| (file.sha256.clone(), file.path.clone()))
        .collect();
    assert_eq!(doomed.len(), queued.len(), "each is there once");
    doomed
}

fn doomed(sha256: &str, path: Option<&str>) -> (String, Option<String>) {
    (sha256.to_owned(), path.map(str::to_owned))
}

#[test]
fn only_versions_that_were_superseded_before_the_cutoff_go() {
    let mut home = Sandbox::new();
    describe(&mut home, "blog", "Blog", 1);
    describe(&mut home, "blog", "The blog", 10);
    describe(&mut home, "blog", "Our blog", 20);
    for (n, seconds) in [(1, 1), (2, 10), (3, 20)] {
        write(&mut home, "blog", "a", &n.to_string(), seconds);
        save(&mut home, "m", n, &format!("sha{n}"), seconds);
    }
    let rows = |versions| PrunedRows {
        versions,
        deleted: 0,
    };
    assert_eq!(
        pruned(&mut home, cutoffs(None, Some(9_000))),
        PrunedTables::default(),
        "nothing was deleted upstream"
    );
    // Superseded at the very cutoff is not before it.
    assert_eq!(
        pruned(&mut home, cutoffs(Some(10), None)),
        PrunedTables::default()
    );
    let one_each = PrunedTables {
        endpoints: rows(1),
        contents: rows(1),
        media: rows(1),
        assets: rows(1),
    };
    assert_eq!(pruned(&mut home, cutoffs(Some(11), None)), one_each);
    assert_eq!(queue(&home), [doomed("sha1", None)].into());
    assert_eq!(pruned(&mut home, cutoffs(Some(21), None)), one_each);
    assert_eq!(
        queue(&home),
        [doomed("sha1", None), doomed("sha2", None)].into()
    );
    assert_eq!(
        home.ask(
            "SELECT (SELECT count(*) FROM endpoints) || (SELECT count(*) FROM contents)
                 || (SELECT count(*) FROM media) || (SELECT sha256 FROM assets)"
        ),
        "111sha3",
        "what is current stays"
    );
}

#[test]
fn what_was_deleted_goes_with_its_history_and_nothing_else_does() {
    let mut home = Sandbox::new();
    for api in ["blog", "news"] {
        describe(&mut home, api, api, 1);
        for id in ["a", "b"] {
            write(&mut home, api, id, "1", 1);
            write(&mut home, api, id, "2", 2);
        }
    }
    for id in ["gone", "live", "young"] {
        save(&mut home, id, 1, &format!("{id}1"), 1);
        save(&mut home, id, 2, &format!("{id}2"), 2);
    }
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(10))
        .unwrap();
    home.store
        .retire_endpoint(&endpoint("news"), at(10))
        .unwrap();
    home.store
        .retire_media(&[media_id("gone")], at(10))
        .unwrap();
    home.store
        .retire_media(&[media_id("young")], at(100))
        .unwrap();

    let rows = |versions, deleted| PrunedRows { versions, deleted };
    let expected = PrunedTables {
        endpoints: rows(1, 1),
        contents: rows(6, 3),
        media: rows(2, 1),
        assets: rows(1, 1),
    };
    assert_eq!(pruned(&mut home, cutoffs(None, Some(11))), expected);
    assert_eq!(
        queue(&home),
        [
            doomed("gone2", Some("host/gone.png")),
            doomed("gone1", None)
        ]
        .into()
    );
    let left = home.ask(
        "SELECT group_concat(what, ' ') FROM (
             SELECT endpoint AS what FROM endpoints UNION ALL SELECT endpoint FROM endpoints_history
             UNION ALL SELECT endpoint || '/' || id FROM contents
             UNION ALL SELECT endpoint || '/' || id || '+' FROM contents_history
             UNION ALL SELECT id FROM media UNION ALL SELECT id || '+' FROM media_history
             UNION ALL SELECT sha256 FROM assets UNION ALL SELECT sha256 || '+' FROM assets_history
             ORDER BY 1)",
    );
    assert_eq!(
        left,
        "blog blog/b blog/b+ live live+ live1+ live2 young young+ young+ young1+ young2"
    );
    assert_eq!(
        home.ask("SELECT versions || ' ' || deleted || ' ' || finished_at FROM prunes"),
        format!("10 5 {}", at(9_002))
    );
}

#[test]
fn what_is_owed_failed_or_still_explains_something_is_never_touched() {
    let mut home = Sandbox::new();
    describe(&mut home, "blog", "Blog", 1);
    write(&mut home, "blog", "a", "1", 1);
    save(&mut home, "m", 1, "sha", 1);
    home.store
        .retire_endpoint(&endpoint("blog"), at(10))
        .unwrap();
    home.store.retire_media(&[media_id("m")], at(10)).unwrap();
    // None of this happens by itself: a row that contradicts itself is not removed.
    for odd in [
        "INSERT INTO owed_bodies (endpoint, id, side, owed_at) VALUES ('blog', 'a', 'draft', 'x')",
        "UPDATE assets SET state = 'owed', why = 'new'",
    ] {
        home.store
            .write("test", |tx| tx.execute(odd, []).map(drop))
            .unwrap();
    }
    let all = cutoffs(Some(9_000), Some(9_000));
    // The versions that were live until the deletion were superseded by it.
    let rows = pruned(&mut home, all);
    assert_eq!((rows.versions(), rows.deleted()), (3, 0));
    home.store
        .write("test", |tx| {
            tx.execute("UPDATE assets SET state = 'failed'", [])
                .map(drop)
        })
        .unwrap();
    assert_eq!(pruned(&mut home, all), PrunedTables::default());
    assert_eq!(
        home.ask("SELECT (SELECT count(*) FROM endpoints) || (SELECT count(*) FROM contents)"),
        "11",
        "the API's schema explains its content"
    );
    home.store
        .write("test", |tx| {
            tx.execute("DELETE FROM owed_bodies", [])?;
            tx.execute("UPDATE assets SET state = 'gone'", []).map(drop)
        })
        .unwrap();
    assert_eq!(pruned(&mut home, all).deleted(), 3);
}

#[test]
fn a_thing_that_returned_is_live() {
    let mut home = Sandbox::new();
    write(&mut home, "blog", "a", "1", 1);
    save(&mut home, "m", 1, "sha1", 1);
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(10))
        .unwrap();
    home.store.retire_media(&[media_id("m")], at(10)).unwrap();
    write(&mut home, "blog", "a", "1", 20);
    save(&mut home, "m", 1, "sha1", 20);
    assert_eq!(
        pruned(&mut home, cutoffs(None, Some(9_000))),
        PrunedTables::default()
    );
    // Each of the two was once live and once deleted before what it is now.
    let rows = pruned(&mut home, cutoffs(Some(9_000), Some(9_000)));
    assert_eq!((rows.contents.versions, rows.media.versions), (2, 2));
    assert_eq!(rows.deleted(), 0);
}

#[test]
fn absences_of_what_went_are_forgotten() {
    let mut home = Sandbox::new();
    write(&mut home, "blog", "a", "1", 1);
    write(&mut home, "blog", "b", "1", 1);
    let run = home.store.begin_run("test", "test", at(2)).unwrap();
    let scope = Scope::Contents(endpoint("blog"));
    home.store
        .sight_absences(&scope, run, &["a", "b"], false, at(3))
        .unwrap();
    // A whole API is marked without a look at what was absent from it.
    describe(&mut home, "blog", "Blog", 4);
    home.store
        .retire_endpoint(&endpoint("blog"), at(5))
        .unwrap();
    write(&mut home, "blog", "b", "2", 6);
    assert_eq!(
        pruned(&mut home, cutoffs(None, Some(7))).contents.deleted,
        1
    );
    assert_eq!(home.ask("SELECT group_concat(id) FROM absences"), "b");
}

#[test]
fn many_rows_go_in_bounded_batches() {
    let mut home = Sandbox::new();
    for n in 0..250 {
        let id = format!("c{n}");
        for version in 0..4 {
            write(&mut home, "blog", &id, &version.to_string(), version);
        }
        if n % 2 == 0 {
            home.store
                .retire_contents(&endpoint("blog"), &[content_id(&id)], at(10))
                .unwrap();
        }
    }
    let both = cutoffs(Some(11), Some(11));
    let id = home.store.begin_prune("test", both, at(20)).unwrap();
    let batch = home
        .store
        .prune_rows(id, PruneStep::ContentVersions, 0, both, at(20))
        .unwrap();
    assert_eq!(batch.rows.contents.versions, 500);
    let batch = home
        .store
        .prune_rows(id, PruneStep::DeletedContents, 0, both, at(20))
        .unwrap();
    assert_eq!(batch.rows.contents.deleted, 100);
    let rows = pruned(&mut home, both);
    assert_eq!(rows.contents.deleted, 25);
    assert_eq!(
        home.ask("SELECT count(*) FROM contents_history"),
        "0",
        "also those that removing wrote"
    );
    assert_eq!(home.ask("SELECT count(*) FROM contents"), "125");
}

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
