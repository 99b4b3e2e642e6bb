use super::{at, options};
use crate::store::snapshot::{Snapshot, SnapshotOptions};
use crate::store::{Lock, LockError, LockState, Options, Store, StoreError, view};
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// The database behind a link in another folder, and behind a link to that link.
fn linked(folder: &TempDir) -> (Options, Options) {
    let real = options(folder);
    let other = folder.path().join("other");
    fs::create_dir(&other).unwrap();
    // One with a relative target: it counts from the link's folder, not from the working directory.
    symlink("../backup.sqlite3", other.join("first.sqlite3")).unwrap();
    symlink(other.join("first.sqlite3"), other.join("link.sqlite3")).unwrap();
    let link = Options {
        path: other.join("link.sqlite3"),
        ..options(folder)
    };
    (real, link)
}

/// Writes something that only the log has.
fn with_a_log(options: &Options) -> Store {
    let mut store = Store::open(options, at(0)).unwrap();
    store
        .write("test", |tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES ('new', 'row')", [])
        })
        .unwrap();
    store
}

fn count(store: &Store) -> Result<i64, StoreError> {
    store.read("test", |conn| {
        conn.query_row("SELECT count(*) FROM meta WHERE key = 'new'", [], |row| {
            row.get(0)
        })
    })
}

#[test]
fn a_look_through_a_link_sees_what_the_log_has() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = linked(&folder);
    // Empty tables and nothing in the log: what a look without it would find.
    Store::open(&real, at(0)).unwrap().close().unwrap();
    let writer = with_a_log(&real);
    let seen = view(&link.path, &link.service_id, count).unwrap();
    assert_eq!(seen, Some(1));

    let target = folder.path().join("copy.sqlite3");
    let made = Snapshot::take(
        &link.path,
        &link.service_id,
        &target,
        SnapshotOptions::default(),
        &|| true,
    );
    made.unwrap().unwrap().publish().unwrap();
    assert_eq!(view(&target, "my-service", count).unwrap(), Some(1));
    drop(writer);
}

#[test]
fn a_database_and_a_link_to_it_have_one_lock() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = linked(&folder);
    Store::open(&real, at(0)).unwrap().close().unwrap();
    let lock = Lock::acquire(&link.path, None, at(1), |_| {}).unwrap();
    assert!(matches!(Lock::look(&real.path), LockState::Held { .. }));
    let error = Lock::acquire(&real.path, None, at(2), |_| {}).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }), "{error}");
    drop(lock);
    let _lock = Lock::acquire(&real.path, None, at(3), |_| {}).unwrap();
    assert!(matches!(Lock::look(&link.path), LockState::Held { .. }));
}

#[test]
fn a_snapshot_does_not_take_the_place_of_the_log_behind_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (real, link) = linked(&folder);
    Store::open(&real, at(0)).unwrap().close().unwrap();
    let made = Snapshot::take(
        &link.path,
        &link.service_id,
        &folder.path().join("backup.sqlite3-wal"),
        SnapshotOptions::default(),
        &|| true,
    );
    let error = made.unwrap_err();
    assert!(
        error.to_string().ends_with("is part of the backup itself"),
        "{error}"
    );
}

#[test]
fn a_link_that_leads_nowhere_is_named_with_where_it_leads_and_nothing_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.sqlite3");
    symlink("not/mounted.sqlite3", &path).unwrap();
    let error = Store::open(&options(&folder), at(0)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "`{}` is a link to `not/mounted.sqlite3`, and there is no such file",
            path.display()
        )
    );
    assert!(error.hint().unwrap().contains("volume"), "{error}");
    assert!(view(&path, "my-service", count).is_err());
    assert!(!folder.path().join("not").exists());
    // Whoever wants it there says so with an empty file.
    fs::create_dir(folder.path().join("not")).unwrap();
    fs::write(folder.path().join("not/mounted.sqlite3"), "").unwrap();
    Store::open(&options(&folder), at(0)).unwrap();
}
