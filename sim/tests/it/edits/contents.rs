//! Edits of contents: their states, their dates, their order and their ids.

use microcms_sim::{Edit, EditError, Sim, Status, TruthContent};
use serde_json::{Map, Value, json};

use super::sim;
use crate::client::{content, ids, management};

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn one(sim: &Sim, status: Status) -> TruthContent {
    sim.truth()
        .contents
        .into_iter()
        .find(|c| c.status == status)
        .unwrap()
}

fn again(sim: &Sim, id: &str) -> TruthContent {
    sim.truth().content("blog", id).unwrap().clone()
}

fn updated(content: &TruthContent) -> String {
    serde_json::from_str::<Value>(&content.metadata).unwrap()["updatedAt"].to_string()
}

#[tokio::test]
async fn a_content_goes_through_its_states() {
    let sim = sim().await;
    let id = one(&sim, Status::Publish).id;
    let endpoint = || "blog".to_owned();
    let over = |title: &str| fields(json!({ "title": title }));
    let title = |body: Option<&String>| {
        body.map(|text| {
            serde_json::from_str::<Value>(text).unwrap()["title"]
                .as_str()
                .unwrap()
                .to_owned()
        })
    };
    let old = title(again(&sim, &id).published.as_ref());
    let mut last = updated(&again(&sim, &id));
    let steps: [(Edit, Status, Option<String>, Option<&str>); 6] = [
        (
            Edit::AddDraft {
                endpoint: endpoint(),
                id: id.clone(),
                fields: over("d1"),
            },
            Status::PublishAndDraft,
            old.clone(),
            Some("d1"),
        ),
        (
            Edit::DiscardDraft {
                endpoint: endpoint(),
                id: id.clone(),
            },
            Status::Publish,
            old.clone(),
            None,
        ),
        (
            Edit::AddDraft {
                endpoint: endpoint(),
                id: id.clone(),
                fields: over("d2"),
            },
            Status::PublishAndDraft,
            old,
            Some("d2"),
        ),
        (
            Edit::Publish {
                endpoint: endpoint(),
                id: id.clone(),
            },
            Status::Publish,
            Some("d2".into()),
            None,
        ),
        (
            Edit::BackToDraft {
                endpoint: endpoint(),
                id: id.clone(),
            },
            Status::Draft,
            None,
            Some("d2"),
        ),
        (
            Edit::Publish {
                endpoint: endpoint(),
                id: id.clone(),
            },
            Status::Publish,
            Some("d2".into()),
            None,
        ),
    ];
    for (edit, status, published, draft) in steps {
        sim.edit(edit.clone()).unwrap();
        let now = again(&sim, &id);
        assert_eq!(now.status, status, "{edit:?}");
        assert_eq!(title(now.published.as_ref()), published, "{edit:?}");
        assert_eq!(title(now.draft.as_ref()).as_deref(), draft, "{edit:?}");
        assert_eq!(now.draft_key.is_some(), draft.is_some(), "{edit:?}");
        assert_ne!(updated(&now), last, "{edit:?} moves updatedAt");
        last = updated(&now);
    }
    sim.edit(Edit::EditBody {
        endpoint: endpoint(),
        id: id.clone(),
        fields: over("e1"),
    })
    .unwrap();
    assert_eq!(
        title(again(&sim, &id).published.as_ref()).as_deref(),
        Some("e1")
    );
    sim.edit(Edit::Close {
        endpoint: endpoint(),
        id: id.clone(),
    })
    .unwrap();
    assert_eq!(again(&sim, &id).status, Status::Closed);
    let refused = sim.edit(Edit::AddDraft {
        endpoint: endpoint(),
        id: id.clone(),
        fields: over("x"),
    });
    assert!(
        matches!(refused, Err(EditError::WrongState { .. })),
        "{refused:?}"
    );
}

#[tokio::test]
async fn some_edits_leave_updated_at_alone() {
    let sim = sim().await;
    let before = one(&sim, Status::Publish);
    let (endpoint, id) = (|| "blog".to_owned(), before.id.clone());
    let publish = Some("2027-01-01T00:00:00Z".to_owned());
    for edit in [
        Edit::Reserve {
            endpoint: endpoint(),
            id: id.clone(),
            publish,
            stop: None,
        },
        Edit::SetPublishedAt {
            endpoint: endpoint(),
            id: id.clone(),
            at: "2020-02-02T00:00:00Z".into(),
        },
        Edit::SetCreatedBy {
            endpoint: endpoint(),
            id: id.clone(),
            member: "someone".into(),
        },
        Edit::SetCustomStatus {
            endpoint: endpoint(),
            id: id.clone(),
            name: Some("校正中".into()),
        },
    ] {
        let was = again(&sim, &id);
        sim.edit(edit.clone()).unwrap();
        let now = again(&sim, &id);
        assert_ne!(now.metadata, was.metadata, "{edit:?}");
        assert_eq!(updated(&now), updated(&before), "{edit:?}");
    }
    let metadata: Value = serde_json::from_str(&again(&sim, &id).metadata).unwrap();
    assert_eq!(
        metadata["reservationTime"],
        json!({"publishTime": "2027-01-01T00:00:00Z", "stopTime": null})
    );
    assert_eq!(metadata["publishedAt"], "2020-02-02T00:00:00Z");
    assert_eq!(metadata["customStatus"][0]["name"], "校正中");
    let bad = Edit::SetPublishedAt {
        endpoint: endpoint(),
        id,
        at: "tomorrow".into(),
    };
    assert_eq!(sim.edit(bad), Err(EditError::BadDate("tomorrow".into())));
}

#[tokio::test]
async fn a_drag_changes_the_order_and_no_metadata() {
    let sim = sim().await;
    let before = sim.content_ids("blog");
    let last = before.last().unwrap().clone();
    let metadata = again(&sim, &last).metadata;
    sim.edit(Edit::MoveContent {
        endpoint: "blog".into(),
        id: last.clone(),
        place: 0,
    })
    .unwrap();
    let after = sim.content_ids("blog");
    assert_eq!(
        (&after[0], &after[1..]),
        (&last, &before[..before.len() - 1])
    );
    assert_eq!(again(&sim, &last).metadata, metadata);
    let listed = management(&sim, "/api/v1/contents/blog").await.json();
    assert_eq!(ids(&listed["contents"]), after[..10]);
}

#[tokio::test]
async fn contents_are_added_renamed_and_deleted() {
    let sim = sim().await;
    let add = |id: &str| Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(id.into()),
        status: Status::Publish,
        fields: Some(fields(json!({"title": "hand-made"}))),
        place: 0,
    };
    sim.edit(add("first")).unwrap();
    assert_eq!(
        content(&sim, "/api/v1/blog/first").await.json()["title"],
        "hand-made"
    );
    assert_eq!(
        sim.edit(add("first")),
        Err(EditError::Exists("first".into()))
    );
    let rename = Edit::RenameContent {
        endpoint: "blog".into(),
        id: "first".into(),
        to: "First".into(),
    };
    sim.edit(rename).unwrap();
    assert_eq!(
        content(&sim, "/api/v1/blog/first").await.status,
        404,
        "ids are case sensitive"
    );
    assert_eq!(content(&sim, "/api/v1/blog/First").await.status, 200);
    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "First".into(),
    })
    .unwrap();
    assert_eq!(
        management(&sim, "/api/v1/contents/blog/First").await.status,
        404
    );
    let made = Edit::AddContent {
        endpoint: "blog".into(),
        id: None,
        status: Status::Draft,
        fields: None,
        place: usize::MAX,
    };
    let id = sim.edit(made).unwrap();
    assert_eq!(sim.content_ids("blog").last(), Some(&id));
}
