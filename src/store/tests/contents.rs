use super::{Sandbox, at, content, content_id, endpoint};
use crate::model::{BodyOutcome, BodySide, BodyStep, ContentStep, ListedContent};
use crate::store::Recorded;
use BodyStep::{Clear, Fetch, Keep};

fn step(content: ListedContent, published: BodyStep, draft: BodyStep) -> ContentStep {
    ContentStep::Record {
        content,
        published,
        draft,
    }
}

/// Answers every question that is open.
fn answer_all(home: &mut Sandbox, body: &str, seconds: i64) -> u64 {
    let blog = endpoint("blog");
    let owed = home.store.owed_bodies(&blog, None, 100, true).unwrap();
    let outcomes: Vec<_> = owed
        .into_iter()
        .map(|owed| BodyOutcome::Saved {
            endpoint: blog.clone(),
            id: owed.id,
            side: owed.side,
            owed_at: owed.owed_at,
            body: body.to_owned(),
            digest: None,
        })
        .collect();
    home.store.record_bodies(&outcomes, at(seconds)).unwrap()
}

#[test]
fn a_content_is_known_after_it_is_recorded_and_not_written_twice() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    let page = [
        step(content("a", "PUBLISH", "1"), Fetch, Clear),
        ContentStep::Keep,
    ];
    let first = home.store.record_contents(&blog, &page, at(1)).unwrap();
    assert_eq!(
        first,
        Recorded {
            new: 1,
            changed: 0,
            returned: 0
        }
    );

    let ids = [content_id("a"), content_id("never-seen")];
    let known = home.store.load_contents(&blog, &ids).unwrap();
    assert_eq!(known.len(), 1);
    let a = &known[&ids[0]];
    assert_eq!(a.metadata, content("a", "PUBLISH", "1").metadata);
    assert!(a.owes_published && !a.owes_draft && !a.has_published && !a.is_deleted);
    assert!(
        home.store
            .load_contents(&endpoint("news"), &ids)
            .unwrap()
            .is_empty()
    );

    let before = home.written();
    let again = home.store.record_contents(&blog, &page, at(2)).unwrap();
    assert_eq!(again, Recorded::default());
    assert_eq!(home.written(), before);
}

#[test]
fn the_history_holds_each_superseded_version_once() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    for (n, status) in (1..).zip(["DRAFT", "PUBLISH", "PUBLISH_AND_DRAFT", "CLOSED"]) {
        let page = [step(content("a", status, "1"), Keep, Keep)];
        home.store.record_contents(&blog, &page, at(n)).unwrap();
    }
    assert_eq!(
        home.ask("SELECT group_concat(status) FROM (SELECT status FROM contents_history ORDER BY valid_from)"),
        "DRAFT,PUBLISH,PUBLISH_AND_DRAFT"
    );
    assert_eq!(home.ask("SELECT status FROM contents"), "CLOSED");
}

#[test]
fn a_fetch_empties_the_column_and_keeps_the_old_body_in_the_history() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH", "1"), Fetch, Clear)],
            at(1),
        )
        .unwrap();
    assert_eq!(answer_all(&mut home, "{\"v\":1}", 2), 1);
    assert_eq!(
        home.ask("SELECT valid_from FROM contents"),
        at(1).to_string()
    );
    assert_eq!(home.ask("SELECT count(*) FROM contents_history"), "0");

    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH", "2"), Fetch, Clear)],
            at(3),
        )
        .unwrap();
    assert_eq!(home.ask("SELECT published_body FROM contents"), "NULL");
    assert_eq!(
        home.ask("SELECT published_body FROM contents_history"),
        "{\"v\":1}"
    );
    assert_eq!(answer_all(&mut home, "{\"v\":2}", 4), 1);
    assert_eq!(home.ask("SELECT published_body FROM contents"), "{\"v\":2}");
    assert_eq!(home.ask("SELECT count(*) FROM contents_history"), "1");
    assert_eq!(home.ask("SELECT count(*) FROM owed_bodies"), "0");
}

#[test]
fn a_body_that_can_no_longer_be_is_cleared_with_what_was_owed() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH_AND_DRAFT", "1"), Fetch, Fetch)],
            at(1),
        )
        .unwrap();
    answer_all(&mut home, "{}", 2);
    home.store
        .record_contents(
            &blog,
            &[step(content("b", "DRAFT", "1"), Clear, Fetch)],
            at(3),
        )
        .unwrap();
    let page = [
        step(content("a", "PUBLISH", "2"), Keep, Clear),
        step(content("b", "PUBLISH", "2"), Fetch, Clear),
    ];
    home.store.record_contents(&blog, &page, at(4)).unwrap();
    assert_eq!(
        home.ask(
            "SELECT published_body IS NOT NULL AND draft_body IS NULL FROM contents WHERE id = 'a'"
        ),
        "1"
    );
    assert_eq!(
        home.ask("SELECT draft_body FROM contents_history WHERE id = 'a'"),
        "{}"
    );
    assert_eq!(
        home.ask("SELECT group_concat(id || ' ' || side) FROM owed_bodies"),
        "b published"
    );
}

#[test]
fn a_tombstone_is_a_version_and_a_return_another() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    let page = [
        step(content("a", "PUBLISH", "1"), Fetch, Clear),
        step(content("b", "PUBLISH", "1"), Fetch, Clear),
    ];
    home.store.record_contents(&blog, &page, at(1)).unwrap();
    let absent = home
        .store
        .absent_contents(&blog, None, &|id| id == "a")
        .unwrap();
    assert_eq!((absent.live, absent.missing), (2, vec![content_id("b")]));
    // As many as were seen and recorded: nobody looks. Another number: somebody does.
    for (recorded, missing) in [(2, 0), (1, 1), (3, 1)] {
        let absent = home
            .store
            .absent_contents(&blog, Some(recorded), &|id| id == "a");
        let absent = absent.unwrap();
        assert_eq!(
            (absent.live, absent.missing.len()),
            (2, missing),
            "{recorded}"
        );
    }

    let gone = [content_id("b"), content_id("never-seen")];
    assert_eq!(home.store.retire_contents(&blog, &gone, at(2)).unwrap(), 1);
    let before = home.written();
    assert_eq!(home.store.retire_contents(&blog, &gone, at(3)).unwrap(), 0);
    assert_eq!(home.written(), before);
    assert_eq!(
        home.ask("SELECT deleted_at FROM contents WHERE id = 'b'"),
        at(2).to_string()
    );
    assert_eq!(home.ask("SELECT group_concat(id) FROM owed_bodies"), "a");
    assert_eq!(
        home.store
            .absent_contents(&blog, None, &|_| false)
            .unwrap()
            .live,
        1
    );
    let absent = home
        .store
        .absent_contents(&blog, Some(1), &|_| false)
        .unwrap();
    assert_eq!((absent.live, absent.missing.len()), (1, 0));
    assert!(home.store.load_contents(&blog, &gone).unwrap()[&gone[0]].is_deleted);

    let back = home
        .store
        .record_contents(
            &blog,
            &[step(content("b", "PUBLISH", "1"), Keep, Keep)],
            at(5),
        )
        .unwrap();
    assert_eq!(
        back,
        Recorded {
            new: 0,
            changed: 0,
            returned: 1
        }
    );
    let spans = home.ask(
        "SELECT group_concat((unixepoch(valid_from) - 1700000000) || '-' || ifnull(unixepoch(valid_to) - 1700000000, ''), ' ')
         FROM (SELECT * FROM contents_timeline WHERE id = 'b' ORDER BY valid_from)",
    );
    assert_eq!(spans, "1-2 5-");
}

#[test]
fn bodies_may_be_asked_for_again_without_touching_the_row() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH", "1"), Fetch, Clear)],
            at(1),
        )
        .unwrap();
    answer_all(&mut home, "{}", 2);
    let again = |id: &str| ContentStep::Bodies {
        id: content_id(id),
        published: true,
        draft: false,
    };
    home.store
        .record_contents(&blog, &[again("a"), again("never-seen")], at(3))
        .unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(id || side) FROM owed_bodies"),
        "apublished"
    );
    assert_eq!(home.ask("SELECT published_body FROM contents"), "{}");
    let before = home.written();
    home.store
        .record_contents(&blog, &[again("a")], at(4))
        .unwrap();
    assert_eq!(home.written(), before);

    answer_all(&mut home, "{}", 5);
    assert_eq!(home.ask("SELECT count(*) FROM contents_history"), "0");
    assert_eq!(home.ask("SELECT count(*) FROM owed_bodies"), "0");
}

#[test]
fn a_page_is_recorded_whole_or_not_at_all() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    let mut hostile = content("b", "PUBLISH", "1");
    // Deeper than SQLite's own limit for JSON (1,000): the CHECK refuses it.
    hostile.metadata = format!("{}{}", "[".repeat(1500), "]".repeat(1500));
    let page = [
        step(content("a", "PUBLISH", "1"), Fetch, Fetch),
        step(hostile, Fetch, Fetch),
    ];
    let error = home.store.record_contents(&blog, &page, at(1)).unwrap_err();
    assert_eq!(error.to_string(), "cannot record a page of contents");
    assert_eq!(
        home.ask("SELECT (SELECT count(*) FROM contents) + (SELECT count(*) FROM owed_bodies)"),
        "0"
    );
    home.store
        .record_contents(&blog, &page[..1], at(2))
        .unwrap();
}

#[test]
fn hostile_metadata_is_kept_verbatim_and_read_as_far_as_it_makes_sense() {
    let mut home = Sandbox::new();
    let mut odd = content("a", "", "");
    odd.metadata = r#"{"id":"a","status":[{"x":1}],"updatedAt":5,"draftKey":["k"],"createdBy":1e400,"customStatus":null,"closedAt":"\u0000x"}"#.to_owned();
    let page = [step(odd.clone(), Fetch, Fetch)];
    home.store
        .record_contents(&endpoint("blog"), &page, at(1))
        .unwrap();
    assert_eq!(home.ask("SELECT metadata FROM contents"), odd.metadata);
    assert_eq!(home.ask("SELECT updated_at FROM contents"), "5");
    assert_eq!(home.ask("SELECT status FROM contents"), "{\"x\":1}");
    assert_eq!(home.ask("SELECT custom_status FROM contents"), "NULL");
    let owed = home
        .store
        .owed_bodies(&endpoint("blog"), None, 9, false)
        .unwrap();
    assert_eq!(owed.len(), 2);
    assert_eq!(owed[0].updated_at.as_deref(), Some("5"));
}

#[test]
fn an_answered_side_is_the_one_that_was_asked_for() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH_AND_DRAFT", "1"), Fetch, Fetch)],
            at(1),
        )
        .unwrap();
    let owed = home.store.owed_bodies(&blog, None, 9, false).unwrap();
    assert_eq!(
        [owed[0].side, owed[1].side],
        [BodySide::Published, BodySide::Draft]
    );
    for owed in owed {
        let body = format!("{{\"side\":\"{}\"}}", owed.side.as_str());
        let outcome = BodyOutcome::Saved {
            endpoint: blog.clone(),
            id: owed.id,
            side: owed.side,
            owed_at: owed.owed_at,
            body,
            digest: None,
        };
        home.store.record_bodies(&[outcome], at(2)).unwrap();
    }
    assert_eq!(
        home.ask("SELECT published_body || draft_body FROM contents"),
        r#"{"side":"published"}{"side":"draft"}"#
    );
}

#[test]
fn a_draft_may_vanish_while_the_metadata_stays() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    home.store
        .record_contents(
            &blog,
            &[step(content("a", "PUBLISH_AND_DRAFT", "1"), Fetch, Fetch)],
            at(1),
        )
        .unwrap();
    answer_all(&mut home, "{}", 2);
    let page = [step(content("a", "PUBLISH_AND_DRAFT", "1"), Keep, Clear)];
    let recorded = home.store.record_contents(&blog, &page, at(3)).unwrap();
    assert_eq!(
        recorded,
        Recorded {
            new: 0,
            changed: 1,
            returned: 0
        }
    );
    assert_eq!(
        home.ask("SELECT published_body || ifnull(draft_body, '-') FROM contents"),
        "{}-"
    );
    let page = [step(content("a", "PUBLISH_AND_DRAFT", "1"), Fetch, Clear)];
    home.store.record_contents(&blog, &page, at(4)).unwrap();
    assert_eq!(
        home.ask("SELECT ifnull(published_body, '-') FROM contents"),
        "-"
    );
    assert_eq!(home.ask("SELECT count(*) FROM contents_history"), "2");
}

#[test]
fn a_tombstone_ends_the_sightings_of_an_absence() {
    let mut home = Sandbox::new();
    let blog = endpoint("blog");
    let page = [
        step(content("a", "PUBLISH", "1"), Fetch, Clear),
        step(content("b", "PUBLISH", "1"), Fetch, Clear),
    ];
    home.store.record_contents(&blog, &page, at(1)).unwrap();
    let run = home.store.begin_run("test", "test", at(2)).unwrap();
    let scope = crate::model::Scope::Contents(blog.clone());
    home.store
        .sight_absences(&scope, run, &["a", "b"], false, at(2))
        .unwrap();
    home.store
        .retire_contents(&blog, &[content_id("a")], at(3))
        .unwrap();
    assert_eq!(
        home.ask("SELECT group_concat(scope || ' ' || id) FROM absences"),
        "contents/blog b"
    );
}
