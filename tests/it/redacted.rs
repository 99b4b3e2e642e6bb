//! `snapshot --redact`: what it leaves out for handing on.

use crate::snapshot::{backup, contents_of, number, open, program, report, said};
use crate::support::{Program, Sandbox, now};
use microcms_backup::store::{self, Store};
use rusqlite::Connection;
use std::fs;

/// Puts secrets everywhere a backup may have them, and public words beside them.
fn plant(home: &Sandbox) {
    let conn = Connection::open(home.database()).expect("it opens");
    let body = |word: &str| format!("{{\"text\":\"{}\"}}", format!("{word} ").repeat(40));
    let later =
        |seconds: u32| format!("strftime('%Y-%m-%dT%H:%M:%fZ', valid_from, '+{seconds} seconds')");
    let mut ids = home.texts("SELECT id FROM contents WHERE endpoint = 'blog' AND published_body IS NOT NULL ORDER BY id");
    assert!(ids.len() >= 4, "{ids:?}");
    ids.truncate(4);
    // What is left at the end: published with a draft, a draft, closed, deleted.
    for (id, name, status) in [
        (&ids[0], "both", "PUBLISH_AND_DRAFT"),
        (&ids[1], "withdrawn", "DRAFT"),
        (&ids[2], "closed", "CLOSED"),
        (&ids[3], "deleted", "PUBLISH"),
    ] {
        // A version that was published, with a draft beside it; one that was a draft; the last one.
        for (at, status, published, draft, person) in [
            (
                60,
                "PUBLISH_AND_DRAFT",
                format!("public1-{name}"),
                format!("sec-draft1-{name}"),
                "person-one",
            ),
            (
                120,
                "DRAFT",
                format!("sec-notthen-{name}"),
                format!("sec-draft2-{name}"),
                "person-two",
            ),
            (
                180,
                status,
                format!("public3-{name}"),
                format!("sec-draft3-{name}"),
                "person-one",
            ),
        ] {
            conn.execute(
                &format!(
                    "UPDATE contents SET valid_from = {}, published_body = ?1, draft_body = ?2,
                         metadata = json_set(metadata, '$.status', json_array(?3), '$.draftKey', ?4,
                             '$.createdBy', 'sec-' || ?5, '$.updatedBy', 'sec-' || ?5, '$.novel', json_object('a', 'sec-novel'))
                     WHERE endpoint = 'blog' AND id = ?6",
                    later(at)
                ),
                rusqlite::params![body(&published), body(&draft), status, format!("sec-key-{name}-{at}"), person, id],
            )
            .expect("a version");
        }
    }
    conn.execute_batch(&format!(
        "UPDATE contents SET valid_from = {0}, deleted_at = {0} WHERE endpoint = 'blog' AND id = '{1}';
         UPDATE media SET valid_from = {0}, metadata = json_set(metadata, '$.novel', 'sec-medium', '$.alt', 'public-alt');
         UPDATE assets SET last_error = 'sec-asset';
         UPDATE runs SET error = 'sec-run', recent_requests = '[\"sec-requests\"]';
         UPDATE walks SET detail = 'sec-walk';
         INSERT INTO owed_bodies (endpoint, id, side, last_error, owed_at) VALUES ('blog', 'x', 'draft', 'sec-owed', 't');
         INSERT INTO asset_hosts (host, detail, changed_at) VALUES ('h', 'sec-host', 't');
         INSERT INTO partials VALUES ('m', 'sec-url', 'sec-validator', 1, 'd', 2, 't');
         INSERT INTO doomed_files (sha256, path, doomed_at) VALUES ('d', 'sec-doomed', 't');
         INSERT INTO transfer VALUES ('2020-01', 'sec-removed' || hex(zeroblob(500)), 1, 1);
         DELETE FROM transfer WHERE month = '2020-01';
         ANALYZE;",
        later(300),
        ids[3],
    ))
    .expect("planted");
    drop(conn);
    // The next opening reads the bodies through.
    let service_id = home
        .texts("SELECT value FROM meta WHERE key = 'service_id'")
        .concat();
    let options = store::Options {
        path: home.database(),
        service_id,
        mode: store::Mode::ReadWrite,
    };
    drop(Store::open(&options, now()).expect("it opens"));
    let found = "SELECT count(*) FROM contents_search WHERE contents_search MATCH '\"sec-draft3\"'";
    assert_eq!(home.count(found), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_snapshot_holds_no_secret_in_any_page() {
    let (home, sim) = backup().await;
    plant(&home);
    let before = contents_of(&home.sql());
    said(&program(&home, &sim, &["whole.sqlite3"]).run(), 0);
    let told = report(
        &program(&home, &sim, &["handed.sqlite3", "--redact", "--json"]).run(),
        0,
    );
    assert_eq!(told["redacted"], true);
    assert_eq!(
        contents_of(&home.sql()),
        before,
        "the backup itself stays as it is"
    );

    let has = |file: &str, word: &str| {
        let bytes = fs::read(home.path(file)).expect("it");
        bytes
            .windows(word.len())
            .any(|window| window == word.as_bytes())
    };
    let secrets = [
        "sec-draft1-both",
        "sec-draft2-both",
        "sec-draft3-both",
        "sec-notthen-both",
        "sec-key-both-60",
        "sec-key-both-180",
        "sec-draft1-withdrawn",
        "sec-draft3-withdrawn",
        "public1-withdrawn",
        "public3-withdrawn",
        "public1-closed",
        "public3-closed",
        "sec-key-closed-180",
        "public1-deleted",
        "public3-deleted",
        "sec-draft3-deleted",
        "sec-person-one",
        "sec-person-two",
        "sec-novel",
        "sec-medium",
        "sec-asset",
        "sec-run",
        "sec-requests",
        "sec-walk",
        "sec-owed",
        "sec-host",
        "sec-url",
        "sec-validator",
        "sec-doomed",
    ];
    for secret in secrets {
        assert!(has("whole.sqlite3", secret), "the test planted no {secret}");
        assert!(!has("handed.sqlite3", secret), "{secret}");
    }
    assert!(
        !has("handed.sqlite3", "sec-"),
        "one that the test did not think of"
    );
    // A full text tells its words by groups of three letters.
    let handed = Connection::open(home.path("handed.sqlite3")).expect("it opens");
    let found = |words: &str| -> i64 {
        let sql = "SELECT count(*) FROM contents_search WHERE contents_search MATCH ?1";
        handed
            .query_row(sql, [format!("\"{words}\"")], |row| row.get(0))
            .expect("a count")
    };
    assert_eq!(
        (found("sec"), found("-draft3"), found("public3-both")),
        (0, 0, 1)
    );
    let check = "INSERT INTO contents_search (contents_search, rank) VALUES ('integrity-check', 1)";
    handed.execute_batch(check).expect("a sound full text");
    // What was removed earlier is in no free page of either.
    assert!(!has("whole.sqlite3", "sec-removed"));
    for public in ["public1-both", "public3-both", "public-alt", "editor-1"] {
        assert!(has("handed.sqlite3", public), "{public}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redacted_snapshot_keeps_the_history_and_who_did_what_under_other_names() {
    let (home, sim) = backup().await;
    plant(&home);
    said(
        &program(&home, &sim, &["handed.sqlite3", "--redact"]).run(),
        0,
    );
    let (whole, handed) = (home.sql(), open(&home.path("handed.sqlite3")));
    let versions = "SELECT group_concat(endpoint || id || valid_from || ifnull(valid_to, '') || ifnull(deleted_at, '')
                        || status || updated_at, char(10))
                    FROM (SELECT * FROM contents_timeline ORDER BY endpoint, id, valid_from)";
    let ask = |conn: &Connection, sql: &str| {
        conn.query_row(sql, [], |row| row.get::<_, String>(0))
            .expect(sql)
    };
    assert_eq!(ask(&whole, versions), ask(&handed, versions));
    for table in ["contents_history", "media_history", "assets_history"] {
        let sql = format!("SELECT count(*) FROM {table}");
        assert_eq!(number(&whole, &sql), number(&handed, &sql), "{table}");
    }
    // One person has one name, two people have two.
    let pairs = "SELECT count(DISTINCT created_by) FROM contents_timeline";
    assert_eq!(number(&whole, pairs), number(&handed, pairs));
    let strangers = "SELECT count(*) FROM contents_timeline WHERE created_by NOT GLOB 'editor-[0-9]*' AND created_by NOT IN ('API', 'CSV_IMPORT', 'REMOVED_FROM_SERVICE')";
    assert_eq!(number(&handed, strangers), 0);
    let objects = "SELECT json_type(metadata, '$.status') || json_type(metadata, '$.reservationTime') FROM contents LIMIT 1";
    assert_eq!(ask(&whole, objects), ask(&handed, objects));
    let triggers = "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger'";
    assert_eq!(number(&whole, triggers), number(&handed, triggers));

    // It is no backup to go on with, and none is made of it by accident.
    let other = Sandbox::new();
    fs::copy(home.path("handed.sqlite3"), other.database()).expect("copied");
    let before = fs::read(other.database()).expect("it");
    let output = Program::sync(&other, &sim).run();
    let words = said(&output, 1);
    assert!(
        words.contains("is a redacted snapshot, not a backup to go on with"),
        "{words}"
    );
    assert_eq!(fs::read(other.database()).expect("it"), before);
    // Nor does anything call it one.
    for words in [
        &["sync", "--dry-run"][..],
        &["verify"],
        &["status"],
        &["doctor", "--offline"],
    ] {
        let output = Program::command(words, &other, &sim).run();
        let code = output.status.code();
        assert!(code.is_some_and(|code| code != 0), "{words:?}");
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        assert!(told.contains("is a redacted snapshot"), "{told}");
    }
    // A snapshot of it is one, too.
    said(
        &program(&other, &sim, &["again.sqlite3", "--redact"]).run(),
        0,
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_added_to_the_database_is_not_handed_on_by_accident() {
    let (home, sim) = backup().await;
    let conn = Connection::open(home.database()).expect("it opens");
    conn.execute_batch("CREATE TABLE notes (who TEXT); ALTER TABLE media ADD COLUMN remark TEXT")
        .expect("added");
    drop(conn);
    let words = said(&program(&home, &sim, &["s.sqlite3", "--redact"]).run(), 1);
    assert!(
        words.contains("redaction has no rule for column `media.remark`, table `notes`"),
        "{words}"
    );
    assert!(!home.path("s.sqlite3").exists());
    said(&program(&home, &sim, &["s.sqlite3"]).run(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_redacted_is_not_said_to_be_owed() {
    let (home, sim) = backup().await;
    said(
        &program(&home, &sim, &["handed.sqlite3", "--redact"]).run(),
        0,
    );
    let other = Sandbox::new();
    fs::copy(home.path("handed.sqlite3"), other.database()).expect("copied");
    let id = "SELECT id FROM contents WHERE endpoint = 'blog' AND status = 'DRAFT' LIMIT 1";
    let name = format!("blog/{}", other.texts(id).concat());
    let ask = |words: &[&str]| Program::command(words, &other, &sim).run();
    for words in [&["show", &*name][..], &["show", &*name, "--at", "1"]] {
        let text = said(&ask(words), 0);
        assert!(
            text.contains("draft body: not in this redacted snapshot\n"),
            "{text}"
        );
    }
    let text = said(&ask(&["show", &name, "--json"]), 0);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["redacted"], true);

    let folder = other.path("out").display().to_string();
    for more in [&[][..], &["--at", "1"]] {
        let words = [&["export", &folder, "--drafts"], more].concat();
        let text = said(&ask(&words), 3);
        assert!(
            text.contains("missing: this is a redacted snapshot") && !text.contains("`sync`"),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_a_redacted_snapshot_is_verified_without_accusing_anybody() {
    let (home, sim) = backup().await;
    said(
        &program(&home, &sim, &["handed.sqlite3", "--redact"]).run(),
        0,
    );
    let other = Sandbox::new();
    fs::copy(home.path("handed.sqlite3"), other.database()).expect("copied");
    let ask = |words: &[&str], code| {
        let words = [&["verify", "--database"], words].concat();
        said(&Program::command(&words, &other, &sim).run(), code)
    };
    let told = ask(&[], 0);
    let (note, verified) = (told.find("redacted snapshot"), told.find("VERIFIED"));
    assert!(note.is_some() && note < verified, "{told}");
    for wrong in ["tampered", "by hand", "--wait-lock", "not recorded"] {
        assert!(!told.contains(wrong), "{told}");
    }
    // The roots went with what they proved; and what is no backup is not compared with the service.
    let root = "3f9c2a71";
    let told = ask(&["--since", root], 1);
    assert!(told.contains("is a redacted snapshot"), "{told}");
    let remote = Program::command(&["verify", "--remote"], &other, &sim);
    let told = said(&remote.run(), 1);
    assert!(told.contains("is a redacted snapshot"), "{told}");
    // What redaction does not do is found in it.
    let conn = Connection::open(other.database()).expect("it opens");
    conn.execute_batch("UPDATE endpoints SET schema = '{' WHERE endpoint = 'blog'")
        .expect("written");
    drop(conn);
    let told = ask(&[], 6);
    assert!(told.contains("`schema` of blog"), "{told}");
}
