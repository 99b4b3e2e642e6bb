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

use super::api::{Api, Ask};
use super::budget::{Lane, Permit};
use super::error::{Refusal, Remedy, RemoteError};
use super::gate::LineGate;
use super::idset::IdSet;
use super::{retry, wire};
use crate::model::{ServedMedium, Tally, WalkVerdict};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::borrow::Cow;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tracing::{debug, info, warn};

/// What the service promises a token (microcms-facts 1.3).
const TOKEN_LIFE: Duration = Duration::from_secs(15);
/// What a request needs to get there.
const TRAVEL: Duration = Duration::from_secs(1);
/// A page that takes longer than this makes downloads hold.
const LATE: Duration = Duration::from_millis(800);
/// One try for a page with a token. Longer than the token lives: a page that was asked for in time may
/// still come, and one that is given up is lost.
const PAGE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a walk begins again before it is left unproven.
const RESTARTS: u64 = 5;
/// Failures in a row of one page before the attempt is given up.
const TRIES_PER_PAGE: u32 = 4;
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
    /// What happened, and how often.
    notes: Vec<(String, u32)>,
}

/// The cursor of one attempt.
#[derive(Default)]
struct Cursor {
    first_token: Option<String>,
    newest_token: Option<String>,
    /// When the request was sent that brought (or last used) the token: its life counts from there.
    token_since: Option<Instant>,
    total: Option<u64>,
    /// What the service puts on a page, from its first one.
    page_len: u64,
    pages: u64,
    is_total_steady: bool,
    has_lost_page: bool,
    /// The newest token was refused or led nowhere: the first one is used, as the documentation has it
    /// (microcms-facts 1.3, 8.2).
    keeps_first: bool,
    /// Pages in a row that brought nothing new.
    barren: u64,
}

impl Cursor {
    fn token(&self) -> Option<&str> {
        let newest = self.newest_token.as_deref().filter(|_| !self.keeps_first);
        newest.or(self.first_token.as_deref())
    }

    /// Goes back to the first token for the rest of the attempt. Returns whether that is another one than
    /// the one in use.
    fn go_back_to_first(&mut self) -> bool {
        let is_another = self.first_token.is_some() && self.token() != self.first_token.as_deref();
        self.keeps_first |= is_another;
        is_another
    }

    fn pages_needed(&self) -> u64 {
        self.total.unwrap_or(0).div_ceil(self.page_len.max(1))
    }

    fn pages_left(&self) -> u64 {
        self.pages_needed().saturating_sub(self.pages)
    }
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
            notes: Vec::new(),
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
        let notes = self.notes.into_iter().map(|(note, times)| match times {
            1 => note,
            _ => format!("{note} ({times} times)"),
        });
        let notes: Vec<String> = notes.collect();
        self.end.detail = (!notes.is_empty()).then(|| notes.join("; "));
        self.end
    }

    fn note(&mut self, note: String) {
        if let Some((_, times)) = self.notes.iter_mut().find(|(said, _)| *said == note) {
            *times += 1;
        } else if self.notes.len() < 20 {
            self.notes.push((note, 1));
        }
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

    /// Asks for the next page. `None`: the service says that there is no medium at all.
    async fn next_page(
        &mut self,
        cursor: &mut Cursor,
    ) -> Result<Option<wire::MediaAnswer>, Broken> {
        let mut failures = 0;
        loop {
            let ask = self.ask(cursor);
            let permit = self.api.permit(Lane::Chain).await;
            let sent_at = Instant::now();
            self.watch_age(cursor);
            let result = self.ask_in_time(&ask, permit).await;
            let err = match result.and_then(|body| read(&body, &ask)) {
                Ok(answer) if answer.total_count.is_some() || cursor.total.is_some() => {
                    cursor.token_since = Some(sent_at);
                    return Ok(Some(answer));
                }
                Ok(_) => RemoteError::Unreadable {
                    what: ask.what.clone(),
                    why: wire::NO_TOTAL.to_owned(),
                },
                Err(err) => err,
            };
            let has_token = cursor.token().is_some();
            if let RemoteError::Refused {
                status, refusal, ..
            } = &err
            {
                match status {
                    404 if !has_token && err.is_proof_of_absence() && !err.is_wrong_address() => {
                        return Ok(None);
                    }
                    // Nothing was handed over, so that another token may be tried.
                    400 if cursor.go_back_to_first() => {
                        let note = "the newest page token was refused; the first one is used";
                        self.note(note.to_owned());
                        continue;
                    }
                    400 if has_token => {
                        return Err(Broken::Again("the page token had expired".to_owned()));
                    }
                    // One of the ways to say that nothing is left.
                    404 | 410 if has_token && (*status == 410 || err.is_proof_of_absence()) => {
                        return Ok(Some(wire::MediaAnswer::default()));
                    }
                    _ if *refusal == Refusal::Gate => {}
                    _ => return Err(Broken::Never(err)),
                }
            }
            failures += 1;
            self.tally.retries.add(1);
            self.weigh(err, failures, cursor).await?;
        }
    }

    /// Forms the request for the next page.
    fn ask(&self, cursor: &Cursor) -> Ask {
        match cursor.token() {
            None => Ask {
                target: format!("api/v2/media?limit={PAGE_SIZE}"),
                what: "the first page of media".to_owned(),
                timeout: self.first_timeout,
            },
            Some(token) => Ask {
                // `limit` beside a token is not allowed: the chain inherits it (microcms-facts 1.3).
                target: format!(
                    "api/v2/media?token={}",
                    utf8_percent_encode(token, NON_ALPHANUMERIC)
                ),
                what: format!("page {} of media", cursor.pages + 1),
                timeout: PAGE_TIMEOUT,
            },
        }
    }

    /// Notes how old the token is that is about to be used. A late one is used all the same: the
    /// service may honour it for a while (microcms-facts 1.3), and a `400` costs one request.
    fn watch_age(&mut self, cursor: &Cursor) {
        let Some(age) = cursor.token_since.map(|since| since.elapsed()) else {
            return;
        };
        self.api.note_token_age(age);
        self.end.max_token_age = self.end.max_token_age.max(Some(age));
        if age + TRAVEL > TOKEN_LIFE {
            let token_age_ms = age.as_millis();
            warn!(
                api = "management",
                walk = "media",
                token_age_ms,
                "the page token is {token_age_ms} ms old and lives 15 s: the next page may come too late"
            );
        }
    }

    /// Asks, and makes downloads hold while the answer is late.
    async fn ask_in_time(
        &self,
        ask: &Ask,
        permit: Permit<'_>,
    ) -> Result<bytes::Bytes, RemoteError> {
        let answer = self.api.once_permitted(ask, permit);
        tokio::pin!(answer);
        match tokio::time::timeout(LATE, &mut answer).await {
            Ok(result) => result,
            Err(_late) => {
                debug!(
                    api = "management",
                    walk = "media",
                    "{} is late: downloads hold",
                    ask.what
                );
                let _held = self.gate.hold();
                answer.await
            }
        }
    }

    /// Decides what a failed page means for the attempt, and waits before the next try.
    async fn weigh(
        &mut self,
        err: RemoteError,
        failures: u32,
        cursor: &mut Cursor,
    ) -> Result<(), Broken> {
        let has_token = cursor.token().is_some();
        let text = err.chain();
        let wait = match err.remedy() {
            _ if err.is_beyond_patience() => return Err(Broken::Never(err)),
            Remedy::AskOperator | Remedy::SkipItem => return Err(Broken::Never(err)),
            // The budget holds everyone back after a 429: what is waited here only decides whether
            // the token can live that long. A wait of nothing is no reason to ask in a burst.
            Remedy::Retry { after: Some(after) } => {
                after.max(retry::backoff(failures, fastrand::f64()))
            }
            Remedy::Retry { after: None } if matches!(err, RemoteError::Busy { .. }) => {
                Duration::ZERO
            }
            Remedy::Retry { after: None } => retry::backoff(failures, fastrand::f64()),
            Remedy::RetryIfIdempotent => {
                if has_token {
                    self.lost(&err, cursor)?;
                }
                retry::backoff(failures, fastrand::f64())
            }
        };
        let limit = if has_token {
            TRIES_PER_PAGE
        } else {
            retry::ATTEMPTS
        };
        // While the token lives, a 429 took nothing.
        let is_free = has_token && matches!(err, RemoteError::Busy { .. });
        if failures >= limit && !is_free {
            return if has_token {
                Err(Broken::Again(text))
            } else {
                Err(Broken::Never(err))
            };
        }
        let age = cursor
            .token_since
            .map_or(Duration::ZERO, |since| since.elapsed());
        if has_token && age + wait + TRAVEL > TOKEN_LIFE {
            return Err(Broken::Again(format!(
                "{text}; the page token cannot outlive another try"
            )));
        }
        info!(
            api = "management",
            walk = "media",
            attempt = failures + 1,
            "{text}; asking again"
        );
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// Notes that a page may be lost, and begins again where that costs less than going on in doubt.
    fn lost(&mut self, err: &RemoteError, cursor: &mut Cursor) -> Result<(), Broken> {
        let page = cursor.pages + 1;
        // A 5xx mostly means that nothing was handed over; a cut or unreadable answer that it was.
        let is_likely_taken = !matches!(
            err,
            RemoteError::Broken { .. } | RemoteError::Refused { .. }
        );
        if !cursor.has_lost_page {
            self.note(format!("page {page} may be lost: {}", err.chain()));
        }
        cursor.has_lost_page = true;
        let may_restart = self.end.restarts < RESTARTS;
        if is_likely_taken && may_restart && cursor.pages < cursor.pages_left() {
            return Err(Broken::Again(format!(
                "page {page} was probably taken by a lost answer"
            )));
        }
        Ok(())
    }
}

fn read(body: &[u8], ask: &Ask) -> Result<wire::MediaAnswer, RemoteError> {
    wire::media_list(body).map_err(|why| RemoteError::Unreadable {
        what: ask.what.clone(),
        why,
    })
}
