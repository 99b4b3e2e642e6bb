//! What a check of the backup against its own log finds.

use super::proof::Version;
use super::{Hash, LastProof};
use std::collections::BTreeMap;

/// What was changed behind the program's back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TamperKind {
    /// No run here has the root that was asked for.
    UnknownRoot,
    /// A run's record, its walks or its root, or a run before it.
    Run,
    /// Entries of the log that a run had proven: changed or missing.
    Log,
    /// A row whose columns are not those that were recorded.
    ChangedRow,
    /// A row that is not there any more, and that no `prune` removed.
    VanishedRow,
    /// A row that this program did not write.
    UnrecordedRow,
    /// A version whose end is not the begin of the next one.
    ChangedEnd,
}

impl TamperKind {
    /// Returns it in two words.
    pub fn words(self) -> &'static str {
        match self {
            Self::UnknownRoot => "unknown root",
            Self::Run => "changed run",
            Self::Log => "changed log",
            Self::ChangedRow => "changed row",
            Self::VanishedRow => "vanished row",
            Self::UnrecordedRow => "unrecorded row",
            Self::ChangedEnd => "changed end",
        }
    }
}

/// One thing that was found.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TamperFinding {
    /// What kind of thing.
    pub kind: TamperKind,
    /// The version that it is about, if it is about one.
    pub version: Option<Version>,
    /// The first run that had proven it, or that is concerned itself.
    pub run_id: Option<i64>,
    /// What is wrong, in words. Names in it are as the database has them.
    pub text: String,
}

/// How many findings a report names; the true numbers stand beside them.
pub const FINDINGS_LISTED: usize = 1000;

/// Everything found: the first of them in full, all of them counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Findings {
    /// The first ones.
    #[serde(skip)]
    pub listed: Vec<TamperFinding>,
    /// How many of each kind.
    pub counts: BTreeMap<TamperKind, u64>,
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: TamperFinding) {
        *self.counts.entry(finding.kind).or_default() += 1;
        if self.listed.len() < FINDINGS_LISTED {
            self.listed.push(finding);
        }
    }

    /// Returns how many there are.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// The run whose root was named.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct AnchorRun {
    /// Its number.
    pub run_id: i64,
    /// When it ended, as its row says.
    pub finished_at: String,
    /// Its root.
    pub root: Hash,
    /// How many entries the log had then.
    pub log_size: u64,
}

/// What was looked at, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct TamperReport {
    /// The run whose root was named; `None` if none was, or there is no such run.
    pub since: Option<AnchorRun>,
    /// The newest root: the one to keep.
    pub newest: Option<LastProof>,
    /// Runs with a root.
    pub runs: u64,
    /// Entries of the log.
    pub entries: u64,
    /// Of those, the ones that no complete run has proven yet.
    pub unproven_entries: u64,
    /// Versions compared with the log.
    pub versions: u64,
    /// Versions that were proven by the run of `since` and that `prune` removed after it.
    pub pruned_since: u64,
    /// What was changed.
    pub findings: Findings,
}
