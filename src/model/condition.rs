//! The condition of a backup, as its database tells it: what was proven and when, what is owed, how
//! much there is. It outlives every process, so that a start changes none of it.

use super::backup::RunLine;
use super::report::HostTransfer;
use super::{Outcome, Timestamp, VerifyState, WalkVerdict};

/// The condition of a backup.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The last complete run that was about everything ([`RunLine::covers`]).
    pub last_complete: Option<RunLine>,
    /// The last run that ended, whichever.
    pub last_run: Option<RunLine>,
    /// The last run since then that wants a person, of those about everything.
    pub needs_person: Option<RunLine>,
    /// How many runs ended, by outcome.
    pub runs: Vec<(Outcome, u64)>,
    /// The walks of each scope: media, and each wanted API.
    pub walks: Vec<ScopeCondition>,
    /// Files.
    pub files: FileCondition,
    /// Bodies that are owed and may be read, those of APIs that the configuration leaves out not included.
    pub bodies_owed: u64,
    /// Bodies that the key may not read, likewise.
    pub bodies_refused: u64,
    /// APIs.
    pub endpoints: Rows,
    /// Contents.
    pub contents: Rows,
    /// Media.
    pub media: Rows,
    /// What each host answered, ever.
    pub transfer: Vec<HostTransfer>,
    /// What each host answered in this month (UTC).
    pub transfer_this_month: Vec<HostTransfer>,
    /// Length of the database, without its log.
    pub database_bytes: u64,
    /// What `verify` found last; `None`: nothing was ever verified.
    pub verify: Option<VerifyState>,
}

/// The walks of one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeCondition {
    /// `media`, `contents/blog`.
    pub scope: String,
    /// When the last proven walk began.
    pub proven_at: Option<Timestamp>,
    /// The last walk, whatever its finding.
    pub last: Option<EndedWalk>,
}

/// A walk that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndedWalk {
    /// When its first request was asked for.
    pub started_at: Timestamp,
    /// When its last answer was in.
    pub finished_at: Timestamp,
    /// The finding.
    pub verdict: WalkVerdict,
    /// Answers with a page, over all attempts.
    pub pages: u64,
    /// Attempts begun again.
    pub restarts: u64,
    /// The oldest a page token was when it was used, in milliseconds; `None` without tokens.
    pub max_token_age_ms: Option<u64>,
}

/// Where the files stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileCondition {
    /// Files that are saved as they are listed.
    pub saved: u64,
    /// Files that the mirror holds, those whose replacement is owed included.
    pub held: u64,
    /// Their bytes.
    pub held_bytes: u64,
    /// Files that are to be fetched; failed ones not included.
    pub owed: u64,
    /// Their bytes, as far as their hosts have told.
    pub owed_bytes: u64,
    /// Files whose last attempt failed.
    pub failed: u64,
    /// Of those, the ones whose next attempt is not due yet.
    pub waiting: u64,
    /// Files that their hosts have no more.
    pub gone: u64,
}

/// How many rows a table has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// What exists upstream, as far as is known.
    pub live: u64,
    /// Tombstones.
    pub deleted: u64,
}
