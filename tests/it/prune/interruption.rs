//! Stopped or dead after step n, for every n: nothing is without its file, and the next one ends as if
//! nothing had happened.

use super::world::{
    World, assert_archive_is_tidy, copy_of, dump, far, files_on_disk, prune_by_clock,
    prune_cut_off, prune_in, prune_until,
};
use crate::support::{Expect as _, Sandbox, assert_holds, assert_sound, assert_sound_and_tidy};
use microcms_backup::model::{Cutoffs, ExitCode, PrunedFiles, Timestamp};
use microcms_backup::sync::Stop;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

fn cutoffs(world: &World) -> Cutoffs {
    Cutoffs {
        superseded_before: world.end_of_phase(2),
        deleted_before: world.end_of_phase(2),
    }
}

/// Rows and files after a prune that nothing interrupted, and how many files it removed.
async fn undisturbed(world: &World) -> (Vec<String>, BTreeMap<String, Vec<u8>>, PrunedFiles) {
    let home = copy_of(&world.home);
    let done = prune_in(&home, cutoffs(world), false).await.expect("done");
    (dump(&home), files_on_disk(&home), done.files)
}

#[test]
fn a_prune_that_dies_at_any_step_leaves_no_row_without_its_file_and_the_next_one_goes_on() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let world = runtime.block_on(World::small());
    let (rows, files, removed) = runtime.block_on(undisturbed(&world));
    let cutoffs = cutoffs(&world);
    let mut between = 0;
    for nth in 1.. {
        let home = copy_of(&world.home);
        let mut step = 0;
        let ended = prune_cut_off(&home, cutoffs, || {
            step += 1;
            step == nth
        });
        assert_sound(&home);
        let waiting = home.count("SELECT count(*) FROM doomed_files");
        between += u64::from(waiting > 0);
        if ended.is_none() && nth % 3 == 0 {
            // A run in between neither minds nor removes what waits.
            let before = files_on_disk(&home);
            runtime.block_on(async {
                home.sync(&world.sim).await.expect_complete();
            });
            assert_eq!(files_on_disk(&home), before);
        }
        let (told, done) = runtime.block_on(async {
            let told = prune_in(&home, cutoffs, true).await.expect("a look");
            let done = prune_in(&home, cutoffs, false).await.expect("a prune");
            (told, done)
        });
        assert_eq!(
            (told.rows, told.files),
            (done.rows, done.files),
            "after {nth} steps"
        );
        assert_eq!(told.waiting, waiting);
        assert_eq!(done.waiting, 0);
        assert_eq!(dump(&home), rows, "after {nth} steps");
        assert_eq!(files_on_disk(&home), files, "after {nth} steps");
        assert_sound_and_tidy(&home);
        assert_archive_is_tidy(&home);
        // What went is told once: by the one that was cut off, or by the one that went on.
        let told = home.count("SELECT sum(files) FROM prunes");
        assert!(told <= removed.removed());
        if let Some(report) = ended {
            assert_eq!(report.expect("a report").files, removed);
            assert!(nth > 15, "only {nth} steps");
            break;
        }
    }
    assert!(between > 3, "{between}: no file ever waited");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prune_that_is_stopped_says_so_and_the_next_one_goes_on() {
    let world = World::small().await;
    let (rows, files, _) = undisturbed(&world).await;
    let cutoffs = cutoffs(&world);
    let mut stopped = 0;
    for round in 0..40_u64 {
        let home = copy_of(&world.home);
        let stop = Stop::default();
        let code = if round % 2 == 0 {
            ExitCode::Interrupted
        } else {
            ExitCode::Terminated
        };
        let is_dry_run = round % 8 == 7;
        let (report, ()) = tokio::join!(
            prune_until(&home, cutoffs, is_dry_run, stop.clone()),
            async {
                tokio::time::sleep(std::time::Duration::from_micros(round * 700)).await;
                stop.request(code);
            }
        );
        let report = report.expect("a report");
        assert_sound(&home);
        if report.exit_code == code.code() {
            stopped += 1;
            let unfinished = "SELECT count(*) FROM prunes WHERE finished_at IS NOT NULL";
            assert_eq!(home.count(unfinished), 0);
        }
        prune_in(&home, cutoffs, false).await.expect("a prune");
        assert_eq!(dump(&home), rows);
        assert_eq!(files_on_disk(&home), files);
    }
    assert!(stopped > 5, "{stopped} of 40: the moments are badly chosen");
}

/// A stop that comes with the nth look at the clock.
static CLOCK: Mutex<(usize, usize, Option<Stop>)> = Mutex::new((0, usize::MAX, None));

fn look_at_the_clock() -> Timestamp {
    let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
    clock.0 += 1;
    if clock.0 == clock.1
        && let Some(stop) = &clock.2
    {
        stop.request(ExitCode::Terminated);
    }
    far()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_at_any_moment_is_told_if_and_only_if_something_is_left() {
    let world = World::small().await;
    let (rows, files, _) = undisturbed(&world).await;
    let cutoffs = cutoffs(&world);
    let (mut stopped, mut too_late) = (0, 0);
    for nth in 1.. {
        let home = copy_of(&world.home);
        let stop = Stop::default();
        *CLOCK.lock().unwrap() = (0, nth, Some(stop.clone()));
        let report = prune_by_clock(&home, cutoffs, look_at_the_clock, stop.clone())
            .await
            .expect("a report");
        let is_finished = home.count("SELECT count(*) FROM prunes WHERE finished_at IS NOT NULL");
        assert_eq!(
            (
                report.exit_code == ExitCode::Complete.code(),
                report.exit_code == 143
            ),
            (is_finished == 1, is_finished == 0),
            "stopped at look {nth}"
        );
        if stop.requested().is_none() {
            break;
        }
        if is_finished == 1 {
            too_late += 1;
            assert_eq!(
                (dump(&home), files_on_disk(&home)),
                (rows.clone(), files.clone())
            );
        } else {
            stopped += 1;
        }
    }
    assert!(
        stopped > 2 && too_late > 0,
        "{stopped}, {too_late} too late"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_before_anything_removes_nothing() {
    let world = World::small().await;
    let (rows, files) = (dump(&world.home), files_on_disk(&world.home));
    let stop = Stop::default();
    stop.request(ExitCode::Terminated);
    let report = prune_until(&world.home, cutoffs(&world), false, stop)
        .await
        .expect("a report");
    assert_eq!(report.exit_code, 143);
    assert!(report.rows.is_empty());
    assert_eq!(
        (dump(&world.home), files_on_disk(&world.home)),
        (rows, files)
    );
}

/// A file that was removed and whose note survived is looked for in vain, once.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_went_before_its_note_did_is_no_trouble() {
    let world = World::small().await;
    let all = Cutoffs {
        superseded_before: Some(far()),
        deleted_before: Some(far()),
    };
    let home: &Sandbox = &world.home;
    let before = dump(home);
    world.prune(all).await;
    let files = files_on_disk(home);
    let conn = rusqlite::Connection::open(home.database()).expect("the database opens");
    for row in before.iter().filter(|row| row.starts_with("assets")) {
        // The digests of everything that ever was, as if no note had been taken back.
        for sha256 in row.split('"').filter(|text| text.len() == 64) {
            conn.execute(
                "INSERT INTO doomed_files (sha256, path, doomed_at) VALUES (?1, 'h/x', 'x'), (?1, NULL, 'x')
                 ON CONFLICT DO NOTHING",
                [sha256],
            )
            .expect("a note");
        }
    }
    drop(conn);
    assert!(home.count("SELECT count(*) FROM doomed_files") > 20);
    let told = world.dry_run(all).await;
    let done = world.prune(all).await;
    assert_eq!(
        (told.files, done.files),
        (PrunedFiles::default(), PrunedFiles::default())
    );
    assert_eq!((done.exit_code, done.waiting), (0, 0));
    assert_eq!(files_on_disk(home), files);
    assert_holds(home, &world.sim.truth());
}
