//! `snapshot`: a whole, checked copy beside whatever runs, and what it leaves out for handing on.

use crate::support::{Expect as _, Program, Sandbox, now};
use microcms_backup::store::{self, Store};
use microcms_sim::{Edit, Sim};
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// `microcms-backup snapshot` with these words, without an API key.
fn program(home: &Sandbox, sim: &Sim, words: &[&str]) -> Program {
    let mut program = Program::command(&[&["snapshot"], words].concat(), home, sim);
    program.0.env_remove("MICROCMS_API_KEY");
    program.0.current_dir(home.path("."));
    program
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
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
fn report(output: &Output, code: i32) -> Value {
    said(output, code);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(
        (report["version"].as_i64(), report["exit_code"].as_i64()),
        (Some(1), Some(code.into()))
    );
    report
}

/// Opens a file as somebody does who may not write anything.
fn open(path: &Path) -> Connection {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).expect("it opens")
}

fn number(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).expect(sql)
}

fn names(folder: &Path) -> BTreeSet<String> {
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
fn contents_of(conn: &Connection) -> Vec<String> {
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

async fn backup() -> (Sandbox, Sim) {
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
    let words = said(&program(&home, &sim, &["no/where.sqlite3"]).run(), 1);
    assert!(
        words.contains("cannot create the folder `no/.where.sqlite3.partial`"),
        "{words}"
    );
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

/// Runs the real `sha256sum -c` in a folder.
fn sha256sum(folder: &Path) -> Output {
    Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(folder)
        .output()
        .expect("sha256sum of coreutils")
}

/// The files of a tree, without its list.
fn files_below(folder: &Path, found: &mut BTreeSet<String>, root: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found, root);
        } else {
            found.insert(
                path.strip_prefix(root)
                    .expect("below")
                    .display()
                    .to_string(),
            );
        }
    }
}

fn tree_of(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    files_below(root, &mut found, root);
    assert!(found.remove("SHA256SUMS"), "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_has_every_file_of_that_moment_and_sha256sum_agrees() {
    let (home, sim) = backup().await;
    let linked = report(
        &program(
            &home,
            &sim,
            &["a.sqlite3", "--with-mirror", "linked", "--json"],
        )
        .run(),
        0,
    );
    let copied = report(
        &program(
            &home,
            &sim,
            &["b.sqlite3", "--with-mirror", "copied", "--copy", "--json"],
        )
        .run(),
        0,
    );
    let paths: BTreeSet<String> = home.texts("SELECT path FROM assets").into_iter().collect();
    let inode = |path: std::path::PathBuf| fs::metadata(path).expect("it").ino();
    for (folder, report, is_linked) in [("linked", linked, true), ("copied", copied, false)] {
        assert_eq!(tree_of(&home.path(folder)), paths);
        let checked = sha256sum(&home.path(folder));
        assert!(checked.status.success(), "{}", text(&checked.stderr));
        assert_eq!(text(&checked.stdout).lines().count(), 12);
        assert_eq!(
            report["mirror"][if is_linked { "linked" } else { "copied" }],
            12
        );
        for path in &paths {
            let is_one =
                inode(home.path(folder).join(path)) == inode(home.path("mirror").join(path));
            assert_eq!(is_one, is_linked, "{path}");
        }
    }
    // What a later run does to the mirror leaves the tree as it is.
    let id = sim.media_ids().remove(0);
    sim.edit(Edit::ReplaceBytes {
        id,
        bytes: None,
        touch: true,
        stale_requests: 0,
    })
    .expect("an edit");
    home.sync(&sim).await.expect_complete();
    assert!(sha256sum(&home.path("linked")).status.success());

    // Into an empty folder that is there already.
    fs::create_dir(home.path("empty")).expect("made");
    said(
        &program(&home, &sim, &["c.sqlite3", "--with-mirror", "empty"]).run(),
        0,
    );
    assert!(sha256sum(&home.path("empty")).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_run_superseded_or_moved_meanwhile_are_found() {
    let (home, sim) = backup().await;
    let paths = home.texts("SELECT path FROM assets ORDER BY path");
    let digests = home.texts("SELECT sha256 FROM assets ORDER BY path");
    let mirror = home.path("mirror");
    // As a run does between the copy of the database and the look at the file: into the archive first.
    let archived = home
        .path("archive")
        .join(digests[0].get(..2).expect("hex"))
        .join(digests[0].get(2..4).expect("hex"));
    fs::create_dir_all(&archived).expect("made");
    fs::rename(mirror.join(&paths[0]), archived.join(&digests[0])).expect("moved");
    fs::write(mirror.join(&paths[0]), "the next version").expect("written");
    let words = report(
        &program(&home, &sim, &["a.sqlite3", "--with-mirror", "a", "--json"]).run(),
        0,
    );
    assert_eq!(words["mirror"]["linked"], 12);
    assert!(sha256sum(&home.path("a")).status.success());

    // Damaged here and nowhere else: named, and the others are there.
    fs::write(mirror.join(&paths[1]), "damaged").expect("written");
    fs::remove_file(mirror.join(&paths[2])).expect("gone");
    std::os::unix::fs::symlink("/etc/hostname", mirror.join(&paths[2])).expect("made");
    for (name, more) in [("b", None), ("c", Some("--copy"))] {
        let file = format!("{name}.sqlite3");
        let mut words = vec![file.as_str(), "--with-mirror", name, "--json"];
        words.extend(more);
        let output = program(&home, &sim, &words).run();
        let words = report(&output, 6);
        assert_eq!(words["mirror"]["missing"], 2);
        let missing: Vec<&str> = words["mirror"]["missing_files"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|file| file["path"].as_str().expect("a path"))
            .collect();
        assert_eq!(missing, [&paths[1], &paths[2]]);
        assert_eq!(tree_of(&home.path(name)).len(), 10);
        assert!(sha256sum(&home.path(name)).status.success());
    }
    let words = said(
        &program(&home, &sim, &["d.sqlite3", "--with-mirror", "d"]).run(),
        6,
    );
    assert!(words.contains("missing   2 files"), "{words}");
}

/// A small file system of its own, unmounted at the end.
struct Volume(std::path::PathBuf);

impl Volume {
    /// `None` without the right to mount.
    fn mount(place: std::path::PathBuf, size: &str) -> Option<Self> {
        fs::create_dir_all(&place).expect("a folder");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&place)
            .stderr(std::process::Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !mounted {
            eprintln!("skipped: this test mounts a tmpfs, which needs root");
            return None;
        }
        Some(Self(place))
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        // Lazily: a test that failed may hold it open.
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_nothing_and_keeps_the_old_file() {
    let (home, sim) = backup().await;
    let Some(volume) = Volume::mount(home.path("small"), "200k") else {
        return;
    };
    fs::write(volume.0.join("s.sqlite3"), "precious").expect("written");
    let words = said(
        &program(&home, &sim, &["small/s.sqlite3", "--force"]).run(),
        1,
    );
    assert!(words.contains("no space is left"), "{words}");
    assert_eq!(
        fs::read(volume.0.join("s.sqlite3")).expect("it"),
        b"precious"
    );
    // The tree is on another file system, so that its files are copied, and do not fit.
    fs::write(volume.0.join("filler"), vec![1; 190 * 1024]).expect("written");
    let words = said(
        &program(&home, &sim, &["s.sqlite3", "--with-mirror", "small/files"]).run(),
        1,
    );
    assert!(words.contains("full"), "{words}");
    assert!(!home.path("s.sqlite3").exists());
    assert_eq!(
        names(&volume.0),
        BTreeSet::from(["filler".to_owned(), "s.sqlite3".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_second_names_are_possible_files_are_copied() {
    let (home, sim) = backup().await;
    let Some(_volume) = Volume::mount(home.path("other"), "50m") else {
        return;
    };
    let words = report(
        &program(
            &home,
            &sim,
            &["s.sqlite3", "--with-mirror", "other/files", "--json"],
        )
        .run(),
        0,
    );
    assert_eq!(
        (
            words["mirror"]["linked"].as_i64(),
            words["mirror"]["copied"].as_i64()
        ),
        (Some(0), Some(12))
    );
    assert!(sha256sum(&home.path("other/files")).status.success());
}

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
async fn a_link_in_the_place_of_the_working_folder_leads_nobody_elsewhere() {
    let (home, sim) = backup().await;
    let elsewhere = home.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("copy.sqlite3"), "somebody's").expect("a file");
    for (link, words) in [
        (".s.sqlite3.partial", &["s.sqlite3"][..]),
        (".tree.partial", &["s.sqlite3", "--with-mirror", "tree"]),
    ] {
        std::os::unix::fs::symlink(&elsewhere, home.path(link)).expect("a link");
        let text = said(&program(&home, &sim, words).run(), 1);
        assert!(text.contains(link), "{text}");
        assert!(!home.path("tree").exists());
        let left = fs::read_dir(&elsewhere).expect("it").count();
        assert_eq!(left, 1, "nothing was added or removed there");
        let kept = fs::read_to_string(elsewhere.join("copy.sqlite3")).expect("it");
        assert_eq!(kept, "somebody's");
        fs::remove_file(home.path(link)).expect("removed");
        assert!(!home.path("s.sqlite3").exists());

        // Or a folder that others can look and write into.
        fs::create_dir(home.path(link)).expect("a folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(home.path(link), open).expect("open to all");
        let text = said(&program(&home, &sim, words).run(), 1);
        assert!(text.contains("others can write into it"), "{text}");
        fs::remove_dir(home.path(link)).expect("removed");
    }
}
