//! From a checked configuration to the rooms that do the work.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tracing::{info, warn};

use super::failure::Failure;
use super::mirror_look::{Expected, look_at};
use super::order::Order;
use super::run::Clock;
use super::seen::Seen;
use crate::config::{ApiKey, Config};
use crate::daemon::Facts;
use crate::health::Disk;
use crate::mirror::{self, Mirror, Reader};
use crate::model::condition::Condition;
use crate::model::report::Budget;
use crate::model::{ExitCode, Outcome, RunReport, Tally, Timestamp, Traffic, chain};
use crate::plan::{Evidence, judge};
use crate::remote::{self, Key, Remote};
use crate::store::{self, Lock, LockError, Mode, RunEnd, Store, StoreError, StoreThread};
use crate::sync::{self, Rooms, RunFiles, Stop};

/// Where runs are done: one configuration, one key, one clock.
///
/// The rooms are opened anew for each run, with the lock in hand, and closed with it. Between two
/// runs of a daemon nothing is held: a one-shot by hand, a restored database, a migration by a newer
/// program or a rotated key find no open file in their way, and opening costs milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) config: Config,
    pub(crate) key: ApiKey,
    pub(crate) clock: Clock,
    /// What all runs of this process ask and are answered.
    pub(crate) traffic: Arc<Traffic>,
    /// The database that this process worked with, also before the configuration was read again.
    pub(crate) seen: Seen,
}

impl Site {
    /// Takes the lock, on a thread that may block, waiting for up to `wait`; `on_wait` hears of the
    /// holder. After a stop that thread is left to itself: the process ends, and the lock with it.
    ///
    /// # Errors
    /// Exit code 11 if somebody else holds it, the stop's code if one came while waiting.
    pub(crate) async fn lock(
        &self,
        wait: Duration,
        on_wait: impl FnOnce(&LockError) + Send + 'static,
        stop: &Stop,
    ) -> Result<Lock, Failure> {
        // Before the lock: its file would make the folders that a volume took with it.
        self.seen.check(&self.config.storage.database)?;
        lock(&self.config, self.clock, wait, on_wait, stop).await
    }

    /// Looks whether a run could be done: makes and migrates what is needed, clears away what a
    /// cut-off run left, and closes everything again. If somebody else's run is under way, the
    /// database is only looked at.
    ///
    /// # Errors
    /// What would keep a run from being done.
    pub(crate) async fn check(&self) -> Result<Facts, Failure> {
        // Without certificates, for example, no run could ask anything.
        remote(&self.config, &self.key, Arc::clone(&self.traffic))?;
        let Self {
            config,
            clock,
            seen,
            ..
        } = self.clone();
        let checked = crate::blocking::run(move || {
            let database = &config.storage.database;
            match Lock::acquire(database, None, clock(), |_held| {}) {
                Ok(_lock) => {
                    let (store, _files) = open_rooms(&config, false, None, clock())?;
                    let facts = facts(&store)?;
                    tidy(store);
                    seen.note(database);
                    Ok(facts)
                }
                Err(held @ LockError::Held { .. }) => {
                    info!("{held}; the first run waits for it to end");
                    let options = store_options(&config, Mode::DryRun);
                    seen.note(database);
                    match Store::open(&options, clock()) {
                        // A run under way is not one that was cut off.
                        Ok(store) => facts(&store).map(|facts| Facts {
                            was_cut_off: false,
                            ..facts
                        }),
                        // The first run will migrate it, as soon as nobody else works in it.
                        Err(StoreError::Older { .. }) => Ok(Facts::default()),
                        Err(err) => Err(failed(err, StoreError::hint)),
                    }
                }
                Err(err @ LockError::Unusable(_)) => Err(failed(err, LockError::hint)),
            }
        });
        checked
            .await
            .map_err(|err| Failure::new(ExitCode::Failed, err))?
    }

    /// Opens the rooms, does one run, closes them. Whoever wants one holds the lock until all is
    /// closed, except for a dry run: it writes nothing and may look on while another run works.
    ///
    /// `previous` becomes how the run before ended, as far as the database knows.
    ///
    /// # Errors
    /// What kept the run from being done. What went wrong within it stands in the report.
    pub(crate) async fn run(
        &self,
        order: Order,
        tally: Arc<Tally>,
        stop: Stop,
        previous: &mut Option<Outcome>,
    ) -> Result<RunReport, Failure> {
        // After the lock: opening the mirror clears away what a cut-off writer left. Meanwhile, on this
        // thread, the system's certificates are read.
        self.seen.check(&self.config.storage.database)?;
        let opening = open(&self.config, &order, (self.clock)());
        let remote = remote(&self.config, &self.key, Arc::clone(&self.traffic));
        let (store, files) = opening.await?;
        self.seen.note(&self.config.storage.database);
        let remote = remote?;
        // Only to be told of: a database that cannot answer this will fail the run by itself.
        *previous = store.last_outcome().unwrap_or_default();
        let (store, thread) =
            StoreThread::spawn(store).map_err(|err| failed(err, StoreError::hint))?;
        let rooms = Rooms {
            remote: Arc::new(remote),
            store,
            files,
        };
        let options = order.into_options(&self.config, self.clock);
        let done = sync::run(options, rooms, tally, stop).await;
        let closed = thread.join().await;
        // The run's own error comes first; a database that could not be closed well may be its echo.
        let report = done.map_err(|err| failed(err, |err| err.hint()))?;
        if let Err(err) = closed {
            untidy(&err);
        }
        Ok(report)
    }

    /// Looks at the backup's condition, and whether `status` says SAFE; writes nothing. Where there is
    /// no database, the condition of an empty one. `is_locked` as for [`Evidence`]: a look at the lock
    /// might be in the way of a run that takes it in this moment. Blocks.
    ///
    /// # Errors
    /// If there is a database that cannot be read, or none any more.
    pub(crate) fn condition(&self, is_locked: Option<bool>) -> Result<(Condition, bool), Failure> {
        let Config {
            storage, service, ..
        } = &self.config;
        self.seen.check(&storage.database)?;
        let configured = service.endpoints.as_deref().unwrap_or_default();
        let now = (self.clock)();
        let mirror = mirror_options(&self.config);
        let ask = |store: &Store| {
            let sample = match is_locked {
                Some(false) => Expected::of(store)?,
                Some(true) | None => Expected::default(),
            };
            let looks = look_at(&mirror, &sample);
            let state = store.backup_state(configured, now)?;
            let judgement = judge(&Evidence {
                state: &state,
                now,
                max_age: self.config.health.max_age,
                is_locked,
                mirror_trouble: looks.mirror.trouble.as_deref(),
                archive_trouble: looks.archive.trouble.as_deref(),
            });
            Ok((store.condition(configured, now)?, judgement.safe))
        };
        let found = store::view(&storage.database, &service.id, ask);
        found
            .map(Option::unwrap_or_default)
            .map_err(|err| failed(err, StoreError::hint))
    }

    /// Returns where the month's transfer budget stands, as the database counts; `None` where none is
    /// set.
    pub(crate) fn budget(&self, found: &Condition) -> Option<Budget> {
        let limit = self.config.limits.monthly_transfer?;
        // The Management API is not among what microCMS counts.
        let free = remote::host_key(&self.config.service.management_url);
        let counted = found.transfer_this_month.iter();
        let spent = counted
            .filter(|entry| entry.host != free)
            .map(|entry| entry.bytes)
            .sum();
        Some(Budget {
            month: (self.clock)().month(),
            limit,
            spent,
            left: limit.saturating_sub(spent),
        })
    }

    /// Returns how full the mirror's disk is; `None` where it does not say. Blocks.
    pub(crate) fn disk(&self) -> Option<Disk> {
        let disk = mirror::disk(&self.config.storage.mirror).ok()?;
        Some(Disk {
            free: disk.free_bytes,
            total: disk.total_bytes,
        })
    }
}

/// As [`Site::lock`], for a command that needs no key.
pub(crate) async fn lock(
    config: &Config,
    clock: Clock,
    wait: Duration,
    on_wait: impl FnOnce(&LockError) + Send + 'static,
    stop: &Stop,
) -> Result<Lock, Failure> {
    let (database, now) = (config.storage.database.clone(), clock());
    let taken = crate::blocking::run(move || Lock::acquire(&database, Some(wait), now, on_wait));
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

/// Closes a database in which all is recorded.
pub(super) fn tidy(store: Store) {
    if let Err(err) = store.close() {
        untidy(&err);
    }
}

/// A disk that is full, mostly. All that was recorded is on it: the log is only not moved into the database.
fn untidy(err: &StoreError) {
    warn!("{}; the next run does that", chain(err));
}

/// Sets up the way to the service; nothing is asked. Answers are counted in `traffic`.
pub(super) fn remote(
    config: &Config,
    key: &ApiKey,
    traffic: Arc<Traffic>,
) -> Result<Remote, Failure> {
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
        bandwidth: config.limits.bandwidth,
        traffic,
    };
    Remote::new(&options).map_err(|err| failed(err, |err| err.hint()))
}

/// Opens the database and the mirror, to look only where nothing is to be written. Both may migrate or scan,
/// so they open on a thread that may block.
///
/// That begins with the call, not with the first poll.
fn open(
    config: &Config,
    order: &Order,
    now: Timestamp,
) -> impl Future<Output = Result<(Store, RunFiles), Failure>> + use<> {
    let (config, trigger) = (config.clone(), order.trigger.clone());
    let is_dry_run = order.is_dry_run;
    let opening =
        crate::blocking::run(move || open_rooms(&config, is_dry_run, Some(&trigger), now));
    async move {
        opening
            .await
            .map_err(|err| Failure::new(ExitCode::Failed, err))?
    }
}

/// `trigger` is that of the run; `None` where there is none yet.
fn open_rooms(
    config: &Config,
    is_dry_run: bool,
    trigger: Option<&str>,
    now: Timestamp,
) -> Result<(Store, RunFiles), Failure> {
    let mode = if is_dry_run {
        Mode::DryRun
    } else {
        Mode::ReadWrite
    };
    let options = store_options(config, mode);
    if let Some(failure) = emptied(config) {
        return Err(failure);
    }
    let is_new = !options.path.exists();
    let mut store = Store::open(&options, now).map_err(|err| store_failed(err, &options.path))?;
    if is_dry_run {
        let reader = Reader::open_if_there(&mirror_options(config));
        let reader = reader.map_err(|err| failed(err, |err| err.hint().map(str::to_owned)))?;
        return Ok((store, RunFiles::Look(reader)));
    }
    let mirror = match Mirror::open(&mirror_options(config)) {
        Ok(mirror) => mirror,
        Err(err) => {
            if let Some(trigger) = trigger {
                note_failure(&mut store, trigger, &err, now);
            }
            return Err(failed(err, |err| err.hint().map(str::to_owned)));
        }
    };
    if is_new && mirror.scan().flatten().next().is_some() {
        warn!(
            "a new database was begun in `{}`, though the mirror `{}` holds files: if the database lies on a volume that is not \
             mounted, or was moved, stop this run and put that right; its history is not in the new one, and all is fetched again",
            options.path.display(),
            config.storage.mirror.display()
        );
    }
    Ok((store, RunFiles::Save(Arc::new(mirror))))
}

/// Says that the database's file is there and empty, where the mirror is not: it was emptied. Where a first run died before
/// it wrote anything, there is no file in the mirror either.
pub(super) fn emptied(config: &Config) -> Option<Failure> {
    let (database, mirror) = (&config.storage.database, &config.storage.mirror);
    if !super::seen::is_empty(database) {
        return None;
    }
    let reader = Reader::open_if_there(&mirror_options(config)).ok()??;
    reader.scan().flatten().next()?;
    let text = format!(
        "the database `{}` is an empty file, though the mirror `{}` holds files",
        database.display(),
        mirror.display()
    );
    let hint = "put a copy of the database in its place, such as one by `snapshot`; or remove the empty file, and the next run \
                begins a new backup, which fetches everything and knows nothing of the past";
    Some(Failure::new(ExitCode::Failed, text).with_hint(hint))
}

/// Leaves the run that did not come about in the database, where `status` finds it.
fn note_failure(store: &mut Store, trigger: &str, err: &mirror::MirrorError, now: Timestamp) {
    let end = RunEnd {
        error: Some(chain(err)),
        // The budget counts on across it.
        recent_requests: store.recent_requests().unwrap_or_default(),
        ..RunEnd::of_nothing(Outcome::Failed, ExitCode::Failed.code())
    };
    let now = store.present(now).unwrap_or(now);
    let noted = store
        .begin_run(
            trigger,
            concat!("microcms-backup ", env!("CARGO_PKG_VERSION")),
            now,
        )
        .and_then(|id| store.finish_run(id, &end, now));
    if let Err(also) = noted {
        warn!("the failure cannot be recorded either: {}", chain(&also));
    }
}

pub(crate) fn mirror_options(config: &Config) -> mirror::Options {
    let storage = config.storage.clone();
    mirror::Options {
        root: storage.mirror,
        archive: storage.archive,
        file_mode: storage.file_mode,
        dir_mode: storage.folder_mode,
    }
}

pub(crate) fn store_options(config: &Config, mode: Mode) -> store::Options {
    store::Options {
        path: config.storage.database.clone(),
        service_id: config.service.id.clone(),
        mode,
    }
}

fn facts(store: &Store) -> Result<Facts, Failure> {
    let asked = store.last_complete_run().and_then(|last_complete| {
        Ok(Facts {
            last_complete,
            was_cut_off: store.was_cut_off()?,
        })
    });
    asked.map_err(|err| failed(err, StoreError::hint))
}

/// An error of the database as it reaches a person. Where its disk has no inode left, SQLite cannot make the files that
/// it needs beside it, and knows no better than that it may not.
pub(crate) fn store_failed(err: StoreError, database: &Path) -> Failure {
    let is_of_the_disk = matches!(
        err,
        StoreError::ReadOnly { .. } | StoreError::OutOfSpace { .. } | StoreError::File { .. }
    );
    let failure = failed(err, StoreError::hint);
    let disk = mirror::disk(&store::behind_links(database)).ok();
    let is_full = disk.is_some_and(|disk| disk.inodes.is_some_and(|(free, _)| free == 0));
    if !is_of_the_disk || !is_full {
        return failure;
    }
    let hint = "the disk has no free inode, so that no file can be made on it (`df -i`): remove some that are not needed, \
                then run again; nothing saved was lost";
    failure.with_hint(hint)
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
