//! What is told of a body that was never had.

use super::{ask, fields, json, told};
use crate::support::{Expect as _, Sandbox};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim, Status};
use serde_json::{Map, Value};

const ID: &str = "hello";

fn titled(title: &str) -> Map<String, Value> {
    fields(&serde_json::json!({ "title": title }))
}

fn edited(title: &str) -> Edit {
    Edit::EditBody {
        endpoint: "blog".into(),
        id: ID.into(),
        fields: titled(title),
    }
}

/// A content whose first body was saved. It was edited, and its body could not be had.
async fn owed() -> (Sim, Sandbox) {
    let sim = Sim::builder().media(1).list_api("blog", 1).start().await;
    let home = Sandbox::new();
    let written = Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(ID.into()),
        status: Status::Publish,
        fields: Some(titled("saved words")),
        place: 0,
    };
    sim.edit(written).expect("written");
    home.sync(&sim).await.expect_complete();
    sim.edit(edited("words that nobody saved")).expect("edited");
    for route in [Route::ContentList, Route::Content] {
        let refusal = Fault::status(404, "not just now");
        sim.fault(route, Occasion::Every, refusal);
    }
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    (sim, home)
}

/// The same, deleted before the body came.
async fn deleted() -> (Sim, Sandbox) {
    let (sim, home) = owed().await;
    sim.clear_faults();
    let delete = Edit::DeleteContent {
        endpoint: "blog".into(),
        id: ID.into(),
    };
    sim.edit(delete).expect("deleted");
    home.sync(&sim).await.expect_complete();
    (sim, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_content_whose_last_body_never_came_names_where_the_saved_one_is() {
    let (sim, home) = deleted().await;
    let text = told(&home, &sim, &["show", "hello"]);
    let hint = "\nthe published body of that version never came; an earlier one: microcms-backup ";
    let (_, command) = text.split_once(hint).expect(&text);
    let words: Vec<&str> = command.lines().next().expect("a line").split('"').collect();
    let ["show blog/hello --at ", at, ""] = *words else {
        panic!("{text}");
    };
    let earlier = told(&home, &sim, &["show", "blog/hello", "--at", at]);
    assert!(earlier.contains("  title       saved words\n"), "{earlier}");

    let value = json(&home, &sim, &["show", "hello"]);
    assert_eq!(value["earlier_bodies"][0]["part"], "published_body");
    let at = value["earlier_bodies"][0]["at"].as_str().expect("a time");
    let earlier = json(&home, &sim, &["show", "hello", "--at", at]);
    assert_eq!(earlier["published_body"]["title"], "saved words");

    // What has its last body says nothing of earlier ones.
    let value = json(&home, &sim, &["show", "hello", "--at", "1"]);
    assert_eq!(value["earlier_bodies"], serde_json::json!([]));
    assert_eq!(ask(&home, &sim, &["show", "hello", "--at", "2"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_cannot_come_any_more_is_not_waited_for() {
    let (sim, home) = owed().await;
    let text = told(&home, &sim, &["history", "hello"]);
    assert!(text.contains("published: not here yet\n"), "{text}");
    let text = told(&home, &sim, &["diff", "1"]);
    assert!(
        text.contains("published: the new one is not here yet\n"),
        "{text}"
    );

    let (sim, home) = deleted().await;
    let text = told(&home, &sim, &["history", "hello"]);
    assert!(text.contains("published: never came\n"), "{text}");
    let text = told(&home, &sim, &["diff", "1", "2"]);
    assert!(
        text.contains("published: the new one never came\n"),
        "{text}"
    );
}
