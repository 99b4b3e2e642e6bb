//! What the parts of a run share.

use super::dry::Dry;
use super::options::RunClock;
use super::quota::Quota;
use super::unreadable::Unreadable;
use super::{Options, Rooms, RunError, Stop};
use crate::model::report::{AssetCounts, BodyCounts, Forecast, HostTransfer, ListedCounts};
use crate::model::{
    ContentId, Endpoint, MediaId, Problem, ProblemKind, Scope, Tally, Timestamp, WalkRecord,
    WalkVerdict, counted,
};
use crate::remote::{IdSet, Refusal, RemoteError, rights};
use crate::store::{Begun, RunId, Store, StoreError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tracing::{info, warn};

/// How often the transfer so far is written down, so that a crash forgets little of what was paid for.
const BOOKS: Duration = Duration::from_secs(1);

/// One run under way.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) options: Options,
    pub(super) rooms: Rooms,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Stop,
    /// What may still be transferred in this month.
    pub(super) quota: Arc<Quota>,
    /// `None` in a dry run.
    pub(super) id: Option<RunId>,
    pub(super) clock: RunClock,
    pub(super) started_at: Timestamp,
    pub(super) begun: Instant,
    /// Rung when bodies became owed.
    pub(super) bodies_wake: Notify,
    /// Rung when files became owed.
    pub(super) assets_wake: Notify,
    /// Held while it is tried whether the key sees drafts, so that it is tried once.
    pub(super) draft_probe: tokio::sync::Mutex<()>,
    listings: watch::Sender<Listings>,
    /// Whether the first page of the media listing is recorded, or there will be none.
    has_page: watch::Sender<bool>,
    // A std mutex: pushes and additions under it, never held across an await.
    sheet: Mutex<Sheet>,
    transfer_recorded: Mutex<Vec<HostTransfer>>,
}

/// Which listings and parts have ended.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Listings {
    pub(super) media: bool,
    pub(super) contents: bool,
    pub(super) bodies: bool,
    pub(super) assets: bool,
}

impl Listings {
    fn is_over(self) -> bool {
        self.media && self.contents && self.bodies && self.assets
    }
}

/// What came of the run so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Sheet {
    pub(super) walks: Vec<WalkRecord>,
    /// The contents walk under way: what, since when, and how many pages of it were recorded.
    pub(super) walking: Option<(Scope, Timestamp, u64)>,
    pub(super) media: ListedCounts,
    pub(super) contents: ListedCounts,
    pub(super) bodies: BodyCounts,
    pub(super) assets: AssetCounts,
    pub(super) problems: Vec<Problem>,
    /// The first file that failed in this run.
    pub(super) failed: Option<FailedNow>,
    /// Media whose files' last answer in this run was a failure.
    pub(super) failed_media: IdSet,
    /// Files whose last attempt failed, in this run or before.
    pub(super) failed_total: u64,
    /// How many media the service announced.
    pub(super) media_announced: u64,
    /// URLs of some of the files to fetch.
    pub(super) sample: Vec<String>,
    /// How much there is to fetch, where that was asked.
    pub(super) forecast: Option<Forecast>,
    /// What was listed and could not be read, by listing.
    pub(super) unreadable: BTreeMap<String, Unreadable>,
    /// What the APIs of the object type listed.
    pub(super) objects: BTreeMap<Endpoint, ContentId>,
    /// APIs whose bodies the key may not read, with what a person can do about it.
    pub(super) forbidden: BTreeMap<Endpoint, Option<String>>,
    /// Whether a draft was answered as if its whole API were forbidden, which it need not be.
    pub(super) has_forbidden_draft: bool,
    /// Whether all APIs that the run is about are forbidden.
    pub(super) may_read_nothing: bool,
    /// APIs where it was tried whether the key sees all drafts: whether they were still being listed then, and what
    /// that told.
    pub(super) sees_all_drafts: BTreeMap<Endpoint, (bool, Option<bool>)>,
    /// What is known of bodies with later stamps than their listing.
    pub(super) ahead: BTreeMap<Endpoint, Ahead>,
    /// What a dry run has counted.
    pub(super) dry: Dry,
    /// Files that `verify` found wrong and a real run would read.
    pub(super) reread: u64,
    /// Saved files that a real run with `--full` would ask for, to see whether they changed.
    pub(super) asked_again: u64,
    /// Whether the last contents walk ended because its host cannot be reached.
    pub(super) is_unreachable: bool,
    /// How much each guard that tripped stopped.
    pub(super) guarded: Vec<u64>,
    /// Deletions that a person confirmed and that are not used up.
    pub(super) deletes_left: u64,
    /// Media that this run marked as deleted: their files are still to be looked at.
    pub(super) retired: Vec<MediaId>,
    /// Whether files of those that were deleted turned out to be lost.
    pub(super) has_lost_retired: bool,
}

/// One API's bodies with later stamps than their listing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ahead {
    /// Contents that were looked up for it.
    pub(super) asked: u32,
    /// Those that nobody had edited in between.
    pub(super) unedited: u32,
}

impl Sheet {
    /// Returns what is known of one API's bodies with later stamps than their listing.
    pub(super) fn ahead(&mut self, endpoint: &Endpoint) -> &mut Ahead {
        self.ahead.entry(endpoint.clone()).or_default()
    }
}

/// A file that failed in this run.
#[derive(Clone, Debug)]
pub(super) struct FailedNow {
    pub(super) media_id: MediaId,
    /// Where it was asked for, fit for a report.
    pub(super) url: String,
    pub(super) error: String,
}

impl Run {
    pub(super) async fn begin(
        options: Options,
        rooms: Rooms,
        tally: Arc<Tally>,
        stop: Stop,
    ) -> Result<Self, RunError> {
        let clock = RunClock::begin(options.now, &rooms.store).await?;
        let begun = Begun::from(clock);
        let started_at = begun.at;
        let recent = rooms.store.call(|store| store.recent_requests()).await?;
        rooms
            .remote
            .remember_requests(recent.into_iter().filter_map(|at| started_at.since(at)));
        let quota = Quota::open(
            options.monthly_transfer,
            &rooms.remote,
            &rooms.store,
            started_at,
        )
        .await?;
        let id = if options.is_dry_run {
            None
        } else {
            let trigger = match options.limits() {
                None => options.trigger.clone(),
                Some(part) => format!("{}, {part} only", options.trigger),
            };
            Some(
                rooms
                    .store
                    .call(move |store| store.begin_run(&trigger, super::finish::PROGRAM, begun))
                    .await?,
            )
        };
        if options.only.media {
            rooms.remote.expect_media_walk();
        }
        info!(
            service = options.service,
            run = id.map(RunId::get),
            is_dry_run = options.is_dry_run,
            "began a run for `{}`",
            options.service
        );
        let sheet = Sheet {
            deletes_left: options.allow_deletes,
            ..Sheet::default()
        };
        Ok(Self {
            options,
            rooms,
            tally,
            stop,
            quota: Arc::new(quota),
            id,
            clock,
            started_at,
            begun: Instant::now(),
            bodies_wake: Notify::new(),
            assets_wake: Notify::new(),
            draft_probe: tokio::sync::Mutex::default(),
            listings: watch::Sender::default(),
            has_page: watch::Sender::default(),
            sheet: Mutex::new(sheet),
            transfer_recorded: Mutex::default(),
        })
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }

    /// Returns what came of the run so far, to add to it.
    pub(super) fn sheet(&self) -> MutexGuard<'_, Sheet> {
        self.sheet.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn listings(&self) -> Listings {
        *self.listings.borrow()
    }

    /// Returns whether the contents of one API are being listed.
    pub(super) fn is_listing(&self, endpoint: &Endpoint) -> bool {
        let sheet = self.sheet();
        let walking = sheet.walking.as_ref().map(|(scope, ..)| scope);
        matches!(walking, Some(Scope::Contents(walking)) if walking == endpoint)
    }

    /// Returns whether everything that a listing has shown is recorded: it is no dry run, and nothing in it could not be
    /// read.
    pub(super) fn records_all_of(&self, scope: &str) -> bool {
        self.id.is_some() && !self.sheet().unreadable.contains_key(scope)
    }

    /// Says that a listing or part has ended, and wakes those who wait for its fruits.
    pub(super) fn ended(&self, mark: impl FnOnce(&mut Listings)) {
        self.listings.send_modify(mark);
        self.bodies_wake.notify_one();
        self.assets_wake.notify_one();
    }

    /// Waits until a page of media is recorded, or the listing is over.
    pub(super) async fn first_page(&self) {
        let mut has_page = self.has_page.subscribe();
        // An error would mean that the sender is gone, and `self` holds it.
        drop(has_page.wait_for(|has_page| *has_page).await);
    }

    /// Says that a page of media is recorded, or that there is none.
    pub(super) fn has_page(&self) {
        self.has_page.send_replace(true);
    }

    /// Lets the store do something, in the order of the calls.
    pub(super) async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.rooms.store.call(work).await
    }

    /// Notes a problem for the report and says it once.
    pub(super) fn problem(
        &self,
        kind: ProblemKind,
        scope: &str,
        message: String,
        hint: Option<String>,
    ) {
        warn!(scope, "{scope}: {message}");
        self.sheet().problems.push(Problem {
            kind,
            scope: scope.to_owned(),
            message,
            hint,
        });
    }

    /// Notes that the service refused, or could not be asked for, a whole listing: a definite no to
    /// that is the operator's problem, whatever its words (design.md section 2).
    pub(super) fn listing_problem(&self, scope: &str, err: &RemoteError) {
        if err.refusal().is_some() {
            self.problem(
                ProblemKind::Refused,
                scope,
                err.chain(),
                hint_of(scope, err),
            );
        } else {
            self.remote_problem(scope, err);
        }
    }

    /// Notes that the service could not be asked about something.
    pub(super) fn remote_problem(&self, scope: &str, err: &RemoteError) {
        // Only what the service itself said concerns the key or the plan.
        let kind = if err.needs_operator() && err.refusal().is_some() {
            ProblemKind::Refused
        } else {
            ProblemKind::Fault
        };
        self.problem(kind, scope, err.chain(), hint_of(scope, err));
    }

    /// Counts a file whose last answer in this run is a failure.
    pub(super) fn failed_asset(&self, failed: FailedNow) {
        let mut sheet = self.sheet();
        if sheet.failed_media.insert(failed.media_id.as_str()) {
            sheet.assets.failed += 1;
            sheet.failed.get_or_insert(failed);
        }
    }

    /// Takes the failure of a file back, if it failed.
    pub(super) fn forgive_asset(&self, media_id: &MediaId) {
        let mut sheet = self.sheet();
        if !sheet.failed_media.remove(media_id.as_str()) {
            return;
        }
        sheet.assets.failed = sheet.assets.failed.saturating_sub(1);
        sheet.failed = sheet
            .failed
            .take()
            .filter(|failed| failed.media_id != *media_id);
    }

    /// Records a walk in the database and in the report.
    pub(super) async fn record_walk(&self, walk: WalkRecord) -> Result<(), RunError> {
        info!(
            walk = %walk.scope, walk.pages, walk.restarts, verdict = walk.verdict.as_str(),
            "walked {}: {} of {} in {}, {}{}",
            walk.scope, walk.unique_ids, walk.total_count.unwrap_or(0),
            counted(walk.pages, "page", "pages"), walk.verdict.as_str(),
            walk.detail.as_deref().map(|detail| format!(" ({detail})")).unwrap_or_default()
        );
        if let Some(id) = self.id {
            let record = walk.clone();
            self.store(move |store| store.record_walk(id, &record))
                .await?;
        }
        let mut sheet = self.sheet();
        sheet.walks.retain(|earlier| earlier.scope != walk.scope);
        sheet.walks.push(walk);
        drop(sheet);
        Ok(())
    }

    /// Takes back a proof: something turned up that the walk should have seen.
    pub(super) async fn disprove(&self, scope: &Scope, why: String) -> Result<(), RunError> {
        let walk = self
            .sheet()
            .walks
            .iter()
            .find(|walk| walk.scope == *scope)
            .cloned();
        self.problem(ProblemKind::Owed, &scope.to_string(), why.clone(), None);
        match walk {
            Some(mut walk) => {
                walk.verdict = WalkVerdict::Unproven;
                walk.detail = Some(why);
                self.record_walk(walk).await
            }
            None => Ok(()),
        }
    }

    /// Writes down, now and then until the other parts end, what was transferred.
    pub(super) async fn keep_books(&self) -> Result<(), RunError> {
        let mut listings = self.listings.subscribe();
        loop {
            let is_over = tokio::time::timeout(BOOKS, listings.wait_for(|ended| ended.is_over()))
                .await
                .is_ok();
            if is_over {
                return Ok(());
            }
            self.record_transfer().await?;
        }
    }

    /// Returns when the Management API was asked last.
    pub(super) fn recent_requests(&self) -> Vec<Timestamp> {
        let now = self.now();
        let ages = self.rooms.remote.recent_requests().into_iter();
        ages.map(|age| now.minus(age)).collect()
    }

    /// Writes down what was transferred since the last time.
    pub(super) async fn record_transfer(&self) -> Result<(), RunError> {
        let Some(id) = self.id else { return Ok(()) };
        let now = self.rooms.remote.meter().read();
        let fresh = {
            let mut recorded = self
                .transfer_recorded
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let fresh = difference(&now, &recorded);
            *recorded = now;
            fresh
        };
        if !fresh.is_empty() {
            let month = self.now().month();
            let recent = self.recent_requests();
            self.store(move |store| store.record_transfer(id, &month, &fresh, &recent))
                .await?;
        }
        Ok(())
    }
}

fn difference(now: &[HostTransfer], before: &[HostTransfer]) -> Vec<HostTransfer> {
    now.iter()
        .map(|entry| {
            let old = before.iter().find(|old| old.host == entry.host);
            let (requests, bytes) = old.map_or((0, 0), |old| (old.requests, old.bytes));
            HostTransfer {
                host: entry.host.clone(),
                requests: entry.requests - requests,
                bytes: entry.bytes - bytes,
            }
        })
        .filter(|entry| entry.requests > 0 || entry.bytes > 0)
        .collect()
}

/// What a person can do where an API answers no: at a wrong address it has nothing, and without a right, too.
fn hint_of(scope: &str, err: &RemoteError) -> Option<String> {
    let right = match scope.split('/').next() {
        Some("media") => Some(rights::MEDIA),
        Some("contents") => Some(rights::CONTENTS),
        Some(_) | None => None,
    };
    if let Some(right) = right.filter(|_| err.refusal() == Some(Refusal::Forbidden)) {
        return Some(format!(
            "the key is another service's, or lacks the right {right} (admin screen: {}); {}",
            rights::PLACE,
            rights::TRY_EACH
        ));
    }
    let elsewhere = "there is nothing at that address: check service.id, and service.management_url and \
                     service.content_url where they are set";
    let is_elsewhere = err.is_wrong_address().then(|| elsewhere.to_owned());
    err.hint().or(is_elsewhere)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_books_hold_what_is_new_since_the_last_entry() {
        let entry = |host: &str, requests, bytes| HostTransfer {
            host: host.to_owned(),
            requests,
            bytes,
        };
        let before = [entry("a", 2, 10), entry("b", 1, 1)];
        let now = [entry("a", 5, 10), entry("b", 1, 1), entry("c", 1, 0)];
        assert_eq!(
            difference(&now, &before),
            [entry("a", 3, 0), entry("c", 1, 0)]
        );
    }
}
