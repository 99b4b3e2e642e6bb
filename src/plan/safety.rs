//! Whether the backup is safe now, long after the run that could say so.

use super::verdict::held;
use crate::model::backup::RunLine;
use crate::model::report::Holdings;
use crate::model::{
    BackupState, CLOCK_STEP, CLOCK_TOLERANCE, ExitCode, Outcome, Timestamp, VerifyState, counted,
    span,
};
use std::time::Duration;

/// Characters of a run's own words that find room in one line with others.
const WORDS: usize = 160;

/// The facts that decide.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// What the database says.
    pub state: &'a BackupState,
    /// Now.
    pub now: Timestamp,
    /// How long ago the last complete run may have begun.
    pub max_age: Duration,
    /// Whether somebody holds the lock; `None` if that cannot be told.
    pub is_locked: Option<bool>,
    /// What is wrong with the folder of the mirror, if something is.
    pub mirror_trouble: Option<&'a str>,
    /// What is wrong with the archive, or missing from it.
    pub archive_trouble: Option<&'a str>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Judgement {
    /// Whether everything that the service had at `as_of` is saved and proven, and that is recent.
    pub safe: bool,
    /// When the last complete run of everything began; what came later it could not see.
    pub as_of: Option<Timestamp>,
    /// The one line of truth.
    pub line: String,
    /// Why it is not safe.
    pub reasons: Vec<String>,
    /// What an operator wants to know though it does not decide.
    pub notes: Vec<String>,
    /// The run under way.
    pub under_way: Option<i64>,
}

/// Judges where the backup stands.
///
/// It is safe as of the start of the last complete run of everything, as long as nothing is owed, that
/// run is recent enough, no later one says that a person must act, and no difference is left that `verify`
/// found. Only a complete run shows that the person did. A later run that failed for a
/// reason that may pass, or was interrupted, does not make untrue what the complete one proved: it is a
/// note, and if it goes on, the age decides.
pub fn judge(evidence: &Evidence<'_>) -> Judgement {
    let state = evidence.state;
    let under_way = under_way(evidence);
    let mut reasons = Vec::new();
    let mut notes = Vec::new();

    let complete = state.last_complete.as_ref();
    if complete.is_none() {
        reasons.push("no run of everything was complete yet".to_owned());
    }
    let person = needs_person(state);
    if let Some((run, why)) = person {
        reasons.push(format!("{why} in {}{}", named(run), reason(run)));
    }
    if let Some(trouble) = evidence.mirror_trouble
        && state.files.saved > 0
    {
        reasons.push(trouble.to_owned());
    }
    reasons.extend(evidence.archive_trouble.map(str::to_owned));
    debts(state, under_way, &mut reasons, &mut notes);
    if let Some(verify) = &state.verify {
        reasons.extend(differences(verify));
    }
    if let Some(run) = complete {
        age(evidence, run, &mut reasons, &mut notes);
    }
    endings(evidence, under_way, person.map(|(run, _)| run), &mut notes);

    let held = held(&state.holdings);
    let as_of = complete.map(|run| run.started_at);
    // A later run of a part has recorded what the complete one did not see.
    let newest = state
        .runs
        .iter()
        .find(|run| run.outcome == Outcome::Complete);
    let is_of_then = newest.map(|run| run.id) == complete.map(|run| run.id);
    let line = match as_of.filter(|_| reasons.is_empty()) {
        Some(as_of) if is_of_then => format!("SAFE as of {as_of}: {held}"),
        Some(as_of) => format!("SAFE as of {as_of}: by now {held}"),
        None => {
            let last = as_of
                .map(|as_of| format!("; last complete as of {as_of}"))
                .unwrap_or_default();
            let so_far = match complete.is_none() && state.holdings == Holdings::default() {
                true => "nothing was saved yet".to_owned(),
                false => format!("saved so far: {held}"),
            };
            format!("UNSAFE: {}{last}; {so_far}", reasons.join("; "))
        }
    };
    Judgement {
        safe: reasons.is_empty(),
        as_of,
        line,
        reasons,
        notes,
        under_way: under_way.map(|run| run.id),
    }
}

/// The newest run, if it has not ended and somebody holds the lock.
fn under_way<'a>(evidence: &Evidence<'a>) -> Option<&'a RunLine> {
    let newest = evidence.state.runs.first()?;
    let is_running = newest.outcome == Outcome::Running && evidence.is_locked == Some(true);
    is_running.then_some(newest)
}

/// The run that wants a person, and for what.
fn needs_person(state: &BackupState) -> Option<(&RunLine, &'static str)> {
    let run = state.needs_person.as_ref()?;
    let code = run.exit_code?;
    let why = if code == ExitCode::Guard.code() {
        "a guard tripped"
    } else if code == ExitCode::Refused.code() {
        "the key, a permission or the plan was in the way"
    } else if code == ExitCode::Usage.code() {
        "the configuration did not fit the service"
    } else {
        return None;
    };
    Some((run, why))
}

/// What is listed and not saved, of the APIs that are to be backed up. What a run under way has found itself is no debt yet, if the run
/// before it left none: it is what came up since, and the run is at it.
fn debts(
    state: &BackupState,
    under_way: Option<&RunLine>,
    reasons: &mut Vec<String>,
    notes: &mut Vec<String>,
) {
    let files = &state.files;
    let sum = |of: fn(&crate::model::backup::EndpointState) -> u64| -> u64 {
        let counted = state
            .endpoints
            .iter()
            .filter(|endpoint| !endpoint.is_left_out);
        counted.map(of).sum()
    };
    let (bodies, refused) = (
        sum(|endpoint| endpoint.bodies_owed),
        sum(|endpoint| endpoint.bodies_refused),
    );
    let mut owed = Vec::new();
    if bodies > 0 {
        owed.push(counted(bodies, "body is owed", "bodies are owed"));
    }
    if files.owed > 0 {
        owed.push(counted(files.owed, "file is owed", "files are owed"));
    }
    let is_new = state
        .runs
        .iter()
        .find(|run| run.outcome != Outcome::Running)
        .is_some_and(|run| run.outcome == Outcome::Complete);
    match under_way {
        Some(run) if is_new && files.lost == 0 && !owed.is_empty() => notes.push(format!(
            "run {} is at what it found: {}",
            run.id,
            owed.join(", ")
        )),
        Some(_) | None => reasons.append(&mut owed),
    }
    if files.lost > 0 {
        let one = "saved file is missing from the mirror or damaged there";
        let many = "saved files are missing from the mirror or damaged there";
        reasons.push(counted(files.lost, one, many));
    }
    if files.gone_from_here > 0 {
        let one = "saved file of a deleted medium is missing from the mirror or damaged there, and the service has it no more";
        let many = "saved files of deleted media are missing from the mirror or damaged there, and the service has them no more";
        reasons.push(counted(files.gone_from_here, one, many));
    }
    if files.failed > 0 {
        reasons.push(counted(files.failed, "file failed", "files failed"));
    }
    if refused > 0 {
        let words = (
            "body is refused to the key",
            "bodies are refused to the key",
        );
        reasons.push(counted(refused, words.0, words.1));
    }
}

/// What `verify` found and nobody made good: neither it nor a run after it.
fn differences(verify: &VerifyState) -> Option<String> {
    (verify.differences > 0).then(|| found_by_verify(verify, "`sync`, then `verify --repair`"))
}

/// Says how many differences that `verify` found are left, and what to do: to run `first`, unless a repair left them.
pub fn found_by_verify(verify: &VerifyState, first: &str) -> String {
    let found = counted(verify.differences, "difference", "differences");
    let remedy = match verify.is_left_by_repair {
        true => "`verify --repair` could not either, and each wants a person: run `verify` and do what it says of each, such as \
                 moving an unknown file away; then run it again"
            .to_owned(),
        false => format!("run {first}; what it names then wants a person"),
    };
    format!("`verify` found {found} that nobody made good: {remedy}")
}

fn age(evidence: &Evidence<'_>, run: &RunLine, reasons: &mut Vec<String>, notes: &mut Vec<String>) {
    let now = evidence.now;
    match now.since(run.began()) {
        Some(age) if age > evidence.max_age => reasons.push(format!(
            "the last complete run began {} ago, more than {}",
            span(age),
            span(evidence.max_age)
        )),
        Some(_) | None => {
            let ahead = run.started_at.since(now).unwrap_or_default();
            let is_untold = run
                .clock_at
                .is_some_and(|clock| clock.since(now).unwrap_or_default() > CLOCK_TOLERANCE);
            if is_untold || ahead > CLOCK_STEP {
                reasons.push(format!(
                    "the last complete run began {} ahead of this machine's clock, so that nobody can tell how long ago that \
                     was: run `sync`",
                    span(ahead)
                ));
            } else if ahead > CLOCK_TOLERANCE {
                // The times of later runs go on from there, until the clock has caught up.
                notes.push(format!(
                    "the last complete run began {} ahead of this machine's clock",
                    span(ahead)
                ));
            }
        }
    }
}

/// How the runs after the last complete one went.
fn endings(
    evidence: &Evidence<'_>,
    under_way: Option<&RunLine>,
    told_already: Option<&RunLine>,
    notes: &mut Vec<String>,
) {
    let state = evidence.state;
    if let Some(run) = under_way {
        notes.push(format!(
            "run {} is under way since {}",
            run.id, run.started_at
        ));
    }
    let Some(newest) = state
        .runs
        .iter()
        .find(|run| under_way.is_none_or(|under_way| under_way.id != run.id))
    else {
        return;
    };
    if told_already.is_some_and(|run| run.id == newest.id) {
        return;
    }
    match newest.outcome {
        Outcome::Complete => {}
        Outcome::Running if evidence.is_locked.is_none() => notes.push(format!(
            "{} has not ended; whether it still works cannot be told",
            named(newest)
        )),
        Outcome::Running => notes.push(format!("{} died without a word", named(newest))),
        // Its reason is what the next run would have done.
        Outcome::Interrupted => notes.push(format!("{} was interrupted", named(newest))),
        Outcome::Partial => notes.push(format!(
            "{} was not complete{}",
            named(newest),
            reason(newest)
        )),
        Outcome::Failed => notes.push(format!("{} failed{}", named(newest), reason(newest))),
    }
}

fn named(run: &RunLine) -> String {
    match run.part() {
        Some(part) => format!("run {} ({part} only)", run.id),
        None => format!("run {}", run.id),
    }
}

/// What the run said, shortened, behind a colon.
fn reason(run: &RunLine) -> String {
    match run.reason() {
        Some(reason) => format!(": {}", shortened(reason)),
        None => String::new(),
    }
}

fn shortened(text: &str) -> String {
    if text.chars().count() <= WORDS {
        return text.to_owned();
    }
    let begin: String = text.chars().take(WORDS).collect();
    format!("{begin}…")
}

#[cfg(test)]
mod tests;
