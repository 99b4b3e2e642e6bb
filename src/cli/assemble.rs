//! From a checked configuration to the rooms that do the work.

use std::sync::Arc;

use tokio::sync::watch;

use super::failure::Failure;
use super::lock::RunLock;
use super::run::Clock;
use super::signals::Signal;
use super::sync::Args;
use crate::config::{ApiKey, Config};
use crate::model::{ExitCode, RunReport, Tally};

/// Takes the lock and does one run. A stop is looked at while waiting for the lock, too. A dry run
/// takes no lock: it writes nothing and may look on while another run works.
pub(crate) async fn sync(
    args: &Args,
    config: Config,
    _key: ApiKey,
    _clock: Clock,
    _tally: Arc<Tally>,
    mut stop: watch::Receiver<Option<Signal>>,
) -> Result<RunReport, Failure> {
    let _lock = if args.dry_run {
        None
    } else {
        tokio::select! {
            lock = RunLock::take(&config.storage.database, args.wait_lock) => Some(lock?),
            signal = asked_to_stop(&mut stop) => {
                let text = "stopped while waiting for another run to end; nothing was done";
                return Err(Failure::new(signal.exit(), text));
            }
        }
    };
    Err(Failure::new(
        ExitCode::Failed,
        "this build has no `sync` room",
    ))
}

/// Waits for a request to stop; for ever if nobody can ask any more.
async fn asked_to_stop(stop: &mut watch::Receiver<Option<Signal>>) -> Signal {
    match stop.wait_for(Option::is_some).await.map(|signal| *signal) {
        Ok(Some(signal)) => signal,
        Ok(None) | Err(_) => std::future::pending().await,
    }
}
