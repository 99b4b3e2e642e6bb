//! The hooks of a run: when they are called, what they are told, and what follows from their end.

use tracing::warn;

use super::assemble::Site;
use super::report_file::ReportFile;
use crate::hooks::{self, Hook, HookError};
use crate::model::{Problem, ProblemKind};
use crate::sync::Stop;

/// What a hook is told of a run.
#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) outcome: String,
    /// Empty where there is none yet.
    pub(crate) exit_code: String,
    pub(crate) verdict: String,
    /// The report as JSON, if there is one.
    pub(crate) report: Option<String>,
}

/// Calls the hook before a run. The run follows, whatever comes of it.
pub(crate) async fn before(site: &Site, stop: &Stop) -> Option<Problem> {
    let command = site.config.hooks.before.as_deref()?;
    let facts = Facts {
        outcome: "running".to_owned(),
        ..Facts::default()
    };
    call(site, "before", command, &facts, "", stop).await
}

/// Calls the hook after a run. Its report is in `saved` already, or else lies beside the database for
/// as long as the hook runs.
pub(crate) async fn after(
    site: &Site,
    facts: &Facts,
    saved: Option<&ReportFile>,
    stop: &Stop,
) -> Option<Problem> {
    let hooks = &site.config.hooks;
    let (name, command) = match facts.exit_code.as_str() {
        "0" => ("after", hooks.after.as_deref()?),
        _ => ("failed", hooks.failed.as_deref()?),
    };
    let lasting = saved
        .and_then(ReportFile::lasting)
        .filter(|_| facts.report.is_some());
    let lent = match (&facts.report, lasting) {
        (Some(report), None) => match ReportFile::lend(&site.config.storage.database, report) {
            Ok(lent) => Some(lent),
            Err(err) => {
                warn!("hook `{name}` gets no report: it could not be saved: {err}");
                None
            }
        },
        (Some(_) | None, _) => None,
    };
    let path = lasting.or(lent.as_ref().map(|lent| lent.path()));
    let path = path.map(|path| path.to_string_lossy().into_owned());
    call(site, name, command, facts, &path.unwrap_or_default(), stop).await
}

async fn call(
    site: &Site,
    name: &'static str,
    command: &[String],
    facts: &Facts,
    report: &str,
    stop: &Stop,
) -> Option<Problem> {
    let told = [
        ("MICROCMS_BACKUP_HOOK", name.to_owned()),
        ("MICROCMS_BACKUP_SERVICE", site.config.service.id.clone()),
        ("MICROCMS_BACKUP_OUTCOME", facts.outcome.clone()),
        ("MICROCMS_BACKUP_EXIT_CODE", facts.exit_code.clone()),
        ("MICROCMS_BACKUP_VERDICT", facts.verdict.clone()),
        ("MICROCMS_BACKUP_REPORT", report.to_owned()),
    ];
    let hook = Hook {
        name,
        command,
        timeout: site.config.hooks.timeout,
        hidden: &site.config.hooks.hidden,
        told: &told,
    };
    match hooks::run(&hook, stop.wait()).await {
        Ok(()) => None,
        Err(err) => {
            warn!(
                hook = name,
                "hook `{name}` {err}; the run is what it is without it"
            );
            Some(problem(name, &err))
        }
    }
}

fn problem(name: &str, err: &HookError) -> Problem {
    let hint = match err {
        HookError::NotStarted(_) => Some("the user of this program must be able to run it"),
        HookError::TimedOut(_) => Some("`hooks.timeout` gives it more time"),
        HookError::Failed(_) | HookError::Stopped => None,
    };
    Problem {
        kind: ProblemKind::Hook,
        scope: format!("hooks/{name}"),
        message: format!("the command {err}"),
        hint: hint.map(str::to_owned),
    }
}
