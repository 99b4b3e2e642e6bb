//! One run of the library, put together as the program does it: with requests as fast as they go, which the program's
//! configuration never allows (microCMS would answer 429) and which shows what the program itself can do; or within
//! the service's limits, where what the run measured of itself is told, too.

use crate::Fallible;
use crate::service::Address;
use microcms_backup::mirror::{self, Mirror};
use microcms_backup::model::{Tally, Timestamp, Traffic};
use microcms_backup::remote::{self, Key, Remote};
use microcms_backup::store::{self, Store, StoreThread};
use microcms_backup::sync::{self, Only, Options, Rooms, RunFiles, Stop};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much is asked: of the Management API in ten seconds, of the Content API in one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits(usize, usize);

impl Limits {
    /// More than any machine asks.
    pub(crate) const NONE: Self = Self(1_000_000, 1_000_000);
    /// The program's defaults.
    pub(crate) const DEFAULT: Self = Self(8, 30);
}

/// How many page tokens were how old when they were used: up to so many milliseconds, the last class without an end.
pub(crate) type TokenAges = Vec<(Option<u64>, u64)>;

/// The child's side: `HOME ADDRESS PART…`; no part is all of them. Tells the [`TokenAges`] and returns the run's exit
/// code.
pub(crate) fn sync(words: &[&str], limits: Limits) -> Fallible<u8> {
    let [home, address, parts @ ..] = words else {
        return Err("a run wants a home and an address".into());
    };
    let address: Address = serde_json::from_str(address)?;
    let wants = |part| parts.is_empty() || parts.contains(&part);
    let only = Only {
        media: wants("media"),
        contents: wants("contents"),
        assets: wants("assets"),
    };
    // As the program has it.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(Path::new(home), &address, only, limits))
}

async fn run(home: &Path, at: &Address, only: Only, limits: Limits) -> Fallible<u8> {
    let traffic = Arc::new(Traffic::default());
    let base = |url: &str| format!("{url}/").parse();
    let remote = Remote::new(&remote::Options {
        management_url: base(&at.management)?,
        content_url: base(&at.content)?,
        key: Key::new(&secrecy::SecretString::from(at.key.clone())).ok_or("no key for a header")?,
        asset_hosts: at.hosts.clone(),
        management_per_10s: limits.0,
        content_per_second: limits.1,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(30),
        bandwidth: None,
        traffic: Arc::clone(&traffic),
    })?;
    let options = store::Options {
        path: home.join("backup.sqlite3"),
        service_id: at.service_id.clone(),
        mode: store::Mode::ReadWrite,
    };
    let (store, thread) = StoreThread::spawn(Store::open(&options, now())?)?;
    let mirror = Mirror::open(&mirror::Options {
        root: home.join("mirror"),
        archive: home.join("archive"),
        file_mode: None,
        dir_mode: None,
    })?;
    let rooms = Rooms {
        remote: Arc::new(remote),
        store,
        files: RunFiles::Save(Arc::new(mirror)),
    };
    let options = Options {
        service: at.service_id.clone(),
        only,
        endpoints: Vec::new(),
        configured: Vec::new(),
        is_dry_run: false,
        is_full: false,
        allow_deletes: 0,
        is_impatient: false,
        downloads: 16,
        monthly_transfer: None,
        wants_forecast: false,
        longest_asset: None,
        keep_free: None,
        open_files: None,
        revalidate_every: None,
        grace: Duration::from_secs(2),
        trigger: "bench".to_owned(),
        now,
    };
    let report = sync::run(options, rooms, Arc::new(Tally::default()), Stop::default()).await?;
    thread.join().await?;
    for problem in &report.problems {
        eprintln!("{problem:?}");
    }
    println!("{}", serde_json::to_string(&classes(&traffic))?);
    Ok(report.exit_code)
}

fn classes(traffic: &Traffic) -> TokenAges {
    let ages = traffic.read().token_ages;
    let mut before = 0;
    let mut classes: TokenAges = Vec::new();
    for (limit, within) in ages.within() {
        let millis = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        classes.push((Some(millis), within - before));
        before = within;
    }
    classes.push((None, ages.count() - before));
    classes
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
