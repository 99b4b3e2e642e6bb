//! What every command shares that only looks at the backup: the database as it lies there, and the
//! time that a person named.

use super::assemble::failed;
use super::failure::Failure;
use crate::config::Config;
use crate::model::{ExitCode, Moment, Timestamp};
use crate::store::{self, Store, StoreError};

/// Asks the database something, all of it as of one moment. Takes no lock, writes nothing. `ask` may
/// be called again where a run began or ended meanwhile.
///
/// # Errors
/// Where there is no backup yet, and whatever the database refuses, with a hint.
pub(super) fn look<T>(
    config: &Config,
    ask: impl Fn(&Store) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let path = &config.storage.database;
    let seen = store::view(path, config.service.id.as_str(), ask)
        .map_err(|err| failed(err, StoreError::hint))?;
    seen.ok_or_else(|| {
        let text = format!(
            "there is no backup yet: `{}` does not exist",
            path.display()
        );
        Failure::new(ExitCode::Failed, text).with_hint(
            "check `storage.database`, and that its volume is mounted; `sync` makes a backup",
        )
    })
}

/// Reads a time from the command line. Days are those of `schedule.timezone`.
///
/// # Errors
/// A text that is no time, as wrong usage.
pub(super) fn moment(text: &str, config: &Config, now: Timestamp) -> Result<Moment, Failure> {
    Moment::parse(text, now, config.schedule.timezone)
        .map_err(|err| Failure::new(ExitCode::Usage, err))
}

/// Returns the instant that a moment means, and that the history can say something about.
///
/// # Errors
/// As wrong usage: a time before the first run, a time to come, a run that there never was.
pub(super) fn instant(
    store: &Store,
    moment: Moment,
    now: Timestamp,
) -> Result<Result<Timestamp, Failure>, StoreError> {
    let covered = store.covered()?;
    let at = match moment {
        Moment::At(_) | Moment::Second(_) => moment.end(now).unwrap_or(now),
        Moment::Run(run) => match store.end_of_run(run, now)? {
            Some(at) => at,
            None => return Ok(Err(no_run(run, covered.runs))),
        },
    };
    Ok(within(at, covered.since, now))
}

fn within(at: Timestamp, since: Option<Timestamp>, now: Timestamp) -> Result<Timestamp, Failure> {
    let usage = |text: String, hint: &str| Err(Failure::new(ExitCode::Usage, text).with_hint(hint));
    match since {
        None => usage("there was no run yet".to_owned(), "`sync` makes a backup"),
        Some(since) if at < since => usage(
            format!("nothing is known of {at}: the first run began at {since}"),
            "name that time or a later one",
        ),
        Some(_) if at > now => usage(
            format!("{at} has not come yet"),
            "without a time, the latest state is told",
        ),
        Some(_) => Ok(at),
    }
}

fn no_run(run: i64, runs: u64) -> Failure {
    Failure::new(
        ExitCode::Usage,
        format!("there was no run {run}; the database knows {runs}"),
    )
    .with_hint("the table `runs` has their numbers and times")
}
