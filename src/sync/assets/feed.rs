//! Hands owed files to downloads and records what came of them.

use super::ROWS;
use crate::model::{AssetOutcome, MediaId, OwedAsset, ProblemKind, Timestamp};
use crate::remote::IdSet;
use crate::sync::RunError;
use crate::sync::download::{Done, Download, Shared};
use crate::sync::run::{FailedNow, Run};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::debug;

/// Outcomes written in one transaction.
const OUTCOMES: usize = 64;

/// How long outcomes may wait for others to be written with: what a kill would have fetched again.
const LINGER: Duration = Duration::from_secs(1);

/// Rest between two looks at what is owed, at most.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// How long downloads may take to put away what came of large files once the grace is over.
const PUTTING_AWAY: Duration = Duration::from_secs(3);

/// Owed files on their way.
pub(super) struct Feed<'a> {
    run: &'a Run,
    shared: Arc<Shared>,
    downloads: JoinSet<Done>,
    /// Under way or not recorded yet: still owed in the database, and not to be asked for twice.
    in_flight: HashSet<MediaId>,
    /// Questions that were asked in vain in this run: once is enough. A medium that changes after it
    /// failed is another question.
    tried: IdSet,
    /// Media whose last answer in this run was a failure.
    failed: IdSet,
    /// Media that the budget had no room for in this run.
    withheld: IdSet,
    done: Vec<AssetOutcome>,
    /// When the first of them has waited long enough to be written.
    flush_by: Instant,
    /// What a person can do, with one of the failures that it helps with and the media that failed so.
    hints: BTreeMap<String, (String, IdSet)>,
    /// No room left, or a mirror that cannot be written: nothing more is started.
    is_blocked: bool,
}

impl<'a> Feed<'a> {
    pub(super) fn new(run: &'a Run, shared: Arc<Shared>) -> Self {
        Self {
            run,
            shared,
            downloads: JoinSet::new(),
            in_flight: HashSet::new(),
            tried: IdSet::default(),
            failed: IdSet::default(),
            withheld: IdSet::default(),
            done: Vec::new(),
            flush_by: Instant::now(),
            hints: BTreeMap::new(),
            is_blocked: false,
        }
    }

    /// Fetches until the listing is over and nothing is left to ask for.
    pub(super) async fn fetch_all(mut self) -> Result<(), RunError> {
        let mut after: Option<MediaId> = None;
        let mut scan_begun = Instant::now();
        loop {
            let is_over = self.run.listings().media;
            let from = after.clone();
            let now = self.run.now();
            let is_impatient = self.run.options.is_impatient;
            if from.is_none() {
                scan_begun = Instant::now();
            }
            let rows = self
                .run
                .store(move |store| store.owed_assets(from.as_ref(), ROWS, is_impatient, now))
                .await?;
            after = rows.last().map(|row| row.media_id.clone());
            let is_end = after.is_none();
            // Here and not later: what is recorded while these rows wait for a slot leaves
            // `in_flight`, but these rows do not know it.
            let fresh: Vec<OwedAsset> = rows
                .into_iter()
                .filter(|owed| !self.is_known(owed))
                .collect();
            let started = !fresh.is_empty();
            if started {
                self.look_for_room();
            }
            for owed in fresh {
                if !self.has_slot().await? {
                    return self.wind_up().await;
                }
                self.start(owed);
            }
            if started {
                scan_begun = Instant::now();
                continue;
            }
            if !is_end {
                continue;
            }
            // Nothing new behind the cursor: wait for a download, for more rows, or for the end.
            if self.in_flight.is_empty() && is_over {
                return self.close().await;
            }
            // Of looking through it, not of waiting here: a long walk would make the run's end wait, too.
            let scan_took = scan_begun.elapsed();
            tokio::select! {
                biased;
                () = self.run.stop.wait() => return self.wind_up().await,
                Some(joined) = self.downloads.join_next() => {
                    self.take(joined)?;
                    if self.downloads.is_empty() {
                        self.flush().await?;
                    }
                }
                // Where very much is known and waits for the next run, looking through it takes long,
                // and the database has better things to do, such as a page of the walk.
                () = self.run.assets_wake.notified() => self.rest(scan_took * 3).await,
                () = tokio::time::sleep_until(self.flush_by), if !self.done.is_empty() => self.flush().await?,
            }
        }
    }

    /// Looks for room before anything is asked for, and not where there is nothing to ask for.
    fn look_for_room(&mut self) {
        if let Err(no_room) = self.shared.room.look(0)
            && no_room.is_for_all
        {
            self.block(no_room.to_string(), Some(no_room.hint()));
        }
    }

    /// Waits, unless a stop is asked for.
    async fn rest(&self, time: Duration) {
        tokio::select! {
            () = self.run.stop.wait() => {}
            () = tokio::time::sleep(time.min(LONGEST_REST)) => {}
        }
    }

    /// Returns whether a file was already asked for in this run.
    fn is_known(&self, owed: &OwedAsset) -> bool {
        self.in_flight.contains(&owed.media_id)
            || self.tried.contains(&question(&owed.media_id, owed.owed_at))
    }

    /// Waits until another download may start. `false`: none may any more.
    async fn has_slot(&mut self) -> Result<bool, RunError> {
        while self.downloads.len() >= self.run.options.downloads.max(1) {
            tokio::select! {
                biased;
                () = self.run.stop.wait() => return Ok(false),
                Some(joined) = self.downloads.join_next() => self.take(joined)?,
                () = tokio::time::sleep_until(self.flush_by), if !self.done.is_empty() => self.flush().await?,
            }
            if self.done.len() >= OUTCOMES {
                self.flush().await?;
            }
        }
        Ok(!self.run.is_stopping() && !self.is_blocked)
    }

    fn start(&mut self, owed: OwedAsset) {
        self.in_flight.insert(owed.media_id.clone());
        let shared = Arc::clone(&self.shared);
        self.downloads.spawn(Download { shared, owed }.run());
    }

    /// Takes in what a download brought; it is written with the next batch.
    fn take(&mut self, joined: Result<Done, JoinError>) -> Result<(), RunError> {
        let done = joined?;
        // The run ends: it stays as owed as it was.
        let Some(outcome) = done.outcome else {
            return Ok(());
        };
        match &outcome {
            AssetOutcome::Saved { media_id, .. } => {
                self.forgive(media_id);
                self.run.sheet().assets.saved += 1;
                self.run.tally.files.add(1);
            }
            AssetOutcome::Unchanged { media_id, .. } => {
                self.forgive(media_id);
                self.run.sheet().assets.unchanged += 1;
                self.run.tally.files.add(1);
            }
            AssetOutcome::Moved { media_id, .. } => {
                self.forgive(media_id);
                self.run.sheet().assets.moved += 1;
                self.run.tally.files.add(1);
            }
            AssetOutcome::Withheld {
                media_id,
                owed_at,
                is_owed,
                ..
            } => {
                self.forgive(media_id);
                self.tried.insert(&question(media_id, *owed_at));
                if *is_owed && self.withheld.insert(media_id.as_str()) {
                    self.run.sheet().assets.withheld += 1;
                }
            }
            AssetOutcome::Failed {
                media_id,
                owed_at,
                error,
                ..
            } => {
                let url = done.url;
                debug!(asset.id = %media_id, "`{url}` was not saved in this run and stays owed: {error}");
                self.tried.insert(&question(media_id, *owed_at));
                self.run.tally.files_failed.add(1);
                if let Some(hint) = done.hint {
                    let of_hint = || (error.clone(), IdSet::default());
                    let (_, failed) = self.hints.entry(hint).or_insert_with(of_hint);
                    failed.insert(media_id.as_str());
                }
                if self.failed.insert(media_id.as_str()) {
                    self.run.failed_asset(FailedNow {
                        media_id: media_id.clone(),
                        url,
                        error: error.clone(),
                    });
                }
            }
        }
        if let Some(trouble) = done.trouble {
            self.block(crate::model::chain(&trouble), trouble.hint());
        }
        if self.done.is_empty() {
            self.flush_by = Instant::now() + LINGER;
        }
        self.done.push(outcome);
        Ok(())
    }

    /// Starts nothing more, and says why once.
    fn block(&mut self, message: String, hint: Option<&str>) {
        if !std::mem::replace(&mut self.is_blocked, true) {
            let hint = hint.map(str::to_owned);
            self.run.problem(ProblemKind::Owed, "assets", message, hint);
        }
    }

    /// Takes a failure back: the medium was asked for at an old URL before the walk told the new one.
    fn forgive(&mut self, media_id: &MediaId) {
        if self.failed.remove(media_id.as_str()) {
            self.run.forgive_asset(media_id);
            for (_, failed) in self.hints.values_mut() {
                failed.remove(media_id.as_str());
            }
        }
        if self.withheld.remove(media_id.as_str()) {
            let mut sheet = self.run.sheet();
            sheet.assets.withheld = sheet.assets.withheld.saturating_sub(1);
        }
    }

    async fn flush(&mut self) -> Result<(), RunError> {
        let outcomes = std::mem::take(&mut self.done);
        if outcomes.is_empty() {
            return Ok(());
        }
        let now = self.run.now();
        for outcome in &outcomes {
            // A look at a saved file in vain makes it owed, and that is the same question. If its medium
            // changed meanwhile, it is owed since another moment: a new one.
            if let AssetOutcome::Failed {
                media_id,
                owed_at: None,
                ..
            } = outcome
            {
                self.tried.insert(&question(media_id, Some(now)));
            }
        }
        let settled: Vec<(MediaId, Option<String>)> = outcomes
            .iter()
            .map(|outcome| {
                let path = match outcome {
                    AssetOutcome::Saved { path, .. } | AssetOutcome::Moved { path, .. } => {
                        Some(path.clone())
                    }
                    AssetOutcome::Unchanged { .. }
                    | AssetOutcome::Withheld { .. }
                    | AssetOutcome::Failed { .. } => None,
                };
                (outcome.media_id().clone(), path)
            })
            .collect();
        self.run
            .store(move |store| store.record_assets(&outcomes, now))
            .await?;
        {
            let claims = &self.shared.claims;
            let mut claims = claims.lock().unwrap_or_else(PoisonError::into_inner);
            for (id, path) in settled {
                self.in_flight.remove(&id);
                if let Some(path) = path {
                    claims.remove(&path);
                }
            }
        }
        self.record_hosts().await
    }

    /// Writes down what was learned about hosts.
    async fn record_hosts(&self) -> Result<(), RunError> {
        let fresh = self.shared.hosts.take_fresh();
        if !fresh.is_empty() {
            let now = self.run.now();
            self.run
                .store(move |store| store.record_asset_hosts(&fresh, now))
                .await?;
        }
        Ok(())
    }

    /// Says what helps, and writes down what was learned.
    async fn close(mut self) -> Result<(), RunError> {
        // Ten thousand files may fail of one cause: what helps is said once, and only here, for a file
        // that failed at an old URL may have been had at its new one.
        for (hint, (error, failed)) in std::mem::take(&mut self.hints) {
            if !failed.is_empty() {
                let message = format!("some files stay owed: {error}");
                self.run
                    .problem(ProblemKind::Owed, "assets", message, Some(hint));
            }
        }
        self.record_hosts().await
    }

    /// Ends early: what is in flight may finish within the grace period, of what does not the beginning
    /// is put away, and the rest stays owed.
    async fn wind_up(mut self) -> Result<(), RunError> {
        self.join_until(self.run.options.grace).await?;
        self.shared.halt.cancel();
        self.join_until(PUTTING_AWAY).await?;
        self.downloads.abort_all();
        self.flush().await?;
        self.close().await
    }

    async fn join_until(&mut self, time: Duration) -> Result<(), RunError> {
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                biased;
                joined = self.downloads.join_next() => match joined {
                    Some(joined) => self.take(joined)?,
                    None => return Ok(()),
                },
                () = &mut over => return Ok(()),
            }
        }
    }
}

/// Names what was asked: a medium, in the version that was known. Without a version (a second look at
/// a saved file) the medium alone.
fn question(media_id: &MediaId, owed_at: Option<Timestamp>) -> String {
    match owed_at {
        Some(owed_at) => format!("{media_id} {owed_at}"),
        None => media_id.to_string(),
    }
}
