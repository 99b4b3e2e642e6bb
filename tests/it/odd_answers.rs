//! Listings with odd parts in them: the others are saved, the odd ones named, and nothing is marked as
//! deleted because of them.

use crate::deletions::tombstones;
use crate::support::{Expect as _, Sandbox, assert_holds};
use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_sim::{Fault, Occasion, Route, Sim};

fn answer(body: String) -> Fault {
    Fault::Status {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body,
        consumed: true,
    }
}

/// The list of `blog` as it is, with other items at some places.
fn listing(sim: &Sim, odd: &[(usize, &str)]) -> Fault {
    let truth = sim.truth();
    let listed = truth.contents_of("blog").map(|content| &*content.metadata);
    let mut items: Vec<&str> = listed.collect();
    for (place, item) in odd {
        items[*place] = item;
    }
    let (total, items) = (items.len(), items.join(","));
    answer(format!(
        r#"{{"contents":[{items}],"totalCount":{total},"offset":0,"limit":100}}"#
    ))
}

fn live(home: &Sandbox) -> u64 {
    home.count("SELECT count(*) FROM contents WHERE deleted_at IS NULL")
}

#[track_caller]
fn told(report: &RunReport, scope: &str, words: &str) {
    let mut problems = report.problems.iter();
    assert!(
        problems.any(|problem| problem.scope == scope && problem.message.contains(words)),
        "{scope}: {words}: {:#?}",
        report.problems
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_item_without_a_usable_id_is_named_and_the_others_are_saved() {
    let items = [
        r#"{"id":null,"status":["PUBLISH"]}"#,
        r#"{"status":["PUBLISH"]}"#,
        r#"{"id":7,"status":["PUBLISH"]}"#,
        r#"{"id":"a","id":"b"}"#,
        "null",
    ];
    for item in items {
        let sim = Sim::builder().published_list_api("blog", 12).start().await;
        sim.fault(
            Route::MetadataList,
            Occasion::Every,
            listing(&sim, &[(2, item)]),
        );
        let home = Sandbox::new();
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.verdict_of("contents/blog"), WalkVerdict::Proven);
        told(
            &report,
            "contents/blog",
            "1 of what is listed cannot be read",
        );
        told(&report, "contents/blog", "for example item 3: it");
        assert_eq!(live(&home), 11, "{item}");
        assert_eq!(report.bodies.saved, 11, "{item}");
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_content_whose_item_became_odd_is_never_marked_as_deleted() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.content_ids("blog");
    let named = format!(r#"{{"id":"{}","status":1,"status":2}}"#, ids[5]);
    let surrogate = format!(r#"{{"id":"{}","\ud800":1}}"#, ids[5]);
    // Whatever is said of it by id.
    sim.fault(
        Route::Metadata,
        Occasion::Every,
        Fault::status(404, "Content not found"),
    );
    for item in ["null", r#"{"id":null}"#, &named, &surrogate] {
        sim.fault(
            Route::MetadataList,
            Occasion::Every,
            listing(&sim, &[(5, item)]),
        );
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        told(
            &report,
            "contents/blog",
            "1 of what is listed cannot be read",
        );
        assert_eq!(
            (tombstones(&home, "contents"), live(&home)),
            (0, 12),
            "{item}"
        );
    }
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}
