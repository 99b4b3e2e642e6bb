//! Reading which files are owed before there is a place for them, so that no place waits for the database.

use super::{ROWS, over};
use crate::model::{MediaId, OwedAsset};
use crate::store::StoreError;
use crate::sync::run::Run;
use std::collections::{HashSet, VecDeque};
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// Rest between two looks at what is owed, at most.
const LONGEST_REST: Duration = Duration::from_secs(10);

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Vec<OwedAsset>, StoreError>> + Send + 'a>>;

/// Owed files in the order of their rows, from the first to the last, and again while there may be new ones.
pub(super) struct Ahead<'a> {
    run: &'a Run,
    /// Read, and nobody has taken them.
    rows: VecDeque<OwedAsset>,
    reading: Option<Reading<'a>>,
    /// Recorded since that was asked for: what it brings may not know it.
    recorded: HashSet<MediaId>,
    after: Option<i64>,
    /// The look went to the end.
    is_through: bool,
    /// Something was recorded since it began, and may be owed again.
    is_stale: bool,
    /// Whether the listing was over before it began.
    was_over: bool,
    begun: Instant,
    took: Duration,
    /// When to look again because something became owed.
    due: Option<Instant>,
}

impl<'a> Ahead<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        Self {
            run,
            rows: VecDeque::new(),
            reading: None,
            recorded: HashSet::new(),
            after: None,
            is_through: false,
            is_stale: false,
            was_over: run.listings().media,
            begun: Instant::now(),
            took: Duration::ZERO,
            due: None,
        }
    }

    pub(super) fn take(&mut self) -> Option<OwedAsset> {
        self.rows.pop_front()
    }

    pub(super) fn has_rows(&self) -> bool {
        !self.rows.is_empty()
    }

    /// Returns whether nothing is left: the look that found nothing began after the listing was over.
    pub(super) fn is_over(&self) -> bool {
        self.is_through && !self.is_stale && self.was_over && self.rows.is_empty()
    }

    /// Asks for more, if few are left.
    pub(super) fn read_on(&mut self, is_idle: bool) {
        if self.reading.is_some() || self.rows.len() > ROWS / 2 {
            return;
        }
        if self.is_through {
            // What is under way makes it stale again when it is recorded: one look at the end is enough for all of it.
            let is_the_end = is_idle && (self.is_stale || self.listing_has_ended());
            let is_due = self.due.is_some_and(|due| due <= Instant::now());
            if self.has_rows() || !(is_the_end || is_due) {
                return;
            }
            (self.is_through, self.is_stale, self.due) = (false, false, None);
            self.was_over = self.run.listings().media;
            self.begun = Instant::now();
        }
        let (run, from) = (self.run, self.after);
        let (is_impatient, now) = (run.options.is_impatient, run.now());
        self.recorded.clear();
        self.reading =
            Some(Box::pin(run.store(move |store| {
                store.owed_assets(from, ROWS, is_impatient, now)
            })));
    }

    /// Waits for what was asked for; forever if nothing was.
    pub(super) async fn read(&mut self) -> Result<Vec<OwedAsset>, StoreError> {
        over(&mut self.reading).await
    }

    /// Takes in what was read, but for what is known: what is under way, or was asked for in this run. Returns those that
    /// are new.
    pub(super) fn take_in(
        &mut self,
        rows: Vec<OwedAsset>,
        is_known: impl Fn(&OwedAsset) -> bool,
    ) -> Vec<MediaId> {
        self.after = rows.last().map(|row| row.number);
        self.is_through = self.after.is_none();
        let fresh = |row: &OwedAsset| !is_known(row) && !self.recorded.contains(&row.media_id);
        let fresh: Vec<OwedAsset> = rows.into_iter().filter(fresh).collect();
        let ids = fresh.iter().map(|row| row.media_id.clone()).collect();
        if !fresh.is_empty() {
            self.begun = Instant::now();
        }
        self.took = self.begun.elapsed();
        self.rows.extend(fresh);
        ids
    }

    /// Notes that media were recorded: one that changed meanwhile is still owed.
    pub(super) fn recorded(&mut self, ids: impl IntoIterator<Item = MediaId>) {
        if self.reading.is_some() {
            self.recorded.extend(ids);
        }
        self.is_stale = true;
    }

    /// Hears that something became owed while nothing was under way.
    pub(super) fn called(&mut self) {
        self.is_stale = true;
    }

    /// Hears that something became owed.
    pub(super) fn woken(&mut self) {
        // Where very much is known and waits for the next run, looking through it takes long, and the database has better
        // things to do, such as a page of the walk.
        let rest = (self.took * 3).min(LONGEST_REST);
        self.due.get_or_insert(Instant::now() + rest);
    }

    /// Returns when there is something to ask for.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.due.filter(|_| self.is_through && !self.has_rows())
    }

    fn listing_has_ended(&self) -> bool {
        !self.was_over && self.run.listings().media
    }
}
