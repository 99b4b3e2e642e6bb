use super::{Sandbox, at, media_id, medium};
use crate::model::{AssetState, AssetStep, ListedMedium, MediumStep, Scope, Why};
use crate::store::Recorded;

fn step(medium: ListedMedium, asset: AssetStep) -> MediumStep {
    MediumStep::Record { medium, asset }
}

const URL: &str = "https://images.microcms-assets.io/assets/x/logo.png";

#[test]
fn a_medium_is_known_with_its_file_and_not_written_twice() {
    let mut home = Sandbox::new();
    let page = [
        step(medium("a", URL, ""), AssetStep::Fetch(Why::New)),
        MediumStep::Keep,
    ];
    let first = home.store.record_media(&page, at(1)).unwrap();
    assert_eq!(
        first,
        Recorded {
            new: 1,
            changed: 0,
            returned: 0
        }
    );
    let known = home
        .store
        .load_media(&[media_id("a"), media_id("never-seen")])
        .unwrap();
    assert_eq!(known.len(), 1);
    let asset = known[&media_id("a")].asset.as_ref().unwrap();
    assert_eq!(
        (asset.state, asset.why, asset.url.as_str()),
        (AssetState::Owed, Some(Why::New), URL)
    );

    let before = home.written();
    assert_eq!(
        home.store.record_media(&page, at(2)).unwrap(),
        Recorded::default()
    );
    assert_eq!(home.written(), before);
}

#[test]
fn the_history_holds_each_superseded_version_once() {
    let mut home = Sandbox::new();
    for (n, alt) in (1..).zip(["one", "two", "three"]) {
        let listed = medium("a", URL, &format!(r#","alt":"{alt}""#));
        home.store
            .record_media(&[step(listed, AssetStep::Fetch(Why::Described))], at(n))
            .unwrap();
    }
    assert_eq!(home.ask("SELECT alt FROM media"), "three");
    assert_eq!(
        home.ask(
            "SELECT group_concat(alt) FROM (SELECT alt FROM media_history ORDER BY valid_from)"
        ),
        "one,two"
    );
    assert_eq!(home.ask("SELECT count(*) FROM assets_history"), "0");
}

#[test]
fn hostile_metadata_is_kept_verbatim_and_read_as_far_as_it_makes_sense() {
    let mut home = Sandbox::new();
    let cases = [
        (r#","width":"1200""#, "NULL"),
        (r#","width":99999999999999999999999"#, "NULL"),
        (r#","width":1.5"#, "NULL"),
        (r#","width":null"#, "NULL"),
        (r#","width":-3"#, "-3"),
        (r#","width":1200"#, "1200"),
    ];
    for (n, (more, width)) in cases.into_iter().enumerate() {
        let listed = medium(
            &format!("m{n}"),
            URL,
            &format!(r#"{more},"height":7,"alt":5,"tags":"x""#),
        );
        let metadata = listed.metadata.clone();
        home.store
            .record_media(&[step(listed, AssetStep::Fetch(Why::New))], at(1))
            .unwrap();
        let of = |column: &str| home.ask(&format!("SELECT {column} FROM media WHERE id = 'm{n}'"));
        assert_eq!(
            (of("width").as_str(), of("height").as_str()),
            (width, "7"),
            "{more}"
        );
        assert_eq!((of("alt").as_str(), of("tags").as_str()), ("5", "\"x\""));
        assert_eq!(of("metadata"), metadata);
    }
    let dimensions: Vec<_> = home
        .store
        .owed_assets(None, 9, false, at(1))
        .unwrap()
        .iter()
        .map(|owed| owed.has_dimensions)
        .collect();
    assert_eq!(dimensions, [false, false, false, false, true, true]);

    let mut deep = medium("deep", URL, "");
    deep.metadata = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let page = [
        step(medium("fine", URL, ""), AssetStep::Keep),
        step(deep, AssetStep::Keep),
    ];
    assert!(home.store.record_media(&page, at(2)).is_err());
    assert_eq!(
        home.ask("SELECT count(*) FROM media WHERE id = 'fine'"),
        "0"
    );
}

#[test]
fn a_medium_never_stays_without_a_row_for_its_file() {
    let mut home = Sandbox::new();
    home.store
        .record_media(&[step(medium("a", URL, ""), AssetStep::Keep)], at(1))
        .unwrap();
    assert_eq!(
        home.ask("SELECT state || ' ' || why FROM assets"),
        "owed new"
    );
}

#[test]
fn a_deleted_medium_owes_nothing_and_owes_again_when_it_returns() {
    let mut home = Sandbox::new();
    home.store
        .record_media(
            &[step(medium("a", URL, ""), AssetStep::Fetch(Why::New))],
            at(1),
        )
        .unwrap();
    assert_eq!(
        home.store
            .retire_media(&[media_id("a"), media_id("never-seen")], at(2))
            .unwrap(),
        1
    );
    assert_eq!(home.ask("SELECT state FROM assets"), "gone");
    assert!(
        home.store
            .owed_assets(None, 9, false, at(3))
            .unwrap()
            .is_empty()
    );
    let before = home.written();
    assert_eq!(home.store.retire_media(&[media_id("a")], at(3)).unwrap(), 0);
    assert_eq!(home.written(), before);
    // Nothing makes a dead medium owe.
    let ask = [MediumStep::Asset {
        id: media_id("a"),
        asset: AssetStep::Fetch(Why::Missing),
    }];
    home.store.record_media(&ask, at(3)).unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "gone");

    let back = home
        .store
        .record_media(&[step(medium("a", URL, ""), AssetStep::Keep)], at(4))
        .unwrap();
    assert_eq!(
        back,
        Recorded {
            new: 0,
            changed: 0,
            returned: 1
        }
    );
    assert_eq!(
        home.ask("SELECT state || ' ' || why FROM assets"),
        "owed new"
    );
    assert_eq!(home.ask("SELECT count(*) FROM media_timeline"), "2");
}

#[test]
fn absences_count_once_per_run_and_are_forgotten_when_seen_again() {
    let mut home = Sandbox::new();
    let page: Vec<_> = ["a", "b", "c"]
        .iter()
        .map(|id| step(medium(id, URL, ""), AssetStep::Keep))
        .collect();
    home.store.record_media(&page, at(1)).unwrap();
    let absent = home.store.absent_media(None, &|id| id == "b").unwrap();
    assert_eq!(
        (absent.live, &absent.missing),
        (3, &vec![media_id("a"), media_id("c")])
    );
    for (recorded, missing) in [(3, 0), (2, 2)] {
        let absent = home
            .store
            .absent_media(Some(recorded), &|id| id == "b")
            .unwrap();
        assert_eq!(
            (absent.live, absent.missing.len()),
            (3, missing),
            "{recorded}"
        );
    }

    let sight = |home: &mut Sandbox, run, missing: &[&str], confirmed| {
        let sightings = home
            .store
            .sight_absences(&Scope::Media, run, missing, confirmed, at(2))
            .unwrap();
        sightings
            .iter()
            .map(|s| format!("{} {} {}", s.id, s.proven_walks, s.is_confirmed))
            .collect::<Vec<_>>()
    };
    let run = home.store.begin_run("test", "test", at(2)).unwrap();
    assert_eq!(
        sight(&mut home, run, &["c", "a"], false),
        ["a 1 false", "c 1 false"]
    );
    let before = home.written();
    assert_eq!(
        sight(&mut home, run, &["c", "a"], false),
        ["a 1 false", "c 1 false"]
    );
    assert_eq!(home.written(), before, "once per run");

    let run = home.store.begin_run("test", "test", at(3)).unwrap();
    assert_eq!(sight(&mut home, run, &["a"], true), ["a 2 true"]);
    let run = home.store.begin_run("test", "test", at(4)).unwrap();
    assert_eq!(
        sight(&mut home, run, &["a", "c"], false),
        ["a 3 true", "c 1 false"]
    );

    home.store.retire_media(&[media_id("a")], at(5)).unwrap();
    assert_eq!(home.ask("SELECT group_concat(id) FROM absences"), "c");
    assert_eq!(sight(&mut home, run, &[], false), Vec::<String>::new());
}
