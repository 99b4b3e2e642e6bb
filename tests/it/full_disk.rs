//! Disks that are full or take nothing, under the mirror, the archive and the database.

use crate::assets::PNG_END;
use crate::support::{
    Expect as _, Program, Sandbox, Setup, Volume, archived, assert_holds, assert_sound,
    assert_sound_and_tidy, digest, files, replace_bytes,
};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};

/// Files that were asked for, not only about.
fn downloads(sim: &Sim) -> usize {
    let requests = sim.requests();
    let files = requests
        .iter()
        .filter(|it| matches!(it.route, Route::Image | Route::File));
    files.filter(|it| it.method == "GET").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_mirror_is_told_once_and_filled_up_when_there_is_room() {
    let sim = Sim::builder()
        .media(120)
        .media_size(4_000..=8_000)
        .list_api("blog", 5)
        .start()
        .await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=400k") else {
        return;
    };
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(report.assets.saved > 10, "{}", report.assets.saved);
    assert_eq!(report.assets.saved + report.assets.owed, 120);
    let fetched = downloads(&sim);
    assert!(fetched < 100, "nothing is fetched for a disk that is full");
    let told: Vec<_> = report
        .problems
        .iter()
        .filter(|problem| problem.scope == "assets")
        .collect();
    assert_eq!(told.len(), 1, "{told:#?}");
    let hint = told[0].hint.as_deref().unwrap_or_default();
    assert!(hint.contains("free space"), "{told:#?}");
    assert_sound_and_tidy(&home);
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'owed'"),
        120 - report.assets.saved,
        "the disk's trouble is no failure of a file"
    );
    // Contents need no room in the mirror.
    assert_eq!(home.count("SELECT count(*) FROM contents WHERE published_body IS NOT NULL OR draft_body IS NOT NULL"), 5);

    volume.remount("size=8m");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_larger_than_the_disk_holds_up_no_other_for_good() {
    let sim = Sim::builder().media(20).start().await;
    let mut huge = b"\x89PNG\r\n\x1a\n".to_vec();
    huge.resize(3_000_000, 1);
    huge.extend(PNG_END);
    let id = sim
        .edit(Edit::AddMedium {
            name: "huge.png".into(),
            bytes: Some(huge),
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("a medium");
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=1m") else {
        return;
    };
    for _ in 0..3 {
        home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert_sound_and_tidy(&home);
    }
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
        20
    );
    volume.remount("size=8m");
    home.sync(&sim).await.expect_complete();
    assert!(home.saved_bytes(&id).is_some());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_archive_never_costs_the_only_copy() {
    let sim = Sim::builder()
        .media(6)
        .media_size(300_000..=300_000)
        .start()
        .await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("archive"), "size=64k") else {
        return;
    };
    home.sync(&sim).await.expect_complete();
    let before = sim.truth();
    for id in sim.media_ids() {
        replace_bytes(&sim, id);
    }
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_sound(&home);
    for medium in &before.media {
        let path = home.texts(&format!(
            "SELECT path FROM assets WHERE media_id = '{}'",
            medium.id
        ));
        assert_eq!(
            std::fs::read(home.path("mirror").join(&path[0])).expect("kept"),
            medium.bytes()
        );
    }
    volume.remount("size=16m");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(files(&home.path("archive")).len(), 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_the_database_fails_the_run_and_not_the_backup() {
    let sim = Sim::builder()
        .media(90)
        .list_api("blog", 60)
        .body_bytes(4_000)
        .start()
        .await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("test-volume"), "size=500k") else {
        return;
    };
    let database = home.path("test-volume").join("backup.sqlite3");
    let sync = || Program::sync(&home, &sim).path("STORAGE__DATABASE", database.clone());
    let output = sync().run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("hint: ") && said.contains("full"), "{said}");
    assert!(!said.contains("panicked"), "{said}");

    volume.remount("size=16m");
    let output = sync().run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for name in ["backup.sqlite3", "backup.sqlite3-wal", "backup.sqlite3-shm"] {
        // Where the other functions of the support module look.
        drop(std::fs::copy(
            home.path("test-volume").join(name),
            home.path(name),
        ));
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_take_a_commit_costs_no_file_that_was_replaced() {
    let sim = Sim::builder().media(60).list_api("blog", 40).start().await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("test-volume"), "size=16m") else {
        return;
    };
    let folder = home.path("test-volume");
    let database = folder.join("backup.sqlite3");
    let sync = || Program::sync(&home, &sim).path("STORAGE__DATABASE", database.clone());
    assert_eq!(sync().run().status.code(), Some(0));
    let before = sim.truth();
    for id in sim.media_ids() {
        replace_bytes(&sim, id);
    }
    // Room for less and less of what the run writes: it stops at one commit after the other.
    let mut failed = 0;
    for room in [0, 8, 24, 48, 96, 160] {
        let filler = folder.join("filler");
        drop(std::fs::remove_file(&filler));
        let free = rustix::fs::statvfs(&folder).expect("a disk");
        let free = free.f_bavail * free.f_frsize;
        let taken = free.saturating_sub(room * 1024);
        std::fs::write(&filler, vec![0; usize::try_from(taken).expect("small")]).expect("filled");
        let output = sync().run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!said.contains("panicked"), "{said}");
        if output.status.code() != Some(0) {
            failed += 1;
            assert!(said.contains("hint: "), "{said}");
        }
        // Whatever was recorded: every old file is in its place or in the archive.
        for medium in &before.media {
            let sha256 = medium.sha256();
            let is_there = archived(&home, &sha256).is_some()
                || files(&home.path("mirror"))
                    .iter()
                    .any(|file| digest(&std::fs::read(file).expect("a file")) == sha256);
            assert!(is_there, "{room} KiB: {}", medium.url);
        }
    }
    assert!(failed >= 2, "{failed}: the disk was never full");
    std::fs::remove_file(folder.join("filler")).expect("removed");
    let output = sync().run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for name in ["backup.sqlite3", "backup.sqlite3-wal", "backup.sqlite3-shm"] {
        // Where the other functions of the support module look.
        drop(std::fs::copy(folder.join(name), home.path(name)));
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    drop(volume);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_file_that_fills_the_disk_leaves_nothing_in_the_way_and_comes_when_there_is_room() {
    let sim = Sim::builder().media(8).start().await;
    let id = sim
        .edit(Edit::AddMedium {
            name: "large.mp4".into(),
            bytes: None,
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("a medium");
    let resize = |size| Edit::ResizeMedium {
        id: id.clone(),
        size,
        touch: true,
    };
    sim.edit(resize(2_000_000)).expect("edited");
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=5m") else {
        return;
    };
    home.sync(&sim).await.expect_complete();
    let old = home.saved_bytes(&id).expect("saved");
    // Its replacement breaks off; what came is kept.
    sim.edit(resize(2_900_000)).expect("edited");
    sim.fault(
        Route::File,
        1,
        Fault::Cut {
            after: 1_500_000,
            chunked: false,
        },
    );
    sim.fault(
        Route::File,
        Occasion::Range(2, 99),
        Fault::status(503, "no"),
    );
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(home.count("SELECT count(*) FROM partials"), 1);
    sim.clear_faults();
    // Meanwhile somebody else fills the disk, all but what the rest of the file needs.
    let filler = home.path("mirror").join("test-filler");
    let free = rustix::fs::statvfs(home.path("mirror")).expect("a disk");
    let free = free.f_bavail * free.f_frsize;
    let taken = usize::try_from(free - 300_000).expect("small");
    std::fs::write(&filler, vec![0; taken]).expect("filled");
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    let said: Vec<&str> = report
        .problems
        .iter()
        .filter(|problem| problem.scope == "assets")
        .filter_map(|problem| problem.hint.as_deref())
        .collect();
    assert!(
        said.iter().any(|hint| hint.contains("free space")),
        "{:#?}",
        report.problems
    );
    let kept = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
    let kept = std::fs::read(home.path("mirror").join(&kept[0])).expect("the old copy");
    assert_eq!(kept, old);
    std::fs::remove_file(&filler).expect("removed");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&old)), Some(old));
    drop(volume);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_mirror_is_named_before_anything_is_asked() {
    let sim = Sim::builder().media(5).start().await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=1m") else {
        return;
    };
    volume.remount("ro");
    let output = Program::sync(&home, &sim).run();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("mirror") && said.contains("hint: ") && said.contains("read-only"),
        "{said}"
    );
    assert_eq!(sim.counters().total, 0);
    // `status` tells of it: the database could be written.
    assert_eq!(home.texts("SELECT outcome FROM runs"), ["failed"]);
    let error = home.texts("SELECT error FROM runs");
    assert!(error[0].contains("mirror"), "{error:?}");
    volume.remount("rw");
    assert_eq!(Program::sync(&home, &sim).run().status.code(), Some(0));
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_do_not_fit_are_not_asked_for_one_after_the_other_nor_again() {
    let sim = Sim::builder()
        .media(120)
        .media_size(900_000..=900_000)
        .start()
        .await;
    for n in 0..20 {
        sim.edit(Edit::AddMedium {
            name: format!("small-{n}.txt"),
            bytes: Some(format!("number {n}").into_bytes()),
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("added");
    }
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=3m") else {
        return;
    };
    let keep = Setup {
        keep_free: Some(1024 * 1024),
        ..Setup::default()
    };
    let mut asked = Vec::new();
    for _ in 0..2 {
        sim.forget_requests();
        let report = home
            .sync_with(&sim, keep.clone())
            .await
            .expect_code(ExitCode::Partial);
        assert_eq!(report.assets.failed, 0, "they have not failed");
        asked.push((downloads(&sim), sim.counters().assets()));
    }
    // Whatever stands before them in the listing.
    let small = "SELECT count(*) FROM assets WHERE state = 'saved' AND path LIKE '%small-%'";
    let why = home.texts("SELECT DISTINCT state || ' ' || ifnull(last_error, '') FROM assets");
    assert_eq!(home.count(small), 20, "{why:?}");
    // A few began to come; the others were asked how long they are, once.
    assert!(asked[0].0 < 70 && asked[1].1 == 0, "{asked:?}");
    volume.remount("size=300m");
    home.sync_with(&sim, keep).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_rest_of_a_file_needs_room_for_no_more_than_that() {
    let sim = Sim::builder()
        .media(1)
        .media_size(5_000_000..=5_000_000)
        .start()
        .await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("mirror"), "size=4m") else {
        return;
    };
    let keep = Setup {
        keep_free: Some(0),
        ..Setup::default()
    };
    // Too long, which is remembered.
    home.sync_with(&sim, keep.clone())
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(home.count("SELECT announced_bytes FROM assets"), 5_000_000);
    volume.remount("size=16m");
    for route in [Route::Image, Route::File] {
        let cut = Fault::Cut {
            after: 4_000_000,
            chunked: false,
        };
        sim.fault(route, 1, cut);
        sim.fault(route, Occasion::Range(2, 99), Fault::status(503, "out"));
    }
    home.sync_with(&sim, keep.clone())
        .await
        .expect_code(ExitCode::Partial);
    let kept = home.count("SELECT bytes FROM partials");
    assert!(kept >= 3_900_000, "{kept}");
    sim.clear_faults();
    // Room for the rest, and not for the whole.
    let used = kept / 1024 + 2_048;
    volume.remount(&format!("size={used}k"));
    let again = Setup {
        is_impatient: true,
        ..keep
    };
    home.sync_with(&sim, again).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_a_free_inode_is_called_so() {
    let sim = Sim::builder().media(2).list_api("blog", 2).start().await;
    let home = Sandbox::new();
    let Some(volume) = Volume::mount(home.path("test-volume"), "size=16m,nr_inodes=64") else {
        return;
    };
    let database = volume.path("backup.sqlite3");
    let command = |words: &[&str]| {
        let program = Program::command(words, &home, &sim);
        program.path("STORAGE__DATABASE", database.clone())
    };
    assert_eq!(command(&["sync"]).run().status.code(), Some(0));
    let mut number = 0;
    while std::fs::write(volume.path(&format!("filler-{number}")), "").is_ok() {
        number += 1;
    }
    for words in [&["sync"][..], &["prune"], &["verify", "--repair"]] {
        let program = command(words).set("RETENTION__DELETED", "1d");
        let output = program.run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{words:?}\n{said}");
        assert!(
            said.contains("hint: the disk has no free inode"),
            "{words:?}\n{said}"
        );
        assert!(!said.contains("read-only"), "{words:?}\n{said}");
    }
    drop(volume);
}
