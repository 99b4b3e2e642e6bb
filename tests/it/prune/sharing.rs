//! Bytes that more than one row needs, bytes that are not where they should be, and media that return.

use super::world::{
    World, add, archived, assert_archive_is_tidy, far, files_on_disk, png, prune_cut_off, prune_in,
};
use crate::support::{
    Expect as _, Sandbox, assert_holds, assert_sound, assert_sound_and_tidy, digest, files,
};
use microcms_backup::model::Cutoffs;
use microcms_sim::{Edit, Sim};

/// Everything that can go.
fn all() -> Cutoffs {
    Cutoffs {
        superseded_before: Some(far()),
        deleted_before: Some(far()),
    }
}

fn deleted_only() -> Cutoffs {
    Cutoffs {
        superseded_before: None,
        ..all()
    }
}

fn superseded_only() -> Cutoffs {
    Cutoffs {
        deleted_before: None,
        ..all()
    }
}

/// A service with one quiet medium and these.
async fn service(media: &[(&str, &[u8])]) -> (Sim, Sandbox, Vec<String>) {
    let sim = Sim::builder().media(1).start().await;
    let ids = media
        .iter()
        .map(|(name, bytes)| add(&sim, name, bytes))
        .collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    (sim, home, ids)
}

async fn replace(sim: &Sim, home: &Sandbox, id: &str, bytes: &[u8]) {
    sim.edit(Edit::ReplaceBytes {
        id: id.to_owned(),
        bytes: Some(bytes.to_vec()),
        touch: true,
        stale_requests: 0,
    })
    .expect("replaced");
    home.sync(sim).await.expect_complete();
}

async fn delete(sim: &Sim, home: &Sandbox, id: &str) {
    sim.edit(Edit::DeleteMedium { id: id.to_owned() })
        .expect("deleted");
    home.sync(sim).await.expect_complete();
    home.sync(sim).await.expect_complete();
}

fn path_of(home: &Sandbox, id: &str) -> String {
    let path = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
    path.into_iter().next().expect("a path")
}

/// Looks, prunes, and holds the one against the other.
async fn pruned(home: &Sandbox, cutoffs: Cutoffs) -> microcms_backup::model::PruneReport {
    let told = prune_in(home, cutoffs, true).await.expect("a look");
    let done = prune_in(home, cutoffs, false).await.expect("a prune");
    assert_eq!((told.rows, told.files), (done.rows, done.files));
    assert_eq!(
        home.count("SELECT count(*) FROM doomed_files"),
        done.waiting
    );
    done
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_media_with_the_same_bytes_each_has_its_own_file() {
    let twin = png(900, 1);
    let (sim, home, ids) = service(&[("a.png", &twin), ("b.png", &twin)]).await;
    delete(&sim, &home, &ids[0]).await;
    let done = pruned(&home, all()).await;
    assert_eq!((done.files.mirror, done.files.bytes), (1, 900));
    assert_eq!(home.saved_bytes(&ids[1]), Some(twin));
    assert_sound_and_tidy(&home);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_path_to_the_same_file_is_no_second_copy() {
    let twin = png(900, 1);
    let (sim, home, ids) = service(&[("a.png", &twin), ("b.png", &twin)]).await;
    let mirror = home.path("mirror");
    // A person let one host's folder stand for another's, and the rows of both lead to one file.
    let (own, kept) = (path_of(&home, &ids[0]), path_of(&home, &ids[1]));
    let (host, rest) = kept.split_once('/').expect("a host");
    std::os::unix::fs::symlink(host, mirror.join("alias.example")).expect("a link");
    std::fs::remove_file(mirror.join(own)).expect("removed");
    rusqlite::Connection::open(home.database())
        .and_then(|conn| {
            conn.execute(
                "UPDATE assets SET path = ?1, valid_from = strftime('%Y-%m-%dT%H:%M:%fZ', valid_from, '+0.001 seconds')
                 WHERE media_id = ?2",
                (format!("alias.example/{rest}"), &ids[0]),
            )
        })
        .expect("edited");
    delete(&sim, &home, &ids[0]).await;
    let done = pruned(&home, all()).await;
    assert_eq!((done.files.mirror, done.files.moved), (0, 1));
    assert_eq!(archived(&home, &digest(&twin)), Some(twin.clone()));
    home.sync(&sim).await.expect_complete();
    assert_eq!(home.saved_bytes(&ids[1]), Some(twin));
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_bytes_stay_while_one_version_that_stays_has_them() {
    let (old, new) = (png(900, 1), png(901, 2));
    let (sim, home, ids) = service(&[("a.png", &old), ("b.png", &old)]).await;
    replace(&sim, &home, &ids[0], &new).await;
    replace(&sim, &home, &ids[1], &new).await;
    delete(&sim, &home, &ids[0]).await;
    assert_eq!(
        files(&home.path("archive")).len(),
        1,
        "equal bytes are kept once"
    );
    // The deleted one's history goes, the other's needs the same bytes.
    let done = pruned(&home, deleted_only()).await;
    assert_eq!((done.rows.assets.versions, done.files.archive), (1, 0));
    assert_eq!(archived(&home, &digest(&old)), Some(old.clone()));
    assert_sound(&home);
    let done = pruned(&home, superseded_only()).await;
    assert_eq!((done.files.archive, done.files.bytes), (1, 900));
    assert_eq!(archived(&home, &digest(&old)), None);
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_came_back_are_kept_once_and_only_where_they_are_whole() {
    let (first, second) = (png(900, 1), png(901, 2));
    for loses_file in [false, true] {
        let (sim, home, ids) = service(&[("a.png", &first)]).await;
        replace(&sim, &home, &ids[0], &second).await;
        replace(&sim, &home, &ids[0], &first).await;
        assert_eq!(files(&home.path("archive")).len(), 2);
        let path = home.path("mirror").join(path_of(&home, &ids[0]));
        if loses_file {
            // As long as it was, so that no run has noticed.
            std::fs::write(&path, png(900, 7)).expect("damage");
        }
        let done = pruned(&home, superseded_only()).await;
        if loses_file {
            // The row says that the mirror has these bytes. It is not believed: they are the only copy.
            assert_eq!((done.files.archive, done.files.bytes), (1, 901));
            assert_eq!(archived(&home, &digest(&first)), Some(first.clone()));
        } else {
            assert_eq!((done.files.archive, done.files.bytes), (2, 1801));
            assert_sound_and_tidy(&home);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_copy_of_needed_bytes_moves_to_the_archive_before_its_file_goes() {
    let (old, new) = (png(900, 1), png(901, 2));
    let (sim, home, ids) = service(&[("a.png", &old), ("b.png", &old)]).await;
    replace(&sim, &home, &ids[1], &new).await;
    delete(&sim, &home, &ids[0]).await;
    // Somebody emptied the archive: what b's history needs is only in the deleted one's file.
    for file in files(&home.path("archive")) {
        std::fs::remove_file(file).expect("removed");
    }
    let done = pruned(&home, deleted_only()).await;
    assert_eq!(
        (done.files.mirror, done.files.moved, done.files.bytes),
        (0, 1, 0)
    );
    assert_eq!(archived(&home, &digest(&old)), Some(old));
    assert_sound_and_tidy(&home);
    let done = pruned(&home, superseded_only()).await;
    assert_eq!((done.files.archive, done.files.bytes), (1, 900));
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_other_bytes_than_recorded_is_nobody_s_to_remove() {
    let (sim, home, ids) = service(&[("a.png", &png(900, 1)), ("b.png", &png(900, 2))]).await;
    for id in &ids {
        delete(&sim, &home, id).await;
    }
    let place = |id| home.path("mirror").join(path_of(&home, id));
    let (damaged, linked) = (place(&ids[0]), place(&ids[1]));
    std::fs::write(&damaged, b"what a person put here").expect("written");
    std::fs::remove_file(&linked).expect("removed");
    std::os::unix::fs::symlink("/etc/hostname", &linked).expect("a link");
    let done = pruned(&home, all()).await;
    assert_eq!(
        (done.files.removed(), done.files.left, done.waiting),
        (0, 1, 0)
    );
    assert_eq!(done.rows.media.deleted, 2);
    assert_eq!(
        std::fs::read(&damaged).expect("still there"),
        b"what a person put here"
    );
    assert!(linked.is_symlink());
    assert_eq!(home.count("SELECT count(*) FROM media"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_gone_before_is_no_trouble() {
    let (sim, home, ids) = service(&[("a.png", &png(900, 1))]).await;
    delete(&sim, &home, &ids[0]).await;
    std::fs::remove_file(home.path("mirror").join(path_of(&home, &ids[0]))).expect("removed");
    let done = pruned(&home, all()).await;
    assert_eq!(
        (done.exit_code, done.files.removed(), done.waiting),
        (0, 0, 0)
    );
    assert_sound_and_tidy(&home);
}

/// Cuts a prune off right after rows of deleted media are gone and before their files are.
fn cut_off_before_the_files(home: &Sandbox) {
    let mirrored = files(&home.path("mirror"));
    let doomed = "SELECT count(*) FROM doomed_files WHERE path IS NOT NULL";
    let ended = prune_cut_off(home, all(), || home.count(doomed) > 0);
    assert!(ended.is_none(), "cut off too late");
    assert!(home.count(doomed) > 0);
    assert_eq!(files(&home.path("mirror")), mirrored);
}

#[test]
fn a_medium_that_returned_before_its_file_went_keeps_it() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // With the same bytes, and with others at the same path.
    for bytes in [png(900, 1), png(901, 9)] {
        let (sim, home) = runtime.block_on(async {
            let (sim, home, ids) = service(&[("a.png", &png(900, 1))]).await;
            delete(&sim, &home, &ids[0]).await;
            (sim, home)
        });
        cut_off_before_the_files(&home);
        runtime.block_on(async {
            let id = add(&sim, "a.png", &bytes);
            home.sync(&sim).await.expect_complete();
            assert_holds(&home, &sim.truth());
            let done = pruned(&home, all()).await;
            assert_eq!(done.exit_code, 0);
            assert_eq!(home.saved_bytes(&id), Some(bytes));
            // Where the new bytes took the path, the old ones had moved to the archive.
            assert_archive_is_tidy(&home);
            assert_sound_and_tidy(&home);
            assert_holds(&home, &sim.truth());
            assert_eq!(done.waiting, 0);
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_setting_of_before_left_is_not_removed_once_everything_is_kept() {
    let world = World::small().await;
    let home = &world.home;
    tokio::task::block_in_place(|| cut_off_before_the_files(home));
    let files = files_on_disk(home);
    world.prune(Cutoffs::default()).await;
    assert_eq!(files_on_disk(home), files);
    // Also a setting that lets nothing more go finishes what was begun.
    let done = world
        .prune(Cutoffs {
            superseded_before: world.end_of_phase(1),
            deleted_before: None,
        })
        .await;
    assert!(done.files.removed() > 0);
    assert_eq!(done.waiting, 0);
    assert_sound_and_tidy(home);
}
