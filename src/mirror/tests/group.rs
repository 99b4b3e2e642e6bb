//! Files published together: each keeps what is promised of one, whatever happens to the others.

use std::sync::atomic::Ordering::SeqCst;

use rustix::io::Errno;

use super::*;

/// Files of one group: new, large, replaced, a stranger's place taken, renamed, unchanged.
const BEFORE: [(&str, &[u8]); 5] = [
    ("h.io/b/f", b"old b"),
    ("h.io/c/f", b"stranger"),
    ("h.io/d/f", b"old d"),
    ("h.io/e/f", b"same e"),
    ("h.io/g/f", b"same bytes, moved"),
];

fn wanted() -> Vec<(&'static str, Vec<u8>, Option<Superseded>)> {
    vec![
        ("h.io/a/1", b"one".to_vec(), None),
        ("h.io/a/2", vec![2; 600_000], None),
        ("h.io/x/y/z/3", b"three".to_vec(), None),
        (
            "h.io/b/f",
            b"new b".to_vec(),
            Some(was("h.io/b/f", b"old b")),
        ),
        ("h.io/c/f", b"new c".to_vec(), None),
        (
            "h.io/d/g",
            b"new d".to_vec(),
            Some(was("h.io/d/f", b"old d")),
        ),
        (
            "h.io/e/f",
            b"same e".to_vec(),
            Some(was("h.io/e/f", b"same e")),
        ),
        (
            "h.io/g/g",
            b"same bytes, moved".to_vec(),
            Some(was("h.io/g/f", b"same bytes, moved")),
        ),
    ]
}

fn set_up() -> Home {
    let home = Home::new();
    home.open();
    for (path, bytes) in BEFORE {
        home.put(path, bytes);
    }
    home
}

fn entry(mirror: &Mirror, path: &str, bytes: &[u8], old: Option<Superseded>) -> Entry {
    let mut partial = mirror.begin("id", 0);
    partial.write(bytes).unwrap();
    Entry {
        finished: partial.finish(Expect::default()).unwrap(),
        path: rel(path),
        old,
    }
}

/// Publishes all; `None` where a file could not even be received.
fn save_all(mirror: &Mirror) -> Option<Vec<Result<Published, MirrorError>>> {
    let mut group = Vec::new();
    for (path, bytes, old) in wanted() {
        let mut partial = mirror.begin("id", 0);
        partial.write(&bytes).ok()?;
        group.push(Entry {
            finished: partial.finish(Expect::default()).ok()?,
            path: rel(path),
            old,
        });
    }
    Some(mirror.publish_group(&mut group))
}

fn steps(stop_at: usize, is_crash: bool, flushes_each: bool) -> Steps {
    let steps = Steps::default();
    steps.plan.stop_at.store(stop_at, SeqCst);
    steps.plan.is_crash.store(is_crash, SeqCst);
    steps.plan.flushes_each.store(flushes_each, SeqCst);
    steps.plan.errno.store(Errno::NOSPC.raw_os_error(), SeqCst);
    steps
}

fn assert_nothing_is_lost(home: &Home, moment: &str) {
    for (path, new, _) in wanted() {
        let was_there = BEFORE.iter().find(|(before, _)| *before == path);
        let was_there = was_there.map(|(_, bytes)| bytes.to_vec());
        let there = home.read(path);
        assert!(
            there == was_there || there.as_ref() == Some(&new),
            "{moment}: `{path}` is neither old nor new"
        );
    }
    let everywhere: Vec<Vec<u8>> = [home.root(), home.archive()]
        .iter()
        .flat_map(|root| files_below(root))
        .map(|file| fs::read(file).unwrap())
        .collect();
    for (path, bytes) in BEFORE {
        assert!(
            everywhere.iter().any(|found| found == bytes),
            "{moment}: what was at `{path}` is lost"
        );
    }
    home.assert_archive_is_sound();
}

fn assert_done(home: &Home, moment: &str) {
    assert_nothing_is_lost(home, moment);
    for (path, bytes, old) in wanted() {
        assert!(home.read(path) == Some(bytes.clone()), "{moment}: `{path}`");
        if let Some(old) = old.filter(|old| old.path.as_str() != path) {
            assert_eq!(home.read(old.path.as_str()), None, "{moment}: {}", old.path);
        }
    }
    for bytes in [&b"old b"[..], b"stranger", b"old d"] {
        assert_eq!(fs::read(home.archived(bytes)).unwrap(), bytes, "{moment}");
    }
    assert!(home.temporary_files().is_empty(), "{moment}");
}

#[test]
fn a_group_ends_as_its_files_would_one_by_one() {
    for flushes_each in [false, true] {
        let home = set_up();
        let mirror = home.open_with(&steps(0, false, flushes_each));
        let told: Vec<Published> = save_all(&mirror)
            .unwrap()
            .into_iter()
            .map(Result::unwrap)
            .collect();
        assert_done(&home, "a group");

        let alone = set_up();
        let mirror = alone.open();
        let one_by_one: Vec<Published> = wanted()
            .into_iter()
            .map(|(path, bytes, old)| {
                let mut entry = entry(&mirror, path, &bytes, old);
                entry
                    .finished
                    .publish(&entry.path, entry.old.as_ref())
                    .unwrap()
            })
            .collect();
        assert_eq!(told, one_by_one);
        assert_eq!(
            files_below(&home.root()).len(),
            files_below(&alone.root()).len()
        );
        assert_eq!(
            files_below(&home.archive()).len(),
            files_below(&alone.archive()).len()
        );
    }
}

#[test]
fn the_bytes_of_a_group_are_flushed_before_any_name_and_the_names_before_it_ends() {
    let home = set_up();
    let counting = steps(0, false, false);
    let mirror = home.open_with(&counting);
    let few = |count: usize, from: usize| -> usize {
        let mut group: Vec<Entry> = (0..count)
            .map(|i| entry(&mirror, &format!("n.io/{from}/{i}"), b"bytes", None))
            .collect();
        let before = counting.plan.passed();
        for told in mirror.publish_group(&mut group) {
            told.unwrap();
        }
        counting.plan.passed() - before
    };
    // The folder is known from then on.
    few(1, 0);
    few(1, 0);
    let (ten, twenty) = (few(10, 1), few(20, 2));
    if !mirror.inner.flusher.is_whole(10) {
        println!("skipped: this file system is not flushed as a whole");
        return;
    }
    // Of each file: its creation, its bytes, before and after its name. Nothing that flushes.
    assert_eq!(twenty - ten, 10 * 5, "{ten} and {twenty}");
}

#[test]
fn stopping_a_group_at_any_step_loses_nothing_and_the_next_run_ends_the_same() {
    for flushes_each in [false, true] {
        let home = set_up();
        let counting = steps(0, false, flushes_each);
        let mirror = home.open_with(&counting);
        let before = counting.plan.passed();
        save_all(&mirror).unwrap();
        let count = counting.plan.passed() - before;
        assert!(count >= 20, "only {count} steps");

        // File by file it is what is tried of single files: a few steps stand for all.
        let stride = if flushes_each { 5 } else { 1 };
        let stops = (1..=count).step_by(stride);
        for (step, is_crash) in stops.flat_map(|step| [(step, false), (step, true)]) {
            let moment = format!(
                "{} at step {step} of {count}, {}",
                if is_crash { "crash" } else { "failure" },
                if flushes_each { "each" } else { "whole" },
            );
            let home = set_up();
            let mirror = home.open_with(&steps(before + step, is_crash, flushes_each));
            let told = save_all(&mirror);
            assert_nothing_is_lost(&home, &moment);
            for (told, (path, bytes, _)) in told.iter().flatten().zip(wanted()) {
                if told.is_ok() {
                    assert!(
                        home.read(path) == Some(bytes),
                        "{moment}: `{path}` was called saved"
                    );
                }
            }
            if !is_crash {
                drop(told);
                assert!(
                    home.temporary_files().is_empty(),
                    "{moment}: a failure left a temporary file"
                );
            }
            for told in save_all(&home.open()).unwrap() {
                told.unwrap();
            }
            assert_done(&home, &format!("{moment}, then again"));
        }
    }
}

#[test]
fn a_file_that_cannot_be_placed_does_not_keep_the_others_from_it() {
    for flushes_each in [false, true] {
        let home = Home::new();
        let mirror = home.open_with(&steps(0, false, flushes_each));
        home.put("h.io/file", b"in the way of a folder");
        fs::create_dir_all(home.file("h.io/folder/below")).unwrap();
        let mut group: Vec<Entry> = (0..8)
            .map(|i| {
                entry(
                    &mirror,
                    &format!("h.io/{i}/f"),
                    format!("{i}").as_bytes(),
                    None,
                )
            })
            .collect();
        group.insert(3, entry(&mirror, "h.io/file/f", b"blocked", None));
        group.push(entry(&mirror, "h.io/folder", b"blocked too", None));
        let told = mirror.publish_group(&mut group);
        for (told, entry) in told.iter().zip(&group) {
            let is_blocked = matches!(entry.path.as_str(), "h.io/file/f" | "h.io/folder");
            match told {
                Ok(published) => assert!(!is_blocked && published.path == entry.path),
                Err(err) => assert!(is_blocked && err.is_blocked(), "{}: {err}", entry.path),
            }
        }
        assert_eq!(told.len(), 10);
        for i in 0..8 {
            assert_eq!(
                home.read(&format!("h.io/{i}/f")).unwrap(),
                format!("{i}").as_bytes()
            );
        }
        // The bytes are still there, for another path.
        let blocked = group.get_mut(3).unwrap();
        blocked
            .finished
            .publish(&rel("h.io/elsewhere"), None)
            .unwrap();
        assert_eq!(home.read("h.io/elsewhere").unwrap(), b"blocked");
        drop(group);
        assert!(home.temporary_files().is_empty());
    }
}

#[test]
fn files_of_a_group_that_share_a_path_keep_their_order() {
    for flushes_each in [false, true] {
        let home = Home::new();
        let mirror = home.open_with(&steps(0, false, flushes_each));
        mirror.save_whole(b"first", &rel("h.io/p/f"), None).unwrap();
        let mut group: Vec<Entry> = (0..8)
            .map(|i| entry(&mirror, &format!("h.io/{i}/f"), b"bytes", None))
            .collect();
        // It leaves its path, another takes that, a third takes it from there.
        group.push(entry(
            &mirror,
            "h.io/q/f",
            b"moved",
            Some(was("h.io/p/f", b"first")),
        ));
        group.push(entry(&mirror, "h.io/p/f", b"second", None));
        group.push(entry(
            &mirror,
            "h.io/p/f",
            b"third",
            Some(was("h.io/p/f", b"second")),
        ));
        for told in mirror.publish_group(&mut group) {
            told.unwrap();
        }
        assert_eq!(home.read("h.io/q/f").unwrap(), b"moved");
        assert_eq!(home.read("h.io/p/f").unwrap(), b"third");
        for bytes in [&b"first"[..], b"second"] {
            assert_eq!(fs::read(home.archived(bytes)).unwrap(), bytes);
        }
    }
}

#[test]
fn a_file_system_that_cannot_be_flushed_as_a_whole_is_flushed_file_by_file() {
    let home = set_up();
    let counting = steps(0, false, false);
    let mirror = home.open_with(&counting);
    if !mirror.inner.flusher.is_whole(8) {
        println!("skipped: this file system is not flushed as a whole");
        return;
    }
    let before = counting.plan.passed();
    save_all(&mirror).unwrap();
    let count = counting.plan.passed() - before;
    let mut rests = 0;
    for step in 1..=count {
        let home = set_up();
        let failing = steps(before + step, false, false);
        let mirror = home.open_with(&failing);
        let Some(told) = save_all(&mirror) else {
            continue;
        };
        // One failure, of whichever step: all are saved, or all but one.
        let failed = told.iter().filter(|told| told.is_err()).count();
        assert!(failed <= 1, "step {step} of {count}: {failed} failed");
        rests += usize::from(failed == 0);
    }
    assert!(
        rests >= 2,
        "neither flush of the whole could fail without harm"
    );
}

/// Publishes two groups of eight that were received before either, and returns the number of the step that the first
/// one begins with, and how many each takes. The step with the number `fails` fails.
fn two_groups(fails: usize) -> (usize, [usize; 2]) {
    let home = set_up();
    let counting = steps(fails, false, false);
    let mirror = home.open_with(&counting);
    let groups = ["a.io", "b.io"].map(|host| -> Vec<Entry> {
        (0..8)
            .map(|i| entry(&mirror, &format!("{host}/f/{i}"), &[i; 300_000], None))
            .collect()
    });
    let begun = counting.plan.passed();
    let took = groups.map(|mut group| {
        // However long it would rest from flushing the whole.
        while !mirror.inner.flusher.is_whole(8) {}
        let before = counting.plan.passed();
        for told in mirror.publish_group(&mut group) {
            told.unwrap();
        }
        counting.plan.passed() - before
    });
    for i in 0..8 {
        let there = home.read(&format!("b.io/f/{i}"));
        assert!(there == Some(vec![i; 300_000]), "{i}");
    }
    (begun + 1, took)
}

#[test]
fn bytes_that_another_groups_flush_may_have_told_lost_are_flushed_by_themselves() {
    if !set_up().open().inner.flusher.is_whole(8) {
        println!("skipped: this file system is not flushed as a whole");
        return;
    }
    let (begins, [first, second]) = two_groups(0);
    // A flush of its bytes and one of its folder for each of the eight.
    let all_alone = 2 * 8;
    // The first failure that costs the first group so much is that of its flush of the whole.
    let (_, [_, behind]) = (begins..begins + first)
        .map(two_groups)
        .find(|(_, [one, _])| *one >= first + all_alone)
        .expect("no failure made a group flush each file");
    assert!(
        behind >= second + all_alone,
        "{behind}, {second} where none failed"
    );
}

#[test]
fn a_folder_removed_behind_our_back_is_made_again() {
    let home = Home::new();
    let mirror = home.open();
    for turn in 0..3 {
        let mut group: Vec<Entry> = (0..8)
            .map(|i| entry(&mirror, &format!("h.io/same/{turn}-{i}"), b"bytes", None))
            .collect();
        for told in mirror.publish_group(&mut group) {
            told.unwrap();
        }
        fs::remove_dir_all(home.file("h.io")).unwrap();
    }
}

#[test]
fn an_empty_group_and_a_group_of_one_are_groups() {
    let home = Home::new();
    let mirror = home.open();
    assert!(mirror.publish_group(&mut []).is_empty());
    let mut one = [entry(&mirror, "h.io/a", b"one", None)];
    assert!(mirror.publish_group(&mut one).iter().all(Result::is_ok));
    assert_eq!(home.read("h.io/a").unwrap(), b"one");
}
