//! The account of one run: what was seen, saved and owed, and the one line of truth.

use super::{Proof, Timestamp, WalkRecord};
use std::fmt;

/// The exit codes of the program: design.md section 4, one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Complete and proven.
    Complete = 0,
    /// Nothing trustworthy is new.
    Failed = 1,
    /// Usage or configuration.
    Usage = 2,
    /// What was safe is saved; the report lists what is owed.
    Partial = 3,
    /// Key, permission, or the plan stopped the service.
    Refused = 4,
    /// A guard tripped; a person must look.
    Guard = 5,
    /// `verify` found a difference, or `status` is UNSAFE.
    Difference = 6,
    /// Another run holds the lock.
    Locked = 11,
    /// SIGINT; the state is consistent.
    Interrupted = 130,
    /// SIGTERM; the state is consistent.
    Terminated = 143,
}

impl ExitCode {
    /// Returns the number a shell sees.
    pub fn code(self) -> u8 {
        self as u8
    }
}

/// How a run ended; the word in `runs.outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It has not ended (or died without a word).
    Running,
    /// Every walk is proven and nothing is owed.
    Complete,
    /// What was safe is saved, something is missing.
    Partial,
    /// Nothing trustworthy is new.
    Failed,
    /// Stopped by a signal.
    Interrupted,
}

impl Outcome {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Running,
            Self::Complete,
            Self::Partial,
            Self::Failed,
            Self::Interrupted,
        ]
        .into_iter()
        .find(|outcome| outcome.as_str() == text)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What kind of trouble a [`Problem`] is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ProblemKind {
    /// Something named by a person does not exist.
    Configuration,
    /// The key, a permission, an IP rule or the plan is in the way of a whole API.
    Refused,
    /// A listing shrank so much that a person must look.
    Guard,
    /// A walk is not proven, or something is owed.
    Owed,
    /// A fault that kept a part of the run from being done.
    Fault,
    /// A hook failed. It says nothing about the backup: exit code and verdict are what they are
    /// without it.
    Hook,
}

/// One thing that keeps a run from being complete.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Problem {
    /// What kind of trouble.
    pub kind: ProblemKind,
    /// What it is about: `media`, `contents/blog`, `bodies/blog`, `assets`, `apis`.
    pub scope: String,
    /// What happened.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Counts of one listing, or of several added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ListedCounts {
    /// Items seen (distinct, in the attempts that count).
    pub seen: u64,
    /// Rows that are new.
    pub new: u64,
    /// Rows that changed.
    pub changed: u64,
    /// Rows that came back after a deletion.
    pub returned: u64,
    /// Known rows that the listing lacked.
    pub missing: u64,
    /// Rows marked as deleted.
    pub deleted: u64,
}

impl ListedCounts {
    /// Adds another count to this one.
    pub fn add(&mut self, other: Self) {
        self.seen += other.seen;
        self.new += other.new;
        self.changed += other.changed;
        self.returned += other.returned;
        self.missing += other.missing;
        self.deleted += other.deleted;
    }
}

/// Counts of bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct BodyCounts {
    /// Bodies read and recorded in this run.
    pub saved: u64,
    /// Bodies owed after this run, those refused to the key included.
    pub owed: u64,
    /// Of those, the ones that the key may not read.
    pub refused: u64,
}

/// Counts of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AssetCounts {
    /// Files whose bytes were fetched and saved in this run.
    pub saved: u64,
    /// Files that were asked for and found unchanged.
    pub unchanged: u64,
    /// Files that took another path in the mirror without being fetched again.
    pub moved: u64,
    /// Files owed after this run, failed ones included.
    pub owed: u64,
    /// Bytes of the owed files that did not fail, as far as their hosts have told.
    pub owed_bytes: u64,
    /// Files that failed in this run.
    pub failed: u64,
    /// Failed files that were not asked for, because their next attempt is not due yet.
    pub waiting: u64,
    /// Files that were not fetched because the month's budget has no room for them.
    pub withheld: u64,
    /// Bytes received from asset hosts in this run.
    pub bytes: u64,
}

/// Requests and bytes of one host in this run.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct HostTransfer {
    /// Host, with the port where it is not the scheme's own.
    pub host: String,
    /// Requests sent.
    pub requests: u64,
    /// Body bytes received, as they came over the wire.
    pub bytes: u64,
}

/// The month's transfer budget, `limits.monthly_transfer`.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Budget {
    /// UTC, `2026-11`.
    pub month: String,
    /// Bytes that may be transferred in the month.
    pub limit: u64,
    /// Bytes that were, as far as this program knows: what a site's visitors fetch it cannot see.
    pub spent: u64,
    /// Bytes that may still be.
    pub left: u64,
}

/// How much there is to download, judged by the sizes of some of the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Forecast {
    /// Files to fetch.
    pub files: u64,
    /// Their bytes, about.
    pub bytes: u64,
    /// Files whose hosts told their size.
    pub asked: u64,
}

/// One file whose last attempt failed, in this run or in an earlier one.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct FailedAsset {
    /// The medium.
    pub media_id: String,
    /// Where it was asked for.
    pub url: String,
    /// What happened last.
    pub error: String,
    /// Failed attempts one after the other.
    pub attempts: u32,
    /// When the last one failed.
    pub failed_at: Option<Timestamp>,
    /// Not asked for before this, unless by `sync --retry-failed`; `None`: by the next run.
    pub next_attempt_at: Option<Timestamp>,
    /// Its length, where its host told it.
    pub announced_bytes: Option<u64>,
}

/// One file that is owed and did not fail.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OwedFile {
    /// The medium.
    pub media_id: String,
    /// Where it is asked for.
    pub url: String,
    /// Why it is owed: `new`, `changed`, `missing`, `damaged`, `asked`, …; `None` where that is not recorded.
    pub why: Option<String>,
}

/// One body that is owed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MissingBody {
    /// Its API.
    pub endpoint: String,
    /// Its content.
    pub id: String,
    /// `published` or `draft`.
    pub side: String,
    /// `owed`, or `refused`: the key may not read it.
    pub state: String,
    /// What happened at the last attempt.
    pub error: Option<String>,
    /// Failed attempts one after the other.
    pub attempts: u32,
}

/// What the whole backup holds after the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Holdings {
    /// APIs that exist upstream.
    pub endpoints: u64,
    /// Contents that exist upstream.
    pub contents: u64,
    /// Media that exist upstream.
    pub media: u64,
    /// Files saved.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The one line of truth.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verdict {
    /// Whether everything that the run was asked for is proven and saved.
    pub safe: bool,
    /// `SAFE as of …: …` or `UNSAFE: why; …`.
    pub line: String,
}

/// The account of one run. Its JSON form is stable: fields are added, never renamed, and `version`
/// moves when that has to be broken.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct RunReport {
    /// Version of this JSON form.
    pub version: u32,
    /// Program and its version.
    pub program: String,
    /// The service.
    pub service: String,
    /// Row in `runs`; `None` for a dry run.
    pub run_id: Option<i64>,
    /// Whether nothing was written.
    pub dry_run: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Wall time in milliseconds.
    pub elapsed_ms: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The number a shell sees.
    pub exit_code: u8,
    /// The one line of truth.
    pub verdict: Verdict,
    /// Every walk.
    pub walks: Vec<WalkRecord>,
    /// Media rows.
    pub media: ListedCounts,
    /// Contents rows, over all APIs.
    pub contents: ListedCounts,
    /// Bodies.
    pub bodies: BodyCounts,
    /// Files.
    pub assets: AssetCounts,
    /// What the backup holds now.
    pub holdings: Holdings,
    /// Requests and bytes by host.
    pub transfer: Vec<HostTransfer>,
    /// Where the month's budget stands; `None` where none is set.
    pub budget: Option<Budget>,
    /// How much a first download takes; `None` where nobody asked.
    pub forecast: Option<Forecast>,
    /// What keeps the run from being complete; and hooks that failed, which does not.
    pub problems: Vec<Problem>,
    /// What a person should know besides: it does not touch this run's verdict.
    pub notes: Vec<String>,
    /// The files whose last attempt failed, in this run or before, at most 200.
    pub failed: Vec<FailedAsset>,
    /// How many there are in truth.
    pub failed_total: u64,
    /// Other files that are owed, at most 200.
    pub owed_files: Vec<OwedFile>,
    /// Bodies that are owed, at most 200, those refused to the key last.
    pub owed_bodies: Vec<MissingBody>,
    /// What a complete run committed to: keep the root elsewhere. `None` for every other run.
    pub proof: Option<Proof>,
}

/// The version of [`RunReport`]'s JSON form.
pub const REPORT_VERSION: u32 = 1;

/// How many failed files a report names, how many owed ones and how many bodies; their true numbers stand in the counts.
pub const FAILED_LISTED: usize = 200;
