//! GET that the key lacks for every API is a problem of the key, however few of them a run had to ask; for one
//! API of several it is that API's.

use crate::bodies::{add, fields};
use crate::support::{Expect as _, Program, Sandbox, Setup, assert_holds};
use microcms_backup::model::{ExitCode, ProblemKind, RunReport};
use microcms_sim::{ContentRights, Edit, Fault, Occasion, Route, Sim, Status};

fn set(endpoint: Option<&str>, rights: ContentRights) -> Edit {
    Edit::SetContentRights {
        endpoint: endpoint.map(str::to_owned),
        rights,
    }
}

fn naming(endpoints: &[&str]) -> Setup {
    Setup {
        endpoints: endpoints.iter().map(|name| (*name).to_owned()).collect(),
        ..Setup::default()
    }
}

/// Each of these APIs, and no other, is a problem of the key, with what helps.
#[track_caller]
fn assert_key_is_in_the_way(report: &RunReport, apis: &[&str]) {
    let refused = report
        .problems
        .iter()
        .filter(|problem| problem.kind == ProblemKind::Refused);
    let scopes: Vec<&str> = refused
        .map(|problem| {
            let hint = problem.hint.as_deref().unwrap_or_default();
            assert!(hint.contains("GET"), "{problem:?}");
            problem.scope.as_str()
        })
        .collect();
    let expected: Vec<String> = apis.iter().map(|api| format!("bodies/{api}")).collect();
    assert_eq!(scopes, expected, "{:#?}", report.problems);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_that_owes_nothing_hides_no_key_that_may_read_none() {
    // One without contents, and one of drafts alone, which are refused one by one.
    let sim = Sim::builder()
        .published_list_api("blog", 0)
        .published_list_api("empty", 0)
        .published_list_api("news", 8)
        .content_permissions(ContentRights::none())
        .start()
        .await;
    let home = Sandbox::new();
    sim.edit(add("never", Status::Draft)).expect("added");
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_key_is_in_the_way(&report, &["blog", "news"]);
    }
    sim.edit(set(None, ContentRights::backup()))
        .expect("granted");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_alone_tell_of_a_key_that_may_read_nothing() {
    let sim = Sim::builder()
        .published_list_api("blog", 0)
        .content_permissions(ContentRights::none())
        .start()
        .await;
    sim.edit(add("never", Status::Draft)).expect("added");
    let home = Sandbox::new();
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_key_is_in_the_way(&report, &["blog"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_later_wants_a_person_though_little_changed() {
    let sim = Sim::builder()
        .published_list_api("blog", 6)
        .published_list_api("news", 6)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(set(None, ContentRights::none())).expect("taken");
    // Nobody notices while nothing changes: what is saved is saved.
    home.sync(&sim).await.expect_complete();
    sim.edit(add("new", Status::Publish)).expect("added");
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Refused);
        assert_key_is_in_the_way(&report, &["blog"]);
    }
    let status = Program::command(&["status"], &home, &sim).run();
    let told = String::from_utf8(status.stdout).expect("text");
    assert!(
        told.starts_with("UNSAFE: the key, a permission or the plan was in the way in run 4: "),
        "{told}"
    );

    // Granted for another API alone, it is this one's own trouble.
    sim.edit(set(Some("settings"), ContentRights::backup()))
        .expect("granted");
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    sim.edit(set(None, ContentRights::backup()))
        .expect("granted");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_apis_that_a_run_is_about_all_must_be_forbidden() {
    let sim = Sim::builder()
        .published_list_api("blog", 6)
        .published_list_api("members", 4)
        .published_list_api("news", 6)
        .endpoint_permissions("members", ContentRights::none())
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    // What others owe is told of, and is not what this run asked for.
    home.sync_with(&sim, naming(&["blog"]))
        .await
        .expect_code(ExitCode::Partial);
    let report = home.sync_with(&sim, naming(&["members"])).await;
    assert_key_is_in_the_way(&report.expect_code(ExitCode::Refused), &["members"]);

    sim.edit(set(None, ContentRights::none())).expect("taken");
    let edit = Edit::EditBody {
        endpoint: "blog".into(),
        id: sim.content_ids("blog")[0].clone(),
        fields: fields("new"),
    };
    sim.edit(edit).expect("edited");
    let report = home.sync_with(&sim, naming(&["blog", "news"])).await;
    assert_key_is_in_the_way(&report.expect_code(ExitCode::Refused), &["blog"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_other_apis_do_not_answer_nothing_is_said_of_the_key() {
    let sim = Sim::builder()
        .published_list_api("blog", 6)
        .published_list_api("news", 6)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(set(None, ContentRights::none())).expect("taken");
    sim.edit(add("new", Status::Publish)).expect("added");
    let news = Route::ContentList.containing("/news?");
    sim.fault(news, Occasion::Every, Fault::status(400, "strange"));
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    sim.clear_faults();
    home.sync(&sim).await.expect_code(ExitCode::Refused);
}
