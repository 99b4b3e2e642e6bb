//! Paths of files: whose they are, and what another one is.

use super::super::{Sandbox, at, media_id};
use super::{list, owed, saved};
use crate::model::{AssetOutcome, AssetStep, MediumStep, Why};

#[test]
fn a_path_has_an_owner() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    let path = "images.microcms-assets.io/assets/x/logo.png";
    assert_eq!(
        home.store.path_owner(path, &media_id("b")).unwrap(),
        Some(media_id("a"))
    );
    assert_eq!(home.store.path_owner(path, &media_id("a")).unwrap(), None);
    assert_eq!(
        home.store.path_owner("elsewhere", &media_id("b")).unwrap(),
        None
    );
    // The mirror lost the file: the path is still a's, to whom it comes back.
    home.store
        .record_media(
            &[MediumStep::Asset {
                id: media_id("a"),
                asset: AssetStep::Fetch(Why::Missing),
            }],
            at(3),
        )
        .unwrap();
    assert_eq!(
        home.store.path_owner(path, &media_id("b")).unwrap(),
        Some(media_id("a"))
    );
}

#[test]
fn a_file_that_gives_way_has_another_path_and_a_version_more_and_is_asked_for_as_before() {
    let mut home = Sandbox::new();
    let path = "images.microcms-assets.io/assets/x/logo.png";
    let safe = "images.microcms-assets.io/_unsafe/0123456789abcdef/logo.png";
    let aside = |home: &Sandbox| home.store.assets_aside(0, 10).unwrap();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    let holders = home.store.path_holders(path, &media_id("b")).unwrap();
    assert_eq!(
        (holders[0].media_id.as_str(), holders[0].is_deleted),
        ("a", false)
    );
    assert!(
        home.store
            .path_holders(path, &media_id("a"))
            .unwrap()
            .is_empty()
    );
    assert!(aside(&home).is_empty());
    for _again in 0..2 {
        home.store
            .record_gave_way(&media_id("a"), safe, at(3))
            .unwrap();
        assert_eq!(home.ask("SELECT path FROM assets"), safe);
        assert_eq!(home.ask("SELECT state FROM assets"), "saved");
        assert_eq!(
            home.ask("SELECT group_concat(path) FROM assets_history"),
            path
        );
    }
    // Saved aside of its place, it may go home: owed, and aside no more as long as it is.
    assert_eq!(aside(&home)[0].path, safe);
    home.store.owe_moves(&[media_id("a")], at(4)).unwrap();
    assert_eq!(owed(&home, 4)[0].row.why, Some(Why::Moved));
    assert!(aside(&home).is_empty());
    // What was deleted has no place.
    home.store.retire_media(&[media_id("a")], at(5)).unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "saved");
    assert!(aside(&home).is_empty());
}

#[test]
fn the_same_bytes_elsewhere_are_a_version() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    for (seconds, what) in [(3, "url"), (4, "path")] {
        list(
            &mut home,
            "a",
            seconds,
            AssetStep::Fetch(Why::Changed),
            seconds.into(),
        );
        let mut outcome = saved(&owed(&home, seconds.into())[0], "aa", None);
        if let AssetOutcome::Saved { url, path, .. } = &mut outcome {
            *(if what == "url" { url } else { path }) = format!("new {what}");
        }
        home.store
            .record_assets(&[outcome], at(seconds.into()))
            .unwrap();
        let count = home.ask("SELECT count(*) FROM assets_history");
        // With the path the URL goes back to the listed one, too: one replacement, one version.
        assert_eq!(count, (seconds - 2).to_string(), "{what}");
    }
}
