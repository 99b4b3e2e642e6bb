//! Starting where there is no room.

use super::{Daemon, NEVER, cron, small_service};
use crate::support::{Sandbox, Volume};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_is_full_at_the_start_is_named_and_one_that_fills_later_is_waited_out() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let disk = home.path("disk");
    let Some(volume) = Volume::mount(disk.clone(), "size=16k") else {
        return;
    };
    let start = |schedule: &str| {
        let database = disk.join("backup.sqlite3");
        Daemon::start_with(&home, &sim, schedule, |program| {
            program.path("STORAGE__DATABASE", database)
        })
    };
    let mut full = start(&cron(NEVER));
    let status = full.running.wait(Duration::from_secs(10));
    let (said, ready) = (full.said(), full.count_told("READY=1"));
    volume.remount("size=16m");
    // There is room again: the next start begins as if nothing had been.
    let mut daemon = start(&cron(NEVER));
    daemon.until_told("STATUS=SAFE as of ");
    daemon.terminate();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("no space is left"), "{said}");
    assert_eq!(ready, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_cannot_be_moved_into_the_database_is_no_obstacle() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("disk"), "size=8m") else {
        return;
    };
    let database = volume.path("backup.sqlite3");
    let start = || {
        let database = database.clone();
        Daemon::start_with(&home, &sim, &cron(NEVER), |program| {
            program.path("STORAGE__DATABASE", database)
        })
    };
    let mut first = start();
    first.until_told("STATUS=SAFE as of ");
    first.terminate();
    // A process that died left a log, and the disk has no room for what it holds.
    let conn = rusqlite::Connection::open(&database).expect("it opens");
    conn.execute_batch(
        "PRAGMA wal_autocheckpoint = 0; CREATE TABLE more (bytes);
         INSERT INTO more VALUES (zeroblob(2000000));",
    )
    .expect("a log");
    std::mem::forget(conn);
    let mut rest = std::fs::File::create(volume.path("rest")).expect("a file");
    let filled = std::io::copy(&mut std::io::repeat(1), &mut rest);
    assert!(filled.is_err(), "the disk is full");
    let mut daemon = start();
    daemon.until_said("; the next run does that");
    daemon.until_told("READY=1");
    std::fs::remove_file(volume.path("rest")).expect("room");
    daemon.terminate();
}
