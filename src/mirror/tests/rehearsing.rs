//! What would keep a file out is found without one.

use std::os::unix::fs::symlink;

use super::*;

fn path() -> RelPath {
    RelPath::parse("host/assets/a.png").expect("a path")
}

/// All names below a folder.
fn names(folder: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        all.push(entry.path());
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            all.extend(names(&entry.path()));
        }
    }
    all.sort();
    all
}

#[test]
fn where_nothing_is_in_the_way_nothing_is_left_behind() {
    let home = Home::new();
    let mirror = home.open();
    mirror.rehearse(&path()).expect("all is well");
    assert!(
        !mirror.rehearse_archive().expect("all is well"),
        "it is one file system"
    );
    // The host's folder is made by then, and is all that is.
    assert_eq!(names(&home.root()), [home.file(".tmp"), home.file("host")]);
    assert_eq!(names(&home.archive()), [home.archive().join(".tmp")]);
    // Whatever is there stays.
    mirror.save_whole(b"bytes", &path(), None).expect("saved");
    let before = names(&home.root());
    mirror.rehearse(&path()).expect("all is well");
    assert_eq!(names(&home.root()), before);
}

#[test]
fn a_link_or_a_file_in_the_place_of_a_host_is_found() {
    let home = Home::new();
    let mirror = home.open();
    symlink("/nowhere", home.file("host")).expect("a link");
    let err = mirror.rehearse(&path()).expect_err("a link");
    assert!(err.is_blocked() && err.hint().is_some(), "{err:?}");
    fs::remove_file(home.file("host")).expect("removed");
    fs::write(home.file("host"), "").expect("a file");
    let err = mirror.rehearse(&path()).expect_err("a file");
    assert!(err.is_blocked() && err.hint().is_some(), "{err:?}");
}

#[test]
fn an_archive_elsewhere_needs_room_of_its_own() {
    let home = Home::new();
    let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
        // Not on every system.
        return;
    };
    let options = Options {
        archive: elsewhere.path().join("archive"),
        ..home.options()
    };
    let mirror = Mirror::open(&options).expect("the mirror opens");
    assert!(mirror.rehearse_archive().expect("it copies"));
    mirror.fits_archive(1).expect("room for a byte");
    let err = mirror
        .fits_archive(u64::MAX)
        .expect_err("no room for all bytes");
    assert!(err.is_out_of_space(), "{err:?}");
}
