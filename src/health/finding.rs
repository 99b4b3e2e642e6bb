//! Good or not, and one line of why.

use std::time::Duration;

use super::facts::{Facts, Phase};
use crate::model::backup::RunLine;
use crate::model::condition::Condition;
use crate::model::{CLOCK_STEP, CLOCK_TOLERANCE, counted, span};

/// A loop that has not turned for this long hangs. It turns every few seconds.
const SILENCE: Duration = Duration::from_secs(60);

/// Good or not, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether all is well.
    pub is_good: bool,
    /// Why, in one line.
    pub line: String,
}

fn good(line: impl Into<String>) -> Finding {
    Finding {
        is_good: true,
        line: line.into(),
    }
}

fn bad(line: impl Into<String>) -> Finding {
    Finding {
        is_good: false,
        line: line.into(),
    }
}

/// Finds whether the loop lives that was silent for so long. A long run is no silence.
pub fn alive(silence: Duration) -> Finding {
    if silence < SILENCE {
        good("alive")
    } else {
        bad(format!("the loop has not turned for {}", span(silence)))
    }
}

/// Finds whether runs can be done: the start is over, and the database can be read.
pub fn ready(facts: &Facts) -> Finding {
    let phase = facts.life.as_ref().map(|life| life.phase);
    match (phase, &facts.backup) {
        (Some(Phase::Starting), _) => bad("starting"),
        (Some(Phase::Stopping), _) => bad("stopping"),
        (Some(Phase::Ready) | None, Err(why)) => bad(unreadable(why)),
        (Some(Phase::Ready) | None, Ok(_)) => good("ready"),
    }
}

/// Finds whether the backup is as young as it must be, nothing in it is known to be different, and no run since
/// then wants a person.
pub fn healthy(facts: &Facts) -> Finding {
    let backup = match &facts.backup {
        Ok(backup) => backup,
        Err(why) => return bad(format!("NOT OK: {}", unreadable(why))),
    };
    let also = also(facts, backup);
    let Some(last) = &backup.last_complete else {
        return bad(format!("NOT OK: no run has been complete yet{also}"));
    };
    let (as_of, allowed) = (last.started_at, span(facts.max_age));
    let began = last.began();
    let clock = last.clock_at.unwrap_or(as_of);
    // What an older version recorded may have gone on after a clock that went back.
    let most = match last.clock_at {
        Some(_) => CLOCK_TOLERANCE,
        None => CLOCK_STEP,
    };
    let ahead = clock.since(facts.now).filter(|ahead| *ahead > most);
    let ahead = ahead.or_else(|| {
        let recorded = as_of.since(facts.now);
        recorded.filter(|ahead| *ahead > CLOCK_STEP)
    });
    if let Some(ahead) = ahead {
        let ahead = span(ahead);
        return bad(format!(
            "NOT OK: the last complete run began at {as_of}, {ahead} from now: the clock is wrong, or was{also}"
        ));
    }
    let age = facts.now.since(began).unwrap_or_default();
    let left = backup.verify.as_ref().map_or(0, |last| last.differences);
    if age > facts.max_age {
        bad(format!(
            "NOT OK: the last complete run began at {as_of}, {} ago, and {allowed} are allowed{also}",
            span(age)
        ))
    } else if left > 0 {
        let found = counted(left, "difference", "differences");
        bad(format!(
            "NOT OK: `verify` found {found} that nobody made good; complete as of {as_of}{also}"
        ))
    } else if let Some(run) = &backup.needs_person {
        bad(format!(
            "NOT OK: {}, and wants a person; complete as of {as_of}",
            ended("a run", run)
        ))
    } else {
        good(format!(
            "OK: complete as of {as_of}, {} ago{also}",
            span(age)
        ))
    }
}

fn unreadable(why: &str) -> String {
    format!("the database cannot be read: {why}")
}

/// What else there is to know, behind a semicolon.
fn also(facts: &Facts, backup: &Condition) -> String {
    let is_running = facts.life.as_ref().is_some_and(|life| life.run.is_some());
    let is_first = backup.last_run.is_none();
    match (&backup.last_run, is_running) {
        (_, true) if is_first => "; the first run is under way".to_owned(),
        (Some(run), _) if Some(run) != backup.last_complete.as_ref() => {
            let now = if is_running {
                ", another is under way"
            } else {
                ""
            };
            format!("; {}{now}", ended("the last run", run))
        }
        (Some(_) | None, _) => String::new(),
    }
}

fn ended(which: &str, run: &RunLine) -> String {
    let code = run.exit_code.map(|code| format!(" (exit code {code})"));
    format!(
        "{which}, begun at {}, ended {}{}",
        run.started_at,
        run.outcome,
        code.unwrap_or_default()
    )
}
