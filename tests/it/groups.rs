//! Files that get their places and rows together: what happens to a group in the middle happens to none of its files by halves.

use crate::support::{
    Expect as _, Program, Sandbox, Setup, Volume, assert_holds, assert_sound,
    assert_sound_and_tidy, files, replace_bytes,
};
use microcms_backup::model::ExitCode;
use microcms_backup::sync::{Only, Stop};
use microcms_sim::{Route, Sim};
use std::time::{Duration, Instant};

/// Only files: everything is listed.
async fn listed(home: &Sandbox, sim: &Sim) -> Setup {
    let only = |media, assets| Only {
        media,
        contents: false,
        assets,
    };
    let listing = Setup {
        only: only(true, false),
        ..Setup::default()
    };
    home.sync_with(sim, listing).await;
    Setup {
        only: only(false, true),
        downloads: 16,
        ..Setup::default()
    }
}

fn saved(home: &Sandbox) -> u64 {
    home.count("SELECT count(*) FROM assets WHERE state = 'saved'")
}

fn in_place(home: &Sandbox) -> u64 {
    files(&home.path("mirror"))
        .iter()
        .filter(|file| !file.components().any(|part| part.as_os_str() == ".tmp"))
        .count()
        .try_into()
        .expect("a count")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_amid_the_downloads_leaves_no_received_file_without_its_row() {
    let sim = Sim::builder()
        .media(400)
        .media_size(2_000..=20_000)
        .start()
        .await;
    for asked in [1, 70, 150] {
        let home = Sandbox::new();
        let setup = listed(&home, &sim).await;
        let stop = Stop::default();
        let setup = Setup {
            stop: stop.clone(),
            ..setup
        };
        sim.forget_requests();
        let begun = Instant::now();
        let (report, ()) = tokio::join!(home.sync_with(&sim, setup.clone()), async {
            while sim.counters().assets() < asked {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            stop.request(ExitCode::Interrupted);
        });
        assert!(begun.elapsed() < Duration::from_secs(8));
        assert_eq!(report.exit_code, ExitCode::Interrupted.code());
        let saved = saved(&home);
        assert!(saved > 0 && saved < 400, "{saved} after {asked}");
        // Each file that was asked for came, has its place, and is told of.
        assert_eq!(sim.counters().assets(), saved);
        assert_eq!(in_place(&home), saved);
        assert_eq!(report.assets.saved, saved);
        assert_sound_and_tidy(&home);
        sim.forget_requests();
        home.sync(&sim).await.expect_complete();
        assert_eq!(sim.counters().assets(), 400 - saved);
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_the_database_refuses_is_not_called_saved_and_the_next_run_heals_it() {
    let sim = Sim::builder()
        .media(200)
        .media_size(500..=5_000)
        .start()
        .await;
    let home = Sandbox::new();
    let setup = listed(&home, &sim).await;
    let execute = |sql: &str| {
        let conn = rusqlite::Connection::open(home.database()).expect("the database opens");
        conn.execute_batch(sql).expect(sql);
    };
    execute(
        "CREATE TRIGGER test_full BEFORE UPDATE ON assets
         WHEN new.state = 'saved' AND (SELECT count(*) FROM assets WHERE state = 'saved') >= 90
         BEGIN SELECT raise(ABORT, 'no room for the row'); END",
    );
    let failed = home.try_sync(&sim, setup.clone()).await;
    assert!(failed.is_err(), "{failed:?}");
    let before = saved(&home);
    // The group that would have gone beyond is not there by halves.
    assert!(before <= 90, "{before}");
    // Some are in their places and nothing says that they are saved.
    assert!(in_place(&home) > before);
    assert_sound(&home);
    execute("DROP TRIGGER test_full");

    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.assets.saved, 200 - before);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    // The bytes that were there already are no superseded ones.
    assert_eq!(files(&home.path("archive")).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_fills_up_amid_a_group_saves_what_fits_and_the_rest_later() {
    let sim = Sim::builder()
        .media(120)
        .media_size(9_000..=9_000)
        .start()
        .await;
    let home = Sandbox::new();
    let setup = listed(&home, &sim).await;
    let Some(volume) = Volume::mount(home.path("mirror"), "size=600k") else {
        return;
    };
    let full = Setup {
        keep_free: Some(0),
        ..setup.clone()
    };
    let report = home.sync_with(&sim, full).await;
    let (first, placed) = (saved(&home), in_place(&home));
    volume.remount("size=16m");
    let again = home.sync(&sim).await;
    let (second, placed_then) = (saved(&home), in_place(&home));
    assert!(first > 10 && first < 80, "{first}");
    assert_eq!((placed, report.assets.saved), (first, first));
    assert_ne!(report.exit_code, 0);
    again.expect_complete();
    assert_eq!((second, placed_then), (120, 120));
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_of_replaced_files_find_room_for_their_handles_under_the_limit_of_a_shell() {
    let sim = Sim::builder()
        .media(150)
        .media_size(2_000..=9_000)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Each of them has handles for its bytes, its folder and the archive's. A soft limit is raised, a hard one is kept to.
    for limit in ["ulimit -Sn 48", "ulimit -n 256"] {
        for id in sim.media_ids() {
            replace_bytes(&sim, &id);
        }
        sim.forget_requests();
        let few = ["sh", "-c", &format!("{limit}; exec \"$@\""), "sh"];
        let output = Program::wrapped(&few, &home, &sim).run();
        assert!(output.status.success(), "{limit}: {output:?}");
        let counters = sim.counters();
        assert_eq!(counters.of(Route::Image) + counters.of(Route::File), 150);
        assert_holds(&home, &sim.truth());
    }
}
