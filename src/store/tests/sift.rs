//! What of a listing is as it is recorded.

use super::{Sandbox, at, content, endpoint, medium};
use crate::model::{
    AssetStep, BodyOutcome, BodySide, BodyStep, ContentId, ContentStep, Endpoint, ListedContent,
    ListedMedium, MediumStep, ServedContent, ServedMedium, Timestamp, Why,
};
use proptest::prelude::*;

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

/// What becomes of a thing before it is listed once more.
#[derive(Clone, Copy, Debug)]
enum Fate {
    /// Of a content: its body is owed.
    AsItWas,
    Edited,
    Deleted,
    /// Of a medium: without a row for its file. Of a content: of the other API.
    Elsewhere,
    /// Of a content: its body is recorded, as it is in all that follow but for one. Of a medium: as it was.
    Filled,
    /// Of a content: its published body is neither recorded nor owed. Of a medium: without a row for its file.
    Hollow,
    /// Of a content: it has a draft, which is neither recorded nor owed. Of a medium: as it was.
    WithoutDraft,
    Unknown,
}

fn fate() -> impl Strategy<Value = Fate> {
    use Fate::{AsItWas, Deleted, Edited, Elsewhere, Filled, Hollow, Unknown, WithoutDraft};
    // As it mostly is, and then anything.
    prop_oneof![1 => Just(AsItWas), 8 => Just(Filled), 2 => prop_oneof![
        Just(Edited), Just(Deleted), Just(Elsewhere), Just(Filled), Just(Hollow), Just(WithoutDraft), Just(Unknown)
    ]]
}

/// Fates, and the order in which those that have them are listed: mostly that in which they were recorded.
fn listing() -> impl Strategy<Value = (Vec<Fate>, Vec<usize>)> {
    prop::collection::vec(fate(), 1..40).prop_flat_map(|fates| {
        let all: Vec<usize> = (0..fates.len()).collect();
        let some = prop::sample::subsequence(all.clone(), 0..=fates.len());
        let order = prop_oneof![Just(all.clone()), Just(all).prop_shuffle(), some];
        (Just(fates), order)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_whatever_order_media_are_listed_those_that_are_as_recorded_are_set_aside((fates, order) in listing()) {
        let mut home = Sandbox::new();
        let media: Vec<_> = (0..fates.len()).map(|n| medium(&format!("m{n}"), URL, "")).collect();
        for (medium, fate) in media.iter().zip(&fates) {
            let step = MediumStep::Record { medium: medium.clone(), asset: AssetStep::Fetch(Why::New) };
            let id = &medium.id;
            if matches!(fate, Fate::Unknown) {
                continue;
            }
            home.store.record_media(&[step], at(1)).unwrap();
            match fate {
                Fate::Deleted => drop(home.store.retire_media(std::slice::from_ref(id), at(2)).unwrap()),
                Fate::Elsewhere | Fate::Hollow => drop(home.ask(&format!("DELETE FROM assets WHERE media_id = '{id}' RETURNING 1"))),
                Fate::AsItWas | Fate::Edited | Fate::Filled | Fate::WithoutDraft | Fate::Unknown => {}
            }
        }
        let listed: Vec<_> = order.iter().map(|n| if matches!(fates[*n], Fate::Edited) {
            served_medium(&medium(media[*n].id.as_str(), URL, r#","alt":"new""#))
        } else {
            served_medium(&media[*n])
        }).collect();
        let is_as_recorded = |fate: &Fate| matches!(fate, Fate::AsItWas | Fate::Filled | Fate::WithoutDraft);
        let expected: Vec<&str> = others_of(&fates, &order, is_as_recorded).map(|n| media[n].id.as_str()).collect();
        let others = home.store.sift_media(listed).unwrap();
        let others: Vec<&str> = others.iter().map(|(served, _)| served.id.as_str()).collect();
        prop_assert_eq!(others, expected);
    }

    #[test]
    fn in_whatever_order_contents_are_listed_those_that_are_as_recorded_are_set_aside((fates, order) in listing()) {
        let mut home = Sandbox::new();
        let (blog, news) = (endpoint("blog"), endpoint("news"));
        let contents: Vec<_> = fates.iter().enumerate().map(|(n, fate)| {
            let has_draft = matches!(fate, Fate::WithoutDraft);
            content(&format!("c{n}"), if has_draft { "PUBLISH_AND_DRAFT" } else { "PUBLISH" }, "1")
        }).collect();
        for (content, fate) in contents.iter().zip(&fates) {
            let published = if matches!(fate, Fate::Hollow) { BodyStep::Clear } else { BodyStep::Fetch };
            let step = ContentStep::Record { content: content.clone(), published, draft: BodyStep::Clear };
            let api = if matches!(fate, Fate::Elsewhere) { &news } else { &blog };
            if matches!(fate, Fate::Unknown) {
                continue;
            }
            home.store.record_contents(api, &[step], at(1)).unwrap();
            if !matches!(fate, Fate::AsItWas | Fate::Hollow) {
                let body = saved_body(api, &content.id, at(1));
                prop_assert_eq!(home.store.record_bodies(&[body], at(2)).unwrap(), 1);
            }
            if matches!(fate, Fate::Deleted) {
                home.store.retire_contents(api, std::slice::from_ref(&content.id), at(3)).unwrap();
            }
        }
        let listed: Vec<_> = order.iter().map(|n| if matches!(fates[*n], Fate::Edited) {
            served_content(&content(contents[*n].id.as_str(), "PUBLISH", "2"))
        } else {
            served_content(&contents[*n])
        }).collect();
        let is_as_recorded = |fate: &Fate| matches!(fate, Fate::AsItWas | Fate::Filled);
        let expected: Vec<&str> = others_of(&fates, &order, is_as_recorded).map(|n| contents[n].id.as_str()).collect();
        let others = home.store.sift_contents(&blog, listed).unwrap();
        let others: Vec<&str> = others.iter().map(|(served, _)| served.id.as_str()).collect();
        prop_assert_eq!(others, expected);
    }
}

/// Those that are not as recorded, as they are listed.
fn others_of(
    fates: &[Fate],
    order: &[usize],
    is_as_recorded: impl Fn(&Fate) -> bool,
) -> impl Iterator<Item = usize> {
    let is_other = move |n: &&usize| !is_as_recorded(&fates[**n]);
    order.iter().filter(is_other).copied()
}

fn saved_body(endpoint: &Endpoint, id: &ContentId, owed_at: Timestamp) -> BodyOutcome {
    BodyOutcome::Saved {
        endpoint: endpoint.clone(),
        id: id.clone(),
        side: BodySide::Published,
        owed_at,
        body: r#"{"title":"x"}"#.to_owned(),
        digest: None,
    }
}
