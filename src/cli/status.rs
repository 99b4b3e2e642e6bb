//! `status`: one line of truth about the backup as it lies there.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::assemble::{emptied, mirror_options};
use super::failure::Failure;
use super::mirror_look::{Expected, look_at};
use super::output;
use super::run::Clock;
use super::status_table;
use crate::config::{self, Config, Sources};
use crate::daemon::Schedule;
use crate::mirror::{self, Disk};
use crate::model::backup::EndpointState;
use crate::model::{BackupState, ExitCode, Timestamp, chain, counted, plain};
use crate::plan::{Evidence, Judgement, judge};
use crate::store::{self, Lock, LockState, StoreError};

const EXAMPLES: &str = "\
SAFE means: the last complete run of everything is recent enough, nothing is owed, no file failed, the \
mirror holds the few files that are looked for, and no later run of everything says that a person must act. \
It is safe as of the start of that run. While a run is under way, what it has just found does not count. \
A later run that failed for a reason that may pass is told as a note, and so is a run of a part (--only, \
--endpoint) that wants a person.

Examples:
  microcms-backup status
  microcms-backup status --max-age 3h          for an hourly schedule
  microcms-backup status --json | jq .reasons

Exit codes:
    0  SAFE
    1  stdout cannot be written
    2  wrong usage or configuration
    6  UNSAFE, also where there is no backup yet, and where the database cannot be read and nothing can be said";

/// Say in one line whether the backup is safe and as of when, then a short table
///
/// Says in one line whether the backup is safe and as of when, then a short table. Asks nobody, writes
/// nothing, needs no API key, and works while a run or the daemon does.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = EXAMPLES
)]
pub(crate) struct Args {
    /// Print everything as JSON
    #[arg(long)]
    json: bool,

    /// How long ago the last complete run may have begun, such as 3h or 8d [default: `health.max_age`]
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    max_age: Option<Duration>,
}

/// The version of [`Status`]'s JSON form.
const VERSION: u32 = 1;

/// Everything that there is to say; the JSON form only grows.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) version: u32,
    pub(crate) program: &'static str,
    pub(crate) service: String,
    pub(crate) now: Timestamp,
    pub(crate) exit_code: u8,
    #[serde(flatten)]
    pub(crate) judgement: Judgement,
    pub(crate) max_age_s: u64,
    /// What to do about a database that cannot be read.
    pub(crate) hint: Option<String>,
    pub(crate) lock: LockSeen,
    pub(crate) storage: Storage,
    /// `limits.monthly_transfer`, and what counts against it this month.
    pub(crate) monthly_transfer: Option<u64>,
    pub(crate) monthly_transfer_used: u64,
    /// When the daemon's schedule rings next; `None` if no daemon was seen at work.
    pub(crate) next_run: Option<Timestamp>,
    /// What the database says; `None` without a database that can be read.
    pub(crate) backup: Option<BackupState>,
}

/// The lock.
#[derive(Debug, Serialize)]
pub(crate) struct LockSeen {
    /// `None` if it cannot be told.
    pub(crate) is_held: Option<bool>,
    pub(crate) pid: Option<u32>,
    pub(crate) since: Option<String>,
    /// Why it cannot be told.
    pub(crate) trouble: Option<String>,
}

/// What lies where.
#[derive(Debug, Serialize)]
pub(crate) struct Storage {
    pub(crate) database: Place,
    pub(crate) mirror: Place,
    pub(crate) archive: Place,
}

/// A part of the backup on its disk.
#[derive(Debug, Serialize)]
pub(crate) struct Place {
    pub(crate) path: PathBuf,
    /// The database's as the disk has them, the others' as the database adds them up.
    pub(crate) bytes: Option<u64>,
    pub(crate) disk: Option<DiskSpace>,
}

/// What its file system has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct DiskSpace {
    #[serde(skip)]
    pub(crate) device: u64,
    pub(crate) free_bytes: u64,
    pub(crate) total_bytes: u64,
    pub(crate) free_inodes: Option<u64>,
    pub(crate) total_inodes: Option<u64>,
}

/// Prints where the backup stands. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    let status = status(args, &config, clock());
    let text = if args.json {
        // Strings, numbers and lists: there is nothing in it that JSON cannot say.
        serde_json::to_string_pretty(&status).unwrap_or_default() + "\n"
    } else {
        status_table::of(&status, output::terminal_width())
    };
    match output::result(&text) {
        Ok(()) => Ok(status.exit_code),
        Err(err) => Err(Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )),
    }
}

fn status(args: &Args, config: &Config, now: Timestamp) -> Status {
    let max_age = args.max_age.unwrap_or(config.health.max_age);
    // Before the rows: a run that ends in between is then under way and done, never dead.
    let lock = LockSeen::from(Lock::look(&config.storage.database));
    let configured = config.service.endpoints.clone().unwrap_or_default();
    let read = store::view_backup(&config.storage.database, &config.service.id, |store| {
        let state = store.backup_state(&configured, now)?;
        let sample = if lock.is_held == Some(false) {
            Expected::of(store)?
        } else {
            Expected::default()
        };
        Ok((state, sample))
    });
    let (judgement, exit, hint, backup) = match read {
        Ok(Some((state, sample))) => {
            let looks = look_at(&mirror_options(config), &sample);
            let mut judgement = judge(&Evidence {
                state: &state,
                now,
                max_age,
                is_locked: lock.is_held,
                mirror_trouble: looks.mirror.trouble.as_deref(),
                archive_trouble: looks.archive.trouble.as_deref(),
            });
            judgement.notes.extend(looks.mirror.doubt);
            judgement.notes.extend(looks.archive.doubt);
            judgement.notes.extend(as_it_was_left(&state.endpoints));
            let exit = if judgement.safe {
                ExitCode::Complete
            } else {
                ExitCode::Difference
            };
            (judgement, exit, None, Some(state))
        }
        Ok(None) => {
            let database = config.storage.database.display().to_string();
            let database = plain(&database);
            let (why, hint) = match emptied(config) {
                Some(failure) => (failure.line(), failure.hint),
                None => {
                    let why = format!(
                        "no backup yet: `{database}` does not exist; run `microcms-backup sync`"
                    );
                    (why, None)
                }
            };
            (without(&why), ExitCode::Difference, hint, None)
        }
        Err(err) => {
            let why = format!("it cannot be judged: {}", chain(&err));
            (without(&why), ExitCode::Difference, hint(&err), None)
        }
    };
    Status {
        version: VERSION,
        program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")),
        service: config.service.id.clone(),
        now,
        exit_code: exit.code(),
        judgement,
        max_age_s: max_age.as_secs(),
        hint,
        lock,
        storage: storage(config, backup.as_ref()),
        monthly_transfer: config.limits.monthly_transfer,
        monthly_transfer_used: used(config, backup.as_ref()),
        next_run: next_run(config, backup.as_ref(), now),
        backup,
    }
}

/// Says that some APIs are not among those that the configuration names, and how much of them is not here.
fn as_it_was_left(endpoints: &[EndpointState]) -> Option<String> {
    let left_out: Vec<&EndpointState> = endpoints.iter().filter(|api| api.is_left_out).collect();
    // One that owes bodies is the better example.
    let first = &left_out
        .iter()
        .min_by_key(|api| api.bodies_missing() == 0)?
        .endpoint;
    let (what, are, them) = match left_out.len() {
        1 => (format!("`{first}`"), "is", "it"),
        all => (format!("{all} others, such as `{first}`,"), "are", "them"),
    };
    let missing: u64 = left_out.iter().map(|api| api.bodies_missing()).sum();
    let missing = match missing {
        0 => String::new(),
        bodies => format!(", without {}", counted(bodies, "body", "bodies")),
    };
    Some(format!(
        "only the APIs that `service.endpoints` names are kept up to date: {what} {are} as an earlier run left {them}{missing}"
    ))
}

/// The judgement where there is nothing to judge by.
fn without(why: &str) -> Judgement {
    Judgement {
        safe: false,
        as_of: None,
        line: format!("UNSAFE: {why}"),
        reasons: vec![why.to_owned()],
        notes: Vec::new(),
        under_way: None,
    }
}

fn hint(err: &StoreError) -> Option<String> {
    if matches!(err, StoreError::ReadOnly { .. }) {
        // SQLite needs its index of a log that a run left behind, and cannot make it here.
        let text = "if the folder cannot be written to, copy the database and its `-wal` file elsewhere and look \
                    there: a log that a run left behind needs an index beside it";
        return Some(text.to_owned());
    }
    err.hint()
}

fn storage(config: &Config, backup: Option<&BackupState>) -> Storage {
    let paths = &config.storage;
    let place = |path: &Path, bytes| Place {
        path: path.to_owned(),
        bytes,
        disk: mirror::disk(path).ok().map(DiskSpace::from),
    };
    Storage {
        database: place(&paths.database, database_bytes(&paths.database)),
        mirror: place(&paths.mirror, backup.map(|backup| backup.mirror_bytes)),
        archive: place(&paths.archive, backup.map(|backup| backup.archive_bytes)),
    }
}

/// The database with its log.
fn database_bytes(path: &Path) -> Option<u64> {
    let mut log = store::behind_links(path).into_os_string();
    log.push("-wal");
    let bytes = |path: &Path| std::fs::metadata(path).map(|about| about.len()).ok();
    Some(bytes(path)? + bytes(Path::new(&log)).unwrap_or(0))
}

/// What counts against the month's transfer: every host but the Management API's, which the plan's quota
/// does not count either.
fn used(config: &Config, backup: Option<&BackupState>) -> u64 {
    let url = &config.service.management_url;
    let host = url.host_str().unwrap_or_default();
    let management = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    let hosts = backup.map(|backup| backup.transfer.iter());
    hosts
        .into_iter()
        .flatten()
        .filter(|of_host| of_host.host != management)
        .map(|of_host| of_host.bytes)
        .sum()
}

/// The schedule means something only where a daemon works by it, which its last run tells.
fn next_run(config: &Config, backup: Option<&BackupState>, now: Timestamp) -> Option<Timestamp> {
    let newest = backup?.runs.first()?;
    let is_by_hand = newest.trigger.split(", ").next() == Some("command");
    if is_by_hand {
        return None;
    }
    let (line, zone) = (&config.schedule.cron, config.schedule.timezone);
    // Give or take the jitter; after a failure the daemon comes sooner.
    Schedule::new(line, zone).ok()?.next_after(now)
}

impl From<LockState> for LockSeen {
    fn from(state: LockState) -> Self {
        let seen = |is_held| Self {
            is_held,
            pid: None,
            since: None,
            trouble: None,
        };
        match state {
            LockState::Free => seen(Some(false)),
            LockState::Held { pid, since } => Self {
                pid,
                since,
                ..seen(Some(true))
            },
            LockState::Unknown(trouble) => Self {
                trouble: Some(trouble),
                ..seen(None)
            },
        }
    }
}

impl From<Disk> for DiskSpace {
    fn from(disk: Disk) -> Self {
        Self {
            device: disk.device,
            free_bytes: disk.free_bytes,
            total_bytes: disk.total_bytes,
            free_inodes: disk.inodes.map(|(free, _)| free),
            total_inodes: disk.inodes.map(|(_, total)| total),
        }
    }
}
