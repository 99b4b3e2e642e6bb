//! Bodies that come late, broken, too large or not at all: no other waits for them.

use crate::bodies::{body_requests, fields};
use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, Status};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_by_itself_holds_no_other_up() {
    let sim = Sim::builder()
        .published_list_api("blog", 30)
        .body_bytes(300)
        .start()
        .await;
    let mut huge = fields("huge");
    huge.insert("body".into(), json!("x".repeat(80_000)));
    for id in ["huge", "huge2", "Ahuge", "0huge", "zhuge"] {
        sim.edit(Edit::AddContent {
            endpoint: "blog".into(),
            id: Some(id.into()),
            status: Status::Publish,
            fields: Some(huge.clone()),
            place: 9,
        })
        .expect("added");
    }
    sim.edit(Edit::SetMaxAnswerBytes { bytes: 60_000 })
        .expect("set");
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 5);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        30
    );
    sim.edit(Edit::SetMaxAnswerBytes { bytes: 5_000_000 })
        .expect("set");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_refused_for_a_strange_reason_hold_no_other_up() {
    let ids = |sim: &Sim| sim.content_ids("blog");
    // The first ones in the order of asking, and more than a few.
    hold_no_other_up(|sim| ids(sim).into_iter().take(6).collect()).await;
    // Far apart: there is one in each part of what is asked for together.
    hold_no_other_up(|sim| ids(sim).into_iter().skip(3).step_by(6).collect()).await;
}

async fn hold_no_other_up(poison: impl Fn(&Sim) -> Vec<String>) {
    let sim = Sim::builder().published_list_api("blog", 40).start().await;
    let poison = poison(&sim);
    let bad = poison.len() as u64;
    for id in &poison {
        let strange = Fault::status(400, "something nobody has documented");
        sim.fault(Route::ContentList.containing(id), Occasion::Every, strange);
    }
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, bad, "{:?}", report.problems);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        40 - bad
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_only_lists_are_refused_bodies_come_one_by_one() {
    let sim = Sim::builder().published_list_api("blog", 60).start().await;
    let strange = Fault::status(400, "something nobody has documented");
    sim.fault(Route::ContentList.containing(","), Occasion::Every, strange);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    // Halving, and then one for each.
    assert!(body_requests(&sim) <= 70, "{}", body_requests(&sim));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_be_read_holds_no_other_up() {
    let sim = Sim::builder().published_list_api("blog", 20).start().await;
    let mut deep = json!("bottom");
    for _ in 0..300 {
        deep = json!([deep]);
    }
    let mut hostile = fields("deep");
    hostile.insert("extra".into(), deep);
    sim.edit(Edit::AddContent {
        endpoint: "blog".into(),
        id: Some("deep".into()),
        status: Status::Publish,
        fields: Some(hostile),
        place: 3,
    })
    .expect("added");
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 1, "{:?}", report.problems);
    assert_eq!(
        home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL"),
        20
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.message.contains("deep")),
        "the content is named: {:?}",
        report.problems
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_the_content_api_asks_for_is_kept() {
    let says = |status: u16, name: &str, value: String| Fault::Status {
        status,
        headers: [(name.to_owned(), value)].into(),
        body: String::new(),
        consumed: false,
    };
    for (status, header) in [
        (429, "retry-after"),
        (429, "x-ratelimit-reset"),
        (503, "retry-after"),
    ] {
        let since_1970 = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let in_two_seconds = since_1970.expect("after 1970").as_secs() + 2;
        let fault = if header == "retry-after" {
            says(status, header, "2".to_owned())
        } else {
            says(status, header, in_two_seconds.to_string())
        };
        let sim = Sim::builder().list_api("blog", 30).start().await;
        sim.fault(Route::ContentList, 1, fault);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        let requests = sim.requests();
        let refused = requests
            .iter()
            .find(|r| r.status == status)
            .expect("a refusal")
            .at_ms;
        let next = requests
            .iter()
            .filter(|r| matches!(r.route, Route::ContentList | Route::Content))
            .map(|r| r.at_ms)
            .filter(|at| *at > refused + 100)
            .min()
            .expect("asked again");
        assert!(
            next >= refused + 900,
            "asked again after {} ms",
            next - refused
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_of_an_hour_ends_the_asking_and_not_the_promise() {
    for status in [429, 503] {
        a_wait_of_an_hour(status).await;
    }
}

async fn a_wait_of_an_hour(status: u16) {
    let sim = Sim::builder()
        .media(3)
        .list_api("blog", 250)
        .list_api("news", 10)
        .start()
        .await;
    let hour = Fault::Status {
        status,
        headers: [("retry-after".to_owned(), "3600".to_owned())].into(),
        body: String::new(),
        consumed: false,
    };
    sim.fault(Route::ContentList, Occasion::Every, hour.clone());
    sim.fault(Route::Content, Occasion::Every, hour.clone());
    let home = Sandbox::new();
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), home.sync(&sim));
    let report = run.await.expect("no run waits for an hour");
    report.expect_code(ExitCode::Partial);
    assert!(body_requests(&sim) <= 8, "{}", body_requests(&sim));
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
        3
    );

    sim.clear_faults();
    sim.fault(Route::Media, Occasion::Every, hour);
    let run = tokio::time::timeout(std::time::Duration::from_secs(20), home.sync(&sim));
    run.await
        .expect("nor the media walk")
        .expect_code(ExitCode::Partial);
    assert_eq!(sim.counters().of(Route::Media), 2);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_fault_of_a_body_is_survived_in_the_run() {
    let faults = [
        Fault::DropBefore,
        Fault::DropAfter,
        Fault::Cut {
            after: 40,
            chunked: true,
        },
        Fault::Garbage,
        Fault::Html,
        Fault::status(500, ""),
        Fault::status(504, ""),
        Fault::status(429, "Too many requests, please try again later."),
    ];
    for fault in faults {
        let sim = Sim::builder()
            .list_api("blog", 30)
            .object_api("settings")
            .start()
            .await;
        sim.fault(Route::ContentList, 1, fault.clone());
        sim.fault(Route::Content, 2, fault);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_answers_nothing_but_errors_is_left_alone_after_a_while() {
    let sim = Sim::builder()
        .media(5)
        .published_list_api("blog", 3_500)
        .start()
        .await;
    sim.fault(Route::ContentList, Occasion::Every, Fault::Garbage);
    let home = Sandbox::new();
    let setup = Setup {
        content_per_second: 30,
        ..Setup::default()
    };
    let report = home
        .sync_with(&sim, setup)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(report.bodies.owed, 3_500);
    assert!(body_requests(&sim) <= 400, "{}", body_requests(&sim));
    assert_eq!(report.assets.saved, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_not_about_what_was_asked_is_never_a_body_or_a_schema() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .object_api("settings")
        .start()
        .await;
    let answer = |body: &str| Fault::Status {
        status: 200,
        headers: [].into(),
        body: body.to_owned(),
        consumed: false,
    };
    let other = sim.truth().contents[0]
        .draft
        .clone()
        .or_else(|| sim.truth().contents[0].published.clone());
    sim.fault(Route::Content, 1, answer("{}"));
    sim.fault(
        Route::Content,
        2,
        answer(&other.expect("a body of another content")),
    );
    sim.fault(Route::ContentList.containing("settings"), 1, answer("{}"));
    sim.fault(Route::Schema, 1, answer("{}"));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}
