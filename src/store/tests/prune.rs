//! Which rows retention removes, and which it leaves.

mod bodies;
mod files;

use super::{Sandbox, at, content, content_id, endpoint, media_id, medium};
use crate::model::{
    AssetOutcome, AssetStep, BodyStep, ContentStep, Cutoffs, EndpointKind, MediumStep, PrunedRows,
    PrunedTables, Scope, Why,
};
use crate::store::{EndpointFacts, PruneId, PruneStep};
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

/// A deletion takes nothing's place: what there was last can be shown for as long as the thing is kept.
#[test]
fn the_last_version_before_a_deletion_stays_as_long_as_what_was_deleted() {
    let mut home = Sandbox::new();
    describe(&mut home, "blog", "Old", 1);
    describe(&mut home, "blog", "Blog", 2);
    for (n, seconds) in [(1, 1), (2, 2)] {
        write(&mut home, "blog", "a", &n.to_string(), seconds);
        save(&mut home, "m", n, "sha", seconds);
    }
    home.store
        .retire_endpoint(&endpoint("blog"), at(10))
        .unwrap();
    home.store.retire_media(&[media_id("m")], at(10)).unwrap();
    let rows = pruned(&mut home, cutoffs(Some(9_000), None));
    assert_eq!(rows.deleted(), 0);
    for table in ["endpoints", "contents", "media"] {
        let left = format!("SELECT count(*) || ' ' || min(valid_from) FROM {table}_history");
        assert_eq!(home.ask(&left), format!("1 {}", at(2)), "{table}");
    }
    let rows = pruned(&mut home, cutoffs(Some(9_000), Some(9_000)));
    assert_eq!(rows.deleted(), 3);
    for table in ["endpoints", "contents", "media"] {
        let left = format!("SELECT count(*) FROM {table}_history");
        assert_eq!(home.ask(&left), "0", "{table}");
    }
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
    assert_eq!(pruned(&mut home, all), PrunedTables::default());
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
