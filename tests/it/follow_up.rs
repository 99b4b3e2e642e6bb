//! What is known and was not listed is asked for by itself: what is kept of the answers, and what is said where there is
//! none.

use crate::deletions::{delete, tombstones};
use crate::support::{Expect as _, Sandbox, Setup};
use microcms_backup::model::ExitCode;
use microcms_sim::{Fault, Occasion, Route, Sim};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_keeps_what_the_service_said_of_deletions() {
    let sim = Sim::builder().published_list_api("blog", 600).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for id in sim.content_ids("blog").iter().skip(100).take(50) {
        sim.edit(delete("blog", id)).expect("deleted");
    }
    sim.forget_requests();
    sim.fault(Route::Metadata, 41, Fault::Stall { after: None });
    let setup = Setup {
        read_timeout: Duration::from_secs(60),
        ..Setup::default()
    };
    let stop = setup.stop.clone();
    let stopping = async {
        while sim.counters().of(Route::Metadata) < 41 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.request(ExitCode::Terminated);
    };
    let (report, ()) = tokio::join!(home.sync_with(&sim, setup), stopping);
    report.expect_code(ExitCode::Terminated);
    assert_eq!(tombstones(&home, "contents"), 32);

    sim.clear_faults();
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(tombstones(&home, "contents"), 50);
    assert_eq!(
        sim.counters().of(Route::Metadata),
        18,
        "those that are left"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn contents_that_cannot_be_asked_for_are_told_in_one_line() {
    let sim = Sim::builder().published_list_api("blog", 200).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.content_ids("blog");
    for id in &ids[50..60] {
        sim.edit(delete("blog", id)).expect("deleted");
    }
    for id in &ids[52..55] {
        let target = Route::Metadata.containing(&format!("/{id}"));
        sim.fault(target, Occasion::Every, Fault::answer("no JSON"));
    }
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(tombstones(&home, "contents"), 7);
    assert_eq!(report.problems.len(), 1, "{:#?}", report.problems);
    let message = &report.problems[0].message;
    assert!(message.contains("(nor could 2 others)"), "{message}");
}
