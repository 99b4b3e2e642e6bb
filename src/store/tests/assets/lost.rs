//! Files that were lost here, and those whose medium was deleted.

use super::super::{Sandbox, at, media_id};
use super::{failed, list, owed, saved};
use crate::model::report::Holdings;
use crate::model::{AssetStep, Cutoffs, MediumStep, Why};
use crate::store::{LostBytes, SavedAsset};

#[test]
fn a_lost_file_is_not_taken_for_merely_described_anew() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    let lost = MediumStep::Asset {
        id: media_id("a"),
        asset: AssetStep::Fetch(Why::Missing),
    };
    home.store
        .record_media(std::slice::from_ref(&lost), at(3))
        .unwrap();
    let before = home.written();
    home.store.record_media(&[lost], at(4)).unwrap();
    assert_eq!(home.written(), before);
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Described), 5);
    assert_eq!(home.ask("SELECT why FROM assets"), "missing");

    // Lost here and deleted there: nobody has it any more, and nothing says otherwise.
    home.store.retire_media(&[media_id("a")], at(6)).unwrap();
    assert_eq!(home.ask("SELECT state || why FROM assets"), "gonemissing");
    assert!(home.store.saved_assets(0, 9).unwrap()[0].gone.is_some());
    list(&mut home, "a", 3, AssetStep::Keep, 7);
    assert_eq!(home.ask("SELECT state || why FROM assets"), "owedmissing");
}

#[test]
fn a_deleted_medium_keeps_its_saved_file() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 3);
    list(&mut home, "b", 1, AssetStep::Fetch(Why::New), 3);
    let late = owed(&home, 3);
    home.store
        .retire_media(&[media_id("a"), media_id("b")], at(4))
        .unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(state) FROM assets"),
        "saved,gone"
    );
    let path = "images.microcms-assets.io/assets/x/logo.png".to_owned();
    let kept = SavedAsset {
        row: 1,
        media_id: media_id("a"),
        path,
        bytes: 10,
        gone: None,
    };
    assert_eq!(home.store.saved_assets(0, 9).unwrap(), [kept]);
    let holdings = home.store.holdings(at(5)).unwrap();
    assert_eq!(
        holdings,
        Holdings {
            endpoints: 0,
            contents: 0,
            media: 0,
            files: 1,
            bytes: 10
        }
    );

    // A failure of the dead is nobody's business; bytes that came through are kept.
    home.store
        .record_assets(&[failed(&late[0]), failed(&late[1])], at(5))
        .unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(state) FROM assets"),
        "saved,gone"
    );
    home.store
        .record_assets(&[saved(&late[1], "cc", None)], at(6))
        .unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(state) FROM assets"),
        "saved,saved"
    );
}

#[test]
fn a_second_look_at_a_deleted_medium_counts_for_nothing_if_it_fails() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", Some(at(3)))], at(2))
        .unwrap();
    let late = owed(&home, 3);
    home.store.retire_media(&[media_id("a")], at(4)).unwrap();
    home.store
        .record_assets(&[failed(&late[0])], at(5))
        .unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "saved");
    assert!(owed(&home, 99).is_empty());
}

#[test]
fn what_is_accepted_as_lost_is_silent_until_it_is_found_or_no_version_names_it() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    home.store.retire_media(&[media_id("a")], at(3)).unwrap();
    let lost = home.store.asset_counts(at(4)).unwrap().lost;
    assert_eq!(lost, 0);
    home.store
        .record_lost(&[(media_id("a"), Why::Missing)], at(4))
        .unwrap();
    assert_eq!(home.store.asset_counts(at(4)).unwrap().lost, 1);
    let bytes = |sha256: &str, file| LostBytes {
        sha256: sha256.to_owned(),
        file,
    };
    let accepted = [
        bytes("aa", Some((media_id("a"), Why::Missing))),
        bytes("bb", None),
    ];
    for second in [5, 6] {
        home.store.accept_losses(&accepted, at(second)).unwrap();
        assert_eq!(home.store.asset_counts(at(second)).unwrap().lost, 0);
    }
    let listed = "SELECT group_concat(sha256 || accepted_at) FROM accepted_losses";
    let both = format!("aa{},bb{}", at(5), at(5));
    assert_eq!(home.ask(listed), both);
    // No version names the one; the other is back.
    let prune = home
        .store
        .begin_prune("p", Cutoffs::default(), at(7))
        .unwrap();
    home.store.finish_prune(prune, at(7)).unwrap();
    assert_eq!(home.ask(listed), format!("aa{}", at(5)));
    home.store.record_found(&[media_id("a")]).unwrap();
    assert_eq!(home.ask("SELECT count(*) FROM accepted_losses"), "0");
    assert_eq!(home.ask("SELECT state FROM assets"), "saved");
}

#[test]
fn a_lost_file_is_owed_while_its_medium_lives_and_gone_when_it_does_not() {
    let mut home = Sandbox::new();
    for (n, id) in ["a", "b"].into_iter().enumerate() {
        list(&mut home, id, 1, AssetStep::Fetch(Why::New), 1);
        let outcome = saved(&owed(&home, 1)[0], &format!("{n}{n}"), None);
        home.store.record_assets(&[outcome], at(2)).unwrap();
    }
    home.store.retire_media(&[media_id("b")], at(3)).unwrap();
    let lost = [
        (media_id("a"), Why::Missing),
        (media_id("b"), Why::Damaged),
        (media_id("c"), Why::Missing),
    ];
    assert_eq!(home.store.record_lost(&lost, at(4)).unwrap(), 1);
    let counts = home.store.asset_counts(at(9)).unwrap();
    assert_eq!(counts.owed, 1);
    assert_eq!(owed(&home, 5)[0].row.why, Some(Why::Missing));
    // Said twice is said once.
    assert_eq!(home.store.record_lost(&lost, at(5)).unwrap(), 0);
    // Once fetched it is saved, and a stale report of its loss does no harm beyond a second look.
    let outcome = saved(&owed(&home, 5)[0], "00", None);
    home.store.record_assets(&[outcome], at(6)).unwrap();
    assert_eq!(
        home.ask("SELECT count(*) FROM assets WHERE state = 'saved'"),
        "1"
    );
}
