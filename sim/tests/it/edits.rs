//! Edits, at once and during a walk.

use microcms_sim::{Edit, EditError, Route, Sim, Status, TruthContent, When};
use serde_json::{Map, Value, json};

use crate::client::{content, get, ids, management};

async fn sim() -> Sim {
    Sim::builder().media(40).list_api("blog", 60).start().await
}

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

fn path_of(url: &str) -> String {
    format!("/{}", url.splitn(4, '/').nth(3).unwrap())
}

fn updated(content: &TruthContent) -> String {
    serde_json::from_str::<Value>(&content.metadata).unwrap()["updatedAt"].to_string()
}

#[tokio::test]
async fn a_medium_is_added_and_deleted() {
    let sim = sim().await;
    let add = Edit::AddMedium {
        name: "新しい.png".into(),
        bytes: Some(b"v1".to_vec()),
        path: None,
        alt: None,
        tags: vec!["a".into()],
    };
    let id = sim.edit(add).unwrap();
    let medium = sim.truth().medium(&id).unwrap().clone();
    assert_eq!(get(&medium.url, &[]).await.body, b"v1");
    assert_eq!(
        management(&sim, "/api/v2/media").await.json()["totalCount"],
        41
    );
    sim.edit(Edit::DeleteMedium { id: id.clone() }).unwrap();
    assert_eq!(get(&medium.url, &[]).await.status, 404);
    assert_eq!(
        sim.edit(Edit::DeleteMedium { id: id.clone() }),
        Err(EditError::NoMedium(id))
    );
    sim.edit(Edit::DeleteAllMedia).unwrap();
    assert_eq!(
        management(&sim, "/api/v2/media").await.json()["totalCount"],
        0
    );
}

#[tokio::test]
async fn bytes_are_replaced_under_the_same_url_with_and_without_a_trace() {
    let sim = sim().await;
    let before = sim.truth().media.remove(0);
    for touch in [false, true] {
        let was = sim.truth().medium(&before.id).unwrap().clone();
        let edit = Edit::ReplaceBytes {
            id: was.id.clone(),
            bytes: None,
            touch,
            stale_requests: 0,
        };
        sim.edit(edit).unwrap();
        let now = sim.truth().medium(&before.id).unwrap().clone();
        assert_eq!(now.url, was.url);
        assert_ne!(now.sha256(), was.sha256());
        let stamp =
            |listing: &str| serde_json::from_str::<Value>(listing).unwrap()["updatedAt"].clone();
        assert_eq!(stamp(&now.listing) != stamp(&was.listing), touch);
        assert_eq!(get(&now.url, &[]).await.body, now.bytes());
    }
}

#[tokio::test]
async fn a_stale_cdn_serves_the_old_bytes_for_a_while() {
    let sim = sim().await;
    let before = sim.truth().media.remove(0);
    let edit = Edit::ReplaceBytes {
        id: before.id.clone(),
        bytes: None,
        touch: true,
        stale_requests: 2,
    };
    let date = async || {
        let got = get(&before.url, &[]).await;
        got.header("last-modified").unwrap().to_owned()
    };
    let old = date().await;
    sim.edit(edit).unwrap();
    let now = sim.truth().medium(&before.id).unwrap().clone();
    let unchanged = get(&before.url, &[("if-modified-since", &old)]).await;
    assert_eq!(unchanged.status, 304, "the old copy confirms its old date");
    for expected in [&before, &now, &now] {
        assert_eq!(get(&before.url, &[]).await.body, expected.bytes());
    }
    assert_ne!(date().await, old);
}

#[tokio::test]
async fn a_path_can_flip_as_often_as_wanted() {
    let sim = sim().await;
    let before = sim.truth().media.remove(0);
    let own = path_of(&before.url);
    let other = "/assets/somewhere/else/flip%20flop.png";
    let mut was = before.url.clone();
    for (nth, path) in [other, &own, other, &own].into_iter().enumerate() {
        let edit = Edit::SetMediumPath {
            id: before.id.clone(),
            path: path.into(),
            touch: nth % 2 == 0,
        };
        let earlier = sim.truth().medium(&before.id).unwrap().clone();
        sim.edit(edit).unwrap();
        let now = sim.truth().medium(&before.id).unwrap().clone();
        assert!(now.url.ends_with(path), "{}", now.url);
        assert_eq!(get(&now.url, &[]).await.body, before.bytes());
        assert_eq!(get(&was, &[]).await.status, 404);
        let stamp =
            |listing: &str| serde_json::from_str::<Value>(listing).unwrap()["updatedAt"].clone();
        let is_touched = stamp(&now.listing) != stamp(&earlier.listing);
        assert_eq!(is_touched, nth % 2 == 0);
        was = now.url;
    }
    let none = Edit::SetMediumPath {
        id: "none".into(),
        path: other.into(),
        touch: true,
    };
    assert_eq!(sim.edit(none), Err(EditError::NoMedium("none".into())));
}

#[tokio::test]
async fn two_media_can_share_one_url() {
    let sim = sim().await;
    let images = sim.truth().media.into_iter();
    let mut images = images.filter(|m| m.url.contains(&sim.image_host()));
    let (first, second) = (images.next().unwrap(), images.next().unwrap());
    let path = path_of(&first.url);
    let share = json!({"edit": "set_medium_path", "id": second.id, "path": path, "touch": false});
    sim.edit(serde_json::from_value(share).unwrap()).unwrap();
    let listed = management(&sim, "/api/v2/media?limit=40").await.json();
    let urls = listed["media"].as_array().unwrap().iter();
    let sharing = urls.filter(|medium| medium["url"] == first.url.as_str());
    assert_eq!(sharing.count(), 2);
    // It serves the bytes of who came last, and the truth says so of both.
    assert_eq!(get(&first.url, &[]).await.body, second.bytes());
    for id in [&first.id, &second.id] {
        assert_eq!(sim.truth().medium(id).unwrap().sha256(), second.sha256());
    }
    sim.edit(Edit::DeleteMedium { id: second.id }).unwrap();
    assert_eq!(get(&first.url, &[]).await.body, first.bytes());
}

#[tokio::test]
async fn a_rename_moves_the_url_and_keeps_id_and_bytes() {
    let sim = sim().await;
    let before = sim.truth().media.remove(0);
    let edit = Edit::RenameMedium {
        id: before.id.clone(),
        name: "renamed file.png".into(),
        touch: true,
    };
    sim.edit(edit).unwrap();
    let renamed = sim.truth().medium(&before.id).unwrap().clone();
    assert!(renamed.url.ends_with("/renamed%20file.png"));
    assert_eq!(
        (
            get(&before.url, &[]).await.status,
            get(&renamed.url, &[]).await.body
        ),
        (404, before.bytes().to_vec())
    );
    sim.edit(Edit::ReplaceUnderNewUrl {
        id: before.id.clone(),
        bytes: Some(b"new".to_vec()),
    })
    .unwrap();
    let moved = sim.truth().medium(&before.id).unwrap().clone();
    assert_ne!(moved.url, renamed.url);
    assert_eq!(
        (
            get(&renamed.url, &[]).await.status,
            get(&moved.url, &[]).await.body
        ),
        (404, b"new".to_vec())
    );
}

#[tokio::test]
async fn alt_tags_and_visibility_change_alone() {
    let sim = sim().await;
    let before = sim.truth().media.remove(0);
    let id = before.id.clone();
    sim.edit(Edit::SetAlt {
        id: id.clone(),
        alt: Some("犬".into()),
        touch: false,
    })
    .unwrap();
    sim.edit(Edit::SetTags {
        id: id.clone(),
        tags: vec!["x".into()],
        touch: false,
    })
    .unwrap();
    let now: Value = serde_json::from_str(&sim.truth().medium(&id).unwrap().listing).unwrap();
    let was: Value = serde_json::from_str(&before.listing).unwrap();
    assert_eq!(
        (&now["alt"], &now["tags"], &now["updatedAt"]),
        (&json!("犬"), &json!(["x"]), &was["updatedAt"])
    );
    sim.edit(Edit::HideAsset {
        id: id.clone(),
        hidden: true,
    })
    .unwrap();
    assert_eq!(get(&before.url, &[]).await.status, 404);
    assert!(sim.media_ids().contains(&id));
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
