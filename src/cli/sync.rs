//! `sync`: one run, then exit.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use tokio::runtime;
use tracing::{debug, info, warn};

use super::assemble::Site;
use super::drive::{self, Ended};
use super::failed_report::{failed_report, replace_report};
use super::failure::Failure;
use super::health;
use super::order::Order;
use super::output;
use super::progress::Progress;
use super::report_file::ReportFile;
use super::run::Clock;
use super::seen::Seen;
use super::told::{Audience, LINGER, Wanted};
use super::{exit, places, summary};
use crate::config::{self, ApiKey, Config, Sources};
use crate::daemon::{Signal, Signals};
use crate::logging::Tail;
use crate::model::{Endpoint, ExitCode, RunReport, Tally};
use crate::notify::Teller;
use crate::store::LockError;
use crate::sync::Stop;

const EXAMPLES: &str = "\
Examples:
  microcms-backup sync                         everything, once
  microcms-backup sync --dry-run               what it would do, nothing written
  microcms-backup sync --dry-run --forecast    and about how much there is to download
  microcms-backup sync --only contents --endpoint blog,news
  microcms-backup sync --json --report /var/lib/microcms-backup/last.json
  microcms-backup sync --allow-deletes 250     after the guard tripped (exit code 5) and the
                                               deletions turned out to be meant";

/// Run once: list everything, save what is new or changed, prove it, exit
///
/// Runs once: lists everything that the service has, saves what is new or changed, proves that
/// nothing is missing, and exits. What was saved before is never overwritten or removed.
///
/// The summary goes to stdout; its last line says SAFE or UNSAFE, why, and as of when.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = exit::with_table_of_runs(EXAMPLES)
)]
pub(crate) struct Args {
    /// Do only this part (repeatable, or with commas)
    #[arg(long, value_enum, value_name = "PART", value_delimiter = ',')]
    pub(crate) only: Vec<Part>,

    /// Only these APIs, instead of those in the configuration (repeatable, or with commas)
    #[arg(
        long = "endpoint",
        value_name = "ENDPOINT",
        value_delimiter = ',',
        value_parser = endpoint
    )]
    pub(crate) endpoints: Vec<Endpoint>,

    /// Decide the same, write nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Ask for the sizes of some files and say about how much a first download takes; with
    /// --dry-run before anything is fetched
    #[arg(long)]
    pub(crate) forecast: bool,

    /// Ask again for what is believed to be unchanged, too
    #[arg(long)]
    pub(crate) full: bool,

    /// Try now for files that failed before, also where their next attempt is not due yet
    #[arg(long)]
    pub(crate) retry_failed: bool,

    /// Confirm up to N deletions in this one run, where the guard would stop it
    #[arg(long, value_name = "N")]
    pub(crate) allow_deletes: Option<u64>,

    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,

    /// Save the report as JSON in this file, too: whole or not at all
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Option<PathBuf>,

    /// Save metrics for node_exporter in this file, too: whole or not at all; its name should end in
    /// `.prom` [default: `health.textfile`]
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) metrics_file: Option<PathBuf>,

    /// Wait this long if another run holds the lock, such as 30s
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "0s"
    )]
    pub(crate) wait_lock: Duration,
}

/// `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The listing of media and its rows
    Media,
    /// Schemas, metadata and bodies
    Contents,
    /// Fetching the files that are owed
    Assets,
}

fn endpoint(text: &str) -> Result<Endpoint, String> {
    Endpoint::parse(text).map_err(|err| err.to_string())
}

/// What the edge of the program brings along.
#[derive(Debug)]
pub(crate) struct Edge {
    /// Where the configuration comes from.
    pub(crate) sources: Sources,
    /// The display, which the logger knows already.
    pub(crate) progress: Progress,
    /// The time.
    pub(crate) clock: Clock,
    /// The last log lines.
    pub(crate) tail: Tail,
}

/// Runs once and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, edge: Edge) -> Result<u8, Failure> {
    let take_back = |failure: &Failure| {
        if let Some(path) = &args.report {
            replace_report(path, edge.clock, args.dry_run, failure);
        }
    };
    let loaded = check(args).and_then(|()| Ok(config::load_with_key(&edge.sources)?));
    let (config, key) = loaded.inspect_err(&take_back)?;
    let report_file = args.report.as_deref();
    let report_file = report_file
        .map(|path| writable("a report", path, &config, &key))
        .transpose()?;
    let metrics_file = args.metrics_file.as_deref();
    let metrics_file = metrics_file
        .map(|path| writable("the metrics", path, &config, &key))
        .transpose()
        .inspect_err(&take_back)?;
    announce(&config, &key);
    let clock = edge.clock;
    let site = Arc::new(Site {
        config,
        key,
        clock,
        traffic: Arc::default(),
        seen: Seen::default(),
    });

    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let tally = Arc::new(Tally::default());
    let stop = Stop::default();
    let begun = clock();
    let driven = runtime.block_on(async {
        let mut signals = Signals::open()?;
        let (teller, delivery) = Teller::start();
        let (tally, stopping) = (Arc::clone(&tally), stop.clone());
        let audience = Audience::new(teller, edge.tail);
        let report = report_file.as_ref();
        let run = once(args, &site, audience, report, Arc::clone(&tally), stopping);
        let next_signal = async || signals.next().await;
        let ask_to_stop = |signal: Signal| stop.request(signal.exit());
        let ended = drive::drive(run, ask_to_stop, tally, edge.progress, next_signal).await;
        io::Result::Ok((ended, delivery, signals))
    });
    let (ended, delivery, mut signals) =
        driven.map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let is_at_once = matches!(ended, Ended::AtOnce(_));
    let failed = |failure: &Failure| {
        failed_report(&site.config.service.id, clock, args.dry_run, begun, failure)
    };
    if is_at_once {
        drop(delivery);
        // Whoever says "at once" does not wait for a thread that is writing.
        runtime.shutdown_background();
        return conclude(ended, args, report_file.as_ref(), failed, output::result);
    }
    let told = if changed_something(&ended, args) {
        health::save_metrics(&site, metrics_file)
    } else {
        Ok(())
    };
    let concluded = conclude(ended, args, report_file.as_ref(), failed, output::result);
    // The run is over and its result is out; only now may somebody else's host take its time.
    runtime.block_on(async {
        tokio::select! {
            () = delivery.finish(LINGER) => {}
            signal = signals.next() => debug!("{}: not waiting any longer", signal.name()),
        }
    });
    runtime.shutdown_background();
    match (concluded, told) {
        (exit, Ok(())) => exit,
        (Ok(0), Err(failure)) => Err(failure),
        // The run's own trouble is worse news.
        (exit, Err(failure)) => {
            failure.report();
            exit
        }
    }
}

/// Whether there is something new to tell: not after a dry run, and not where another run, which will
/// tell its own, holds the lock. Whoever says "at once" does not wait for it.
fn changed_something(ended: &Ended, args: &Args) -> bool {
    match ended {
        Ended::AtOnce(_) => false,
        Ended::ByItself(Ok(report)) => !report.dry_run,
        Ended::ByItself(Err(failure)) => !args.dry_run && failure.exit != ExitCode::Locked,
    }
}

/// Takes the lock, where something is to be written, and does the run.
async fn once(
    args: &Args,
    site: &Site,
    audience: Audience,
    report: Option<&ReportFile>,
    tally: Arc<Tally>,
    stop: Stop,
) -> Result<RunReport, Failure> {
    let order = Order::of(args, &site.config);
    if args.dry_run {
        // Nothing happens, so there is nothing to tell.
        return site.run(order, tally, stop, &mut None).await;
    }
    let say = |held: &LockError| info!("{held}; waiting for it to end");
    let lock = site.lock(args.wait_lock, say, &stop).await;
    let wanted = Wanted {
        order,
        lock,
        tally,
        stop,
        report,
    };
    audience.run(site, wanted).await
}

/// Refuses flags that together mean nothing.
fn check(args: &Args) -> Result<(), Failure> {
    let has_contents = args.only.is_empty() || args.only.contains(&Part::Contents);
    if !args.endpoints.is_empty() && !has_contents {
        let text = "`--endpoint` has no meaning here: `--only` leaves out `contents`";
        return Err(Failure::new(ExitCode::Usage, text).with_hint("add `--only contents`"));
    }
    Ok(())
}

/// Checks `--report` and `--metrics-file` before anything is asked or written.
fn writable(what: &str, path: &Path, config: &Config, key: &ApiKey) -> Result<ReportFile, Failure> {
    if let Some(own) = places::own(config, key.source.file(), path) {
        let text = format!("cannot save {what} as `{}`: it is {own}", path.display());
        return Err(Failure::new(ExitCode::Usage, text).with_hint("name another place"));
    }
    ReportFile::at(path).map_err(|err| {
        let text = format!("cannot save {what} as `{}`: {err}", path.display());
        let kind = err.kind();
        let hint = if kind == io::ErrorKind::IsADirectory {
            "name a file in it"
        } else if kind == io::ErrorKind::InvalidInput {
            "name a file"
        } else if kind == io::ErrorKind::NotFound {
            "its folder must exist"
        } else {
            "the user this runs as must be able to write in its folder; or name another place"
        };
        Failure::new(ExitCode::Usage, text).with_hint(hint)
    })
}

pub(crate) fn announce(config: &Config, key: &ApiKey) {
    for warning in &config.warnings {
        warn!("{warning}");
    }
    match &config.file {
        Some(file) => debug!("configuration from `{}`", file.display()),
        None => debug!("configuration from the environment alone"),
    }
    debug!("API key from {}", key.source);
}

/// Prints and saves what came of it.
fn conclude(
    ended: Ended,
    args: &Args,
    file: Option<&ReportFile>,
    failed: impl FnOnce(&Failure) -> Option<RunReport>,
    print: impl FnOnce(&str) -> io::Result<()>,
) -> Result<u8, Failure> {
    let mut report = match ended {
        Ended::AtOnce(signal) => {
            let text = format!("stopped at once by a second signal ({})", signal.name());
            return Err(Failure::new(signal.exit(), text)
                .with_hint("what was saved is safe; the next run goes on from there"));
        }
        Ended::ByItself(Ok(report)) => report,
        Ended::ByItself(Err(failure)) => {
            // Whoever asks the last report whether all is well is not to read an older one.
            if let Some(report) = failed(&failure) {
                let text = json(&report);
                let saved = file.map_or(Ok(()), |file| file.save(&text));
                let printed = if args.json { print(&text) } else { Ok(()) };
                if let Err(err) = saved.and(printed) {
                    warn!("the report of the failed run could not be told: {err}");
                }
            }
            return Err(failure);
        }
    };
    let saved = file.map_or(Ok(()), |file| file.save(&json(&report)));
    let text = if args.json {
        json(&report)
    } else {
        summary::of(&report)
    };
    let printed = print(&text);
    let exit = shell_code(report.exit_code, false);
    let place = file.map_or_else(String::new, ReportFile::place);
    for (outcome, what) in [
        (saved, format!("the report could not be saved as `{place}`")),
        (printed, "stdout could not be written".to_owned()),
    ] {
        if let Err(err) = outcome {
            Failure::new(ExitCode::Failed, format!("{what}: {err}")).report();
            report.exit_code = exit;
        }
    }
    Ok(report.exit_code)
}

/// Returns the number for the shell. A report that was not told is a failure; the run's own trouble is
/// worse news than that, and has the exit code.
pub(crate) fn shell_code(exit_code: u8, is_told: bool) -> u8 {
    match (exit_code, is_told) {
        (0, false) => ExitCode::Failed.code(),
        (code, true | false) => code,
    }
}

/// Returns the report as JSON.
pub(crate) fn json(report: &RunReport) -> String {
    // Strings, numbers and lists: there is nothing in it that JSON cannot say.
    serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::super::summary::tests::report;
    use super::*;

    fn args(line: &str) -> Args {
        let words = ["microcms-backup", "sync"]
            .into_iter()
            .chain(line.split_whitespace());
        let command = Cli::try_parse_from(words).expect(line).command;
        let Command::Sync(args) = command else {
            panic!("{command:?}");
        };
        args
    }

    #[test]
    fn lists_may_be_repeated_and_endpoints_may_stand_between_commas() {
        assert_eq!(
            args("--only media,assets").only,
            [Part::Media, Part::Assets]
        );
        let parsed = args("--only media --only assets --endpoint a,b --endpoint c --wait-lock 2m");
        assert_eq!(parsed.only, [Part::Media, Part::Assets]);
        let endpoints: Vec<&str> = parsed.endpoints.iter().map(AsRef::as_ref).collect();
        assert_eq!(endpoints, ["a", "b", "c"]);
        assert_eq!(parsed.wait_lock, Duration::from_secs(120));
    }

    #[test]
    fn without_flags_a_run_does_everything_and_waits_for_nobody() {
        let expected = Args {
            only: Vec::new(),
            endpoints: Vec::new(),
            dry_run: false,
            forecast: false,
            full: false,
            retry_failed: false,
            allow_deletes: None,
            json: false,
            report: None,
            metrics_file: None,
            wait_lock: Duration::ZERO,
        };
        assert_eq!(args(""), expected);
    }

    #[test]
    fn endpoints_need_the_contents() {
        for fine in [
            "--endpoint a",
            "--endpoint a --only contents --only media",
            "--only media",
        ] {
            assert!(check(&args(fine)).is_ok(), "{fine}");
        }
        let failure = check(&args("--endpoint a --only media --only assets")).expect_err("useless");
        assert_eq!(failure.exit, ExitCode::Usage);
    }

    /// What came of a run with this exit code: the number, what was printed, and the report's file
    /// if it could be saved.
    fn concluded(exit_code: u8, can_save: bool, can_print: bool) -> (u8, String, Option<String>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("report.json");
        let file = ReportFile::at(&path).expect("a usable path");
        if !can_save {
            std::fs::create_dir(&path).expect("a folder in the way");
        }
        let ended = Ended::ByItself(Ok(Box::new(RunReport {
            exit_code,
            ..report()
        })));
        let mut printed = String::new();
        let print = |text: &str| {
            printed += text;
            if can_print {
                Ok(())
            } else {
                Err(io::Error::from(io::ErrorKind::StorageFull))
            }
        };
        let code =
            conclude(ended, &args("--json"), Some(&file), |_| None, print).expect("a report");
        (code, printed, std::fs::read_to_string(&path).ok())
    }

    #[test]
    fn the_exit_code_is_the_report_s_and_stdout_and_file_say_the_same() {
        for exit_code in [0, 3, 5, 130] {
            let (code, printed, saved) = concluded(exit_code, true, true);
            assert_eq!(code, exit_code);
            assert_eq!(saved.as_deref(), Some(printed.as_str()));
            let report: serde_json::Value = serde_json::from_str(&printed).expect("JSON");
            assert_eq!(report["exit_code"], exit_code);
            assert_eq!(report["version"], 1);
        }
    }

    #[test]
    fn a_report_that_was_not_told_is_no_success_and_hides_no_worse_news() {
        for (run, shell) in [(0, 1), (1, 1), (3, 3), (5, 5)] {
            for (can_save, can_print) in [(false, true), (true, false), (false, false)] {
                assert_eq!(concluded(run, can_save, can_print).0, shell);
            }
        }
    }

    #[test]
    fn a_second_signal_says_that_what_was_saved_is_safe() {
        let failure = conclude(
            Ended::AtOnce(Signal::Terminate),
            &args(""),
            None,
            |_| None,
            |_| Ok(()),
        );
        let failure = failure.expect_err("it did not end by itself");
        assert_eq!(failure.exit, ExitCode::Terminated);
        assert_eq!(
            failure.error.to_string(),
            "stopped at once by a second signal (SIGTERM)"
        );
    }
}
