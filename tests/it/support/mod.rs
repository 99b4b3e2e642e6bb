//! A home for a backup, runs in it, and the comparison with what the service really holds.

mod bill;
mod compare;
mod invariants;
mod listener;
mod program;
mod sandbox;
mod tamper;
mod volume;

pub(crate) use bill::Bill;
pub(crate) use compare::assert_holds;
pub(crate) use invariants::{
    archived, assert_sound, assert_sound_and_tidy, assert_within_budget, digest, files,
};
pub(crate) use listener::{Answer, Heard, Listener};
pub(crate) use program::{Program, Running};
pub(crate) use sandbox::{Sandbox, Setup, now};
pub(crate) use tamper::{assert_untampered, tampered_rows};
pub(crate) use volume::Volume;

use microcms_backup::model::{ExitCode, RunReport, WalkVerdict};
use microcms_sim::{Edit, Sim};

/// Where nobody listens. A port that was free a moment ago may be another test's by now.
pub(crate) const NOBODY: &str = "127.0.0.1:1";

/// Uploads other bytes in the place of a medium's, at the same URL.
#[track_caller]
pub(crate) fn replace_bytes(sim: &Sim, id: impl Into<String>) {
    let edit = Edit::ReplaceBytes {
        id: id.into(),
        bytes: None,
        touch: true,
        stale_requests: 0,
    };
    sim.edit(edit).expect("a medium with that id");
}

/// What tests ask of a report.
pub(crate) trait Expect {
    /// The run is complete: proven, nothing owed, exit code 0.
    fn expect_complete(self) -> Self;
    /// The run ended with this exit code.
    fn expect_code(self, code: ExitCode) -> Self;
    /// The verdict of one walk.
    fn verdict_of(&self, scope: &str) -> WalkVerdict;
}

impl Expect for RunReport {
    #[track_caller]
    fn expect_complete(self) -> Self {
        assert!(
            self.verdict.safe,
            "{}\n{:#?}",
            self.verdict.line, self.problems
        );
        self.expect_code(ExitCode::Complete)
    }

    #[track_caller]
    fn expect_code(self, code: ExitCode) -> Self {
        assert_eq!(
            self.exit_code,
            code.code(),
            "{}\n{:#?}",
            self.verdict.line,
            self.problems
        );
        self
    }

    #[track_caller]
    fn verdict_of(&self, scope: &str) -> WalkVerdict {
        let walk = self
            .walks
            .iter()
            .find(|walk| walk.scope.to_string() == scope);
        walk.unwrap_or_else(|| panic!("no walk of {scope} in {:?}", self.walks))
            .verdict
    }
}
