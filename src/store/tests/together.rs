//! Many pages, or many answers, in one transaction.

use super::*;
use crate::model::{
    AssetStep, BodyDigest, BodyOutcome, BodySide, BodyStep, ContentStep, MediumStep, OwedBody, Why,
};
use crate::store::Recorded;
use crate::store::unread::Read;

fn url(name: &str) -> String {
    format!("https://images.microcms-assets.io/assets/aa/bb/{name}")
}

fn list(medium: ListedMedium) -> MediumStep {
    MediumStep::Record {
        medium,
        asset: AssetStep::Fetch(Why::New),
    }
}

#[test]
fn of_a_medium_that_is_told_as_new_twice_the_later_word_counts() {
    let mut home = Sandbox::new();
    let told = [
        list(medium("a", &url("old.png"), "")),
        list(medium("b", &url("b.png"), "")),
        list(medium("a", &url("new.png"), "")),
        list(medium("b", &url("b.png"), "")),
    ];
    let expected = Recorded {
        new: 2,
        changed: 1,
        returned: 0,
    };
    assert_eq!(home.store.record_media(&told, at(1)).unwrap(), expected);
    assert_eq!(
        home.ask("SELECT url FROM media WHERE id = 'a'"),
        url("new.png")
    );
    assert_eq!(home.ask("SELECT url FROM media_history"), url("old.png"));
    assert_eq!(
        home.ask("SELECT group_concat(state || ' ' || url, ',' ORDER BY media_id) FROM assets"),
        format!("owed {},owed {}", url("new.png"), url("b.png"))
    );
    assert_eq!(
        home.ask("SELECT path FROM media_paths WHERE media_id = 'a'"),
        "/assets/aa/bb/new.png"
    );
    // Told once more as if they were new, with a tombstone between.
    home.store.retire_media(&[media_id("b")], at(2)).unwrap();
    let expected = Recorded {
        new: 0,
        changed: 2,
        returned: 1,
    };
    assert_eq!(home.store.record_media(&told, at(3)).unwrap(), expected);
}

#[test]
fn a_file_s_row_that_is_there_before_its_medium_is_owed_as_it_was() {
    let mut home = Sandbox::new();
    home.store
        .write("test", |tx| {
            tx.execute_batch(
                "INSERT INTO assets (media_id, url, state, attempts, valid_from)
                 VALUES ('a', 'x', 'failed', 3, '2023-01-01T00:00:00.000Z')",
            )
        })
        .unwrap();
    home.store
        .record_media(&[list(medium("a", &url("a.png"), ""))], at(1))
        .unwrap();
    assert_eq!(
        home.ask("SELECT state || ' ' || why || ' ' || attempts || ' ' || url FROM assets"),
        format!("owed new 0 {}", url("a.png"))
    );
}

#[test]
fn sixteen_pages_leave_nothing_to_be_looked_through() {
    let mut home = Sandbox::new();
    let page: Vec<_> = (0..1600)
        .map(|n| list(medium(&format!("m{n}"), &url(&format!("{n}.png")), "")))
        .collect();
    assert_eq!(home.store.record_media(&page, at(1)).unwrap().new, 1600);
    assert_eq!(home.ask("SELECT count(*) FROM unread"), "0");
    assert_eq!(home.ask("SELECT count(*) FROM media_paths"), "1600");
}

#[test]
fn a_group_that_fails_leaves_nothing_and_the_store_goes_on() {
    let mut home = Sandbox::new();
    let mut broken = medium("c", &url("c.png"), "");
    broken.metadata = "{".to_owned();
    let group = [
        list(medium("a", &url("a.png"), "")),
        list(broken),
        list(medium("d", &url("d.png"), "")),
    ];
    assert!(home.store.record_media(&group, at(1)).is_err());
    for table in ["media", "assets", "media_paths", "unread", "leaves"] {
        assert_eq!(home.ask(&format!("SELECT count(*) FROM {table}")), "0");
    }
    let whole = [list(medium("a", &url("a.png"), ""))];
    assert_eq!(home.store.record_media(&whole, at(2)).unwrap().new, 1);

    let blog = endpoint("blog");
    let mut broken = content("b", "PUBLISH", "1");
    broken.metadata = "{".to_owned();
    let step = |content| ContentStep::Record {
        content,
        published: BodyStep::Fetch,
        draft: BodyStep::Clear,
    };
    let group = [step(content("a", "PUBLISH", "1")), step(broken)];
    assert!(home.store.record_contents(&blog, &group, at(3)).is_err());
    for table in ["contents", "owed_bodies"] {
        assert_eq!(home.ask(&format!("SELECT count(*) FROM {table}")), "0");
    }
    let again = [
        step(content("a", "PUBLISH", "1")),
        step(content("a", "PUBLISH", "2")),
    ];
    let recorded = home.store.record_contents(&blog, &again, at(4)).unwrap();
    assert_eq!((recorded.new, recorded.changed), (1, 1));
    assert_eq!(home.ask("SELECT count(*) FROM owed_bodies"), "1");
}

fn owe(home: &mut Sandbox, ids: &[String]) -> Vec<OwedBody> {
    let blog = endpoint("blog");
    let steps: Vec<_> = ids
        .iter()
        .map(|id| ContentStep::Record {
            content: content(id, "PUBLISH_AND_DRAFT", "1"),
            published: BodyStep::Fetch,
            draft: BodyStep::Clear,
        })
        .collect();
    home.store.record_contents(&blog, &steps, at(1)).unwrap();
    home.store.owed_bodies(&blog, None, 1000, true).unwrap()
}

fn saved(owed: &OwedBody, body: &str, digest: Option<BodyDigest>) -> BodyOutcome {
    BodyOutcome::Saved {
        endpoint: endpoint("blog"),
        id: owed.id.clone(),
        side: owed.side,
        owed_at: owed.owed_at,
        body: body.to_owned(),
        digest,
    }
}

#[test]
fn the_texts_of_one_transaction_are_one_piece_of_the_search_index() {
    let mut home = Sandbox::new();
    let ids: Vec<String> = (0..30).map(|n| format!("c{n:02}")).collect();
    let owed = owe(&mut home, &ids);
    let outcomes: Vec<_> = owed
        .iter()
        .map(|owed| saved(owed, &format!(r#"{{"title":"text of {}"}}"#, owed.id), None))
        .collect();
    assert_eq!(home.store.record_bodies(&outcomes, at(2)).unwrap(), 30);
    assert_eq!(home.ask("SELECT count(*) FROM unread"), "0");
    let pieces = "SELECT count(DISTINCT segid) FROM contents_search_idx";
    assert_eq!(home.ask(pieces), "1");
    let found = "SELECT count(*) FROM contents_search WHERE contents_search MATCH '\"text of c1\"'";
    assert_eq!(home.ask(found), "10");
}

#[test]
fn what_was_read_before_counts_for_the_very_text_that_is_recorded() {
    let mut home = Sandbox::new();
    let owed = owe(&mut home, &["a".to_owned(), "b".to_owned()]);
    let digest = |text: &str| {
        Some(BodyDigest {
            text: text.to_owned(),
            mentions: Vec::new(),
        })
    };
    home.store
        .record_bodies(&[saved(&owed[0], r#"{"x":"old"}"#, digest("old"))], at(2))
        .unwrap();
    // An answer that nobody waits for any more, in a transaction that looks its content through.
    let late = [saved(&owed[0], r#"{"x":"late"}"#, digest("late"))];
    home.store
        .write_read("test", &Read::of(&late), |tx| {
            tx.execute_batch(
                "DELETE FROM content_texts;
                 INSERT INTO unread (kind, scope, id) VALUES ('content', 'blog', 'a')",
            )
        })
        .unwrap();
    home.store
        .record_bodies(
            &[saved(&owed[1], r#"{"x":"b"}"#, digest("as it was read"))],
            at(3),
        )
        .unwrap();
    let texts =
        "SELECT group_concat(id || ' ' || side || ' ' || text, ',' ORDER BY id) FROM content_texts";
    assert_eq!(
        home.ask(texts),
        "a published old,b published as it was read"
    );
    assert_eq!(owed[0].side, BodySide::Published);
}
