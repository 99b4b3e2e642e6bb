//! Retention: what `prune` removes, what it leaves, and that nothing can stop it at a bad moment.

mod interruption;
mod program;
mod sequences;
mod sharing;
pub(crate) mod world;

use crate::support::{Expect as _, assert_holds, assert_sound, assert_sound_and_tidy};
use microcms_backup::model::{Cutoffs, ExitCode, PrunedFiles};
use world::{World, archived, assert_archive_is_tidy, dump, far, files_on_disk};

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_tells_the_numbers_of_the_real_one_and_touches_nothing() {
    for (superseded, deleted) in [(1, 1), (2, 2), (3, 3), (3, 0), (0, 3), (2, 1), (1, 3)] {
        let world = World::small().await;
        let cutoffs = Cutoffs {
            superseded_before: world.end_of_phase(superseded),
            deleted_before: world.end_of_phase(deleted),
        };
        let (rows, files) = (dump(&world.home), files_on_disk(&world.home));
        let told = world.dry_run(cutoffs).await;
        assert_eq!(
            (dump(&world.home), files_on_disk(&world.home)),
            (rows, files.clone())
        );
        assert!(told.dry_run && told.exit_code == 0);

        let done = world.prune(cutoffs).await;
        assert_eq!(done.exit_code, 0, "{done:?}");
        assert_eq!(told.rows, done.rows, "{superseded} {deleted}");
        assert_eq!(told.files, done.files, "{superseded} {deleted}");
        assert_eq!((done.files.left, done.files.moved, done.waiting), (0, 0, 0));

        // What was said to be freed is what the disk has more room by.
        let after = files_on_disk(&world.home);
        let length = |files: &std::collections::BTreeMap<String, Vec<u8>>| {
            files.values().map(|bytes| bytes.len() as u64).sum::<u64>()
        };
        assert_eq!(length(&files) - length(&after), done.files.bytes);
        assert_eq!((files.len() - after.len()) as u64, done.files.removed());
        assert_sound_and_tidy(&world.home);
        assert_holds(&world.home, &world.sim.truth());

        // Twice is as good as once, and is not even recorded.
        let again = world.prune(cutoffs).await;
        assert!(again.rows.is_empty() && again.files == PrunedFiles::default());
        assert_eq!(world.home.count("SELECT count(*) FROM prunes"), 1);
        assert_eq!(files_on_disk(&world.home), after);

        // And the next run neither misses nor fetches anything.
        world.sim.forget_requests();
        world.home.sync(&world.sim).await.expect_complete();
        assert_eq!(world.sim.counters().assets(), 0);
        assert_sound(&world.home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_goes_is_exactly_what_is_old_enough() {
    let world = World::small().await;
    let home = &world.home;
    let cutoffs = Cutoffs {
        superseded_before: world.end_of_phase(2),
        deleted_before: world.end_of_phase(2),
    };
    // A file that moved to another URL left one.
    let empty = world::empty_folders(&home.path("mirror"));
    let report = world.prune(cutoffs).await;
    // Phase 1: an API, two contents, a medium with two versions were changed or replaced, one renamed, one given a
    // new URL. Phase 2 deleted an API with three contents, a content, and two media.
    assert_eq!(report.rows.deleted(), 1 + 3 + 1 + 2, "{:?}", report.rows);
    assert_eq!(report.files.mirror, 2, "{:?}", report.files);
    for table in ["endpoints", "contents", "media"] {
        let old = format!(
            "SELECT count(*) FROM {table} WHERE deleted_at < '{0}'",
            cutoffs.deleted_before.expect("a time")
        );
        assert_eq!(home.count(&old), 0, "{table}");
    }
    for table in ["endpoints", "contents", "media", "assets"] {
        let old = format!(
            "SELECT count(*) FROM {table}_history WHERE valid_to < '{0}'",
            cutoffs.superseded_before.expect("a time")
        );
        assert_eq!(home.count(&old), 0, "{table}");
    }
    // What phase 3 did is younger.
    assert_eq!(
        home.count("SELECT count(*) FROM media WHERE deleted_at IS NOT NULL"),
        1
    );
    assert!(home.count("SELECT count(*) FROM contents_history") > 0);
    assert!(home.count("SELECT count(*) FROM assets_history") > 0);
    assert_archive_is_tidy(home);
    assert_eq!(home.texts("PRAGMA foreign_key_check"), Vec::<String>::new());
    assert_eq!(
        home.count("SELECT versions FROM prunes"),
        report.rows.versions()
    );
    assert_eq!(home.count("SELECT bytes FROM prunes"), report.files.bytes);
    assert_eq!(
        home.texts("SELECT superseded_before FROM prunes"),
        [cutoffs.superseded_before.expect("a time").to_string()]
    );
    // Folders of files that went are gone as well, those of hosts stay.
    assert_eq!(world::empty_folders(&home.path("mirror")), empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_that_is_left_reads_as_before() {
    let world = World::small().await;
    let cutoffs = Cutoffs {
        superseded_before: world.end_of_phase(1),
        deleted_before: world.end_of_phase(2),
    };
    let moments = [2, 3].map(|phase| world.end_of_phase(phase).expect("a time"));
    let read = || {
        moments.map(|t| {
            let at = format!("valid_from <= '{t}' AND (valid_to IS NULL OR '{t}' < valid_to)");
            let views = [
                (
                    "contents_timeline",
                    "endpoint || id || metadata || ifnull(published_body, '')",
                ),
                ("media_timeline", "metadata"),
                ("endpoints_timeline", "endpoint || name"),
            ];
            views.map(|(view, what)| {
                world
                    .home
                    .texts(&format!("SELECT {what} FROM {view} WHERE {at} ORDER BY 1"))
            })
        })
    };
    let before = read();
    assert!(before.iter().flatten().all(|rows| !rows.is_empty()));
    world.prune(cutoffs).await;
    assert_eq!(read(), before);
    // Every version of a file that is still told of has its bytes.
    for sha256 in world
        .home
        .texts("SELECT sha256 FROM assets_timeline WHERE valid_to IS NOT NULL")
    {
        let is_current = world.home.count(&format!(
            "SELECT count(*) FROM assets WHERE sha256 = '{sha256}'"
        ));
        assert!(archived(&world.home, &sha256).is_some() || is_current > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_setting_nothing_goes_however_old() {
    let world = World::small().await;
    let (rows, files) = (dump(&world.home), files_on_disk(&world.home));
    for report in [
        world.prune(Cutoffs::default()).await,
        world.dry_run(Cutoffs::default()).await,
    ] {
        assert_eq!(report.exit_code, ExitCode::Complete.code());
        assert!(report.rows.is_empty());
        assert_eq!((report.files, report.waiting), (PrunedFiles::default(), 0));
    }
    assert_eq!(
        (dump(&world.home), files_on_disk(&world.home)),
        (rows, files)
    );
    assert_eq!(world.home.count("SELECT count(*) FROM prunes"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_everything_old_only_what_is_live_is_left() {
    let world = World::small().await;
    let all = Cutoffs {
        superseded_before: Some(far()),
        deleted_before: Some(far()),
    };
    world.prune(all).await;
    for table in ["endpoints", "contents", "media", "assets"] {
        assert_eq!(
            world
                .home
                .count(&format!("SELECT count(*) FROM {table}_history")),
            0
        );
    }
    assert_eq!(
        files_on_disk(&world.home).len(),
        world.sim.truth().media.len(),
        "the mirror has the live files, the archive nothing"
    );
    assert_holds(&world.home, &world.sim.truth());
    assert_sound_and_tidy(&world.home);
    world.home.sync(&world.sim).await.expect_complete();
}
