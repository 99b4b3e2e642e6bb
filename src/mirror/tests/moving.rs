//! A saved file that gets another path.

use std::process::Command;
use std::sync::atomic::Ordering::SeqCst;

use rustix::io::Errno;

use super::*;

const OLD: &str = "old.io/a/f";
const NEW: &str = "new.io/a/f";

fn home(before: &[(&str, &[u8])]) -> Home {
    let home = Home::new();
    home.open();
    for (path, bytes) in before {
        home.put(path, bytes);
    }
    home
}

#[test]
fn a_file_moves_whole_and_leaves_its_old_path() {
    let home = home(&[(OLD, b"bytes")]);
    let moved = home
        .open()
        .relocate(&was(OLD, b"bytes"), &rel(NEW))
        .unwrap();
    assert_eq!((moved.path.as_str(), moved.bytes), (NEW, 5));
    assert_eq!(home.read(NEW).as_deref(), Some(b"bytes".as_slice()));
    assert_eq!(home.read(OLD), None);
    assert!(!home.archived(b"bytes").exists(), "nothing was superseded");
    assert!(home.temporary_files().is_empty());
}

#[test]
fn a_stranger_at_the_new_path_goes_to_the_archive() {
    let home = home(&[(OLD, b"bytes"), (NEW, b"stranger")]);
    home.open()
        .relocate(&was(OLD, b"bytes"), &rel(NEW))
        .unwrap();
    assert_eq!(home.read(NEW).as_deref(), Some(b"bytes".as_slice()));
    assert_eq!(fs::read(home.archived(b"stranger")).unwrap(), b"stranger");
}

#[test]
fn a_move_that_was_done_before_is_found_done() {
    let home = home(&[(NEW, b"bytes")]);
    let moved = home
        .open()
        .relocate(&was(OLD, b"bytes"), &rel(NEW))
        .unwrap();
    assert!(moved.was_unchanged);
}

#[test]
fn what_is_not_the_recorded_file_is_not_moved() {
    for before in [&[][..], &[(OLD, b"other".as_slice())]] {
        let home = home(before);
        let error = home
            .open()
            .relocate(&was(OLD, b"bytes"), &rel(NEW))
            .unwrap_err();
        assert!(error.is_gone(), "{error}");
        assert_eq!(home.read(NEW), None);
        assert_eq!(home.read(OLD).is_some(), !before.is_empty());
    }
}

#[test]
fn a_stop_at_any_step_leaves_the_bytes_a_name_and_the_next_try_ends_the_same() {
    let before: &[(&str, &[u8])] = &[(OLD, b"bytes"), (NEW, b"stranger")];
    let stopping = |stop_at: usize, is_crash: bool| {
        let steps = Steps::default();
        steps.plan.stop_at.store(stop_at, SeqCst);
        steps.plan.is_crash.store(is_crash, SeqCst);
        steps.plan.errno.store(Errno::NOSPC.raw_os_error(), SeqCst);
        steps
    };
    for is_crash in [false, true] {
        for step in 1.. {
            let home = home(before);
            let mirror = home.open_with(&stopping(step, is_crash));
            let stopped = mirror.relocate(&was(OLD, b"bytes"), &rel(NEW)).is_err();
            let names: Vec<Vec<u8>> = [home.read(OLD), home.read(NEW)]
                .into_iter()
                .flatten()
                .collect();
            assert!(names.contains(&b"bytes".to_vec()), "step {step}");
            assert!(
                names.contains(&b"stranger".to_vec()) || home.archived(b"stranger").exists(),
                "step {step}"
            );
            home.open()
                .relocate(&was(OLD, b"bytes"), &rel(NEW))
                .unwrap();
            assert_eq!(home.read(NEW).as_deref(), Some(b"bytes".as_slice()));
            assert_eq!(home.read(OLD), None, "step {step}, crash: {is_crash}");
            home.assert_archive_is_sound();
            assert!(home.temporary_files().is_empty());
            if !stopped {
                assert!(step > 5, "only {step} steps");
                break;
            }
        }
    }
}

#[test]
fn a_second_path_leaves_the_file_where_it_is_and_a_stop_at_any_step_loses_nothing() {
    let before: &[(&str, &[u8])] = &[(OLD, b"bytes"), (NEW, b"stranger")];
    for is_crash in [false, true] {
        for step in 1.. {
            let home = home(before);
            let steps = Steps::default();
            steps.plan.stop_at.store(step, SeqCst);
            steps.plan.is_crash.store(is_crash, SeqCst);
            steps.plan.errno.store(Errno::NOSPC.raw_os_error(), SeqCst);
            let add = |mirror: &Mirror| mirror.add_path(&was(OLD, b"bytes"), &rel(NEW));
            let stopped = add(&home.open_with(&steps)).is_err();
            assert_eq!(home.read(OLD).as_deref(), Some(b"bytes".as_slice()));
            assert!(
                home.read(NEW).as_deref() == Some(b"stranger".as_slice())
                    || home.archived(b"stranger").exists(),
                "step {step}"
            );
            for _again in 0..2 {
                add(&home.open()).unwrap();
                for path in [OLD, NEW] {
                    assert_eq!(home.read(path).as_deref(), Some(b"bytes".as_slice()));
                }
            }
            assert_eq!(fs::read(home.archived(b"stranger")).unwrap(), b"stranger");
            home.assert_archive_is_sound();
            assert!(home.temporary_files().is_empty());
            if !stopped {
                assert!(step > 4, "only {step} steps");
                break;
            }
        }
    }
}

/// A folder that is another one, too, as where a file system does not tell two names apart. `None` without the right to make it.
struct Alias(PathBuf);

impl Alias {
    fn new(of: &Path, at: PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").arg("--bind").args([of, &at]).output();
        if mounted.is_ok_and(|done| done.status.success()) {
            return Some(Self(at));
        }
        println!("skipped: mounting a folder is not allowed here");
        None
    }
}

impl Drop for Alias {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).status());
    }
}

#[test]
fn two_paths_that_are_one_name_never_cost_the_only_copy_wherever_the_work_stops() {
    for stop_at in 0.. {
        let home = home(&[(OLD, b"bytes")]);
        let Some(_alias) = Alias::new(&home.file("old.io"), home.file("new.io")) else {
            return;
        };
        let steps = Steps::default();
        steps.plan.stop_at.store(stop_at, SeqCst);
        steps.plan.is_crash.store(true, SeqCst);
        let moved = home
            .open_with(&steps)
            .relocate(&was(OLD, b"bytes"), &rel(NEW));
        let is_here = home.read(NEW).as_deref() == Some(b"bytes".as_slice());
        let is_archived = home.archived(b"bytes").exists();
        assert!(is_here || is_archived, "step {stop_at}: {moved:?}");
        // A mount, unlike such a file system, keeps files from being moved into it: then nothing is said to be done.
        assert!(moved.is_err() || is_here, "step {stop_at}: {moved:?}");
        if steps.plan.passed() < stop_at {
            assert!(stop_at > 3, "too few steps to be all");
            return;
        }
    }
}
