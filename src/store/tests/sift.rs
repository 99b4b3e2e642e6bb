//! What of a listing is as it is recorded.

use super::{Sandbox, at, content, endpoint, medium};
use crate::model::{
    AssetStep, BodyStep, ContentStep, ListedContent, ListedMedium, MediumStep, ServedContent,
    ServedMedium, Why,
};

const URL: &str = "https://images.microcms-assets.io/assets/x/logo.png";

fn served_medium(medium: &ListedMedium) -> ServedMedium {
    ServedMedium {
        id: medium.id.clone(),
        metadata: medium.metadata.clone(),
    }
}

fn served_content(content: &ListedContent) -> ServedContent {
    ServedContent {
        id: content.id.clone(),
        status: content.status.clone(),
        metadata: content.metadata.clone(),
    }
}

#[test]
fn media_that_are_as_recorded_are_set_aside_and_the_others_keep_their_order() {
    let mut home = Sandbox::new();
    let media = ["a", "b", "c", "d"].map(|id| medium(id, URL, ""));
    let steps = media.clone().map(|medium| MediumStep::Record {
        medium,
        asset: AssetStep::Fetch(Why::New),
    });
    home.store.record_media(&steps, at(1)).unwrap();
    let listed: Vec<_> = media.iter().map(served_medium).collect();
    assert!(home.store.sift_media(listed.clone()).unwrap().is_empty());

    let [a, _, c, _] = media;
    home.store
        .retire_media(std::slice::from_ref(&a.id), at(2))
        .unwrap();
    home.ask("DELETE FROM assets WHERE media_id = 'd' RETURNING 1");
    let edited = medium("c", URL, r#","alt":"new""#);
    let new = medium("e", URL, "");
    let mut listed = listed;
    listed[2] = served_medium(&edited);
    listed.insert(0, served_medium(&new));
    let others = home.store.sift_media(listed).unwrap();
    let ids: Vec<&str> = others
        .iter()
        .map(|(served, _)| served.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["e", "a", "c", "d"],
        "new, deleted, edited, without a row for its file"
    );
    let known: Vec<_> = others.iter().map(|(_, known)| known.as_ref()).collect();
    assert!(known[0].is_none());
    assert!(known[1].unwrap().is_deleted);
    assert_eq!(known[2].unwrap().metadata, c.metadata);
    assert!(known[3].unwrap().asset.is_none());
}

#[test]
fn contents_are_as_recorded_when_each_body_is_recorded_or_owed() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    let cases = [
        ("PUBLISH", BodyStep::Fetch, BodyStep::Clear, true),
        ("DRAFT", BodyStep::Clear, BodyStep::Fetch, true),
        ("PUBLISH_AND_DRAFT", BodyStep::Fetch, BodyStep::Fetch, true),
        ("CLOSED", BodyStep::Fetch, BodyStep::Clear, true),
        ("PUBLISH", BodyStep::Clear, BodyStep::Clear, false),
        ("DRAFT", BodyStep::Fetch, BodyStep::Clear, false),
        ("PUBLISH_AND_DRAFT", BodyStep::Fetch, BodyStep::Clear, false),
        ("PUBLISH_AND_DRAFT", BodyStep::Clear, BodyStep::Fetch, false),
    ];
    for (n, (status, published, draft, is_settled)) in cases.into_iter().enumerate() {
        let listed = content(&format!("c{n}"), status, "1");
        let step = ContentStep::Record {
            content: listed.clone(),
            published,
            draft,
        };
        home.store.record_contents(&blog, &[step], at(1)).unwrap();
        let asked = vec![served_content(&listed)];
        let others = home.store.sift_contents(&blog, asked.clone()).unwrap();
        assert_eq!(
            others.is_empty(),
            is_settled,
            "{status} {published:?} {draft:?}"
        );
        let news = endpoint("news");
        let elsewhere = home.store.sift_contents(&news, asked).unwrap();
        assert!(elsewhere[0].1.is_none(), "an API's contents are its own");
    }
    let edited = served_content(&content("c0", "PUBLISH", "2"));
    let others = home.store.sift_contents(&blog, vec![edited]).unwrap();
    assert!(others[0].1.as_ref().unwrap().owes_published);
}
