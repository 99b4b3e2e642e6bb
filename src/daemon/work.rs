//! What the loop is given: how to look whether a run can be done, how to do one, how to read the
//! configuration again.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use super::bell::Trigger;
use super::schedule::Schedule;
use super::state::Voice;
use crate::model::{ExitCode, RunReport, Tally, Timestamp};
use crate::sync::Stop;

/// Something under way that owns what it needs.
pub type Running<T> = Pin<Box<dyn Future<Output = Result<T, Trouble>> + Send>>;

/// What the daemon does, seen from its loop.
pub trait Work {
    /// Looks whether a run could be done: the lock, the database, the mirror. Migrates and creates
    /// what is needed. Somebody else's run under way is no trouble.
    fn check(&self) -> Running<Facts>;

    /// Does one run, by the configuration of this moment. Waits for the lock, if need be for hours.
    fn run(&self, ask: Ask) -> Running<RunReport>;

    /// Reads the configuration again; what it says counts for the next run.
    ///
    /// # Errors
    /// If it cannot be used. Then the old one stays.
    fn reload(&mut self) -> Result<Schedule, Trouble>;
}

/// What is known before the first run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Facts {
    /// When the last complete run ended, if there ever was one.
    pub last_complete: Option<Timestamp>,
    /// Whether the last run died, or was stopped, before its end.
    pub was_cut_off: bool,
}

/// What the loop asks of a run.
#[derive(Debug)]
pub struct Ask {
    /// Why it begins.
    pub trigger: Trigger,
    /// Where it counts.
    pub tally: Arc<Tally>,
    /// Where it looks whether to stop.
    pub stop: Stop,
    /// Where it says that it waits.
    pub voice: Voice,
}

/// Why something could not be done.
#[derive(Debug)]
pub struct Trouble {
    /// What a one-shot would have exited with.
    pub exit: ExitCode,
    /// What happened, with its chain.
    pub error: Box<dyn Error + Send + Sync>,
    /// What a person can do about it.
    pub hint: Option<String>,
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::model::chain(&*self.error))
    }
}
