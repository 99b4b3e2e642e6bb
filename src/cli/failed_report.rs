//! The account of a run that ended without one of its own.

use super::failure::Failure;
use super::report_file::ReportFile;
use super::run::Clock;
use super::sync::json;
use super::told::did_not_begin;
use crate::model::report::{
    AssetCounts, BodyCounts, Holdings, ListedCounts, REPORT_VERSION, RunReport, Verdict,
};
use crate::model::{Outcome, Problem, ProblemKind, Timestamp};
use serde::Deserialize;
use std::path::Path;
use tracing::warn;

/// Tells what is known: that it failed, and why. What the backup holds is not among it. `None` where no run began because
/// another one is under way or somebody said stop, for then the account of the one before is still the last one. `service` is
/// empty where the configuration does not tell.
pub(super) fn failed_report(
    service: &str,
    clock: Clock,
    is_dry: bool,
    begun: Timestamp,
    failure: &Failure,
) -> Option<RunReport> {
    if did_not_begin(failure.exit) {
        return None;
    }
    let now = clock();
    let elapsed = now.since(begun).unwrap_or_default();
    let message = failure.line();
    Some(RunReport {
        version: REPORT_VERSION,
        program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
        service: service.to_owned(),
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
        notes: Vec::new(),
        owed_files: Vec::new(),
        owed_bodies: Vec::new(),
    })
}

/// Says in the report of an earlier run that this one could not be configured: whoever asks it whether all is well is not
/// to read that one. Which files are the backup's own is not known then, so nothing but a report is replaced.
pub(super) fn replace_report(path: &Path, clock: Clock, is_dry: bool, failure: &Failure) {
    let Some(report) = failed_report("", clock, is_dry, clock(), failure) else {
        return;
    };
    let saved = ReportFile::at(path).and_then(|file| {
        if file.holds(is_report) {
            file.save(&json(&report))
        } else {
            Ok(())
        }
    });
    if let Err(err) = saved {
        warn!("the report of the failed run could not be told: {err}");
    }
}

/// What every report has had since the first one.
#[derive(Deserialize)]
struct AnyReport {
    #[serde(rename = "version")]
    _version: u32,
    #[serde(rename = "verdict")]
    _verdict: AnyVerdict,
}

#[derive(Deserialize)]
struct AnyVerdict {
    #[serde(rename = "safe")]
    _safe: bool,
}

fn is_report(text: &str) -> bool {
    serde_json::from_str::<AnyReport>(text).is_ok()
}
