//! Files: of the mirror, of the archive, and those that nobody knows.

use super::{
    assert_adds_up, assert_verified, backed_up, file_of, flip, named, place, replace, told, verify,
};
use crate::support::{Expect as _, files};
use microcms_sim::Edit;
use std::fs;
use std::path::PathBuf;

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_as_it_was_made_is_verified_and_says_so_in_its_last_line() {
    let (sim, home) = backed_up(30).await;
    replace(&sim, &sim.media_ids()[0]);
    home.sync(&sim).await.expect_complete();
    assert_verified(&home, &sim);
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0, "{text}");
    let database = "\
database  9 checks: 9 good, 0 different
log       68 versions against 73 entries, of which 2 runs proved all but 0
root      ";
    assert!(text.starts_with(database), "{text}");
    let files = " of run 2
mirror    30 files: 30 good, 0 different
archive   1 files: 1 good, 0 different
read      31 files, ";
    assert!(text.contains(files), "{text}");
    assert!(
        text.ends_with("\nVERIFIED: the backup is what its records say\n"),
        "{text}"
    );
    assert_eq!(
        home.count("SELECT count(*) FROM verifications WHERE exit_code = 0 AND files = 31"),
        2
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_flipped_bit_in_any_file_is_named_and_nothing_else_is() {
    let (sim, home) = backed_up(24).await;
    for id in sim.media_ids().iter().take(4) {
        replace(&sim, id);
    }
    home.sync(&sim).await.expect_complete();
    let all: Vec<PathBuf> = files(&home.path("mirror"))
        .into_iter()
        .chain(files(&home.path("archive")))
        .collect();
    assert_eq!(all.len(), 28);
    for file in all {
        let whole = fs::read(&file).expect("read");
        flip(&file);
        let (code, json) = verify(&home, &sim, &[]);
        let expected = vec![format!("bytes {}", place(&home, &file))];
        assert_eq!((code, named(&json)), (6, expected));
        assert_adds_up(&json);
        fs::write(&file, whole).expect("written");
    }
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_in_which_a_file_can_be_wrong_has_its_name() {
    let (sim, home) = backed_up(9).await;
    let outside = home.path("outside");
    fs::write(&outside, b"precious").expect("written");
    let mut expected = Vec::new();
    for (n, id) in sim.media_ids().iter().enumerate().take(6) {
        let file = file_of(&home, id);
        let kind = match n {
            0 => {
                fs::remove_file(&file).expect("removed");
                "missing"
            }
            1 => {
                fs::write(&file, b"short").expect("written");
                "size"
            }
            2 => {
                flip(&file);
                "bytes"
            }
            3 => {
                // To the very bytes that should be there: it is a link all the same.
                let moved = home.path("elsewhere");
                fs::rename(&file, &moved).expect("moved");
                std::os::unix::fs::symlink(&moved, &file).expect("a link");
                // A link in the place of a file is also nobody's file, but it has the path of one.
                "not_a_file"
            }
            4 => {
                fs::remove_file(&file).expect("removed");
                fs::create_dir(&file).expect("a folder");
                "not_a_file"
            }
            _ => {
                let folder = file.parent().expect("a folder");
                let moved = home.path("folder-elsewhere");
                fs::rename(folder, &moved).expect("moved");
                std::os::unix::fs::symlink(&moved, folder).expect("a link");
                expected.push(format!("unknown {}", place(&home, folder)));
                "missing"
            }
        };
        expected.push(format!("{kind} {}", place(&home, &file)));
    }
    expected.sort();
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json)), (6, expected));
    assert_adds_up(&json);
    assert_eq!(fs::read(&outside).expect("read"), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_nobody_knows_are_named_on_one_line_whatever_they_are_called() {
    let (sim, home) = backed_up(3).await;
    let mirror = home.path("mirror");
    fs::write(mirror.join("stray\n\u{1b}[31mred.txt"), b"x").expect("written");
    fs::create_dir_all(mirror.join("host/写真")).expect("made");
    fs::write(mirror.join("host/写真/犬.jpg"), b"xy").expect("written");
    fs::write(home.path("archive").join("note.txt"), b"xyz").expect("written");
    fs::write(mirror.join(".tmp/part-of-something"), b"no difference").expect("written");
    std::os::unix::fs::symlink("/etc", mirror.join("host/etc")).expect("a link");
    let (code, json) = verify(&home, &sim, &[]);
    let expected = [
        "unknown archive/note.txt".to_owned(),
        "unknown mirror/host/etc".to_owned(),
        "unknown mirror/host/写真/犬.jpg".to_owned(),
        "unknown mirror/stray\n\u{1b}[31mred.txt".to_owned(),
    ];
    assert_eq!((code, named(&json)), (6, expected.to_vec()));
    assert_adds_up(&json);
    let (_, text) = told(&home, &sim, &[]);
    assert!(!text.contains('\u{1b}'), "{text:?}");
    assert!(
        text.contains("unknown        mirror/stray\u{fffd}\u{fffd}[31mred.txt: a file that no row knows: expected nothing; found 1 bytes;"),
        "{text}"
    );
    assert!(
        text.contains("mirror/host/etc: a file that no row knows: expected nothing; found a link, which is not followed"),
        "{text}"
    );
    assert!(
        text.ends_with("\nDIFFERENT: 4 differences (4 unknown)\n"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn damaged_and_missing_archived_bytes_are_named() {
    let (sim, home) = backed_up(4).await;
    for id in sim.media_ids().iter().take(2) {
        replace(&sim, id);
    }
    home.sync(&sim).await.expect_complete();
    let old = files(&home.path("archive"));
    flip(&old[0]);
    fs::remove_file(&old[1]).expect("removed");
    let (code, json) = verify(&home, &sim, &[]);
    let mut expected = vec![
        format!("bytes {}", place(&home, &old[0])),
        format!("missing {}", place(&home, &old[1])),
    ];
    expected.sort();
    assert_eq!((code, named(&json)), (6, expected));
    assert_adds_up(&json);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_owed_or_failed_is_not_saved_and_no_difference() {
    let (sim, home) = backed_up(6).await;
    fs::remove_file(file_of(&home, &sim.media_ids()[0])).expect("removed");
    super::meddle(
        &home,
        &format!(
            "UPDATE assets SET state = 'failed', why = 'missing' WHERE media_id = '{}'",
            sim.media_ids()[0]
        ),
    );
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json)), (0, Vec::new()));
    assert_eq!(json["mirror"]["skipped"], 1);
    assert_eq!(json["mirror"]["good"], 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn new_bytes_whose_row_was_never_written_are_named_when_the_medium_is_gone() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[1].clone();
    sim.edit(Edit::DeleteMedium { id: id.clone() })
        .expect("edited");
    for _ in 0..2 {
        home.sync_with(
            &sim,
            crate::support::Setup {
                only: microcms_backup::sync::Only {
                    media: true,
                    contents: false,
                    assets: false,
                },
                ..Default::default()
            },
        )
        .await;
    }
    // What a kill between rename and row leaves: new bytes in place, the old ones in the archive. The run that marked the
    // medium has not seen it, and the next one would.
    let file = file_of(&home, &id);
    let old = fs::read(&file).expect("read");
    let digest = crate::support::digest(&old);
    let part = |from, to| digest.get(from..to).expect("hex").to_owned();
    let kept = home
        .path("archive")
        .join(part(0, 2))
        .join(part(2, 4))
        .join(&digest);
    fs::create_dir_all(kept.parent().expect("a folder")).expect("made");
    fs::write(&kept, &old).expect("written");
    fs::write(&file, b"new bytes of a file, of which no row tells").expect("written");
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!(
        (code, named(&json)),
        (6, vec![format!("size {}", place(&home, &file))])
    );
    let remedy = json["differences"][0]["remedy"].as_str().expect("a text");
    assert!(remedy.contains("the archive has them"), "{remedy}");

    let (code, json) = verify(&home, &sim, &["--repair"]);
    assert_eq!(
        (code, &json["differences"][0]["repair"]),
        (0, &"restored".into())
    );
    assert_eq!(fs::read(&file).expect("read"), old);
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_nights_with_a_twentieth_read_every_file_and_lengths_are_seen_each_night() {
    let (sim, home) = backed_up(60).await;
    let victim = file_of(&home, &sim.media_ids()[30]);
    flip(&victim);
    let mut found = 0;
    let mut read = 0;
    for night in 0..20 {
        let (code, json) = verify(&home, &sim, &["--subset", "5%"]);
        read += json["files_read"].as_u64().expect("a count");
        assert_eq!(json["subset"], "5/100");
        assert_eq!(json["mirror"]["checked"], 60, "night {night}");
        if code == 6 {
            found += 1;
            assert_eq!(named(&json), [format!("bytes {}", place(&home, &victim))]);
        }
    }
    // Each file once; the damaged one twice, for it is looked at again before it is named.
    assert_eq!((found, read), (1, 61));
    // Its length is wrong as well: that is seen on any night.
    fs::write(&victim, b"short").expect("written");
    let (code, json) = verify(&home, &sim, &["--subset", "1/1000"]);
    assert_eq!(
        (code, named(&json)),
        (6, vec![format!("size {}", place(&home, &victim))])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_database_of_another_program_is_named_before_any_folder() {
    let (sim, home) = backed_up(1).await;
    for name in ["", "-wal", "-shm"] {
        let path = format!("{}{name}", home.database().display());
        if fs::exists(&path).expect("a look") {
            fs::remove_file(&path).expect("removed");
        }
    }
    fs::remove_dir_all(home.path("mirror")).expect("removed");
    super::meddle(&home, "CREATE TABLE theirs (x); PRAGMA application_id = 7;");
    for flags in [&[][..], &["--repair"], &["--database"]] {
        let (code, text) = told(&home, &sim, flags);
        assert_eq!(code, 1, "{text}");
        assert!(text.contains("is a database of another program"), "{text}");
        assert!(!text.contains("mirror"), "{text}");
    }
}
