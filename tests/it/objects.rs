//! Object APIs: whose body it is that they serve.

use crate::bodies::{bodies, fields};
use crate::support::{Expect as _, Program, Sandbox};
use microcms_backup::model::ExitCode;
use microcms_sim::{ApiKind, Edit, Fault, Occasion, Route, Sim};
use serde_json::{Map, Value};

/// The list `items` goes, and an object of its name comes. Returns the object's id.
fn made_anew_as_an_object(sim: &Sim) -> String {
    sim.edit(Edit::DeleteApi {
        endpoint: "items".into(),
    })
    .expect("deleted");
    sim.edit(Edit::AddApi {
        endpoint: "items".into(),
        kind: ApiKind::Object,
        contents: 1,
    })
    .expect("made anew");
    sim.truth().contents[0].id.clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_no_body_of_a_list_that_had_its_name() {
    let sim = Sim::builder().published_list_api("items", 20).start().await;
    // All bodies are owed when the API is made anew.
    for route in [Route::ContentList, Route::Content] {
        sim.fault(route, Occasion::Every, Fault::answer("what?"));
    }
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    sim.clear_faults();
    let own = &made_anew_as_an_object(&sim);
    let wrong =
        format!("SELECT id FROM contents WHERE id <> '{own}' AND published_body IS NOT NULL");
    for _ in 0..3 {
        // Twenty missing contents want a person's word.
        home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert_eq!(home.texts(&wrong), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_is_asked_for_once_it_is_listed_whoever_else_is_owed() {
    let sim = Sim::builder().published_list_api("items", 20).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::EditBody {
        endpoint: "items".into(),
        id: sim.content_ids("items")[7].clone(),
        fields: fields("new"),
    })
    .expect("edited");
    for route in [Route::ContentList, Route::Content] {
        sim.fault(route, Occasion::Every, Fault::answer("what?"));
    }
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    sim.clear_faults();
    let own = &made_anew_as_an_object(&sim);
    let wrong = format!(
        "SELECT id FROM contents WHERE id <> '{own}'
             AND published_body = (SELECT published_body FROM contents WHERE id = '{own}')"
    );
    let asked = || sim.counters().of(Route::ContentList) + sim.counters().of(Route::Content);
    for run in 0..3 {
        sim.forget_requests();
        home.sync(&sim).await.expect_code(ExitCode::Guard);
        assert!(bodies(&home, own).0.is_some(), "run {run} {own}");
        assert_eq!(home.texts(&wrong), Vec::<String>::new());
        // The first run begins as if it still were a list.
        assert!(run == 0 || asked() == 0, "run {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_without_an_id_whose_stamps_mean_something_else_is_saved_in_the_end() {
    let sim = Sim::builder().object_api("about").start().await;
    // No content can be looked up by a name that we gave it.
    let listed = Fault::answer(r#"{"status":["PUBLISH"],"updatedAt":"2020-01-01T00:00:00.000Z"}"#);
    sim.fault(Route::MetadataList, Occasion::Every, listed);
    let absent = Fault::status(404, r#"{"message":"Content is not found."}"#);
    sim.fault(Route::Metadata, Occasion::Every, absent);
    let home = Sandbox::new();
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    home.sync(&sim).await.expect_complete();
    assert!(bodies(&home, "about").0.is_some());
    assert_eq!(sim.counters().of(Route::Metadata), 0);
}

/// What the listing of the object API `about` says, without these fields.
fn listed_without(sim: &Sim, names: &[&str]) -> Map<String, Value> {
    let truth = sim.truth();
    let mut item: Map<String, Value> =
        serde_json::from_str(&truth.contents[0].metadata).expect("an object");
    item.retain(|name, _| !names.contains(&name.as_str()));
    item
}

fn list(sim: &Sim, item: &Map<String, Value>) {
    let listed = serde_json::to_string(item).expect("JSON");
    sim.fault(Route::MetadataList, Occasion::Every, Fault::answer(listed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_whose_id_is_told_no_more_is_the_one_that_is_known() {
    let sim = Sim::builder().object_api("about").start().await;
    let id = sim.content_ids("about")[0].clone();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for is_look_up_answered in [true, false] {
        for _ in 0..2 {
            sim.clear_faults();
            sim.edit(Edit::EditBody {
                endpoint: "about".into(),
                id: id.clone(),
                fields: fields(&format!("new, {is_look_up_answered}")),
            })
            .expect("edited");
            list(&sim, &listed_without(&sim, &["id"]));
            if !is_look_up_answered {
                let absent = Fault::status(404, r#"{"message":"Content is not found."}"#);
                sim.fault(Route::Metadata, Occasion::Every, absent);
            }
            home.sync(&sim).await.expect_complete();
            assert_eq!(home.texts("SELECT id FROM contents"), [id.as_str()]);
            let truth = sim.truth();
            assert_eq!(bodies(&home, &id).0, truth.contents[0].published);
        }
        let output = Program::command(&["verify", "--remote"], &home, &sim).run();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    // The id comes back.
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_eq!(home.texts("SELECT id FROM contents"), [id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_with_another_id_leaves_a_tombstone_where_its_old_one_is_gone() {
    for is_gone in [true, false] {
        let sim = Sim::builder().object_api("about").start().await;
        let id = sim.content_ids("about")[0].clone();
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let mut item = listed_without(&sim, &["id"]);
        item.insert("id".into(), "another".into());
        list(&sim, &item);
        if is_gone {
            let absent = Fault::status(404, r#"{"message":"Content is not found."}"#);
            sim.fault(Route::Metadata, Occasion::Every, absent);
        }
        for _ in 0..2 {
            home.sync(&sim).await.expect_complete();
            let live = home
                .texts("SELECT id FROM contents WHERE deleted_at IS NULL ORDER BY id = 'another'");
            let both = [id.as_str(), "another"];
            assert_eq!(live, &both[usize::from(is_gone)..]);
        }
    }
}
