//! A temporary home for database, mirror and archive, and runs in it.

use microcms_backup::mirror::{self, Mirror, Reader};
use microcms_backup::model::{Endpoint, RunReport, Tally, Timestamp};
use microcms_backup::remote;
use microcms_backup::remote::{Key, Remote};
use microcms_backup::store::{self, Store, StoreThread};
use microcms_backup::sync::{self, Only, Options, Rooms, RunError, RunFiles, Stop};
use microcms_sim::Sim;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// What a run in a sandbox is asked to do.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    pub(crate) only: Only,
    pub(crate) endpoints: Vec<String>,
    pub(crate) is_dry_run: bool,
    pub(crate) is_full: bool,
    pub(crate) allow_deletes: u64,
    pub(crate) is_impatient: bool,
    pub(crate) monthly_transfer: Option<u64>,
    pub(crate) bandwidth: Option<u64>,
    pub(crate) wants_forecast: bool,
    pub(crate) longest_asset: Option<u64>,
    pub(crate) keep_free: Option<u64>,
    pub(crate) revalidate_every: Option<Duration>,
    /// The clock; see [`later`].
    pub(crate) now: fn() -> Timestamp,
    pub(crate) downloads: usize,
    pub(crate) management_per_10s: usize,
    pub(crate) content_per_second: usize,
    pub(crate) extra_hosts: Vec<String>,
    pub(crate) read_timeout: Duration,
    pub(crate) grace: Duration,
    pub(crate) stop: Stop,
    pub(crate) key: Option<String>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            only: Only::ALL,
            endpoints: Vec::new(),
            is_dry_run: false,
            is_full: false,
            allow_deletes: 0,
            is_impatient: false,
            monthly_transfer: None,
            bandwidth: None,
            wants_forecast: false,
            longest_asset: None,
            keep_free: None,
            revalidate_every: None,
            now,
            downloads: 8,
            // Most tests run against a simulator without budgets.
            management_per_10s: 100_000,
            content_per_second: 100_000,
            extra_hosts: Vec::new(),
            read_timeout: Duration::from_secs(2),
            grace: Duration::from_secs(2),
            stop: Stop::default(),
            key: None,
        }
    }
}

impl Setup {
    /// Everything anew, as with `--full`.
    pub(crate) fn full() -> Self {
        Self {
            is_full: true,
            ..Self::default()
        }
    }
}

/// A temporary home of one backup.
#[derive(Debug)]
pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        Self {
            dir: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    /// A home in memory, where there is such a place: for tests of many files, which are not about
    /// the disk's patience.
    pub(crate) fn in_memory() -> Self {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
        Self {
            dir: dir.expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("backup.sqlite3")
    }

    /// One run with the defaults of [`Setup`].
    pub(crate) async fn sync(&self, sim: &Sim) -> RunReport {
        self.sync_with(sim, Setup::default()).await
    }

    /// One run; the run itself must not fail.
    pub(crate) async fn sync_with(&self, sim: &Sim, setup: Setup) -> RunReport {
        self.try_sync(sim, setup)
            .await
            .expect("a run that can be recorded")
    }

    pub(crate) async fn try_sync(&self, sim: &Sim, setup: Setup) -> Result<RunReport, RunError> {
        let key = secrecy::SecretString::from(setup.key.clone().unwrap_or_else(|| sim.api_key()));
        let base = |url: String| format!("{url}/").parse().expect("a URL");
        let mut asset_hosts = vec![sim.image_host(), sim.file_host()];
        asset_hosts.extend(setup.extra_hosts.clone());
        let remote = Remote::new(&remote::Options {
            management_url: base(sim.management_url()),
            content_url: base(sim.content_url()),
            key: Key::new(&key).expect("a key that fits a header"),
            asset_hosts,
            management_per_10s: setup.management_per_10s,
            content_per_second: setup.content_per_second,
            connect_timeout: Duration::from_secs(5),
            read_timeout: setup.read_timeout,
            bandwidth: setup.bandwidth,
            traffic: Arc::default(),
        })
        .expect("a certificate store");
        let mode = if setup.is_dry_run {
            store::Mode::DryRun
        } else {
            store::Mode::ReadWrite
        };
        let options = store::Options {
            path: self.database(),
            service_id: sim.service_id().to_owned(),
            mode,
        };
        let store = Store::open(&options, (setup.now)())?;
        let (handle, thread) = StoreThread::spawn(store)?;
        let options = mirror::Options {
            root: self.path("mirror"),
            archive: self.path("archive"),
            file_mode: None,
            dir_mode: None,
        };
        let files = if setup.is_dry_run {
            RunFiles::Look(Reader::open_if_there(&options)?)
        } else {
            RunFiles::Save(Arc::new(Mirror::open(&options)?))
        };
        let rooms = Rooms {
            remote: Arc::new(remote),
            store: handle,
            files,
        };
        let options = Options {
            service: sim.service_id().to_owned(),
            only: setup.only,
            endpoints: setup
                .endpoints
                .iter()
                .map(|name| Endpoint::parse(name).expect("an endpoint"))
                .collect(),
            configured: Vec::new(),
            is_dry_run: setup.is_dry_run,
            is_full: setup.is_full,
            allow_deletes: setup.allow_deletes,
            is_impatient: setup.is_impatient,
            downloads: setup.downloads,
            monthly_transfer: setup.monthly_transfer,
            wants_forecast: setup.wants_forecast,
            longest_asset: setup.longest_asset,
            keep_free: setup.keep_free,
            open_files: None,
            revalidate_every: setup.revalidate_every,
            grace: setup.grace,
            trigger: "test".to_owned(),
            now: setup.now,
        };
        let report = sync::run(options, rooms, Arc::new(Tally::default()), setup.stop).await;
        thread.join().await?;
        report
    }

    /// Opens the database the way a curious person does.
    pub(crate) fn sql(&self) -> rusqlite::Connection {
        rusqlite::Connection::open_with_flags(
            self.database(),
            rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
        )
        .expect("the database opens")
    }

    /// Answers a query with one number.
    #[track_caller]
    pub(crate) fn count(&self, sql: &str) -> u64 {
        self.sql()
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .expect(sql)
            .try_into()
            .expect("a count")
    }

    /// Answers a query with the texts of its first column.
    #[track_caller]
    pub(crate) fn texts(&self, sql: &str) -> Vec<String> {
        let sql_conn = self.sql();
        let mut query = sql_conn.prepare(sql).expect(sql);
        let rows = query
            .query_map([], |row| row.get::<_, Option<String>>(0))
            .expect(sql);
        rows.map(|text| text.expect("a text").unwrap_or_default())
            .collect()
    }

    /// Reads a saved file by its medium's id.
    pub(crate) fn saved_bytes(&self, media_id: &str) -> Option<Vec<u8>> {
        std::fs::read(self.saved_path(media_id)?).ok()
    }

    /// Where the saved file of a medium lies.
    pub(crate) fn saved_path(&self, media_id: &str) -> Option<PathBuf> {
        let path: Option<String> = self
            .sql()
            .query_row(
                "SELECT path FROM assets WHERE media_id = ?1 AND state = 'saved'",
                [media_id],
                |row| row.get(0),
            )
            .ok()
            .flatten();
        Some(self.path("mirror").join(path?))
    }
}

pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970");
    Timestamp::from_unix_millis(
        i64::try_from(since.as_millis()).expect("before the year 292278994"),
    )
}
