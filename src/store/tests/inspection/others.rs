//! What others wrote into the database, or a crash left in it: it is looked through later, and what does not follow
//! is named.

use super::super::{Sandbox, at, options};
use super::{column, is_looked_through, list_media, url, write};
use crate::model::BodySide;
use crate::store::Store;

#[test]
fn what_others_changed_or_a_crash_left_is_looked_through_at_the_next_opening() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&options(&folder), at(0)).unwrap();
    let mut home = Sandbox {
        _folder: folder,
        store,
    };
    write(
        &mut home,
        "a",
        &[(BodySide::Published, r#"{"t":"before"}"#)],
        1,
    );
    let path = home._folder.path().join("backup.sqlite3");
    let conn = rusqlite::Connection::open(&path).unwrap();
    // By hand, with the history that the triggers see to.
    conn.execute_batch(
        r#"UPDATE contents SET published_body = '{"t":"edited by hand"}', valid_from = '2030-01-01T00:00:00.000Z'"#,
    )
    .unwrap();
    for n in 0..1_200 {
        conn.execute(
            "INSERT INTO contents (endpoint, id, valid_from, metadata, published_body)
             VALUES ('blog', ?1, '2030-01-01T00:00:00.000Z', '{}', '{\"t\":\"many\"}')",
            [format!("n{n}")],
        )
        .unwrap();
    }
    drop(conn);
    home.store = Store::open(&options(&home._folder), at(2)).unwrap();
    assert_eq!(
        column(&home, "SELECT text FROM content_texts WHERE id = 'a'"),
        ["edited by hand"]
    );
    assert_eq!(home.ask("SELECT count(*) FROM content_texts"), "1201");
    is_looked_through(&home);
}

#[test]
fn a_page_of_media_does_not_wait_for_bodies() {
    let mut home = Sandbox::new();
    let path = home._folder.path().join("backup.sqlite3");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(
            r#"INSERT INTO contents (endpoint, id, valid_from, metadata, published_body)
               VALUES ('blog', 'left', '2026-01-01T00:00:00.000Z', '{}', '{"t":"words"}')"#,
        )
        .unwrap();
    list_media(&mut home, &[("m", &url("one.png"))], 1);
    assert_eq!(home.ask("SELECT count(*) FROM media_paths"), "1");
    assert_eq!(column(&home, "SELECT id FROM unread"), ["left"]);
    home.store.read_unread().unwrap();
    assert_eq!(column(&home, "SELECT id FROM content_texts"), ["left"]);
    is_looked_through(&home);
}

#[test]
fn what_others_clear_or_delete_is_not_found_any_more() {
    let mut home = Sandbox::new();
    let body = format!(r#"{{"t":"words","image":"{}"}}"#, url("one.png"));
    let sides = [(BodySide::Published, &*body), (BodySide::Draft, &*body)];
    for (id, seconds) in [
        ("kept", 1),
        ("cleared", 2),
        ("gone", 3),
        ("erased", 4),
        ("renamed", 5),
    ] {
        write(&mut home, id, &sides, seconds);
    }
    let path = home._folder.path().join("backup.sqlite3");
    let conn = rusqlite::Connection::open(&path).unwrap();
    // Another program sees to the version, and to nothing else.
    conn.execute_batch(
        "UPDATE contents SET draft_body = NULL, valid_from = '2030-01-01T00:00:00.000Z' WHERE id = 'cleared';
         UPDATE contents SET deleted_at = '2030-01-01T00:00:00.000Z', valid_from = '2030-01-01T00:00:00.000Z'
         WHERE id = 'gone';
         DELETE FROM contents WHERE id = 'erased';
         UPDATE contents SET id = 'other', valid_from = '2030-01-01T00:00:00.000Z' WHERE id = 'renamed';",
    )
    .unwrap();
    let left = ["cleared published", "kept draft", "kept published"];
    for told in [
        "SELECT id || ' ' || side FROM contents_search WHERE contents_search MATCH 'words' ORDER BY 1",
        "SELECT id || ' ' || side FROM content_texts ORDER BY 1",
        "SELECT id || ' ' || side FROM media_references ORDER BY 1",
    ] {
        assert_eq!(column(&home, told), left, "{told}");
    }
    assert_eq!(
        column(&home, "SELECT id FROM unread ORDER BY id"),
        ["cleared", "erased", "gone", "other", "renamed"]
    );
    drop(conn);
    home.store.read_unread().unwrap();
    assert_eq!(
        column(
            &home,
            "SELECT id || ' ' || side FROM content_texts ORDER BY 1"
        ),
        [
            "cleared published",
            "kept draft",
            "kept published",
            "other draft",
            "other published"
        ]
    );
    is_looked_through(&home);
}

#[test]
fn what_does_not_follow_from_bodies_and_urls_is_named() {
    use crate::store::DatabaseCheck;
    let mut home = Sandbox::new();
    list_media(&mut home, &[("m1", &url("one.png"))], 0);
    let body = format!(
        r#"{{"id":"a","title":"words","image":{{"url":"{}"}}}}"#,
        url("one.png")
    );
    write(&mut home, "a", &[(BodySide::Published, &body)], 1);
    let named = |home: &Sandbox| {
        let flaws = home.store.check_soundness(DatabaseCheck::Derived, at(2));
        let flaws = flaws.unwrap();
        flaws
            .into_iter()
            .map(|flaw| format!("{} {}", flaw.place, flaw.thing))
            .collect::<Vec<_>>()
    };
    assert_eq!(named(&home), [""; 0]);
    for (edit, back, expected) in [
        (
            "UPDATE content_texts SET text = 'wordz'",
            "UPDATE content_texts SET text = 'words'",
            "content_texts blog/a, published",
        ),
        (
            "UPDATE media_references SET odd_path = path || 'x'",
            "UPDATE media_references SET odd_path = NULL",
            "media_references blog/a, published",
        ),
        (
            "INSERT INTO media_odd_paths (media_id, host, path) VALUES ('m1', 'images.microcms-assets.io', '/x')",
            "DELETE FROM media_odd_paths",
            "media_paths m1",
        ),
        (
            "INSERT INTO media_odd_paths (media_id) VALUES ('m2')",
            "DELETE FROM media_odd_paths",
            "media_odd_paths m2",
        ),
        (
            "INSERT INTO content_texts (endpoint, id, side, text) VALUES ('blog', 'b', 'draft', 'x')",
            "DELETE FROM content_texts WHERE id = 'b'",
            "content_texts blog/b, draft",
        ),
    ] {
        home.store
            .write("test", |tx| tx.execute_batch(edit))
            .unwrap();
        assert_eq!(named(&home), [expected], "{edit}");
        home.store
            .write("test", |tx| tx.execute_batch(back))
            .unwrap();
        assert_eq!(named(&home), [""; 0], "{back}");
    }
}
