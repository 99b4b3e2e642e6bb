//! From a checked configuration to the rooms that do the work.

use std::sync::Arc;

use tokio::sync::watch;

use super::failure::Failure;
use super::run::Clock;
use super::sync::Args;
use crate::config::{ApiKey, Config};
use crate::model::{ExitCode, RunReport, Tally};

/// Starts one run and returns its report. Looks at `stop` between steps.
#[expect(
    clippy::unused_async,
    reason = "the room that runs is assembled here when it joins"
)]
pub(crate) async fn sync(
    _args: &Args,
    _config: Config,
    _key: ApiKey,
    _clock: Clock,
    _tally: Arc<Tally>,
    _stop: watch::Receiver<bool>,
) -> Result<RunReport, Failure> {
    Err(Failure::new(
        ExitCode::Failed,
        "this build has no `sync` room",
    ))
}
