//! The look for monitors, against rows made by hand.

use super::{Sandbox, at, endpoint, medium};
use crate::model::Endpoint;
use crate::model::condition::{Condition, FileCondition, Rows};
use crate::model::report::HostTransfer;
use crate::model::{AssetStep, MediumStep, Outcome, Scope, WalkRecord, WalkVerdict, Why};
use crate::store::{RunEnd, RunId};

fn end(outcome: Outcome) -> RunEnd {
    RunEnd::of_nothing(outcome, 0)
}

/// A run of ten seconds.
fn run(home: &mut Sandbox, trigger: &str, outcome: Outcome, began: i64) -> RunId {
    let store = &mut home.store;
    let id = store.begin_run(trigger, "test", at(began)).unwrap();
    store.finish_run(id, &end(outcome), at(began + 10)).unwrap();
    id
}

fn walk(home: &mut Sandbox, run: RunId, scope: Scope, verdict: WalkVerdict, began: i64) {
    let record = WalkRecord {
        verdict,
        max_token_age_ms: Some(900),
        restarts: 2,
        ..WalkRecord::interrupted(scope, 7, at(began), at(began + 3))
    };
    home.store.record_walk(run, &record).unwrap();
}

fn look(home: &Sandbox, configured: &[Endpoint]) -> Condition {
    home.store.condition(configured, at(1_000)).unwrap()
}

#[test]
fn an_empty_database_has_an_empty_condition() {
    let home = Sandbox::new();
    let found = look(&home, &[]);
    assert!(found.database_bytes > 0);
    assert_eq!(found.walks.len(), 1, "media, whatever happens");
    let empty = Condition {
        database_bytes: found.database_bytes,
        verify: None,
        walks: found.walks.clone(),
        ..Condition::default()
    };
    assert_eq!(found, empty);
}

#[test]
fn a_run_of_a_part_is_no_complete_one_unless_nothing_else_is_wanted() {
    let mut home = Sandbox::new();
    let part = ", all media and the contents of blog only";
    run(&mut home, "schedule", Outcome::Complete, 0);
    run(&mut home, "command, media only", Outcome::Complete, 100);
    run(
        &mut home,
        &format!("schedule{part}"),
        Outcome::Complete,
        200,
    );
    run(&mut home, "schedule", Outcome::Partial, 300);
    let began = |configured: &[Endpoint]| look(&home, configured).last_complete.unwrap().started_at;
    assert_eq!(began(&[]), at(0));
    let blog_alone = [endpoint("blog")];
    assert_eq!(began(&blog_alone), at(200));
    let last = look(&home, &blog_alone).last_run.unwrap();
    assert_eq!((last.outcome, last.started_at), (Outcome::Partial, at(300)));
    assert_eq!((last.finished_at, last.exit_code), (Some(at(310)), Some(0)));
    let counted = look(&home, &blog_alone).runs;
    assert_eq!(counted, [(Outcome::Complete, 3), (Outcome::Partial, 1)]);
}

#[test]
fn a_run_under_way_is_not_the_last_one() {
    let mut home = Sandbox::new();
    run(&mut home, "schedule", Outcome::Failed, 0);
    home.store.begin_run("schedule", "test", at(100)).unwrap();
    let last = look(&home, &[]).last_run.unwrap();
    assert_eq!(last.outcome, Outcome::Failed);
    assert_eq!(look(&home, &[]).last_complete, None);
}

#[test]
fn each_scope_has_its_last_walk_and_its_last_proof() {
    let mut home = Sandbox::new();
    let first = run(&mut home, "schedule", Outcome::Complete, 0);
    walk(&mut home, first, Scope::Media, WalkVerdict::Proven, 1);
    let second = run(&mut home, "schedule", Outcome::Partial, 100);
    walk(&mut home, second, Scope::Media, WalkVerdict::Unproven, 101);
    let wanted = [endpoint("blog")];
    let walks = look(&home, &wanted).walks;
    assert_eq!(walks[0].scope, "media");
    assert_eq!(walks[0].proven_at, Some(at(1)));
    let last = walks[0].last.unwrap();
    assert_eq!(
        (last.verdict, last.started_at),
        (WalkVerdict::Unproven, at(101))
    );
    assert_eq!(
        (last.pages, last.restarts, last.max_token_age_ms),
        (7, 2, Some(900))
    );
    assert_eq!(walks[1].scope, "contents/blog");
    assert_eq!((walks[1].proven_at, walks[1].last), (None, None));
}

#[test]
fn bodies_count_where_the_configuration_does_not_leave_their_api_out() {
    let mut home = Sandbox::new();
    let owed = "INSERT INTO owed_bodies (endpoint, id, side, state, owed_at)
        VALUES ('blog', 'a', 'draft', 'owed', '1'), ('blog', 'a', 'published', 'refused', '1'),
            ('news', 'b', 'published', 'refused', '1')";
    let written = home.store.write("test", |tx| tx.execute_batch(owed));
    written.unwrap();
    let bodies = |configured: &[Endpoint]| {
        let found = look(&home, configured);
        (found.bodies_owed, found.bodies_refused)
    };
    assert_eq!(bodies(&[]), (1, 2));
    assert_eq!(bodies(&[endpoint("blog"), endpoint("new")]), (1, 1));
    assert_eq!(bodies(&[endpoint("news")]), (0, 1));
}

#[test]
fn files_rows_and_transfer_are_summed_up() {
    let mut home = Sandbox::new();
    let step = MediumStep::Record {
        medium: medium("a", "https://a.example/a.png", ""),
        asset: AssetStep::Fetch(Why::New),
    };
    home.store.record_media(&[step], at(0)).unwrap();
    let host = |requests, bytes| HostTransfer {
        host: "a.example".to_owned(),
        requests,
        bytes,
    };
    let run = home.store.begin_run("test", "test", at(0)).unwrap();
    for month in ["2023-10", &at(1_000).month()] {
        home.store
            .record_transfer(run, month, &[host(2, 50)], &[])
            .unwrap();
    }
    let found = look(&home, &[]);
    assert_eq!(
        found.media,
        Rows {
            live: 1,
            deleted: 0
        }
    );
    let files = FileCondition {
        owed: 1,
        ..FileCondition::default()
    };
    assert_eq!(found.files, files);
    assert_eq!(found.transfer, [host(4, 100)]);
    assert_eq!(found.transfer_this_month, [host(2, 50)]);
}
