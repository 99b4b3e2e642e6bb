use std::os::unix::fs::symlink;
use std::process::Command;

use super::*;

#[test]
fn a_file_where_a_folder_must_be_asks_for_the_fallback() {
    let home = Home::new();
    let mirror = home.open();
    mirror.save_whole(b"file", &rel("h.io/a"), None).unwrap();
    for size in [3, 700_000] {
        let bytes = vec![5; size];
        let mut partial = mirror.begin("x", 0);
        partial.write(&bytes).unwrap();
        let mut finished = partial.finish(Expect::default()).unwrap();
        let error = finished.publish(&rel("h.io/a/b/c"), None).unwrap_err();
        assert!(error.is_blocked(), "{error}");
        assert_eq!(
            error.to_string(),
            "`h.io/a/b/c` cannot be saved under that name: `h.io/a` is in the way"
        );
        // The bytes need not be fetched again.
        let path = RelPath::fallback("https://h.io/a/b/c").unwrap();
        finished.publish(&path, None).unwrap();
        assert!(home.read(path.as_str()).unwrap() == bytes);
    }
    assert_eq!(home.read("h.io/a").unwrap(), b"file");
    assert!(home.temporary_files().is_empty());
}

#[test]
fn a_folder_where_the_file_must_be_asks_for_the_fallback() {
    let home = Home::new();
    let mirror = home.open();
    mirror.save_whole(b"file", &rel("h.io/a/b"), None).unwrap();
    let error = mirror.save_whole(b"x", &rel("h.io/a"), None).unwrap_err();
    assert!(error.is_blocked(), "{error}");
    assert_eq!(home.read("h.io/a/b").unwrap(), b"file");
    assert!(home.temporary_files().is_empty());
}

#[test]
fn a_planted_link_never_leads_a_write_outside() {
    let home = Home::new();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("precious"), b"precious").unwrap();
    let mirror = home.open();
    fs::create_dir_all(home.file("h.io/real")).unwrap();
    symlink(outside.path(), home.file("h.io/folder")).unwrap();
    symlink("real", home.file("h.io/inner")).unwrap();
    symlink(outside.path(), home.file("other.io")).unwrap();
    symlink(outside.path().join("precious"), home.file("h.io/real/file")).unwrap();

    for path in [
        "h.io/folder/precious",
        "h.io/folder/new/x",
        "h.io/inner/x",
        "other.io/precious",
    ] {
        let error = mirror.save_whole(b"x", &rel(path), None).unwrap_err();
        assert!(error.is_blocked(), "{path}: {error}");
    }
    // A link in the file's own place is replaced, not followed, whatever the row says.
    mirror
        .save_whole(
            b"x",
            &rel("h.io/real/file"),
            Some(&was("other.io/precious", b"precious")),
        )
        .unwrap();
    assert!(!home.file("h.io/real/file").is_symlink());
    assert_eq!(home.read("h.io/real/file").unwrap(), b"x");
    let found = files_below(outside.path());
    assert_eq!(found, [outside.path().join("precious")]);
    assert_eq!(fs::read(&found[0]).unwrap(), b"precious");
    assert!(mirror.check(&rel("other.io/precious"), 8).is_err());
    assert_eq!(mirror.hash(&rel("other.io/precious")).unwrap_or(None), None);
}

#[test]
fn a_named_pipe_in_the_way_does_not_make_a_run_wait() {
    let home = Home::new();
    let mirror = home.open();
    home.put("h.io/x", b"");
    let made = Command::new("mkfifo")
        .arg(home.file("h.io/pipe"))
        .status()
        .unwrap();
    assert!(made.success());
    assert_eq!(mirror.hash(&rel("h.io/pipe")).unwrap(), None);
    mirror.save_whole(b"x", &rel("h.io/pipe"), None).unwrap();
    assert_eq!(home.read("h.io/pipe").unwrap(), b"x");
}

#[test]
fn a_named_pipe_in_the_place_of_a_folder_is_refused_at_once() {
    for pipe in ["mirror", "archive"] {
        let home = tempfile::tempdir().unwrap();
        let options = Options {
            root: home.path().join("mirror"),
            archive: home.path().join("archive"),
            file_mode: None,
            dir_mode: None,
        };
        fs::create_dir(home.path().join("mirror")).unwrap();
        let path = home.path().join(pipe);
        // Only the empty one of the two: the other has to be there.
        drop(fs::remove_dir(&path));
        let made = Command::new("mkfifo").arg(&path).status().unwrap();
        assert!(made.success());
        for err in [
            Mirror::open(&options).unwrap_err(),
            Reader::open(&options).unwrap_err(),
        ] {
            assert!(err.to_string().contains(pipe), "{err}");
            let hint = err.hint().unwrap();
            assert!(hint.contains("pipe"), "{hint}");
        }
    }
}

#[test]
fn a_name_too_long_for_the_file_system_asks_for_the_fallback() {
    let home = Home::new();
    // 255 bytes are allowed by `RelPath`; a folder of that name is then pushed over the limit of the path.
    let deep = format!("h.io/{}/x", "n".repeat(255));
    home.open().save_whole(b"x", &rel(&deep), None).unwrap();
    let error =
        MirrorError::named("rename", "h.io/x", "h.io/x")(rustix::io::Errno::NAMETOOLONG.into());
    assert!(error.is_blocked());
    let error = MirrorError::named("rename", "h.io/x", "h.io/x")(rustix::io::Errno::NOSPC.into());
    assert!(!error.is_blocked() && error.is_out_of_space());
}

#[test]
fn a_folder_removed_behind_our_back_is_made_again() {
    let home = Home::new();
    let mirror = home.open();
    // Twice, so that the folder is one of those remembered.
    for name in ["1", "2", "3"] {
        mirror
            .save_whole(b"x", &rel(&format!("h.io/a/{name}")), None)
            .unwrap();
    }
    fs::remove_dir_all(home.file("h.io")).unwrap();
    mirror.save_whole(b"x", &rel("h.io/a/4"), None).unwrap();
    let mut partial = mirror.begin("x", 0);
    partial.write(&[1; 600_000]).unwrap();
    let mut finished = partial.finish(Expect::default()).unwrap();
    fs::remove_dir_all(home.file("h.io")).unwrap();
    finished.publish(&rel("h.io/a/5"), None).unwrap();
    assert_eq!(home.read("h.io/a/5").unwrap().len(), 600_000);
}

#[test]
fn opening_clears_what_earlier_runs_left_and_nothing_else() {
    let home = Home::new();
    for path in [
        ".tmp/part-77-1-x",
        ".tmp/notes.txt",
        ".tmp/part-folder/x",
        "h.io/part-1",
    ] {
        home.put(path, b"x");
    }
    fs::create_dir_all(home.archive().join(".tmp")).unwrap();
    fs::write(home.archive().join(".tmp/part-77-2-x"), b"x").unwrap();
    home.open();
    let left: Vec<_> = files_below(&home.root());
    assert_eq!(
        left,
        [
            home.file(".tmp/notes.txt"),
            home.file(".tmp/part-folder/x"),
            home.file("h.io/part-1")
        ]
    );
    assert!(files_below(&home.archive()).is_empty());
}

#[test]
fn an_unusable_folder_is_named_with_a_remedy() {
    let home = Home::new();
    fs::write(home.root(), b"a file").unwrap();
    let error = Mirror::open(&home.options()).unwrap_err();
    let root = home.root();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot use `{}` as a folder for the backup's files",
            root.display()
        )
    );
    assert_eq!(
        error.hint(),
        Some(
            "a file, a pipe or a symbolic link has this name, and links are not followed here; move it away"
        )
    );

    let below = Options {
        root: root.join("deeper"),
        ..home.options()
    };
    assert!(Mirror::open(&below).unwrap_err().hint().is_some());

    let home = Home::new();
    fs::write(home.archive(), b"a file").unwrap();
    let error = Mirror::open(&home.options()).unwrap_err();
    assert!(error.to_string().contains("archive"), "{error}");

    let error = Reader::open(&Home::new().options()).unwrap_err();
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("does not exist") && hint.contains("`storage.mirror`"),
        "{hint}"
    );
}

#[test]
fn a_folder_without_permission_is_refused_at_once() {
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

    let home = Home::new();
    home.open();
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o500)).unwrap();
    let opened = Mirror::open(&home.options());
    fs::set_permissions(home.root(), fs::Permissions::from_mode(0o700)).unwrap();
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        println!("skipped: permissions do not bind the superuser");
        return;
    }
    let hint = opened.unwrap_err().hint().unwrap();
    assert!(hint.contains("service user"), "{hint}");
}

/// A file system of its own, unmounted in the end.
struct Mount(TempDir);

impl Mount {
    fn new(options: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "tmpfs"])
            .arg(dir.path())
            .output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(dir));
        }
        println!("skipped: mounting a tmpfs is not allowed here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        assert!(
            Command::new("umount")
                .arg("-l")
                .arg(self.0.path())
                .status()
                .is_ok_and(|status| status.success())
        );
    }
}

fn options_in(folder: &Path) -> Options {
    Options {
        root: folder.join("mirror"),
        archive: folder.join("archive"),
        file_mode: None,
        dir_mode: None,
    }
}

#[test]
fn a_full_disk_is_told_apart_and_heals_when_there_is_room() {
    let Some(mount) = Mount::new("size=1m") else {
        return;
    };
    let mirror = Mirror::open(&options_in(mount.0.path())).unwrap();
    let path = rel("h.io/a");
    mirror.save_whole(b"v1", &path, None).unwrap();
    let ballast = mount.0.path().join("ballast");
    fs::write(&ballast, vec![0; 500_000]).unwrap();

    // Streamed and in one go, new and in the place of the old.
    for (path, old) in [
        (rel("h.io/b/new"), None),
        (path.clone(), Some(was("h.io/a", b"v1"))),
    ] {
        let bytes = vec![1; 700_000];
        let error = mirror.save_whole(&bytes, &path, old.as_ref()).unwrap_err();
        assert!(error.is_out_of_space() && error.hint().is_some(), "{error}");
        let mut partial = mirror.begin("x", 0);
        let streamed = partial
            .write(&bytes)
            .and_then(|()| partial.finish(Expect::default()));
        let error = streamed
            .and_then(|mut finished| finished.publish(&path, old.as_ref()))
            .unwrap_err();
        assert!(error.is_out_of_space(), "{error}");
        assert!(files_below(&mount.0.path().join("mirror/.tmp")).is_empty());
        assert_eq!(
            fs::read(mount.0.path().join("mirror/h.io/a")).unwrap(),
            b"v1"
        );
    }
    assert!(mirror.free_space().unwrap().bytes < 700_000);
    fs::remove_file(ballast).unwrap();
    // The child of another test has our open files between its birth and its program, also those without a name.
    let begun = std::time::Instant::now();
    let mut is_free = false;
    while !is_free && begun.elapsed() < std::time::Duration::from_secs(5) {
        std::thread::yield_now();
        is_free = mirror.free_space().unwrap().bytes > 900_000;
    }
    assert!(is_free);
    mirror
        .save_whole(&[1; 700_000], &path, Some(&was("h.io/a", b"v1")))
        .unwrap();
    assert!(mirror.hash_archived(&Digest::of(b"v1")).unwrap().is_some());
}

#[test]
fn a_disk_without_inodes_is_a_full_disk() {
    let Some(mount) = Mount::new("size=1m,nr_inodes=16") else {
        return;
    };
    let mirror = Mirror::open(&options_in(mount.0.path())).unwrap();
    let error = (0..20)
        .find_map(|i| {
            mirror
                .save_whole(b"x", &rel(&format!("h.io/{i}")), None)
                .err()
        })
        .unwrap();
    assert!(error.is_out_of_space(), "{error}");
    assert_eq!(mirror.free_space().unwrap().inodes, Some(0));
    assert!(files_below(&mount.0.path().join("mirror/.tmp")).is_empty());
}

#[test]
fn a_read_only_file_system_is_refused_at_once() {
    let Some(mount) = Mount::new("size=1m") else {
        return;
    };
    let options = options_in(mount.0.path());
    let mirror = Mirror::open(&options).unwrap();
    let remounted = Command::new("mount")
        .args(["-o", "remount,ro"])
        .arg(mount.0.path())
        .status()
        .unwrap();
    assert!(remounted.success());
    let error = mirror.save_whole(b"x", &rel("h.io/a"), None).unwrap_err();
    assert!(error.is_read_only() && !error.is_out_of_space(), "{error}");
    assert!(Mirror::open(&options).unwrap_err().is_read_only());
    assert!(Reader::open(&options).is_ok());
}
