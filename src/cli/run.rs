//! From the arguments to the exit code.

use std::ffi::OsString;

use clap::Parser;

use super::args::{Cli, Command, LogFormat};
use super::failure::Failure;
use super::progress::Progress;
use super::sync::Edge;
use super::{completions, man, output, sync};
use crate::config::Sources;
use crate::logging;
use crate::model::{ExitCode, Timestamp};

/// The time of day. Only `main` has a real one.
pub type Clock = fn() -> Timestamp;

/// Does what the arguments say and returns the number for the shell, after everything that there
/// is to say was said. Never panics because nobody reads stdout or stderr.
pub fn run(arguments: impl IntoIterator<Item = OsString>, clock: Clock) -> u8 {
    match Cli::try_parse_from(arguments) {
        Ok(cli) => dispatch(cli, clock).unwrap_or_else(|failure| failure.report().code()),
        Err(message) => explain(&message),
    }
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

fn dispatch(cli: Cli, clock: Clock) -> Result<u8, Failure> {
    match &cli.command {
        Command::Sync(args) => {
            let sources = Sources::of_process(cli.config.clone())?;
            let wants_bars = !cli.quiet && cli.log_format == LogFormat::Text;
            let progress = Progress::new(wants_bars);
            log(&cli, &sources, &progress)?;
            sync::run(
                args,
                Edge {
                    sources,
                    progress,
                    clock,
                },
            )
        }
        Command::Completions(args) => print(&completions::run(args)),
        Command::Man(args) => match man::run(args) {
            Ok(Some(page)) => print(&page),
            Ok(None) => Err(Failure::new(ExitCode::Usage, "there is no such command")
                .with_hint("`microcms-backup -h` lists them")),
            Err(err) => Err(Failure::new(ExitCode::Failed, err)),
        },
    }
}

fn log(cli: &Cli, sources: &Sources, progress: &Progress) -> Result<(), Failure> {
    let options = logging::Options {
        format: cli.log_format.into(),
        level: logging::level(cli.verbose, cli.quiet),
        colour: logging::may_colour(sources.no_color()),
        bars: progress.bars(),
    };
    logging::install(&options).map_err(|err| Failure::new(ExitCode::Failed, err))
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
