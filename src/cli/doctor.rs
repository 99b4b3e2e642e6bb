//! `doctor`: what is in the way of a backup, and what would help.

mod checks;
mod local;
mod online;
mod rights;

use serde::Serialize;
use tokio::runtime;

use super::failure::Failure;
use super::output;
use super::run::Clock;
use crate::config::Sources;
use crate::model::ExitCode;
use checks::{Check, Checks};

const EXAMPLES: &str = "\
Asks the service about ten small questions (at most 8 of the Management API's 10 in 10 s; one in 10 s \
while a run is under way) and each asset host for a sign of life, without the key.

Examples:
  microcms-backup doctor
  microcms-backup doctor --offline             configuration, files, disk and database only
  microcms-backup doctor --json | jq '.checks[] | select(.state == \"fail\")'

Exit codes:
    0  nothing is in the way; warnings are no failure
    1  something else fails
    2  wrong usage or configuration
    4  the key, a permission or the plan is in the way";

/// Check configuration, key and each of its rights, hosts, clock, disk and database
///
/// Checks configuration, key and each of its rights by name, hosts, certificates, clock, disk, file
/// modes, lock and database, and says what helps. Changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = EXAMPLES
)]
pub(crate) struct Args {
    /// Print the checks as JSON
    #[arg(long)]
    json: bool,

    /// Ask nobody: look at this machine only
    #[arg(long)]
    offline: bool,
}

/// The version of [`Report`]'s JSON form.
const VERSION: u32 = 1;

/// The JSON form; it only grows.
#[derive(Debug, Serialize)]
struct Report<'a> {
    version: u32,
    program: &'static str,
    exit_code: u8,
    checks: &'a [Check],
}

/// Checks and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let mut checks = Checks::default();
    examine(args, sources, clock, &mut checks)?;
    let exit_code = checks.exit().code();
    let text = if args.json {
        let report = Report {
            version: VERSION,
            program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")),
            exit_code,
            checks: checks.all(),
        };
        // Strings and lists: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(&report).unwrap_or_default() + "\n"
    } else {
        checks.table()
    };
    match output::result(&text) {
        Ok(()) => Ok(exit_code),
        Err(err) => Err(Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )),
    }
}

fn examine(
    args: &Args,
    sources: &Sources,
    clock: Clock,
    checks: &mut Checks,
) -> Result<(), Failure> {
    let Some(config) = local::configuration(sources, checks) else {
        checks.skip(
            "the rest",
            "nothing else can be checked without a configuration",
        );
        return Ok(());
    };
    let key = local::key(sources, &config, checks);
    let known = local::backup(&config, checks);
    if args.offline {
        checks.skip("service", "not asked (`--offline`)");
        return Ok(());
    }
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    runtime.block_on(async {
        match &key {
            Some(key) => online::service(&config, key, known, clock, checks).await,
            None => checks.skip("service", "not asked without a key"),
        }
        online::asset_hosts(&config, checks).await;
    });
    Ok(())
}
