//! `prune`: applies the retention settings.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime;
use tracing::{info, warn};

use super::assemble::{failed, lock, mirror_options, store_failed, store_options};
use super::failure::Failure;
use super::mirror_look::{Expected, unmounted};
use super::run::Clock;
use super::{exit, output, prune_summary};
use crate::config::{self, Config, Sources};
use crate::daemon::{Signal, Signals};
use crate::mirror::{Mirror, Reader};
use crate::model::{ExitCode, PruneReport, Timestamp};
use crate::store::{LockError, Mode, Store, StoreError, StoreThread};
use crate::sync::{self, PruneError, PruneFiles, PruneOptions, PruneRooms, Stop};

const EXAMPLES: &str = "\
Examples:
  microcms-backup prune --dry-run              what would go, nothing removed
  microcms-backup prune                        remove it
  microcms-backup prune --json --wait-lock 10m";

const EXITS: &[(ExitCode, &str)] = &[
    (ExitCode::Complete, "done, also where nothing was to go"),
    (
        ExitCode::Failed,
        "failed: no backup, or a database that cannot be read or written",
    ),
    exit::USAGE,
    (
        ExitCode::Partial,
        "partial: files that could not be removed wait for the next `prune`",
    ),
    exit::LOCKED,
    exit::INTERRUPTED,
    exit::TERMINATED,
];

/// Remove what is older than the retention settings allow
///
/// Removes what is older than the retention settings allow: versions that a newer one superseded
/// longer ago than `retention.superseded`, and what was deleted from the service longer ago than
/// `retention.deleted`, with the files that nothing else needs. Both are "forever" by default: then
/// this command does nothing. No other command removes anything.
///
/// There is no way back: look with --dry-run first. It reads the files that would go, and tells the
/// same numbers. Needs no API key and no network.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = exit::with_own(EXAMPLES, EXITS)
)]
pub(crate) struct Args {
    /// Tell what would go, remove nothing (takes no lock, so it works beside a run)
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,

    /// Wait this long if another run holds the lock, such as 30s
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "0s"
    )]
    pub(crate) wait_lock: Duration,
}

/// Prunes and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let ended = runtime.block_on(async {
        let mut signals = Signals::open().map_err(|err| Failure::new(ExitCode::Failed, err))?;
        let stop = Stop::default();
        let work = assemble(args, &config, clock, stop.clone());
        let at_once = "nothing is half removed; the next `prune` goes on from there";
        heed(work, stop, at_once, async || signals.next().await).await
    });
    // Whoever says "at once" does not wait for a thread that is reading a large file.
    runtime.shutdown_background();
    let report = ended?;
    conclude(&report, args, output::result)
}

/// Polls the work to its end. The first signal asks it to stop between two files, the second one drops
/// it where it stands, and `at_once` says what that means.
pub(super) async fn heed<T>(
    work: impl Future<Output = Result<T, Failure>>,
    stop: Stop,
    at_once: &'static str,
    mut next_signal: impl AsyncFnMut() -> Signal,
) -> Result<T, Failure> {
    let mut work = Box::pin(work);
    loop {
        tokio::select! {
            // First, so that work that is done is not thrown away for a signal of the same moment.
            biased;
            ended = &mut work => return ended,
            signal = next_signal() => {
                if stop.requested().is_some() {
                    let text = format!("stopped at once by a second signal ({})", signal.name());
                    return Err(Failure::new(signal.exit(), text).with_hint(at_once));
                }
                warn!("{}: stopping tidily; once more to stop at once", signal.name());
                stop.request(signal.exit());
            }
        }
    }
}

/// Takes the lock, opens the rooms and prunes. A dry run takes no lock: it writes nothing.
async fn assemble(
    args: &Args,
    config: &Config,
    clock: Clock,
    stop: Stop,
) -> Result<PruneReport, Failure> {
    let options = PruneOptions {
        service: config.service.id.clone(),
        superseded: config.retention.superseded,
        deleted: config.retention.deleted,
        now: clock,
    };
    if let Some(report) = options.nothing_to_do(args.dry_run) {
        return Ok(report);
    }
    check_places(config)?;
    let _lock = if args.dry_run {
        None
    } else {
        let say = |held: &LockError| info!("{held}; waiting for it to end");
        Some(lock(config, clock, args.wait_lock, say, &stop).await?)
    };
    // After the lock: opening the mirror clears away what a cut-off writer left.
    let (store, files) = open(config, args.dry_run, clock()).await?;
    let (store, thread) = StoreThread::spawn(store).map_err(|err| failed(err, StoreError::hint))?;
    let done = sync::prune(options, PruneRooms { store, files }, stop).await;
    let closed = thread.join().await;
    // The work's own error comes first; a database that could not be closed well may be its echo.
    let report = done.map_err(|err| failed(err, PruneError::hint))?;
    closed.map_err(|err| failed(err, StoreError::hint))?;
    Ok(report)
}

/// Makes sure that there is a backup where the configuration says. Everything else makes what is missing;
/// here it would mean that a volume is not mounted, and that files stay behind whose rows are gone.
pub(super) fn check_places(config: &Config) -> Result<(), Failure> {
    let storage = &config.storage;
    for (key, path) in [
        ("database", &storage.database),
        ("mirror", &storage.mirror),
        ("archive", &storage.archive),
    ] {
        let text = match path.try_exists() {
            Ok(true) => continue,
            Ok(false) => format!("there is no backup: `{}` does not exist", path.display()),
            Err(err) => format!("cannot look at `{}`: {err}", path.display()),
        };
        return Err(Failure::new(ExitCode::Failed, text).with_hint(format!(
            "check `storage.{key}`, and that its volume is mounted; `sync` makes a backup"
        )));
    }
    Ok(())
}

/// Opens the database and the files, on a thread that may block.
async fn open(
    config: &Config,
    is_dry_run: bool,
    now: Timestamp,
) -> Result<(Store, PruneFiles), Failure> {
    let config = config.clone();
    let opened = crate::blocking::run(move || {
        let mode = if is_dry_run {
            Mode::DryRun
        } else {
            Mode::ReadWrite
        };
        let store = Store::open(&store_options(&config, mode), now)
            .map_err(|err| store_failed(err, &config.storage.database))?;
        let options = mirror_options(&config);
        let sample =
            Expected::before_removal(&store).map_err(|err| failed(err, StoreError::hint))?;
        if let Some((key, text)) = unmounted(&options, &sample) {
            let hint = format!(
                "check `storage.{key}`, and mount its volume: files that are not seen could not be removed with their rows. \
                 `sync` fetches what is missing of the mirror; `verify --repair` tells what is lost for good"
            );
            return Err(Failure::new(ExitCode::Failed, text).with_hint(hint));
        }
        let files = if is_dry_run {
            Reader::open(&options).map(PruneFiles::Look)
        } else {
            Mirror::open(&options).map(|mirror| PruneFiles::Remove(Arc::new(mirror)))
        };
        let files = files.map_err(|err| failed(err, |err| err.hint().map(str::to_owned)))?;
        Ok((store, files))
    });
    opened
        .await
        .map_err(|err| Failure::new(ExitCode::Failed, err))?
}

/// Prints what came of it.
fn conclude(
    report: &PruneReport,
    args: &Args,
    print: impl FnOnce(&str) -> io::Result<()>,
) -> Result<u8, Failure> {
    let text = if args.json {
        // Strings, numbers and lists: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(report).unwrap_or_default() + "\n"
    } else {
        prune_summary::of(report)
    };
    if let Err(err) = print(&text) {
        Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )
        .report();
        // The trouble of the work itself is worse news, and has the exit code.
        return Ok(match report.exit_code {
            0 => ExitCode::Failed.code(),
            code => code,
        });
    }
    Ok(report.exit_code)
}
