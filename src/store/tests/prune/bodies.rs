//! The last body there is of a content stays as long as the content has no other.

use super::{cutoffs, pruned};
use crate::model::{BodyOutcome, BodySide, BodyStep, ContentStep, ListedContent, OwedBody};
use crate::store::tests::{Sandbox, at, content, content_id, endpoint};

fn list(home: &mut Sandbox, content: ListedContent, seconds: i64) {
    let fetch = |is_there: bool| match is_there {
        true => BodyStep::Fetch,
        false => BodyStep::Clear,
    };
    let published = fetch(content.status.has_published());
    let draft = fetch(content.status.has_draft());
    let step = ContentStep::Record {
        content,
        published,
        draft,
    };
    home.store
        .record_contents(&endpoint("blog"), &[step], at(seconds))
        .unwrap();
}

/// Saves what is owed of a content.
fn save(home: &mut Sandbox, id: &str, text: &str, seconds: i64) {
    let owed: Vec<OwedBody> = home
        .store
        .owed_bodies(&endpoint("blog"), None, 100, true)
        .unwrap();
    let outcomes: Vec<_> = owed
        .iter()
        .filter(|owed| owed.id.as_str() == id)
        .map(|owed| BodyOutcome::Saved {
            endpoint: endpoint("blog"),
            id: owed.id.clone(),
            side: owed.side,
            owed_at: owed.owed_at,
            body: format!(r#"{{"{}":"{text}"}}"#, owed.side.as_str()),
            digest: None,
        })
        .collect();
    assert!(!outcomes.is_empty());
    home.store.record_bodies(&outcomes, at(seconds)).unwrap();
}

/// Every body of a content that the database has, its history first.
fn bodies(home: &Sandbox, id: &str) -> String {
    home.ask(&format!(
        "SELECT ifnull(group_concat(ifnull(published_body, '-') || ifnull(draft_body, '-'), ' '), 'none') FROM (
             SELECT published_body, draft_body, valid_from FROM contents_history WHERE id = '{id}'
             UNION ALL SELECT published_body, draft_body, valid_from FROM contents WHERE id = '{id}'
             ORDER BY valid_from)"
    ))
}

/// A content that was saved twice with these statuses, then became the third, whose bodies do not come.
fn saved_twice(home: &mut Sandbox, id: &str, before: &str, now: ListedContent) {
    for (text, seconds) in [("old", 1), ("new", 2)] {
        list(home, content(id, before, text), seconds);
        save(home, id, text, seconds);
    }
    list(home, now, 3);
}

#[test]
fn the_newest_body_stays_while_a_newer_one_is_owed_or_was_when_its_content_was_deleted() {
    let mut home = Sandbox::new();
    // Without the right to closed contents, its body is refused for ever.
    saved_twice(
        &mut home,
        "closed",
        "PUBLISH",
        content("closed", "CLOSED", "3"),
    );
    saved_twice(
        &mut home,
        "deleted",
        "PUBLISH",
        content("deleted", "CLOSED", "3"),
    );
    saved_twice(
        &mut home,
        "edited",
        "PUBLISH",
        content("edited", "PUBLISH", "3"),
    );
    saved_twice(&mut home, "draft", "DRAFT", content("draft", "DRAFT", "3"));
    // Something the service may say one day; it may have both.
    saved_twice(
        &mut home,
        "other",
        "PUBLISH",
        content("other", "ARCHIVED", "3"),
    );
    // Listed once more: a version without any body is the newest of the history.
    list(&mut home, content("edited", "PUBLISH", "4"), 4);
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("deleted")], at(5))
        .unwrap();

    let rows = pruned(&mut home, cutoffs(Some(9_000), None));
    let published = r#"{"published":"new"}-"#;
    assert_eq!(bodies(&home, "closed"), format!("{published} --"));
    // What is newer stays with it.
    assert_eq!(bodies(&home, "deleted"), format!("{published} -- --"));
    assert_eq!(bodies(&home, "edited"), format!("{published} -- --"));
    assert_eq!(bodies(&home, "other"), format!("{published} --"));
    assert_eq!(bodies(&home, "draft"), r#"-{"draft":"new"} --"#);
    assert_eq!(rows.contents.deleted, 0);
    assert_eq!(rows.contents.versions, 5, "the others went");

    // As soon as the newer one is there, the last one is a version like others.
    save(&mut home, "edited", "newest", 6);
    pruned(&mut home, cutoffs(Some(9_000), None));
    assert_eq!(bodies(&home, "edited"), r#"{"published":"newest"}-"#);
    // Where deleted things go, it goes with its content.
    pruned(&mut home, cutoffs(Some(9_000), Some(9_000)));
    assert_eq!(bodies(&home, "deleted"), "none");
}

#[test]
fn a_body_that_a_content_rightly_has_no_more_goes_like_any_version() {
    let mut home = Sandbox::new();
    saved_twice(&mut home, "back", "PUBLISH", content("back", "DRAFT", "3"));
    saved_twice(&mut home, "out", "DRAFT", content("out", "PUBLISH", "3"));
    save(&mut home, "back", "third", 4);
    save(&mut home, "out", "third", 4);
    pruned(&mut home, cutoffs(Some(9_000), None));
    assert_eq!(bodies(&home, "back"), r#"-{"draft":"third"}"#);
    assert_eq!(bodies(&home, "out"), r#"{"published":"third"}-"#);
}

#[test]
fn each_side_is_looked_at_by_itself() {
    let mut home = Sandbox::new();
    let mut both = content("both", "PUBLISH_AND_DRAFT", "3");
    saved_twice(&mut home, "both", "PUBLISH_AND_DRAFT", both.clone());
    // The service's other way to say so.
    both.id = content_id("words");
    both.metadata = both
        .metadata
        .replace(r#""PUBLISH_AND_DRAFT""#, r#""PUBLISH","DRAFT""#)
        .replace("both", "words");
    assert!(both.metadata.contains(r#"["PUBLISH","DRAFT"]"#));
    saved_twice(&mut home, "words", "PUBLISH_AND_DRAFT", both);
    for id in ["both", "words"] {
        let drafts: Vec<_> = home
            .store
            .owed_bodies(&endpoint("blog"), None, 100, true)
            .unwrap()
            .into_iter()
            .filter(|owed| owed.id.as_str() == id && owed.side == BodySide::Published)
            .map(|owed| BodyOutcome::Saved {
                endpoint: endpoint("blog"),
                id: owed.id,
                side: owed.side,
                owed_at: owed.owed_at,
                body: r#"{"published":"third"}"#.to_owned(),
                digest: None,
            })
            .collect();
        home.store.record_bodies(&drafts, at(4)).unwrap();
        pruned(&mut home, cutoffs(Some(9_000), None));
        let kept = r#"{"published":"new"}{"draft":"new"} {"published":"third"}-"#;
        assert_eq!(bodies(&home, id), kept, "{id}");
    }
}

#[test]
fn the_last_text_of_a_content_stays_whichever_side_it_was() {
    let mut home = Sandbox::new();
    saved_twice(&mut home, "back", "PUBLISH", content("back", "DRAFT", "3"));
    saved_twice(&mut home, "out", "DRAFT", content("out", "PUBLISH", "3"));
    saved_twice(&mut home, "gone", "PUBLISH", content("gone", "DRAFT", "3"));
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("gone")], at(5))
        .unwrap();
    pruned(&mut home, cutoffs(Some(9_000), None));
    assert_eq!(bodies(&home, "back"), r#"{"published":"new"}- --"#);
    assert_eq!(bodies(&home, "out"), r#"-{"draft":"new"} --"#);
    assert_eq!(bodies(&home, "gone"), r#"{"published":"new"}- -- --"#);
}
