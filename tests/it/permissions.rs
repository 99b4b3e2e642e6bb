//! Refusals: a wrong key, a missing right, a stopped plan, a forbidden address. Each is said once with
//! what to do about it, loses nothing, and the rest of the run is done.

mod evidence;
mod get;
mod key;

use crate::support::{Expect as _, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, Problem, RunReport, WalkVerdict};
use microcms_sim::{ContentRights, Edit, Fault, ManagementRights, Occasion, Route, Sim, When};

const KEY: &str = "the-very-secret-key-0123456789";

async fn service() -> Sim {
    Sim::builder()
        .api_key(KEY)
        .media(230)
        .list_api("blog", 120)
        .list_api("news", 15)
        .object_api("settings")
        .start()
        .await
}

fn rights(edit: impl Fn(&mut ManagementRights)) -> Edit {
    let mut rights = ManagementRights::all();
    edit(&mut rights);
    Edit::SetManagementRights { rights }
}

fn problem<'a>(report: &'a RunReport, scope: &str) -> &'a Problem {
    let of_scope: Vec<_> = report
        .problems
        .iter()
        .filter(|p| p.scope == scope)
        .collect();
    assert_eq!(of_scope.len(), 1, "{scope}: {:?}", report.problems);
    of_scope[0]
}

/// Nothing is marked, nothing is gone.
#[track_caller]
fn assert_nothing_lost(home: &Sandbox, sim: &Sim) {
    for table in ["contents", "media", "endpoints"] {
        assert_eq!(
            home.count(&format!(
                "SELECT count(*) FROM {table} WHERE deleted_at IS NOT NULL"
            )),
            0,
            "{table}"
        );
    }
    let counters = sim.counters();
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
}

/// The key is in no file, no report and no log.
#[track_caller]
fn assert_secret(home: &Sandbox, report: &RunReport) {
    let told = serde_json::to_string(report).expect("a report");
    assert!(
        !told.contains(KEY) && !format!("{report:?}").contains(KEY),
        "{told}"
    );
    for entry in std::fs::read_dir(home.path(".")).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("a file");
            let has_key = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
            assert!(!has_key, "{}", path.display());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_key_says_so_and_loses_nothing() {
    let sim = service().await;
    let home = Sandbox::new();
    let wrong = || Setup {
        key: Some("another-key".into()),
        ..Setup::default()
    };
    let report = home
        .sync_with(&sim, wrong())
        .await
        .expect_code(ExitCode::Refused);
    assert!(
        problem(&report, "media")
            .hint
            .as_deref()
            .is_some_and(|hint| hint.contains("key"))
    );
    let hint = problem(&report, "media").hint.clone().expect("a hint");
    assert!(hint.contains("メディアの取得 (Retrieve Media)"), "{hint}");
    assert!(hint.contains("tab マネジメントAPI（ベータ）"), "{hint}");
    assert!(
        hint.ends_with("`microcms-backup doctor` tries each"),
        "{hint}"
    );
    assert_eq!(home.count("SELECT count(*) FROM media"), 0);

    home.sync(&sim).await.expect_complete();
    sim.forget_requests();
    let report = home
        .sync_with(&sim, wrong())
        .await
        .expect_code(ExitCode::Refused);
    assert!(
        report.verdict.line.starts_with("UNSAFE: "),
        "{}",
        report.verdict.line
    );
    // One look at each listing, none repeated.
    assert!(sim.counters().total <= 6, "{:?}", sim.request_lines());
    assert_nothing_lost(&home, &sim);
    assert_holds(&home, &sim.truth());
    home.sync(&sim).await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_changed_in_the_middle_of_a_run_leaves_a_backup_that_heals() {
    for (route, nth) in [
        (Route::Media, 2),
        (Route::MetadataList, 2),
        (Route::ContentList, 1),
    ] {
        let sim = service().await;
        let new_key = Edit::ChangeKey { key: "new".into() };
        sim.on(route, nth, When::Before, new_key);
        let home = Sandbox::new();
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_secret(&home, &report);
        assert_nothing_lost(&home, &sim);
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_missing_management_right_costs_its_part_alone() {
    let sim = service().await;
    let home = Sandbox::new();
    sim.edit(rights(|rights| rights.media = false))
        .expect("set");
    let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_eq!(report.verdict_of("media"), WalkVerdict::Failed);
    assert_eq!(report.contents.new, 136);
    assert_eq!(report.bodies.owed, 0);

    sim.edit(rights(|rights| rights.contents = false))
        .expect("set");
    let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
    assert_eq!(report.verdict_of("media"), WalkVerdict::Proven);
    assert_eq!(report.assets.saved, 230);
    assert!(
        report
            .problems
            .iter()
            .all(|p| p.scope.starts_with("contents/")),
        "{:?}",
        report.problems
    );
    assert_nothing_lost(&home, &sim);
    assert_holds(&home, &sim.truth());

    let of_contents = |problem: &&Problem| problem.scope.starts_with("contents/");
    let hint = report
        .problems
        .iter()
        .find(of_contents)
        .and_then(|problem| problem.hint.clone());
    let hint = hint.expect("a hint");
    assert!(
        hint.contains("コンテンツの取得 (一覧・詳細) (Retrieve Content, List/Detail)"),
        "{hint}"
    );
    assert!(
        hint.ends_with("`microcms-backup doctor` tries each"),
        "{hint}"
    );

    // What is known is still walked without the list of APIs.
    sim.edit(Edit::AddContent {
        endpoint: "news".into(),
        id: Some("new-one".into()),
        status: microcms_sim::Status::Publish,
        fields: None,
        place: 0,
    })
    .expect("added");
    sim.edit(rights(|rights| rights.apis = false)).expect("set");
    let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
    let hint = problem(&report, "apis").hint.clone().expect("a hint");
    assert!(hint.contains("API情報の取得"), "{hint}");
    assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
    assert_holds(&home, &sim.truth());
    assert_nothing_lost(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_plan_is_loud_before_and_in_the_middle_of_a_run() {
    for nth in [1, 2] {
        let sim = service().await;
        sim.on(
            Route::ContentList,
            nth,
            When::Before,
            Edit::StopService { on: true },
        );
        let home = Sandbox::new();
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        let stopped = problem(&report, "bodies");
        assert!(stopped.message.contains("is stopped"), "{stopped:?}");
        assert!(
            stopped
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("plan"))
        );
        assert_eq!(report.assets.saved, 230, "the rest of the run is done");
        assert!(report.bodies.owed > 0);
        assert_eq!(report.bodies.refused, 0, "no right is missing");
        assert_nothing_lost(&home, &sim);
        assert_secret(&home, &report);
        sim.edit(Edit::StopService { on: false }).expect("paid");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_management_api_that_stops_is_no_empty_service() {
    let message = "API is stopped for demo service. Please upgrade your plan.";
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for route in [Route::Media, Route::Apis, Route::MetadataList] {
        // From the first request on, and in the middle of a walk.
        for from in [1, 2] {
            sim.fault(
                route,
                Occasion::Range(from, 999),
                Fault::status(400, message),
            );
            let report = home.sync(&sim).await;
            sim.clear_faults();
            if route == Route::Apis && from == 2 {
                continue;
            }
            let report = report.expect_code(ExitCode::Refused);
            let stopped = report
                .problems
                .iter()
                .find(|p| p.message.contains("is stopped"));
            let hint = stopped.and_then(|p| p.hint.clone()).expect("a hint");
            assert!(hint.contains("upgrade the plan"), "{route:?}: {hint}");
            assert_nothing_lost(&home, &sim);
        }
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forbidden_address_is_named_with_its_remedy() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::RejectIp { on: true }).expect("set");
    let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
    for problem in &report.problems {
        let hint = problem.hint.as_deref().unwrap_or_default();
        assert!(hint.contains("address"), "{problem:?}");
    }
    assert_nothing_lost(&home, &sim);
    sim.edit(Edit::RejectIp { on: false }).expect("set");

    // In the middle of each walk.
    for route in [Route::Media, Route::MetadataList] {
        sim.on(route, 2, When::Before, Edit::RejectIp { on: true });
        home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_nothing_lost(&home, &sim);
        sim.edit(Edit::RejectIp { on: false }).expect("set");
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_one_api_forbids_does_not_keep_the_others_from_being_read() {
    let sim = service().await;
    let rejected = Fault::status(400, "IP address rejected.");
    sim.fault(
        Route::ContentList.containing("/blog?"),
        Occasion::Every,
        rejected.clone(),
    );
    sim.fault(
        Route::Content.containing("/blog/"),
        Occasion::Every,
        rejected,
    );
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    let hint = problem(&report, "bodies/blog")
        .hint
        .clone()
        .expect("a hint");
    assert!(hint.contains("address"), "{hint}");
    assert_eq!(
        home.count(
            "SELECT count(*) FROM contents WHERE endpoint <> 'blog'
                 AND published_body IS NULL AND draft_body IS NULL"
        ),
        0
    );
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_read_no_body_at_all_is_a_problem_of_the_key() {
    let sim = service().await;
    sim.edit(Edit::SetContentRights {
        endpoint: None,
        rights: ContentRights::none(),
    })
    .expect("set");
    let home = Sandbox::new();
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_eq!(report.bodies.owed, report.bodies.refused);
        assert_eq!(report.assets.owed, 0, "files are read all the same");
    }
    assert_nothing_lost(&home, &sim);
}
