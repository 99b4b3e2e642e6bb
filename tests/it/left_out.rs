//! APIs that were backed up and that the configuration names no more: what they owe is nobody's debt, and is told of.

use crate::support::{Program, Sandbox};
use microcms_sim::{ContentRights, Sim};
use serde_json::Value;

const OTHERS: &str = "blog,news";

/// What a command said as JSON, with `service.endpoints` as given, and the number for the shell.
#[track_caller]
fn told(home: &Sandbox, sim: &Sim, words: &[&str], endpoints: Option<&str>) -> (i32, Value) {
    let mut program = Program::command(words, home, sim);
    program.0.arg("--json");
    if let Some(endpoints) = endpoints {
        program = program.set("SERVICE__ENDPOINTS", endpoints);
    }
    let output = program.run();
    let told = serde_json::from_slice(&output.stdout).expect("JSON");
    (output.status.code().expect("a number"), told)
}

fn notes(told: &Value) -> String {
    told["notes"].to_string()
}

/// Three APIs, one of which the key may not read, all of them backed up as far as that goes.
async fn backed_up() -> (Sim, Sandbox) {
    let sim = Sim::builder()
        .media(2)
        .published_list_api("blog", 5)
        .published_list_api("members", 4)
        .published_list_api("news", 5)
        .endpoint_permissions("members", ContentRights::none())
        .start()
        .await;
    let home = Sandbox::new();
    let (code, report) = told(&home, &sim, &["sync"], None);
    assert_eq!((code, &report["bodies"]["owed"]), (3, &Value::from(4)));
    (sim, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_owes_that_the_configuration_leaves_out_is_a_note_and_no_debt() {
    let (sim, home) = backed_up().await;
    let metrics = home.path("metrics.prom");
    let file = metrics.to_str().expect("UTF-8");
    let words = ["sync", "--metrics-file", file];
    for words in [&["sync", "--dry-run"][..], &words] {
        let (code, report) = told(&home, &sim, words, Some(OTHERS));
        assert_eq!(code, 0, "{report:#}");
        assert_eq!(report["verdict"]["safe"], true);
        assert_eq!(report["bodies"]["owed"], 0);
        assert_eq!(report["bodies"]["refused"], 0);
        assert_eq!(report["owed_bodies"], Value::Array(Vec::new()));
        let note = "`members` is not in `service.endpoints`: 4 bodies are missing here until it is named there again";
        assert!(notes(&report).contains(note), "{report:#}");
    }
    let metrics = std::fs::read_to_string(metrics).expect("metrics");
    for (sample, count) in [
        ("bodies{service=\"demo\",state=\"refused\"}", 0),
        ("safe{service=\"demo\"}", 1),
    ] {
        let line = format!("microcms_backup_{sample} {count}\n");
        assert!(metrics.contains(&line), "{line}{metrics}");
    }
    let (code, status) = told(&home, &sim, &["status"], Some(OTHERS));
    assert_eq!(
        (code, &status["safe"]),
        (0, &Value::Bool(true)),
        "{status:#}"
    );
    let note = "`members` is as an earlier run left it, without 4 bodies";
    assert!(notes(&status).contains(note), "{status:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_owes_counts_again_where_it_is_named_or_nothing_is() {
    let (sim, home) = backed_up().await;
    assert_eq!(told(&home, &sim, &["sync"], Some(OTHERS)).0, 0);
    for endpoints in [None, Some("blog,members,news")] {
        let (code, status) = told(&home, &sim, &["status"], endpoints);
        assert_eq!(code, 6, "{status:#}");
        let (code, report) = told(&home, &sim, &["sync"], endpoints);
        assert_eq!((code, &report["bodies"]["refused"]), (3, &Value::from(4)));
    }
    // Who names it for one run asks for it.
    let words = ["sync", "--endpoint", "members"];
    let (code, report) = told(&home, &sim, &words, Some(OTHERS));
    assert_eq!((code, &report["bodies"]["refused"]), (4, &Value::from(4)));
    assert_eq!(report["owed_bodies"].as_array().map(Vec::len), Some(4));
    assert_eq!(told(&home, &sim, &["status"], Some(OTHERS)).0, 0);
    // One run of a part says nothing of what the others owe, and they owe it still.
    let (code, report) = told(&home, &sim, &["sync", "--endpoint", "blog"], None);
    assert_eq!((code, &report["bodies"]["refused"]), (3, &Value::from(4)));
}
