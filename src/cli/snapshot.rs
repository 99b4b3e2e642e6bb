//! `snapshot`: a copy for keeping or handing on.

use std::path::{Path, PathBuf};

use bytesize::ByteSize;
use tokio::runtime;
use tracing::warn;

use super::assemble::mirror_options;
use super::failure::Failure;
use super::places::{own, real};
use super::run::Clock;
use super::{exit, output};
use crate::config::{self, Config, Sources};
use crate::daemon::Signals;
use crate::model::{ExitCode, SnapshotFiles, SnapshotReport, counted, plain};
use crate::store::SnapshotOptions;
use crate::sync::{self, SnapshotError, SnapshotPlan, Stop, TreePlan};

const EXAMPLES: &str = "\
Examples:
  microcms-backup snapshot monday.sqlite3
  microcms-backup snapshot --redact for-the-agency.sqlite3
  microcms-backup snapshot --force latest.sqlite3 --with-mirror files-of-monday";

const EXITS: &[(ExitCode, &str)] = &[
    (ExitCode::Complete, "whole"),
    (
        ExitCode::Failed,
        "failed, nothing is left of it: a full disk, a damaged database, no backup yet",
    ),
    (
        ExitCode::Usage,
        "wrong usage or configuration, or FILE or DIR cannot be used",
    ),
    (
        ExitCode::Difference,
        "whole, but files are missing in the mirror",
    ),
    (
        ExitCode::Interrupted,
        "stopped by SIGINT, nothing is left of it",
    ),
    (
        ExitCode::Terminated,
        "stopped by SIGTERM, nothing is left of it",
    ),
];

/// Write a copy of the database to a file, to keep or to hand on
///
/// Writes a copy of the database as of one moment, while anything runs: it takes no lock. The copy is
/// checked, is one file, and gets its name when it is whole.
///
/// --redact takes out what is not for everybody: draft keys, bodies that are not published now, the names
/// of editors, messages of errors. --with-mirror adds the files as of the same moment, with a list of
/// digests that `sha256sum -c SHA256SUMS` checks. Needs no API key and no network.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = exit::with_own(EXAMPLES, EXITS)
)]
pub(crate) struct Args {
    /// The file to write
    pub(crate) file: PathBuf,

    /// Replace FILE if it exists
    #[arg(long)]
    pub(crate) force: bool,

    /// Take out draft keys, unpublished bodies and names of editors, from the history too
    #[arg(long)]
    pub(crate) redact: bool,

    /// Also make a folder with the files of that moment; it must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    pub(crate) with_mirror: Option<PathBuf>,

    /// Give the files in DIR bytes of their own, instead of second names of the mirror's
    #[arg(long, requires = "with_mirror")]
    pub(crate) copy: bool,

    /// Print the report as JSON instead of the summary
    #[arg(long)]
    pub(crate) json: bool,
}

/// Makes the snapshot and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    for warning in &config.warnings {
        warn!("{warning}");
    }
    check_places(args, &config)?;
    let plan = plan(args, &config);
    let runtime = runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let ended = runtime.block_on(heed(plan, clock));
    // Whoever says "at once" does not wait for a thread that is copying.
    runtime.shutdown_background();
    let report = ended?;
    let text = if args.json {
        // Strings, numbers and lists: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    } else {
        summary(&report)
    };
    output::result(&text).map_err(|err| {
        Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )
    })?;
    Ok(report.exit_code)
}

/// Does the work on a thread that may block. The first signal asks it to stop, the second one does not
/// wait for that.
async fn heed(plan: SnapshotPlan, clock: Clock) -> Result<SnapshotReport, Failure> {
    let mut signals = Signals::open().map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let stop = Stop::default();
    let mut work = {
        let stop = stop.clone();
        tokio::task::spawn_blocking(move || sync::snapshot(&plan, clock(), &stop))
    };
    loop {
        tokio::select! {
            // First, so that work that is done is not thrown away for a signal of the same moment.
            biased;
            ended = &mut work => {
                let ended = ended.map_err(|err| Failure::new(ExitCode::Failed, err))?;
                return ended.map_err(failure);
            }
            signal = signals.next() => {
                if stop.requested().is_some() {
                    let text = format!("stopped at once by a second signal ({})", signal.name());
                    return Err(Failure::new(signal.exit(), text)
                        .with_hint("what was begun lies in a hidden folder, which the next snapshot to the same place removes"));
                }
                warn!("{}: stopping tidily; once more to stop at once", signal.name());
                stop.request(signal.exit());
            }
        }
    }
}

fn failure(err: SnapshotError) -> Failure {
    let hint = err.hint();
    Failure {
        hint,
        ..Failure::new(err.exit(), err)
    }
}

fn plan(args: &Args, config: &Config) -> SnapshotPlan {
    SnapshotPlan {
        database: config.storage.database.clone(),
        service: config.service.id.clone(),
        file: args.file.clone(),
        options: SnapshotOptions {
            is_redacted: args.redact,
            may_replace: args.force,
        },
        tree: args.with_mirror.clone().map(|folder| TreePlan {
            mirror: mirror_options(config),
            folder,
            copies: args.copy,
        }),
    }
}

/// Keeps what is made out of the backup's own folders, and file and folder out of each other.
fn check_places(args: &Args, config: &Config) -> Result<(), Failure> {
    let file = real(&args.file);
    let folder = args.with_mirror.as_deref().map(real);
    for place in [Some(&file), folder.as_ref()].into_iter().flatten() {
        if let Some(own) = own(config, None, place) {
            let place = plain(&place.display().to_string());
            let text = format!("`{place}` is part of the backup itself: it is {own}");
            return Err(Failure::new(ExitCode::Usage, text).with_hint("name another place"));
        }
    }
    if folder
        .as_ref()
        .is_some_and(|folder| file.starts_with(folder))
    {
        let text = "FILE cannot be inside of the folder of --with-mirror: that one has only what its list names";
        return Err(Failure::new(ExitCode::Usage, text).with_hint(
            "name two places beside each other, such as `a/copy.sqlite3` and `a/files`",
        ));
    }
    for place in [Some(&file), folder.as_ref()].into_iter().flatten() {
        let above = place.parent().unwrap_or(place);
        if above != Path::new("") && !above.is_dir() {
            let text = format!(
                "there is no folder `{}`",
                plain(&above.display().to_string())
            );
            return Err(Failure::new(ExitCode::Usage, text).with_hint("make it first"));
        }
    }
    Ok(())
}

fn summary(report: &SnapshotReport) -> String {
    let rows: u64 = report.rows.values().sum();
    let mut lines = vec![format!(
        "snapshot  {}, {}: {rows} rows in {} tables, checked",
        plain(&report.file),
        ByteSize(report.bytes),
        report.rows.len()
    )];
    if report.redacted {
        lines.push(
            "redacted  without draft keys, unpublished bodies and names of editors; all media stay"
                .to_owned(),
        );
    }
    if let Some(files) = &report.mirror {
        lines.extend(about_files(files));
    }
    lines.join("\n") + "\n"
}

fn about_files(files: &SnapshotFiles) -> Vec<String> {
    let mut lines = vec![format!(
        "files     {} in {}, {} ({} linked, {} copied); to check: sha256sum -c SHA256SUMS",
        files.linked + files.copied,
        plain(&files.folder),
        ByteSize(files.bytes),
        files.linked,
        files.copied
    )];
    if let Some(first) = files.missing_files.first() {
        lines.push(format!(
            "missing   {} not there as recorded, for example `{}`; `verify` names all",
            counted(files.missing, "file is", "files are"),
            plain(&first.path)
        ));
    }
    lines
}
