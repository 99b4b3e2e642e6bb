//! `verify --since`: is the backup as this program left it?

use std::fmt::Write as _;

use super::assemble::{failed, mirror_options};
use super::failure::Failure;
use super::looking::look;
use super::output::{self, plain};
use super::run::Clock;
use crate::config::{self, Config, Sources};
use crate::mirror::{MirrorError, Reader};
use crate::model::tamper::FINDINGS_LISTED;
use crate::model::{ExitCode, RootPrefix, TamperFinding, TamperReport, Timestamp};
use crate::store::{Store, StoreError};
use crate::sync::{Look, RowsChecked, TamperError, check_files, check_rows};

/// Findings that are named in the text; the JSON form has more.
const SHOWN: usize = 50;

/// Compare the backup with its own log of what was recorded
///
/// Compares every row with the log that this program keeps, the log with the roots of complete runs, and
/// every file with its digest; names what was changed behind this program's back. With a root that was kept
/// elsewhere it also tells whether this database is the one that the root is of.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(hide = true)]
pub(crate) struct Args {
    /// A root that was kept elsewhere, or its first 8 digits or more
    #[arg(long, value_name = "ROOT")]
    pub(crate) since: Option<String>,

    /// Do not read the files
    #[arg(long)]
    pub(crate) no_files: bool,

    /// Print the report as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

/// Compares and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    let since = root(args.since.as_deref())?;
    let report = check(&config, since.as_ref(), !args.no_files, clock())?;
    let text = if args.json {
        // Strings, numbers and lists: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    } else {
        summary(&report)
    };
    match output::result(&text) {
        Ok(()) => Ok(exit(&report).code()),
        Err(err) => Err(Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )),
    }
}

/// Reads a root from the command line.
///
/// # Errors
/// A text that is none, as wrong usage.
pub(crate) fn root(text: Option<&str>) -> Result<Option<RootPrefix>, Failure> {
    text.map(RootPrefix::parse)
        .transpose()
        .map_err(|err| Failure::new(ExitCode::Usage, err))
}

/// Compares the rows with the log, and the files with the rows where `has_files` says so. Takes no lock
/// and writes nothing: a run may be under way.
///
/// # Errors
/// Where there is no backup, or it cannot be read; as wrong usage, a root that could be two.
pub(crate) fn check(
    config: &Config,
    since: Option<&RootPrefix>,
    has_files: bool,
    now: Timestamp,
) -> Result<TamperReport, Failure> {
    let mut report = match look(config, |store| check_rows(store, since, now))? {
        RowsChecked::Done(report) => *report,
        RowsChecked::Ambiguous => {
            let text = "more than one root begins with these digits";
            return Err(Failure::new(ExitCode::Usage, text).with_hint("name more of them"));
        }
    };
    if has_files {
        let hint = |err: &MirrorError| err.hint().map(str::to_owned);
        let files = Reader::open(&mirror_options(config)).map_err(|err| failed(err, hint))?;
        let read = check_files(&Rows(config), &files, &mut report.findings);
        report.files = Some(read.map_err(|err| match err {
            TamperError::Store(failure) => failure,
            TamperError::Mirror(err) => failed(err, hint),
        })?);
    }
    Ok(report)
}

/// The database of a configuration.
struct Rows<'a>(&'a Config);

impl Look for Rows<'_> {
    type Error = Failure;

    fn look<T>(&self, ask: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, Failure> {
        look(self.0, ask)
    }
}

/// The exit code that goes with a report.
pub(crate) fn exit(report: &TamperReport) -> ExitCode {
    match report.findings.total() {
        0 => ExitCode::Complete,
        _ => ExitCode::Difference,
    }
}

/// Returns what a person reads, the last line the truth.
pub(crate) fn summary(report: &TamperReport) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ok = writeln!(
        text,
        "log       {} entries, of which runs proved all but {}; {} runs with a root",
        report.entries, report.unproven_entries, report.runs
    );
    if let Some(since) = &report.since {
        let _ok = writeln!(
            text,
            "since     root {} of run {}, which ended at {}: {} entries then; `prune` removed {} of the versions since",
            since.root.short(),
            since.run_id,
            plain(&since.finished_at),
            since.log_size,
            report.pruned_since
        );
    }
    let files = match report.files {
        Some(files) => format!("{files} files read"),
        None => "no file read".to_owned(),
    };
    let _ok = writeln!(text, "looked at {} versions, {files}", report.versions);
    for finding in report.findings.listed.iter().take(SHOWN) {
        text += &line(finding);
    }
    let total = report.findings.total();
    let shown = report.findings.listed.len().min(SHOWN) as u64;
    if total > shown {
        let _ok = writeln!(
            text,
            "          and {} more; --json names up to {FINDINGS_LISTED}",
            total - shown
        );
    }
    text + &verdict(report) + "\n"
}

/// Returns one finding as one line.
pub(crate) fn line(finding: &TamperFinding) -> String {
    let what = match (&finding.version, &finding.file) {
        (Some(version), _) => {
            let scope = match version.scope.as_str() {
                "" => String::new(),
                scope => format!("{scope}/"),
            };
            let (kind, id, from) = (version.kind.as_str(), &version.id, &version.valid_from);
            format!("{kind} {scope}{id} of {from}: ")
        }
        (None, Some(file)) => format!("{file}: "),
        (None, None) => String::new(),
    };
    let run = match finding.run_id {
        Some(run) if finding.version.is_some() => format!(" (run {run} had proven it)"),
        Some(_) | None => String::new(),
    };
    let words = finding.kind.words();
    plain(&format!("{words:<15} {what}{}{run}", finding.text)) + "\n"
}

fn verdict(report: &TamperReport) -> String {
    let root = match &report.newest {
        Some(newest) => format!("newest root {} of run {}", newest.proof.root, newest.run_id),
        None => "no complete run has committed to a root yet".to_owned(),
    };
    match report.findings.total() {
        0 => format!("UNCHANGED: all is as this program left it; {root}"),
        1 => format!("CHANGED: 1 difference; {root}"),
        total => format!("CHANGED: {total} differences; {root}"),
    }
}
