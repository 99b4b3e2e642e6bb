//! What is known at one moment.

use std::time::Duration;

use crate::model::condition::Condition;
use crate::model::report::Budget;
use crate::model::{Flow, Timestamp};

/// Everything that metrics and findings are made of.
#[derive(Debug, Clone)]
pub struct Facts {
    /// The moment.
    pub now: Timestamp,
    /// Version of the program.
    pub version: &'static str,
    /// The service.
    pub service: String,
    /// How old the last complete run may become.
    pub max_age: Duration,
    /// What the database tells, or why it tells nothing.
    pub backup: Result<Condition, String>,
    /// Whether `status` says SAFE; `None` where the database tells nothing.
    pub is_safe: Option<bool>,
    /// The month's transfer budget; `None` where none is set, or the database tells nothing.
    pub budget: Option<Budget>,
    /// The mirror's disk; `None` before there is a mirror.
    pub disk: Option<Disk>,
    /// What this process asked and was answered.
    pub flow: Flow,
    /// The daemon; `None`: a one-shot, after its run.
    pub life: Option<Life>,
}

/// How full the mirror's disk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disk {
    /// Free bytes for an ordinary user.
    pub free: u64,
    /// All bytes.
    pub total: u64,
}

/// What a daemon does.
#[derive(Debug, Clone)]
pub struct Life {
    /// When the process began.
    pub started_at: Timestamp,
    /// How far it is.
    pub phase: Phase,
    /// The run under way.
    pub run: Option<RunNow>,
    /// The exit code that the last run of this process would have had; `None` before its end.
    pub last_exit_code: Option<u8>,
    /// When the next run begins, as far as is known.
    pub next_run: Option<Timestamp>,
    /// Runs in a row that left something to be tried again.
    pub tries: u32,
    /// How long the look at the database took.
    pub look: Duration,
}

/// How far a daemon is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It looks whether a run could be done.
    Starting,
    /// It runs, or waits for the next run.
    Ready,
    /// It was asked to end.
    Stopping,
}

/// How far the run under way is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunNow {
    /// When it began.
    pub began_at: Timestamp,
    /// Listing pages read.
    pub pages: u64,
    /// Bodies recorded.
    pub bodies: u64,
    /// Files settled.
    pub files: u64,
    /// Bytes received from asset hosts.
    pub bytes: u64,
    /// Walks begun again.
    pub restarts: u64,
}
