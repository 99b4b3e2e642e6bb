//! Bytes that nobody has any more: a difference until they are back, or a person says that they are lost.

use super::{
    assert_adds_up, assert_verified, backed_up, file_of, flip, named, place, replace, status, told,
    verify,
};
use crate::support::{Expect as _, Sandbox, files};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Sim};
use std::fs;
use std::path::PathBuf;

/// A backup that holds the file of a medium that was deleted upstream.
async fn with_a_deleted_medium(media: u32) -> (Sim, Sandbox, PathBuf) {
    let (sim, home) = backed_up(media).await;
    let file = delete(&sim, &home, 0).await;
    (sim, home, file)
}

/// Deletes a medium upstream, and returns where its file lies.
async fn delete(sim: &Sim, home: &Sandbox, nth: usize) -> PathBuf {
    let id = sim.media_ids()[nth].clone();
    let file = file_of(home, &id);
    sim.edit(Edit::DeleteMedium { id }).expect("edited");
    home.sync(sim).await;
    home.sync(sim).await.expect_complete();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_of_a_deleted_medium_stays_a_difference_until_it_is_back() {
    let (sim, home, file) = with_a_deleted_medium(6).await;
    let bytes = fs::read(&file).expect("read");
    fs::remove_file(&file).expect("removed");
    for _ in 0..2 {
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert!(!report.verdict.safe);
        let said = &report.problems[0];
        assert!(
            said.message.contains("1 saved file of a deleted medium"),
            "{said:?}"
        );
        assert!(
            said.hint
                .as_deref()
                .is_some_and(|hint| hint.contains("--accept-lost N")),
            "{said:?}"
        );
        let (code, json) = verify(&home, &sim, &[]);
        assert_eq!(
            (code, named(&json)),
            (6, vec![format!("missing {}", place(&home, &file))])
        );
        assert_adds_up(&json);
        let (code, text) = status(&home, &sim);
        assert_eq!(code, 6, "{text}");
        assert!(
            text.contains("1 saved file of a deleted medium is missing"),
            "{text}"
        );
    }
    fs::write(&file, bytes).expect("put back");
    home.sync(&sim).await.expect_complete();
    assert_verified(&home, &sim);
    assert_eq!(status(&home, &sim).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_person_accepts_as_lost_is_no_difference_any_more_and_counts_again_when_it_is_back()
{
    let (sim, home, file) = with_a_deleted_medium(6).await;
    let bytes = fs::read(&file).expect("read");
    // Before a run has seen it, and after.
    for is_seen in [false, true] {
        fs::remove_file(&file).expect("removed");
        if is_seen {
            home.sync(&sim).await.expect_code(ExitCode::Partial);
        }
        let (code, text) = told(&home, &sim, &["--repair", "--accept-lost", "1"]);
        assert_eq!(code, 0, "{text}");
        assert!(text.contains("accepted as lost"), "{text}");
        assert_verified(&home, &sim);
        home.sync(&sim).await.expect_complete();
        let (code, text) = status(&home, &sim);
        assert_eq!(code, 0, "{text}");
        assert_eq!(home.count("SELECT count(*) FROM accepted_losses"), 1);

        fs::write(&file, &bytes).expect("put back");
        home.sync(&sim).await.expect_complete();
        assert_eq!(home.count("SELECT count(*) FROM accepted_losses"), 0);
        assert_verified(&home, &sim);
    }
    fs::remove_file(&file).expect("removed");
    home.sync(&sim).await.expect_code(ExitCode::Partial);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_losses_than_a_person_counted_are_not_accepted() {
    let (sim, home, deleted) = with_a_deleted_medium(6).await;
    let damaged = delete(&sim, &home, 0).await;
    replace(&sim, &sim.media_ids()[0]);
    home.sync(&sim).await.expect_complete();
    let archived = files(&home.path("archive")).remove(0);
    fs::remove_file(deleted).expect("removed");
    flip(&damaged);
    fs::remove_file(archived).expect("removed");
    // The service still has this one.
    let live = file_of(&home, &sim.media_ids()[1]);
    fs::remove_file(&live).expect("removed");

    let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "2"]);
    assert_eq!((code, json["accepted"].as_u64()), (6, Some(0)), "{json:#}");
    assert!(
        json["notes"][0]
            .as_str()
            .is_some_and(|note| note.contains("3 are lost")),
        "{json:#}"
    );
    assert_eq!(home.count("SELECT count(*) FROM accepted_losses"), 0);
    let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "3"]);
    assert_eq!((code, json["accepted"].as_u64()), (0, Some(3)), "{json:#}");
    assert_eq!(json["difference_count"], 3);
    assert_eq!(home.count("SELECT count(*) FROM accepted_losses"), 3);
    home.sync(&sim).await.expect_complete();
    assert!(live.exists(), "fetched again");
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");
    assert_eq!(
        (&json["mirror"]["skipped"], &json["archive"]["skipped"]),
        (&2.into(), &1.into())
    );
    assert_adds_up(&json);
    assert_eq!(status(&home, &sim).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_had_again_are_not_accepted_as_lost_any_more() {
    let (sim, home, file) = with_a_deleted_medium(6).await;
    let bytes = fs::read(&file).expect("read");
    let id = sim.media_ids()[0].clone();
    replace(&sim, &id);
    home.sync(&sim).await.expect_complete();
    let archived = files(&home.path("archive")).remove(0);
    let earlier = fs::read(&archived).expect("read");
    for lost in [&file, &archived] {
        fs::remove_file(lost).expect("removed");
    }
    let (code, text) = told(&home, &sim, &["--repair", "--accept-lost", "2"]);
    assert_eq!(code, 0, "{text}");
    let accepted = || home.count("SELECT count(*) FROM accepted_losses");
    assert_eq!(accepted(), 2);
    // Uploaded once more, as another medium.
    sim.edit(Edit::AddMedium {
        name: "again.png".to_owned(),
        bytes: Some(bytes),
        path: None,
        alt: None,
        tags: Vec::new(),
    })
    .expect("added");
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_eq!(accepted(), 1);
    // The file of the deleted medium can be copied from there.
    let (code, _) = verify(&home, &sim, &["--repair"]);
    assert_eq!((code, file.exists()), (0, true));
    home.sync(&sim).await.expect_complete();
    // Damaged bytes of the same length are not taken for it, whoever reads them in turn.
    let mut damaged = earlier.clone();
    damaged[10] ^= 1;
    fs::write(&archived, damaged).expect("written");
    for part in ["1%", "100%"] {
        let (code, _) = verify(&home, &sim, &["--repair", "--subset", part]);
        assert_eq!((code, accepted()), (0, 1), "{part}");
    }
    // Put back by a person.
    fs::write(&archived, earlier).expect("put back");
    let (code, _) = verify(&home, &sim, &["--repair"]);
    assert_eq!((code, accepted()), (0, 0));
    fs::remove_file(&archived).expect("removed");
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json).len()), (6, 1), "{json:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_still_has_is_not_counted_as_lost() {
    let (sim, home) = backed_up(4).await;
    let id = sim.media_ids()[0].clone();
    // Its earlier row, with another URL, has the same bytes.
    sim.edit(Edit::SetMediumPath {
        id: id.clone(),
        path: "/media/renamed.png".to_owned(),
        touch: true,
    })
    .expect("renamed");
    home.sync(&sim).await.expect_complete();
    assert!(home.count("SELECT count(*) FROM assets_history") > 0);
    fs::remove_file(file_of(&home, &id)).expect("removed");
    let (_, json) = verify(&home, &sim, &["--repair", "--accept-lost", "1"]);
    assert_eq!(json["accepted"], 0, "{json:#}");
    home.sync(&sim).await.expect_complete();
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_is_accepted_by_a_repair_alone() {
    let (sim, home) = backed_up(1).await;
    let (code, text) = told(&home, &sim, &["--accept-lost", "1"]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--repair"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_in_a_file_that_no_row_knows_are_put_back_and_never_accepted_as_lost() {
    for is_at_the_top in [false, true] {
        let (sim, home, file) = with_a_deleted_medium(6).await;
        let bytes = fs::read(&file).expect("read");
        // Of the same length, and something else.
        let mut other = bytes.clone();
        other.reverse();
        fs::write(file.with_file_name("another.bin"), other).expect("written");
        let moved = match is_at_the_top {
            false => file.with_file_name("moved by hand.bin"),
            true => home.path("mirror/moved by hand.bin"),
        };
        fs::rename(&file, &moved).expect("moved");
        home.sync(&sim).await.expect_code(ExitCode::Partial);

        let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "1"]);
        assert_eq!((code, json["accepted"].as_u64()), (6, Some(0)), "{json:#}");
        let lost = &json["differences"][0];
        assert_eq!(
            (&lost["kind"], &lost["repair"]),
            (&"missing".into(), &"restored".into()),
            "{json:#}"
        );
        assert_eq!(fs::read(&file).expect("put back"), bytes);
        assert_eq!(fs::read(&moved).expect("it stays"), bytes);
        fs::remove_file(&moved).expect("removed");
        fs::remove_file(file.with_file_name("another.bin")).expect("removed");
        home.sync(&sim).await.expect_complete();
        assert_verified(&home, &sim);
        assert_eq!(home.count("SELECT count(*) FROM accepted_losses"), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn archived_bytes_in_a_file_that_no_row_knows_come_back_as_a_copy() {
    let (sim, home) = backed_up(3).await;
    replace(&sim, &sim.media_ids()[0]);
    home.sync(&sim).await.expect_complete();
    let archived = files(&home.path("archive")).remove(0);
    let bytes = fs::read(&archived).expect("read");
    let stray = file_of(&home, &sim.media_ids()[0]).with_file_name("stray.bin");
    fs::rename(&archived, &stray).expect("moved");
    let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "1"]);
    assert_eq!((code, json["accepted"].as_u64()), (6, Some(0)), "{json:#}");
    assert_eq!(fs::read(&archived).expect("put back"), bytes);
    // Whoever goes on writing to their own file harms nothing.
    fs::write(&stray, b"mine").expect("written");
    assert_eq!(fs::read(&archived).expect("read"), bytes);
    fs::remove_file(&stray).expect("removed");
    assert_verified(&home, &sim);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn what_may_be_the_lost_bytes_and_cannot_be_read_keeps_them_from_being_accepted() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;

    let (sim, home, file) = with_a_deleted_medium(6).await;
    let odd = file.with_file_name(OsStr::from_bytes(b"odd\xff.bin"));
    fs::rename(&file, &odd).expect("moved");
    let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "1"]);
    assert_eq!((code, json["accepted"].as_u64()), (6, Some(0)), "{json:#}");
    let lost = &json["differences"][0];
    assert_eq!(lost["repair"], "failed", "{json:#}");
    assert!(
        lost["remedy"]
            .as_str()
            .is_some_and(|remedy| remedy.contains(".bin")),
        "{json:#}"
    );
    // A file of another length cannot be it.
    fs::write(&odd, b"short").expect("written");
    let (code, json) = verify(&home, &sim, &["--repair", "--accept-lost", "1"]);
    assert_eq!((code, json["accepted"].as_u64()), (6, Some(1)), "{json:#}");
}
