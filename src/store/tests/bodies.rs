use super::{Sandbox, at, content, content_id, endpoint, options};
use crate::model::{BodyOutcome, BodyStep, ContentStep, OwedBody};
use crate::store::migrate::{MIGRATIONS, migrate};
use crate::store::{BodyProblem, Store};
use rusqlite::Connection;

fn list(home: &mut Sandbox, ids: &[&str], updated_at: &str, seconds: i64) {
    let page: Vec<_> = ids
        .iter()
        .map(|id| ContentStep::Record {
            content: content(id, "PUBLISH", updated_at),
            published: BodyStep::Fetch,
            draft: BodyStep::Clear,
        })
        .collect();
    home.store
        .record_contents(&endpoint("blog"), &page, at(seconds))
        .unwrap();
}

/// Contents with two bodies each.
fn list_with_drafts(home: &mut Sandbox, ids: &[&str]) {
    let page: Vec<_> = ids
        .iter()
        .map(|id| ContentStep::Record {
            content: content(id, "PUBLISH_AND_DRAFT", "1"),
            published: BodyStep::Fetch,
            draft: BodyStep::Fetch,
        })
        .collect();
    home.store
        .record_contents(&endpoint("blog"), &page, at(1))
        .unwrap();
}

fn owed(home: &Sandbox) -> Vec<OwedBody> {
    home.store
        .owed_bodies(&endpoint("blog"), None, 100, true)
        .unwrap()
}

fn saved(owed: &OwedBody, body: &str) -> BodyOutcome {
    BodyOutcome::Saved {
        endpoint: endpoint("blog"),
        id: owed.id.clone(),
        side: owed.side,
        owed_at: owed.owed_at,
        body: body.to_owned(),
        digest: None,
    }
}

fn refused(owed: &OwedBody) -> BodyOutcome {
    BodyOutcome::Refused {
        endpoint: endpoint("blog"),
        id: owed.id.clone(),
        side: owed.side,
        owed_at: owed.owed_at,
        reason: "403 Forbidden".to_owned(),
    }
}

fn failed(owed: &OwedBody) -> BodyOutcome {
    BodyOutcome::Failed {
        endpoint: endpoint("blog"),
        id: owed.id.clone(),
        side: owed.side,
        owed_at: owed.owed_at,
        reason: "a time-out".to_owned(),
    }
}

#[test]
fn owed_bodies_come_in_the_order_of_the_listing_in_pages_without_overlap_or_gap() {
    let mut home = Sandbox::new();
    list_with_drafts(&mut home, &["c", "a", "b"]);
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = home
            .store
            .owed_bodies(&endpoint("blog"), after, 4, false)
            .unwrap();
        let Some(last) = page.last() else { break };
        after = Some(last.number);
        seen.extend(
            page.iter()
                .map(|owed| format!("{}/{}", owed.id, owed.side.as_str())),
        );
    }
    assert_eq!(
        seen,
        [
            "c/published",
            "c/draft",
            "a/published",
            "a/draft",
            "b/published",
            "b/draft"
        ]
    );
}

#[test]
fn a_different_answer_begins_a_version_and_an_equal_one_writes_no_row() {
    let mut home = Sandbox::new();
    list(&mut home, &["a"], "1", 1);
    let question = owed(&home);
    assert_eq!(
        home.store
            .record_bodies(&[saved(&question[0], "{\"v\":1}")], at(2))
            .unwrap(),
        1
    );

    assert_eq!(
        home.store
            .refetch_all_bodies(&endpoint("blog"), at(3))
            .unwrap(),
        1
    );
    let question = owed(&home);
    let before = home.written();
    assert_eq!(
        home.store
            .record_bodies(&[saved(&question[0], "{\"v\":1}")], at(4))
            .unwrap(),
        1
    );
    assert_eq!(home.written() - before, 1, "only the owed row leaves");

    home.store
        .refetch_all_bodies(&endpoint("blog"), at(5))
        .unwrap();
    let question = owed(&home);
    home.store
        .record_bodies(&[saved(&question[0], "{\"v\":2}")], at(6))
        .unwrap();
    assert_eq!(
        home.ask("SELECT published_body || valid_from FROM contents"),
        format!("{{\"v\":2}}{}", at(6))
    );
    assert_eq!(
        home.ask("SELECT published_body || valid_to FROM contents_history"),
        format!("{{\"v\":1}}{}", at(6))
    );
}

#[test]
fn all_bodies_are_asked_for_again_in_the_order_of_the_listing_both_of_a_content_together() {
    let mut home = Sandbox::new();
    list_with_drafts(&mut home, &["c", "a", "b"]);
    let blog = endpoint("blog");
    let told = |home: &Sandbox| -> Vec<String> {
        let side = |owed: &OwedBody| format!("{}/{}", owed.id, owed.side.as_str());
        owed(home).iter().map(side).collect()
    };
    let before = told(&home);
    let outcomes: Vec<_> = owed(&home).iter().map(|owed| saved(owed, "{}")).collect();
    home.store.record_bodies(&outcomes, at(2)).unwrap();
    assert_eq!(told(&home), [""; 0]);
    assert_eq!(home.store.refetch_all_bodies(&blog, at(3)).unwrap(), 6);
    assert_eq!(told(&home), before);
}

#[test]
fn an_answer_that_a_change_overtook_leaves_the_body_owed() {
    let mut home = Sandbox::new();
    list(&mut home, &["a"], "1", 1);
    let question = owed(&home);
    list(&mut home, &["a"], "2", 1);
    let stale = [
        saved(&question[0], "{\"old\":true}"),
        refused(&question[0]),
        failed(&question[0]),
    ];
    let before = home.written();
    assert_eq!(home.store.record_bodies(&stale, at(3)).unwrap(), 0);
    assert_eq!(home.written(), before);
    let question = owed(&home);
    assert_eq!((question[0].attempts, question[0].is_refused), (0, false));
    assert_eq!(
        home.store
            .record_bodies(&[saved(&question[0], "{}")], at(4))
            .unwrap(),
        1
    );
}

#[test]
fn an_answer_for_what_was_deleted_meanwhile_is_dropped() {
    let mut home = Sandbox::new();
    list(&mut home, &["a"], "1", 1);
    let question = owed(&home);
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(2))
        .unwrap();
    let before = home.written();
    assert_eq!(
        home.store
            .record_bodies(&[saved(&question[0], "{}")], at(3))
            .unwrap(),
        0
    );
    assert_eq!(home.written(), before);
    assert_eq!(home.ask("SELECT published_body FROM contents"), "NULL");
}

#[test]
fn a_refused_body_stays_owed_and_is_counted_apart() {
    let mut home = Sandbox::new();
    list(&mut home, &["a", "b", "c"], "1", 1);
    let question = owed(&home);
    let outcomes = [
        refused(&question[0]),
        failed(&question[1]),
        failed(&question[1]),
    ];
    assert_eq!(home.store.record_bodies(&outcomes, at(2)).unwrap(), 0);
    let problems = home.store.body_problems().unwrap();
    assert_eq!(
        problems,
        [BodyProblem {
            endpoint: endpoint("blog"),
            owed: 3,
            refused: 1,
            example_error: Some("403 Forbidden".to_owned()),
        }]
    );
    let again = home
        .store
        .owed_bodies(&endpoint("blog"), None, 9, false)
        .unwrap();
    assert_eq!(
        again
            .iter()
            .map(|owed| (owed.id.as_str(), owed.attempts))
            .collect::<Vec<_>>(),
        [("b", 2), ("c", 0)]
    );

    assert_eq!(
        home.store
            .refetch_all_bodies(&endpoint("blog"), at(3))
            .unwrap(),
        1
    );
    let counted = |home: &Sandbox| {
        let problems = home.store.body_problems().unwrap();
        (problems[0].owed, problems[0].refused)
    };
    assert_eq!(counted(&home), (3, 0));

    // A content that changed is a new question, refused or not.
    let question = owed(&home);
    home.store
        .record_bodies(&[refused(&question[0])], at(4))
        .unwrap();
    list(&mut home, &["a"], "2", 5);
    assert_eq!(counted(&home), (3, 0));
}

#[test]
fn bodies_that_were_owed_by_name_are_owed_in_the_order_of_their_contents() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let mut conn = Connection::open(&options.path).unwrap();
    migrate(&mut conn, None, 0, MIGRATIONS.get(..9).unwrap(), at(0)).unwrap();
    conn.execute_batch(
        "INSERT INTO meta (key, value) VALUES ('service_id', 'my-service');
         INSERT INTO contents (endpoint, id, valid_from, metadata) VALUES
             ('blog', 'c', '2026-01-01T00:00:00.000Z', '{\"status\":[\"PUBLISH\"]}'),
             ('blog', 'a', '2026-01-01T00:00:00.000Z', '{\"status\":[\"PUBLISH\"]}'),
             ('blog', 'b', '2026-01-01T00:00:00.000Z', '{\"status\":[\"PUBLISH\"]}');
         INSERT INTO owed_bodies (endpoint, id, side, state, attempts, last_error, owed_at) VALUES
             ('blog', 'a', 'draft', 'owed', 0, NULL, '2026-01-01T00:00:00.000Z'),
             ('blog', 'a', 'published', 'refused', 3, '403', '2026-01-02T00:00:00.000Z'),
             ('blog', 'b', 'published', 'owed', 1, 'late', '2026-01-03T00:00:00.000Z'),
             ('blog', 'c', 'published', 'owed', 0, NULL, '2026-01-04T00:00:00.000Z');",
    )
    .unwrap();
    drop(conn);
    let store = Store::open(&options, at(5)).unwrap();
    let owed = store.owed_bodies(&endpoint("blog"), None, 9, true).unwrap();
    let told: Vec<_> = owed
        .iter()
        .map(|owed| {
            let OwedBody {
                id,
                side,
                is_refused,
                attempts,
                owed_at,
                ..
            } = owed;
            format!("{id} {} {is_refused} {attempts} {owed_at}", side.as_str())
        })
        .collect();
    assert_eq!(
        told,
        [
            "c published false 0 2026-01-04T00:00:00.000Z",
            "a published true 3 2026-01-02T00:00:00.000Z",
            "a draft false 0 2026-01-01T00:00:00.000Z",
            "b published false 1 2026-01-03T00:00:00.000Z",
        ]
    );
    let problems = store.body_problems().unwrap();
    assert_eq!(problems[0].example_error.as_deref(), Some("403"));
}
