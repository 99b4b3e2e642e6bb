use super::{Sandbox, at};
use crate::model::report::{AssetCounts, BodyCounts, HostTransfer, ListedCounts};
use crate::model::{Outcome, Scope, WalkRecord, WalkVerdict};
use crate::store::RunEnd;

fn end(outcome: Outcome) -> RunEnd {
    let listed = |base: u64| ListedCounts {
        seen: base,
        new: base + 1,
        changed: base + 2,
        returned: base + 3,
        missing: base + 4,
        deleted: base + 5,
    };
    RunEnd {
        outcome,
        exit_code: 3,
        error: None,
        media: listed(10),
        contents: listed(20),
        bodies: BodyCounts {
            saved: 30,
            owed: 31,
            refused: 32,
        },
        assets: AssetCounts {
            saved: 40,
            unchanged: 41,
            owed: 42,
            failed: 43,
            bytes: u64::MAX,
            moved: 44,
            withheld: 45,
            ..AssetCounts::default()
        },
        requests: 50,
        recent_requests: vec![at(3), at(4)],
    }
}

#[test]
fn a_run_ends_with_its_counts_in_their_columns() {
    let mut home = Sandbox::new();
    let run = home
        .store
        .begin_run("cron", "microcms-backup 0.1.0", at(1))
        .unwrap();
    assert_eq!(home.ask("SELECT outcome FROM runs"), "running");
    home.store
        .finish_run(run, &end(Outcome::Complete), at(2))
        .unwrap();
    let row = home.ask(
        "SELECT concat_ws(' ', trigger, outcome, exit_code, media_seen, media_new, media_changed, media_returned,
             media_missing, media_deleted, contents_seen, contents_new, contents_changed, contents_returned,
             contents_missing, contents_deleted, bodies_saved, bodies_owed, bodies_refused, assets_saved,
             assets_unchanged, assets_owed, assets_failed, asset_bytes, requests) FROM runs",
    );
    assert_eq!(
        row,
        "cron complete 3 10 11 12 13 14 15 20 21 22 23 24 25 30 31 32 40 41 42 43 9223372036854775807 50"
    );
    assert_eq!(home.store.last_complete_run().unwrap(), Some(at(2)));
}

#[test]
fn a_run_that_died_is_marked_by_the_next() {
    let mut home = Sandbox::new();
    home.store.begin_run("cron", "test", at(1)).unwrap();
    let second = home.store.begin_run("cron", "test", at(2)).unwrap();
    home.store
        .finish_run(second, &end(Outcome::Partial), at(3))
        .unwrap();
    home.store.begin_run("cron", "test", at(4)).unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(outcome) FROM runs"),
        "interrupted,partial,running"
    );
    assert_eq!(
        home.ask("SELECT error FROM runs WHERE id = 1"),
        "the process died without a word"
    );
    assert_eq!(home.store.last_complete_run().unwrap(), None);
}

#[test]
fn a_walk_is_recorded_once_per_scope() {
    let mut home = Sandbox::new();
    let run = home.store.begin_run("cron", "test", at(1)).unwrap();
    let mut walk = WalkRecord {
        scope: Scope::Media,
        pages: 3,
        total_count: None,
        unique_ids: 250,
        duplicates: 0,
        restarts: 1,
        max_token_age_ms: Some(900),
        verdict: WalkVerdict::Unproven,
        detail: Some("a page was lost".to_owned()),
        started_at: at(1),
        finished_at: at(2),
    };
    home.store.record_walk(run, &walk).unwrap();
    walk.verdict = WalkVerdict::Proven;
    walk.total_count = Some(250);
    home.store.record_walk(run, &walk).unwrap();
    assert_eq!(
        home.ask(
            "SELECT group_concat(scope || verdict || total_count || max_token_age_ms) FROM walks"
        ),
        "mediaproven250900"
    );
}

#[test]
fn transfer_adds_up_by_month_and_host() {
    let mut home = Sandbox::new();
    let run = home.store.begin_run("test", "test", at(1)).unwrap();
    let host = |host: &str, requests, bytes| HostTransfer {
        host: host.to_owned(),
        requests,
        bytes,
    };
    home.store
        .record_transfer(
            run,
            "2026-11",
            &[host("a", 1, 10), host("b", 2, 20)],
            &[at(5)],
        )
        .unwrap();
    home.store
        .record_transfer(
            run,
            "2026-11",
            &[host("a", 1, 5), host("idle", 0, 0)],
            &[at(5)],
        )
        .unwrap();
    home.store
        .record_transfer(run, "2026-12", &[host("a", 9, 9)], &[at(5)])
        .unwrap();
    assert_eq!(
        home.store.transfer_of("2026-11").unwrap(),
        [host("a", 2, 15), host("b", 2, 20)]
    );
    let before = home.written();
    home.store
        .record_transfer(run, "2026-11", &[host("idle", 0, 0)], &[at(5)])
        .unwrap();
    assert_eq!(home.written(), before);
    assert_eq!(home.store.recent_requests().unwrap(), [at(5)]);
}

#[test]
fn how_the_last_run_ended_is_known_also_of_one_that_died() {
    let mut home = Sandbox::new();
    assert_eq!(home.store.last_outcome().unwrap(), None);
    for outcome in [Outcome::Complete, Outcome::Partial, Outcome::Failed] {
        let run = home.store.begin_run("cron", "program", at(1)).unwrap();
        let is_under_way = home.store.last_outcome().unwrap();
        assert_eq!(is_under_way, Some(Outcome::Interrupted));
        home.store.finish_run(run, &end(outcome), at(2)).unwrap();
        assert_eq!(home.store.last_outcome().unwrap(), Some(outcome));
    }
}
