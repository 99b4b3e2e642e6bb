use super::{Sandbox, at, content, endpoint, options};
use crate::model::{BodyStep, ContentStep, EndpointKind};
use crate::store::migrate::{MIGRATIONS, latest};
use crate::store::{EndpointFacts, Mode, Options, Store, StoreError, view_backup};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use tempfile::TempDir;

/// Every file of a folder with its bytes.
pub(super) fn contents_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    folder
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect()
}

/// Opens what must be refused, in both modes, and returns the message.
fn refused(folder: &TempDir, service_id: &str) -> StoreError {
    let before = contents_of(folder.path());
    let open = |mode| {
        let options = Options {
            mode,
            service_id: service_id.to_owned(),
            ..options(folder)
        };
        Store::open(&options, at(1)).unwrap_err()
    };
    let error = open(Mode::ReadWrite);
    assert_eq!(open(Mode::DryRun).to_string(), error.to_string());
    let after = contents_of(folder.path());
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>()
    );
    assert!(before == after, "the files' bytes differ");
    assert!(error.hint().is_some());
    error
}

fn an_api() -> EndpointFacts {
    EndpointFacts {
        endpoint: endpoint("blog"),
        name: "Blog".to_owned(),
        kind: EndpointKind::List,
        schema: None,
    }
}

fn database(folder: &TempDir, sql: &str) {
    let conn = Connection::open(folder.path().join("backup.sqlite3")).unwrap();
    conn.execute_batch(sql).unwrap();
}

#[test]
fn a_new_database_is_private_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.path = folder.path().join("deep/er/backup.sqlite3");
    let store = Store::open(&options, at(0)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let names = ["backup.sqlite3", "backup.sqlite3-wal", "backup.sqlite3-shm"];
    for name in names {
        assert_eq!(mode(&options.path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&folder.path().join("deep/er")), 0o700);
    assert_eq!(mode(&folder.path().join("deep")), 0o700);
    let pragma = |name: &str| {
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        store
            .read("test", |conn| {
                conn.query_row(&sql, [], |row| row.get::<_, String>(0))
            })
            .unwrap()
    };
    assert_eq!(pragma("application_id"), 0x6D43_4D53.to_string());
    assert_eq!(pragma("user_version"), latest(MIGRATIONS).to_string());
    assert_eq!(pragma("journal_mode"), "wal");
    assert_eq!(pragma("synchronous"), "2");
    assert_eq!(pragma("foreign_keys"), "1");
    store.close().unwrap();
    assert_eq!(
        contents_of(&folder.path().join("deep/er"))
            .into_keys()
            .collect::<Vec<_>>(),
        ["backup.sqlite3"]
    );
}

#[test]
fn a_file_that_is_something_else_is_refused_and_left_alone() {
    for bytes in [&b"hello"[..], b"SQLite format 3", b"\0", &[0xff; 5000]] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("backup.sqlite3"), bytes).unwrap();
        let error = refused(&folder, "my-service");
        let path = folder.path().join("backup.sqlite3");
        assert_eq!(
            error.to_string(),
            format!("`{}` is not a SQLite database", path.display())
        );
    }
}

#[test]
fn a_database_cut_short_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let path = folder.path().join("backup.sqlite3");
    let whole = fs::read(&path).unwrap();
    for len in [16, 100, 1000, 5000] {
        fs::write(&path, &whole[..len]).unwrap();
        let error = refused(&folder, "my-service");
        assert!(
            matches!(error, StoreError::Corrupt { .. }),
            "{len}: {error:?}"
        );
    }
}

#[test]
fn a_database_of_another_program_is_refused_and_left_alone() {
    for (sql, id) in [
        ("CREATE TABLE theirs (x);", "0x00000000"),
        (
            "CREATE TABLE theirs (x); PRAGMA journal_mode = WAL;",
            "0x00000000",
        ),
        ("PRAGMA application_id = 7;", "0x00000007"),
        ("PRAGMA user_version = 3;", "0x00000000"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        database(&folder, sql);
        let error = refused(&folder, "my-service");
        assert!(
            error.to_string().ends_with(&format!(
                "is a database of another program (application id {id})"
            )),
            "{error}"
        );
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let known = latest(MIGRATIONS);
    let newer = known + 1;
    database(
        &folder,
        &format!("PRAGMA user_version = {newer}; DROP TABLE meta;"),
    );
    let error = refused(&folder, "my-service");
    assert_eq!(
        error.to_string(),
        format!("database schema {newer} is newer than this program understands ({known})")
    );
}

#[test]
fn a_newer_schema_that_stands_in_the_log_only_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    Store::open(&options(&elsewhere), at(0))
        .unwrap()
        .close()
        .unwrap();
    let writer = Connection::open(elsewhere.path().join("backup.sqlite3")).unwrap();
    writer
        .execute_batch(&format!(
            "PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = {};",
            latest(MIGRATIONS) + 1
        ))
        .unwrap();
    // As a process that was killed leaves it: the change is in the log, the header is old.
    for name in ["backup.sqlite3", "backup.sqlite3-wal"] {
        fs::copy(elsewhere.path().join(name), folder.path().join(name)).unwrap();
    }
    let before = contents_of(folder.path());
    let error = Store::open(&options(&folder), at(1)).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found, .. } if found == latest(MIGRATIONS) + 1),
        "{error}"
    );
    let mut after = contents_of(folder.path());
    after.remove("backup.sqlite3-shm");
    assert!(before == after, "the files' bytes differ");
}

#[test]
fn a_database_in_which_nothing_was_saved_takes_the_id_of_the_next_run() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&options(&folder), at(0)).unwrap();
    store.close().unwrap();
    let named = |service_id: &str, mode| Options {
        service_id: service_id.to_owned(),
        mode,
        ..options(&folder)
    };
    let id = |store: &Store| {
        let sql = "SELECT value FROM meta WHERE key = 'service_id'";
        let ask = |conn: &Connection| conn.query_row(sql, [], |row| row.get::<_, String>(0));
        store.read("test", ask).unwrap()
    };
    // Who only looks leaves it as it is.
    let looked = Store::open(&named("demo", Mode::DryRun), at(1)).unwrap();
    assert_eq!(id(&looked), "my-service");
    drop(looked);
    let path = options(&folder).path;
    let seen = view_backup(&path, "demo", |store| Ok(id(store)));
    assert_eq!(seen.unwrap().as_deref(), Some("my-service"));
    let mut store = Store::open(&named("demo", Mode::ReadWrite), at(2)).unwrap();
    assert_eq!(id(&store), "demo");
    store.record_endpoints(&[an_api()], at(3)).unwrap();
    store.close().unwrap();
    let error = refused(&folder, "my-service");
    assert!(
        error
            .to_string()
            .ends_with("is the backup of service `demo`, not of `my-service`")
    );
}

#[test]
fn the_backup_of_another_service_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    store.record_endpoints(&[an_api()], at(0)).unwrap();
    store.close().unwrap();
    let error = refused(&folder, "renamed");
    let path = folder.path().join("backup.sqlite3");
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is the backup of service `my-service`, not of `renamed`",
            path.display()
        )
    );
    let hint = error.hint().unwrap();
    let sql = hint.split('"').nth(1).unwrap();
    database(&folder, sql);
    let options = Options {
        service_id: "renamed".to_owned(),
        ..options(&folder)
    };
    Store::open(&options, at(1)).unwrap();
}

#[test]
fn what_is_no_file_or_cannot_be_reached_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.sqlite3");
    fs::create_dir(&path).unwrap();
    assert_eq!(
        refused(&folder, "my-service").to_string(),
        format!("`{}` is not a regular file", path.display())
    );
    fs::remove_dir(&path).unwrap();

    fs::write(folder.path().join("file"), "").unwrap();
    let blocked = Options {
        path: folder.path().join("file/backup.sqlite3"),
        ..options(&folder)
    };
    let error = Store::open(&blocked, at(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot open `{}`", blocked.path.display())
    );
    assert!(error.hint().is_some() && !error.is_out_of_space());
}

#[test]
fn what_a_crash_left_of_a_new_database_is_taken_up() {
    for sql in ["", "PRAGMA journal_mode = WAL;"] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("backup.sqlite3"), "").unwrap();
        database(&folder, sql);
        let mut store = Store::open(&options(&folder), at(0)).unwrap();
        store.begin_run("test", "test", at(1)).unwrap();
    }
}

#[test]
fn odd_paths_are_paths() {
    let folder = tempfile::tempdir().unwrap();
    for name in [
        ":memory:",
        "file:x?mode=memory",
        "a b%20#?c.sqlite3",
        "バックアップ.sqlite3",
    ] {
        let path = folder.path().join(name);
        let options = Options {
            path: path.clone(),
            ..options(&folder)
        };
        Store::open(&options, at(0)).unwrap().close().unwrap();
        assert!(path.is_file(), "{name}");
        Store::open(&options, at(0)).unwrap();
    }
}

#[test]
fn a_dry_run_writes_nothing_where_a_database_is() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    store.begin_run("test", "test", at(1)).unwrap();
    store.close().unwrap();
    let before = contents_of(folder.path());

    let dry = Options {
        mode: Mode::DryRun,
        ..options(&folder)
    };
    let mut store = Store::open(&dry, at(2)).unwrap();
    assert!(store.load_endpoints().unwrap().is_empty());
    let error = store.begin_run("test", "test", at(2)).unwrap_err();
    assert!(matches!(error, StoreError::ReadOnly { .. }), "{error:?}");
    store.close().unwrap();
    assert!(before == contents_of(folder.path()));
}

#[test]
fn a_dry_run_creates_nothing_where_no_database_is() {
    let folder = tempfile::tempdir().unwrap();
    let dry = Options {
        path: folder.path().join("deep/backup.sqlite3"),
        mode: Mode::DryRun,
        ..options(&folder)
    };
    let mut store = Store::open(&dry, at(0)).unwrap();
    assert!(store.load_endpoints().unwrap().is_empty());
    assert!(store.begin_run("test", "test", at(0)).is_err());
    store.close().unwrap();
    assert_eq!(folder.path().read_dir().unwrap().count(), 0);
}

#[test]
fn readers_work_while_a_run_writes() {
    let mut home = Sandbox::new();
    let path = home.ask("SELECT file FROM pragma_database_list");
    home.store
        .write("test", |tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES ('open', '')", [])?;
            let reader = Connection::open(&path)?;
            let seen: i64 = reader.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
            assert_eq!(seen, 1);
            Ok(())
        })
        .unwrap();
}

#[test]
fn what_was_not_committed_when_the_process_died_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let copy = tempfile::tempdir().unwrap();
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    let blog = endpoint("blog");
    let page: Vec<_> = (0..100)
        .map(|n| ContentStep::Record {
            content: content(&format!("id-{n}"), "PUBLISH", "1"),
            published: BodyStep::Fetch,
            draft: BodyStep::Clear,
        })
        .collect();
    store.record_contents(&blog, &page, at(1)).unwrap();
    store
        .write("test", |tx| {
            // More than the cache holds, so that pages of the open transaction reach the log.
            tx.execute(
                "UPDATE contents SET published_body = hex(zeroblob(200000))",
                [],
            )?;
            for name in ["backup.sqlite3", "backup.sqlite3-wal"] {
                fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
            }
            Ok(())
        })
        .unwrap();
    assert!(
        fs::metadata(copy.path().join("backup.sqlite3-wal"))
            .unwrap()
            .len()
            > 10_000_000
    );

    let mut store = Store::open(&options(&copy), at(2)).unwrap();
    let ask = |store: &Store, sql: &str| {
        store
            .read("test", |conn| {
                conn.query_row(sql, [], |row| row.get::<_, String>(0))
            })
            .unwrap()
    };
    assert_eq!(ask(&store, "PRAGMA integrity_check"), "ok");
    let counts = "SELECT concat_ws(' ', count(*), count(published_body), (SELECT count(*) FROM owed_bodies)) FROM contents";
    assert_eq!(ask(&store, counts), "100 0 100");
    assert_eq!(
        store.record_contents(&blog, &page, at(3)).unwrap(),
        crate::store::Recorded::default()
    );
}

#[test]
fn a_full_disk_is_told_apart_and_loses_nothing() {
    let mut home = Sandbox::new();
    home.store.begin_run("test", "test", at(1)).unwrap();
    // SQLite's own limit answers with the code of a full disk.
    let pages = home.ask("PRAGMA page_count");
    home.ask(&format!("PRAGMA max_page_count = {pages}"));
    let page: Vec<_> = (0..1000)
        .map(|n| ContentStep::Record {
            content: content(&format!("id-{n}"), "PUBLISH", "1"),
            published: BodyStep::Fetch,
            draft: BodyStep::Clear,
        })
        .collect();
    let error = home
        .store
        .record_contents(&endpoint("blog"), &page, at(2))
        .unwrap_err();
    assert!(error.is_out_of_space(), "{error:?}");
    assert_eq!(
        error.to_string(),
        "cannot record a page of contents: no space is left for the database"
    );
    assert_eq!(
        home.ask("SELECT (SELECT count(*) FROM contents) || ' ' || (SELECT count(*) FROM runs)"),
        "0 1"
    );
    home.ask("PRAGMA max_page_count = 1000000");
    home.store
        .record_contents(&endpoint("blog"), &page, at(3))
        .unwrap();
}

#[test]
fn damage_inside_the_file_is_called_damage() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let path = folder.path().join("backup.sqlite3");
    let mut bytes = fs::read(&path).unwrap();
    for page in bytes.chunks_mut(4096).skip(1) {
        page.fill(0x5a);
    }
    fs::write(&path, &bytes).unwrap();
    let error = refused(&folder, "my-service");
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
    assert!(
        std::error::Error::source(&error)
            .unwrap()
            .to_string()
            .contains("malformed")
    );
}
