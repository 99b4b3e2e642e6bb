//! `prune`: what retention lets go is removed, rows first, files after them.
//!
//! Each batch of rows goes in one transaction that dooms their files; then the files go; then the notes
//! about them. Whatever ends the process in between leaves files without rows, noted as doomed, and the
//! next `prune` goes on with them. It looks at each again: what was doomed may be needed by now.

mod files;
mod preview;

use super::error::PruneError;
use super::finish::PROGRAM;
use super::options::Stop;
use crate::mirror::{Mirror, Reader};
use crate::model::retention::PRUNE_REPORT_VERSION;
use crate::model::{
    Cutoffs, ExitCode, Problem, ProblemKind, PruneReport, PrunedFiles, PrunedTables, Timestamp,
    counted,
};
use crate::plan::cutoffs;
use crate::store::{PruneId, PruneStep, StoreHandle};
use bytesize::ByteSize;
use files::Hand;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// Files looked at between two transactions.
const FILES: usize = 256;
/// How often a long one says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(30);

/// What a `prune` is asked to do.
#[derive(Clone, Debug)]
pub struct PruneOptions {
    /// The service's id.
    pub service: String,
    /// How long superseded versions are kept; `None`: for ever.
    pub superseded: Option<Duration>,
    /// How long what was deleted upstream is kept; `None`: for ever.
    pub deleted: Option<Duration>,
    /// The clock.
    pub now: fn() -> Timestamp,
}

/// The rooms that a `prune` works with.
#[derive(Clone, Debug)]
pub struct PruneRooms {
    /// The database.
    pub store: StoreHandle,
    /// The files.
    pub files: PruneFiles,
}

/// What may be done to the files.
#[derive(Clone, Debug)]
pub enum PruneFiles {
    /// Look at them: a dry run, which removes no row either.
    Look(Reader),
    /// Remove them.
    Remove(Arc<Mirror>),
}

impl PruneOptions {
    /// Returns the report of a `prune` without any age: everything is kept, and nothing is looked at, not
    /// even what one under another setting left to be done. `None` if there is something to look for.
    pub fn nothing_to_do(&self, is_dry_run: bool) -> Option<PruneReport> {
        let started_at = (self.now)();
        let cutoffs = cutoffs(self.superseded, self.deleted, started_at);
        cutoffs
            .keep_everything()
            .then(|| self.report(cutoffs, Sheet::default(), is_dry_run, None, started_at))
    }

    fn report(
        &self,
        cutoffs: Cutoffs,
        sheet: Sheet,
        dry_run: bool,
        stopped: Option<ExitCode>,
        started_at: Timestamp,
    ) -> PruneReport {
        let exit_code = match stopped {
            Some(code) => code,
            None if sheet.files.failed > 0 => ExitCode::Partial,
            None => ExitCode::Complete,
        };
        PruneReport {
            version: PRUNE_REPORT_VERSION,
            program: PROGRAM.to_owned(),
            service: self.service.clone(),
            dry_run,
            started_at,
            finished_at: (self.now)(),
            exit_code: exit_code.code(),
            superseded_before: cutoffs.superseded_before,
            deleted_before: cutoffs.deleted_before,
            rows: sheet.rows,
            files: sheet.files,
            waiting: sheet.waiting,
            database_free_bytes: sheet.database_free_bytes,
            problems: sheet.problems,
        }
    }
}

/// Removes what is older than the options say, or tells what it would remove.
///
/// A stop is heeded between two files; the report then says what was done so far.
///
/// # Errors
/// When the database failed, or the disk in a way that concerns every file. What was removed until then
/// is consistent, and the next `prune` goes on.
pub async fn prune(
    options: PruneOptions,
    rooms: PruneRooms,
    stop: Stop,
) -> Result<PruneReport, PruneError> {
    let is_dry_run = matches!(rooms.files, PruneFiles::Look(_));
    if let Some(report) = options.nothing_to_do(is_dry_run) {
        return Ok(report);
    }
    let started_at = (options.now)();
    let cutoffs = cutoffs(options.superseded, options.deleted, started_at);
    let mut prune = Prune {
        store: rooms.store,
        hand: Hand {
            files: rooms.files,
            stop: stop.clone(),
        },
        stop: stop.clone(),
        cutoffs,
        now: options.now,
        drained: 0,
        sheet: Sheet::default(),
        said_at: Instant::now(),
    };
    let stopped = if is_dry_run {
        prune.preview().await?;
        stop.requested()
    } else {
        prune.apply().await?
    };
    Ok(options.report(cutoffs, prune.sheet, is_dry_run, stopped, started_at))
}

/// What came of it so far.
#[derive(Debug, Default)]
struct Sheet {
    rows: PrunedTables,
    files: PrunedFiles,
    waiting: u64,
    database_free_bytes: Option<u64>,
    problems: Vec<Problem>,
}

/// One `prune` under way.
struct Prune {
    store: StoreHandle,
    hand: Hand,
    stop: Stop,
    cutoffs: Cutoffs,
    now: fn() -> Timestamp,
    /// The last file of the queue that was looked at: each is tried once.
    drained: i64,
    sheet: Sheet,
    said_at: Instant,
}

impl Prune {
    /// Returns the code of a stop that was heeded. One that comes when all is done is too late: what is
    /// recorded as finished is told as finished.
    async fn apply(&mut self) -> Result<Option<ExitCode>, PruneError> {
        let cutoffs = self.cutoffs;
        let doomed = self
            .store
            .call(move |store| store.count_doomed_rows(cutoffs))
            .await?;
        let left = self.count_waiting().await?;
        if doomed.is_empty() && left == 0 {
            return Ok(self.stop.requested());
        }
        self.announce(&doomed, left);
        let began_at = (self.now)();
        let id = self
            .store
            .call(move |store| store.begin_prune(PROGRAM, cutoffs, began_at))
            .await?;
        self.drain(id).await?;
        for step in PruneStep::ALL {
            self.remove(id, step).await?;
        }
        self.count_waiting().await?;
        let free = self.store.call(|store| store.free_bytes()).await?;
        self.sheet.database_free_bytes = Some(free);
        let stopped = self.stop.requested();
        if stopped.is_none() {
            let ended_at = (self.now)();
            self.store
                .call(move |store| store.finish_prune(id, ended_at))
                .await?;
        }
        self.say("pruned");
        Ok(stopped)
    }

    /// Says what is about to go. There is no way back.
    fn announce(&self, doomed: &PrunedTables, left: u64) {
        if doomed.is_empty() {
            warn!(
                files = left,
                "going on with {} that an earlier prune left",
                counted(left, "file", "files")
            );
            return;
        }
        let before =
            |time: Option<Timestamp>| time.map_or_else(|| "never".to_owned(), |t| t.to_string());
        warn!(
            versions = doomed.versions(),
            endpoints = doomed.endpoints.deleted,
            contents = doomed.contents.deleted,
            media = doomed.media.deleted,
            superseded_before = before(self.cutoffs.superseded_before),
            deleted_before = before(self.cutoffs.deleted_before),
            "removing {}, and {}, {} media and {} that were deleted upstream, with the files that nothing else needs",
            counted(doomed.versions(), "earlier version", "earlier versions"),
            counted(doomed.contents.deleted, "content", "contents"),
            doomed.media.deleted,
            counted(doomed.endpoints.deleted, "API", "APIs")
        );
    }

    /// Removes the rows of one step, and the files that they doom.
    async fn remove(&mut self, id: PruneId, step: PruneStep) -> Result<(), PruneError> {
        let cutoffs = self.cutoffs;
        let mut after = 0;
        while !self.is_stopping() {
            let now = (self.now)();
            let batch = self
                .store
                .call(move |store| store.prune_rows(id, step, after, cutoffs, now))
                .await?;
            self.sheet.rows.add(batch.rows);
            // At once, not at the end: whoever prunes because the disk is full needs the room.
            self.drain(id).await?;
            match batch.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(())
    }

    /// Removes the files of the queue that were not looked at yet.
    async fn drain(&mut self, id: PruneId) -> Result<(), PruneError> {
        while !self.is_stopping() {
            let after = self.drained;
            let doomed = self
                .store
                .call(move |store| store.doomed_files(after, FILES))
                .await?;
            if doomed.is_empty() {
                break;
            }
            let hand = self.hand.clone();
            let done = crate::blocking::run(move || hand.settle(&doomed)).await?;
            self.drained = done.last.unwrap_or(self.drained);
            self.sheet.files.add(done.files);
            let (settled, files) = (done.settled, done.files);
            // Also before a failure of the whole is told: what went has gone.
            self.store
                .call(move |store| store.forget_doomed_files(id, &settled, files))
                .await?;
            self.note(done.failed);
            if let Some(trouble) = done.trouble {
                return Err(trouble.into());
            }
            if self.said_at.elapsed() >= SAY_EVERY {
                self.say("pruning");
            }
        }
        Ok(())
    }

    async fn count_waiting(&mut self) -> Result<u64, PruneError> {
        self.sheet.waiting = self.store.call(|store| store.count_doomed_files()).await?;
        Ok(self.sheet.waiting)
    }

    /// Keeps the first trouble with a single file for the report; the others are in the log.
    fn note(&mut self, failed: Option<crate::mirror::MirrorError>) {
        let Some(err) = failed.filter(|_| self.sheet.problems.is_empty()) else {
            return;
        };
        self.sheet.problems.push(Problem {
            kind: ProblemKind::Fault,
            scope: "files".to_owned(),
            message: crate::model::chain(&err),
            hint: err.hint().map(str::to_owned),
        });
    }

    fn say(&mut self, what: &'static str) {
        self.said_at = Instant::now();
        let (rows, files) = (&self.sheet.rows, &self.sheet.files);
        info!(
            versions = rows.versions(),
            deleted = rows.deleted(),
            files = files.removed(),
            bytes = files.bytes,
            "{what}: {} and {} are gone, with {} of {}",
            counted(rows.versions(), "version", "versions"),
            counted(rows.deleted(), "deleted thing", "deleted things"),
            counted(files.removed(), "file", "files"),
            ByteSize(files.bytes)
        );
    }

    fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }
}
