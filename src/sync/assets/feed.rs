//! Hands owed files to downloads, what they received to the mirror, and what came of it to the database: three things
//! that go on at the same time, none of which waits for the others but where too much is held.

use super::ahead::Ahead;
use super::books::{Books, Recorded};
use super::gather::Gather;
use super::homes::Homes;
use super::obstacles::Obstacles;
use crate::model::{AssetOutcome, MediaId, OwedAsset, Timestamp};
use crate::remote::IdSet;
use crate::sync::RunError;
use crate::sync::download::{Done, Download, Landed, Shared};
use crate::sync::run::Run;
use std::collections::HashSet;
use std::future::pending;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// How long downloads may take to put away what came of large files once the grace is over, and then a group of received
/// files to get its places.
const PUTTING_AWAY: Duration = Duration::from_secs(3);

/// Owed files on their way.
pub(super) struct Feed<'a> {
    run: &'a Run,
    shared: Arc<Shared>,
    ahead: Ahead<'a>,
    downloads: JoinSet<Landed>,
    gather: Gather,
    books: Books<'a>,
    homes: Homes<'a>,
    /// Taken up and not recorded yet: still owed in the database, and not to be asked for twice.
    in_flight: HashSet<MediaId>,
    /// Questions that were asked in vain in this run: once is enough. A medium that changes after it
    /// failed is another question.
    tried: IdSet,
    /// Media that the budget had no room for in this run.
    withheld: IdSet,
    obstacles: Obstacles<'a>,
}

/// What happened.
enum Event {
    Stopped,
    TimeIsUp,
    Recorded(Recorded),
    Published(Vec<Done>),
    Landed(Landed),
    Read(Vec<OwedAsset>),
    Woken,
    Due,
}

impl<'a> Feed<'a> {
    pub(super) fn new(run: &'a Run, shared: Arc<Shared>) -> Self {
        Self {
            run,
            homes: Homes::new(run, Arc::clone(&shared)),
            obstacles: Obstacles::new(run, Arc::clone(&shared.room)),
            shared,
            ahead: Ahead::new(run),
            downloads: JoinSet::new(),
            gather: Gather::new(run.options.open_files),
            books: Books::new(run),
            in_flight: HashSet::new(),
            tried: IdSet::default(),
            withheld: IdSet::default(),
        }
    }

    /// Fetches until the listing is over and nothing is left to ask for.
    pub(super) async fn fetch_all(mut self) -> Result<(), RunError> {
        // So that something is known of the disk from the beginning.
        tokio::select! {
            biased;
            () = self.run.stop.wait() => {}
            _fits = self.shared.room.fits(0) => {}
        }
        loop {
            self.fill();
            if self.obstacles.are_everywhere() && self.ahead.has_rows() {
                return self.wind_up().await;
            }
            self.ahead.read_on(self.in_flight.is_empty());
            self.send_on();
            if self.in_flight.is_empty() && self.ahead.is_over() {
                // Nothing is under way that could want a path.
                if self.obstacles.are_everywhere() || !self.homes.call_some().await? {
                    return self.close().await;
                }
                self.ahead.called();
                continue;
            }
            let event = self.next(None).await?;
            if matches!(event, Event::Stopped) {
                return self.wind_up().await;
            }
            self.take_in(event);
        }
    }

    /// Starts downloads while there are places and room for what they bring.
    fn fill(&mut self) {
        let most = self.run.options.downloads.max(1);
        while !self.obstacles.are_everywhere() && self.downloads.len() < most && self.may_start() {
            let Some(owed) = self.ahead.take() else { break };
            let shared = Arc::clone(&self.shared);
            self.downloads.spawn(Download { shared, owed }.run());
        }
    }

    /// Where what is coming may fill the disk, it has to be there before more is asked for.
    fn may_start(&self) -> bool {
        let is_idle = self.downloads.is_empty() && self.gather.is_empty();
        self.ahead.has_rows() && self.gather.has_room() && (is_idle || self.shared.room.is_ample())
    }

    /// Sends received files to their places, and outcomes to the database, where their time has come.
    fn send_on(&mut self) {
        let is_last = self.downloads.is_empty();
        self.gather.start(&self.shared, is_last);
        let is_last = is_last && self.gather.is_empty();
        self.books.start(&self.shared.hosts, is_last);
    }

    /// Waits for whatever happens next. With `over` this is the end: only what is under way counts, and until then.
    async fn next(&mut self, over: Option<Instant>) -> Result<Event, RunError> {
        let deadlines = [
            self.gather.deadline(),
            self.books.deadline(),
            self.ahead.deadline().filter(|_| over.is_none()),
        ];
        let due = deadlines.into_iter().flatten().min();
        let is_end = over.is_some();
        Ok(tokio::select! {
            biased;
            () = self.run.stop.wait(), if !is_end => Event::Stopped,
            recorded = self.books.recorded() => Event::Recorded(recorded?),
            published = self.gather.published() => Event::Published(published?),
            Some(landed) = self.downloads.join_next() => Event::Landed(landed?),
            rows = self.ahead.read(), if !is_end => Event::Read(rows?),
            () = self.run.assets_wake.notified(), if !is_end => Event::Woken,
            () = sleep_until(over) => Event::TimeIsUp,
            () = sleep_until(due) => Event::Due,
        })
    }

    fn take_in(&mut self, event: Event) {
        match event {
            Event::Recorded(recorded) => self.recorded(recorded),
            Event::Published(all) => {
                for done in all {
                    self.take(done, true);
                }
            }
            Event::Landed(Landed::Received(received)) => self.gather.add(*received),
            Event::Landed(Landed::Done(done)) => self.take(*done, false),
            Event::Read(rows) => self.read(rows),
            Event::Woken => self.ahead.woken(),
            Event::Due | Event::Stopped | Event::TimeIsUp => {}
        }
    }

    /// Takes up what is new of the rows that were read.
    fn read(&mut self, rows: Vec<OwedAsset>) {
        let (in_flight, tried) = (&self.in_flight, &self.tried);
        let fresh = self.ahead.take_in(rows, |owed| {
            in_flight.contains(&owed.media_id)
                || tried.contains(&question(&owed.media_id, owed.owed_at))
        });
        if fresh.is_empty() {
            return;
        }
        self.in_flight.extend(fresh);
        // Before anything is asked for, and not where there is nothing to ask for.
        self.obstacles.look();
    }

    /// Takes in what came of a file; it is written with others.
    fn take(&mut self, done: Done, is_placed: bool) {
        // The run ends: it stays as owed as it was.
        let Some(outcome) = done.outcome else { return };
        let media_id = outcome.media_id();
        match &outcome {
            AssetOutcome::Saved { .. }
            | AssetOutcome::Unchanged { .. }
            | AssetOutcome::Moved { .. } => {
                self.obstacles.passed(media_id);
                self.fits_again(media_id);
            }
            AssetOutcome::Withheld {
                owed_at, is_owed, ..
            } => {
                self.obstacles.forgive(media_id);
                self.fits_again(media_id);
                self.tried.insert(&question(media_id, *owed_at));
                if *is_owed && self.withheld.insert(media_id.as_str()) {
                    self.run.sheet().assets.withheld += 1;
                }
            }
            AssetOutcome::Failed { owed_at, error, .. } => {
                self.tried.insert(&question(media_id, *owed_at));
                if let Some(failure) = done.failure {
                    self.obstacles.met(media_id, error, failure);
                }
            }
        }
        self.books.add(outcome, is_placed);
    }

    /// Only what is in the database is called saved.
    fn recorded(&mut self, recorded: Recorded) {
        let Recorded {
            counts,
            settled,
            in_vain,
            at,
        } = recorded;
        {
            let mut sheet = self.run.sheet();
            sheet.assets.saved += counts.saved;
            sheet.assets.unchanged += counts.unchanged;
            sheet.assets.moved += counts.moved;
        }
        let files = counts.saved + counts.unchanged + counts.moved;
        self.run.tally.files.add(files);
        for media_id in &in_vain {
            // Before its row may be read again.
            self.tried.insert(&question(media_id, Some(at)));
        }
        let claims = &self.shared.claims;
        let mut claims = claims.lock().unwrap_or_else(PoisonError::into_inner);
        for (id, path) in &settled {
            self.in_flight.remove(id);
            if let Some(path) = path {
                claims.remove(path);
            }
        }
        drop(claims);
        self.ahead.recorded(settled.into_iter().map(|(id, _)| id));
    }

    /// Takes back that the budget had no room for a file.
    fn fits_again(&mut self, media_id: &MediaId) {
        if self.withheld.remove(media_id.as_str()) {
            let mut sheet = self.run.sheet();
            sheet.assets.withheld = sheet.assets.withheld.saturating_sub(1);
        }
    }

    /// Writes down what was learned about hosts.
    async fn record_hosts(&mut self) -> Result<(), RunError> {
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
        self.record_hosts().await?;
        self.obstacles.tell();
        Ok(())
    }

    /// Ends early: what is in flight may finish within the grace period, of what does not the beginning
    /// is put away, what is received gets its place, and the rest stays owed.
    async fn wind_up(mut self) -> Result<(), RunError> {
        self.finish_until(self.run.options.grace).await?;
        self.shared.halt.cancel();
        self.finish_until(PUTTING_AWAY).await?;
        // Dropped, they end; nobody waits for them.
        self.downloads = JoinSet::new();
        self.finish_until(PUTTING_AWAY).await?;
        // However long the disk takes for the last group: what came before it is written.
        while !self.books.is_empty() {
            self.books.start(&self.shared.hosts, true);
            let recorded = self.books.recorded().await?;
            self.recorded(recorded);
        }
        self.close().await
    }

    async fn finish_until(&mut self, time: Duration) -> Result<(), RunError> {
        let over = Instant::now() + time;
        loop {
            self.send_on();
            if self.downloads.is_empty() && self.gather.is_empty() && self.books.is_empty() {
                return Ok(());
            }
            let event = self.next(Some(over)).await?;
            if matches!(event, Event::TimeIsUp) {
                return Ok(());
            }
            self.take_in(event);
        }
    }
}

async fn sleep_until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => pending().await,
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
