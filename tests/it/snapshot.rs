//! `snapshot`: a whole, checked copy beside whatever runs, and what it leaves out for handing on.

use crate::support::{Expect as _, Program, Sandbox};
use microcms_sim::Sim;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// `microcms-backup snapshot` with these words, without an API key.
pub(crate) fn program(home: &Sandbox, sim: &Sim, words: &[&str]) -> Program {
    let mut program = Program::command(&[&["snapshot"], words].concat(), home, sim);
    program.0.env_remove("MICROCMS_API_KEY");
    program.0.current_dir(home.path("."));
    program
}

#[track_caller]
pub(crate) fn said(output: &Output, code: i32) -> String {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout).to_owned() + text(&output.stderr)
}

#[track_caller]
pub(crate) fn report(output: &Output, code: i32) -> Value {
    said(output, code);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (report["version"].as_i64(), report["exit_code"].as_i64()),
        (Some(1), Some(code.into()))
    );
    report
}

/// Opens a file as somebody does who may not write anything.
pub(crate) fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens")
}

pub(crate) fn number(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).expect(sql)
}

pub(crate) fn names(folder: &Path) -> BTreeSet<String> {
    fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect()
}

/// Everything in the two tables that a backup is about, in the order of its columns.
pub(crate) fn contents_of(conn: &Connection) -> Vec<String> {
    [
        "contents",
        "contents_history",
        "media",
        "media_history",
        "assets",
        "runs",
        "walks",
    ]
    .iter()
    .flat_map(|table| {
        let mut rows = conn
            .prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2, 3"))
            .expect("a table");
        let columns = rows.column_count();
        let rows = rows.query_map([], |row| {
            let values = (0..columns).map(|at| row.get_ref(at).map(|value| format!("{value:?}")));
            Ok(format!(
                "{table} {:?}",
                values.collect::<Result<Vec<_>, _>>()?
            ))
        });
        rows.expect("rows")
            .map(|row| row.expect("a row"))
            .collect::<Vec<_>>()
    })
    .collect()
}

pub(crate) async fn backup() -> (Sandbox, Sim) {
    let sim = Sim::builder()
        .media(12)
        .list_api("blog", 9)
        .object_api("settings")
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    (home, sim)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_one_private_file_with_every_row_and_opens_where_nobody_may_write() {
    let (home, sim) = backup().await;
    let before = names(&home.path("."));
    let report = report(&program(&home, &sim, &["a b.sqlite3", "--json"]).run(), 0);
    let file = home.path("a b.sqlite3");
    let mut after = before.clone();
    after.insert("a b.sqlite3".to_owned());
    assert_eq!(names(&home.path(".")), after, "nothing else is left");
    assert_eq!(
        fs::metadata(&file).expect("it").permissions().mode() & 0o777,
        0o600
    );
    // 1, 1: not in the mode of the log, so that the file alone is the database.
    assert_eq!(fs::read(&file).expect("it")[18..20], [1, 1]);
    assert_eq!(
        report["bytes"].as_u64(),
        Some(fs::metadata(&file).expect("it").len())
    );
    assert_eq!(report["rows"]["media"], 12);
    assert_eq!(report["redacted"], false);
    assert_eq!(report["mirror"], Value::Null);

    let nowhere = tempfile::tempdir().expect("a folder");
    let moved = nowhere.path().join("x.sqlite3");
    fs::rename(&file, &moved).expect("moved");
    fs::set_permissions(&moved, fs::Permissions::from_mode(0o400)).expect("a mode");
    fs::set_permissions(nowhere.path(), fs::Permissions::from_mode(0o500)).expect("a mode");
    assert_eq!(contents_of(&open(&moved)), contents_of(&home.sql()));
    assert_eq!(names(nowhere.path()).len(), 1);
    fs::set_permissions(nowhere.path(), fs::Permissions::from_mode(0o700)).expect("a mode");

    // It is a backup to go on with.
    let other = Sandbox::new();
    fs::copy(&moved, other.database()).expect("restored");
    fs::set_permissions(other.database(), fs::Permissions::from_mode(0o600)).expect("a mode");
    other.sync(&sim).await.expect_complete();
}

/// Ends the writer also where an assertion failed, which would wait for it for ever.
struct StopWriting<'a>(&'a AtomicBool);

impl Drop for StopWriting<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_of_one_moment_while_others_write() {
    let (home, sim) = backup().await;
    let done = AtomicBool::new(false);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut conn = Connection::open(home.database()).expect("it opens");
            conn.busy_timeout(std::time::Duration::from_secs(30)).expect("patience");
            let mut written = 0_i64;
            while !done.load(Ordering::SeqCst) {
                let tx = conn.transaction().expect("begun");
                tx.execute("INSERT INTO transfer VALUES ('2026-01', ?1, 1, 1)", [written.to_string()]).expect("one");
                // Enough for pages to move from the log to the file meanwhile.
                tx.execute(
                    "INSERT INTO absences VALUES ('media', ?1 || hex(zeroblob(2000)), 't', 1, 1, 0)",
                    [written.to_string()],
                )
                .expect("two");
                tx.commit().expect("written");
                written += 1;
            }
            written
        });
        let stop = StopWriting(&done);
        let mut seen = Vec::new();
        for _ in 0..6 {
            said(&program(&home, &sim, &["s.sqlite3", "--force"]).run(), 0);
            let conn = open(&home.path("s.sqlite3"));
            let (one, two) = (
                number(
                    &conn,
                    "SELECT count(*) FROM transfer WHERE month = '2026-01'",
                ),
                number(&conn, "SELECT count(*) FROM absences"),
            );
            assert_eq!(one, two);
            seen.push(one);
        }
        drop(stop);
        assert!(seen.is_sorted() && seen.first() < seen.last(), "{seen:?}");
        writer.join().expect("a writer")
    });
    assert!(written > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_already_stays_unless_it_may_be_replaced() {
    let (home, sim) = backup().await;
    fs::write(home.path("old.sqlite3"), "precious").expect("written");
    let words = said(&program(&home, &sim, &["old.sqlite3"]).run(), 2);
    assert!(
        words.contains("`old.sqlite3` exists and was left as it is"),
        "{words}"
    );
    assert!(words.contains("--force"), "{words}");
    assert_eq!(fs::read(home.path("old.sqlite3")).expect("it"), b"precious");
    said(&program(&home, &sim, &["old.sqlite3", "--force"]).run(), 0);
    assert_eq!(
        number(
            &open(&home.path("old.sqlite3")),
            "SELECT count(*) FROM media"
        ),
        12
    );

    // A log beside it would be applied to the new file.
    fs::write(home.path("old.sqlite3-wal"), "x").expect("written");
    let words = said(&program(&home, &sim, &["old.sqlite3", "--force"]).run(), 2);
    assert!(words.contains("has a log of SQLite beside it"), "{words}");
    fs::remove_file(home.path("old.sqlite3-wal")).expect("gone");

    fs::create_dir(home.path("folder")).expect("made");
    std::os::unix::fs::symlink("old.sqlite3", home.path("link")).expect("made");
    for taken in ["folder", "link", "..", "/"] {
        let words = said(&program(&home, &sim, &[taken, "--force"]).run(), 2);
        assert!(words.contains("is not a regular file"), "{taken}: {words}");
    }
    let words = said(&program(&home, &sim, &["no/where.sqlite3"]).run(), 2);
    assert!(words.contains("there is no folder `"), "{words}");
    fs::create_dir(home.path("full")).expect("made");
    fs::write(home.path("full/x"), "precious").expect("written");
    for folder in ["full", "old.sqlite3"] {
        let words = said(
            &program(&home, &sim, &["new.sqlite3", "--with-mirror", folder]).run(),
            2,
        );
        assert!(
            words.contains("is not empty") || words.contains("is not a folder"),
            "{words}"
        );
    }
    assert!(!home.path("new.sqlite3").exists());
    assert_eq!(names(&home.path("full")).len(), 1);
    let hidden = names(&home.path("."))
        .into_iter()
        .filter(|name| name.starts_with('.'));
    assert_eq!(hidden.count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_backup_s_own_files_are_no_place_for_it() {
    let (home, sim) = backup().await;
    let before = fs::read(home.database()).expect("it");
    std::os::unix::fs::symlink(home.path("mirror"), home.path("elsewhere")).expect("made");
    fs::hard_link(home.database(), home.path("second-name")).expect("made");
    for own in [
        "backup.sqlite3",
        "./backup.sqlite3",
        "backup.sqlite3-wal",
        "backup.sqlite3.lock",
        "second-name",
    ] {
        let words = said(&program(&home, &sim, &[own, "--force"]).run(), 2);
        assert!(
            words.contains("is part of the backup itself"),
            "{own}: {words}"
        );
    }
    for words in [
        &["mirror/x.sqlite3"] as &[&str],
        &["elsewhere/x.sqlite3"],
        &["archive/x.sqlite3"],
        &["x.sqlite3", "--with-mirror", "mirror/x"],
        &["x.sqlite3", "--with-mirror", "mirror"],
        &["out/x.sqlite3", "--with-mirror", "out"],
    ] {
        let said = said(&program(&home, &sim, words).run(), 2);
        assert!(said.contains("inside of"), "{words:?}: {said}");
    }
    assert_eq!(fs::read(home.database()).expect("it"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_sound_backup_there_is_no_snapshot() {
    let (home, sim) = backup().await;
    let nowhere = Sandbox::new();
    let words = said(&program(&nowhere, &sim, &["x.sqlite3"]).run(), 1);
    assert!(words.contains("there is no backup yet"), "{words}");
    assert_eq!(names(&nowhere.path(".")).len(), 0);

    // A page in the middle that says nothing.
    let mut bytes = fs::read(home.database()).expect("it");
    let page = bytes.len() / 4096 / 2 * 4096;
    bytes[page..page + 4096].fill(0xA5);
    fs::write(home.database(), &bytes).expect("written");
    let words = said(&program(&home, &sim, &["x.sqlite3"]).run(), 1);
    assert!(
        words.contains("check") || words.contains("damaged"),
        "{words}"
    );
    assert!(
        !names(&home.path("."))
            .iter()
            .any(|name| name.contains("x.sqlite3"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_one_left_goes_with_the_next_one_and_two_do_not_meet() {
    let (home, sim) = backup().await;
    let hidden = home.path(".s.sqlite3.partial");
    fs::create_dir(&hidden).expect("made");
    for left in ["copy.sqlite3", "copy.sqlite3-journal", "snapshot.sqlite3"] {
        fs::write(hidden.join(left), "half").expect("written");
    }
    let tree = home.path(".tree.partial");
    fs::create_dir_all(tree.join("host/a")).expect("made");
    fs::write(tree.join("host/a/half"), "half").expect("written");

    let lock = fs::File::open(&hidden).expect("it");
    lock.lock().expect("locked");
    let words = said(&program(&home, &sim, &["s.sqlite3"]).run(), 2);
    assert!(words.contains("another snapshot"), "{words}");
    drop(lock);
    said(
        &program(&home, &sim, &["s.sqlite3", "--with-mirror", "tree"]).run(),
        0,
    );
    assert!(!hidden.exists() && !tree.exists());
    assert!(!home.path("tree/host").exists());
}
