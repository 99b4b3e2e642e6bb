use super::at;
use crate::store::{Lock, LockError, LockState};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn never(_: &LockError) {
    panic!("nobody had to wait");
}

#[test]
fn the_second_run_is_told_who_holds_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("deep/er/backup.sqlite3");
    let lock = Lock::acquire(&database, None, at(1), never).unwrap();
    let error = Lock::acquire(&database, None, at(2), never).unwrap_err();
    let path = folder.path().join("deep/er/backup.sqlite3.lock");
    assert_eq!(
        error.to_string(),
        format!(
            "another run (process {}, since {}) holds `{}`",
            std::process::id(),
            at(1),
            path.display()
        )
    );
    assert!(error.hint().unwrap().contains("--wait-lock"));
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert_eq!(
        fs::metadata(path.parent().unwrap())
            .unwrap()
            .permissions()
            .mode()
            & 0o777,
        0o700
    );

    drop(lock);
    assert!(path.exists());
    Lock::acquire(&database, None, at(3), never).unwrap();
}

#[test]
fn what_a_dead_process_left_is_no_obstacle() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    let path = folder.path().join("backup.sqlite3.lock");
    let long = "x".repeat(10_000);
    for left in [
        "",
        "not json",
        "{\"pid\":-1,\"started_at\":7}",
        "{\"pid\":1,\"started_at\":\"2020\"}",
        &long,
    ] {
        fs::write(&path, left).unwrap();
        let lock = Lock::acquire(&database, None, at(1), never).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        let expected = format!(
            "{{\"pid\":{},\"started_at\":\"{}\"}}\n",
            std::process::id(),
            at(1)
        );
        assert_eq!(text, expected);
        drop(lock);
    }
}

#[test]
fn a_holder_that_cannot_be_read_is_still_a_holder() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    let path = folder.path().join("backup.sqlite3.lock");
    let _lock = Lock::acquire(&database, None, at(1), never).unwrap();
    fs::write(&path, [0xff, 0xfe]).unwrap();
    let error = Lock::acquire(&database, None, at(2), never).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("another run holds `{}`", path.display())
    );
}

#[test]
fn a_patient_run_gets_the_lock_when_it_becomes_free() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    let lock = Lock::acquire(&database, None, at(1), never).unwrap();
    // The first one lets go when it hears that the second one waits.
    let mut first = Some(lock);
    let mut heard = Vec::new();
    let wait = Some(Duration::from_secs(60));
    Lock::acquire(&database, wait, at(2), |held| {
        heard.push(held.to_string());
        drop(first.take());
    })
    .unwrap();
    assert_eq!(heard.len(), 1);
    assert!(heard[0].contains(&format!("since {}", at(1))), "{heard:?}");
}

#[test]
fn patience_ends() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    let _lock = Lock::acquire(&database, None, at(1), never).unwrap();
    let mut waits = 0;
    let wait = Some(Duration::from_millis(250));
    let error = Lock::acquire(&database, wait, at(2), |_| waits += 1).unwrap_err();
    assert!(matches!(error, LockError::Held { pid: Some(_), .. }));
    assert_eq!(waits, 1);
}

#[test]
fn a_lock_file_that_cannot_be_made_says_where() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let database = folder.path().join("file/backup.sqlite3");
    let error = Lock::acquire(&database, None, at(1), never).unwrap_err();
    let expected = format!(
        "cannot create the folder `{}`",
        folder.path().join("file").display()
    );
    assert_eq!(error.to_string(), expected);
}

/// Looks until it is free. A child process that another test starts has our files open for the moment
/// before it becomes another program, the lock's among them.
fn wait_until_free(database: &std::path::Path) {
    let begun = std::time::Instant::now();
    while Lock::look(database) != LockState::Free {
        assert!(begun.elapsed() < Duration::from_secs(5));
        std::thread::yield_now();
    }
}

#[test]
fn a_look_says_who_holds_the_lock_and_makes_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    assert_eq!(Lock::look(&database), LockState::Free);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let lock = Lock::acquire(&database, None, at(1), never).unwrap();
    assert_eq!(
        Lock::look(&database),
        LockState::Held {
            pid: Some(std::process::id()),
            since: Some(at(1).to_string()),
        }
    );
    drop(lock);
    wait_until_free(&database);
    let text = fs::read(folder.path().join("backup.sqlite3.lock")).unwrap();
    assert_eq!(text, b"");
}

#[test]
fn a_run_that_holds_the_lock_is_named_without_delay() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    let _lock = Lock::acquire(&database, None, at(1), never).unwrap();
    // The quickest of some: a busy machine slows down one of them, not all.
    let quickest = (0..20).map(|_| {
        let begun = std::time::Instant::now();
        Lock::acquire(&database, None, at(2), never).unwrap_err();
        begun.elapsed()
    });
    assert!(quickest.min().unwrap() < Duration::from_millis(20));
}

#[test]
fn who_only_looks_is_in_nobody_s_way() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    drop(Lock::acquire(&database, None, at(1), never).unwrap());
    wait_until_free(&database);
    // A look that takes a thousand times as long as one does.
    let looking = fs::File::open(folder.path().join("backup.sqlite3.lock")).unwrap();
    looking.try_lock_shared().unwrap();
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while begun.elapsed() < Duration::from_millis(3) {
                std::thread::yield_now();
            }
            drop(looking);
        });
        Lock::acquire(&database, None, at(2), never).unwrap();
    });
}

#[test]
fn a_full_disk_keeps_nobody_from_the_lock() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.sqlite3");
    // It takes no byte.
    std::os::unix::fs::symlink("/dev/full", folder.path().join("backup.sqlite3.lock")).unwrap();
    let _lock = Lock::acquire(&database, None, at(1), never).unwrap();
    let error = Lock::acquire(&database, None, at(2), never).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }), "{error}");
}

#[test]
fn a_named_pipe_in_the_place_of_the_lock_file_is_refused_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("backup.db");
    let made = std::process::Command::new("mkfifo")
        .arg(folder.path().join("backup.db.lock"))
        .status()
        .unwrap();
    assert!(made.success());
    let error = Lock::acquire(&database, None, at(1), never).unwrap_err();
    assert!(
        error.to_string().contains("is not a regular file"),
        "{error}"
    );
    let LockState::Unknown(why) = Lock::look(&database) else {
        panic!("a pipe is no lock");
    };
    assert!(why.contains("is not a regular file"), "{why}");
}
