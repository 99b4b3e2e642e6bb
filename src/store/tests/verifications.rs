//! What the records of `verify` say together.

use super::*;
use crate::model::{DifferenceKind, Slice, VerifyReport, VerifyScope, VerifyState};
use crate::store::VerifyBegun;

const PART: u64 = 1 << 30;

/// One record: what it was about, how much of the files was read, what it found and repaired.
fn record(store: &mut Store, hour: i64, slice: Option<Slice>, found: (u64, u64), is_repair: bool) {
    record_kinds(store, hour, slice, found, is_repair, &[]);
}

fn record_kinds(
    store: &mut Store,
    hour: i64,
    slice: Option<Slice>,
    found: (u64, u64),
    is_repair: bool,
    kinds: &[(DifferenceKind, u64)],
) {
    let scope = match slice {
        Some(_) => VerifyScope::Everything,
        None => VerifyScope::Database,
    };
    let begun = VerifyBegun {
        program: "test".to_owned(),
        started_at: at(hour * 10),
        scope,
        is_repair,
    };
    let report = VerifyReport {
        finished_at: at(hour * 10 + 1),
        exit_code: 0,
        mirror: None,
        archive: None,
        database: None,
        log: None,
        remote: None,
        files_read: 1,
        bytes_read: 2,
        difference_count: found.0,
        repaired: found.1,
        accepted: 0,
        kinds: kinds.iter().copied().collect(),
        slice,
        wrong_files: Vec::new(),
        notes: Vec::new(),
        is_redacted: false,
        trouble: None,
    };
    store.record_verify(&begun, &report).expect("recorded");
}

fn part(n: u32) -> Option<Slice> {
    Some(Slice {
        from: n << 30,
        width: PART,
    })
}

fn state(store: &Store) -> VerifyState {
    store.verify_state().expect("read").expect("verified")
}

#[test]
fn a_difference_is_remembered_until_all_files_were_read_again() {
    let mut home = Sandbox::new();
    let store = &mut home.store;
    assert_eq!(store.verify_state().expect("read"), None);
    assert_eq!(
        store.last_slice(VerifyScope::Everything).expect("read"),
        None
    );
    record(store, 1, part(0), (2, 0), false);
    for (hour, n) in [(2, 1), (3, 2)] {
        record(store, hour, part(n), (0, 0), false);
        let now = state(store);
        assert_eq!((now.differences, now.all_read_since), (2, None));
    }
    assert_eq!(
        store.last_slice(VerifyScope::Everything).expect("read"),
        part(2)
    );
    record(store, 4, part(3), (0, 0), false);
    assert_eq!(state(store).all_read_since, Some(at(10)));
    assert_eq!(state(store).differences, 2);
    // The same part as the first: its word counts now.
    record(store, 5, part(0), (0, 0), false);
    let now = state(store);
    assert_eq!((now.differences, now.all_read_since), (0, Some(at(20))));
    assert_eq!(now.finished_at, at(51));
    record(store, 6, part(1), (3, 0), false);
    record(store, 7, Some(Slice::ALL), (3, 2), true);
    assert_eq!(state(store).differences, 1);
    record(store, 8, None, (0, 0), false);
    let now = state(store);
    assert_eq!((now.differences, now.scope), (1, VerifyScope::Database));
    record(store, 9, Some(Slice::ALL), (0, 0), false);
    assert_eq!(state(store).differences, 0);
    // Reading all does not move whose turn it is.
    assert_eq!(
        store.last_slice(VerifyScope::Everything).expect("read"),
        part(1)
    );
}

/// What was read, what was found by kind, and how much of it was repaired.
type Recorded<'a> = (Option<Slice>, &'a [(DifferenceKind, u64)], u64);

#[test]
fn a_difference_is_forgotten_once_another_look_at_the_same_found_none() {
    use DifferenceKind::{Bytes, Missing, Row};
    let left = |records: &[Recorded<'_>]| {
        let mut home = Sandbox::new();
        for (hour, (slice, kinds, repaired)) in (1..).zip(records) {
            let found = kinds.iter().map(|(_, count)| count).sum();
            let is_repair = *repaired > 0;
            record_kinds(
                &mut home.store,
                hour,
                *slice,
                (found, *repaired),
                is_repair,
                kinds,
            );
        }
        state(&home.store).differences
    };
    // All files are looked at each night, and all of the database is.
    assert_eq!(left(&[(part(0), &[(Missing, 2), (Row, 1)], 0)]), 3);
    assert_eq!(
        left(&[(part(0), &[(Missing, 2), (Row, 1)], 0), (part(1), &[], 0)]),
        0
    );
    // The database alone tells nothing of files, and bytes wait for their turn.
    assert_eq!(
        left(&[(part(0), &[(Missing, 2), (Row, 1)], 0), (None, &[], 0)]),
        2
    );
    assert_eq!(left(&[(None, &[(Row, 1)], 0), (None, &[], 0)]), 0);
    assert_eq!(left(&[(part(0), &[(Bytes, 1)], 0), (part(1), &[], 0)]), 1);
    // A repair of other things makes none of it good.
    assert_eq!(
        left(&[(part(0), &[(Bytes, 1)], 0), (part(1), &[(Bytes, 4)], 4)]),
        1
    );
    assert_eq!(left(&[(part(0), &[(Bytes, 2)], 2), (None, &[], 0)]), 0);
    assert_eq!(
        left(&[(Some(Slice::ALL), &[(Bytes, 2)], 1), (None, &[], 0)]),
        1
    );
}
