//! One file: asked for as cheaply as what is known allows, checked, put in its place.

mod ask;
mod group;
mod head;
mod place;
mod receive;
mod rehearsals;
mod unsaved;

use super::Stop;
use super::assets::Claims;
use super::hosts::Hosts;
use super::options::RunClock;
use super::quota::Quota;
use super::room::{Place, Room};
use crate::mirror::{Digest, Finished, Mirror, Superseded};
use crate::model::path::PathError;
use crate::model::{AssetOutcome, AssetState, AssetUrl, MediaId, OwedAsset, RelPath, Tally, Why};
use crate::plan::{Lesson, Question, Way, next_attempt, way};
use crate::remote::Remote;
use crate::store::StoreHandle;
use ask::{Got, Session};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use unsaved::Unsaved;

pub(super) use group::{Held, Received, publish};
pub(super) use place::{places, safe_path};
pub(super) use rehearsals::Rehearsals;
pub(super) use unsaved::Trouble;

/// A host that asks for more is asked again by the next run.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// What all downloads of a run share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) remote: Arc<Remote>,
    pub(super) store: StoreHandle,
    pub(super) mirror: Arc<Mirror>,
    pub(super) claims: Claims,
    pub(super) hosts: Hosts,
    pub(super) quota: Arc<Quota>,
    pub(super) room: Arc<Room>,
    /// What was tried before a host was asked.
    pub(super) rehearsals: Rehearsals,
    pub(super) tally: Arc<Tally>,
    /// Asks for a tidy stop: what is arriving may still arrive.
    pub(super) stop: Stop,
    /// Ends what is arriving: what came of a large file is kept.
    pub(super) halt: CancellationToken,
    pub(super) clock: RunClock,
    /// A person wants to know of every file whether its host still has the saved bytes.
    pub(super) is_full: bool,
    /// Longer files are not fetched; `None`: any length.
    pub(super) longest: Option<u64>,
    /// Media of whose files a beginning is kept, by an earlier run or this one. A std mutex: look-ups
    /// under it, never held across an await.
    pub(super) begun: Mutex<HashSet<MediaId>>,
}

/// A file to fetch.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) shared: Arc<Shared>,
    pub(super) owed: OwedAsset,
}

/// How far it came.
#[derive(Debug)]
pub(super) enum Landed {
    /// Its bytes are here, for [`publish`].
    Received(Box<Received>),
    /// Nothing is left to do but to record it.
    Done(Box<Done>),
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    /// `None`: the run ends, and the file stays owed as it was.
    pub(super) outcome: Option<AssetOutcome>,
    /// What there is to say where it failed.
    pub(super) failure: Option<Failure>,
}

/// What there is to say about a file that was not saved.
#[derive(Debug)]
pub(super) struct Failure {
    /// Where it was asked for, fit for a report.
    pub(super) url: String,
    /// What a person can do about it.
    pub(super) hint: Option<String>,
    /// Whether only room was lacking.
    pub(super) is_lack_of_room: bool,
    /// Whether its host had to be asked to learn how long it is.
    pub(super) was_asked: bool,
    /// Whether its bytes came, and the mirror did not take them.
    pub(super) is_of_the_mirror: bool,
    /// Trouble of the mirror that concerns every file.
    pub(super) trouble: Option<Trouble>,
}

impl Done {
    fn with(outcome: AssetOutcome) -> Self {
        Self {
            outcome: Some(outcome),
            failure: None,
        }
    }
}

/// Bytes that arrived whole.
#[derive(Debug)]
struct Arrived {
    finished: Finished,
    place: Place,
    told: Told,
}

/// What the host said about them.
#[derive(Debug)]
struct Told {
    content_type: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

/// What asking led to.
enum Fetched {
    Bytes(AssetUrl, Box<Arrived>),
    Settled(AssetOutcome),
}

impl Download {
    /// Fetches the file; trouble is an outcome.
    pub(super) async fn run(self) -> Landed {
        let why = self.why();
        match self.fetch(why).await {
            Ok(Fetched::Bytes(url, arrived)) => Landed::Received(Box::new(Received {
                download: self,
                url,
                why,
                arrived: *arrived,
            })),
            Ok(Fetched::Settled(outcome)) => Landed::Done(Box::new(Done::with(outcome))),
            Err(Unsaved::Halted) => Landed::Done(Box::new(Done {
                outcome: None,
                failure: None,
            })),
            Err(err) => Landed::Done(Box::new(self.failed(why, err))),
        }
    }

    fn why(&self) -> Why {
        self.owed.row.why.unwrap_or(Why::New)
    }

    fn failed(&self, why: Why, err: Unsaved) -> Done {
        let url = AssetUrl::parse(&self.owed.listed_url)
            .map_or_else(|_| printable(&self.owed.listed_url), |url| url.to_string());
        let now = self.shared.clock.now();
        let error = crate::model::chain(&err);
        let hint = err.hint();
        let failures = self.owed.row.attempts.saturating_add(1);
        let outcome = AssetOutcome::Failed {
            media_id: self.owed.media_id.clone(),
            owed_at: self.owed.owed_at,
            why,
            error,
            is_attempt: err.is_attempt(),
            stays_owed: err.is_lack_of_room(),
            next_attempt_at: next_attempt(err.blame(), failures, err.asked_wait(), now),
            announced_bytes: err.announced(),
        };
        Done {
            outcome: Some(outcome),
            failure: Some(Failure {
                url,
                hint,
                is_lack_of_room: err.is_lack_of_room(),
                was_asked: self.owed.row.announced_bytes.is_none(),
                is_of_the_mirror: err.is_of_the_mirror(),
                trouble: err.into_trouble(),
            }),
        }
    }

    async fn fetch(&self, why: Why) -> Result<Fetched, Unsaved> {
        let url = AssetUrl::parse(&self.owed.listed_url)?;
        let host = url.host_key();
        if !self.shared.remote.assets().is_allowed(&url) {
            return Err(Unsaved::NotAllowed { host });
        }
        let way = self.way(why, &url, &host).await?;
        if way == Way::Nothing
            && let Some(outcome) = self.settle(&url, why, false).await?
        {
            return Ok(Fetched::Settled(outcome));
        }
        if self.shared.hosts.attempts(&host) == 0 {
            return Err(Unsaved::HostDown { host });
        }
        // Every answer may turn out to be bytes.
        let announced = self.owed.row.announced_bytes;
        if let (Some(bytes), Some(longest)) = (announced, self.shared.longest)
            && bytes > longest
        {
            // An earlier run broke its answer off, and the medium has not changed since.
            return Err(Unsaved::TooLong { bytes, longest });
        }
        if let Some(bytes) = announced
            && !self.is_begun()
        {
            // Likewise. What is here of a file needs no room any more.
            self.shared.room.fits(bytes).await?;
        }
        self.rehearse(&url).await?;
        let left = self.shared.quota.left(self.shared.clock.now());
        if left.is_some_and(|left| left == 0 || announced.is_some_and(|bytes| bytes > left)) {
            return Ok(Fetched::Settled(self.withheld(announced)));
        }
        let mut session = Session::new(way);
        match self.ask_until_answered(&url, &host, &mut session).await {
            Ok(Got::Unchanged) => match self.settle(&url, why, true).await? {
                Some(outcome) => Ok(Fetched::Settled(outcome)),
                // The file went away while the host was asked about it: its bytes are wanted after all.
                None => Err(Unsaved::Vanished),
            },
            Ok(Got::Bytes(arrived)) => {
                self.draw_lessons(&host, &session, &arrived);
                Ok(Fetched::Bytes(url, arrived))
            }
            Err(err) => {
                self.keep_beginning(session.beginning, &err).await;
                if let Unsaved::OverBudget { announced } = err {
                    return Ok(Fetched::Settled(self.withheld(announced)));
                }
                Err(err)
            }
        }
    }

    /// Decides how to ask.
    async fn way(&self, why: Why, url: &AssetUrl, host: &str) -> Result<Way, Unsaved> {
        let row = &self.owed.row;
        let is_same_path = row.url == self.owed.listed_url
            || AssetUrl::parse(&row.url).is_ok_and(|saved| saved.is_same_but_host(url));
        let is_back = why.is_about_the_mirror() && self.owed.is_as_checked;
        let why = if is_back && self.shared.is_full {
            Why::Asked
        } else {
            why
        };
        let may_vouch = is_same_path && (is_back || why.may_be_conditional());
        let is_intact = match self.superseded().filter(|_| may_vouch) {
            // The move itself looks at the file; where it was taken back meanwhile there is none.
            Some(_) if why == Why::Moved && self.is_moved() => true,
            Some(saved) => self.is_intact(saved).await?,
            None => false,
        };
        Ok(way(&Question {
            why,
            row,
            host: &self.shared.hosts.traits(host),
            has_updated_at: self.owed.has_updated_at,
            is_as_checked: self.owed.is_as_checked,
            is_intact,
            is_same_path,
        }))
    }

    /// Returns whether the file has to move: it is listed elsewhere than where the saved bytes came from, or
    /// was put aside and goes home.
    fn is_moved(&self) -> bool {
        self.owed.row.url != self.owed.listed_url || self.goes_home()
    }

    /// Returns whether the file lies aside of the place that its URL leads to, and is to go there by now.
    fn goes_home(&self) -> bool {
        let row = &self.owed.row;
        let is_aside = |path: Result<RelPath, PathError>| path.is_ok_and(|path| path.is_fallback());
        self.why() == Why::Moved
            && row
                .path
                .as_deref()
                .map(RelPath::parse)
                .is_some_and(is_aside)
            && !is_aside(RelPath::for_url(&self.owed.listed_url))
    }

    /// Reads the saved file: "not modified" must not vouch for bytes that nobody has, and what was lost may have
    /// been put back. The look at the mirror before a run does not read files, and skips owed ones.
    async fn is_intact(&self, saved: Superseded) -> Result<bool, Unsaved> {
        let mirror = Arc::clone(&self.shared.mirror);
        let found = crate::blocking::run(move || {
            // A file that cannot be read is as good as lost.
            let found = mirror.hash(&saved.path).ok().flatten();
            found.is_some_and(|found| found.sha256 == saved.sha256)
        });
        Ok(found.await?)
    }

    /// What the row says is saved now.
    fn superseded(&self) -> Option<Superseded> {
        let row = &self.owed.row;
        let path = RelPath::parse(row.path.as_deref()?).ok()?;
        let sha256: Digest = row.sha256.as_deref()?.parse().ok()?;
        Some(Superseded { path, sha256 })
    }

    fn withheld(&self, announced_bytes: Option<u64>) -> AssetOutcome {
        AssetOutcome::Withheld {
            media_id: self.owed.media_id.clone(),
            owed_at: self.owed.owed_at,
            is_owed: self.owed.row.state != AssetState::Saved,
            announced_bytes,
        }
    }

    /// Compares what came with what was saved: the host's validators either told the two apart or they
    /// did not.
    fn draw_lessons(&self, host: &str, session: &Session, arrived: &Arrived) {
        let row = &self.owed.row;
        let Told {
            etag,
            last_modified,
            ..
        } = &arrived.told;
        // What came from another URL cannot be compared.
        if row.url != self.owed.listed_url || row.sha256.is_none() {
            return;
        }
        let has_same = (
            row.etag.is_some() && row.etag == *etag,
            row.last_modified.is_some() && row.last_modified == *last_modified,
        );
        let sha256 = arrived.finished.sha256().to_string();
        let is_same_file = row.sha256.as_deref() == Some(sha256.as_str());
        let (sent_etag, sent_date) = session.sent;
        let lesson = if is_same_file {
            // Only where the condition was in the request that these bytes answer.
            let ignored = (
                sent_etag && has_same.0 && !session.was_vouched,
                !sent_etag && sent_date && has_same.1 && !session.was_vouched,
            );
            Lesson::IgnoredCondition {
                etag: ignored.0,
                last_modified: ignored.1,
            }
        } else if session.was_vouched {
            Lesson::VouchedFalsely {
                etag: sent_etag,
                last_modified: sent_date,
            }
        } else if has_same.0 || (row.etag.is_none() && has_same.1) {
            Lesson::VouchedFalsely {
                etag: has_same.0,
                last_modified: has_same.1,
            }
        } else {
            Lesson::ToldApart {
                etag: sent_etag,
                last_modified: !sent_etag && sent_date,
            }
        };
        let is_empty = matches!(
            lesson,
            Lesson::IgnoredCondition {
                etag: false,
                last_modified: false
            } | Lesson::ToldApart {
                etag: false,
                last_modified: false
            }
        );
        if !is_empty {
            self.shared.hosts.learn(host, &lesson);
        }
    }
}

fn printable(text: &str) -> String {
    text.chars()
        .take(300)
        .flat_map(char::escape_debug)
        .collect()
}
