//! Findings from facts: safe, ready, alive, or in one line why not.

use std::time::Duration;

use super::super::{Facts, Life, Phase, RunNow, alive, healthy, ready};
use super::{HOUR, at, backup, facts, life, run};
use crate::model::Outcome;
use crate::model::condition::Condition;

#[test]
fn a_young_backup_is_safe_and_an_old_one_is_not() {
    let finding = |seconds| healthy(&facts(seconds));
    let safe = finding(65 * 60);
    assert!(safe.is_good, "{safe:?}");
    assert_eq!(
        safe.line,
        "OK: complete as of 2023-11-14T22:13:20.000Z, 1 h 5 min ago"
    );
    assert!(finding(26 * HOUR).is_good, "not a second too early");
    let old = finding(26 * HOUR + 1);
    assert!(!old.is_good);
    assert_eq!(
        old.line,
        "NOT OK: the last complete run began at 2023-11-14T22:13:20.000Z, 1 d 2 h ago, and 1 d 2 h \
         are allowed"
    );
}

#[test]
fn a_young_backup_with_a_difference_that_is_left_is_not_well() {
    let mut facts = facts(2 * HOUR);
    let backup = facts.backup.as_mut().unwrap();
    backup.verify.as_mut().unwrap().differences = 1;
    let finding = healthy(&facts);
    assert!(!finding.is_good);
    assert_eq!(
        finding.line,
        "NOT OK: `verify` found 1 difference that nobody made good; complete as of 2023-11-14T22:13:20.000Z"
    );
}

#[test]
fn a_finding_tells_what_came_after_the_last_complete_run() {
    let mut facts = facts(2 * HOUR);
    facts.backup = Ok(Condition {
        last_run: Some(run(HOUR, Outcome::Partial, 3)),
        ..backup()
    });
    let finding = healthy(&facts);
    assert!(finding.is_good);
    assert_eq!(
        finding.line,
        "OK: complete as of 2023-11-14T22:13:20.000Z, 2 h ago; the last run, begun at \
         2023-11-14T23:13:20.000Z, ended partial (exit code 3)"
    );
}

#[test]
fn a_young_backup_with_a_run_that_wants_a_person_is_not_well() {
    for code in [2, 4, 5] {
        let mut facts = facts(2 * HOUR);
        facts.backup = Ok(Condition {
            needs_person: Some(run(HOUR, Outcome::Partial, code)),
            ..backup()
        });
        let finding = healthy(&facts);
        assert!(!finding.is_good, "{finding:?}");
        assert_eq!(
            finding.line,
            format!(
                "NOT OK: a run, begun at 2023-11-14T23:13:20.000Z, ended partial (exit code {code}), and wants \
                 a person; complete as of 2023-11-14T22:13:20.000Z"
            )
        );
    }
}

#[test]
fn never_unreadable_and_a_wrong_clock_are_unsafe() {
    let never = Facts {
        backup: Ok(Condition::default()),
        ..facts(0)
    };
    let line = |facts: &Facts| {
        let finding = healthy(facts);
        assert!(!finding.is_good, "{finding:?}");
        finding.line
    };
    assert_eq!(line(&never), "NOT OK: no run has been complete yet");
    let first = Facts {
        life: Some(Life {
            run: Some(RunNow {
                began_at: at(0),
                pages: 1,
                bodies: 0,
                files: 0,
                bytes: 0,
                restarts: 0,
            }),
            ..life()
        }),
        ..never
    };
    assert_eq!(
        line(&first),
        "NOT OK: no run has been complete yet; the first run is under way"
    );
    let unreadable = Facts {
        backup: Err("no".to_owned()),
        ..facts(0)
    };
    assert_eq!(line(&unreadable), "NOT OK: the database cannot be read: no");
    let ahead = line(&facts(-13 * HOUR));
    assert!(
        ahead.contains("13 h from now: the clock is wrong"),
        "{ahead}"
    );
    // One went back, and the runs' times go on from where they were.
    assert!(healthy(&facts(-11 * HOUR)).is_good);
    // By the clock of that run nobody can tell how long ago it was.
    let by_its_clock = |began| {
        let mut facts = facts(-11 * HOUR);
        if let Ok(backup) = &mut facts.backup
            && let Some(run) = &mut backup.last_complete
        {
            run.clock_at = Some(at(began));
        }
        healthy(&facts).is_good
    };
    assert!(!by_its_clock(0));
    assert!(by_its_clock(-11 * HOUR - 60));
    // Clocks of two machines differ a little.
    assert!(healthy(&facts(-60)).is_good);
}

#[test]
fn ready_is_between_start_and_stop_with_a_database() {
    let with = |phase, backup| {
        ready(&Facts {
            life: Some(Life { phase, ..life() }),
            backup,
            ..facts(0)
        })
    };
    assert!(with(Phase::Ready, Ok(Condition::default())).is_good);
    assert_eq!(with(Phase::Starting, Ok(backup())).line, "starting");
    assert_eq!(with(Phase::Stopping, Ok(backup())).line, "stopping");
    let unreadable = with(Phase::Ready, Err("no".to_owned()));
    assert!(!unreadable.is_good);
    assert_eq!(unreadable.line, "the database cannot be read: no");
}

#[test]
fn a_loop_that_does_not_turn_is_not_alive() {
    assert!(alive(Duration::from_secs(7)).is_good);
    let hangs = alive(Duration::from_secs(61));
    assert!(!hangs.is_good);
    assert_eq!(hangs.line, "the loop has not turned for 1 min 1 s");
}
