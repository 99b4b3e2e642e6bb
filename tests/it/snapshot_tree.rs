//! `snapshot` with a tree of the files: every one of that moment, however the disk can hold them.

use crate::snapshot::{backup, names, program, report, said, text};
use crate::support::{Expect as _, Program, Volume, replace_bytes};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Output};

/// Runs the real `sha256sum -c` in a folder.
fn sha256sum(folder: &Path) -> Output {
    Command::new("sha256sum")
        .args(["--check", "--strict", "SHA256SUMS"])
        .current_dir(folder)
        .output()
        .expect("sha256sum of coreutils")
}

/// The files of a tree, without its list.
fn files_below(folder: &Path, found: &mut BTreeSet<String>, root: &Path) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files_below(&path, found, root);
        } else {
            found.insert(
                path.strip_prefix(root)
                    .expect("below")
                    .display()
                    .to_string(),
            );
        }
    }
}

fn tree_of(root: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    files_below(root, &mut found, root);
    assert!(found.remove("SHA256SUMS"), "{found:?}");
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tree_has_every_file_of_that_moment_and_sha256sum_agrees() {
    let (home, sim) = backup().await;
    let linked = report(
        &program(
            &home,
            &sim,
            &["a.sqlite3", "--with-mirror", "linked", "--json"],
        )
        .run(),
        0,
    );
    let copied = report(
        &program(
            &home,
            &sim,
            &["b.sqlite3", "--with-mirror", "copied", "--copy", "--json"],
        )
        .run(),
        0,
    );
    let paths: BTreeSet<String> = home.texts("SELECT path FROM assets").into_iter().collect();
    let inode = |path: std::path::PathBuf| fs::metadata(path).expect("it").ino();
    for (folder, report, is_linked) in [("linked", linked, true), ("copied", copied, false)] {
        assert_eq!(tree_of(&home.path(folder)), paths);
        let checked = sha256sum(&home.path(folder));
        assert!(checked.status.success(), "{}", text(&checked.stderr));
        assert_eq!(text(&checked.stdout).lines().count(), 12);
        assert_eq!(
            report["mirror"][if is_linked { "linked" } else { "copied" }],
            12
        );
        for path in &paths {
            let is_one =
                inode(home.path(folder).join(path)) == inode(home.path("mirror").join(path));
            assert_eq!(is_one, is_linked, "{path}");
        }
    }
    // What a later run does to the mirror leaves the tree as it is.
    let id = sim.media_ids().remove(0);
    replace_bytes(&sim, id);
    home.sync(&sim).await.expect_complete();
    assert!(sha256sum(&home.path("linked")).status.success());

    // Into an empty folder that is there already.
    fs::create_dir(home.path("empty")).expect("made");
    said(
        &program(&home, &sim, &["c.sqlite3", "--with-mirror", "empty"]).run(),
        0,
    );
    assert!(sha256sum(&home.path("empty")).status.success());

    // In the place of the mirror it is one, with its list.
    fs::rename(home.path("mirror"), home.path("before")).expect("moved");
    fs::rename(home.path("empty"), home.path("mirror")).expect("moved");
    let verified = Program::command(&["verify"], &home, &sim).run();
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}",
        text(&verified.stdout)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_a_run_superseded_or_moved_meanwhile_are_found() {
    let (home, sim) = backup().await;
    let paths = home.texts("SELECT path FROM assets ORDER BY path");
    let digests = home.texts("SELECT sha256 FROM assets ORDER BY path");
    let mirror = home.path("mirror");
    // As a run does between the copy of the database and the look at the file: into the archive first.
    let archived = home
        .path("archive")
        .join(digests[0].get(..2).expect("hex"))
        .join(digests[0].get(2..4).expect("hex"));
    fs::create_dir_all(&archived).expect("made");
    fs::rename(mirror.join(&paths[0]), archived.join(&digests[0])).expect("moved");
    fs::write(mirror.join(&paths[0]), "the next version").expect("written");
    let words = report(
        &program(&home, &sim, &["a.sqlite3", "--with-mirror", "a", "--json"]).run(),
        0,
    );
    assert_eq!(words["mirror"]["linked"], 12);
    assert!(sha256sum(&home.path("a")).status.success());

    // Damaged here and nowhere else: named, and the others are there.
    fs::write(mirror.join(&paths[1]), "damaged").expect("written");
    fs::remove_file(mirror.join(&paths[2])).expect("gone");
    std::os::unix::fs::symlink("/etc/hostname", mirror.join(&paths[2])).expect("made");
    for (name, more) in [("b", None), ("c", Some("--copy"))] {
        let file = format!("{name}.sqlite3");
        let mut words = vec![file.as_str(), "--with-mirror", name, "--json"];
        words.extend(more);
        let output = program(&home, &sim, &words).run();
        let words = report(&output, 6);
        assert_eq!(words["mirror"]["missing"], 2);
        let missing: Vec<&str> = words["mirror"]["missing_files"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|file| file["path"].as_str().expect("a path"))
            .collect();
        assert_eq!(missing, [&paths[1], &paths[2]]);
        assert_eq!(tree_of(&home.path(name)).len(), 10);
        assert!(sha256sum(&home.path(name)).status.success());
    }
    let words = said(
        &program(&home, &sim, &["d.sqlite3", "--with-mirror", "d"]).run(),
        6,
    );
    assert!(words.contains("missing   2 files"), "{words}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_leaves_nothing_and_keeps_the_old_file() {
    let (home, sim) = backup().await;
    let Some(volume) = Volume::mount(home.path("small"), "size=200k") else {
        return;
    };
    fs::write(volume.path("s.sqlite3"), "precious").expect("written");
    let words = said(
        &program(&home, &sim, &["small/s.sqlite3", "--force"]).run(),
        1,
    );
    assert!(
        words.contains("small/s.sqlite3`") && words.contains("hint: free some space"),
        "{words}"
    );
    assert_eq!(fs::read(volume.path("s.sqlite3")).expect("it"), b"precious");
    // The tree is on another file system, so that its files are copied, and do not fit.
    fs::write(volume.path("filler"), vec![1; 190 * 1024]).expect("written");
    let words = said(
        &program(&home, &sim, &["s.sqlite3", "--with-mirror", "small/files"]).run(),
        1,
    );
    assert!(words.contains("full"), "{words}");
    assert!(!home.path("s.sqlite3").exists());
    assert_eq!(
        names(&home.path("small")),
        BTreeSet::from(["filler".to_owned(), "s.sqlite3".to_owned()])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_second_names_are_possible_files_are_copied() {
    let (home, sim) = backup().await;
    let Some(_volume) = Volume::mount(home.path("other"), "size=50m") else {
        return;
    };
    let words = report(
        &program(
            &home,
            &sim,
            &["s.sqlite3", "--with-mirror", "other/files", "--json"],
        )
        .run(),
        0,
    );
    assert_eq!(
        (
            words["mirror"]["linked"].as_i64(),
            words["mirror"]["copied"].as_i64()
        ),
        (Some(0), Some(12))
    );
    assert!(sha256sum(&home.path("other/files")).status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_the_working_folder_leads_nobody_elsewhere() {
    let (home, sim) = backup().await;
    let elsewhere = home.path("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder");
    fs::write(elsewhere.join("copy.sqlite3"), "somebody's").expect("a file");
    for (link, words) in [
        (".s.sqlite3.partial", &["s.sqlite3"][..]),
        (".tree.partial", &["s.sqlite3", "--with-mirror", "tree"]),
    ] {
        std::os::unix::fs::symlink(&elsewhere, home.path(link)).expect("a link");
        let text = said(&program(&home, &sim, words).run(), 1);
        assert!(text.contains(link), "{text}");
        assert!(!home.path("tree").exists());
        let left = fs::read_dir(&elsewhere).expect("it").count();
        assert_eq!(left, 1, "nothing was added or removed there");
        let kept = fs::read_to_string(elsewhere.join("copy.sqlite3")).expect("it");
        assert_eq!(kept, "somebody's");
        fs::remove_file(home.path(link)).expect("removed");
        assert!(!home.path("s.sqlite3").exists());

        // Or a folder that others can look and write into.
        fs::create_dir(home.path(link)).expect("a folder");
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(home.path(link), open).expect("open to all");
        let text = said(&program(&home, &sim, words).run(), 1);
        assert!(text.contains("others can write into it"), "{text}");
        fs::remove_dir(home.path(link)).expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_file_cannot_get_its_name_the_tree_loses_its_own() {
    let (home, sim) = backup().await;
    let before = names(&home.path("."));
    // SQLite would take the tree for the log of the file, so that the file is refused when the tree is there.
    let words = ["s.sqlite3", "--with-mirror", "s.sqlite3-wal"];
    let text = said(&program(&home, &sim, &words).run(), 2);
    assert!(text.contains("has a log of SQLite beside it"), "{text}");
    assert_eq!(names(&home.path(".")), before);
}
