//! What is in the way of a run or of the start: somebody else's run, a refused key, a schedule that cannot be.

use super::{Daemon, EACH_SECOND, NEVER, cron, small_service, triggers};
use crate::support::{Program, Sandbox};
use std::fs::File;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn a_run_waits_for_a_one_shot_and_a_one_shot_finds_the_lock_free_between_runs() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let held = File::create(home.path("backup.sqlite3.lock")).expect("a file");
    held.try_lock().expect("it is free");
    let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
    // Somebody else's run is no reason not to be ready.
    daemon.until_told("READY=1");
    daemon.until_told("STATUS=another run holds ");
    daemon.until_said("waiting for it to end");
    assert_eq!(sim.request_lines(), Vec::<String>::new());
    held.unlock().expect("ours");
    daemon.until_ended(&home, 1);
    daemon.until_told("STATUS=SAFE as of ");

    let by_hand = Program::sync(&home, &sim).run();
    let said = String::from_utf8_lossy(&by_hand.stderr).into_owned();
    assert_eq!(by_hand.status.code(), Some(0), "{said}");
    daemon.running.signal("USR1");
    daemon.until_ended(&home, 3);

    // A stop ends the wait, too.
    daemon.until("the lock is free", |_| held.try_lock().is_ok());
    let waits = daemon.count_told("STATUS=another run holds ");
    daemon.running.signal("USR1");
    daemon.until("it waits", |daemon| {
        let lines = daemon.told.iter();
        lines
            .filter(|line| line.starts_with("STATUS=another run holds "))
            .count()
            > waits
    });
    daemon.terminate();
    assert_eq!(triggers(&home), ["start", "command", "signal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lock_file_of_a_dead_process_is_no_obstacle() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let dead = r#"{"pid":4194304,"started_at":"2026-11-24T00:00:00.000Z"}"#;
    std::fs::write(home.path("backup.sqlite3.lock"), dead).expect("a file");
    let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
    daemon.until_ended(&home, 1);
    daemon.terminate();
    assert!(!daemon.said().contains("another run"), "{}", daemon.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_key_does_not_end_the_daemon_and_is_not_tried_again_and_again() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let schedule = format!("{}\nretry = \"1s\"", cron(NEVER));
    let mut daemon = Daemon::start_with(&home, &sim, &schedule, |mut program| {
        program.0.env("MICROCMS_API_KEY", "wrong");
        program
    });
    daemon.until_ended(&home, 1);
    daemon.until_told("STATUS=UNSAFE: ");
    tokio::time::sleep(Duration::from_secs(2)).await;
    daemon.running.signal("USR1");
    daemon.until_ended(&home, 2);
    daemon.terminate();
    assert_eq!(triggers(&home), ["start", "signal"]);
    assert_eq!(
        home.count("SELECT count(*) FROM runs WHERE exit_code = 4"),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schedule_that_cannot_be_is_two_with_what_would_be_right() {
    let sim = small_service().await;
    for (schedule, words) in [
        (cron("0 0 3 31 2 *"), "`0 0 3 31 2 *` never happens"),
        (
            "timezone = \"Asia/Tokio\"".to_owned(),
            "`Asia/Tokio` is not a time zone; did you mean `Asia/Tokyo`?",
        ),
        (
            format!("{}\njitter = \"1s\"", cron(EACH_SECOND)),
            "schedule.jitter: `1s` must be shorter than the time between two ticks",
        ),
    ] {
        let home = Sandbox::new();
        let mut daemon = Daemon::start(&home, &sim, &schedule);
        let status = daemon.running.wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(2));
        assert!(daemon.said().contains(words), "{}", daemon.said());
        assert_eq!(daemon.count_told("READY=1"), 0);
    }
    assert_eq!(sim.request_lines(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_every_run_impossible_ends_the_start_with_one() {
    let sim = small_service().await;
    let home = Sandbox::new();
    std::fs::write(home.database(), "no database, but somebody's notes").expect("a file");
    let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
    let status = daemon.running.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1));
    let said = daemon.said();
    assert!(said.contains("is not a SQLite database"), "{said}");
    assert_eq!(daemon.count_told("READY=1"), 0);
}
