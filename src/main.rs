//! Start-up: the arguments and the clock in, the exit code out.

use std::env;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use microcms_backup::cli;
use microcms_backup::model::Timestamp;

fn main() -> ExitCode {
    ExitCode::from(cli::run(env::args_os(), now))
}

/// The only real clock of the program.
fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
