//! Stopped, terminated, killed: at any moment, and the next run ends as if nothing had happened.

use crate::assets::PNG_END;
use crate::support::{
    Expect as _, Program, Sandbox, Setup, assert_holds, assert_sound, assert_sound_and_tidy,
    assert_within_budget,
};
use microcms_backup::model::ExitCode;
use microcms_backup::sync::Stop;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::os::unix::process::ExitStatusExt as _;
use std::time::{Duration, Instant};

/// A service where every kind of work takes a moment.
async fn slow_service() -> Sim {
    let sim = Sim::builder()
        .media(150)
        .media_size(500..=90_000)
        .list_api("blog", 30)
        .object_api("about")
        .start()
        .await;
    add_huge(&sim);
    sim.fault(Route::Image, Occasion::Every, Fault::Delay { ms: 5 });
    sim.fault(Route::Media, Occasion::Every, Fault::Delay { ms: 15 });
    sim.fault(
        Route::MetadataList,
        Occasion::Every,
        Fault::Delay { ms: 15 },
    );
    sim
}

/// A file that goes through the disk while it arrives.
fn add_huge(sim: &Sim) {
    let mut huge = b"\x89PNG\r\n\x1a\n".to_vec();
    huge.resize(2_500_000, 3);
    huge.extend(PNG_END);
    sim.edit(Edit::AddMedium {
        name: "huge.png".into(),
        bytes: Some(huge),
        path: None,
        alt: None,
        tags: Vec::new(),
    })
    .expect("a medium");
}

/// Changes a few files in each of the ways that move files about.
fn edit_some(sim: &Sim, round: usize) {
    let ids = sim.media_ids();
    for (n, id) in ids
        .iter()
        .skip(round * 7 % 100)
        .take(6)
        .cloned()
        .enumerate()
    {
        let edit = match n % 3 {
            0 => Edit::ReplaceBytes {
                id,
                bytes: None,
                touch: true,
                stale_requests: 0,
            },
            1 => Edit::RenameMedium {
                id,
                name: format!("renamed {round} {n}.png"),
                touch: true,
            },
            _ => Edit::ReplaceUnderNewUrl { id, bytes: None },
        };
        sim.edit(edit).expect("edited");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_between_pages_leaves_whole_ones_and_the_walk_says_how_many() {
    let sim = Sim::builder()
        .media(3_000)
        .media_size(10..=20)
        .start()
        .await;
    sim.fault(Route::Media, Occasion::Every, Fault::Delay { ms: 10 });
    for after in [60, 120, 200, 300] {
        let home = Sandbox::new();
        let stop = Stop::default();
        let setup = Setup {
            stop: stop.clone(),
            grace: Duration::from_millis(200),
            ..Setup::default()
        };
        tokio::join!(home.sync_with(&sim, setup), async {
            tokio::time::sleep(Duration::from_millis(after)).await;
            stop.request(ExitCode::Interrupted);
        });
        assert_sound(&home);
        let pages = home.count("SELECT sum(pages) FROM walks WHERE scope = 'media'");
        assert_eq!(home.count("SELECT count(*) FROM media"), 100 * pages);
        assert_eq!(home.count("SELECT count(*) FROM assets"), 100 * pages);
        assert_eq!(home.count("SELECT count(*) FROM unread"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_stopped_at_any_moment_ends_tidily_and_the_next_one_completes() {
    let sim = slow_service().await;
    let home = Sandbox::new();
    let mut interrupted = 0;
    for round in 0..24 {
        let stop = Stop::default();
        let setup = Setup {
            stop: stop.clone(),
            grace: Duration::from_millis(200),
            ..Setup::default()
        };
        let code = if round % 2 == 0 {
            ExitCode::Interrupted
        } else {
            ExitCode::Terminated
        };
        let after = Duration::from_millis(fastrand::u64(0..300));
        let begun = Instant::now();
        let (report, asked) = tokio::join!(home.sync_with(&sim, setup), async {
            tokio::time::sleep(after).await;
            stop.request(code);
            begun.elapsed()
        });
        assert!(
            begun.elapsed() < asked + Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
        assert_sound(&home);
        let outcome = home.texts("SELECT outcome FROM runs ORDER BY id DESC LIMIT 1");
        if report.exit_code == code.code() {
            assert_eq!(outcome, ["interrupted"]);
            assert!(!report.verdict.safe);
            interrupted += 1;
        } else {
            // It was done before it was asked to stop.
            assert_eq!(
                (report.exit_code, outcome),
                (0, vec!["complete".to_owned()])
            );
        }
        if round % 6 == 5 {
            edit_some(&sim, round);
        }
    }
    assert!(
        interrupted >= 5,
        "{interrupted} of 24: the test's moments are badly chosen"
    );
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_leaves_nothing_that_the_next_run_cannot_heal() {
    let sim = slow_service().await;
    let home = Sandbox::new();
    let mut killed = 0;
    for round in 0..40 {
        let mut running = Program::sync(&home, &sim).start();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(0..450))).await;
        running.signal("KILL");
        let status = running.wait(Duration::from_secs(5));
        killed += usize::from(status.signal() == Some(9));
        if round % 8 == 7 {
            edit_some(&sim, round);
        }
    }
    assert!(
        killed >= 8,
        "{killed} of 40: the test's moments are badly chosen"
    );
    // The lock of the dead is no obstacle.
    let output = Program::sync(&home, &sim).run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
    assert_eq!(
        home.count("SELECT count(*) FROM runs WHERE outcome = 'running'"),
        0
    );
    assert!(home.count("SELECT count(*) FROM runs WHERE outcome = 'interrupted'") > 0);
    assert_eq!(
        home.count("SELECT count(*) FROM runs WHERE outcome = 'failed'"),
        0
    );
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_edits_in_between_kills_leave_not_even_a_stray_file() {
    let sim = slow_service().await;
    let home = Sandbox::new();
    for _ in 0..15 {
        let mut running = Program::sync(&home, &sim).start();
        tokio::time::sleep(Duration::from_millis(fastrand::u64(20..300))).await;
        running.signal("KILL");
        running.wait(Duration::from_secs(5));
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(home.count("SELECT count(*) FROM assets_history"), 0);
    assert_eq!(crate::support::files(&home.path("archive")).len(), 0);
}

/// Waits until a condition holds.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_process_lets_downloads_finish_that_soon_will() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let sim = Sim::builder()
            .media_size(3_000..=3_000)
            .media(4)
            .start()
            .await;
        for route in [Route::Image, Route::File] {
            sim.fault(
                route,
                Occasion::Every,
                Fault::Drip {
                    bytes_per_second: 3_000,
                },
            );
        }
        let home = Sandbox::new();
        let mut running = Program::sync(&home, &sim).start();
        until("downloads begin", || sim.counters().assets() == 4).await;
        running.signal(signal);
        let status = running.wait(Duration::from_secs(8));
        assert_eq!(status.code(), Some(code));
        assert_eq!(
            home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
            4
        );
        assert_sound_and_tidy(&home);
        assert_eq!(home.texts("SELECT outcome FROM runs"), ["interrupted"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_process_does_not_wait_longer_than_the_grace_for_a_slow_download() {
    let sim = Sim::builder()
        .media(3)
        .media_size(1_000..=1_000)
        .start()
        .await;
    add_huge(&sim);
    sim.fault(
        Route::Image.containing("huge"),
        Occasion::Every,
        Fault::Drip {
            bytes_per_second: 50_000,
        },
    );
    let home = Sandbox::new();
    let mut running = Program::sync(&home, &sim).start();
    until("the huge one begins", || sim.counters().assets() == 4).await;
    let begun = Instant::now();
    running.signal("TERM");
    let status = running.wait(Duration::from_secs(14));
    assert_eq!(status.code(), Some(143));
    assert!(
        begun.elapsed() < Duration::from_secs(13),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'owed'"),
        1
    );
    assert_sound_and_tidy(&home);

    // A second signal waits for nothing.
    let mut running = Program::sync(&home, &sim).start();
    until("the huge one begins again", || sim.counters().assets() == 5).await;
    running.signal("TERM");
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    running.signal("TERM");
    assert_eq!(running.wait(Duration::from_secs(5)).code(), Some(143));
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );

    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_a_file_waits_for_its_next_try_is_not_slept_through() {
    let sim = Sim::builder().media(2).start().await;
    for route in [Route::Image, Route::File] {
        sim.fault(
            route,
            Occasion::Every,
            Fault::Status {
                status: 429,
                headers: [("retry-after".to_owned(), "25".to_owned())].into(),
                body: String::new(),
                consumed: false,
            },
        );
    }
    let home = Sandbox::new();
    let stop = Stop::default();
    let setup = Setup {
        stop: stop.clone(),
        grace: Duration::from_secs(20),
        ..Setup::default()
    };
    let begun = Instant::now();
    let (report, ()) = tokio::join!(home.sync_with(&sim, setup), async {
        until("both are asked for", || sim.counters().assets() == 2).await;
        stop.request(ExitCode::Terminated);
    });
    report.expect_code(ExitCode::Terminated);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_while_a_page_is_late_lets_downloads_go_on() {
    let sim = Sim::builder()
        .media(110)
        .media_size(30_000..=30_000)
        .start()
        .await;
    for route in [Route::Image, Route::File] {
        sim.fault(
            route,
            Occasion::Every,
            Fault::Drip {
                bytes_per_second: 15_000,
            },
        );
    }
    sim.fault(Route::Media, 2, Fault::DelayAfter { ms: 60_000 });
    let home = Sandbox::new();
    let stop = Stop::default();
    let setup = Setup {
        stop: stop.clone(),
        downloads: 4,
        grace: Duration::from_secs(8),
        ..Setup::default()
    };
    let (report, ()) = tokio::join!(home.sync_with(&sim, setup), async {
        until("the second page is asked for", || {
            sim.counters().of(Route::Media) == 2
        })
        .await;
        // By now the page counts as late, and downloads hold.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        stop.request(ExitCode::Terminated);
    });
    let report = report.expect_code(ExitCode::Terminated);
    assert!(report.elapsed_ms < 7_000, "{} ms", report.elapsed_ms);
    assert_eq!(report.assets.saved, 4, "what was in flight may finish");
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_or_a_mirror_that_is_taken_away_in_a_run_is_not_called_safe() {
    for (what, scope) in [("backup.sqlite3", "database"), ("mirror", "assets")] {
        let sim = Sim::builder().media(5).start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        sim.fault(Route::Media, 1, Fault::Delay { ms: 1_500 });
        let take_away = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            std::fs::rename(home.path(what), home.path("elsewhere")).expect("moved");
            if what == "mirror" {
                // As the folder below a volume that went away.
                std::fs::create_dir(home.path(what)).expect("a folder");
            }
        };
        let (report, ()) = tokio::join!(home.sync(&sim), take_away);
        assert!(!report.verdict.safe, "{what}: {}", report.verdict.line);
        assert_ne!(report.exit_code, 0);
        let told = report
            .problems
            .iter()
            .find(|problem| problem.scope == scope);
        let told = told.expect("a problem");
        assert!(told.message.contains("was moved"), "{told:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_asked_counts_against_the_budget_of_the_next_one() {
    // More pages than one budget has requests: the first run is still waiting when it is killed.
    let sim = Sim::builder().media(850).with_budgets().start().await;
    let home = Sandbox::new();
    let mut program = Program::sync(&home, &sim)
        .set("LIMITS__MANAGEMENT_PER_10S", "8")
        .start();
    until("the budget is spent", || {
        let counters = sim.counters();
        counters.total - counters.assets() >= 8
    })
    .await;
    until("the books are written", || {
        let noted = "SELECT count(*) FROM json_each((
            SELECT recent_requests FROM runs WHERE outcome = 'running'))";
        home.count(noted) == 8
    })
    .await;
    program.signal("KILL");
    program.wait(Duration::from_secs(10));
    let setup = Setup {
        management_per_10s: 8,
        ..Setup::default()
    };
    home.sync_with(&sim, setup).await.expect_complete();
    assert_within_budget(&sim, 8);
}
