//! The account of a run that ended without one of its own.

use super::assemble::Site;
use super::failure::Failure;
use super::told::did_not_begin;
use crate::model::report::{
    AssetCounts, BodyCounts, Holdings, ListedCounts, REPORT_VERSION, RunReport, Verdict,
};
use crate::model::{Outcome, Problem, ProblemKind, Timestamp};

/// Tells what is known: that it failed, and why. What the backup holds is not among it. `None` where no run began, for then
/// the account of the one before is still the last one.
pub(super) fn failed_report(
    site: &Site,
    is_dry: bool,
    begun: Timestamp,
    failure: &Failure,
) -> Option<RunReport> {
    if did_not_begin(failure.exit) {
        return None;
    }
    let now = (site.clock)();
    let elapsed = now.since(begun).unwrap_or_default();
    let message = failure.chain();
    Some(RunReport {
        version: REPORT_VERSION,
        program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
        service: site.config.service.id.clone(),
        run_id: None,
        dry_run: is_dry,
        started_at: begun,
        finished_at: now,
        elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        outcome: Outcome::Failed,
        exit_code: failure.exit.code(),
        verdict: Verdict {
            safe: false,
            line: format!("UNSAFE: the run failed: {message}"),
        },
        walks: Vec::new(),
        media: ListedCounts::default(),
        contents: ListedCounts::default(),
        bodies: BodyCounts::default(),
        assets: AssetCounts::default(),
        holdings: Holdings::default(),
        transfer: Vec::new(),
        budget: None,
        forecast: None,
        problems: vec![Problem {
            kind: ProblemKind::Fault,
            scope: "run".to_owned(),
            message,
            hint: failure.hint.clone(),
        }],
        failed: Vec::new(),
        failed_total: 0,
        proof: None,
    })
}
