//! A database from before the log.

use crate::support::{Expect as _, Sandbox, assert_untampered, digest, now, tampered_rows};
use microcms_backup::model::TamperKind;
use microcms_sim::Sim;
use rusqlite::{Connection, params};
use std::path::Path;

/// The migrations that were there before the log.
const BEFORE: [&str; 3] = ["0001_initial", "0002_transfer", "0003_retention"];

/// Makes a database of the schema before the log, as the program of then did.
fn old_database(home: &Sandbox, service: &str) -> Connection {
    let conn = Connection::open(home.database()).expect("a file");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for (version, stem) in (1_u32..).zip(BEFORE) {
        let sql = std::fs::read_to_string(folder.join(format!("{stem}.sql"))).expect("a file");
        conn.execute_batch(&sql).expect(stem);
        let (_, name) = stem.split_once('_').expect("a name");
        conn.execute(
            "INSERT INTO migrations VALUES (?1, ?2, ?3, ?4)",
            params![version, name, digest(sql.as_bytes()), now().to_string()],
        )
        .expect("recorded");
    }
    conn.execute_batch("PRAGMA user_version = 3; PRAGMA application_id = 0x6D434D53;")
        .expect("pragmas");
    conn.execute("INSERT INTO meta VALUES ('service_id', ?1)", [service])
        .expect("whose it is");
    conn
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_database_is_taken_into_the_log_as_it_is_and_watched_from_then_on() {
    let sim = Sim::builder()
        .media(3)
        .published_list_api("blog", 3)
        .start()
        .await;
    let home = Sandbox::new();
    let conn = old_database(&home, sim.service_id());
    // A current version, an earlier one, a version that somebody removed by hand, and a body still owed.
    conn.execute_batch(
        "INSERT INTO media (id, file_name, valid_from, metadata)
             VALUES ('a', 'a.png', '2026-01-01T00:00:00.000Z', '{}'), ('b', 'b.png', '2026-01-01T00:00:00.000Z', '{}');
         UPDATE media SET metadata = '{\"alt\":\"x\"}', valid_from = '2026-02-01T00:00:00.000Z' WHERE id = 'a';
         DELETE FROM media WHERE id = 'b';
         INSERT INTO media (id, file_name, valid_from, metadata)
             VALUES ('b', 'b.png', '2027-01-01T00:00:00.000Z', '{}');
         INSERT INTO contents (endpoint, id, valid_from, metadata)
             VALUES ('blog', 'c', '2026-01-01T00:00:00.000Z', '{\"status\":[\"PUBLISH\"]}');
         INSERT INTO endpoints (endpoint, name, kind, valid_from)
             VALUES ('old', 'Old', 'list', '2026-01-01T00:00:00.000Z');
         INSERT INTO assets (media_id, url, path, bytes, sha256, state, valid_from)
             VALUES ('a', 'https://h/a.png', 'h/a.png', 1, 'aa', 'gone', '2026-01-01T00:00:00.000Z');
         UPDATE assets SET sha256 = 'bb', valid_from = '2026-02-01T00:00:00.000Z';",
    )
    .expect("rows");
    drop(conn);
    let first = home.sync(&sim).await;
    assert_eq!(
        home.count("SELECT count(*) FROM leaves WHERE deed = 'adopted'"),
        8
    );
    assert_untampered(&home);
    // What was adopted goes on: superseded, deleted, and filled with a body that came later.
    for _ in 0..3 {
        home.sync(&sim).await;
        assert_untampered(&home);
    }
    assert!(first.media.seen == 3);
    home.sync(&sim).await.expect_complete();

    for (sql, kind) in [
        (
            "UPDATE media_history SET valid_to = '2026-05-01T00:00:00.000Z' WHERE id = 'a' AND metadata = '{}'",
            TamperKind::ChangedRow,
        ),
        (
            "UPDATE media_history SET file_name = 'z.png' WHERE id = 'b' AND valid_from < '2026-05'",
            TamperKind::ChangedRow,
        ),
        (
            "DELETE FROM assets_history WHERE media_id = 'a'",
            TamperKind::VanishedRow,
        ),
    ] {
        let pristine = std::fs::read(home.database()).expect("a file");
        super::stealthy(&home).execute_batch(sql).expect(sql);
        let report = tampered_rows(&home, None);
        assert!(
            report.findings.counts.contains_key(&kind),
            "{sql}: {:#?}",
            super::words(&report)
        );
        std::fs::write(home.database(), pristine).expect("put back");
    }
    assert_untampered(&home);
}
