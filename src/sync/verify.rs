//! `verify`: what lies here against what the rows say, and what the rows say against each other.
//!
//! It takes no lock and works beside a run: each look at the database is of one moment and short, and
//! nothing is named before it was looked at twice, the second time with its row read anew. What a run
//! is just doing to a file is over by then. With `--repair` it holds the lock and is alone.
//!
//! Files come in batches and differences go out one by one, so memory stays flat.

mod archive;
mod compare;
mod database;
mod eye;
mod log;
mod losses;
mod mirror;
mod pace;
mod repair;
mod strangers;
mod unclaimed;

use super::error::VerifyError;
use super::finish::PROGRAM;
use super::options::Stop;
use crate::mirror::{Mirror, Reader};
use crate::model::verify::VERIFY_REPORT_VERSION;
use crate::model::{
    Checked, ComparedAll, Difference, DifferenceKind, Endpoint, ExitCode, MediaId, Repair,
    RootPrefix, Share, Slice, TamperReport, Timestamp, VerifyHead, VerifyReport, VerifyScope,
};
use crate::remote::Remote;
use crate::store::{self, Lock, LockState, LostBytes, Store, StoreError, StoreHandle, VerifyBegun};
use eye::Eye;
use pace::Pace;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{info, warn};

/// What is said of a redacted snapshot.
const REDACTED: &str = "this is a redacted snapshot, not a backup: its structure, schema, JSON and timelines are checked; the log \
     of what was recorded and the roots were taken out, so nothing tells here whether a row was changed";

/// Rows read from the database at a time.
const ROWS: usize = 1_024;
/// Files of a scan that are asked about at a time.
const BATCH: usize = 1_024;
/// Files that one thread looks at before the next ones are handed out.
const CHUNK: usize = 16;
/// A run writes a row within a second after its file. So long is waited before the second look at what
/// looked wrong, if somebody holds the lock.
const PATIENCE: Duration = Duration::from_millis(2_500);
/// But not again and again: a mirror without any file must be named within minutes.
const PATIENT: u32 = 20;
const SAY_EVERY: Duration = Duration::from_secs(10);

/// What to verify, and how.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The service's id.
    pub service: String,
    /// The database.
    pub database: PathBuf,
    /// What is verified.
    pub scope: VerifyScope,
    /// Which share of the files is read, or asked for; all are looked at.
    pub share: Share,
    /// Files read at a time; at least 1.
    pub jobs: usize,
    /// Bytes read a second; `None`: any number.
    pub bandwidth: Option<u64>,
    /// APIs to compare; empty: every one that the key can list.
    pub endpoints: Vec<Endpoint>,
    /// Whether there is a [`VerifyHand`].
    pub is_repair: bool,
    /// How many losses a person has counted and accepts, where there is a [`VerifyHand`]; `None`: none is accepted.
    pub accept_lost: Option<u64>,
    /// A root that was kept elsewhere.
    pub since: Option<RootPrefix>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

impl VerifyOptions {
    /// Returns what is known before anything was looked at.
    pub fn head(&self, started_at: Timestamp) -> VerifyHead {
        VerifyHead {
            version: VERIFY_REPORT_VERSION,
            program: PROGRAM.to_owned(),
            service: self.service.clone(),
            scope: self.scope,
            subset: VerifyHead::subset(self.share),
            is_repair: self.is_repair,
            started_at,
        }
    }

    /// Returns what the record of it begins with.
    pub fn begun(&self, started_at: Timestamp) -> VerifyBegun {
        VerifyBegun {
            program: PROGRAM.to_owned(),
            started_at,
            scope: self.scope,
            is_repair: self.is_repair,
        }
    }
}

/// The rooms that it works with.
#[derive(Clone, Debug)]
pub struct VerifyRooms {
    /// The files; needed but for the database alone.
    pub reader: Option<Reader>,
    /// What repairs; the caller holds the lock. `None`: nothing is written.
    pub hand: Option<VerifyHand>,
    /// The service, for a comparison with it.
    pub remote: Option<Arc<Remote>>,
}

/// What can write.
#[derive(Clone, Debug)]
pub struct VerifyHand {
    /// The database.
    pub store: StoreHandle,
    /// The files.
    pub mirror: Arc<Mirror>,
}

/// Verifies what the options say. Differences go into `out` as they are found; it may fill up, and who
/// reads it sets the pace.
///
/// A stop is heeded between two files and while a large one is read; the report then counts what was
/// done.
///
/// # Errors
/// When there is no backup, or it cannot be read. A database that is damaged in parts is no error: the
/// parts are named.
pub async fn verify(
    options: VerifyOptions,
    rooms: VerifyRooms,
    out: mpsc::Sender<Difference>,
    stop: Stop,
) -> Result<VerifyReport, VerifyError> {
    let verify = Arc::new(Verify::begin(options, rooms, out, stop).await?);
    match verify.options.scope {
        VerifyScope::Everything => {
            database::part(&verify).await?;
            log::part(&verify).await?;
            mirror::part(&verify).await?;
            archive::part(&verify).await?;
            strangers::part(&verify).await?;
            losses::part(&verify).await?;
        }
        VerifyScope::Database => {
            database::part(&verify).await?;
            log::part(&verify).await?;
        }
        VerifyScope::Remote => compare::part(&verify).await?,
    }
    Ok(verify.report())
}

/// One `verify` under way.
#[derive(Debug)]
struct Verify {
    options: VerifyOptions,
    rooms: VerifyRooms,
    out: mpsc::Sender<Difference>,
    stop: Stop,
    pace: Arc<Pace>,
    slice: Slice,
    /// It is a redacted snapshot.
    is_redacted: bool,
    /// A `std` mutex, held by one thread that may block.
    unclaimed: unclaimed::List,
    // A `std` mutex: additions under it, never held across an await.
    sheet: Mutex<Sheet>,
}

/// What came of it so far.
#[derive(Debug)]
struct Sheet {
    mirror: Checked,
    archive: Checked,
    database: Checked,
    log: Option<TamperReport>,
    compared: ComparedAll,
    differences: u64,
    repaired: u64,
    /// What can be accepted as lost, if a person wants it.
    lost: Vec<LostBytes>,
    lost_count: u64,
    /// Digests that were accepted as lost and are there again.
    regained: Vec<String>,
    accepted: u64,
    /// Listed media whose files the next run is to read.
    wrong_files: Vec<MediaId>,
    kinds: BTreeMap<DifferenceKind, u64>,
    notes: Vec<String>,
    trouble: Option<(ExitCode, String)>,
    patience_left: u32,
    said_at: Instant,
}

impl Verify {
    async fn begin(
        options: VerifyOptions,
        rooms: VerifyRooms,
        out: mpsc::Sender<Difference>,
        stop: Stop,
    ) -> Result<Self, VerifyError> {
        let pace = Arc::new(Pace::new(options.bandwidth, stop.clone()));
        let mut verify = Self {
            pace,
            slice: Slice::ALL,
            is_redacted: false,
            unclaimed: unclaimed::List::default(),
            sheet: Mutex::new(Sheet {
                mirror: Checked::default(),
                archive: Checked::default(),
                database: Checked::default(),
                log: None,
                compared: ComparedAll::default(),
                differences: 0,
                repaired: 0,
                lost: Vec::new(),
                lost_count: 0,
                regained: Vec::new(),
                accepted: 0,
                wrong_files: Vec::new(),
                kinds: BTreeMap::new(),
                notes: Vec::new(),
                trouble: None,
                patience_left: PATIENT,
                said_at: Instant::now(),
            }),
            options,
            rooms,
            out,
            stop,
        };
        let scope = verify.options.scope;
        let last = verify.ask(move |store| store.last_slice(scope)).await?;
        verify.slice = Slice::after(last, verify.options.share);
        // What cannot be read is named by the checks.
        let covered = verify.ask(Store::covered).await;
        verify.is_redacted = covered.is_ok_and(|covered| covered.is_redacted);
        if verify.is_redacted {
            warn!("{REDACTED}");
            verify.sheet().notes.push(REDACTED.to_owned());
        }
        Ok(verify)
    }

    /// Asks the database something, as of one moment, on a thread that may block. `ask` may be called
    /// again where a run began or ended meanwhile.
    async fn ask<T: Send + 'static>(
        &self,
        ask: impl Fn(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, VerifyError> {
        let (path, service) = (self.options.database.clone(), self.options.service.clone());
        let asked = crate::blocking::run(move || store::view(&path, &service, ask));
        asked.await??.ok_or_else(|| VerifyError::NoBackup {
            path: self.options.database.clone(),
        })
    }

    /// Counts a difference and hands it on.
    async fn tell(&self, difference: Difference) {
        self.count(&difference);
        // Who reads them is gone only when the work is dropped.
        drop(self.out.send(difference).await);
    }

    /// As [`Verify::tell`], on a thread that may block.
    fn tell_blocking(&self, difference: Difference) {
        self.count(&difference);
        drop(self.out.blocking_send(difference));
    }

    fn count(&self, difference: &Difference) {
        let mut sheet = self.sheet();
        *sheet.kinds.entry(difference.kind).or_default() += 1;
        if difference.kind != DifferenceKind::Unverifiable {
            sheet.differences += 1;
            sheet.repaired += u64::from(difference.repair.is_some_and(Repair::is_done));
        }
    }

    /// Waits, if a run is under way, until what it was just doing to a file must be over.
    async fn be_patient(&self) {
        let database = self.options.database.clone();
        let is_alone = self.rooms.hand.is_some() || {
            let look = crate::blocking::run(move || Lock::look(&database));
            matches!(look.await, Ok(LockState::Free))
        };
        let patience_left = {
            let mut sheet = self.sheet();
            sheet.patience_left = sheet.patience_left.saturating_sub(u32::from(!is_alone));
            sheet.patience_left
        };
        if !is_alone && patience_left > 0 {
            tokio::select! {
                () = self.stop.wait() => {}
                () = tokio::time::sleep(PATIENCE) => {}
            }
        }
    }

    fn eye(&self) -> Option<Eye> {
        Some(Eye {
            reader: self.rooms.reader.clone()?,
            pace: Arc::clone(&self.pace),
            slice: self.slice,
        })
    }

    fn sheet(&self) -> MutexGuard<'_, Sheet> {
        // Numbers only: they are whole after every single addition.
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says from time to time how far it is.
    fn say(&self) {
        let (checked, differences) = {
            let mut sheet = self.sheet();
            if sheet.said_at.elapsed() < SAY_EVERY {
                return;
            }
            sheet.said_at = Instant::now();
            let checked = sheet.mirror.checked + sheet.archive.checked;
            (checked, sheet.differences)
        };
        let (files, bytes) = (self.pace.files(), self.pace.bytes());
        info!(
            checked,
            files,
            bytes,
            differences,
            "verifying: {checked} files looked at, {files} of them read ({bytes} bytes), {differences} differences"
        );
    }

    fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }

    fn report(&self) -> VerifyReport {
        let sheet = self.sheet();
        let left = sheet.differences - sheet.repaired - sheet.accepted;
        let trouble = sheet.trouble.clone();
        let exit_code = match (self.stop.requested(), &trouble) {
            (Some(code), _) => code,
            (None, _) if left > 0 => ExitCode::Difference,
            (None, Some((code, _))) => *code,
            (None, None) => ExitCode::Complete,
        };
        let scope = self.options.scope;
        let of_files = scope == VerifyScope::Everything;
        VerifyReport {
            finished_at: (self.options.now)(),
            exit_code: exit_code.code(),
            mirror: of_files.then_some(sheet.mirror),
            archive: of_files.then_some(sheet.archive),
            database: (scope != VerifyScope::Remote).then_some(sheet.database),
            log: sheet.log.clone(),
            remote: (scope == VerifyScope::Remote).then_some(sheet.compared),
            files_read: self.pace.files(),
            bytes_read: self.pace.bytes(),
            difference_count: sheet.differences,
            repaired: sheet.repaired,
            accepted: sheet.accepted,
            kinds: sheet.kinds.clone(),
            slice: (scope != VerifyScope::Database).then_some(self.slice),
            wrong_files: sheet.wrong_files.clone(),
            notes: sheet.notes.clone(),
            trouble: trouble.map(|(_, text)| text),
            is_redacted: self.is_redacted,
        }
    }
}
