//! Many versions: memory stays flat, and a run that found nothing new pays nothing for a long log.

use microcms_backup::model::report::{AssetCounts, BodyCounts, ListedCounts};
use microcms_backup::model::{
    AssetStep, ListedMedium, MediaId, MediumStep, Outcome, RootPrefix, Timestamp, Why,
};
use microcms_backup::store::{Mode, Options, RunEnd, Store};
use microcms_backup::sync::{RowsChecked, check_rows};
use std::time::Instant;

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

fn end_run(store: &mut Store, now: Timestamp) -> (u64, std::time::Duration) {
    let run = store.begin_run("test", "test", now).expect("a run");
    let end = RunEnd {
        outcome: Outcome::Complete,
        exit_code: 0,
        error: None,
        media: ListedCounts::default(),
        contents: ListedCounts::default(),
        bodies: BodyCounts::default(),
        assets: AssetCounts::default(),
        requests: 0,
        recent_requests: Vec::new(),
    };
    let begun = Instant::now();
    let proof = store.finish_run(run, &end, now).expect("an end");
    (proof.expect("a root").log_size, begun.elapsed())
}

/// The most memory that this process ever had, in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let words = line.expect("a peak").split_whitespace().nth(1);
    words.expect("a number").parse::<u64>().expect("a number") / 1024
}

fn live(media: u32) {
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
    let (size, grown) = end_run(&mut store, at(10));
    assert_eq!(size, entries);
    // The shortest of some: the machine may be busy with other tests.
    let some = (20..30).map(|now| end_run(&mut store, at(now)));
    let (same, unchanged) = some.min_by_key(|(_, took)| *took).expect("ten");
    assert_eq!(same, entries);
    let bytes = std::fs::metadata(&options.path).expect("a file").len();
    let before = peak_mib();
    let begun = Instant::now();
    let none = RootPrefix::parse("00000000").expect("a root");
    let RowsChecked::Done(report) = check_rows(&store, Some(&none)).expect("rows") else {
        panic!("no root begins so");
    };
    println!(
        "{entries} entries, {} MiB: head {grown:?}, of an unchanged run {unchanged:?}; checked in {:?}, peak {before} -> {} MiB",
        bytes >> 20,
        begun.elapsed(),
        peak_mib()
    );
    assert_eq!((report.entries, report.versions), (entries, entries));
    assert_eq!(report.findings.total(), 1, "{:?}", report.findings.listed);
    assert!(
        unchanged * 20 < grown || unchanged.as_millis() < 20,
        "an unchanged run took {unchanged:?}, the head of all entries {grown:?}"
    );
    assert!(peak_mib() - before < 40, "{before} -> {} MiB", peak_mib());
}

#[test]
fn a_run_that_found_nothing_new_does_not_read_the_log() {
    live(20_000);
}

#[test]
#[ignore = "minutes: cargo test --test it two_million_entries -- --ignored --nocapture"]
fn two_million_entries_are_checked_in_flat_memory() {
    live(1_000_000);
}
