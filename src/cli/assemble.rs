//! From a checked configuration to the rooms that do the work.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tracing::info;

use super::failure::Failure;
use super::run::Clock;
use super::sync::{Args, Part};
use crate::config::{ApiKey, Config};
use crate::mirror::{self, Mirror};
use crate::model::{ExitCode, RunReport, Tally, Timestamp};
use crate::remote::{self, Key, Remote};
use crate::store::{self, Lock, LockError, Mode, Store, StoreError, StoreThread};
use crate::sync::{self, Only, Rooms, Stop};

/// How long downloads in flight may go on after the first signal. Shorter than what service
/// managers wait before they kill.
const GRACE: Duration = Duration::from_secs(10);

/// Takes the lock, opens the rooms and does one run. A stop is looked at while waiting for the
/// lock, too. A dry run takes no lock: it writes nothing and may look on while another run works.
///
/// # Errors
/// What kept the run from being done. What went wrong within it stands in the report.
pub(crate) async fn sync(
    args: &Args,
    config: Config,
    key: ApiKey,
    clock: Clock,
    tally: Arc<Tally>,
    stop: Stop,
) -> Result<RunReport, Failure> {
    let remote = remote(&config, &key)?;
    let _lock = if args.dry_run {
        None
    } else {
        Some(lock(args.wait_lock, &config, clock, &stop).await?)
    };
    // After the lock: opening the mirror clears away what a cut-off writer left.
    let (store, mirror) = open(&config, args.dry_run, clock()).await?;
    let (store, thread) = StoreThread::spawn(store).map_err(|err| failed(err, StoreError::hint))?;
    let rooms = Rooms {
        remote: Arc::new(remote),
        store,
        mirror: mirror.map(Arc::new),
    };
    let done = sync::run(options(args, &config, clock), rooms, tally, stop).await;
    let closed = thread.join().await;
    // The run's own error comes first; a database that could not be closed well may be its echo.
    let report = done.map_err(|err| failed(err, |err| err.hint()))?;
    closed.map_err(|err| failed(err, StoreError::hint))?;
    Ok(report)
}

/// Waits for the lock on a thread that may block. After a stop that thread is left to itself: the
/// process ends, and the lock with it.
pub(crate) async fn lock(
    wait: Duration,
    config: &Config,
    clock: Clock,
    stop: &Stop,
) -> Result<Lock, Failure> {
    let database = config.storage.database.clone();
    let taken = tokio::task::spawn_blocking(move || {
        let say = |held: &LockError| info!("{held}; waiting for it to end");
        Lock::acquire(&database, Some(wait), clock(), say)
    });
    tokio::select! {
        taken = taken => match taken {
            Ok(Ok(lock)) => Ok(lock),
            Ok(Err(err)) => {
                let exit = match &err {
                    LockError::Held { .. } => ExitCode::Locked,
                    LockError::Unusable(_) => ExitCode::Failed,
                };
                Err(Failure { exit, ..failed(err, LockError::hint) })
            }
            Err(err) => Err(Failure::new(ExitCode::Failed, err)),
        },
        () = stop.wait() => {
            let exit = stop.requested().unwrap_or(ExitCode::Interrupted);
            let text = "stopped while waiting for another run to end; nothing was done";
            Err(Failure::new(exit, text))
        }
    }
}

fn remote(config: &Config, key: &ApiKey) -> Result<Remote, Failure> {
    let Some(key) = Key::new(&key.secret) else {
        // The configuration lets visible ASCII pass and nothing else.
        return Err(Failure::new(
            ExitCode::Usage,
            "the API key cannot stand in a header",
        ));
    };
    let options = remote::Options {
        management_url: config.service.management_url.clone(),
        content_url: config.service.content_url.clone(),
        key,
        asset_hosts: config.assets.hosts.clone(),
        management_per_10s: config.limits.management_per_10s as usize,
        content_per_second: config.limits.content_per_second as usize,
        connect_timeout: config.limits.connect_timeout,
        read_timeout: config.limits.read_timeout,
    };
    Remote::new(&options).map_err(|err| failed(err, |err| err.hint()))
}

/// Opens the database and, unless nothing is to be written, the mirror. Both may migrate or scan,
/// so they open on a thread that may block.
async fn open(
    config: &Config,
    is_dry_run: bool,
    now: Timestamp,
) -> Result<(Store, Option<Mirror>), Failure> {
    let storage = config.storage.clone();
    let service_id = config.service.id.clone();
    let opened = tokio::task::spawn_blocking(move || {
        let mode = if is_dry_run {
            Mode::DryRun
        } else {
            Mode::ReadWrite
        };
        let options = store::Options {
            path: storage.database,
            service_id,
            mode,
        };
        let store = Store::open(&options, now).map_err(|err| failed(err, StoreError::hint))?;
        if is_dry_run {
            return Ok((store, None));
        }
        let options = mirror::Options {
            root: storage.mirror,
            archive: storage.archive,
            file_mode: storage.file_mode,
            dir_mode: storage.folder_mode,
        };
        let mirror = Mirror::open(&options)
            .map_err(|err| failed(err, |err| err.hint().map(str::to_owned)))?;
        Ok((store, Some(mirror)))
    });
    opened
        .await
        .map_err(|err| Failure::new(ExitCode::Failed, err))?
}

fn options(args: &Args, config: &Config, clock: Clock) -> sync::Options {
    let wants = |part| args.only.is_empty() || args.only.contains(&part);
    let configured = || config.service.endpoints.clone().unwrap_or_default();
    sync::Options {
        service: config.service.id.clone(),
        only: Only {
            media: wants(Part::Media),
            contents: wants(Part::Contents),
            assets: wants(Part::Assets),
        },
        endpoints: if args.endpoints.is_empty() {
            configured()
        } else {
            args.endpoints.clone()
        },
        is_dry_run: args.dry_run,
        is_full: args.full,
        allow_deletes: args.allow_deletes.unwrap_or(0),
        downloads: config.limits.downloads as usize,
        grace: GRACE,
        trigger: "command".to_owned(),
        now: clock,
    }
}

/// An error of a room as it reaches a person.
pub(crate) fn failed<E: Error + Send + Sync + 'static>(
    err: E,
    hint: impl FnOnce(&E) -> Option<String>,
) -> Failure {
    let hint = hint(&err);
    Failure {
        hint,
        ..Failure::new(ExitCode::Failed, err)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::super::args::{Cli, Command};
    use super::*;
    use crate::config::{Sources, load};

    fn asked(line: &str, env: &[(&str, &str)]) -> sync::Options {
        let words = ["microcms-backup", "sync"]
            .into_iter()
            .chain(line.split_whitespace());
        let Command::Sync(args) = Cli::try_parse_from(words).expect(line).command else {
            panic!("{line} is not `sync`");
        };
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let mut sources = Sources {
            env: env.collect(),
            ..Sources::default()
        };
        sources
            .env
            .insert("MICROCMS_SERVICE_ID".to_owned(), "my-service".to_owned());
        let config = load(&sources).expect("a usable configuration");
        options(&args, &config, || Timestamp::from_unix_millis(0))
    }

    #[test]
    fn without_flags_everything_is_asked_for() {
        let options = asked("", &[]);
        assert_eq!(options.service, "my-service");
        assert_eq!(options.only, Only::ALL);
        assert!(options.endpoints.is_empty());
        assert!(!options.is_dry_run && !options.is_full);
        assert_eq!((options.allow_deletes, options.downloads), (0, 16));
    }

    #[test]
    fn flags_reach_the_run() {
        let options = asked(
            "--only media --only assets --dry-run --full --allow-deletes 7",
            &[],
        );
        assert_eq!(
            options.only,
            Only {
                media: true,
                contents: false,
                assets: true
            }
        );
        assert!(options.is_dry_run && options.is_full);
        assert_eq!(options.allow_deletes, 7);
    }

    #[test]
    fn endpoints_on_the_command_line_take_the_place_of_the_configured_ones() {
        let env = [("MICROCMS_BACKUP__SERVICE__ENDPOINTS", "blog,news")];
        let names = |options: sync::Options| {
            options
                .endpoints
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(asked("", &env)), ["blog", "news"]);
        assert_eq!(names(asked("--endpoint shop", &env)), ["shop"]);
    }
}
