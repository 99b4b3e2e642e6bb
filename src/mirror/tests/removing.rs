//! What `prune` does to the files, also when it stops halfway.

use std::sync::atomic::Ordering::SeqCst;

use rustix::io::Errno;

use super::*;

#[test]
fn a_file_takes_the_folders_along_that_only_it_needed() {
    let home = Home::new();
    home.put("h.io/a/b/one", b"1");
    home.put("h.io/a/c/two", b"2");
    let mirror = home.open();
    assert!(mirror.remove(&rel("h.io/a/b/one")).unwrap());
    assert!(!home.file("h.io/a/b").exists());
    assert_eq!(home.read("h.io/a/c/two").as_deref(), Some(&b"2"[..]));
    assert!(mirror.remove(&rel("h.io/a/c/two")).unwrap());
    assert!(!home.file("h.io/a").exists());
    assert!(home.file("h.io").is_dir(), "a web server may serve it");
    // What remembered the folders makes them again.
    mirror
        .save_whole(b"again", &rel("h.io/a/b/one"), None)
        .unwrap();
    assert_eq!(home.read("h.io/a/b/one").as_deref(), Some(&b"again"[..]));
}

#[test]
fn archived_bytes_have_a_length_until_they_go() {
    let home = Home::new();
    home.put("h.io/a/f", b"old");
    let mirror = home.open();
    let digest = Digest::of(b"old");
    assert_eq!(mirror.archived_length(&digest).unwrap(), None);
    mirror.save_whole(b"new", &rel("h.io/a/f"), None).unwrap();
    assert_eq!(mirror.archived_length(&digest).unwrap(), Some(3));
    assert!(mirror.remove_archived(&digest).unwrap());
    assert_eq!(mirror.archived_length(&digest).unwrap(), None);
    assert!(!home.archived(b"old").parent().unwrap().exists());
    // A folder is no bytes.
    fs::create_dir_all(home.archived(b"old")).unwrap();
    assert_eq!(mirror.archived_length(&digest).unwrap(), None);
}

#[test]
fn needed_bytes_move_to_the_archive_and_others_are_left_alone() {
    let home = Home::new();
    home.put("h.io/a/f", b"needed");
    let mirror = home.open();
    assert!(!mirror.archive(&was("h.io/a/f", b"other")).unwrap());
    assert!(!mirror.archive(&was("h.io/none", b"needed")).unwrap());
    assert_eq!(home.read("h.io/a/f").as_deref(), Some(&b"needed"[..]));
    assert!(mirror.archive(&was("h.io/a/f", b"needed")).unwrap());
    assert_eq!(home.read("h.io/a/f"), None);
    assert_eq!(fs::read(home.archived(b"needed")).unwrap(), b"needed");
    home.assert_archive_is_sound();
}

#[test]
fn a_file_that_is_set_aside_is_copied_and_whoever_has_another_name_of_it_may_write_to_it() {
    let home = Home::new();
    home.put("h.io/a/f", b"theirs");
    let other = home.dir.path().join("other");
    fs::hard_link(home.file("h.io/a/f"), &other).unwrap();
    let mirror = home.open();
    assert!(!mirror.set_aside(&was("h.io/a/f", b"ours")).unwrap());
    assert!(!mirror.set_aside(&was("h.io/none", b"theirs")).unwrap());
    assert_eq!(home.read("h.io/a/f").as_deref(), Some(&b"theirs"[..]));
    assert!(mirror.set_aside(&was("h.io/a/f", b"theirs")).unwrap());
    assert_eq!(home.read("h.io/a/f"), None);
    fs::write(other, b"edited").unwrap();
    assert_eq!(fs::read(home.archived(b"theirs")).unwrap(), b"theirs");
    home.assert_archive_is_sound();
}

/// The removals that are stopped after every step.
type Removal = fn(&Mirror) -> Result<bool, MirrorError>;

#[test]
fn whatever_step_it_stops_at_nothing_else_is_touched_and_the_next_time_ends_the_same() {
    let removals: [(&str, Removal); 4] = [
        ("from the mirror", |mirror| {
            mirror.remove(&rel("h.io/a/b/f"))
        }),
        ("from the archive", |mirror| {
            mirror.remove_archived(&Digest::of(b"old"))
        }),
        ("to the archive", |mirror| {
            mirror.archive(&was("h.io/a/b/f", b"bytes"))
        }),
        ("to the archive, by a copy", |mirror| {
            mirror.set_aside(&was("h.io/a/b/f", b"bytes"))
        }),
    ];
    for (name, remove) in removals {
        let is_to_archive = name.starts_with("to the archive");
        for is_crash in [true, false] {
            for stop_at in 1.. {
                let home = Home::new();
                home.put("h.io/a/b/f", b"bytes");
                home.put("h.io/a/other", b"old");
                home.open()
                    .save_whole(b"other", &rel("h.io/a/other"), None)
                    .unwrap();
                let steps = Steps::default();
                let mirror = home.open_with(&steps);
                steps.plan.is_crash.store(is_crash, SeqCst);
                steps.plan.errno.store(Errno::IO.raw_os_error(), SeqCst);
                steps
                    .plan
                    .stop_at
                    .store(steps.plan.passed() + stop_at, SeqCst);
                let stopped = remove(&mirror);
                drop(mirror);
                let whole = |bytes: Option<Vec<u8>>| bytes.is_none_or(|bytes| bytes == b"bytes");
                assert!(whole(home.read("h.io/a/b/f")), "{name} {stop_at}");
                assert!(
                    whole(fs::read(home.archived(b"bytes")).ok()),
                    "{name} {stop_at}"
                );
                if is_to_archive {
                    let is_somewhere =
                        home.file("h.io/a/b/f").exists() || home.archived(b"bytes").exists();
                    assert!(is_somewhere, "{stop_at}");
                }
                let mirror = home.open();
                remove(&mirror).unwrap();
                let is_there = home.file("h.io/a/b/f").exists();
                assert_eq!(is_there, name == "from the archive", "{name} {stop_at}");
                let is_archived = home.archived(b"bytes").exists();
                assert_eq!(is_archived, is_to_archive, "{name} {stop_at}");
                let is_old_there = home.archived(b"old").exists();
                assert_eq!(is_old_there, name != "from the archive", "{name} {stop_at}");
                assert_eq!(home.read("h.io/a/other").as_deref(), Some(&b"other"[..]));
                home.assert_archive_is_sound();
                if stopped.is_ok() {
                    assert!(stop_at > 2, "{name}: only {stop_at} steps");
                    break;
                }
            }
        }
    }
}
