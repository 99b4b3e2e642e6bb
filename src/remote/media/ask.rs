//! One page of media: asked for, and what a failure means for the attempt.

use super::cursor::Cursor;
use super::{Broken, PAGE_SIZE, RESTARTS};
use crate::model::Tally;
use crate::remote::api::{Api, Ask};
use crate::remote::budget::{Lane, Permit};
use crate::remote::error::{Refusal, Remedy, RemoteError};
use crate::remote::gate::LineGate;
use crate::remote::notes::Notes;
use crate::remote::{retry, wire};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::time::Duration;
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
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);
/// Failures in a row of one page before the attempt is given up.
const TRIES_PER_PAGE: u32 = 4;

/// Asks for pages, one after the other, over all attempts.
pub(super) struct Chain<'a> {
    pub(super) api: &'a Api,
    pub(super) gate: &'a LineGate,
    pub(super) tally: &'a Tally,
    /// How long the first page may take.
    pub(super) first_timeout: Duration,
    /// Attempts begun again.
    pub(super) restarts: u64,
    /// The oldest a token was when it was used.
    pub(super) max_token_age: Option<Duration>,
    pub(super) notes: Notes,
}

impl Chain<'_> {
    /// Asks for the next page. `None`: the service says that there is no medium at all.
    pub(super) async fn next_page(
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
                        self.notes.add(note.to_owned());
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
        self.max_token_age = self.max_token_age.max(Some(age));
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
            Remedy::RetryIfIdempotent { after } => {
                if has_token {
                    self.lost(&err, cursor)?;
                }
                let own = retry::backoff(failures, fastrand::f64());
                after.map_or(own, |after| after.max(own))
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
            self.notes
                .add(format!("page {page} may be lost: {}", err.chain()));
        }
        cursor.has_lost_page = true;
        let may_restart = self.restarts < RESTARTS;
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
