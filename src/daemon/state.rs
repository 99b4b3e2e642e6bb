//! What the daemon does, for whoever wants to know: a listener, a hook, a person.

use std::sync::Arc;

use bytesize::ByteSize;
use tokio::sync::watch;

use super::bell::Trigger;
use super::work::Trouble;
use crate::model::{RunReport, Tally, Timestamp};

/// What the daemon does at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// It looks whether a run could be done; it is not ready yet.
    Starting,
    /// It waits for the next run.
    Idle,
    /// A run is due, and another program's holds the lock: who, in words.
    Waiting(String),
    /// A run is under way.
    Running,
    /// It was asked to end.
    Stopping,
}

/// The run under way.
#[derive(Debug, Clone)]
pub struct CurrentRun {
    /// Why it began.
    pub trigger: Trigger,
    /// When it began.
    pub began_at: Timestamp,
    /// What it has done so far. For eyes: the truth will be in its report.
    pub tally: Arc<Tally>,
}

/// A run that ended.
#[derive(Debug)]
pub struct Ended {
    /// Why it began.
    pub trigger: Trigger,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Its account, or why there is none.
    pub result: Result<RunReport, Trouble>,
}

impl Ended {
    /// Returns the exit code that a one-shot would have ended with.
    pub fn exit_code(&self) -> u8 {
        match &self.result {
            Ok(report) => report.exit_code,
            Err(trouble) => trouble.exit.code(),
        }
    }
}

/// What the daemon does and has done. Cheap to clone.
#[derive(Debug, Clone)]
pub struct State {
    /// What it does.
    pub phase: Phase,
    /// The run under way, while it waits for the lock, too.
    pub run: Option<CurrentRun>,
    /// The last run of this process.
    pub last: Option<Arc<Ended>>,
    /// When the next run begins, as far as is known: the next tick, or an earlier retry.
    pub next_run: Option<Timestamp>,
    /// Runs in a row that left something to be tried again.
    pub tries: u32,
}

impl State {
    pub(super) fn starting() -> Self {
        Self {
            phase: Phase::Starting,
            run: None,
            last: None,
            next_run: None,
            tries: 0,
        }
    }

    /// Returns the state as one line for people.
    pub(super) fn line(&self) -> String {
        match (&self.phase, &self.run) {
            (Phase::Starting, _) => "looking whether a run can be done".to_owned(),
            (Phase::Idle, _) => self.idle(),
            (Phase::Waiting(why), _) => format!("{why}; waiting for it to end"),
            (Phase::Running, Some(run)) => {
                format!("run ({}): {}", run.trigger, progress(&run.tally))
            }
            (Phase::Running, None) => "run".to_owned(),
            (Phase::Stopping, Some(run)) => format!("stopping: {}", progress(&run.tally)),
            (Phase::Stopping, None) => "stopping".to_owned(),
        }
    }

    fn idle(&self) -> String {
        let last = match self.last.as_deref().map(|ended| &ended.result) {
            None => "no run yet".to_owned(),
            Some(Ok(report)) => report.verdict.line.clone(),
            Some(Err(trouble)) => format!("UNSAFE: the last run failed: {trouble}"),
        };
        match self.next_run {
            Some(next) => format!("{last}; next run at {next}"),
            None => last,
        }
    }
}

fn progress(tally: &Tally) -> String {
    let part = |done: u64, expected: u64, what: &str| match expected {
        0 => format!("{done} {what}"),
        expected => format!("{done} of {} {what}", expected.max(done)),
    };
    format!(
        "{}, {}, {}, {}",
        part(tally.pages.get(), tally.pages_expected.get(), "pages"),
        part(tally.bodies.get(), tally.bodies_expected.get(), "bodies"),
        part(tally.files.get(), tally.files_expected.get(), "files"),
        ByteSize(tally.bytes.get()),
    )
}

/// What happened, for those who act on it.
#[derive(Debug, Clone)]
pub enum Event {
    /// A run began; it may wait for the lock yet.
    Began(CurrentRun),
    /// A run ended.
    Ended(Arc<Ended>),
}

/// With it a run says what it waits for.
#[derive(Debug, Clone)]
pub struct Voice(pub(super) watch::Sender<State>);

impl Voice {
    /// The run waits for another one to end: who, in words.
    pub fn waiting(&self, who: String) {
        self.say(Phase::Waiting(who));
    }

    /// The run has all that it waited for.
    pub fn working(&self) {
        self.say(Phase::Running);
    }

    fn say(&self, phase: Phase) {
        self.0.send_if_modified(|state| {
            // Whoever is asked to stop stays so.
            let is_news = state.phase != Phase::Stopping && state.phase != phase;
            if is_news {
                state.phase = phase;
            }
            is_news
        });
    }
}
