//! From the arguments to the exit code.

use std::ffi::OsString;

use clap::Parser;

use super::args::{Cli, Command, LogFormat};
use super::failure::Failure;
use super::progress::Progress;
use super::sync::Edge;
use super::{
    completions, daemon, descriptors, diff, doctor, export, history, init, man, output, prune,
    show, snapshot, status, sync, verify,
};
use crate::config::Sources;
use crate::logging::{self, Tail};
use crate::model::{ExitCode, Timestamp};

/// The time of day. Only `main` has a real one.
pub type Clock = fn() -> Timestamp;

/// Does what the arguments say and returns the number for the shell, after everything that there
/// is to say was said. Never panics because nobody reads stdout or stderr.
///
/// Reads the environment and the usual places of the configuration file, installs the logger of the process, and raises
/// its limit of open files: to be called once, by `main`.
pub fn run(arguments: impl IntoIterator<Item = OsString>, clock: Clock) -> u8 {
    descriptors::raise();
    let mut format = logging::Format::Text;
    let done = parse(arguments).and_then(|cli| {
        let sources = Sources::of_process(cli.config.clone()).map_err(Failure::from)?;
        let progress = progress(&cli);
        let tail = Tail::default();
        format = log(&cli, &sources, &progress, tail.clone())?;
        let edge = Edge {
            sources,
            progress,
            clock,
            tail,
        };
        Ok(dispatch(&cli, edge)?)
    });
    match done {
        // On stderr it would be a line like any other there.
        Err(Trouble::Failure(failure)) if format == logging::Format::Journal => {
            failure.log().code()
        }
        done => finish(done),
    }
}

/// As [`run`], for a program that embeds this one, such as the demo: the configuration comes from
/// `sources` alone (`--config` still names the file), the environment is not read, and the logger is
/// the caller's. May be called again and again.
pub fn run_with(
    arguments: impl IntoIterator<Item = OsString>,
    sources: Sources,
    clock: Clock,
) -> u8 {
    finish(parse(arguments).and_then(|cli| {
        let file = cli.config.clone().or(sources.file);
        let progress = progress(&cli);
        let edge = Edge {
            sources: Sources { file, ..sources },
            progress,
            clock,
            // The caller's logger fills none.
            tail: Tail::default(),
        };
        Ok(dispatch(&cli, edge)?)
    }))
}

/// Why nothing was done, or not to its end.
enum Trouble {
    Usage(clap::Error),
    Failure(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, Trouble> {
    Cli::try_parse_from(arguments).map_err(Trouble::Usage)
}

fn finish(done: Result<u8, Trouble>) -> u8 {
    match done {
        Ok(code) => code,
        Err(Trouble::Usage(message)) => explain(&message),
        Err(Trouble::Failure(failure)) => failure.report().code(),
    }
}

fn progress(cli: &Cli) -> Progress {
    let is_long_life = matches!(cli.command, Command::Daemon(_));
    let wants_bars = !is_long_life && !cli.quiet && cli.log_format != Some(LogFormat::Json);
    Progress::new(wants_bars)
}

/// Prints help and version to stdout, a wrong usage to stderr.
fn explain(message: &clap::Error) -> u8 {
    // A reader that left is content, and without stderr there is nobody to tell.
    drop(message.print());
    if message.use_stderr() {
        ExitCode::Usage.code()
    } else {
        ExitCode::Complete.code()
    }
}

fn dispatch(cli: &Cli, edge: Edge) -> Result<u8, Failure> {
    match &cli.command {
        Command::Sync(args) => sync::run(args, edge),
        Command::Daemon(args) => daemon::run(args, edge),
        Command::Export(args) => export::run(args, &edge.sources, edge.clock),
        Command::Prune(args) => prune::run(args, &edge.sources, edge.clock),
        Command::Verify(args) => verify::run(args, &edge.sources, edge.clock),
        Command::Snapshot(args) => snapshot::run(args, &edge.sources, edge.clock),
        Command::Status(args) => status::run(args, &edge.sources, edge.clock),
        Command::History(args) => history::run(args, &edge.sources, edge.clock),
        Command::Show(args) => show::run(args, &edge.sources, edge.clock),
        Command::Diff(args) => diff::run(args, &edge.sources, edge.clock),
        Command::Doctor(args) => doctor::run(args, &edge.sources, edge.clock),
        Command::Init(args) => init::run(args, &edge.sources),
        Command::Completions(args) => print(&completions::run(args)),
        Command::Man(args) => match man::run(args) {
            Ok(Some(page)) => print(&page),
            Ok(None) => Err(Failure::new(ExitCode::Usage, "there is no such command")
                .with_hint("`microcms-backup -h` lists them")),
            Err(err) => Err(Failure::new(ExitCode::Failed, err)),
        },
    }
}

/// Installs the logger. Returns how its lines look.
fn log(
    cli: &Cli,
    sources: &Sources,
    progress: &Progress,
    tail: Tail,
) -> Result<logging::Format, Failure> {
    let format = match cli.log_format {
        Some(format) => format.into(),
        None if logging::is_journal(sources.journal_stream()) => logging::Format::Journal,
        None => logging::Format::Text,
    };
    let options = logging::Options {
        format,
        level: logging::level(cli.verbose, cli.quiet),
        colour: logging::may_colour(sources.no_color()),
        bars: progress.bars(),
        tail,
    };
    logging::install(&options).map_err(|err| Failure::new(ExitCode::Failed, err))?;
    Ok(format)
}

fn print(text: &str) -> Result<u8, Failure> {
    match output::result(text) {
        Ok(()) => Ok(ExitCode::Complete.code()),
        Err(err) => Err(Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )),
    }
}
