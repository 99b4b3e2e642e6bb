//! Listings of media in the forms that the documentation leaves open: none of them costs a medium.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_backup::sync::Only;
use microcms_sim::{Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::ops::Range;

fn only_media() -> Setup {
    Setup {
        only: Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    }
}

fn medium(number: u32) -> String {
    format!(
        r#"{{"id":"m{number}","url":"https://x.invalid/assets/{number}.png","width":1,"height":1}}"#
    )
}

fn media(numbers: Range<u32>) -> String {
    numbers.map(medium).collect::<Vec<_>>().join(",")
}

fn says(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Fault::Status {
        status,
        headers: headers.collect::<BTreeMap<_, _>>(),
        body: body.to_owned(),
        consumed: true,
    }
}

/// Answers the n-th request for media with the n-th body.
fn pages(sim: &Sim, bodies: &[String]) {
    for (at, body) in (1..).zip(bodies) {
        sim.fault(Route::Media, at, says(200, &[], body));
    }
}

fn page(media: &str, more: &str) -> String {
    format!(r#"{{"media":[{media}],{more}}}"#)
}

/// A walk that is proven. The files are owed, for nobody has them.
async fn proven(home: &Sandbox, sim: &Sim) -> RunReport {
    let report = walk(home, sim).await.expect_code(ExitCode::Partial);
    let verdict = report.verdict_of("media");
    assert_eq!(verdict, WalkVerdict::Proven, "{:?}", report.walks);
    report
}

async fn walk(home: &Sandbox, sim: &Sim) -> RunReport {
    home.sync_with(sim, only_media()).await
}

fn live(home: &Sandbox) -> u64 {
    home.count("SELECT count(*) FROM media WHERE deleted_at IS NULL")
}

fn requests(sim: &Sim) -> u64 {
    sim.counters().of(Route::Media)
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_may_be_spelled_otherwise_and_told_once() {
    for total in ["5.0", "\"5\"", "5e0"] {
        let sim = Sim::builder().start().await;
        let first = format!(r#""totalCount":{total},"token":"t""#);
        pages(
            &sim,
            &[
                page(&media(0..2), &first),
                page(&media(2..4), r#""token":"t""#),
                page(&media(4..5), r#""totalCount":null,"token":null"#),
            ],
        );
        let home = Sandbox::new();
        proven(&home, &sim).await;
        assert_eq!((live(&home), requests(&sim)), (5, 3), "{total}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_id_is_named_costs_no_other_medium_and_proves_no_absence() {
    let sim = Sim::builder().start().await;
    let home = Sandbox::new();
    let total = r#""totalCount":4,"token":"t""#;
    pages(&sim, &[page(&media(0..4), total)]);
    proven(&home, &sim).await;
    let odd = [
        r#"{"id":null,"url":"https://x.invalid/assets/3.png"}"#,
        r#"{"id":7}"#,
        r#"{"id":"m3","id":"m3"}"#,
        "null",
    ];
    for odd in odd {
        sim.clear_faults();
        let body = page(&format!("{odd},{}", media(0..3)), total);
        sim.fault(Route::Media, Occasion::Every, says(200, &[], &body));
        // Three proven walks without `m3` would be a deletion, if they proved that it is not there.
        for _run in 0..3 {
            let report = proven(&home, &sim).await;
            let told = report
                .problems
                .iter()
                .find(|problem| problem.scope == "media");
            let told = &told.unwrap_or_else(|| panic!("{odd}: {report:?}")).message;
            assert!(
                told.starts_with("1 of what is listed") && told.contains(odd),
                "{told}"
            );
            assert_eq!(live(&home), 4, "{odd}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_odd_but_for_its_id_is_named_by_it_and_hides_no_other() {
    let sim = Sim::builder().start().await;
    let home = Sandbox::new();
    let total = |count: u32| format!(r#""totalCount":{count},"token":"t""#);
    pages(&sim, &[page(&media(0..4), &total(4))]);
    proven(&home, &sim).await;
    let deep = format!(
        r#"{{"id":"m3","x":{}1{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    for odd in [
        r#"{"id":"m3","\ud800":1}"#,
        r#"{"id":"m3","url":"a","url":"b"}"#,
        &deep,
    ] {
        sim.clear_faults();
        // `m0` is listed no more.
        let body = page(&format!("{odd},{}", media(1..3)), &total(3));
        sim.fault(Route::Media, Occasion::Every, says(200, &[], &body));
        let report = proven(&home, &sim).await;
        let told = report
            .problems
            .iter()
            .find(|problem| problem.scope == "media");
        let told = &told.unwrap_or_else(|| panic!("{odd}: {report:?}")).message;
        assert!(
            told.starts_with("1 of what is listed") && told.contains("`m3`"),
            "{told}"
        );
    }
    assert_eq!(
        home.texts("SELECT id FROM media WHERE deleted_at IS NOT NULL"),
        ["m0"],
        "and only what is missing is taken for deleted"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_newest_token_does_not_lead_on_the_first_one_does() {
    let total = |token: &str| format!(r#""totalCount":5,"token":"{token}""#);
    let refused = says(400, &[], r#"{"message":"BadRequest"}"#);
    let repeated = says(200, &[], &page(&media(2..4), &total("c")));
    for (name, third) in [("refused", refused), ("repeated", repeated)] {
        let sim = Sim::builder().start().await;
        pages(
            &sim,
            &[
                page(&media(0..2), &total("a")),
                page(&media(2..4), &total("b")),
            ],
        );
        sim.fault(Route::Media, 3, third);
        sim.fault(
            Route::Media,
            4,
            says(200, &[], &page(&media(4..5), &total("d"))),
        );
        let home = Sandbox::new();
        let report = proven(&home, &sim).await;
        assert_eq!(report.walks[0].restarts, 0, "{name}");
        let told = report.walks[0].detail.clone().unwrap_or_default();
        assert!(told.contains("the first one is used"), "{name}: {told}");
        assert_eq!((live(&home), requests(&sim)), (5, 4), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_may_end_with_a_404_and_is_judged_by_its_count() {
    let sim = Sim::builder().media(250).media_size(50..=60).start().await;
    let gone = r#"{"message":"Content not found"}"#;
    sim.fault(Route::Media, 3, says(404, &[], gone));
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.walks[0].restarts, 1);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn later_pages_may_be_shorter_than_the_first() {
    let sim = Sim::builder().start().await;
    let total = r#""totalCount":10,"token":"t""#;
    let mut bodies = vec![page(&media(0..4), total)];
    bodies.extend((4..10).map(|number| page(&medium(number), total)));
    pages(&sim, &bodies);
    let home = Sandbox::new();
    proven(&home, &sim).await;
    assert_eq!((live(&home), requests(&sim)), (10, 7));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_brings_nothing_new_is_left_soon_and_said_once() {
    for total in ["3", "1500", "9007199254740991"] {
        let sim = Sim::builder().start().await;
        let body = page(
            &media(0..2),
            &format!(r#""totalCount":{total},"token":"t""#),
        );
        sim.fault(Route::Media, Occasion::Every, says(200, &[], &body));
        let home = Sandbox::new();
        let report = walk(&home, &sim).await.expect_code(ExitCode::Partial);
        assert_eq!(report.verdict_of("media"), WalkVerdict::Unproven, "{total}");
        assert!(requests(&sim) <= 9, "{total}: {}", requests(&sim));
        assert_eq!(live(&home), 2, "what was seen is kept");
        let told = report.walks[0].detail.clone().expect("a reason");
        assert_eq!(told.matches("brought only").count(), 1, "{told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_that_asks_for_no_wait_is_not_answered_in_a_burst() {
    let sim = Sim::builder().media(150).media_size(50..=60).start().await;
    let busy = says(429, &[("retry-after", "0")], "{}");
    sim.fault(Route::Media, Occasion::Range(1, 3), busy);
    let home = Sandbox::new();
    let begun = std::time::Instant::now();
    home.sync(&sim).await.expect_complete();
    assert!(begun.elapsed().as_secs_f64() > 2.0, "{:?}", begun.elapsed());
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_with_as_long_as_it_lives_for_a_429_takes_nothing() {
    let sim = Sim::builder().media(150).media_size(50..=60).start().await;
    let busy = Fault::Status {
        status: 429,
        headers: [("retry-after".to_owned(), "1".to_owned())].into(),
        body: "{}".to_owned(),
        consumed: false,
    };
    sim.fault(Route::Media, Occasion::Range(2, 5), busy);
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.walks[0].restarts, 0, "{:?}", report.walks);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_front_of_the_service_may_say_no_once() {
    let page = "<html><h1>Request blocked</h1></html>";
    for status in [403, 408, 425] {
        for at in [1, 2] {
            let sim = Sim::builder().media(150).media_size(50..=60).start().await;
            sim.fault(
                Route::Media,
                at,
                says(status, &[("content-type", "text/html")], page),
            );
            let home = Sandbox::new();
            let report = home.sync(&sim).await;
            assert_eq!(report.exit_code, 0, "{status} at page {at}: {report:?}");
            assert_holds(&home, &sim.truth());
        }
    }
    let sim = Sim::builder().media(10).media_size(50..=60).start().await;
    sim.fault(Route::Media, Occasion::Every, says(403, &[], page));
    let report = walk(&Sandbox::new(), &sim).await;
    report.expect_code(ExitCode::Refused);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_too_long_for_a_request_is_said_to_make_no_address() {
    let sim = Sim::builder().start().await;
    let token = "a".repeat(70_000);
    let more = format!(r#""totalCount":4,"token":"{token}""#);
    sim.fault(
        Route::Media,
        Occasion::Every,
        says(200, &[], &page(&media(0..2), &more)),
    );
    let report = walk(&Sandbox::new(), &sim).await;
    assert!(!report.verdict.safe);
    let said = serde_json::to_string(&report).expect("JSON");
    assert!(said.contains("no address can stand for"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nothing_changed_is_no_redirect() {
    let sim = Sim::builder().media(3).start().await;
    sim.fault(Route::Media, Occasion::Every, says(304, &[], ""));
    let report = walk(&Sandbox::new(), &sim).await;
    assert!(!report.verdict.safe);
    let said = serde_json::to_string(&report).expect("JSON");
    assert!(said.contains("304") && !said.contains("redirect"), "{said}");
}
