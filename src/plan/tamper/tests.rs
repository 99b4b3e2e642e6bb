use super::*;
use crate::model::proof::{Field, Kind, digest};

fn hash(text: &str) -> Hash {
    digest([Field::from(text)])
}

fn version(valid_from: &str) -> Version {
    Version {
        kind: Kind::Content,
        scope: "blog".to_owned(),
        id: "a".to_owned(),
        valid_from: valid_from.to_owned(),
    }
}

fn entry(seq: u64, deed: Deed, text: &str) -> Entry {
    Entry {
        seq,
        deed,
        digest: hash(text),
    }
}

fn recorded(seq: u64, text: &str) -> Entry {
    entry(seq, Deed::Recorded, text)
}

fn row(text: &str, valid_to: Option<&str>) -> Row {
    Row {
        valid_to: valid_to.map(str::to_owned),
        digest: hash(text),
        digest_adopted: None,
        digest_with_end: None,
        digests_before: Vec::new(),
    }
}

/// Checks versions of one thing, each by when it began, its entries and its rows.
fn check(accounts: &[(&str, &[Entry], &[Row])]) -> Vec<(TamperKind, String)> {
    let mut findings = Findings::default();
    let mut check = VersionCheck::new(&[], None);
    for (from, entries, rows) in accounts {
        let account = Account {
            version: version(from),
            entries: entries.to_vec(),
            rows: rows.to_vec(),
        };
        check.account(&account, &mut findings);
    }
    check.finish(&mut findings);
    let named = findings.listed.into_iter();
    named
        .map(|finding| (finding.kind, finding.version.unwrap().valid_from))
        .collect()
}

#[test]
fn a_version_is_as_it_was_recorded_or_named() {
    use TamperKind::{ChangedRow, UnrecordedRow, VanishedRow};
    let one = |entries: &[Entry], rows: &[Row]| {
        let kinds = check(&[("1", entries, rows)]).into_iter();
        kinds.map(|(kind, _)| kind).collect::<Vec<_>>()
    };
    let removed = entry(2, Deed::Removed, "");
    assert_eq!(one(&[recorded(1, "x")], &[row("x", None)]), []);
    assert_eq!(one(&[recorded(1, "x")], &[row("y", None)]), [ChangedRow]);
    assert_eq!(one(&[recorded(1, "x")], &[]), [VanishedRow]);
    assert_eq!(one(&[], &[row("x", None)]), [UnrecordedRow]);
    assert_eq!(one(&[recorded(1, "x"), removed], &[]), []);
    // Removed, and put back by hand.
    assert_eq!(
        one(&[recorded(1, "x"), removed], &[row("x", None)]),
        [UnrecordedRow]
    );
    // Removed, and recorded once more: a clock that went back.
    let again = [recorded(1, "x"), removed, recorded(3, "y")];
    assert_eq!(one(&again, &[row("y", None)]), []);
    let twice = [row("x", None), row("x", None)];
    assert_eq!(one(&[recorded(1, "x")], &twice), [UnrecordedRow]);
}

#[test]
fn an_entry_that_was_got_for_a_changed_row_does_not_whiten_it() {
    // The body came later: the row without it is what was recorded first.
    let filled = [Row {
        digests_before: vec![hash("without")],
        ..row("with", None)
    }];
    let honest = [recorded(1, "without"), recorded(2, "with")];
    assert_eq!(check(&[("1", &honest, &filled)]), []);
    // Somebody changed the metadata, and then the program filled in the body.
    let laundered = [recorded(1, "other"), recorded(2, "with")];
    let found = check(&[("1", &laundered, &filled)]);
    assert_eq!(found, [(TamperKind::ChangedRow, "1".to_owned())]);
}

#[test]
fn a_version_ends_where_the_next_one_begins() {
    let first = [recorded(1, "x")];
    let second = [recorded(2, "y")];
    let ended = |at| [row("x", Some(at))];
    let current = [row("y", None)];
    let wrong = |from: &str| vec![(TamperKind::ChangedEnd, from.to_owned())];
    let two = |at| check(&[("1", &first, &ended(at)), ("2", &second, &current)]);
    assert_eq!(two("2"), []);
    assert_eq!(two("3"), wrong("1"));
    // Removed by hand: it ended, and nothing began.
    assert_eq!(check(&[("1", &first, &ended("9"))]), wrong("1"));
    // The next one is gone itself: told once.
    let vanished = [(TamperKind::VanishedRow, "2".to_owned())];
    let found = check(&[("1", &first, &ended("2")), ("2", &second, &[])]);
    assert_eq!(found, vanished);
    // One that nobody recorded stands between them: told once.
    let found = check(&[
        ("1", &first, &ended("2")),
        ("1.5", &[], &current),
        ("2", &second, &current),
    ]);
    assert_eq!(found, [(TamperKind::UnrecordedRow, "1.5".to_owned())]);
}

#[test]
fn what_was_adopted_may_have_any_past_but_no_other() {
    let adopted = |text| [entry(1, Deed::Adopted, text)];
    let superseded = [Row {
        digest_with_end: Some(hash("x until 5")),
        digest_adopted: Some(hash("x")),
        ..row("plain", Some("5"))
    }];
    // Adopted after its end: that nothing begins then was so already.
    assert_eq!(check(&[("1", &adopted("x until 5"), &superseded)]), []);
    // Adopted while it was current: what follows is in the log.
    let next = [recorded(2, "y")];
    let found = |from| {
        check(&[
            ("1", &adopted("x"), &superseded),
            (from, &next, &[row("y", None)]),
        ])
    };
    assert_eq!(found("5"), []);
    assert_eq!(found("6"), [(TamperKind::ChangedEnd, "1".to_owned())]);
    let other = check(&[("1", &adopted("x until 6"), &superseded)]);
    assert_eq!(other, [(TamperKind::ChangedRow, "1".to_owned())]);
}

/// Runs that committed to a log of these sizes, as they should.
fn runs(leaves: &[Hash], sizes: &[u64]) -> Vec<ProvenRun> {
    let mut previous = Hash::ZERO;
    (1..)
        .zip(sizes)
        .map(|(id, size)| {
            let mut tree = Tree::default();
            for leaf in leaves.iter().take(usize::try_from(*size).unwrap()) {
                tree.push(*leaf);
            }
            let mut run = ProvenRun {
                id,
                finished_at: String::new(),
                log_size: *size,
                log_head: tree.head(),
                root: Hash::ZERO,
                record: hash(&id.to_string()),
            };
            run.root = run.root_after(previous);
            previous = run.root;
            run
        })
        .collect()
}

fn read(runs: &[ProvenRun], log: &[(u64, Hash)]) -> Vec<(TamperKind, Option<i64>, String)> {
    let mut findings = Findings::default();
    check_chain(runs, &[], &mut findings);
    let mut check = LogCheck::new(runs, &mut findings);
    for (seq, leaf) in log {
        check.entry(*seq, *leaf, &mut findings);
    }
    check.finish(&mut findings);
    let found = findings.listed.into_iter();
    found.map(|f| (f.kind, f.run_id, f.text)).collect()
}

#[test]
fn the_first_run_that_is_not_right_is_named_with_the_entries_in_question() {
    let leaves: Vec<Hash> = (0..9).map(|n| hash(&n.to_string())).collect();
    let log: Vec<(u64, Hash)> = (1..).zip(leaves.iter().copied()).collect();
    let right = runs(&leaves, &[0, 3, 3, 7]);
    assert_eq!(read(&right, &log), []);

    let mut edited = log.clone();
    edited[4].1 = hash("forged");
    let found = read(&right, &edited);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1), (TamperKind::Log, Some(4)));
    assert!(found[0].2.contains("entries 4 to 7"), "{found:?}");

    // What no run has proven yet can be anything.
    let mut edited = log.clone();
    edited[8].1 = hash("forged");
    assert_eq!(read(&right, &edited), []);

    let found = read(&right, &log[..5]);
    assert_eq!(found.len(), 1);
    assert!(found[0].2.contains("ends with entry 5"), "{found:?}");

    let mut thinned = log.clone();
    thinned.remove(8);
    thinned.remove(1);
    let texts: Vec<String> = read(&right, &thinned).into_iter().map(|f| f.2).collect();
    assert!(
        texts[0].contains("entry 2 of the log is missing"),
        "{texts:?}"
    );
    assert!(texts[1].contains("entries 1 to 3"), "{texts:?}");
}

#[test]
fn a_run_that_does_not_follow_from_the_one_before_is_named_once() {
    let leaves = [hash("x")];
    let right = runs(&leaves, &[1, 1, 1, 1]);
    let log = [(1, leaves[0])];
    let named = |runs: &[ProvenRun]| {
        let found = read(runs, &log).into_iter();
        found.map(|(kind, run, _)| (kind, run)).collect::<Vec<_>>()
    };
    let mut edited = right.clone();
    edited[1].record = hash("forged");
    assert_eq!(named(&edited), [(TamperKind::Run, Some(2))]);
    let mut gone = right.clone();
    gone.remove(1);
    assert_eq!(named(&gone), [(TamperKind::Run, Some(3))]);
    let mut gone = right.clone();
    gone.remove(0);
    assert_eq!(named(&gone), [(TamperKind::Run, Some(2))]);
}

#[test]
fn a_root_is_found_by_its_beginning_if_that_is_its_own() {
    let mut all = runs(&[], &[0, 0]);
    let prefix = |run: &ProvenRun| RootPrefix::parse(&run.root.short()).unwrap();
    assert_eq!(anchor(&all, &prefix(&all[1])), Anchor::Run(&all[1]));
    let unknown = RootPrefix::parse("0123456789").unwrap();
    assert_eq!(anchor(&all, &unknown), Anchor::Unknown);
    all[1].root = all[0].root;
    assert_eq!(anchor(&all, &prefix(&all[0])), Anchor::Ambiguous);
}
