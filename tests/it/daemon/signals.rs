//! Signals: the configuration anew, a run now, the end.

use super::{Daemon, EACH_SECOND, NEVER, configure, cron, ended, small_service, triggers};
use crate::support::{Expect as _, Sandbox, assert_sound};
use microcms_sim::{Fault, Occasion, Route, Sim};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn sighup_takes_a_good_configuration_over_and_keeps_the_old_one_for_a_bad_one() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
    daemon.until_ended(&home, 1);

    configure(&daemon.desk, "cron = \"soon\"\ntimezone = \"Asia/Tokio\"");
    daemon.running.signal("HUP");
    daemon.until_said("the configuration stays as it was");
    let said = daemon.said();
    for words in [
        "schedule.timezone: `Asia/Tokio` is not a time zone; did you mean `Asia/Tokyo`?",
        "schedule.cron: `soon` is not a cron line (expected 6 fields, got 1)",
    ] {
        assert!(said.contains(words), "{said}");
    }
    daemon.until("a reload ends", |daemon| {
        daemon.told.iter().filter(|line| *line == "READY=1").count() == 2
    });
    assert!(daemon.told.iter().any(|line| line == "RELOADING=1"));
    assert!(
        daemon
            .told
            .iter()
            .any(|line| line.starts_with("MONOTONIC_USEC="))
    );
    assert_eq!(ended(&home), 1);

    configure(&daemon.desk, &cron(EACH_SECOND));
    daemon.running.signal("HUP");
    daemon.until_ended(&home, 3);
    daemon.terminate();
    assert_eq!(triggers(&home)[..3], ["start", "schedule", "schedule"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn sigusr1_runs_now() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
    daemon.until_ended(&home, 1);
    daemon.until_told("STATUS=SAFE as of ");
    daemon.running.signal("USR1");
    daemon.until_ended(&home, 2);
    daemon.terminate();
    assert_eq!(triggers(&home), ["start", "signal"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_under_load_takes_less_than_five_seconds_and_a_second_signal_nothing() {
    let sim = Sim::builder()
        .media(30)
        .media_size(300_000..=300_000)
        .start()
        .await;
    sim.fault(
        Route::Image,
        Occasion::Every,
        Fault::Drip {
            bytes_per_second: 20_000,
        },
    );
    for at_once in [false, true] {
        let home = Sandbox::new();
        sim.forget_requests();
        let mut daemon = Daemon::start(&home, &sim, &cron(NEVER));
        daemon.until("downloads are under way", |_| sim.counters().assets() >= 16);
        if at_once {
            daemon.running.signal("TERM");
            daemon.until_told("STOPPING=1");
            daemon.running.signal("INT");
            let status = daemon.running.wait(Duration::from_secs(5));
            assert_eq!(status.code(), Some(130));
            // As after a crash, temporary files may lie about; the next run takes them away.
            sim.clear_faults();
            home.sync(&sim).await.expect_complete();
        } else {
            let took = daemon.terminate();
            assert!(took < Duration::from_secs(5), "{took:?}");
            assert_eq!(home.texts("SELECT outcome FROM runs"), ["interrupted"]);
        }
        assert_sound(&home);
    }
}
