//! What is true: the validated [`Config`], and how it comes out of what was written.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use url::Url;

use super::hooks::{self, Hooks};
use super::key::{self, ApiKey};
use super::notify::{self, Notify};
use super::paths;
use super::problem::{ConfigError, Place};
use super::raw::Raw;
use super::schedule;
use super::sources::Sources;
use super::values;
use crate::model::Endpoint;

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;
/// The two hosts that microCMS serves media from.
const ASSET_HOSTS: [&str; 2] = ["images.microcms-assets.io", "files.microcms-assets.io"];

/// A configuration in which every value is in range and none contradicts another. It holds no
/// secret that shows: the key is apart, in [`ApiKey`], and the URLs of `notify` print as `[redacted]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The service that is backed up.
    pub service: Service,
    /// Where the backup lies.
    pub storage: Storage,
    /// When the daemon runs.
    pub schedule: Schedule,
    /// How much of the network may be used.
    pub limits: Limits,
    /// Where bytes may come from.
    pub assets: Assets,
    /// Whom health is told, and how.
    pub health: Health,
    /// How long what is no longer current is kept.
    pub retention: Retention,
    /// Who is told of runs.
    pub notify: Notify,
    /// Commands that are run around a run.
    pub hooks: Hooks,
    /// The file that was read; `None` if everything came from the environment.
    pub file: Option<PathBuf>,
    /// What works but is hardly meant; to be logged once, at the start.
    pub warnings: Vec<String>,
}

/// The microCMS service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The first label of its host names.
    pub id: String,
    /// The endpoints to back up; `None`: every API that the key can list.
    pub endpoints: Option<Vec<Endpoint>>,
    /// Base of the Management API: scheme and host, `https` or loopback.
    pub management_url: Url,
    /// Base of the Content API: scheme and host, `https` or loopback.
    pub content_url: Url,
}

/// The places of the backup. Relative paths are relative to the working directory, as for the
/// shell that starts the program. None of the three lies inside another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// The SQLite file.
    pub database: PathBuf,
    /// The folder of current files, a web root.
    pub mirror: PathBuf,
    /// The folder of superseded files.
    pub archive: PathBuf,
    /// Mode of new files in the mirror and the archive; `None`: 0600, less what the umask takes.
    pub file_mode: Option<u32>,
    /// Mode of new folders there; `None`: 0700, less what the umask takes.
    pub folder_mode: Option<u32>,
    /// Bytes that stay free on the mirror's disk; `None`: as the disk is large.
    pub keep_free: Option<u64>,
}

/// When the daemon starts a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Six fields, seconds first; the day of the month and the day of the week must both fit.
    pub cron: String,
    /// The zone in which `cron` is read.
    pub timezone: Tz,
    /// Whether a start of the daemon is a reason to run. If not, one that was missed still is.
    pub run_at_start: bool,
    /// Each tick is late by up to this, by a span drawn when the daemon starts. Shorter than the
    /// time between two ticks.
    pub jitter: Duration,
    /// How long after a run that failed the next is tried, at first.
    pub retry: Duration,
}

/// How much of the network may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Requests to the Management API in any 10 s: 1 to 10, the most that it allows an address.
    pub management_per_10s: u32,
    /// Requests to the Content API per second: 1 to 60, the most that it allows a service.
    pub content_per_second: u32,
    /// Downloads at the same time: 1 to 64.
    pub downloads: u32,
    /// Bytes per second for downloads; `None`: no limit.
    pub bandwidth: Option<u64>,
    /// Bytes per calendar month for downloads; `None`: no limit.
    pub monthly_transfer: Option<u64>,
    /// How long a connection may take to open.
    pub connect_timeout: Duration,
    /// How long a connection may stay silent.
    pub read_timeout: Duration,
}

/// Where the bytes of media may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assets {
    /// The allow-list, each `host` or `host:port` in lower case.
    pub hosts: Vec<String>,
    /// Longer files are not fetched; `None`: any length.
    pub max_size: Option<u64>,
    /// How old a check of a file may become before the host is asked again; `None`: never.
    pub revalidate_every: Option<Duration>,
}

/// Health, for monitors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Where the daemon answers over HTTP; `None`: nowhere.
    pub listen: Option<SocketAddr>,
    /// How old the last complete run may become.
    pub max_age: Duration,
    /// The file for node_exporter, written after each run; `None`: none.
    pub textfile: Option<PathBuf>,
}

/// How long `prune` leaves what is no longer current; `None`: for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    /// Versions that a newer one superseded.
    pub superseded: Option<Duration>,
    /// What was deleted from the service.
    pub deleted: Option<Duration>,
}

/// Reads and checks the configuration without looking for the key, for commands that need none.
///
/// # Errors
/// See [`ConfigError`]; all problems at once.
pub fn load(sources: &Sources) -> Result<Config, ConfigError> {
    let mut raw = Raw::read(sources)?;
    let config = check(&mut raw);
    let (config, warnings) = finish(raw, config)?;
    Ok(Config { warnings, ..config })
}

/// Reads and checks the configuration and the API key.
///
/// # Errors
/// See [`ConfigError`]; all problems at once, those of the key among them.
pub fn load_with_key(sources: &Sources) -> Result<(Config, ApiKey), ConfigError> {
    let mut raw = Raw::read(sources)?;
    let mut config = check(&mut raw);
    let key = key::find(&mut raw, sources);
    if let Some(config) = &mut config {
        notify::find_secrets(&mut config.notify, &mut raw, sources);
        hooks::hide(&mut config.hooks, sources);
    }
    let ((config, key), warnings) = finish(raw, config.zip(key))?;
    Ok((Config { warnings, ..config }, key))
}

/// What could be made counts only if nothing was wrong on the way. The warnings come with it.
fn finish<T>(raw: Raw, made: Option<T>) -> Result<(T, Vec<String>), ConfigError> {
    match made {
        Some(made) if raw.problems.is_empty() => Ok((made, raw.warnings)),
        Some(_) | None => Err(ConfigError::Invalid {
            problems: raw.problems,
        }),
    }
}

/// Checks every key. `None` only where there is no value to go on with, which is a problem.
fn check(raw: &mut Raw) -> Option<Config> {
    let service = service(raw);
    let storage = storage(raw);
    let schedule = schedule::schedule(raw);
    let limits = limits(raw);
    let assets = assets(raw);
    let health = health(raw);
    let retention = retention(raw);
    let notify = notify::notify(raw);
    let hooks = hooks::hooks(raw);
    let file = raw.file.clone();
    Some(Config {
        service: service?,
        storage,
        schedule,
        limits,
        assets,
        health,
        retention,
        notify,
        hooks,
        file,
        warnings: Vec::new(),
    })
}

fn service(raw: &mut Raw) -> Option<Service> {
    let is_given = raw.place("service.id") != Place::Nowhere;
    let id = raw.parsed("service.id", None, |text| {
        values::service_id(text).map(Some)
    });
    if !is_given {
        let place = raw.file.as_ref().map_or(Place::Nowhere, |file| {
            Place::File(file.display().to_string())
        });
        let remedy = "set it to the first part of your `….microcms.io` address, here or as \
                      MICROCMS_SERVICE_ID";
        raw.wrong("service.id", format!("is missing; {remedy}"), place);
    }
    let endpoints = raw.list("service.endpoints", r#"["blog"]"#, values::endpoint);
    let management_url = base_url(raw, "service.management_url");
    let content_url = base_url(raw, "service.content_url");

    let id = id?;
    let own = |domain: &str| Url::parse(&format!("https://{id}.{domain}")).ok();
    let management_url = management_url.or_else(|| own("microcms-management.io"))?;
    let content_url = content_url.or_else(|| own("microcms.io"))?;
    // A stand-in serves both APIs; the real service never does.
    if management_url == content_url && !values::is_loopback(&content_url) {
        let text = format!(
            "`{content_url}` is the same as `service.management_url`; the APIs have different hosts"
        );
        raw.wrong(
            "service.content_url",
            text,
            raw.place("service.content_url"),
        );
    }
    Some(Service {
        id,
        endpoints,
        management_url,
        content_url,
    })
}

fn base_url(raw: &mut Raw, key: &'static str) -> Option<Url> {
    raw.parsed(key, None, |text| values::base_url(text).map(Some))
}

fn storage(raw: &mut Raw) -> Storage {
    let mut path = |key: &'static str, default: &str| {
        raw.parsed(key, PathBuf::from(default), |text| match text.trim() {
            "" => Err("is empty; write a path".to_owned()),
            _ if key == "storage.database" && text.ends_with('/') => Err(format!(
                "`{text}` names a folder; write the name of a file in it"
            )),
            _ if text.contains('\0') => Err("holds a NUL character".to_owned()),
            _ => Ok(PathBuf::from(text)),
        })
    };
    let database = path("storage.database", "backup/backup.sqlite3");
    let mirror = path("storage.mirror", "backup/mirror");
    let archive = path("storage.archive", "backup/archive");
    let mut mode = |key, least| raw.parsed(key, None, |text| values::mode(text, least).map(Some));
    let file_mode = mode("storage.file_mode", 0o600);
    let folder_mode = mode("storage.folder_mode", 0o700);
    let keep_free = raw.parsed("storage.keep_free", None, |text| {
        values::size_or(text, "auto", 0)
    });
    let storage = Storage {
        database,
        mirror,
        archive,
        file_mode,
        folder_mode,
        keep_free,
    };
    for (key, text) in paths::contradictions(&storage.database, &storage.mirror, &storage.archive) {
        raw.wrong(key, text, raw.place(key));
    }
    storage
}

fn limits(raw: &mut Raw) -> Limits {
    let timeouts = Duration::from_millis(100)..=Duration::from_secs(600);
    let mut timeout = |key, default| {
        raw.parsed(key, Duration::from_secs(default), |text| {
            values::duration(text, timeouts.clone())
        })
    };
    let connect_timeout = timeout("limits.connect_timeout", 10);
    let read_timeout = timeout("limits.read_timeout", 30);
    let management_per_10s = raw.whole("limits.management_per_10s", 8, 1..=10);
    let content_per_second = raw.whole("limits.content_per_second", 30, 1..=60);
    let downloads = raw.whole("limits.downloads", 16, 1..=64);
    let bandwidth = raw.parsed("limits.bandwidth", None, values::bandwidth);
    let mut size =
        |key, least| raw.parsed(key, None, |text| values::size_or(text, "unlimited", least));
    Limits {
        management_per_10s,
        content_per_second,
        downloads,
        bandwidth,
        monthly_transfer: size("limits.monthly_transfer", MIB),
        connect_timeout,
        read_timeout,
    }
}

fn assets(raw: &mut Raw) -> Assets {
    let hosts = raw
        .list(
            "assets.hosts",
            r#"["images.microcms-assets.io"]"#,
            values::asset_host,
        )
        .unwrap_or_else(|| ASSET_HOSTS.map(str::to_owned).to_vec());
    let revalidate_every = raw.parsed("assets.revalidate_every", Some(DAY * 30), |text| {
        values::duration_or(text, "never", HOUR)
    });
    let max_size = raw.parsed("assets.max_size", None, |text| {
        values::size_or(text, "unlimited", KIB)
    });
    Assets {
        hosts,
        max_size,
        revalidate_every,
    }
}

fn health(raw: &mut Raw) -> Health {
    let listen = raw.parsed("health.listen", None, values::address_or_off);
    if let Some(address) = listen.filter(|address| !address.ip().is_loopback()) {
        raw.warnings.push(format!(
            "health.listen: everybody who reaches {address} can read the metrics, in the clear: names of \
             APIs and hosts, counts and times. `127.0.0.1` keeps them to this machine"
        ));
    }
    let max_age = raw.parsed("health.max_age", HOUR * 26, values::age);
    let textfile = raw.parsed("health.textfile", None, |text| {
        values::prom_file(text).map(Some)
    });
    Health {
        listen,
        max_age,
        textfile,
    }
}

fn retention(raw: &mut Raw) -> Retention {
    let mut keep = |key| raw.parsed(key, None, |text| values::duration_or(text, "forever", DAY));
    Retention {
        superseded: keep("retention.superseded"),
        deleted: keep("retention.deleted"),
    }
}
