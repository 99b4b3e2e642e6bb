//! What became of files, beside what became of their media.

use super::json;
use crate::support::{Expect as _, Sandbox, Setup};
use microcms_sim::{Edit, Sim};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_alone_changed_is_dated_by_its_own_version() {
    let sim = Sim::builder().media(2).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let id = sim.media_ids()[0].clone();
    let edit = Edit::ReplaceBytes {
        id: id.clone(),
        bytes: None,
        touch: false,
        stale_requests: 0,
    };
    sim.edit(edit).expect("replaced");
    home.sync_with(&sim, Setup::full()).await.expect_complete();
    let diff = json(&home, &sim, &["diff", "--run", "2"]);
    let changes = diff["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{diff}");
    assert_eq!(changes[0]["id"], *id);
    let time = |of: &serde_json::Value| of.as_str().expect("a time").to_owned();
    let (from, at, to) = (
        time(&diff["from"]),
        time(&changes[0]["at"]),
        time(&diff["to"]),
    );
    assert!(from < at && at <= to, "{diff}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_file_of_a_deleted_medium_lies_is_no_change_of_it() {
    let sim = Sim::builder().media(3).start().await;
    let home = Sandbox::new();
    let (dead, path) = (
        sim.media_ids()[0].clone(),
        "/assets/a/b/taken.png".to_owned(),
    );
    let edit = Edit::SetMediumPath {
        id: dead.clone(),
        path: path.clone(),
        touch: true,
    };
    sim.edit(edit).expect("named");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::DeleteMedium { id: dead.clone() })
        .expect("deleted");
    home.sync(&sim).await.expect_complete();
    home.sync(&sim).await.expect_complete();
    let gone = format!("SELECT count(*) FROM media WHERE id = '{dead}' AND deleted_at IS NOT NULL");
    assert_eq!(home.count(&gone), 1);
    // Another takes its URL, and its file gives way.
    sim.edit(Edit::AddMedium {
        name: "taken.png".to_owned(),
        bytes: Some(b"other bytes".to_vec()),
        path: Some(path),
        alt: None,
        tags: Vec::new(),
    })
    .expect("added");
    home.sync(&sim).await;
    let moved = format!("SELECT count(*) FROM assets_history WHERE media_id = '{dead}'");
    assert!(home.count(&moved) > 0);
    let diff = json(&home, &sim, &["diff", "--run", "4"]);
    let changes = diff["changes"].as_array().expect("changes");
    assert_eq!(changes.len(), 1, "{diff}");
    assert_eq!(changes[0]["change"], "created");
    assert_ne!(changes[0]["id"], *dead);
}
