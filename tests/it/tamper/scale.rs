//! Many versions: memory stays flat, and a run that found nothing new pays nothing for a long log.

use microcms_backup::model::{
    AssetStep, ListedMedium, MediaId, MediumStep, Outcome, Proof, RootPrefix, Timestamp, Why,
};
use microcms_backup::store::{Mode, Options, RunEnd, Store};
use microcms_backup::sync::{RowsChecked, check_rows};
use std::time::{Duration, Instant};

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + seconds * 1000)
}

fn page(first: u32, alt: &str) -> Vec<MediumStep> {
    let step = |n: u32| {
        // In no order, as real ids come.
        let id = format!("{:08x}-{n}", n.wrapping_mul(2_654_435_761));
        MediumStep::Record {
            medium: ListedMedium {
                id: MediaId::parse(&id).expect("an id"),
                url: format!("https://host/{id}.png"),
                file_name: format!("{id}.png"),
                width: None,
                height: None,
                updated_at: None,
                description: String::new(),
                metadata: format!(r#"{{"id":"{id}","url":"https://host/{id}.png","alt":"{alt}"}}"#),
            },
            asset: AssetStep::Fetch(Why::New),
        }
    };
    (first..first + 1000).map(step).collect()
}

fn end_run(store: &mut Store, now: Timestamp) -> (Proof, Duration) {
    let run = store.begin_run("test", "test", now).expect("a run");
    let end = RunEnd::of_nothing(Outcome::Complete, 0);
    let begun = Instant::now();
    let proof = store.finish_run(run, &end, now).expect("an end");
    (proof.expect("a root"), begun.elapsed())
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.expect("a peak").split_whitespace().nth(1);
    words.expect("a number").parse::<u64>().expect("a number") / 1024
}

/// A database with two versions of each medium, checked. Returns by how much that made memory grow, in MiB.
fn live(media: u32) -> u64 {
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("a folder");
    let options = Options {
        path: folder.path().join("backup.sqlite3"),
        service_id: "x".to_owned(),
        mode: Mode::ReadWrite,
    };
    let mut store = Store::open(&options, at(0)).expect("a database");
    for (version, alt) in (1..).zip(["first", "second"]) {
        for first in (0..media).step_by(1000) {
            let steps = page(first, alt);
            store.record_media(&steps, at(version)).expect("recorded");
        }
    }
    let entries = 2 * u64::from(media);
    let (grown, took) = end_run(&mut store, at(10));
    assert_eq!(grown.log_size, entries);
    let bytes = std::fs::metadata(&options.path).expect("a file").len();
    let before = peak_mib();
    let begun = Instant::now();
    let none = RootPrefix::parse("00000000").expect("a root");
    let RowsChecked::Done(report) = check_rows(&store, Some(&none)).expect("rows") else {
        panic!("no root begins so");
    };
    let peak = peak_mib();
    println!(
        "{entries} entries, {} MiB: head in {took:?}; checked in {:?}, peak {before} -> {peak} MiB",
        bytes >> 20,
        begun.elapsed(),
    );
    assert_eq!((report.entries, report.versions), (entries, entries));
    assert_eq!(report.findings.total(), 1, "{:?}", report.findings.listed);

    // Whoever read the log now would come to another head.
    let other = rusqlite::Connection::open(&options.path).expect("it opens");
    let scrambled = other.execute("UPDATE leaves SET digest = zeroblob(32)", []);
    assert_eq!(scrambled.expect("scrambled") as u64, entries);
    let (same, took) = end_run(&mut store, at(20));
    println!("the head of an unchanged run in {took:?}");
    assert_eq!(same.log_size, entries);
    let heads = "SELECT count(DISTINCT log_head) FROM runs WHERE root IS NOT NULL";
    let heads: u32 = other.query_row(heads, [], |row| row.get(0)).expect("heads");
    assert_eq!(heads, 1);
    assert_ne!(same.root, grown.root, "each run has a root of its own");
    peak - before
}

#[test]
fn a_run_that_found_nothing_new_does_not_read_the_log() {
    // Other tests run in this process: its memory says nothing.
    let _grown_by = live(5_000);
}

#[test]
#[ignore = "minutes: cargo test --test it two_million_entries -- --ignored --nocapture"]
fn two_million_entries_are_checked_in_flat_memory() {
    let grown_by = live(1_000_000);
    assert!(grown_by < 40, "{grown_by} MiB");
}
