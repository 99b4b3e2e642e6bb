//! Edits, at once and during a walk.

mod contents;
mod media;

use microcms_sim::{Edit, Route, Sim, Status, When};

use crate::client::management;

async fn sim() -> Sim {
    Sim::builder().media(40).list_api("blog", 60).start().await
}

#[tokio::test]
async fn an_edit_can_wait_for_a_request() {
    for (when, total) in [(When::Before, 59), (When::After, 60)] {
        let sim = sim().await;
        let gone = sim.content_ids("blog").remove(0);
        let delete = Edit::DeleteContent {
            endpoint: "blog".into(),
            id: gone,
        };
        sim.on(Route::MetadataList, 2, when, delete);
        let mut totals = Vec::new();
        for offset in [0, 10, 20] {
            let page = management(&sim, &format!("/api/v1/contents/blog?offset={offset}"))
                .await
                .json();
            totals.push(page["totalCount"].as_u64().unwrap());
        }
        assert_eq!(totals, [60, total, 59], "{when:?}");
        assert_eq!(sim.counters().failed_edits, Vec::<String>::new());
    }
}

#[tokio::test]
async fn an_edit_that_waited_in_vain_is_told() {
    let sim = sim().await;
    sim.on(
        Route::Service,
        1,
        When::Before,
        Edit::DeleteMedium { id: "none".into() },
    );
    management(&sim, "/api/v1/service").await;
    assert_eq!(sim.counters().failed_edits, ["there is no medium `none`"]);
}

#[tokio::test]
async fn one_edit_changes_no_other_content() {
    let sim = sim().await;
    let before = sim.truth();
    let id = before.contents[3].id.clone();
    let add = Edit::AddContent {
        endpoint: "blog".into(),
        id: None,
        status: Status::Publish,
        fields: None,
        place: 0,
    };
    sim.edit(add).unwrap();
    sim.edit(Edit::RenameMedium {
        id: before.media[0].id.clone(),
        name: "x.png".into(),
        touch: true,
    })
    .unwrap();
    sim.edit(Edit::AddField {
        endpoint: "blog".into(),
        field: "extra".into(),
    })
    .unwrap();
    sim.edit(Edit::SetCreatedBy {
        endpoint: "blog".into(),
        id: id.clone(),
        member: "m".into(),
    })
    .unwrap();
    let after = sim.truth();
    for was in &before.contents {
        let now = after.content("blog", &was.id).unwrap();
        assert_eq!((&now.published, &now.draft), (&was.published, &was.draft));
        assert_eq!(now.metadata == was.metadata, was.id != id);
    }
}

#[tokio::test]
async fn the_same_seed_gives_the_same_service() {
    let build = |seed| {
        Sim::builder()
            .seed(seed)
            .media(30)
            .list_api("blog", 30)
            .start()
    };
    let strip = |sim: &Sim| {
        let text = serde_json::to_string(&sim.truth()).unwrap();
        text.replace(&sim.image_host(), "images")
            .replace(&sim.file_host(), "files")
    };
    let (a, b, other) = (build(5).await, build(5).await, build(6).await);
    assert_eq!(strip(&a), strip(&b));
    assert_ne!(strip(&a), strip(&other));
}
