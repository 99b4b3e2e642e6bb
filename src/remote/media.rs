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

use self::cursor::Cursor;
use super::api::Api;
use super::error::RemoteError;
use super::gate::LineGate;
use super::idset::IdSet;
use super::notes::Notes;
use super::{retry, wire};
use crate::model::{ServedMedium, Tally, WalkVerdict};
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing::warn;

/// How often a walk begins again before it is left unproven.
const RESTARTS: u64 = 5;
/// The most that the service puts on a page.
const PAGE_SIZE: u64 = 100;
/// Pages in a row that may bring nothing new before the listing counts as ended.
const BARREN_PAGES: u64 = 2;
/// How much longer than its first page promises a listing may be, in pages: later ones may be shorter.
const LONGER: u64 = 4;
/// How often in a row a listing may end at the same media before it is taken at its word: it will not
/// show more in this run.
const SAME_ENDS: u32 = 3;
/// How much of something that cannot be read is shown.
const SHOWN: usize = 60;

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
    api: &'a Api,
    gate: &'a LineGate,
    tally: &'a Tally,
    out: mpsc::Sender<MediaPage>,
    first_timeout: Duration,
    end: MediaWalkEnd,
    notes: Notes,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        api: &'a Api,
        gate: &'a LineGate,
        tally: &'a Tally,
        out: mpsc::Sender<MediaPage>,
        first_timeout: Duration,
    ) -> Self {
        let end = MediaWalkEnd {
            pages: 0,
            total_count: None,
            seen: IdSet::default(),
            odd: 0,
            duplicates: 0,
            restarts: 0,
            max_token_age: None,
            verdict: WalkVerdict::Unproven,
            detail: None,
            error: None,
        };
        Self {
            api,
            gate,
            tally,
            out,
            first_timeout,
            end,
            notes: Notes::default(),
        }
    }

    /// Walks until proven, given up or refused. Cancel-safe in the sense that dropping it loses
    /// nothing that was handed over.
    pub(super) async fn run(mut self) -> MediaWalkEnd {
        let mut last_end = None;
        let mut same_ends = 0;
        loop {
            self.api.budget.open_chain();
            let result = self.attempt().await;
            self.api.budget.close_chain();
            let (why, end) = match result {
                Ok(()) => {
                    self.end.verdict = WalkVerdict::Proven;
                    break;
                }
                Err(Broken::Never(err)) => {
                    self.end.verdict = WalkVerdict::Failed;
                    self.end.error = Some(err);
                    break;
                }
                Err(Broken::Again(why)) => (why, None),
                Err(Broken::Short(why)) => (why, Some((self.end.total_count, self.end.seen.sum()))),
            };
            same_ends = match end {
                Some(_) if end == last_end => same_ends + 1,
                Some(_) => 1,
                None => 0,
            };
            last_end = end;
            if self.end.restarts >= RESTARTS || same_ends >= SAME_ENDS {
                self.end.verdict = WalkVerdict::Unproven;
                self.note(why);
                break;
            }
            self.end.restarts += 1;
            self.tally.restarts.add(1);
            let restart = self.end.restarts;
            warn!(
                api = "management",
                walk = "media",
                restart,
                "the media walk begins again ({restart} of {RESTARTS}): {why}"
            );
            self.note(why);
            let attempt = u32::try_from(restart).unwrap_or(u32::MAX);
            tokio::time::sleep(retry::backoff(attempt, fastrand::f64())).await;
        }
        self.end.detail = self.notes.told();
        self.end
    }

    fn note(&mut self, note: String) {
        self.notes.add(note);
    }

    async fn attempt(&mut self) -> Result<(), Broken> {
        self.end.seen.clear();
        self.end.odd = 0;
        self.end.duplicates = 0;
        let mut cursor = Cursor {
            is_total_steady: true,
            ..Cursor::default()
        };
        loop {
            let Some(answer) = self.next_page(&mut cursor).await? else {
                // An unfiltered first page may say "no media" with 404 (microcms-facts 8.6).
                self.end.total_count = Some(0);
                return Ok(());
            };
            self.end.pages += 1;
            cursor.pages += 1;
            self.tally.pages.add(1);
            let is_first = cursor.total.is_none();
            let announced = answer.total_count.or(cursor.total).unwrap_or(0);
            let total = *cursor.total.get_or_insert(announced);
            let listed = (answer.media.len() + answer.odd.len()) as u64;
            if is_first {
                cursor.page_len = listed.clamp(1, PAGE_SIZE);
                cursor.first_token.clone_from(&answer.token);
                self.end.total_count = Some(total);
                let left = cursor.pages_left();
                self.tally.pages_expected.add(left + 1);
                self.api
                    .budget
                    .chain_needs(usize::try_from(left).unwrap_or(usize::MAX));
            } else if announced != total && cursor.is_total_steady {
                cursor.is_total_steady = false;
                self.note(format!(
                    "the announced total moved from {total} to {announced} mid-walk"
                ));
            }
            if answer.token.is_some() {
                cursor.newest_token = answer.token;
            }
            let is_empty = listed == 0;
            let before = self.end.seen.len();
            let odd = self.see(&answer.media, answer.odd);
            cursor.barren = if self.end.seen.len() > before {
                0
            } else {
                cursor.barren + 1
            };
            if !is_empty
                && self
                    .out
                    .send(MediaPage {
                        media: answer.media,
                        odd,
                        total_count: self.end.total_count.unwrap_or(0),
                    })
                    .await
                    .is_err()
            {
                // The reader is gone: the run is ending, and it knows why.
                return Err(Broken::Again("the run ended".to_owned()));
            }
            if let Some(verdict) = self.judge(&cursor, is_empty) {
                return verdict;
            }
            if cursor.barren > 0 && cursor.go_back_to_first() {
                self.note("the newest page token led nowhere; the first one is used".to_owned());
            }
        }
    }

    /// Counts what is on a page. What has no id that can be read is known by its text: it is one of the
    /// things that the service counts, too. Returns it fit for a person.
    fn see(&mut self, media: &[ServedMedium], odd: Vec<wire::OddMedium>) -> Vec<(String, String)> {
        let ids = media.iter().map(|medium| Cow::Borrowed(medium.id.as_str()));
        // No id has a blank at its beginning.
        let texts = odd.iter().map(|odd| Cow::Owned(format!(" {}", odd.text)));
        for name in ids.chain(texts) {
            if !self.end.seen.insert(&name) {
                self.end.duplicates += 1;
            }
        }
        self.end.odd += odd.len() as u64;
        odd.into_iter()
            .map(|odd| (odd.text.chars().take(SHOWN).collect(), odd.why))
            .collect()
    }

    /// Decides after a page whether the attempt is over.
    fn judge(&self, cursor: &Cursor, is_empty: bool) -> Option<Result<(), Broken>> {
        let total = cursor.total.unwrap_or(0);
        let unique = self.end.seen.len();
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
        // Pages may be shorter than the first one without harm; a chain that never ends is not.
        let longest = cursor.pages_needed().saturating_mul(LONGER) + BARREN_PAGES;
        if cursor.barren >= BARREN_PAGES || cursor.pages >= longest {
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
