//! Edits of media: their bytes, their URLs, and what is told of them.

use microcms_sim::{Edit, EditError};
use serde_json::{Value, json};

use super::sim;
use crate::client::{get, management};

fn path_of(url: &str) -> String {
    format!("/{}", url.splitn(4, '/').nth(3).unwrap())
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
