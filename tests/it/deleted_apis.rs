//! APIs that are gone, forbidden or hidden, and what becomes of their contents.

use crate::deletions::{allowing, delete, hint_of, history, holds_after_a_full_run, tombstones};
use crate::support::{Expect as _, NOBODY, Program, Sandbox, assert_holds};
use microcms_backup::model::{ExitCode, WalkVerdict};
use microcms_sim::{ApiKind, Edit, Fault, Occasion, Route, Sim, When};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_api_is_told_from_a_forbidden_one() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .list_api("news", 5)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
    let marked = || {
        let of = |table| tombstones(&home, table);
        (of("endpoints"), of("contents"))
    };
    home.sync(&sim).await.expect_complete();
    let without = |sim: &Sim, gone: &str| {
        let apis: Vec<Value> = sim
            .truth()
            .endpoints
            .iter()
            .filter(|api| api.endpoint != gone)
            .map(|api| json!({"name": api.name, "endpoint": api.endpoint, "type": api.kind}))
            .collect();
        Fault::Status {
            status: 200,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: json!({ "apis": apis }).to_string(),
            consumed: true,
        }
    };
    // Not listed, and its schema is forbidden, or there, or cannot be had: no evidence.
    for about in [
        Some((Fault::status(403, "Forbidden"), ExitCode::Refused)),
        Some((
            Fault::status(400, "IP address rejected."),
            ExitCode::Refused,
        )),
        Some((Fault::status(400, "strange"), ExitCode::Partial)),
        None,
    ] {
        sim.fault(Route::Apis, 1, without(&sim, "news"));
        let code = about.map_or(ExitCode::Partial, |(fault, code)| {
            sim.fault(Route::Schema.containing("/news"), Occasion::Every, fault);
            code
        });
        home.sync(&sim).await.expect_code(code);
        sim.clear_faults();
        assert_eq!(marked(), (0, 0));
    }
    // A listed API whose contents answer 403 or 404 is not deleted either.
    for (fault, code) in [
        (Fault::status(403, "Forbidden"), ExitCode::Refused),
        (Fault::status(404, "Content not found"), ExitCode::Partial),
    ] {
        sim.fault(
            Route::MetadataList.containing("/news"),
            Occasion::Every,
            fault,
        );
        let report = home.sync(&sim).await.expect_code(code);
        assert!(
            report.problems.iter().all(|problem| problem.hint.is_some()),
            "{report:#?}"
        );
        sim.clear_faults();
        assert_eq!(marked(), (0, 0));
    }

    // Neither listed nor shown, but its contents are, or cannot be asked for.
    for fault in [None, Some(Fault::status(403, "Forbidden"))] {
        sim.fault(Route::Apis, 1, without(&sim, "news"));
        let absent = Fault::status(404, "Not Found");
        sim.fault(Route::Schema.containing("/news"), Occasion::Every, absent);
        let code = fault.map_or(ExitCode::Partial, |fault| {
            let about = Route::Metadata.containing("/news");
            sim.fault(about, Occasion::Every, fault);
            ExitCode::Refused
        });
        home.sync(&sim).await.expect_code(code);
        sim.clear_faults();
        assert_eq!(marked(), (0, 0));
    }

    // Really deleted.
    sim.edit(Edit::DeleteApi {
        endpoint: "news".into(),
    })
    .expect("deleted");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.contents.deleted, 5);
    assert_eq!(marked(), (1, 5));
    holds_after_a_full_run(&home, &sim).await;
    assert_eq!(history(&home, "endpoints"), 1);

    // And back, with other contents.
    sim.edit(Edit::AddApi {
        endpoint: "news".into(),
        kind: ApiKind::List,
        contents: 2,
    })
    .expect("added");
    home.sync(&sim).await.expect_complete();
    holds_after_a_full_run(&home, &sim).await;

    // More than ten: a person looks first.
    sim.edit(Edit::DeleteApi {
        endpoint: "blog".into(),
    })
    .expect("deleted");
    let report = home.sync(&sim).await.expect_code(ExitCode::Guard);
    assert!(hint_of(&report, "contents/blog").contains("--allow-deletes 12"));
    home.sync_with(&sim, allowing(12)).await.expect_complete();
    holds_after_a_full_run(&home, &sim).await;
}

/// Half a minute of waiting: the media walk and the list of APIs, and then one API, are asked for again and again.
#[tokio::test(flavor = "multi_thread")]
async fn where_the_host_cannot_be_reached_one_api_tells_it_and_the_others_are_not_tried() {
    let mut builder = Sim::builder();
    for n in 0..6 {
        builder = builder.published_list_api(&format!("api{n}"), 2);
    }
    let sim = builder.start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let program = Program::command(&["sync", "--json"], &home, &sim);
    let output = program
        .set("SERVICE__MANAGEMENT_URL", format!("http://{NOBODY}"))
        .run();
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let problems: Vec<&str> = report["problems"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|problem| problem["scope"].as_str())
        .collect();
    assert_eq!(problems, ["media", "apis", "contents/api0", "contents"]);
    let said = report["problems"][3]["message"].as_str();
    let expected = "5 other APIs were not asked for: the Management API cannot be reached";
    assert_eq!(said, Some(expected));
    home.sync(&sim).await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_apis_that_is_suddenly_empty_is_not_believed() {
    let sim = Sim::builder()
        .list_api("blog", 4)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
    let marked = || {
        let of = |table| tombstones(&home, table);
        (of("endpoints"), of("contents"))
    };
    home.sync(&sim).await.expect_complete();
    for endpoint in ["blog", "settings"] {
        sim.edit(Edit::DeleteApi {
            endpoint: endpoint.into(),
        })
        .expect("deleted");
    }
    for _ in 0..2 {
        home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert_eq!(marked(), (0, 0));
    }
    home.sync_with(&sim, allowing(5)).await.expect_complete();
    holds_after_a_full_run(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_deleted_in_the_middle_of_a_run_is_settled_by_the_next_one() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .list_api("news", 5)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.on(
        Route::Apis,
        1,
        When::After,
        Edit::DeleteApi {
            endpoint: "news".into(),
        },
    );
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(tombstones(&home, "contents"), 0);
    home.sync(&sim).await.expect_complete();
    holds_after_a_full_run(&home, &sim).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn look_ups_that_are_refused_are_not_repeated_for_every_missing_content() {
    let sim = Sim::builder().published_list_api("blog", 40).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for id in sim.content_ids("blog").iter().take(9) {
        sim.edit(delete("blog", id)).expect("deleted");
    }
    sim.fault(
        Route::Metadata,
        Occasion::Range(3, 99),
        Fault::status(403, "Forbidden"),
    );
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(sim.counters().of(Route::Metadata), 3);
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(tombstones(&home, "contents"), 2, "what was proven counts");
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_eq!(tombstones(&home, "contents"), 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_that_is_not_found_at_a_wrong_address_is_no_empty_one() {
    // A route that is broken says of what exists that there is no such address.
    let sim = Sim::builder().object_api("settings").start().await;
    let about = || Route::MetadataList.containing("/settings");
    let home = Sandbox::new();
    for words in ["Not Found", ""] {
        sim.fault(about(), Occasion::Every, Fault::status(404, words));
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_eq!(
            report.verdict_of("contents/settings"),
            WalkVerdict::Unproven
        );
        sim.clear_faults();
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());

    // What neither API has was never saved, in whatever words.
    for words in ["Not Found", "Content not found"] {
        let empty = Sandbox::new();
        sim.fault(about(), Occasion::Every, Fault::status(404, words));
        sim.fault(
            Route::ContentList.containing("/settings"),
            Occasion::Every,
            Fault::status(404, words),
        );
        let report = empty.sync(&sim).await.expect_complete();
        assert_eq!(report.contents.seen, 0);
        sim.clear_faults();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_api_that_is_named_is_said_to_be_deleted_and_how_to_reach_it() {
    let sim = Sim::builder()
        .list_api("news", 2)
        .published_list_api("events", 2)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let endpoint = "events".into();
    sim.edit(Edit::DeleteApi { endpoint }).expect("deleted");
    home.sync(&sim).await.expect_complete();
    let deleted_at = home.texts("SELECT deleted_at FROM endpoints WHERE endpoint = 'events'");

    let folder = home.path("out").display().to_string();
    let export = ["export", &folder, "--endpoint", "events"];
    let said = |words: &[&str], code: i32| {
        let output = Program::command(words, &home, &sim).run();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(!said.contains("did you mean"), "{said}");
        said
    };
    let told = said(&export, 2);
    assert!(told.contains("the API `events` was deleted at "), "{told}");
    let at = told
        .split("--at \"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    said(&[&export[..], &["--at", at.expect("a time")]].concat(), 0);
    assert!(home.path("out/events").is_dir());

    let told = said(&["sync", "--endpoint", "events"], 2);
    let expected = format!("the API `events` was deleted at {}", deleted_at.concat());
    assert!(
        told.contains(&expected) && told.contains("`show events`"),
        "{told}"
    );
}
