//! The media walk: a chain of pages held together by a token that dies after 15 seconds.
//!
//! The token looks like a scroll cursor (microcms-facts 1.3): each use hands over the *next* page, so
//! an answer that was lost may have taken its page with it. Therefore:
//!
//! - The newest token is used; nothing but the budget delays the next page. Pages go into a channel
//!   whose reader records them; commits and downloads happen elsewhere.
//! - A refusal (429, a connection that never opened) is repeated while the token lives. After a fault
//!   that may have taken the page, the walk goes on or begins again, whichever is cheaper, and in the
//!   end only the count decides: as many distinct ids as the first page announced, or it is not proven.
//! - `400` with a token means that the token is dead: the walk begins again. Without one it is the
//!   operator's problem.

mod ask;
mod cursor;
mod sight;

use self::ask::Chain;
use self::cursor::{BARREN_PAGES, Cursor};
use self::sight::Sight;
use super::api::Api;
use super::error::RemoteError;
use super::gate::LineGate;
use super::idset::IdSet;
use super::notes::Notes;
use super::retry;
use super::wire::MediaAnswer;
use crate::model::{ServedMedium, Tally, WalkVerdict};
use futures_util::future::join;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::warn;

/// How often a walk begins again before it is left unproven.
const RESTARTS: u64 = 5;
/// The most that the service puts on a page.
const PAGE_SIZE: u64 = 100;
/// How often in a row a listing may end at the same media before it is taken at its word: it will not
/// show more in this run.
const SAME_ENDS: u32 = 3;

/// One page of media. Also those of attempts that were begun again: what was seen is kept.
#[derive(Debug)]
pub struct MediaPage {
    /// The media on it.
    pub media: Vec<ServedMedium>,
    /// What is listed on it and has no id that can be read: its text's beginning, and what is wrong.
    pub odd: Vec<(String, String)>,
    /// How many media the service announced.
    pub total_count: u64,
}

/// What a media walk found out.
#[derive(Debug)]
pub struct MediaWalkEnd {
    /// Answers with a page, over all attempts.
    pub pages: u64,
    /// What the first page of the last attempt announced.
    pub total_count: Option<u64>,
    /// The ids of the last attempt.
    pub seen: IdSet,
    /// How many things in the last attempt had no id that can be read. Where there are any, nothing can
    /// be said about what is missing.
    pub odd: u64,
    /// Items seen twice in the last attempt.
    pub duplicates: u64,
    /// Attempts begun again.
    pub restarts: u64,
    /// The oldest a token was when it was used, counted from the request that brought it.
    pub max_token_age: Option<Duration>,
    /// The finding.
    pub verdict: WalkVerdict,
    /// What happened on the way.
    pub detail: Option<String>,
    /// Why the listing could not be read, where the verdict is `failed`.
    pub error: Option<RemoteError>,
}

/// Why an attempt ended without proof.
enum Broken {
    /// It may help to begin again.
    Again(String),
    /// The listing itself ended early, without a fault on the way: it may end there again.
    Short(String),
    /// It will not.
    Never(RemoteError),
}

pub(super) struct Walk<'a> {
    chain: Chain<'a>,
    sight: Sight,
    pages: u64,
    total_count: Option<u64>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        api: &'a Api,
        gate: &'a LineGate,
        tally: &'a Tally,
        out: mpsc::Sender<MediaPage>,
        first_timeout: Duration,
    ) -> Self {
        Self {
            chain: Chain {
                api,
                gate,
                tally,
                first_timeout,
                restarts: 0,
                max_token_age: None,
                notes: Notes::default(),
            },
            sight: Sight::new(out),
            pages: 0,
            total_count: None,
        }
    }

    /// Walks until proven, given up or refused. Cancel-safe in the sense that dropping it loses
    /// nothing that was handed over.
    pub(super) async fn run(mut self) -> MediaWalkEnd {
        let (verdict, error) = self.attempts().await;
        MediaWalkEnd {
            pages: self.pages,
            total_count: self.total_count,
            seen: self.sight.seen,
            odd: self.sight.odd,
            duplicates: self.sight.duplicates,
            restarts: self.chain.restarts,
            max_token_age: self.chain.max_token_age,
            verdict,
            detail: self.chain.notes.told(),
            error,
        }
    }

    async fn attempts(&mut self) -> (WalkVerdict, Option<RemoteError>) {
        let mut last_end = None;
        let mut same_ends = 0;
        loop {
            let budget = &self.chain.api.budget;
            budget.open_chain();
            let result = self.attempt().await;
            budget.close_chain();
            let (why, end) = match result {
                Ok(()) => return (WalkVerdict::Proven, None),
                Err(Broken::Never(err)) => return (WalkVerdict::Failed, Some(err)),
                Err(Broken::Again(why)) => (why, None),
                Err(Broken::Short(why)) => (why, Some((self.total_count, self.sight.seen.sum()))),
            };
            same_ends = match end {
                Some(_) if end == last_end => same_ends + 1,
                Some(_) => 1,
                None => 0,
            };
            last_end = end;
            if self.chain.restarts >= RESTARTS || same_ends >= SAME_ENDS {
                self.chain.notes.add(why);
                return (WalkVerdict::Unproven, None);
            }
            self.chain.restarts += 1;
            self.chain.tally.restarts.add(1);
            let restart = self.chain.restarts;
            warn!(
                api = "management",
                walk = "media",
                restart,
                "the media walk begins again ({restart} of {RESTARTS}): {why}"
            );
            self.chain.notes.add(why);
            let attempt = u32::try_from(restart).unwrap_or(u32::MAX);
            tokio::time::sleep(retry::backoff(attempt, fastrand::f64())).await;
        }
    }

    async fn attempt(&mut self) -> Result<(), Broken> {
        self.sight.clear();
        let mut cursor = Cursor {
            is_total_steady: true,
            ..Cursor::default()
        };
        let mut next = self.chain.next_page(&mut cursor).await?;
        loop {
            let Some(page) = next else {
                // An unfiltered first page may say "no media" with 404 (microcms-facts 8.6).
                self.total_count = Some(0);
                return Ok(());
            };
            let total = self.take_note(&mut cursor, &page);
            let is_empty = page.listed.is_empty();
            // What is on the page is read while the next one is on its way, if there has to be one.
            let goes_on = !is_empty && cursor.goes_on();
            let reading = self.sight.read(page.listed, total);
            let (seen, ahead) = if goes_on {
                let asking = self.chain.next_page(&mut cursor);
                let (ahead, seen) = join(asking, reading).await;
                (seen, Some(ahead))
            } else {
                (reading.await, None)
            };
            let Ok(is_new) = seen else {
                // The reader is gone: the run is ending, and it knows why.
                return Err(Broken::Again("the run ended".to_owned()));
            };
            cursor.barren = if is_new { 0 } else { cursor.barren + 1 };
            if let Some(ahead) = ahead {
                next = ahead?;
                continue;
            }
            if let Some(verdict) = self.judge(&cursor, is_empty) {
                return verdict;
            }
            if cursor.barren > 0 && cursor.go_back_to_first() {
                let note = "the newest page token led nowhere; the first one is used";
                self.chain.notes.add(note.to_owned());
            }
            next = self.chain.next_page(&mut cursor).await?;
        }
    }

    /// Takes note of what a page says beside what it lists. Returns how many media the attempt's first page announced.
    fn take_note(&mut self, cursor: &mut Cursor, page: &MediaAnswer) -> u64 {
        self.pages += 1;
        cursor.pages += 1;
        self.chain.tally.pages.add(1);
        let is_first = cursor.total.is_none();
        let announced = page.total_count.or(cursor.total).unwrap_or(0);
        let total = *cursor.total.get_or_insert(announced);
        let listed = page.listed.len() as u64;
        cursor.listed += listed;
        if is_first {
            cursor.page_len = listed.clamp(1, PAGE_SIZE);
            cursor.first_token.clone_from(&page.token);
            self.total_count = Some(total);
            let left = cursor.pages_left();
            self.chain.tally.pages_expected.add(left + 1);
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            self.chain.api.budget.chain_needs(left);
        } else if announced != total && cursor.is_total_steady {
            cursor.is_total_steady = false;
            self.chain.notes.add(format!(
                "the announced total moved from {total} to {announced} mid-walk"
            ));
        }
        if page.token.is_some() {
            cursor.newest_token.clone_from(&page.token);
        }
        total
    }

    /// Decides after a page whether the attempt is over.
    fn judge(&self, cursor: &Cursor, is_empty: bool) -> Option<Result<(), Broken>> {
        let total = cursor.total.unwrap_or(0);
        let unique = self.sight.seen.len();
        let again = |why: String| Some(Err(Broken::Again(why)));
        let short = |why: String| {
            Some(Err(if cursor.has_lost_page {
                Broken::Again(format!("{why} after a lost page"))
            } else {
                Broken::Short(why)
            }))
        };
        if unique == total {
            return if cursor.is_total_steady {
                Some(Ok(()))
            } else {
                again(format!(
                    "all {total} media were seen, but the total moved meanwhile"
                ))
            };
        }
        if unique > total {
            return again(format!(
                "{unique} distinct media where {total} were announced"
            ));
        }
        if is_empty {
            return short(format!("the listing ended at {unique} of {total} media"));
        }
        // Pages may be shorter than the first one without harm; a chain that never ends is not. Another token is tried first.
        let is_over = cursor.barren >= BARREN_PAGES && !cursor.may_go_back();
        if is_over || cursor.pages >= cursor.longest() {
            return short(format!(
                "{} pages brought only {unique} of {total} media",
                cursor.pages
            ));
        }
        if cursor.token().is_none() {
            return short(format!(
                "no token to go on with at {unique} of {total} media"
            ));
        }
        None
    }
}
