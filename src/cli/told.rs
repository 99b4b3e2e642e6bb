//! One run with what stands around it: those who are told, and the hooks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::assemble::Site;
use super::failure::Failure;
use super::hooks;
use super::order::Order;
use super::report_file::ReportFile;
use super::summary;
use crate::config::{Config, WebhookOn};
use crate::logging::Tail;
use crate::model::{ExitCode, Outcome, Problem, RunReport, Tally, Timestamp};
use crate::notify::{Ending, RunTag, Targets, Teller, When};
use crate::store::Lock;
use crate::sync::Stop;

/// How long the end of a one-shot waits for what is still to be told.
pub(crate) const LINGER: Duration = Duration::from_secs(5);
/// The same for a daemon, whose end somebody waits for.
pub(crate) const DAEMON_LINGER: Duration = Duration::from_secs(1);

/// Those who are told. Cheap to clone; outlives the configuration, which is read again.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    teller: Teller,
    tail: Tail,
    /// How the last run of this process ended, if it could not be recorded: the database knows
    /// nothing of it. A std mutex: copied in and out, never held across an await.
    unrecorded: Arc<Mutex<Option<Outcome>>>,
}

/// A run to be done.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) order: Order,
    /// The lock, or why there is none.
    pub(crate) lock: Result<Lock, Failure>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) stop: Stop,
    /// Where its report goes.
    pub(crate) report: Option<&'a ReportFile>,
}

impl Audience {
    pub(crate) fn new(teller: Teller, tail: Tail) -> Self {
        Self {
            teller,
            tail,
            unrecorded: Arc::default(),
        }
    }

    /// Does a run, tells that it begins and how it ended, and calls the hooks. Nothing of that can fail
    /// the run; hooks alone take time of it.
    ///
    /// A run that found the lock taken, or was stopped while it waited for it, did not begin: nobody
    /// is told, and no hook is called.
    ///
    /// # Errors
    /// Those of the run.
    pub(crate) async fn run(&self, site: &Site, wanted: Wanted<'_>) -> Result<RunReport, Failure> {
        let targets = targets(&site.config);
        let (tag, began_at) = (RunTag::random(), (site.clock)());
        let (stop, mut previous) = (wanted.stop, None);
        // Held to the end, so that the hooks of two runs never meet.
        let (_lock, done) = match wanted.lock {
            Ok(lock) => {
                self.tail.begin();
                self.teller.began(&targets, &tag);
                let trouble = hooks::before(site, &stop).await;
                let run = site.run(wanted.order, wanted.tally, stop.clone(), &mut previous);
                (Some(lock), with(trouble, run.await))
            }
            Err(failure) if did_not_begin(failure.exit) => return Err(failure),
            Err(failure) => (None, Err(failure)),
        };
        let previous = self.replace_unrecorded(&done).or(previous);
        // First the report, then the word about it: one that cannot be saved makes the run a failure.
        let saved = match (&done, wanted.report) {
            (Ok(report), Some(file)) => file.save_if_lasting(&super::sync::json(report)).is_ok(),
            (Ok(_) | Err(_), _) => true,
        };
        let told = Told::of(site, &done, saved);
        let log = self.tail.text();
        self.teller.ended(
            &targets,
            &tag,
            &told.ending(began_at, (site.clock)(), previous, &log),
        );
        let facts = told.facts();
        // Last, so that one that hangs does not keep the news back.
        let report = wanted.report.filter(|_| saved);
        let trouble = hooks::after(site, &facts, report, &stop).await;
        with(trouble, done)
    }

    /// Notes what the database does not know, and returns what was noted before.
    fn replace_unrecorded(&self, done: &Result<RunReport, Failure>) -> Option<Outcome> {
        let now = done.as_ref().err().map(|failure| outcome_of(failure.exit));
        std::mem::replace(
            &mut self
                .unrecorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
            now,
        )
    }
}

/// Adds what came of a hook to the report of its run.
fn with(
    trouble: Option<Problem>,
    mut done: Result<RunReport, Failure>,
) -> Result<RunReport, Failure> {
    if let Ok(report) = &mut done {
        report.problems.extend(trouble);
    }
    done
}

pub(super) fn did_not_begin(exit: ExitCode) -> bool {
    matches!(
        exit,
        ExitCode::Locked | ExitCode::Interrupted | ExitCode::Terminated
    )
}

/// The outcome of a run without a report.
fn outcome_of(exit: ExitCode) -> Outcome {
    match exit {
        ExitCode::Interrupted | ExitCode::Terminated => Outcome::Interrupted,
        ExitCode::Complete
        | ExitCode::Failed
        | ExitCode::Usage
        | ExitCode::Partial
        | ExitCode::Refused
        | ExitCode::Guard
        | ExitCode::Difference
        | ExitCode::Locked => Outcome::Failed,
    }
}

/// What is told of a run that is over.
#[derive(Debug)]
struct Told<'a> {
    service: &'a str,
    report: Option<&'a RunReport>,
    outcome: Outcome,
    exit_code: u8,
    verdict: String,
    summary: String,
}

impl<'a> Told<'a> {
    fn of(site: &'a Site, done: &'a Result<RunReport, Failure>, is_saved: bool) -> Self {
        let service = site.config.service.id.as_str();
        match done {
            Ok(report) => Self {
                service,
                report: Some(report),
                outcome: report.outcome,
                exit_code: super::sync::shell_code(report.exit_code, is_saved),
                verdict: report.verdict.line.clone(),
                summary: summary::of(report),
            },
            Err(failure) => Self {
                service,
                report: None,
                outcome: outcome_of(failure.exit),
                exit_code: failure.exit.code(),
                verdict: format!("UNSAFE: the run failed: {}", failure.line()),
                summary: failure.render(),
            },
        }
    }

    fn facts(&self) -> hooks::Facts {
        hooks::Facts {
            outcome: self.outcome.to_string(),
            exit_code: self.exit_code.to_string(),
            verdict: self.verdict.clone(),
            report: self.report.map(super::sync::json),
        }
    }

    fn ending<'b>(
        &'b self,
        began_at: Timestamp,
        ended_at: Timestamp,
        previous: Option<Outcome>,
        log: &'b str,
    ) -> Ending<'b> {
        Ending {
            service: self.service,
            began_at,
            ended_at,
            outcome: self.outcome,
            exit_code: self.exit_code,
            previous,
            report: self.report,
            verdict: &self.verdict,
            summary: &self.summary,
            log,
        }
    }
}

fn targets(config: &Config) -> Targets {
    let notify = &config.notify;
    let secret = |url: &Option<crate::config::SecretUrl>| Some(url.as_ref()?.secret().clone());
    Targets {
        heartbeat: secret(&notify.heartbeat),
        webhook: secret(&notify.webhook),
        webhook_on: match notify.webhook_on {
            WebhookOn::Failure => When::Failure,
            WebhookOn::Always => When::Always,
            WebhookOn::Change => When::Change,
        },
    }
}
