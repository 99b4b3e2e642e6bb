//! Clocks that go back between runs.

use super::{fields, json, told};
use crate::support::{Expect as _, Sandbox, Setup, now};
use microcms_backup::model::Timestamp;
use microcms_sim::{Edit, Sim, Status};
use std::time::Duration;

fn ahead<const SECONDS: u64>() -> Timestamp {
    now().plus(Duration::from_secs(SECONDS))
}

/// Six runs that each see another title; the clock goes back after the third.
async fn six_runs(clock: fn() -> Timestamp) -> (Sim, Sandbox) {
    let sim = Sim::builder().media(1).list_api("blog", 1).start().await;
    let home = Sandbox::new();
    let (endpoint, id) = ("blog".to_owned(), "hello".to_owned());
    for run in 1..=6 {
        let fields = Some(fields(&serde_json::json!({"title": format!("v{run}")})));
        let edit = match (run, fields) {
            (1, fields) => Edit::AddContent {
                endpoint: endpoint.clone(),
                id: Some(id.clone()),
                status: Status::Publish,
                fields,
                place: 0,
            },
            (_, fields) => Edit::EditBody {
                endpoint: endpoint.clone(),
                id: id.clone(),
                fields: fields.expect("fields"),
            },
        };
        sim.edit(edit).expect("edited");
        let now = if run <= 3 { clock } else { now };
        let setup = Setup {
            now,
            ..Setup::default()
        };
        home.sync_with(&sim, setup).await.expect_complete();
    }
    (sim, home)
}

fn runs_in_time(home: &Sandbox) -> Vec<String> {
    home.texts("SELECT CAST(id AS TEXT) FROM runs ORDER BY started_at, id")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_run_s_state_is_told_although_the_clock_went_back_by_hours() {
    for clock in [ahead::<72>, ahead::<{ 11 * 3600 }>] as [fn() -> Timestamp; 2] {
        let (sim, home) = six_runs(clock).await;
        assert_eq!(runs_in_time(&home), ["1", "2", "3", "4", "5", "6"]);
        for run in 1..=6_u32 {
            let (run, title) = (run.to_string(), format!("v{run}"));
            let shown = json(&home, &sim, &["show", "blog/hello", "--at", &run]);
            assert_eq!(shown["published_body"]["title"], *title, "run {run}");
            let diff = json(&home, &sim, &["diff", "--run", &run, "--only", "contents"]);
            let changes = diff["changes"].to_string();
            assert!(changes.contains("hello"), "run {run}: {diff}");
            assert!(run == "1" || changes.contains(&title), "run {run}: {diff}");
        }
        // What is now is what was recorded last.
        let shown = json(&home, &sim, &["show", "blog/hello", "--at", "now"]);
        assert_eq!(shown["published_body"]["title"], "v6");
        assert!(told(&home, &sim, &["diff", "--stat"]).contains("blog/hello"));
        let status = super::ask(&home, &sim, &["status"]);
        assert!(status.text.starts_with("SAFE as of "), "{}", status.text);
        let is_told = status.text.contains(" ahead of this machine's clock");
        assert_eq!(is_told, clock() > ahead::<3600>(), "{}", status.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_wrong_by_more_is_not_followed() {
    let (_sim, home) = six_runs(ahead::<{ 13 * 3600 }>).await;
    assert_eq!(runs_in_time(&home), ["4", "5", "6", "1", "2", "3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_run_that_died_have_their_place_in_time_too() {
    let (sim, home) = six_runs(ahead::<72>).await;
    let before = home.texts("SELECT max(finished_at) FROM runs");
    // It never came to say when it ended; what it recorded says it.
    rusqlite::Connection::open(home.database())
        .expect("the database")
        .execute_batch("UPDATE runs SET finished_at = NULL, outcome = 'running' WHERE id = 6")
        .expect("a run that died");
    let newest = home.texts(
        "SELECT max(at) FROM (SELECT max(valid_from) AS at FROM contents
         UNION ALL SELECT max(started_at) FROM runs)",
    );
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let dry = home.sync_with(&sim, dry).await;
    assert!(dry.started_at.to_string() > newest[0]);
    assert!(
        dry.finished_at > dry.started_at && dry.started_at < now().plus(Duration::from_secs(90))
    );
    let next = home.sync(&sim).await;
    assert!(next.started_at.to_string() > newest[0], "{before:?}");
}
