use super::*;
use crate::model::backup::{EndpointState, FileState};
use crate::model::report::{Holdings, HostTransfer};
use crate::model::{Endpoint, EndpointKind, VerifyScope};

const HOUR: Duration = Duration::from_secs(3600);

fn at(hours: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + hours * 3_600_000)
}

fn run(id: i64, hours: i64, outcome: Outcome, exit_code: Option<u8>) -> RunLine {
    RunLine {
        id,
        trigger: "command".to_owned(),
        started_at: at(hours),
        clock_at: None,
        finished_at: Some(at(hours)),
        outcome,
        exit_code,
        error: exit_code
            .filter(|code| *code != 0)
            .map(|_| "UNSAFE: media: why; saved so far: x".to_owned()),
    }
}

/// What the database says after these runs, newest last.
fn after(runs: &[RunLine]) -> BackupState {
    let newest_first: Vec<RunLine> = runs.iter().rev().cloned().collect();
    let find = |wanted: fn(&RunLine) -> bool| {
        let mut runs = newest_first.iter();
        runs.find(|run| run.covers(&[]) && wanted(run)).cloned()
    };
    BackupState {
        proof: None,
        schema: 2,
        last_complete: find(|run| run.outcome == Outcome::Complete),
        last_ended: find(|run| run.outcome != Outcome::Running),
        needs_person: newest_first
            .iter()
            .filter(|run| run.covers(&[]))
            .take_while(|run| run.outcome != Outcome::Complete)
            .find(|run| run.needs_person())
            .cloned(),
        runs: newest_first,
        unproven: Vec::new(),
        holdings: Holdings {
            endpoints: 1,
            contents: 2,
            media: 3,
            files: 3,
            bytes: 4,
        },
        endpoints: vec![EndpointState {
            endpoint: Endpoint::parse("blog").unwrap(),
            name: "blog".to_owned(),
            kind: EndpointKind::List,
            has_schema: true,
            contents: 2,
            bodies_owed: 0,
            bodies_refused: 0,
            bodies_error: None,
            is_left_out: false,
        }],
        files: FileState {
            saved: 3,
            ..FileState::default()
        },
        failed: Vec::new(),
        month: "2023-11".to_owned(),
        transfer: vec![HostTransfer {
            host: "a".to_owned(),
            requests: 1,
            bytes: 1,
        }],
        mirror_bytes: 4,
        archive_bytes: 0,
        verify: None,
    }
}

/// Judges at hour 10 with nobody at the lock.
fn judged(state: &BackupState) -> Judgement {
    judged_with(state, Some(false))
}

fn judged_with(state: &BackupState, is_locked: Option<bool>) -> Judgement {
    judge(&Evidence {
        state,
        now: at(10),
        max_age: 26 * HOUR,
        is_locked,
        mirror_trouble: None,
        archive_trouble: None,
    })
}

fn complete(hours: i64) -> RunLine {
    run(1, hours, Outcome::Complete, Some(0))
}

#[test]
fn a_complete_run_with_nothing_owed_is_safe_as_of_its_start() {
    let judgement = judged(&after(&[complete(9)]));
    assert!(judgement.safe);
    assert_eq!(
        judgement.line,
        "SAFE as of 2023-11-15T07:13:20.000Z: 3 media, 2 contents in 1 API, 3 files (4 bytes)"
    );
    assert_eq!(judgement.notes, Vec::<String>::new());
    assert_eq!(judgement.under_way, None);
}

#[test]
fn without_a_complete_run_of_everything_nothing_is_safe() {
    let nothing = judged(&after(&[]));
    assert_eq!(
        nothing.line,
        "UNSAFE: no run of everything was complete yet; saved so far: 3 media, 2 contents in 1 API, \
         3 files (4 bytes)"
    );
    let mut part = complete(9);
    part.trigger = "command, media only".to_owned();
    assert!(!judged(&after(&[part])).safe);
}

#[test]
fn what_is_owed_failed_lost_or_refused_is_each_a_reason() {
    let all = after(&[complete(9)]);
    let reasons = |edit: fn(&mut BackupState)| {
        let mut state = all.clone();
        edit(&mut state);
        let judgement = judged(&state);
        assert!(!judgement.safe);
        assert!(
            judgement
                .line
                .contains("; last complete as of 2023-11-15T07:13:20.000Z; saved so far"),
            "{}",
            judgement.line
        );
        judgement.reasons
    };
    assert_eq!(reasons(|s| s.files.owed = 1), ["1 file is owed"]);
    assert_eq!(reasons(|s| s.files.failed = 2), ["2 files failed"]);
    assert_eq!(
        reasons(|s| (s.files.owed, s.files.lost) = (2, 1)),
        [
            "2 files are owed",
            "1 saved file is missing from the mirror or damaged there"
        ]
    );
    assert_eq!(
        reasons(|s| s.endpoints[0].bodies_owed = 3),
        ["3 bodies are owed"]
    );
    assert_eq!(
        reasons(|s| s.endpoints[0].bodies_refused = 3),
        ["3 bodies are refused to the key"]
    );
    // Nobody asks for what an API owes that the configuration leaves out.
    let mut state = all.clone();
    let api = &mut state.endpoints[0];
    (api.bodies_owed, api.bodies_refused, api.is_left_out) = (3, 3, true);
    assert!(judged(&state).safe);
}

#[test]
fn a_mirror_that_is_gone_is_a_reason_once_it_held_something() {
    let mut state = after(&[complete(9)]);
    let evidence = |state: &BackupState, archive_trouble| {
        judge(&Evidence {
            state,
            now: at(10),
            max_age: HOUR * 26,
            is_locked: Some(false),
            mirror_trouble: Some("the mirror `m` is missing"),
            archive_trouble,
        })
    };
    let archive = Some("the archive `a` lacks 1 of 1");
    assert_eq!(
        evidence(&state, None).reasons,
        ["the mirror `m` is missing"]
    );
    assert_eq!(evidence(&state, archive).reasons.len(), 2);
    state.files.saved = 0;
    assert!(evidence(&state, None).safe);
    assert!(
        !evidence(&state, archive).safe,
        "superseded bytes are no current files"
    );
}

#[test]
fn an_old_backup_is_unsafe_and_a_clock_that_went_back_proves_nothing() {
    let age = |hours| judged(&after(&[complete(hours)])).reasons;
    assert_eq!(age(-16), Vec::<String>::new());
    assert_eq!(
        age(-17),
        ["the last complete run began 1 d 3 h ago, more than 1 d 2 h"]
    );
    assert_eq!(
        age(23),
        [
            "the last complete run began 13 h ahead of this machine's clock, so that nobody can tell how long ago that was: \
             run `sync`"
        ]
    );
    // One that went back by hours: the times of runs go on from where they were, and what proves a run is its own.
    let ahead = judged(&after(&[complete(12)]));
    assert!(ahead.safe, "{ahead:?}");
    assert_eq!(
        ahead.notes,
        ["the last complete run began 2 h ahead of this machine's clock"]
    );
    // By the clock that it had itself it is no younger than its times say, and perhaps much older.
    let ahead = |clock| {
        let run = RunLine {
            clock_at: Some(at(clock)),
            ..complete(12)
        };
        judged(&after(&[run]))
    };
    assert!(!ahead(12).safe, "{:?}", ahead(12));
    assert!(ahead(9).safe, "it went on after what was recorded");
    assert!(
        !ahead(-20).safe,
        "and its age is counted from its own clock"
    );
    // Clocks are set by seconds all the time.
    let mut near = complete(10);
    near.started_at = near.started_at.plus(Duration::from_secs(60));
    assert!(judged(&after(&[near])).safe);
}

#[test]
fn a_later_run_that_may_do_better_next_time_is_a_note() {
    for (outcome, code, note) in [
        (Outcome::Failed, 1, "run 2 failed: media: why"),
        (Outcome::Partial, 3, "run 2 was not complete: media: why"),
        (Outcome::Interrupted, 143, "run 2 was interrupted"),
    ] {
        let judgement = judged(&after(&[complete(8), run(2, 9, outcome, Some(code))]));
        assert!(judgement.safe, "{}", judgement.line);
        assert_eq!(judgement.notes, [note]);
        assert_eq!(judgement.as_of, Some(at(8)));
    }
}

#[test]
fn a_later_run_that_needs_a_person_is_a_reason() {
    for (code, words) in [
        (2, "the configuration did not fit the service"),
        (4, "the key, a permission or the plan was in the way"),
        (5, "a guard tripped"),
    ] {
        let later = run(2, 9, Outcome::Partial, Some(code));
        let judgement = judged(&after(&[complete(8), later.clone()]));
        assert_eq!(judgement.reasons, [format!("{words} in run 2: media: why")]);
        assert_eq!(judgement.notes, Vec::<String>::new());
        // Until a run of everything is complete again.
        let healed = RunLine {
            id: 3,
            ..complete(9)
        };
        assert!(judged(&after(&[complete(7), later.clone(), healed])).safe);
        // One that was stopped, was killed or found no network heals nothing.
        for (outcome, code) in [
            (Outcome::Interrupted, Some(143)),
            (Outcome::Interrupted, None),
            (Outcome::Failed, Some(1)),
        ] {
            let judgement = judged(&after(&[
                complete(8),
                later.clone(),
                run(3, 9, outcome, code),
            ]));
            assert_eq!(judgement.reasons, [format!("{words} in run 2: media: why")]);
        }
        // A part run speaks to whoever called it.
        let part = RunLine {
            trigger: "command, media only".to_owned(),
            ..later
        };
        let judgement = judged(&after(&[complete(8), part]));
        assert!(judgement.safe);
        // What such a one records the complete one has not seen.
        let part = RunLine {
            trigger: "command, media only".to_owned(),
            ..run(2, 9, Outcome::Complete, Some(0))
        };
        let line = judged(&after(&[complete(8), part])).line;
        assert!(
            line.starts_with("SAFE as of 2023-11-15T06:13:20.000Z: by now 3 media"),
            "{line}"
        );
    }
}

#[test]
fn what_a_run_under_way_has_found_itself_is_no_debt_yet() {
    let running = run(2, 9, Outcome::Running, None);
    let mut found = after(&[complete(8), running.clone()]);
    found.files.owed = 12;
    let judgement = judged_with(&found, Some(true));
    assert!(judgement.safe, "{}", judgement.line);
    assert_eq!(judgement.under_way, Some(2));
    assert_eq!(
        judgement.notes,
        [
            "run 2 is at what it found: 12 files are owed",
            "run 2 is under way since 2023-11-15T07:13:20.000Z"
        ]
    );
    // Nobody is at it any more, or nobody knows.
    assert_eq!(judged(&found).reasons, ["12 files are owed"]);
    assert_eq!(judged(&found).notes, ["run 2 died without a word"]);
    assert_eq!(judged_with(&found, None).reasons, ["12 files are owed"]);
    // A file that was saved as of then and is lost now is another matter.
    found.files.lost = 1;
    assert!(!judged_with(&found, Some(true)).safe);
    // The run before left debts, so these may be its own.
    let mut owing = after(&[
        complete(7),
        run(2, 8, Outcome::Partial, Some(3)),
        RunLine { id: 3, ..running },
    ]);
    owing.files.owed = 12;
    assert_eq!(
        judged_with(&owing, Some(true)).reasons,
        ["12 files are owed"]
    );
}

#[test]
fn a_run_s_own_words_find_an_end() {
    let mut later = run(2, 9, Outcome::Failed, Some(1));
    later.error = Some("あ".repeat(5000));
    let judgement = judged(&after(&[complete(8), later]));
    assert_eq!(
        judgement.notes,
        [format!("run 2 failed: {}…", "あ".repeat(WORDS))]
    );
}

#[test]
fn a_difference_that_verify_found_and_that_is_left_is_a_reason() {
    let verified = |differences| VerifyState {
        started_at: at(9),
        finished_at: at(9),
        scope: VerifyScope::Everything,
        differences,
        is_left_by_repair: false,
        all_read_since: Some(at(9)),
    };
    let mut state = after(&[complete(9)]);
    state.verify = Some(verified(0));
    assert!(judged(&state).safe);
    state.verify = Some(verified(2));
    let judgement = judged(&state);
    assert!(!judgement.safe);
    assert_eq!(
        judgement.reasons,
        [
            "`verify` found 2 differences that nobody made good: run `sync`, then `verify --repair`; what it names then wants a person"
        ]
    );
}
