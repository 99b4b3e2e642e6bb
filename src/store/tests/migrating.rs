use super::opening::contents_of;
use super::{at, options};
use crate::store::migrate::{MIGRATIONS, Migration, latest, migrate};
use crate::store::{Mode, Options, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// Three migrations: the real ones, then two that only these tests know.
fn future(second: &'static str) -> Vec<Migration> {
    let mut all: Vec<_> = MIGRATIONS
        .iter()
        .map(|m| Migration {
            version: m.version,
            name: m.name,
            sql: m.sql,
        })
        .collect();
    let next = latest(&all) + 1;
    all.push(Migration {
        version: next,
        name: "first",
        sql: "CREATE TABLE first (x INTEGER) STRICT;",
    });
    all.push(Migration {
        version: next + 1,
        name: "second",
        sql: second,
    });
    all
}

#[test]
fn an_older_database_is_copied_then_migrated_and_a_dry_run_waits() {
    let folder = tempfile::tempdir().unwrap();
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    store.begin_run("test", "test", at(1)).unwrap();
    drop(store);

    let migrations = future("ALTER TABLE first ADD COLUMN y INTEGER;");
    let newest = latest(&migrations);
    let dry = Options {
        mode: Mode::DryRun,
        ..options(&folder)
    };
    let error = Store::open_with(&dry, &migrations, at(2)).unwrap_err();
    assert!(matches!(error, StoreError::Older { .. }));

    let store = Store::open_with(&options(&folder), &migrations, at(2)).unwrap();
    let applied: String = store
        .read("test", |conn| {
            conn.query_row(
                "SELECT group_concat(name, ' ') || (SELECT count(*) FROM runs) FROM migrations",
                [],
                |row| row.get(0),
            )
        })
        .unwrap();
    let names: Vec<&str> = migrations.iter().map(|migration| migration.name).collect();
    assert_eq!(applied, format!("{}1", names.join(" ")));
    store.close().unwrap();
    Store::open_with(&options(&folder), &migrations, at(3)).unwrap();

    let copy = folder
        .path()
        .join(format!("backup.before-v{newest}.sqlite3"));
    assert_eq!(
        fs::metadata(&copy).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let copied = Options {
        path: copy,
        ..options(&folder)
    };
    let store = Store::open(&copied, at(4)).unwrap();
    let runs: i64 = store
        .read("test", |conn| {
            conn.query_row("SELECT count(*) FROM runs", [], |row| row.get(0))
        })
        .unwrap();
    assert_eq!(runs, 1);
    // The present program finds the migrated one too new.
    assert!(matches!(
        Store::open(&options(&folder), at(5)),
        Err(StoreError::Newer { .. })
    ));
}

#[test]
fn a_failing_migration_leaves_the_one_before_and_no_copy_piles_up() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let mut migrations = future("CREATE TABLE half (x INTEGER); SELECT nonsense;");
    let second = migrations.pop().unwrap();
    migrations.pop().unwrap();
    migrations.push(Migration {
        version: latest(&migrations) + 1,
        ..second
    });
    for _ in 0..2 {
        let error = Store::open_with(&options(&folder), &migrations, at(1)).unwrap_err();
        assert_eq!(error.to_string(), "cannot migrate the database");
        assert_eq!(
            contents_of(folder.path())
                .keys()
                .filter(|name| name.contains("before"))
                .count(),
            0
        );
    }
    let store = Store::open(&options(&folder), at(2)).unwrap();
    let tables: i64 = store
        .read("test", |conn| {
            conn.query_row(
                "SELECT count(*) FROM sqlite_schema WHERE name = 'half'",
                [],
                |row| row.get(0),
            )
        })
        .unwrap();
    assert_eq!(tables, 0);
}

#[test]
fn a_copy_from_before_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let migrations = future("SELECT 1;");
    let first = folder
        .path()
        .join(format!("backup.before-v{}.sqlite3", latest(&migrations)));
    fs::write(&first, "somebody's").unwrap();
    fs::write(
        folder.path().join(format!(
            "backup.before-v{}-2.sqlite3.partial",
            latest(&migrations)
        )),
        "cut short",
    )
    .unwrap();
    Store::open_with(&options(&folder), &migrations, at(1)).unwrap();
    assert_eq!(fs::read(&first).unwrap(), b"somebody's");
    let names = contents_of(folder.path())
        .into_keys()
        .filter(|name| name.contains("before"))
        .count();
    assert_eq!(names, 2);
}

#[test]
fn a_schema_made_by_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    Store::open_with(&options(&folder), &future("SELECT 1;"), at(0))
        .unwrap()
        .close()
        .unwrap();
    let error = Store::open_with(&options(&folder), &future("SELECT 2;"), at(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "migration {} (`second`) is not the one that this database was made with",
            latest(MIGRATIONS) + 2
        )
    );
}

#[test]
fn two_processes_that_create_the_same_database_do_not_collide() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.sqlite3");
    let mut first = Connection::open(&path).unwrap();
    let mut second = Connection::open(&path).unwrap();
    // Both looked while nothing was there; the second comes when the first is done.
    for conn in [&mut first, &mut second] {
        migrate(conn, Some(&path), 0, MIGRATIONS, at(0)).unwrap();
    }
    let applied: u32 = second
        .query_row("SELECT count(*) FROM migrations", [], |row| row.get(0))
        .unwrap();
    assert_eq!(applied, latest(MIGRATIONS));
}

#[test]
fn a_migration_that_is_cut_short_again_and_again_leaves_one_copy() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let mut store = Store::open(&options, at(0)).unwrap();
    store
        .write("test", |tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES ('a', 'x')", [])
        })
        .unwrap();
    store.close().unwrap();
    let old = fs::read(&options.path).unwrap();
    let migrations = future("SELECT 1;");
    let copies = || {
        let names = contents_of(folder.path()).into_keys();
        names.filter(|name| name.contains("before")).count()
    };
    for _ in 0..3 {
        // As a kill leaves it after the copy, before the migration.
        fs::write(&options.path, &old).unwrap();
        Store::open_with(&options, &migrations, at(1))
            .unwrap()
            .close()
            .unwrap();
        assert_eq!(copies(), 1);
    }
    // An older program worked on in between: its rows are in no copy yet.
    fs::write(&options.path, &old).unwrap();
    let mut store = Store::open(&options, at(2)).unwrap();
    store
        .write("test", |tx| {
            tx.execute("UPDATE meta SET value = 'y' WHERE key = 'a'", [])
        })
        .unwrap();
    store.close().unwrap();
    Store::open_with(&options, &migrations, at(3))
        .unwrap()
        .close()
        .unwrap();
    assert_eq!(copies(), 2);
}
