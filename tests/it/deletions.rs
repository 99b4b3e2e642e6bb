//! Deletions and changes: what makes a tombstone, what does not, and one row of history for each.

mod in_a_row;
mod looks;

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_sim::{Edit, Fault, Occasion, RequestRecord, Route, Sim, Status};
use serde_json::{Map, Value, json};

pub(crate) fn fields(title: &str) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("title".into(), json!(title));
    fields
}

pub(crate) fn delete(endpoint: &str, id: &str) -> Edit {
    Edit::DeleteContent {
        endpoint: endpoint.into(),
        id: id.into(),
    }
}

pub(crate) fn allowing(allow_deletes: u64) -> Setup {
    Setup {
        allow_deletes,
        ..Setup::default()
    }
}

pub(crate) fn tombstones(home: &Sandbox, table: &str) -> u64 {
    home.count(&format!(
        "SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL"
    ))
}

pub(crate) fn history(home: &Sandbox, table: &str) -> u64 {
    home.count(&format!("SELECT count(*) FROM {table}_history"))
}

pub(crate) fn body_requests(sim: &Sim) -> u64 {
    sim.counters().of(Route::ContentList) + sim.counters().of(Route::Content)
}

/// A relation to a content that is gone leaves a body without a trace in its metadata: a full run
/// reads it again.
pub(crate) async fn holds_after_a_full_run(home: &Sandbox, sim: &Sim) {
    let full = Setup::full();
    home.sync_with(sim, full).await.expect_complete();
    assert_holds(home, &sim.truth());
}

#[track_caller]
pub(crate) fn hint_of(report: &RunReport, scope: &str) -> String {
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
        // What a person allows is for the whole run.
        for scope in ["contents/blog", "media"] {
            assert!(hint_of(&report, scope).ends_with("--allow-deletes 35"));
        }
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
async fn a_dry_run_tells_that_the_guard_would_trip_and_marks_nothing() {
    let sim = Sim::builder()
        .media(60)
        .published_list_api("blog", 12)
        .published_list_api("news", 5)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for id in sim.content_ids("blog") {
        sim.edit(delete("blog", &id)).expect("deleted");
    }
    for id in sim.media_ids().iter().take(15) {
        sim.edit(Edit::DeleteMedium { id: id.clone() })
            .expect("deleted");
    }
    let dry = |allow_deletes| Setup {
        is_dry_run: true,
        allow_deletes,
        ..Setup::default()
    };
    let told = |report: &RunReport| {
        let mut told: Vec<_> = report
            .problems
            .iter()
            .map(|problem| {
                (
                    problem.scope.clone(),
                    problem.message.clone(),
                    problem.hint.clone(),
                )
            })
            .collect();
        told.sort();
        told
    };
    let before = home
        .sync_with(&sim, dry(0))
        .await
        .expect_code(ExitCode::Guard);
    let real = home.sync(&sim).await.expect_code(ExitCode::Guard);
    assert_eq!(told(&before), told(&real));
    assert_eq!(told(&before).len(), 2);
    home.sync_with(&sim, dry(14))
        .await
        .expect_code(ExitCode::Guard);
    home.sync_with(&sim, dry(27))
        .await
        .expect_code(ExitCode::Complete);
    assert_eq!(
        (tombstones(&home, "contents"), tombstones(&home, "media")),
        (0, 0)
    );
    // What a person confirmed needs no second word, in a dry run as in a real one.
    home.sync_with(&sim, allowing(27)).await.expect_complete();
    home.sync_with(&sim, dry(0))
        .await
        .expect_code(ExitCode::Complete);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_does_not_believe_an_empty_list_of_apis() {
    let sim = Sim::builder().published_list_api("news", 5).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::DeleteApi {
        endpoint: "news".into(),
    })
    .expect("deleted");
    let dry = Setup {
        is_dry_run: true,
        ..Setup::default()
    };
    let before = home.sync_with(&sim, dry).await.expect_code(ExitCode::Guard);
    let real = home.sync(&sim).await.expect_code(ExitCode::Guard);
    assert_eq!(before.problems, real.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_of_apis_that_lacks_most_of_them_is_not_believed_because_each_is_small() {
    let names: Vec<String> = (0..10).map(|n| format!("api{n}")).collect();
    let all = Sim::builder().media(1);
    let sim = names
        .iter()
        .fold(all, |sim, name| sim.published_list_api(name, 3))
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for name in &names[..6] {
        let endpoint = name.clone();
        sim.edit(Edit::DeleteApi { endpoint }).expect("deleted");
    }
    for is_dry_run in [true, false] {
        let setup = Setup {
            is_dry_run,
            ..Setup::default()
        };
        let report = home
            .sync_with(&sim, setup)
            .await
            .expect_code(ExitCode::Guard);
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        let problem = &report.problems[0];
        assert_eq!(
            problem.message,
            "the list of APIs lacks 6 APIs, which have 18 of the 30 contents that are known"
        );
        let hint = problem.hint.as_deref().unwrap_or_default();
        assert!(hint.ends_with("--allow-deletes 18"), "{hint}");
        assert_eq!(tombstones(&home, "contents"), 0);
        assert_eq!(tombstones(&home, "endpoints"), 0);
    }
    home.sync_with(&sim, allowing(17))
        .await
        .expect_code(ExitCode::Guard);
    home.sync_with(&sim, allowing(18)).await.expect_complete();
    assert_eq!(tombstones(&home, "contents"), 18);
    assert_eq!(tombstones(&home, "endpoints"), 6);
    // Few of many are believed.
    let endpoint = names[6].clone();
    sim.edit(Edit::DeleteApi { endpoint }).expect("deleted");
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
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.media.returned, 1);
    let is_file = |record: &RequestRecord| matches!(record.route, Route::Image | Route::File);
    let files = sim.requests().into_iter().filter(is_file);
    let files: Vec<_> = files.collect();
    assert_eq!(
        files.iter().map(|record| record.bytes).sum::<u64>(),
        0,
        "{files:#?}"
    );
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
