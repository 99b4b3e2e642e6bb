//! `verify --repair`: what is whole somewhere here comes back, what the service has is owed again, and
//! no byte is lost on the way.

use super::{
    assert_verified, backed_up, file_of, flip, named, place, replace, status, told, verify,
};
use crate::support::{Expect as _, Program, assert_holds, assert_sound, digest, files};
use microcms_sim::Edit;
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};

fn repairs(json: &Value) -> Vec<String> {
    let list = json["differences"].as_array().expect("a list");
    let mut repairs: Vec<String> = list
        .iter()
        .map(|one| one["repair"].as_str().expect("a word").to_owned())
        .collect();
    repairs.sort();
    repairs
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_has_is_owed_again_and_the_next_sync_heals_to_equality() {
    let (sim, home) = backed_up(8).await;
    let ids = sim.media_ids();
    let damaged = file_of(&home, &ids[0]);
    flip(&damaged);
    let wrong_bytes = fs::read(&damaged).expect("read");
    fs::remove_file(file_of(&home, &ids[1])).expect("removed");
    fs::write(file_of(&home, &ids[2]), b"").expect("written");
    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!(code, 0, "{json:#}");
    assert_eq!(repairs(&json), ["owed_again", "owed_again", "owed_again"]);
    // Said once: what is owed is no difference any more, and doing it again does nothing.
    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!((code, named(&json)), (0, Vec::new()));
    assert_eq!(json["mirror"]["skipped"], 3);
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 3);
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
    assert_verified(&home, &sim);
    // The damaged bytes are kept under what they are.
    let kept = digest(&wrong_bytes);
    assert!(
        files(&home.path("archive"))
            .iter()
            .any(|file| file.ends_with(&kept))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_whole_elsewhere_here_come_back_without_the_network() {
    let (sim, home) = backed_up(6).await;
    let ids = sim.media_ids();
    let bytes = b"\x89PNG\r\n\x1a\nthe same in two places".to_vec();
    for id in &ids[..2] {
        sim.edit(Edit::ReplaceBytes {
            id: id.clone(),
            bytes: Some(bytes.clone()),
            touch: true,
            stale_requests: 0,
        })
        .expect("edited");
    }
    home.sync(&sim).await.expect_complete();
    // Deleted upstream: nobody else has it, but for the twin.
    sim.edit(Edit::DeleteMedium { id: ids[0].clone() })
        .expect("edited");
    for _ in 0..2 {
        home.sync(&sim).await;
    }
    let lost = file_of(&home, &ids[0]);
    fs::remove_file(&lost).expect("removed");
    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!(
        (code, repairs(&json)),
        (0, vec!["restored".to_owned()]),
        "{json:#}"
    );
    assert_eq!(fs::read(&lost).expect("read"), bytes);
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_archived_bytes_are_copied_from_the_mirror_and_kept_aside() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[0].clone();
    let first = fs::read(file_of(&home, &id)).expect("read");
    replace(&sim, &id);
    home.sync(&sim).await.expect_complete();
    // Back to the first bytes: the archive has them, and so has the mirror.
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(first.clone()),
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    let name = digest(&first);
    let archive = files(&home.path("archive"));
    let archived = archive
        .iter()
        .find(|file| file.ends_with(&name))
        .expect("archived");
    // Not the file of the mirror as well, if the two are one.
    fs::remove_file(archived).expect("removed");
    fs::write(archived, b"damaged").expect("written");
    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!(
        (code, repairs(&json)),
        (0, vec!["restored".to_owned()]),
        "{json:#}"
    );
    assert_eq!(fs::read(archived).expect("read"), first);
    let aside = digest(b"damaged");
    assert!(
        files(&home.path("archive"))
            .iter()
            .any(|file| file.ends_with(&aside))
    );
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_repaired_is_said_and_stays_as_it_is() {
    let (sim, home) = backed_up(4).await;
    let id = sim.media_ids()[0].clone();
    sim.edit(Edit::DeleteMedium { id: id.clone() })
        .expect("edited");
    for _ in 0..2 {
        home.sync(&sim).await;
    }
    let file = file_of(&home, &id);
    flip(&file);
    let damaged = fs::read(&file).expect("read");
    let stray = home.path("mirror").join("stray.txt");
    fs::write(&stray, b"a person's").expect("written");
    for _ in 0..2 {
        let (code, json) = verify(&home, &sim, &["--repair"]);
        let expected = [
            format!("bytes {}", place(&home, &file)),
            "unknown mirror/stray.txt".to_owned(),
        ];
        assert_eq!((code, named(&json)), (6, expected.to_vec()));
        assert_eq!(repairs(&json), ["impossible", "impossible"]);
        assert_eq!(fs::read(&file).expect("read"), damaged);
        assert!(stray.exists());
    }
    let (_, text) = told(&home, &sim, &["--repair"]);
    assert!(
        text.ends_with("\nDIFFERENT: 2 differences, 0 of them repaired, 2 left\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_needs_the_lock_and_a_look_does_not() {
    let (sim, home) = backed_up(2).await;
    let lock = fs::File::create(home.path("backup.sqlite3.lock")).expect("a file");
    lock.lock().expect("locked");
    let (code, text) = told(&home, &sim, &["--repair"]);
    assert_eq!(code, 11, "{text}");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0, "{text}");
    assert!(
        text.contains("note      not recorded (another run"),
        "{text}"
    );
    assert_eq!(home.count("SELECT count(*) FROM verifications"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_is_killed_is_gone_on_with() {
    let (sim, home) = backed_up(40).await;
    for id in sim.media_ids() {
        fs::remove_file(file_of(&home, &id)).expect("removed");
    }
    // After the first one is told: some are owed by now, some are not.
    let mut command = Program::command(&["verify", "--repair"], &home, &sim).0;
    let mut running = command.spawn().expect("the binary starts");
    let mut line = String::new();
    BufReader::new(running.stdout.take().expect("a pipe"))
        .read_line(&mut line)
        .expect("a line");
    running.kill().expect("killed");
    running.wait().expect("ended");
    assert!(line.starts_with("missing "), "{line}");
    let owed = home.count("SELECT count(*) FROM assets WHERE state = 'owed'");
    assert!(owed > 0, "the first one was owed before it was told");
    let (code, _) = verify(&home, &sim, &["--repair"]);
    assert_eq!(code, 0);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn status_says_unsafe_until_what_verify_found_is_made_good() {
    let (sim, home) = backed_up(8).await;
    let status = || status(&home, &sim);
    let ids = sim.media_ids();
    flip(&file_of(&home, &ids[0]));
    assert_eq!(status().0, 0);
    assert_eq!(verify(&home, &sim, &[]).0, 6);
    let (code, text) = status();
    assert_eq!(code, 6, "{text}");
    let reason = "UNSAFE: `verify` found 1 difference that nobody made good: run `sync`, then `verify --repair`; ";
    assert!(text.starts_with(reason), "{text}");
    // The database alone says nothing of files.
    assert_eq!(verify(&home, &sim, &["--database"]).0, 0);
    assert_eq!(status().0, 6);
    // What is owed again is told as what it is, until it is saved.
    assert_eq!(verify(&home, &sim, &["--repair"]).0, 0);
    let (code, text) = status();
    assert!(code == 6 && !text.contains("`verify` found"), "{text}");
    home.sync(&sim).await.expect_complete();
    let (code, text) = status();
    assert_eq!(code, 0, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_file_that_its_medium_left_behind_goes_to_the_archive() {
    let (sim, home) = backed_up(4).await;
    let ids = sim.media_ids();
    let left = file_of(&home, &ids[1]);
    let at_a_former_path = file_of(&home, &ids[2]);
    flip(&left);
    let damaged = fs::read(&left).expect("read");
    for (id, path) in [(1, "/assets/renamed.png"), (2, "/assets/also-renamed.png")] {
        sim.edit(Edit::SetMediumPath {
            id: ids[id].clone(),
            path: path.to_owned(),
            touch: true,
        })
        .expect("renamed");
    }
    home.sync(&sim).await.expect_complete();
    // A person's file lies beside it, and at another path of the past lies a name of a file that is in use elsewhere.
    let theirs = left.with_file_name("index.html");
    fs::write(&theirs, "somebody's").expect("written");
    let in_use = home.path("notes.txt");
    fs::write(&in_use, "notes").expect("written");
    fs::hard_link(&in_use, &at_a_former_path).expect("linked");

    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!(code, 6, "{json:#}");
    let remedies = json["differences"].to_string();
    assert!(
        remedies.contains("`verify --repair` moves it to the archive"),
        "{json:#}"
    );
    assert!(left.exists());
    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!(
        (code, repairs(&json)),
        (
            6,
            ["impossible", "set_aside", "set_aside"]
                .map(str::to_owned)
                .to_vec()
        )
    );
    assert!(!left.exists() && theirs.exists() && !at_a_former_path.exists());
    // Whoever has it goes on with it, and the archive keeps what it was.
    fs::write(&in_use, "other notes").expect("written");
    let kept = digest(&damaged);
    let archive = files(&home.path("archive"));
    assert!(
        archive.iter().any(|file| file.ends_with(&kept)),
        "{archive:?}"
    );
    fs::remove_file(&theirs).expect("removed");
    assert_verified(&home, &sim);
    assert_holds(&home, &sim.truth());
}
