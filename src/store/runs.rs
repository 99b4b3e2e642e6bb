//! Runs, their walks, and what they transferred.

use super::values::{int, json_array};
use super::{Store, StoreError, proof};
use crate::model::report::{AssetCounts, BodyCounts, HostTransfer, ListedCounts};
use crate::model::{Outcome, Proof, Timestamp, WalkRecord};
use rusqlite::{OptionalExtension, named_params};

/// The row of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RunId(i64);

impl RunId {
    /// Returns the number in `runs.id`.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub struct RunEnd {
    /// In one word; not `Running`.
    pub outcome: Outcome,
    /// The number that the shell sees.
    pub exit_code: u8,
    /// Why it failed, where it did.
    pub error: Option<String>,
    /// Media rows.
    pub media: ListedCounts,
    /// Contents rows, over all APIs.
    pub contents: ListedCounts,
    /// Bodies.
    pub bodies: BodyCounts,
    /// Files.
    pub assets: AssetCounts,
    /// Requests to all hosts.
    pub requests: u64,
    /// When the Management API was asked last: its budget counts on across runs.
    pub recent_requests: Vec<Timestamp>,
}

/// When a run began.
#[derive(Clone, Copy, Debug)]
pub struct Begun {
    /// By what is recorded: after all that was recorded before.
    pub at: Timestamp,
    /// By the machine's own clock.
    pub clock: Timestamp,
}

impl From<Timestamp> for Begun {
    /// Where the clock never went back.
    fn from(at: Timestamp) -> Self {
        Self { at, clock: at }
    }
}

impl RunEnd {
    /// The end of a run in which nothing was asked.
    pub fn of_nothing(outcome: Outcome, exit_code: u8) -> Self {
        Self {
            outcome,
            exit_code,
            error: None,
            media: ListedCounts::default(),
            contents: ListedCounts::default(),
            bodies: BodyCounts::default(),
            assets: AssetCounts::default(),
            requests: 0,
            recent_requests: Vec::new(),
        }
    }
}

impl Store {
    /// Opens a run. In the same transaction, runs that never came to their end are marked as
    /// interrupted; when they ended is not known and stays empty.
    pub fn begin_run(
        &mut self,
        trigger: &str,
        program: &str,
        begun: impl Into<Begun>,
    ) -> Result<RunId, StoreError> {
        let Begun { at, clock } = begun.into();
        self.write("record the start of a run", |tx| {
            tx.execute(
                "UPDATE runs SET outcome = 'interrupted', error = 'the process died without a word'
                 WHERE outcome = 'running'",
                [],
            )?;
            tx.execute(
                "INSERT INTO runs (trigger, program, started_at, clock_at, outcome)
                 VALUES (:trigger, :program, :at, :clock, 'running')",
                named_params! { ":trigger": trigger, ":program": program, ":at": at, ":clock": clock },
            )?;
            Ok(RunId(tx.last_insert_rowid()))
        })
    }

    /// Closes a run with its counts. A complete one commits to all that was ever recorded: what it
    /// committed to is returned.
    pub fn finish_run(
        &mut self,
        run: RunId,
        end: &RunEnd,
        now: Timestamp,
    ) -> Result<Option<Proof>, StoreError> {
        self.write("record the end of a run", |tx| {
            tx.execute(
                "UPDATE runs SET
                     finished_at = :now, outcome = :outcome, exit_code = :exit_code, error = :error,
                     media_seen = :media_seen, media_new = :media_new, media_changed = :media_changed,
                     media_returned = :media_returned, media_missing = :media_missing,
                     media_deleted = :media_deleted,
                     contents_seen = :contents_seen, contents_new = :contents_new,
                     contents_changed = :contents_changed, contents_returned = :contents_returned,
                     contents_missing = :contents_missing, contents_deleted = :contents_deleted,
                     bodies_saved = :bodies_saved, bodies_owed = :bodies_owed,
                     bodies_refused = :bodies_refused,
                     assets_saved = :assets_saved, assets_unchanged = :assets_unchanged,
                     assets_owed = :assets_owed, assets_failed = :assets_failed,
                     assets_moved = :assets_moved, assets_withheld = :assets_withheld,
                     asset_bytes = :asset_bytes, requests = :requests,
                     recent_requests = :recent_requests
                 WHERE id = :id",
                named_params! {
                    ":id": run.0, ":now": now, ":outcome": end.outcome.as_str(),
                    ":exit_code": end.exit_code, ":error": end.error,
                    ":media_seen": int(end.media.seen), ":media_new": int(end.media.new),
                    ":media_changed": int(end.media.changed),
                    ":media_returned": int(end.media.returned),
                    ":media_missing": int(end.media.missing),
                    ":media_deleted": int(end.media.deleted),
                    ":contents_seen": int(end.contents.seen), ":contents_new": int(end.contents.new),
                    ":contents_changed": int(end.contents.changed),
                    ":contents_returned": int(end.contents.returned),
                    ":contents_missing": int(end.contents.missing),
                    ":contents_deleted": int(end.contents.deleted),
                    ":bodies_saved": int(end.bodies.saved), ":bodies_owed": int(end.bodies.owed),
                    ":bodies_refused": int(end.bodies.refused),
                    ":assets_saved": int(end.assets.saved),
                    ":assets_unchanged": int(end.assets.unchanged),
                    ":assets_owed": int(end.assets.owed), ":assets_failed": int(end.assets.failed),
                    ":assets_moved": int(end.assets.moved), ":assets_withheld": int(end.assets.withheld),
                    ":asset_bytes": int(end.assets.bytes), ":requests": int(end.requests),
                    ":recent_requests": json_array(end.recent_requests.iter().map(Timestamp::to_string)),
                },
            )?;
            (end.outcome == Outcome::Complete)
                .then(|| proof::commit(tx, run.0))
                .transpose()
        })
    }

    /// Returns when the last run that ended asked the Management API last.
    pub fn recent_requests(&self) -> Result<Vec<Timestamp>, StoreError> {
        self.read("read when the service was asked last", |conn| {
            let mut query = conn.prepare_cached(
                "SELECT value FROM json_each((
                     SELECT recent_requests FROM runs
                     WHERE recent_requests IS NOT NULL ORDER BY id DESC LIMIT 1))",
            )?;
            query.query_map([], |row| row.get(0))?.collect()
        })
    }

    /// Records one walk of a run; a second record of the same scope replaces the first.
    pub fn record_walk(&mut self, run: RunId, walk: &WalkRecord) -> Result<(), StoreError> {
        self.write("record a walk", |tx| {
            tx.prepare_cached(
                "INSERT OR REPLACE INTO walks (run_id, scope, pages, total_count, unique_ids, duplicates,
                     restarts, max_token_age_ms, verdict, detail, started_at, finished_at)
                 VALUES (:run, :scope, :pages, :total_count, :unique_ids, :duplicates,
                     :restarts, :max_token_age_ms, :verdict, :detail, :started_at, :finished_at)",
            )?
            .execute(named_params! {
                ":run": run.0, ":scope": walk.scope.to_string(), ":pages": int(walk.pages),
                ":total_count": walk.total_count.map(int), ":unique_ids": int(walk.unique_ids),
                ":duplicates": int(walk.duplicates), ":restarts": int(walk.restarts),
                ":max_token_age_ms": walk.max_token_age_ms.map(int),
                ":verdict": walk.verdict.as_str(), ":detail": walk.detail,
                ":started_at": walk.started_at, ":finished_at": walk.finished_at,
            })?;
            Ok(())
        })
    }

    /// Adds requests and bytes to what each host is known to have answered in `month` (`2026-11`,
    /// UTC; see [`Timestamp::month`]), and notes when the Management API was asked last: the next run must know of
    /// it, however this one ends. Both, or nothing.
    pub fn record_transfer(
        &mut self,
        run: RunId,
        month: &str,
        transfer: &[HostTransfer],
        recent_requests: &[Timestamp],
    ) -> Result<(), StoreError> {
        // A long download goes on bringing bytes long after its request was written down.
        let is_news = |host: &&HostTransfer| host.requests > 0 || host.bytes > 0;
        if !transfer.iter().any(|host| is_news(&host)) {
            return Ok(());
        }
        self.write("record what was transferred", |tx| {
            let mut add = tx.prepare_cached(
                "INSERT INTO transfer (month, host, requests, bytes)
                 VALUES (:month, :host, :requests, :bytes)
                 ON CONFLICT (month, host) DO UPDATE SET
                     requests = requests + excluded.requests, bytes = bytes + excluded.bytes",
            )?;
            for host in transfer.iter().filter(is_news) {
                add.execute(named_params! {
                    ":month": month, ":host": host.host,
                    ":requests": int(host.requests), ":bytes": int(host.bytes),
                })?;
            }
            tx.prepare_cached("UPDATE runs SET recent_requests = :recent WHERE id = :id")?
                .execute(named_params! {
                    ":id": run.0,
                    ":recent": json_array(recent_requests.iter().map(Timestamp::to_string)),
                })?;
            Ok(())
        })
    }

    /// Returns what each host answered in `month`, by host.
    pub fn transfer_of(&self, month: &str) -> Result<Vec<HostTransfer>, StoreError> {
        self.read("read what was transferred", |conn| {
            conn.prepare_cached(
                "SELECT host, requests, bytes FROM transfer WHERE month = :month ORDER BY host",
            )?
            .query_map(named_params! { ":month": month }, |row| {
                Ok(HostTransfer {
                    host: row.get(0)?,
                    requests: super::values::count(row, 1)?,
                    bytes: super::values::count(row, 2)?,
                })
            })?
            .collect()
        })
    }

    /// Returns when the last complete run ended, if there was one.
    pub fn last_complete_run(&self) -> Result<Option<Timestamp>, StoreError> {
        self.read("read the last complete run", |conn| {
            conn.query_row(
                "SELECT finished_at FROM runs WHERE outcome = 'complete' ORDER BY id DESC LIMIT 1",
                [],
                |row| row.get(0),
            )
            .optional()
        })
    }

    /// Returns how the last run ended, if there was one. One that died without a word was interrupted.
    pub fn last_outcome(&self) -> Result<Option<Outcome>, StoreError> {
        self.read("read how the last run ended", |conn| {
            conn.query_row(
                "SELECT outcome FROM runs ORDER BY id DESC LIMIT 1",
                [],
                |row| {
                    Ok(match row.get_ref(0)?.as_str()? {
                        "complete" => Outcome::Complete,
                        "partial" => Outcome::Partial,
                        "failed" => Outcome::Failed,
                        _ => Outcome::Interrupted,
                    })
                },
            )
            .optional()
        })
    }

    /// Whether the last run was stopped, died, or is still under way.
    pub fn was_cut_off(&self) -> Result<bool, StoreError> {
        self.read("read how the last run ended", |conn| {
            let last = conn
                .query_row(
                    "SELECT outcome IN ('running', 'interrupted') FROM runs ORDER BY id DESC LIMIT 1",
                    [],
                    |row| row.get(0),
                )
                .optional()?;
            Ok(last.unwrap_or(false))
        })
    }
}
