//! What the records of `verify` say together.

use super::*;
use crate::model::{Slice, VerifyReport, VerifyScope, VerifyState};
use crate::store::VerifyBegun;
use std::collections::BTreeMap;

const PART: u64 = 1 << 30;

/// One record: what it was about, how much of the files was read, what it found and repaired.
fn record(store: &mut Store, hour: i64, slice: Option<Slice>, found: (u64, u64), is_repair: bool) {
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
        kinds: BTreeMap::new(),
        slice,
        notes: Vec::new(),
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
fn a_difference_is_remembered_until_all_files_were_read_again_or_a_repair() {
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
