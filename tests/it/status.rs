//! `status`: the truth about a backup as it lies there, whoever works on it meanwhile.

mod unreadable;

use crate::support::{Expect as _, Program, Sandbox, Setup};
use microcms_backup::model::ExitCode;
use microcms_backup::sync::Only;
use microcms_sim::{ContentRights, Edit, Fault, ManagementRights, Occasion, Route, Sim};
use rusqlite::Connection;
use serde_json::Value;
use std::collections::BTreeMap;

/// What `status` said: the number for the shell, and its lines.
fn told(home: &Sandbox, sim: &Sim, words: &[&str]) -> (i32, String) {
    let words = [&["status"], words].concat();
    let mut program = Program::command(&words, home, sim);
    // It needs no key.
    program.0.env_remove("MICROCMS_API_KEY");
    let output = program.run();
    let text = String::from_utf8(output.stdout).expect("text");
    let errors = String::from_utf8(output.stderr).expect("text");
    assert_eq!(errors, "");
    (output.status.code().expect("a number"), text)
}

fn line(text: &str) -> &str {
    text.lines().next().expect("a line")
}

fn json(home: &Sandbox, sim: &Sim, words: &[&str]) -> (i32, Value) {
    let (code, text) = told(home, sim, &[&["--json"], words].concat());
    let value: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["version"], 1);
    assert_eq!(value["exit_code"], code);
    (code, value)
}

/// Every file of a home with its length, the mirror left out.
fn files(home: &Sandbox) -> BTreeMap<String, u64> {
    std::fs::read_dir(home.path("."))
        .expect("a folder")
        .map(|entry| entry.expect("an entry"))
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let length = entry.metadata().expect("about it").len();
            (entry.file_name().to_string_lossy().into_owned(), length)
        })
        .collect()
}

/// Writes to the database as nobody should.
fn edit(home: &Sandbox, sql: &str) {
    let conn = Connection::open(home.database()).expect("it opens");
    conn.execute_batch(sql).expect(sql);
}

async fn service() -> Sim {
    Sim::builder()
        .media(20)
        .list_api("blog", 12)
        .object_api("settings")
        .start()
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_backup_it_says_what_to_run_and_makes_nothing() {
    let sim = service().await;
    let home = Sandbox::new();
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    let database = home.database().display().to_string();
    assert_eq!(
        text,
        format!("UNSAFE: no backup yet: `{database}` does not exist; run `microcms-backup sync`\n")
    );
    let (code, value) = json(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert_eq!(
        (&value["safe"], &value["backup"]),
        (&Value::Bool(false), &Value::Null)
    );
    assert_eq!(files(&home), BTreeMap::new());
    assert_eq!(sim.counters().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complete_backup_is_safe_as_of_its_start_and_looking_changes_nothing() {
    let sim = service().await;
    let home = Sandbox::new();
    let report = home.sync(&sim).await.expect_complete();
    sim.forget_requests();
    let before = files(&home);

    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0);
    assert_eq!(line(&text), report.verdict.line);
    for words in [
        "contents  blog 12, settings 1\n",
        "bodies    none owed\n",
        "files     20 saved, 0 owed, 0 failed\n",
        "now       no run is under way\n",
    ] {
        assert!(text.contains(words), "{words}{text}");
    }
    let (_, value) = json(&home, &sim, &[]);
    assert_eq!(value["as_of"], report.started_at.to_string());
    assert_eq!(value["reasons"], serde_json::json!([]));
    let backup = &value["backup"];
    assert_eq!(backup["runs"].as_array().map(Vec::len), Some(1));
    assert_eq!(backup["holdings"]["contents"], 13);
    assert_eq!(backup["files"]["saved"], 20);
    assert_eq!(backup["mirror_bytes"], report.holdings.bytes);

    assert_eq!(files(&home), before);
    assert_eq!(sim.counters().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_while_another_program_has_the_database_open() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // A writer with a log: what stands in the log counts.
    let writer = Connection::open(home.database()).expect("it opens");
    writer
        .execute_batch("BEGIN IMMEDIATE; UPDATE assets SET state = 'owed', why = 'changed'; COMMIT; BEGIN IMMEDIATE;")
        .expect("a transaction under way");
    let before = files(&home);
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6, "{text}");
    assert!(
        text.starts_with("UNSAFE: 20 files are owed; last complete as of "),
        "{text}"
    );
    assert_eq!(files(&home), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_or_failed_is_unsafe_and_named() {
    let sim = service().await;
    let home = Sandbox::new();
    let broken = sim.truth().media[0].clone();
    let path = broken.url.rsplit('/').next().expect("a name").to_owned();
    for route in [Route::Image, Route::File] {
        sim.fault(
            route.containing(&path),
            Occasion::Every,
            Fault::status(404, "gone"),
        );
    }
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    edit(
        &home,
        "UPDATE assets SET next_attempt_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+1 day') WHERE state = 'failed'",
    );
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(
        text.starts_with(
            "UNSAFE: no run of everything was complete yet; 1 file failed; saved so far: 20 media"
        ),
        "{text}"
    );
    assert!(
        text.contains("files     19 saved, 0 owed, 1 failed; next attempt in "),
        "{text}"
    );
    assert!(text.contains(" (1 attempt, next in "), "{text}");
    let (_, value) = json(&home, &sim, &[]);
    let failed = &value["backup"]["failed"][0];
    assert_eq!(failed["media_id"], broken.id);
    assert!(
        failed["error"].as_str().expect("a text").contains("404"),
        "{failed}"
    );

    sim.clear_faults();
    edit(&home, "UPDATE assets SET next_attempt_at = NULL");
    home.sync(&sim).await.expect_complete();
    assert_eq!(told(&home, &sim, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_the_key_may_not_read_are_named_by_their_api() {
    let sim = Sim::builder()
        .list_api("blog", 12)
        .published_list_api("news", 7)
        .endpoint_permissions("news", ContentRights::none())
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await;
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(
        line(&text).contains("; 7 bodies are refused to the key; "),
        "{text}"
    );
    assert!(
        text.contains("bodies    0 owed, 7 refused to the key\n          news: 7 refused: "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_run_that_needs_a_person_is_unsafe_and_one_that_may_pass_is_not() {
    let sim = service().await;
    let home = Sandbox::new();
    let first = home.sync(&sim).await.expect_complete();

    let stopped = Setup::default();
    stopped.stop.request(ExitCode::Terminated);
    home.sync_with(&sim, stopped)
        .await
        .expect_code(ExitCode::Terminated);
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(line(&text), first.verdict.line);
    assert!(
        text.contains("\nnote      run 2 was interrupted\n"),
        "{text}"
    );

    sim.edit(Edit::SetManagementRights {
        rights: ManagementRights::none(),
    })
    .expect("set");
    home.sync(&sim).await.expect_code(ExitCode::Refused);
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(
        text.starts_with("UNSAFE: the key, a permission or the plan was in the way in run 3: "),
        "{text}"
    );
    assert!(
        line(&text).contains(&format!("; last complete as of {}", first.started_at)),
        "{text}"
    );
    sim.edit(Edit::SetManagementRights {
        rights: ManagementRights::all(),
    })
    .expect("set");

    // Part runs say nothing of the rest, whichever way they end.
    let part = || Setup {
        only: Only {
            media: true,
            contents: false,
            assets: false,
        },
        ..Setup::default()
    };
    home.sync_with(&sim, part()).await.expect_complete();
    assert_eq!(told(&home, &sim, &[]).0, 6);
    home.sync(&sim).await.expect_complete();
    assert_eq!(told(&home, &sim, &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_configuration_names_apis_a_run_of_those_is_a_run_of_everything() {
    let sim = service().await;
    let home = Sandbox::new();
    let setup = Setup {
        endpoints: vec!["blog".to_owned()],
        ..Setup::default()
    };
    home.sync_with(&sim, setup).await.expect_complete();
    let status = |endpoints: &str| {
        let program = Program::command(&["status"], &home, &sim);
        let output = program.set("SERVICE__ENDPOINTS", endpoints).run();
        output.status.code()
    };
    assert_eq!(status("blog"), Some(0));
    assert_eq!(status("blog,settings"), Some(6));
    assert_eq!(told(&home, &sim, &[]).0, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn apis_that_the_configuration_names_no_more_are_told_of() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let notes = |endpoints: &str| {
        let program = Program::command(&["status", "--json"], &home, &sim);
        let output = program.set("SERVICE__ENDPOINTS", endpoints).run();
        let status: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(status["safe"], true, "{status}");
        status["notes"].to_string()
    };
    assert!(notes("blog").contains("`settings` is as an earlier run left it"));
    assert_eq!(notes("blog,settings"), "[]");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_backup_is_unsafe_by_the_age_that_was_asked_for() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    edit(
        &home,
        "UPDATE runs SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-27 hours', '-5 seconds')",
    );
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(
        text.starts_with("UNSAFE: the last complete run began 1 d 3 h ago, more than 1 d 2 h; last complete as of "),
        "{text}"
    );
    assert_eq!(told(&home, &sim, &["--max-age", "28h"]).0, 0);
    edit(
        &home,
        "UPDATE runs SET started_at = '2999-01-01T00:00:00.000Z'",
    );
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(text.contains(" ahead of this machine's clock"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_under_way_is_seen_with_its_process_and_a_dead_one_is_told_apart() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for name in ["a.png", "b.png", "c.png"] {
        let medium = Edit::AddMedium {
            name: name.to_owned(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        };
        sim.edit(medium).expect("added");
    }
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::Stall { after: Some(10) });
    }
    // The budget of ten requests in ten seconds counts on across runs, which is not the matter here.
    edit(&home, "UPDATE runs SET recent_requests = NULL");
    let mut sync = Program::sync(&home, &sim).start();
    let owed = "SELECT count(*) FROM assets WHERE state = 'owed'";
    let begun = std::time::Instant::now();
    while home.count(owed) < 3 {
        assert!(sync.ended().is_none() && begun.elapsed().as_secs() < 30);
        tokio::task::yield_now().await;
    }
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("note      run 2 is at what it found: 3 files are owed\n"),
        "{text}"
    );
    let holder = format!(
        "now       run 2 is under way, process {} since 2",
        sync.id()
    );
    assert!(text.contains(&holder), "{holder}\n{text}");

    sync.signal("KILL");
    sync.wait(std::time::Duration::from_secs(10));
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6, "{text}");
    assert!(text.starts_with("UNSAFE: 3 files are owed; "), "{text}");
    assert!(
        text.contains("note      run 2 died without a word\n"),
        "{text}"
    );
    assert!(text.contains("now       no run is under way\n"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_upstream_wrote_can_forge_a_line() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    edit(
        &home,
        "UPDATE assets SET state = 'failed', why = 'changed', last_error = char(10) || 'SAFE as of now' || char(27) || '[2J';
         UPDATE media SET file_name = char(13) || char(10) || 'SAFE as of today', valid_from = '2999-01-01T00:00:00.000Z'
         WHERE 0;
         UPDATE runs SET outcome = 'failed', error = 'x' || char(10) || 'SAFE as of 2026';",
    );
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(text.lines().all(|line| !line.starts_with("SAFE")), "{text}");
}
