//! Versions as they were, and the ways by which they are read.

use super::{Sandbox, at, content_id, endpoint, media_id, medium};
use crate::model::{AssetStep, MediumStep, State, Thing, ThingKind, Timestamp, Why};
use crate::store::Wanted;
use crate::store::tests::timeline::{Model, apply, edit};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

const FIRST: i64 = 1_700_000_100_000;

fn things() -> Vec<Thing> {
    ["a", "b", "c"]
        .into_iter()
        .flat_map(|id| {
            [
                Thing::Content(endpoint("blog"), content_id(id)),
                Thing::Medium(media_id(id)),
                Thing::File(media_id(id)),
            ]
        })
        .collect()
}

fn wanted(since: i64, until: i64) -> Wanted {
    Wanted {
        kinds: ThingKind::ALL.to_vec(),
        endpoint: None,
        things: None,
        since: Timestamp::from_unix_millis(since),
        until: Timestamp::from_unix_millis(until),
    }
}

fn changed(home: &Sandbox, wanted: &Wanted) -> Vec<Thing> {
    let mut found = Vec::new();
    home.store
        .changed_things(wanted, |thing| {
            found.push(thing);
            Ok(ControlFlow::Continue(()))
        })
        .unwrap();
    found
}

fn batch(home: &Sandbox, sql: &str) {
    home.store
        .read("test", |conn| conn.execute_batch(sql))
        .unwrap();
}

fn plan(home: &Sandbox, sql: &str) -> String {
    let bound = [":endpoint", ":id", ":at"]
        .iter()
        .fold(sql.to_owned(), |sql, name| sql.replace(name, "'x'"));
    let steps: Vec<String> = home
        .store
        .read("test", |conn| {
            conn.prepare(&format!("EXPLAIN QUERY PLAN {bound}"))?
                .query_map([], |row| row.get("detail"))?
                .collect()
        })
        .unwrap();
    steps.join("\n")
}

fn text(state: &State) -> String {
    match state {
        State::Content(content) => format!("{} {:?}", content.metadata, content.published),
        State::Medium(medium) => medium.metadata.clone(),
        State::File(file) => format!("{:?}", file.sha256),
        State::Api(api) => api.name.clone(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is the same as of two times, by the timelines that the README shows, may be told as changed in
    /// between; what is not the same must be.
    #[test]
    fn what_differs_between_two_times_is_among_what_changed(
        edits in prop::collection::vec((edit(), 1_i64..4), 1..30), a in 0_i64..60, b in 0_i64..60,
    ) {
        let mut home = Sandbox::new();
        let mut model = Model::default();
        let mut millis = FIRST;
        for (edit, pause) in &edits {
            apply(&mut home, &mut model, edit, Timestamp::from_unix_millis(millis));
            millis += pause;
        }
        let (t1, t2) = (FIRST + a.min(b), FIRST + a.max(b));
        let as_of = |thing: &Thing, at: i64| {
            let version = home.store.version_at(thing, Timestamp::from_unix_millis(at)).unwrap();
            version.and_then(crate::model::Version::live).map(|version| text(&version.state))
        };
        let told: BTreeSet<Thing> = changed(&home, &wanted(t1 + 1, t2)).into_iter().collect();
        for thing in things() {
            if as_of(&thing, t1) != as_of(&thing, t2) {
                let told_as = match &thing {
                    Thing::File(id) => Thing::Medium(id.clone()),
                    Thing::Api(_) | Thing::Content(..) | Thing::Medium(_) => thing.clone(),
                };
                prop_assert!(told.contains(&told_as), "{thing:?}");
            }
        }
        // The versions told are the rows that there are, each once, the newest first.
        let mut versions = BTreeMap::<Thing, Vec<Timestamp>>::new();
        let all = Wanted { things: Some(things()), ..wanted(0, i64::MAX) };
        home.store.versions(&all, u64::MAX, |thing, began| {
            versions.entry(thing).or_default().push(began);
            Ok(ControlFlow::Continue(()))
        }).unwrap();
        for (thing, began) in &versions {
            prop_assert!(began.is_sorted_by(|a, b| a > b));
            for pair in began.windows(2) {
                let before = home.store.version_before(thing, pair[0]).unwrap().unwrap();
                prop_assert_eq!((before.valid_from, before.valid_to), (pair[1], Some(pair[0])));
            }
            let first = home.store.first_known(thing).unwrap();
            prop_assert_eq!(first.as_ref(), began.last());
        }
        let rows = home.ask(
            "SELECT (SELECT count(*) FROM contents) + (SELECT count(*) FROM contents_history)
                  + (SELECT count(*) FROM media) + (SELECT count(*) FROM media_history)
                  + (SELECT count(*) FROM assets WHERE sha256 IS NOT NULL) + (SELECT count(*) FROM assets_history)",
        );
        prop_assert_eq!(versions.values().map(Vec::len).sum::<usize>().to_string(), rows);
    }
}

#[test]
fn only_what_is_wanted_is_told() {
    let home = Sandbox::new();
    batch(
        &home,
        "INSERT INTO endpoints (endpoint, name, kind, valid_from) VALUES
             ('blog', 'b', 'list', '2026-01-01T00:00:00.000Z'), ('news', 'n', 'list', '2026-01-01T00:00:00.000Z');
         INSERT INTO contents (endpoint, id, valid_from, metadata) VALUES
             ('blog', 'x', '2026-01-01T00:00:00.000Z', '{}'), ('news', 'x', '2026-01-02T00:00:00.000Z', '{}');
         INSERT INTO media (id, file_name, valid_from, metadata) VALUES
             ('x', 'x.png', '2026-01-03T00:00:00.000Z', '{}');",
    );
    let content = |api| Thing::Content(endpoint(api), content_id("x"));
    let far = |mut wanted: Wanted, change: &dyn Fn(&mut Wanted)| {
        change(&mut wanted);
        changed(&home, &wanted)
    };
    let all = wanted(0, i64::MAX);
    assert_eq!(changed(&home, &all).len(), 5);
    let of_news = far(all.clone(), &|w| w.endpoint = Some(endpoint("news")));
    assert_eq!(of_news, [Thing::Api(endpoint("news")), content("news")]);
    let media = far(all.clone(), &|w| w.kinds = vec![ThingKind::Medium]);
    assert_eq!(media, [Thing::Medium(media_id("x"))]);
    let one = far(all.clone(), &|w| w.things = Some(vec![content("blog")]));
    assert_eq!(one, [content("blog")]);
    let none = far(all.clone(), &|w| w.kinds = Vec::new());
    assert_eq!(none, []);
    let day = Timestamp::parse("2026-01-02T00:00:00.000Z").unwrap();
    let of_a_day = far(all, &|w| (w.since, w.until) = (day, day));
    assert_eq!(of_a_day, [content("news")]);
    assert!(home.store.last_change().unwrap() > Some(day));
}

/// Whatever old statistics make the planner believe, a version is found by its key.
#[test]
fn a_version_is_never_looked_for_row_by_row() {
    let home = Sandbox::new();
    batch(
        &home,
        "ANALYZE; INSERT INTO sqlite_stat1 VALUES ('contents_history', 'contents_history_by_id', '1 1 1 1');
         ANALYZE sqlite_schema;",
    );
    for kind in ThingKind::ALL {
        for sql in crate::store::past::lookups(kind) {
            let plan = plan(&home, &sql);
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
        }
    }
}

#[test]
fn a_description_with_half_an_emoji_has_a_history_that_is_told() {
    let mut home = Sandbox::new();
    for (second, alt) in [(1, r"cut \ud83d"), (2, r"\ude00 mended")] {
        let medium = medium(
            "m",
            "https://a.example/m.png",
            &format!(r#","alt":"{alt}""#),
        );
        let step = MediumStep::Record {
            medium,
            asset: AssetStep::Fetch(Why::New),
        };
        home.store.record_media(&[step], at(second)).unwrap();
    }
    let thing = Thing::Medium(media_id("m"));
    for (second, words) in [(1, "cut \u{fffd}"), (2, "\u{fffd} mended")] {
        let version = home.store.version_at(&thing, at(second)).unwrap().unwrap();
        let State::Medium(medium) = version.state else {
            panic!("not a medium");
        };
        let (_, alt) = medium
            .facts
            .iter()
            .find(|(name, _)| *name == "alt")
            .unwrap();
        assert_eq!(alt.replace("\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}"), words);
    }
}
