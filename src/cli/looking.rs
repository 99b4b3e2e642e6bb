//! What every command shares that only looks at the backup: the database as it lies there, and the
//! time that a person named.

use chrono::TimeZone as _;
use chrono_tz::Tz;

use super::assemble::store_failed;
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
        .map_err(|err| store_failed(err, path))?;
    seen.ok_or_else(|| {
        // A relative path says nothing to who started this in another folder than they think.
        let place = std::path::absolute(path).unwrap_or_else(|_| path.clone());
        let text = format!(
            "there is no backup yet: `{}` does not exist",
            place.display()
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

/// Returns a time as the owner's clocks show it, with its offset.
pub(super) fn local(at: Timestamp, zone: Tz) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M:%S %:z")
}

/// The same to the millisecond: read again, it is this very instant and not its second.
pub(super) fn exact(at: Timestamp, zone: Tz) -> String {
    shown(at, zone, "%Y-%m-%d %H:%M:%S%.3f %:z")
}

/// The same as exactly as the moment is: of two within a second each is told.
pub(super) fn precise(at: Timestamp, zone: Tz) -> String {
    match at.unix_millis().rem_euclid(1000) {
        // The end of a day, or of a second, is called by that.
        0 | 999 => local(at, zone),
        _ => exact(at, zone),
    }
}

fn shown(at: Timestamp, zone: Tz, form: &str) -> String {
    let local = zone.timestamp_millis_opt(at.unix_millis()).single();
    local.map_or_else(|| at.to_string(), |local| local.format(form).to_string())
}

/// Returns the instant that a moment means, and that the history can say something about.
///
/// # Errors
/// As wrong usage, in the times of `zone`: a time before the first run, a time to come, a run that there never was.
pub(super) fn instant(
    store: &Store,
    moment: Moment,
    now: Timestamp,
    zone: Tz,
) -> Result<Result<Timestamp, Failure>, StoreError> {
    let covered = store.covered()?;
    // Where a clock went back, the newest runs' times lie ahead of it; what they recorded is what there is now.
    let present = store.present(now)?;
    let at = match moment {
        Moment::At(at) if at == now => present,
        Moment::At(_) | Moment::Second(_) => moment.end(present).unwrap_or(present),
        Moment::Run(run) => match store.end_of_run(run, present)? {
            Some(at) => at,
            None => return Ok(Err(no_run(run, covered.runs))),
        },
    };
    Ok(within(at, covered.since, present, zone))
}

fn within(
    at: Timestamp,
    since: Option<Timestamp>,
    now: Timestamp,
    zone: Tz,
) -> Result<Timestamp, Failure> {
    let usage = |text: String, hint: &str| Err(Failure::new(ExitCode::Usage, text).with_hint(hint));
    let told = |at| precise(at, zone);
    match since {
        None => usage("there was no run yet".to_owned(), "`sync` makes a backup"),
        Some(since) if at < since => usage(
            format!(
                "nothing is known of {}: the first run began at {}",
                told(at),
                told(since)
            ),
            "name that time or a later one",
        ),
        Some(_) if at > now => usage(
            format!("{} has not come yet", told(at)),
            "without a time, the latest state is told",
        ),
        Some(_) => Ok(at),
    }
}

fn no_run(run: i64, runs: u64) -> Failure {
    let hint = match runs {
        0 => "`sync` makes a backup".to_owned(),
        1 => "there is run 1 alone; `status` lists it".to_owned(),
        _ => format!("there are runs 1 to {runs}; `status` lists the newest"),
    };
    Failure::new(ExitCode::Usage, format!("there was no run {run}")).with_hint(hint)
}
