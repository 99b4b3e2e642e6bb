//! The assets part: what is on disk is looked at, what is owed is fetched, beside the walks.

use super::RunError;
use super::download::{Done, Download};
use super::hosts::Hosts;
use super::run::Run;
use crate::mirror::Mirror;
use crate::model::report::FailedAsset;
use crate::model::{
    AssetOutcome, MediaId, OnDisk, OwedAsset, ProblemKind, RelPath, Timestamp, Why,
};
use crate::remote::IdSet;
use crate::store::SavedAsset;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// Rows looked at together.
const ROWS: usize = 256;
/// Outcomes written in one transaction.
const OUTCOMES: usize = 64;

/// How long outcomes may wait for others to be written with: what a kill would have fetched again.
const LINGER: Duration = Duration::from_secs(1);

/// Rest between two looks at what is owed, at most.
const LONGEST_REST: Duration = Duration::from_secs(10);

/// Paths that downloads under way are about to take, so that two media never write one file.
pub(super) type Claims = Arc<Mutex<HashSet<String>>>;

/// Looks at the saved files and fetches what is owed, until the listings are over and nothing is
/// left to ask for.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.assets
        && let Some(mirror) = &run.rooms.mirror
        && run.id.is_some()
    {
        if run.options.is_full {
            let now = run.now();
            run.store(move |store| store.revalidate_all(now)).await?;
        }
        welcome_back(run, mirror).await?;
        sweep(run, mirror).await?;
        Feed::new(run, Arc::clone(mirror)).fetch_all().await?;
    }
    run.ended(|listings| listings.assets = true);
    Ok(())
}

/// Makes files owed that the mirror lost or that are not as long as they should be. Of deleted media
/// they cannot be had again: that is said once, when it is found.
async fn sweep(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    let mut after: Option<MediaId> = None;
    let mut gone = 0;
    while !run.is_stopping() {
        let from = after.clone();
        let saved = run
            .store(move |store| store.saved_assets(from.as_ref(), 4 * ROWS))
            .await?;
        let Some(last) = saved.last() else { break };
        after = Some(last.media_id.clone());
        let looked = Arc::clone(mirror);
        let lost = tokio::task::spawn_blocking(move || {
            saved
                .into_iter()
                .filter_map(|asset| {
                    // A path that is no path any more, or a folder that cannot be read, is a file that is not there.
                    let on_disk = RelPath::parse(&asset.path)
                        .ok()
                        .and_then(|path| looked.check(&path, asset.bytes).ok())
                        .unwrap_or(OnDisk::Missing);
                    let why = match on_disk {
                        OnDisk::Intact => return None,
                        OnDisk::Missing => Why::Missing,
                        OnDisk::Damaged => Why::Damaged,
                    };
                    warn!(asset.path = asset.path, %why, "`{}` in the mirror is {why}", asset.path);
                    Some((asset.media_id, why))
                })
                .collect::<Vec<_>>()
        })
        .await?;
        if !lost.is_empty() {
            let now = run.now();
            let count = lost.len() as u64;
            let of_deleted = run
                .store(move |store| store.record_lost(&lost, now))
                .await?;
            run.tally
                .files_expected
                .add(count.saturating_sub(of_deleted));
            gone += of_deleted;
        }
    }
    if gone > 0 {
        run.problem(
            ProblemKind::Owed,
            "assets",
            format!("{gone} files of deleted media are missing or damaged, and the service has them no more"),
            Some(
                "put them back from another copy of this backup, and the next run takes them in \
                 (their paths and digests: table `assets`, state `gone`)"
                    .to_owned(),
            ),
        );
    }
    Ok(())
}

/// Takes in files that were gone and lie in the mirror again: put back by a person, or behind a
/// volume that was not mounted in the meantime.
async fn welcome_back(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    let mut after: Option<MediaId> = None;
    while !run.is_stopping() {
        let from = after.clone();
        let gone = run
            .store(move |store| store.gone_assets(from.as_ref(), ROWS))
            .await?;
        let Some(last) = gone.last() else { break };
        after = Some(last.media_id.clone());
        let looked = Arc::clone(mirror);
        let found = tokio::task::spawn_blocking(move || {
            let is_back = |asset: &SavedAsset| {
                let path = RelPath::parse(&asset.path).ok()?;
                let on_disk = looked.check(&path, asset.bytes).ok()?;
                // Read, not only measured: this is the one chance to see that it is the same file.
                let hashed = (on_disk == OnDisk::Intact).then(|| looked.hash(&path))?;
                Some(hashed.ok()??.sha256.to_string() == asset.sha256)
            };
            gone.into_iter()
                .filter(|asset| is_back(asset) == Some(true))
                .map(|asset| asset.media_id)
                .collect::<Vec<_>>()
        })
        .await?;
        if !found.is_empty() {
            info!(
                "{} files that were gone are back in the mirror",
                found.len()
            );
            run.store(move |store| store.record_found(&found)).await?;
        }
    }
    Ok(())
}

/// Hands owed files to downloads and records what came of them.
struct Feed<'a> {
    run: &'a Run,
    mirror: Arc<Mirror>,
    claims: Claims,
    hosts: Arc<Hosts>,
    downloads: JoinSet<Done>,
    /// Under way or not recorded yet: still owed in the database, and not to be asked for twice.
    in_flight: HashSet<MediaId>,
    /// Questions that were asked in vain in this run: once is enough. A medium that changes after it
    /// failed is another question.
    tried: IdSet,
    /// Media whose last answer in this run was a failure.
    failed: IdSet,
    done: Vec<AssetOutcome>,
    /// When the first of them has waited long enough to be written.
    flush_by: Instant,
    /// Hints that the report has already.
    hints: HashSet<String>,
    /// No room left, or a mirror that cannot be written: nothing more is started.
    is_blocked: bool,
}

impl<'a> Feed<'a> {
    fn new(run: &'a Run, mirror: Arc<Mirror>) -> Self {
        Self {
            run,
            mirror,
            claims: Claims::default(),
            hosts: Arc::default(),
            downloads: JoinSet::new(),
            in_flight: HashSet::new(),
            tried: IdSet::default(),
            failed: IdSet::default(),
            done: Vec::new(),
            flush_by: Instant::now(),
            hints: HashSet::new(),
            is_blocked: false,
        }
    }

    async fn fetch_all(mut self) -> Result<(), RunError> {
        let mut after: Option<MediaId> = None;
        let mut scan_begun = Instant::now();
        loop {
            let is_over = self.run.listings().media;
            let from = after.clone();
            let now = self.run.now();
            if from.is_none() {
                scan_begun = Instant::now();
            }
            let rows = self
                .run
                .store(move |store| store.owed_assets(from.as_ref(), ROWS, now))
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
                return Ok(());
            }
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
                () = self.run.assets_wake.notified() => self.rest(scan_begun.elapsed() * 3).await,
                () = tokio::time::sleep_until(self.flush_by), if !self.done.is_empty() => self.flush().await?,
            }
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
            || self.tried.contains(owed.media_id.as_str())
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
        let id = owed.media_id.clone();
        let download = Download {
            remote: Arc::clone(&self.run.rooms.remote),
            store: self.run.rooms.store.clone(),
            mirror: Arc::clone(&self.mirror),
            claims: Arc::clone(&self.claims),
            hosts: Arc::clone(&self.hosts),
            tally: Arc::clone(&self.run.tally),
            stop: self.run.stop.clone(),
            now: self.run.options.now,
            owed,
        };
        self.downloads.spawn(download.run());
        self.in_flight.insert(id);
    }

    /// Takes in what a download brought; it is written with the next batch.
    fn take(&mut self, joined: Result<Done, JoinError>) -> Result<(), RunError> {
        let Done {
            outcome,
            url,
            hint,
            trouble,
        } = joined?;
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
            AssetOutcome::Failed {
                media_id,
                owed_at,
                error,
                ..
            } => {
                debug!(asset.id = %media_id, "`{url}` was not saved in this run and stays owed: {error}");
                self.tried.insert(&question(media_id, *owed_at));
                self.run.tally.files_failed.add(1);
                // Ten thousand files may fail of one cause: what helps is said once.
                if let Some(hint) = hint.filter(|hint| self.hints.insert(hint.clone())) {
                    let message = format!("some files stay owed: {error}");
                    self.run
                        .problem(ProblemKind::Owed, "assets", message, Some(hint));
                }
                if self.failed.insert(media_id.as_str()) {
                    self.run.failed_asset(FailedAsset {
                        media_id: media_id.to_string(),
                        url,
                        error: error.clone(),
                    });
                }
            }
        }
        if let Some(trouble) = trouble
            && !self.is_blocked
        {
            self.is_blocked = true;
            let hint = trouble.hint().map(str::to_owned);
            self.run.problem(
                ProblemKind::Owed,
                "assets",
                crate::model::chain(&trouble),
                hint,
            );
        }
        if self.done.is_empty() {
            self.flush_by = Instant::now() + LINGER;
        }
        self.done.push(outcome);
        Ok(())
    }

    /// Takes a failure back: the medium was asked for at an old URL before the walk told the new one.
    fn forgive(&mut self, media_id: &MediaId) {
        if self.failed.remove(media_id.as_str()) {
            let mut sheet = self.run.sheet();
            sheet.assets.failed = sheet.assets.failed.saturating_sub(1);
            sheet
                .failed
                .retain(|failed| failed.media_id != media_id.as_str());
        }
    }

    async fn flush(&mut self) -> Result<(), RunError> {
        let outcomes = std::mem::take(&mut self.done);
        if outcomes.is_empty() {
            return Ok(());
        }
        let settled: Vec<(MediaId, Option<String>)> = outcomes
            .iter()
            .map(|outcome| match outcome {
                AssetOutcome::Saved { media_id, path, .. } => {
                    (media_id.clone(), Some(path.clone()))
                }
                AssetOutcome::Unchanged { media_id, .. }
                | AssetOutcome::Failed { media_id, .. } => (media_id.clone(), None),
            })
            .collect();
        let now = self.run.now();
        self.run
            .store(move |store| store.record_assets(&outcomes, now))
            .await?;
        let mut claims = self.claims.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, path) in settled {
            self.in_flight.remove(&id);
            if let Some(path) = path {
                claims.remove(&path);
            }
        }
        Ok(())
    }

    /// Ends early: what is in flight may finish within the grace period, the rest stays owed.
    async fn wind_up(mut self) -> Result<(), RunError> {
        let grace = tokio::time::sleep(self.run.options.grace);
        tokio::pin!(grace);
        loop {
            tokio::select! {
                biased;
                joined = self.downloads.join_next() => match joined {
                    Some(joined) => self.take(joined)?,
                    None => break,
                },
                () = &mut grace => break,
            }
        }
        self.downloads.abort_all();
        self.flush().await
    }
}

/// Names what was asked: a medium, in the version that was known. Without a version (a second look at
/// a saved file, which gets one when it fails) the medium alone.
fn question(media_id: &MediaId, owed_at: Option<Timestamp>) -> String {
    match owed_at {
        Some(owed_at) => format!("{media_id} {owed_at}"),
        None => media_id.to_string(),
    }
}
