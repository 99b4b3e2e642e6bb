//! What is recorded so that nothing is paid for twice.

use super::{Sandbox, at, media_id, medium};
use crate::model::report::HostTransfer;
use crate::model::{
    AssetOutcome, AssetStep, HostTraits, MediumStep, OwedAsset, PartialFile, Standing, Timestamp,
    Why,
};

const URL: &str = "https://old.example/assets/x/logo.png";
const MOVED: &str = "https://new.example/assets/x/logo.png";

fn list(home: &mut Sandbox, id: &str, url: &str, why: Why, seconds: i64) {
    let medium = medium(id, url, &format!(r#","n":{seconds}"#));
    let step = MediumStep::Record {
        medium,
        asset: AssetStep::Fetch(why),
    };
    home.store.record_media(&[step], at(seconds)).unwrap();
}

fn due(home: &Sandbox, seconds: i64) -> Vec<OwedAsset> {
    home.store
        .owed_assets(None, 100, false, at(seconds))
        .unwrap()
}

fn saved(owed: &OwedAsset) -> AssetOutcome {
    AssetOutcome::Saved {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        url: owed.listed_url.clone(),
        path: format!("old.example/assets/{}/logo.png", owed.media_id),
        bytes: 10,
        sha256: "aa".to_owned(),
        content_type: None,
        etag: None,
        last_modified: None,
        recheck_at: None,
        rechecks: 0,
    }
}

fn moved(owed: &OwedAsset) -> AssetOutcome {
    AssetOutcome::Moved {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        url: owed.listed_url.clone(),
        path: "new.example/assets/x/logo.png".to_owned(),
        is_checked: false,
        recheck_at: None,
        rechecks: 0,
    }
}

fn failed(owed: &OwedAsset, next_attempt_at: Option<Timestamp>) -> AssetOutcome {
    AssetOutcome::Failed {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        why: Why::New,
        error: "404".to_owned(),
        is_attempt: true,
        stays_owed: false,
        next_attempt_at,
        announced_bytes: None,
    }
}

fn with_saved(ids: &[&str]) -> Sandbox {
    let mut home = Sandbox::new();
    for id in ids {
        list(&mut home, id, URL, Why::New, 1);
    }
    let outcomes: Vec<_> = due(&home, 1).iter().map(saved).collect();
    home.store.record_assets(&outcomes, at(2)).unwrap();
    home
}

#[test]
fn a_move_begins_a_version_that_keeps_the_bytes_and_their_check() {
    let mut home = with_saved(&["a"]);
    list(&mut home, "a", MOVED, Why::Moved, 3);
    let question = due(&home, 3);
    assert_eq!(question[0].row.why, Some(Why::Moved));
    home.store
        .record_assets(&[moved(&question[0])], at(4))
        .unwrap();
    assert_eq!(
        home.ask("SELECT url || path || state || sha256 || checked_at || fetched_at FROM assets"),
        format!(
            "{MOVED}new.example/assets/x/logo.pngsavedaa{}{}",
            at(2),
            at(2)
        )
    );
    // Which bytes an URL had at a time is one plain clause.
    for (url, time, answer) in [
        (URL, 3, "aa"),
        (MOVED, 5, "aa"),
        (URL, 5, ""),
        (MOVED, 3, ""),
    ] {
        let t = at(time);
        assert_eq!(
            home.ask(&format!(
                "SELECT ifnull(max(sha256), '') FROM assets_timeline WHERE url = '{url}'
                     AND valid_from <= '{t}' AND (valid_to IS NULL OR '{t}' < valid_to)"
            )),
            answer,
            "{url} at {time}"
        );
    }
    let before = home.written();
    home.store
        .record_assets(&[moved(&question[0])], at(5))
        .unwrap();
    assert_eq!(home.ask("SELECT count(*) FROM assets_history"), "1");
    assert!(home.written() <= before + 1, "no second version");
}

#[test]
fn a_medium_that_changed_while_its_file_moved_stays_owed() {
    let mut home = with_saved(&["a"]);
    list(&mut home, "a", MOVED, Why::Moved, 3);
    let question = due(&home, 3);
    list(&mut home, "a", MOVED, Why::Changed, 4);
    home.store
        .record_assets(&[moved(&question[0])], at(5))
        .unwrap();
    let again = due(&home, 5);
    assert_eq!(again[0].row.why, Some(Why::Changed));
    assert_eq!(again[0].row.url, MOVED, "the file is there all the same");
}

#[test]
fn a_weaker_reason_never_takes_the_place_of_a_stronger_one() {
    let mut home = with_saved(&["a"]);
    list(&mut home, "a", URL, Why::Changed, 3);
    list(&mut home, "a", MOVED, Why::Moved, 4);
    assert_eq!(due(&home, 4)[0].row.why, Some(Why::Changed));
    list(&mut home, "a", MOVED, Why::Described, 5);
    assert_eq!(due(&home, 5)[0].row.why, Some(Why::Changed));
}

#[test]
fn a_lost_file_tells_whether_its_medium_changed_since_it_was_checked() {
    let mut home = with_saved(&["a"]);
    let lost = [(media_id("a"), Why::Missing)];
    home.store.record_lost(&lost, at(5)).unwrap();
    assert!(due(&home, 5)[0].is_as_checked);
    assert!(!due(&home, 1)[0].is_as_checked, "the clock went back");
    list(&mut home, "a", URL, Why::Described, 6);
    let question = &due(&home, 6)[0];
    assert_eq!(
        (question.row.why, question.is_as_checked),
        (Some(Why::Missing), false)
    );
}

#[test]
fn a_failed_file_waits_for_its_next_attempt_unless_somebody_is_impatient() {
    let mut home = Sandbox::new();
    list(&mut home, "a", URL, Why::New, 1);
    let question = due(&home, 1);
    home.store
        .record_assets(&[failed(&question[0], Some(at(100)))], at(2))
        .unwrap();
    assert!(due(&home, 99).is_empty());
    assert_eq!(due(&home, 100).len(), 1);
    assert_eq!(
        home.store.owed_assets(None, 9, true, at(3)).unwrap().len(),
        1
    );
    let totals = home.store.asset_counts(at(50)).unwrap();
    assert_eq!((totals.failed, totals.waiting), (1, 1));
    assert_eq!(home.store.asset_counts(at(100)).unwrap().waiting, 0);
    let listed = home.store.failed_assets(9).unwrap();
    assert_eq!(
        (
            listed[0].attempts,
            listed[0].failed_at,
            listed[0].next_attempt_at
        ),
        (1, Some(at(2)), Some(at(100)))
    );
    // A changed medium is asked for at once, and counts from the start.
    list(&mut home, "a", URL, Why::New, 10);
    let question = due(&home, 10);
    assert_eq!(question[0].row.attempts, 0);
}

#[test]
fn what_was_withheld_stays_owed_with_its_length_until_the_medium_changes() {
    let mut home = Sandbox::new();
    list(&mut home, "a", URL, Why::New, 1);
    let withheld = |owed: &OwedAsset, announced_bytes| AssetOutcome::Withheld {
        media_id: owed.media_id.clone(),
        owed_at: owed.owed_at,
        is_owed: true,
        announced_bytes,
    };
    let question = due(&home, 1);
    for announced in [Some(77), None] {
        home.store
            .record_assets(&[withheld(&question[0], announced)], at(2))
            .unwrap();
        assert_eq!(due(&home, 2)[0].row.announced_bytes, Some(77));
    }
    assert_eq!(home.store.asset_counts(at(2)).unwrap().owed_bytes, 77);
    list(&mut home, "a", URL, Why::New, 3);
    assert_eq!(due(&home, 3)[0].row.announced_bytes, None);
}

#[test]
fn looks_are_planned_for_old_checks_of_live_media_and_once() {
    let mut home = with_saved(&["a", "b", "c"]);
    home.store.retire_media(&[media_id("c")], at(3)).unwrap();
    let before = home.written();
    assert_eq!(home.store.plan_looks(at(2), at(10)).unwrap(), 0);
    assert_eq!(
        home.written(),
        before,
        "nothing is old enough, nothing is written"
    );
    assert_eq!(home.store.plan_looks(at(5), at(10)).unwrap(), 2);
    let question = due(&home, 10);
    assert_eq!(question.len(), 2);
    assert_eq!(question[0].row.why, Some(Why::Due));
    assert_eq!(
        home.ask("SELECT count(*) FROM assets WHERE state = 'saved'"),
        "3"
    );
    assert_eq!(home.store.plan_looks(at(5), at(11)).unwrap(), 0);
}

#[test]
fn a_check_that_a_clock_ahead_dated_into_the_future_is_none() {
    let mut home = with_saved(&["a", "b"]);
    let ahead = "UPDATE assets SET checked_at = '2099-01-01T00:00:00.000Z' WHERE media_id = 'b'";
    home.store
        .write("test", |tx| tx.execute(ahead, []).map(drop))
        .unwrap();
    assert_eq!(home.store.plan_looks(at(2), at(10)).unwrap(), 1);
    assert_eq!(due(&home, 10)[0].media_id, media_id("b"));
    assert_eq!(home.store.plan_looks(at(2), at(10)).unwrap(), 0);
}

fn partial(id: &str, bytes: u64) -> PartialFile {
    PartialFile {
        media_id: media_id(id),
        url: URL.to_owned(),
        validator: "\"v\"".to_owned(),
        bytes,
        sha256: "bb".to_owned(),
        total: Some(1_000),
        kept_at: at(3),
    }
}

#[test]
fn a_beginning_is_remembered_until_its_file_is_saved_or_wanted_no_more() {
    let mut home = Sandbox::new();
    for id in ["a", "b", "c"] {
        list(&mut home, id, URL, Why::New, 1);
        home.store.record_partial(&partial(id, 5)).unwrap();
    }
    home.store.record_partial(&partial("a", 9)).unwrap();
    assert_eq!(
        home.store.partial_of(&media_id("a")).unwrap(),
        Some(partial("a", 9))
    );
    let question = due(&home, 3);
    home.store
        .record_assets(&[saved(&question[1])], at(4))
        .unwrap();
    assert_eq!(home.store.partial_of(&media_id("b")).unwrap(), None);
    home.store.retire_media(&[media_id("c")], at(5)).unwrap();
    assert_eq!(home.store.live_partials().unwrap(), [media_id("a")]);
    assert_eq!(home.ask("SELECT count(*) FROM partials"), "1");
    let before = home.written();
    home.store.live_partials().unwrap();
    assert_eq!(home.written(), before);
    home.store.drop_partial(&media_id("a")).unwrap();
    assert_eq!(home.store.live_partials().unwrap(), []);
}

#[test]
fn what_hosts_can_do_is_written_only_when_it_is_news() {
    let mut home = Sandbox::new();
    let traits = HostTraits {
        etag: Some(Standing::Proven),
        head: Some(Standing::Absent),
        detail: Some("why".to_owned()),
        ..HostTraits::default()
    };
    let news = [("h.example".to_owned(), traits.clone())];
    home.store.record_asset_hosts(&news, at(1)).unwrap();
    let before = home.written();
    home.store.record_asset_hosts(&news, at(2)).unwrap();
    home.store.record_asset_hosts(&[], at(3)).unwrap();
    assert_eq!(home.written(), before);
    assert_eq!(
        home.store.asset_hosts().unwrap(),
        [("h.example".to_owned(), traits, at(1))]
    );
}

#[test]
fn bytes_that_come_long_after_their_request_are_booked_too() {
    let mut home = Sandbox::new();
    let run = home.store.begin_run("test", "test", at(1)).unwrap();
    let entry = |requests, bytes| HostTransfer {
        host: "h.example".to_owned(),
        requests,
        bytes,
    };
    // One long download, written down now and then while it comes.
    for fresh in [entry(1, 10), entry(0, 20), entry(0, 30)] {
        home.store
            .record_transfer(run, "2026-11", &[fresh], &[])
            .unwrap();
    }
    assert_eq!(home.store.transfer_of("2026-11").unwrap(), [entry(1, 60)]);
    let before = home.written();
    home.store
        .record_transfer(run, "2026-11", &[entry(0, 0)], &[])
        .unwrap();
    assert_eq!(home.written(), before, "nothing came, nothing is written");
}
