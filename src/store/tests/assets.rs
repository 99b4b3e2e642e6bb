//! What is recorded of a file: saved, owed or failed, and its versions.

mod lost;
mod paths;

use super::{Sandbox, at, media_id, medium};
use crate::model::{AssetOutcome, AssetState, AssetStep, MediumStep, OwedAsset, Timestamp, Why};
use crate::store::AssetTotals;

const URL: &str = "https://images.microcms-assets.io/assets/x/logo.png";

fn list(home: &mut Sandbox, id: &str, version: u32, step: AssetStep, seconds: i64) {
    let medium = medium(id, URL, &format!(r#","updatedAt":"{version}""#));
    home.store
        .record_media(
            &[MediumStep::Record {
                medium,
                asset: step,
            }],
            at(seconds),
        )
        .unwrap();
}

fn owed(home: &Sandbox, seconds: i64) -> Vec<OwedAsset> {
    home.store
        .owed_assets(None, 100, false, at(seconds))
        .unwrap()
}

fn saved(owed: &OwedAsset, sha256: &str, recheck_at: Option<Timestamp>) -> AssetOutcome {
    AssetOutcome::Saved {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        url: owed.listed_url.clone(),
        path: "images.microcms-assets.io/assets/x/logo.png".to_owned(),
        bytes: 10,
        sha256: sha256.to_owned(),
        content_type: Some("image/png".to_owned()),
        etag: Some(format!("\"{sha256}\"")),
        last_modified: None,
        recheck_at,
        rechecks: u32::from(recheck_at.is_some()),
    }
}

fn unchanged(owed: &OwedAsset) -> AssetOutcome {
    AssetOutcome::Unchanged {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        etag: None,
        last_modified: Some("yesterday".to_owned()),
        is_checked: true,
        recheck_at: None,
        rechecks: 1,
    }
}

fn failed(owed: &OwedAsset) -> AssetOutcome {
    AssetOutcome::Failed {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        why: owed.row.why.unwrap(),
        error: "503".to_owned(),
        is_attempt: true,
        stays_owed: false,
        next_attempt_at: None,
        announced_bytes: None,
    }
}

#[test]
fn the_first_bytes_fill_the_row_and_new_ones_begin_a_version() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    let question = owed(&home, 1);
    assert_eq!(question[0].listed_url, URL);
    home.store
        .record_assets(&[saved(&question[0], "aa", None)], at(2))
        .unwrap();
    assert_eq!(
        home.ask("SELECT state || ' ' || valid_from FROM assets"),
        format!("saved {}", at(1))
    );
    assert_eq!(home.ask("SELECT count(*) FROM assets_history"), "0");
    assert!(owed(&home, 99).is_empty());

    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 3);
    let question = owed(&home, 3);
    let row = &question[0].row;
    assert_eq!((row.state, row.why), (AssetState::Owed, Some(Why::Changed)));
    assert_eq!(
        row.sha256.as_deref(),
        Some("aa"),
        "the row still describes what the mirror holds"
    );
    assert_eq!(row.etag.as_deref(), Some("\"aa\""));

    home.store
        .record_assets(&[saved(&question[0], "bb", None)], at(4))
        .unwrap();
    assert_eq!(
        home.ask("SELECT sha256 || ' ' || valid_from FROM assets"),
        format!("bb {}", at(4))
    );
    assert_eq!(home.ask("SELECT group_concat(sha256 || ' ' || valid_from || ' ' || valid_to) FROM assets_history"), format!("aa {} {}", at(1), at(4)));
}

/// A second look at a saved file fails in the very millisecond in which a page is recorded: what the page asks is a question
/// that nobody has tried.
#[test]
fn a_look_in_vain_is_no_answer_to_a_change_of_the_same_millisecond() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", Some(at(2)))], at(1))
        .unwrap();
    let look = owed(&home, 2);
    assert_eq!(
        (look[0].row.why, look[0].owed_at),
        (Some(Why::Recheck), None)
    );
    let id = look[0].media_id.clone();
    assert_eq!(
        home.store
            .record_assets(&[failed(&look[0])], at(3))
            .unwrap(),
        [id],
        "it is owed by the look itself"
    );

    let question = owed(&home, 4);
    home.store
        .record_assets(&[saved(&question[0], "aa", Some(at(5)))], at(4))
        .unwrap();
    let look = owed(&home, 5);
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 6);
    let in_vain = home
        .store
        .record_assets(&[failed(&look[0])], at(6))
        .unwrap();
    assert!(in_vain.is_empty(), "{in_vain:?}");
    assert_eq!(
        home.ask("SELECT state || ' ' || why || ' ' || attempts FROM assets"),
        "owed changed 0"
    );
}

#[test]
fn the_same_bytes_again_are_no_version() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[saved(&owed(&home, 1)[0], "aa", None)], at(2))
        .unwrap();
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 3);
    home.store
        .record_assets(&[saved(&owed(&home, 3)[0], "aa", Some(at(50)))], at(4))
        .unwrap();
    assert_eq!(
        home.ask("SELECT valid_from || fetched_at || recheck_at FROM assets"),
        format!("{}{}{}", at(1), at(4), at(50))
    );
    assert_eq!(home.ask("SELECT count(*) FROM assets_history"), "0");

    // The second look is due at its time and not before.
    assert!(owed(&home, 49).is_empty());
    let question = owed(&home, 50);
    assert_eq!(
        (question[0].row.why, question[0].row.state),
        (Some(Why::Recheck), AssetState::Saved)
    );
    home.store
        .record_assets(&[unchanged(&question[0])], at(51))
        .unwrap();
    assert!(owed(&home, 999).is_empty());
    assert_eq!(
        home.ask("SELECT etag || last_modified || rechecks || checked_at FROM assets"),
        format!("\"aa\"yesterday1{}", at(51))
    );
}

#[test]
fn a_failure_keeps_the_saved_version_and_is_tried_again() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[failed(&owed(&home, 1)[0])], at(2))
        .unwrap();
    home.store
        .record_assets(&[failed(&owed(&home, 2)[0])], at(3))
        .unwrap();
    let question = owed(&home, 3);
    assert_eq!(
        (question[0].row.state, question[0].row.attempts),
        (AssetState::Failed, 2)
    );
    // The same reason goes on counting, another begins anew.
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 4);
    assert_eq!(owed(&home, 4)[0].row.attempts, 2);
    home.store
        .record_assets(&[saved(&question[0], "aa", Some(at(10)))], at(5))
        .unwrap();

    let question = owed(&home, 10);
    home.store
        .record_assets(&[failed(&question[0])], at(10))
        .unwrap();
    assert_eq!(
        home.ask("SELECT state || why || attempts || sha256 FROM assets"),
        "failedrecheck1aa"
    );
    assert_eq!(
        home.store.asset_counts(at(9)).unwrap(),
        AssetTotals {
            held: 1,
            held_bytes: 10,
            owed: 0,
            failed: 1,
            ..AssetTotals::default()
        }
    );
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 11);
    assert_eq!(
        home.ask("SELECT state || why || attempts || ifnull(last_error, '-') FROM assets"),
        "owedchanged0-"
    );
}

#[test]
fn what_a_clock_that_stood_wrong_put_off_is_due() {
    let mut home = Sandbox::new();
    for id in ["a", "b"] {
        list(&mut home, id, 1, AssetStep::Fetch(Why::New), 1);
    }
    let both = owed(&home, 1);
    home.store
        .record_assets(&[saved(&both[0], "aa", None), failed(&both[1])], at(2))
        .unwrap();
    let two_days = 2 * 24 * 60 * 60;
    for (ahead, due) in [(60, 0), (two_days, 0), (two_days + 1, 2)] {
        let time = at(3 + ahead);
        home.store
            .write("test", |tx| {
                tx.execute(
                    "UPDATE assets SET recheck_at = iif(media_id = 'a', ?1, NULL),
                         next_attempt_at = iif(media_id = 'b', ?1, NULL)",
                    [time],
                )
            })
            .unwrap();
        assert_eq!(owed(&home, 3).len(), due, "{ahead} s");
        let waiting = home.store.asset_counts(at(3)).unwrap().waiting;
        assert_eq!(waiting, u64::from(due == 0));
        let next = Some(if due == 0 { time } else { at(3) });
        let state = home.store.backup_state(&[], at(3)).unwrap();
        assert_eq!(state.files.next_attempt_at, next, "{ahead} s");
        assert_eq!(state.failed[0].next_attempt_at, next, "{ahead} s");
    }
}

#[test]
fn bytes_that_a_change_overtook_are_recorded_and_the_file_stays_owed() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    let stale = owed(&home, 1);
    list(&mut home, "a", 2, AssetStep::Fetch(Why::Changed), 1);
    home.store
        .record_assets(&[failed(&stale[0])], at(2))
        .unwrap();
    assert_eq!(home.ask("SELECT state || attempts FROM assets"), "owed0");
    home.store
        .record_assets(&[saved(&stale[0], "aa", None)], at(2))
        .unwrap();
    assert_eq!(
        home.ask("SELECT state || ' ' || why || ' ' || sha256 FROM assets"),
        "owed changed aa"
    );
    home.store
        .record_assets(&[unchanged(&stale[0])], at(3))
        .unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "owed");
    home.store
        .record_assets(&[unchanged(&owed(&home, 3)[0])], at(4))
        .unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "saved");
}

#[test]
fn everything_live_can_be_asked_for_again() {
    let mut home = Sandbox::new();
    for id in ["a", "b", "dead"] {
        list(&mut home, id, 1, AssetStep::Fetch(Why::New), 1);
    }
    let outcomes: Vec<_> = owed(&home, 1)
        .iter()
        .map(|owed| saved(owed, "aa", None))
        .collect();
    home.store.record_assets(&outcomes, at(2)).unwrap();
    home.store.retire_media(&[media_id("dead")], at(3)).unwrap();
    assert_eq!(home.store.revalidate_all(at(4)).unwrap(), 2);
    let question = owed(&home, 4);
    assert_eq!(
        question.iter().map(|owed| owed.row.why).collect::<Vec<_>>(),
        [Some(Why::Asked); 2]
    );
    assert_eq!(
        home.store
            .owed_assets(Some(question[0].number), 9, false, at(4))
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        home.store.owed_assets(None, 1, false, at(4)).unwrap().len(),
        1
    );
    let answers: Vec<_> = question.iter().map(unchanged).collect();
    home.store.record_assets(&answers, at(5)).unwrap();
    assert_eq!(
        home.store.asset_counts(at(9)).unwrap(),
        AssetTotals {
            held: 3,
            held_bytes: 30,
            owed: 0,
            failed: 0,
            ..AssetTotals::default()
        }
    );
}

#[test]
fn files_are_asked_for_in_the_order_of_the_listing_whatever_state_they_are_in() {
    let mut home = Sandbox::new();
    for id in ["e", "b", "d", "a", "c"] {
        list(&mut home, id, 1, AssetStep::Fetch(Why::New), 1);
    }
    let of =
        |owed: &[OwedAsset]| -> String { owed.iter().map(|owed| owed.media_id.as_str()).collect() };
    let all = owed(&home, 1);
    assert_eq!(of(&all), "ebdac");
    let outcomes = [
        failed(&all[1]),
        saved(&all[2], "dd", Some(at(2))),
        saved(&all[3], "aa", None),
    ];
    home.store.record_assets(&outcomes, at(2)).unwrap();
    assert_eq!(of(&owed(&home, 9_999)), "ebdc");
    // In pages: each begins behind the one before.
    let mut told = String::new();
    let mut after = None;
    loop {
        let page = home.store.owed_assets(after, 2, true, at(3)).unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.number);
        told += &of(&page);
        told.push(' ');
    }
    assert_eq!(told, "eb dc ");
}

#[test]
fn unchanged_bytes_cannot_settle_a_file_that_was_never_saved() {
    let mut home = Sandbox::new();
    list(&mut home, "a", 1, AssetStep::Fetch(Why::New), 1);
    home.store
        .record_assets(&[unchanged(&owed(&home, 1)[0])], at(2))
        .unwrap();
    assert_eq!(home.ask("SELECT state FROM assets"), "owed");
}
