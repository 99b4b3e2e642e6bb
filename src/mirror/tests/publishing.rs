use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

use super::*;

#[test]
fn a_saved_file_is_whole_private_and_alone() {
    let home = Home::new();
    let saved = home
        .open()
        .save_whole(b"v1", &rel("h.io/assets/a/logo.png"), None)
        .unwrap();
    assert_eq!(saved.sha256, Digest::of(b"v1"));
    assert_eq!(
        (saved.bytes, saved.was_unchanged, saved.archived.len()),
        (2, false, 0)
    );
    assert_eq!(home.read("h.io/assets/a/logo.png").unwrap(), b"v1");
    let mode = |path: &str| fs::metadata(home.file(path)).unwrap().mode() & 0o777;
    assert_eq!(mode("h.io/assets/a/logo.png"), 0o600);
    assert_eq!(
        (mode("h.io/assets/a"), mode("h.io"), mode("")),
        (0o700, 0o700, 0o700)
    );
    assert!(home.temporary_files().is_empty());
}

#[test]
fn modes_from_the_options_are_exact() {
    let home = Home::new();
    let options = Options {
        file_mode: Some(0o664),
        dir_mode: Some(0o775),
        ..home.options()
    };
    Mirror::open(&options)
        .unwrap()
        .save_whole(b"v1", &rel("h.io/a/logo.png"), None)
        .unwrap();
    let mode = |path: &str| fs::metadata(home.file(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (
            mode("h.io/a/logo.png"),
            mode("h.io/a"),
            mode("h.io"),
            mode("")
        ),
        (0o664, 0o775, 0o775, 0o775)
    );
}

#[test]
fn a_streamed_file_is_hashed_counted_and_invisible_until_published() {
    let home = Home::new();
    let mirror = home.open();
    // Sizes around the buffer, in pieces that do not divide it, and one piece larger than it.
    for (size, piece) in [
        (0, 1),
        (511, 100),
        (262_144, 10_000),
        (262_145, 10_007),
        (2_000_000, 65_536),
        (2_000_000, 900_000),
    ] {
        let bytes: Vec<u8> = (0..size)
            .map(|i: u32| (i.wrapping_mul(2_654_435_761) >> 24) as u8)
            .collect();
        let path = rel(&format!("h.io/{size}-{piece}/a.bin"));
        let mut partial = mirror.begin("some-id", 0);
        for chunk in bytes.chunks(piece) {
            partial.write(chunk).unwrap();
        }
        let mut finished = partial
            .finish(Expect {
                len: Some(u64::from(size)),
            })
            .unwrap();
        assert_eq!(finished.sha256(), Digest::of(&bytes));
        assert_eq!(finished.bytes(), u64::from(size));
        assert_eq!(finished.head(), &bytes[..bytes.len().min(512)]);
        assert!(!home.file(path.as_str()).exists());
        finished.publish(&path, None).unwrap();
        assert!(
            home.read(path.as_str()).unwrap() == bytes,
            "{size} bytes in pieces of {piece}"
        );
    }
    assert!(home.temporary_files().is_empty());
}

#[test]
fn small_and_large_pieces_keep_their_order() {
    let home = Home::new();
    let mirror = home.open();
    let sizes = [10, 300_000, 7, 65_536, 65_535, 1, 300_000, 9];
    let mut partial = mirror.begin("x", 20);
    let mut all = Vec::new();
    for (byte, size) in (1..).zip(sizes) {
        let piece = vec![byte; size];
        partial.write(&piece).unwrap();
        all.extend(piece);
    }
    let path = rel("h.io/a/b.bin");
    let mut finished = partial.finish(Expect::default()).unwrap();
    finished.publish(&path, None).unwrap();
    assert!(home.read(path.as_str()).unwrap() == all);
}

#[test]
fn a_file_cut_short_or_given_up_leaves_nothing() {
    let home = Home::new();
    let mirror = home.open();
    for size in [10, 1_000_000] {
        let mut partial = mirror.begin("9f/3c logo.png", 0);
        partial.write(&vec![7; size]).unwrap();
        let error = partial
            .finish(Expect {
                len: Some(2_000_000),
            })
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("asset `9f/3c logo.png` ended after {size} of 2000000 bytes")
        );

        let mut partial = mirror.begin("x", 0);
        partial.write(&vec![7; size]).unwrap();
        assert_eq!(home.temporary_files().len(), usize::from(size > 10));
        drop(partial);

        let mut partial = mirror.begin("x", 0);
        partial.write(&vec![7; size]).unwrap();
        drop(partial.finish(Expect::default()).unwrap());
    }
    assert!(home.temporary_files().is_empty());
    assert!(files_below(&home.root()).is_empty());
}

#[test]
fn superseded_bytes_move_to_the_archive_by_their_digest() {
    let home = Home::new();
    let mirror = home.open();
    let path = rel("h.io/a/logo.png");
    mirror.save_whole(b"v1", &path, None).unwrap();
    let saved = mirror
        .save_whole(b"v2", &path, Some(&was("h.io/a/logo.png", b"v1")))
        .unwrap();
    assert_eq!(saved.archived, [Digest::of(b"v1")]);
    assert_eq!(home.read("h.io/a/logo.png").unwrap(), b"v2");
    assert_eq!(fs::read(home.archived(b"v1")).unwrap(), b"v1");
    // One file, not a second name of a file in the mirror that could be damaged there.
    assert_eq!(fs::metadata(home.archived(b"v1")).unwrap().nlink(), 1);

    // Back and forth: each content once, and what is right is not written again.
    let inode = fs::metadata(home.archived(b"v1")).unwrap().ino();
    mirror
        .save_whole(b"v1", &path, Some(&was("h.io/a/logo.png", b"v2")))
        .unwrap();
    mirror
        .save_whole(b"v3", &path, Some(&was("h.io/a/logo.png", b"v1")))
        .unwrap();
    assert_eq!(fs::metadata(home.archived(b"v1")).unwrap().ino(), inode);
    assert_eq!(files_below(&home.archive()).len(), 2);
    home.assert_archive_is_sound();
}

#[test]
fn bytes_that_no_row_knows_are_archived_as_what_they_are() {
    let home = Home::new();
    let mirror = home.open();
    home.put("h.io/a/logo.png", b"edited by hand");
    for old in [None, Some(was("h.io/a/logo.png", b"v1"))] {
        home.put("h.io/a/logo.png", b"edited by hand");
        let saved = mirror
            .save_whole(b"v2", &rel("h.io/a/logo.png"), old.as_ref())
            .unwrap();
        assert_eq!(saved.archived, [Digest::of(b"edited by hand")]);
        assert_eq!(
            fs::read(home.archived(b"edited by hand")).unwrap(),
            b"edited by hand"
        );
    }
}

#[test]
fn the_same_bytes_again_leave_the_file_alone() {
    let home = Home::new();
    let mirror = home.open();
    let path = rel("h.io/a/logo.png");
    let large = vec![3; 600_000];
    mirror.save_whole(&large, &path, None).unwrap();
    let inode = fs::metadata(home.file("h.io/a/logo.png")).unwrap().ino();
    let mut partial = mirror.begin("x", 0);
    partial.write(&large).unwrap();
    let mut finished = partial.finish(Expect::default()).unwrap();
    let saved = finished
        .publish(&path, Some(&was("h.io/a/logo.png", &large)))
        .unwrap();
    assert!(saved.was_unchanged && saved.archived.is_empty());
    assert_eq!(
        fs::metadata(home.file("h.io/a/logo.png")).unwrap().ino(),
        inode
    );
    drop(finished);
    assert!(home.temporary_files().is_empty());
    assert!(files_below(&home.archive()).is_empty());
}

#[test]
fn a_renamed_medium_leaves_its_old_path_for_the_archive() {
    let home = Home::new();
    let mirror = home.open();
    mirror
        .save_whole(b"v1", &rel("h.io/a/old.png"), None)
        .unwrap();
    let saved = mirror
        .save_whole(
            b"v2",
            &rel("h.io/a/new.png"),
            Some(&was("h.io/a/old.png", b"v1")),
        )
        .unwrap();
    assert_eq!(saved.archived, [Digest::of(b"v1")]);
    assert_eq!(home.read("h.io/a/old.png"), None);
    assert_eq!(home.read("h.io/a/new.png").unwrap(), b"v2");
    assert_eq!(fs::read(home.archived(b"v1")).unwrap(), b"v1");
    // Same bytes under a new name: they live on there and need no second copy.
    let saved = mirror
        .save_whole(
            b"v2",
            &rel("h.io/b/newer.png"),
            Some(&was("h.io/a/new.png", b"v2")),
        )
        .unwrap();
    assert!(saved.archived.is_empty());
    assert_eq!(home.read("h.io/a/new.png"), None);
    assert_eq!(files_below(&home.archive()).len(), 1);
}

#[test]
fn two_media_that_swap_their_names_lose_nothing() {
    let home = Home::new();
    let mirror = home.open();
    mirror.save_whole(b"A", &rel("h.io/1"), None).unwrap();
    mirror.save_whole(b"B", &rel("h.io/2"), None).unwrap();
    mirror
        .save_whole(b"A2", &rel("h.io/2"), Some(&was("h.io/1", b"A")))
        .unwrap();
    mirror
        .save_whole(b"B2", &rel("h.io/1"), Some(&was("h.io/2", b"B")))
        .unwrap();
    assert_eq!(
        (home.read("h.io/1").unwrap(), home.read("h.io/2").unwrap()),
        (b"B2".to_vec(), b"A2".to_vec())
    );
    for bytes in [b"A", b"B"] {
        assert_eq!(fs::read(home.archived(bytes)).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_archive_file_is_set_aside_and_replaced() {
    let home = Home::new();
    let mirror = home.open();
    let path = rel("h.io/logo.png");
    mirror.save_whole(b"v1", &path, None).unwrap();
    mirror.save_whole(b"v2", &path, None).unwrap();
    fs::write(home.archived(b"v1"), b"rotten").unwrap();
    mirror.save_whole(b"v1", &path, None).unwrap();
    mirror.save_whole(b"v3", &path, None).unwrap();
    assert_eq!(fs::read(home.archived(b"v1")).unwrap(), b"v1");
    assert_eq!(fs::read(home.archived(b"rotten")).unwrap(), b"rotten");
    home.assert_archive_is_sound();
}

#[test]
fn the_archive_may_lie_in_another_file_system() {
    let home = Home::new();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        println!("skipped: no /dev/shm here");
        return;
    };
    if fs::metadata(elsewhere.path()).unwrap().dev() == fs::metadata(home.dir.path()).unwrap().dev()
    {
        println!("skipped: /dev/shm is the temporary folder's file system");
        return;
    }
    let options = Options {
        archive: elsewhere.path().join("archive"),
        ..home.options()
    };
    let mirror = Mirror::open(&options).unwrap();
    let path = rel("h.io/a.bin");
    let old: Vec<u8> = (0..700_000_u32).map(|i| (i % 251) as u8).collect();
    mirror.save_whole(&old, &path, None).unwrap();
    mirror.save_whole(b"v2", &path, None).unwrap();
    let found = mirror.hash_archived(&Digest::of(&old)).unwrap().unwrap();
    assert_eq!((found.sha256, found.bytes), (Digest::of(&old), 700_000));
    assert!(files_below(&options.archive.join(".tmp")).is_empty());
}

#[test]
fn many_threads_save_into_shared_and_separate_folders() {
    let home = Home::new();
    let mirror = home.open();
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let mirror = &mirror;
            scope.spawn(move || {
                for i in 0..40 {
                    let bytes = format!("{thread} {i}");
                    mirror
                        .save_whole(
                            bytes.as_bytes(),
                            &rel(&format!("h.io/shared/{thread}-{i}")),
                            None,
                        )
                        .unwrap();
                    mirror
                        .save_whole(
                            bytes.as_bytes(),
                            &rel(&format!("h.io/own/{thread}/{i}/f")),
                            None,
                        )
                        .unwrap();
                    // Everybody supersedes the same bytes at once.
                    mirror
                        .save_whole(b"same", &rel(&format!("h.io/own/{thread}/{i}/g")), None)
                        .unwrap();
                    mirror
                        .save_whole(b"next", &rel(&format!("h.io/own/{thread}/{i}/g")), None)
                        .unwrap();
                }
            });
        }
    });
    for thread in 0..8 {
        for i in 0..40 {
            let bytes = format!("{thread} {i}").into_bytes();
            assert_eq!(
                home.read(&format!("h.io/shared/{thread}-{i}")).unwrap(),
                bytes
            );
            assert_eq!(
                home.read(&format!("h.io/own/{thread}/{i}/f")).unwrap(),
                bytes
            );
        }
    }
    assert_eq!(files_below(&home.archive()), [home.archived(b"same")]);
    assert!(home.temporary_files().is_empty());
}
