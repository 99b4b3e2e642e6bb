//! The flags that every command has.

use std::path::PathBuf;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

use super::{
    completions, daemon, diff, doctor, exit, export, history, init, man, prune, show, snapshot,
    status, sync, verify,
};
use crate::logging;

const ABOUT: &str = "Keeps a complete, proven copy of a microCMS service on your own disk";

const LONG_ABOUT: &str = "\
Keeps a complete, proven copy of a microCMS service on your own disk: every medium with its bytes, \
every content with its metadata and body, every API schema, and how all of it changed over time.

The API key comes from MICROCMS_API_KEY, the file that `service.api_key_file` names, or the systemd \
credential `api-key`; never from an argument.";

const EXAMPLES: &str = "\
Examples:
  MICROCMS_SERVICE_ID=my-service MICROCMS_API_KEY=… microcms-backup sync
  microcms-backup --config /etc/microcms-backup/config.toml sync --json
  microcms-backup --config /etc/microcms-backup/config.toml daemon";

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "microcms-backup",
    version,
    about = ABOUT,
    long_about = LONG_ABOUT,
    after_help = "Exit codes and examples: --help",
    after_long_help = exit::with_table(EXAMPLES),
    max_term_width = 100
)]
pub(crate) struct Cli {
    /// Configuration file [default: ./config.toml, then /etc/microcms-backup/config.toml]
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        help_heading = "Global options"
    )]
    pub(crate) config: Option<PathBuf>,

    /// How log lines on stderr look [default: text; under systemd the journal's own fields]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        help_heading = "Global options"
    )]
    pub(crate) log_format: Option<LogFormat>,

    /// Log each item; twice: each request
    #[arg(
        short,
        long,
        global = true,
        action = ArgAction::Count,
        conflicts_with = "quiet",
        help_heading = "Global options"
    )]
    pub(crate) verbose: u8,

    /// Log warnings and errors only, and show no progress
    #[arg(short, long, global = true, help_heading = "Global options")]
    pub(crate) quiet: bool,

    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Sync(sync::Args),
    Daemon(daemon::Args),
    Status(status::Args),
    History(history::Args),
    Show(show::Args),
    Diff(diff::Args),
    Doctor(doctor::Args),
    Verify(verify::Args),
    Snapshot(snapshot::Args),
    Export(export::Args),
    Prune(prune::Args),
    Init(init::Args),
    Completions(completions::Args),
    Man(man::Args),
}

/// `--log-format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// For machines: one JSON object a line
    Json,
}

impl From<LogFormat> for logging::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_flags_stand_before_or_after_the_command() {
        for line in [
            "microcms-backup -vv --log-format json -c a.toml sync",
            "microcms-backup sync -vv --log-format json -c a.toml",
        ] {
            let cli = Cli::try_parse_from(line.split(' ')).expect(line);
            assert_eq!(cli.verbose, 2);
            assert_eq!(cli.log_format, Some(LogFormat::Json));
            assert_eq!(cli.config, Some(PathBuf::from("a.toml")));
        }
    }

    #[test]
    fn no_flag_takes_the_api_key() {
        let has_key = |command: &clap::Command| {
            command
                .get_arguments()
                .any(|arg| arg.get_id().as_str().contains("key"))
        };
        let command = Cli::command();
        assert!(!has_key(&command));
        assert!(!command.get_subcommands().any(has_key));
    }
}
