//! One run of the library with requests as fast as they go. The program's configuration never allows
//! that: microCMS would answer 429. Here it shows what the program itself can do.

use crate::Fallible;
use crate::service::Address;
use microcms_backup::mirror::{self, Mirror};
use microcms_backup::model::{Tally, Timestamp};
use microcms_backup::remote::{self, Key, Remote};
use microcms_backup::store::{self, Store, StoreThread};
use microcms_backup::sync::{self, Only, Options, Rooms, Stop};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// More than any machine asks.
const UNLIMITED: usize = 1_000_000;

/// The child's side: `HOME ADDRESS PART…`; no part is all of them. Returns the run's exit code.
pub(crate) fn sync(words: &[&str]) -> Fallible<u8> {
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
    runtime.block_on(run(Path::new(home), &address, only))
}

async fn run(home: &Path, at: &Address, only: Only) -> Fallible<u8> {
    let base = |url: &str| format!("{url}/").parse();
    let remote = Remote::new(&remote::Options {
        management_url: base(&at.management)?,
        content_url: base(&at.content)?,
        key: Key::new(&secrecy::SecretString::from(at.key.clone())).ok_or("no key for a header")?,
        asset_hosts: at.hosts.clone(),
        management_per_10s: UNLIMITED,
        content_per_second: UNLIMITED,
        connect_timeout: Duration::from_secs(10),
        read_timeout: Duration::from_secs(30),
        bandwidth: None,
        traffic: Arc::default(),
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
        mirror: Some(Arc::new(mirror)),
    };
    let options = Options {
        service: at.service_id.clone(),
        only,
        endpoints: Vec::new(),
        is_dry_run: false,
        is_full: false,
        allow_deletes: 0,
        is_impatient: false,
        downloads: 16,
        monthly_transfer: None,
        wants_forecast: false,
        longest_asset: None,
        keep_free: None,
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
    Ok(report.exit_code)
}

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
