//! Deletions and changes: what makes a tombstone, what does not, and one row of history for each.

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_sim::{ApiKind, Edit, Fault, ManagementRights, Occasion, Route, Sim, Status, When};
use serde_json::{Map, Value, json};

fn fields(title: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("title".into(), json!(title));
    fields
}

fn delete(endpoint: &str, id: &str) -> Edit {
    Edit::DeleteContent {
        endpoint: endpoint.into(),
        id: id.into(),
    }
}

fn allowing(allow_deletes: u64) -> Setup {
    Setup {
        allow_deletes,
        ..Setup::default()
    }
}

fn tombstones(home: &Sandbox, table: &str) -> u64 {
    home.count(&format!(
        "SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL"
    ))
}

fn history(home: &Sandbox, table: &str) -> u64 {
    home.count(&format!("SELECT count(*) FROM {table}_history"))
}

fn body_requests(sim: &Sim) -> u64 {
    sim.counters().of(Route::ContentList) + sim.counters().of(Route::Content)
}

/// A relation to a content that is gone leaves a body without a trace in its metadata: a full run
/// reads it again.
async fn holds_after_a_full_run(home: &Sandbox, sim: &Sim) {
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    home.sync_with(sim, full).await.expect_complete();
    assert_holds(home, &sim.truth());
}

#[track_caller]
fn hint_of(report: &RunReport, scope: &str) -> String {
    let problem = report
        .problems
        .iter()
        .find(|problem| problem.scope == scope);
    problem
        .and_then(|problem| problem.hint.clone())
        .unwrap_or_else(|| panic!("no hint about {scope} in {:?}", report.problems))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_content_is_marked_after_its_own_404_and_kept() {
    let sim = Sim::builder().published_list_api("blog", 120).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[60].clone();
    sim.edit(delete("blog", &id)).expect("deleted");
    // The look-up fails: no evidence, no tombstone.
    sim.fault(
        Route::Metadata,
        Occasion::Every,
        Fault::status(403, "Forbidden"),
    );
    home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(tombstones(&home, "contents"), 0);
    sim.clear_faults();

    sim.forget_requests();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.contents.missing, report.contents.deleted), (1, 1));
    assert_eq!(sim.counters().of(Route::Metadata), 1);
    assert_eq!(
        (tombstones(&home, "contents"), history(&home, "contents")),
        (1, 1)
    );
    assert_eq!(
        home.count(
            "SELECT count(*) FROM contents WHERE deleted_at IS NOT NULL AND published_body IS NULL"
        ),
        0,
        "its body is kept"
    );
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        sim.counters().of(Route::Metadata),
        0,
        "a tombstone is not asked for again"
    );
    assert_eq!(history(&home, "contents"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_content_that_the_listing_hid_for_a_moment_is_not_marked() {
    let sim = Sim::builder().published_list_api("blog", 30).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // A listing that lies once: 29 of 29, while the look-up finds the thirtieth.
    let truth = sim.truth();
    let listed: Vec<&str> = truth
        .contents
        .iter()
        .skip(1)
        .map(|c| c.metadata.as_str())
        .collect();
    let lie = Fault::Status {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!(
            "{{\"contents\":[{}],\"totalCount\":29,\"offset\":0,\"limit\":100}}",
            listed.join(",")
        ),
        consumed: true,
    };
    sim.fault(Route::MetadataList, 1, lie);
    let report = home.sync(&sim).await.expect_complete();
    // What exists and was not listed disproves the walk: it is done once more, and that one counts.
    assert_eq!((report.contents.missing, report.contents.deleted), (0, 0));
    assert_eq!(
        sim.counters().of(Route::MetadataList),
        3,
        "one of the first run"
    );
    assert_holds(&home, &sim.truth());
    assert_eq!(history(&home, "contents"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_medium_is_marked_after_two_proven_walks_and_keeps_its_bytes() {
    let sim = Sim::builder().media(40).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.media_ids()[7].clone();
    let bytes = home.saved_bytes(&id).expect("its bytes");
    sim.edit(Edit::DeleteMedium { id: id.clone() })
        .expect("deleted");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.media.missing, report.media.deleted), (1, 0));
    assert_eq!(tombstones(&home, "media"), 0);
    // A walk that failed in between proves nothing.
    sim.fault(
        Route::Media,
        Occasion::Every,
        Fault::status(403, "Forbidden"),
    );
    home.sync(&sim).await.expect_code(ExitCode::Refused);
    sim.clear_faults();
    assert_eq!(tombstones(&home, "media"), 0);

    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.media.deleted, 1);
    assert_eq!(
        (tombstones(&home, "media"), history(&home, "media")),
        (1, 1)
    );
    assert_eq!(home.saved_bytes(&id), Some(bytes));
    home.sync(&sim).await.expect_complete();
    assert_eq!(history(&home, "media"), 1);
    assert_eq!(sim.counters().assets(), 40, "nothing was fetched for it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shrunken_listing_trips_the_guard_until_a_person_confirms() {
    let sim = Sim::builder()
        .media(60)
        .published_list_api("news", 40)
        .published_list_api("blog", 60)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for id in sim.content_ids("blog").iter().take(20) {
        sim.edit(delete("blog", id)).expect("deleted");
    }
    for id in sim.content_ids("news").iter().take(3) {
        sim.edit(delete("news", id)).expect("deleted");
    }
    for id in sim.media_ids().iter().take(15) {
        sim.edit(Edit::DeleteMedium { id: id.clone() })
            .expect("deleted");
    }
    for _ in 0..3 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert!(hint_of(&report, "contents/blog").contains("--allow-deletes 20"));
        assert!(hint_of(&report, "media").contains("--allow-deletes 15"));
        assert!(
            report.verdict.line.contains("lacks 20 of the 60"),
            "{}",
            report.verdict.line
        );
        // The three of another API are none of the guard's business.
        assert_eq!(
            (tombstones(&home, "contents"), tombstones(&home, "media")),
            (3, 0)
        );
    }
    // Too few: as if nothing had been said.
    home.sync_with(&sim, allowing(14))
        .await
        .expect_code(ExitCode::Guard);
    assert_eq!(
        (tombstones(&home, "contents"), tombstones(&home, "media")),
        (3, 0)
    );

    // What is deleted without asking anyone does not use up what a person allowed.
    for id in sim.content_ids("news").iter().take(2) {
        sim.edit(delete("news", id)).expect("deleted");
    }
    home.sync_with(&sim, allowing(35)).await.expect_complete();
    assert_eq!(
        (tombstones(&home, "contents"), tombstones(&home, "media")),
        (25, 15)
    );
    home.sync(&sim).await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_listing_is_not_believed() {
    let sim = Sim::builder()
        .media(3)
        .published_list_api("blog", 3)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::DeleteAllMedia).expect("deleted");
    for id in sim.content_ids("blog") {
        sim.edit(delete("blog", &id)).expect("deleted");
    }
    for _ in 0..3 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert!(
            report.verdict.line.contains("suddenly empty"),
            "{}",
            report.verdict.line
        );
        assert_eq!(
            (tombstones(&home, "contents"), tombstones(&home, "media")),
            (0, 0)
        );
    }
    home.sync_with(&sim, allowing(6)).await.expect_complete();
    assert_eq!(
        (tombstones(&home, "contents"), tombstones(&home, "media")),
        (3, 3)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_continues_its_history() {
    let sim = Sim::builder()
        .media(20)
        .published_list_api("blog", 20)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[3].clone();
    sim.edit(delete("blog", &id)).expect("deleted");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(id.clone()),
        status: Status::Publish,
        fields: Some(fields("back")),
        place: 0,
    })
    .expect("added");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.contents.returned, report.contents.new), (1, 0));
    assert_holds(&home, &sim.truth());
    let versions = home.texts(&format!(
        "SELECT valid_from || ' ' || coalesce(valid_to, 'now')
         FROM contents_timeline WHERE id = '{id}' ORDER BY valid_from"
    ));
    let parts: Vec<Vec<&str>> = versions.iter().map(|v| v.split(' ').collect()).collect();
    assert_eq!((parts.len(), parts[1][1]), (2, "now"), "{versions:?}");
    for (at, versions) in [(parts[0][0], 1), (parts[0][1], 0), (parts[1][0], 1)] {
        assert_eq!(
            home.count(&format!(
                "SELECT count(*) FROM contents_timeline WHERE id = '{id}'
                     AND valid_from <= '{at}' AND (valid_to IS NULL OR '{at}' < valid_to)"
            )),
            versions,
            "as of {at}"
        );
    }
    assert_eq!(
        history(&home, "contents"),
        2,
        "what it was, and that it was gone"
    );
    // A medium that is missing once and listed again was never gone.
    let truth = sim.truth();
    let listed: Vec<&str> = truth
        .media
        .iter()
        .skip(1)
        .map(|m| m.listing.as_str())
        .collect();
    let lie = |listed: &[&str]| Fault::Status {
        status: 200,
        headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
        body: format!(
            "{{\"media\":[{}],\"totalCount\":{},\"token\":\"x\"}}",
            listed.join(","),
            listed.len()
        ),
        consumed: true,
    };
    for _ in 0..3 {
        sim.fault(Route::Media, 1, lie(&listed));
        home.sync(&sim).await.expect_complete();
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
    }
    assert_eq!(
        (tombstones(&home, "media"), history(&home, "media")),
        (0, 0)
    );
    // Missing twice and listed again, it returns, and its bytes were never away.
    for _ in 0..2 {
        sim.fault(Route::Media, 1, lie(&listed));
        home.sync(&sim).await.expect_complete();
        sim.clear_faults();
    }
    assert_eq!(tombstones(&home, "media"), 1);
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.media.returned, 1);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renamed_content_is_a_new_one_and_a_tombstone() {
    let sim = Sim::builder().published_list_api("blog", 20).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Only the case differs: ids are case sensitive.
    sim.edit(Edit::RenameContent {
        endpoint: "blog".into(),
        id: "Top-News".into(),
        to: "TOP-NEWS".into(),
    })
    .expect("renamed");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.contents.new, report.contents.deleted), (1, 1));
    assert_eq!(
        home.texts("SELECT id FROM contents WHERE deleted_at IS NOT NULL"),
        ["Top-News"]
    );
    let live = home.count("SELECT count(*) FROM contents WHERE deleted_at IS NULL");
    assert_eq!(live, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_api_is_told_from_a_forbidden_one() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .list_api("news", 5)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
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
        assert_eq!(
            (
                tombstones(&home, "endpoints"),
                tombstones(&home, "contents")
            ),
            (0, 0)
        );
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
        home.sync(&sim).await.expect_code(code);
        sim.clear_faults();
        assert_eq!(
            (
                tombstones(&home, "endpoints"),
                tombstones(&home, "contents")
            ),
            (0, 0)
        );
    }

    // Really deleted.
    sim.edit(Edit::DeleteApi {
        endpoint: "news".into(),
    })
    .expect("deleted");
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.contents.deleted, 5);
    assert_eq!(
        (
            tombstones(&home, "endpoints"),
            tombstones(&home, "contents")
        ),
        (1, 5)
    );
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

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_apis_that_is_suddenly_empty_is_not_believed() {
    let sim = Sim::builder()
        .list_api("blog", 4)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for endpoint in ["blog", "settings"] {
        sim.edit(Edit::DeleteApi {
            endpoint: endpoint.into(),
        })
        .expect("deleted");
    }
    for _ in 0..2 {
        home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert_eq!(
            (
                tombstones(&home, "endpoints"),
                tombstones(&home, "contents")
            ),
            (0, 0)
        );
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
async fn an_unproven_walk_deletes_nothing_and_a_deletion_is_seen_while_all_else_fails() {
    let sim = Sim::builder()
        .media(150)
        .published_list_api("blog", 150)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let (content, medium) = (
        sim.content_ids("blog")[140].clone(),
        sim.media_ids()[140].clone(),
    );
    sim.edit(delete("blog", &content)).expect("deleted");
    sim.edit(Edit::DeleteMedium { id: medium })
        .expect("deleted");
    // Every media page after the first is lost, every body and file fails, media is never proven.
    sim.fault(
        Route::Media,
        Occasion::EachNth(2),
        Fault::status(400, "BadRequest"),
    );
    sim.fault(Route::Image, Occasion::Every, Fault::status(404, ""));
    sim.fault(
        Route::ContentList,
        Occasion::Every,
        Fault::status(400, "strange"),
    );
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(report.verdict_of("media"), WalkVerdict::Unproven);
    assert_eq!(
        (tombstones(&home, "contents"), tombstones(&home, "media")),
        (1, 0)
    );
    assert_eq!(
        home.count("SELECT count(*) FROM absences"),
        0,
        "an unproven walk is no sighting"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_makes_one_row_of_history_and_asks_only_for_what_can_have_changed() {
    let sim = Sim::builder().published_list_api("blog", 12).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.content_ids("blog")[5].clone();
    let endpoint = || "blog".to_owned();
    let of = |edit: fn(String, String) -> Edit| edit(endpoint(), id.clone());
    // The edit, published bodies asked for, drafts asked for.
    let changes: [(&str, Edit, u64, u64); 14] = [
        (
            "publishedAt",
            of(|endpoint, id| Edit::SetPublishedAt {
                endpoint,
                id,
                at: "2020-01-01T00:00:00Z".into(),
            }),
            1,
            0,
        ),
        (
            "createdBy",
            of(|endpoint, id| Edit::SetCreatedBy {
                endpoint,
                id,
                member: "m1".into(),
            }),
            0,
            0,
        ),
        (
            "reservation",
            of(|endpoint, id| Edit::Reserve {
                endpoint,
                id,
                publish: None,
                stop: Some("2030-01-01T00:00:00Z".into()),
            }),
            0,
            0,
        ),
        (
            "custom status",
            of(|endpoint, id| Edit::SetCustomStatus {
                endpoint,
                id,
                name: Some("checked".into()),
            }),
            0,
            0,
        ),
        (
            "no custom status",
            of(|endpoint, id| Edit::SetCustomStatus {
                endpoint,
                id,
                name: None,
            }),
            0,
            0,
        ),
        (
            "body",
            of(|endpoint, id| Edit::EditBody {
                endpoint,
                id,
                fields: fields("two"),
            }),
            1,
            0,
        ),
        (
            "draft added",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft"),
            }),
            1,
            1,
        ),
        (
            "draft saved again",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft 2"),
            }),
            1,
            1,
        ),
        (
            "draft discarded",
            of(|endpoint, id| Edit::DiscardDraft { endpoint, id }),
            1,
            0,
        ),
        (
            "draft again",
            of(|endpoint, id| Edit::AddDraft {
                endpoint,
                id,
                fields: fields("draft 3"),
            }),
            1,
            1,
        ),
        (
            "published",
            of(|endpoint, id| Edit::Publish { endpoint, id }),
            1,
            0,
        ),
        (
            "back to draft",
            of(|endpoint, id| Edit::BackToDraft { endpoint, id }),
            0,
            1,
        ),
        (
            "published again",
            of(|endpoint, id| Edit::Publish { endpoint, id }),
            1,
            0,
        ),
        (
            "closed",
            of(|endpoint, id| Edit::Close { endpoint, id }),
            1,
            0,
        ),
    ];
    for (n, (name, edit, published, drafts)) in (1..).zip(changes) {
        sim.edit(edit).expect(name);
        sim.forget_requests();
        let report = home.sync(&sim).await.expect_complete();
        let counters = sim.counters();
        assert_eq!(report.contents.changed, 1, "{name}");
        assert_eq!(history(&home, "contents"), n, "{name}");
        assert_eq!(
            (counters.of(Route::ContentList), counters.of(Route::Content)),
            (published, drafts),
            "{name}"
        );
        assert_holds(&home, &sim.truth());
        assert_eq!(
            home.count("SELECT count(*) FROM contents_history WHERE published_body IS NULL AND draft_body IS NULL"),
            0,
            "{name}: every version keeps its bodies"
        );
    }
    sim.edit(Edit::MoveContent {
        endpoint: endpoint(),
        id,
        place: 0,
    })
    .expect("moved");
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        (history(&home, "contents"), body_requests(&sim)),
        (14, 0),
        "a reorder"
    );

    sim.edit(Edit::RenameApi {
        endpoint: endpoint(),
        name: "ブログ二".into(),
    })
    .expect("renamed");
    sim.edit(Edit::AddField {
        endpoint: endpoint(),
        field: "extra".into(),
    })
    .expect("added");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(body_requests(&sim), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_come_and_go_change_no_history() {
    let sim = Sim::builder().media(10).list_api("blog", 20).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for rights in [ManagementRights::none(), ManagementRights::all()] {
        sim.edit(Edit::SetManagementRights { rights }).expect("set");
        home.sync(&sim).await;
    }
    home.sync(&sim).await.expect_complete();
    for table in ["contents", "media", "assets", "endpoints"] {
        assert_eq!(history(&home, table), 0, "{table}");
    }
}
