//! Bodies from the Content API, joined by id.
//!
//! Published ones come many at once (`ids=`); the draft of one content comes with its own draft key.
//! Always `depth=0`: relations stay references, and a body does not change because another one did.

use super::api::{Api, Ask};
use super::error::{Refusal, RemoteError};
use super::retry;
use super::wire::{self, Body, SEGMENT};
use crate::model::{ContentId, Endpoint, EndpointKind};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::{HashSet, VecDeque};
use std::time::Duration;

/// The service stops at 8 KB of URL (microcms-facts 3.1); host and path need some of it.
const MAX_IDS_BYTES: usize = 6_500;
/// Parts of a batch that may fail in a row before it is given up: the reason is then the endpoint's,
/// and asking for each of its contents would only waste requests. Once something was answered, the
/// endpoint works, and more patience finds the contents that do not.
const FRUITLESS: usize = 6;
const FRUITLESS_IN_A_WORKING_BATCH: usize = 24;
/// Contents that are asked for by themselves before a batch without any answer is given up: of a few bad ones that
/// lie far apart there is one in each part.
const SAMPLES: usize = 4;
/// Tries for each part of a batch whose whole failed: the first failure had all the patience there is.
const TRIES_PER_PART: u32 = 2;

/// A body as served.
#[derive(Clone, Debug, PartialEq)]
pub struct FoundBody {
    /// The JSON text, verbatim.
    pub text: String,
    /// Its own `updatedAt`, which tells a stale cache.
    pub updated_at: Option<String>,
    /// Its own `revisedAt`, likewise.
    pub revised_at: Option<String>,
    /// Its own `publishedAt`, likewise.
    pub published_at: Option<String>,
}

impl FoundBody {
    /// Reads a body that was served before. `None`: it cannot be read.
    pub fn read(text: &str) -> Option<Self> {
        wire::read_body(text).ok().map(Self::from)
    }
}

/// Contents whose published bodies are asked for together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Their ids.
    pub ids: Vec<ContentId>,
}

/// What came of a batch.
#[derive(Debug, Default)]
pub struct BatchAnswer {
    /// The bodies that the key sees, by id.
    pub found: Vec<(ContentId, FoundBody)>,
    /// Contents whose body could not be had one by one either.
    pub failed: Vec<(ContentId, RemoteError)>,
    /// Ids that were asked for and that the answer left out: the service leaves out what the key
    /// may not see.
    pub left_out: Vec<ContentId>,
    /// Why asking ended early: trouble of the whole endpoint or API. Ids that are in none of the
    /// lists above have had no answer.
    pub trouble: Option<RemoteError>,
}

impl Batch {
    /// The most contents that one request names: the most that the service puts on a page.
    pub const MOST: usize = 100;

    /// Takes as many ids from the front of `ids` as fit one request; ids that cannot stand in a comma
    /// list go alone. Returns how many were taken (at least one of a non-empty list).
    pub fn take(ids: &[ContentId], most: usize) -> (Self, usize) {
        let mut bytes = 0;
        let fitting = ids
            .iter()
            .take(most.clamp(1, Self::MOST))
            .take_while(|id| {
                bytes += id.as_str().len() + 1;
                id.is_plain() && bytes <= MAX_IDS_BYTES
            })
            .count()
            .max(1)
            .min(ids.len());
        (
            Self {
                ids: ids.iter().take(fitting).cloned().collect(),
            },
            fitting,
        )
    }
}

/// Reads the published bodies of a batch.
///
/// A batch that cannot be had is asked for in halves, because one content can spoil it for the others:
/// too many large ones (5 MB), one that the service cannot render within its 29 s, one that cannot be
/// read. Breadth first, so that a few bad ones in a row are found without giving up on the rest; where they lie apart, and
/// every part is refused, single contents tell whether the endpoint works; if it does, the rest is asked for one by one.
pub(super) async fn published(
    api: &Api,
    endpoint: &Endpoint,
    batch: &Batch,
    timeout: Duration,
) -> BatchAnswer {
    let mut answer = BatchAnswer::default();
    let mut fruitless = 0;
    let mut is_sampled = false;
    let mut tries = retry::ATTEMPTS;
    let mut parts: VecDeque<&[ContentId]> = VecDeque::from([batch.ids.as_slice()]);
    while let Some(ids) = parts.pop_front() {
        let err = match page(api, endpoint, ids, timeout, tries).await {
            Ok(bodies) => {
                fruitless = 0;
                sort_in(ids, bodies, &mut answer);
                continue;
            }
            Err(err) => err,
        };
        let is_late = matches!(err, RemoteError::TimedOut { .. });
        let reach = match reach(&err) {
            // Nothing is answered, whatever is asked for.
            Reach::Contents if is_late && api.is_silent(timeout) => Reach::Whole,
            reach @ (Reach::Contents | Reach::Size | Reach::Whole) => reach,
        };
        if reach == Reach::Contents {
            fruitless += 1;
            tries = if is_late { 1 } else { TRIES_PER_PART };
        }
        // What comes late or not at all is soon asked for often enough.
        let may_sample = err.refusal().is_some() && answer.found.is_empty() && !is_sampled;
        if fruitless > FRUITLESS && may_sample {
            is_sampled = true;
            match sample(api, endpoint, &batch.ids, timeout, &mut answer).await {
                Ok(true) => {
                    fruitless = 0;
                    parts = left_one_by_one(&batch.ids, &answer);
                    continue;
                }
                Ok(false) => {}
                Err(err) => {
                    answer.trouble = Some(err);
                    break;
                }
            }
        }
        let patience = if answer.found.is_empty() {
            FRUITLESS
        } else {
            FRUITLESS_IN_A_WORKING_BATCH
        };
        match ids {
            [id] if err.refusal() == Some(Refusal::NotFound) => answer.left_out.push(id.clone()),
            _ if reach == Reach::Whole || fruitless > patience => {
                answer.trouble = Some(err);
                break;
            }
            [id] => answer.failed.push((id.clone(), err)),
            _ => {
                let (front, back) = ids.split_at(ids.len() / 2);
                parts.extend([front, back]);
            }
        }
    }
    answer
}

/// Asks for a few contents of a batch, each by itself, until one is answered, and returns whether one was. Those that
/// were refused are still to be asked for.
///
/// # Errors
/// Trouble that has nothing to do with what was asked for.
async fn sample(
    api: &Api,
    endpoint: &Endpoint,
    ids: &[ContentId],
    timeout: Duration,
    answer: &mut BatchAnswer,
) -> Result<bool, RemoteError> {
    let apart = (ids.len() / SAMPLES).max(1);
    for id in ids.chunks(apart).take(SAMPLES) {
        let one = id.get(..1).unwrap_or_default();
        match page(api, endpoint, one, timeout, TRIES_PER_PART).await {
            // Also where the body is left out.
            Ok(bodies) => {
                sort_in(one, bodies, answer);
                return Ok(true);
            }
            Err(err) if err.refusal() == Some(Refusal::NotFound) => {
                answer.left_out.extend_from_slice(one);
                return Ok(true);
            }
            Err(err) if reach(&err) == Reach::Whole => return Err(err),
            Err(_) => {}
        }
    }
    Ok(false)
}

/// Returns what has had no answer yet, one by one.
fn left_one_by_one<'a>(ids: &'a [ContentId], answer: &BatchAnswer) -> VecDeque<&'a [ContentId]> {
    let found = answer.found.iter().map(|(id, _)| id);
    let failed = answer.failed.iter().map(|(id, _)| id);
    let answered: HashSet<&ContentId> = found.chain(failed).chain(&answer.left_out).collect();
    ids.chunks(1)
        .filter(|one| one.iter().all(|id| !answered.contains(id)))
        .collect()
}

/// What an error of a page concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// The size of the page: fewer may fit.
    Size,
    /// Perhaps only some of the contents asked for.
    Contents,
    /// The endpoint, the key, the API or the way to it.
    Whole,
}

fn reach(err: &RemoteError) -> Reach {
    match err {
        RemoteError::Refused { refusal, .. } => match refusal {
            Refusal::TooLarge => Reach::Size,
            Refusal::Other => Reach::Contents,
            Refusal::Forbidden
            | Refusal::Gate
            | Refusal::EndpointForbidden
            | Refusal::Ip
            | Refusal::Stopped
            | Refusal::NotFound => Reach::Whole,
        },
        // A page that is too heavy answers 5xx or not in time (microcms-facts 3.1).
        RemoteError::NoAddress { .. }
        | RemoteError::Lost { .. }
        | RemoteError::TimedOut { .. }
        | RemoteError::Unreadable { .. }
        | RemoteError::Broken {
            retry_after: None, ..
        } => Reach::Contents,
        RemoteError::Setup(_)
        | RemoteError::Untrusted { .. }
        | RemoteError::Unreachable { .. }
        | RemoteError::Busy { .. }
        | RemoteError::Broken {
            retry_after: Some(_),
            ..
        }
        | RemoteError::Redirected { .. }
        | RemoteError::HostNotAllowed { .. }
        | RemoteError::RedirectLoop { .. } => Reach::Whole,
    }
}

fn sort_in(ids: &[ContentId], bodies: Vec<Body>, answer: &mut BatchAnswer) {
    let mut bodies: std::collections::HashMap<String, Body> = bodies
        .into_iter()
        .filter_map(|body| Some((body.id.clone()?, body)))
        .collect();
    for id in ids {
        match bodies.remove(id.as_str()) {
            Some(body) => answer.found.push((id.clone(), body.into())),
            None => answer.left_out.push(id.clone()),
        }
    }
}

async fn page(
    api: &Api,
    endpoint: &Endpoint,
    ids: &[ContentId],
    timeout: Duration,
    tries: u32,
) -> Result<Vec<Body>, RemoteError> {
    let what = match ids {
        [id] => format!("the body of `{id}` in `{endpoint}`"),
        _ => format!("{} bodies of `{endpoint}`", ids.len()),
    };
    match ids {
        [id] if !id.is_plain() && !is_path_step(id) => {
            let target = detail(endpoint, id, "?depth=0");
            let ask = Ask {
                target,
                what,
                timeout,
            };
            let body = api
                .get_read(&ask, tries, |body| wire::body_of(body, id.as_str()))
                .await?;
            Ok(vec![body])
        }
        _ => {
            let list = ids
                .iter()
                .map(ContentId::as_str)
                .collect::<Vec<_>>()
                .join(",");
            let target = format!("api/v1/{endpoint}?depth=0&limit={}&ids={list}", ids.len());
            let ask = Ask {
                target,
                what,
                timeout,
            };
            api.get_read(&ask, tries, wire::body_list).await
        }
    }
}

/// Returns whether URLs read an id as a step within the path: it then can only be asked for in a query.
fn is_path_step(id: &ContentId) -> bool {
    matches!(id.as_str(), "." | "..")
}

/// Reads the body of an object-type API: published, or with a draft key its draft. `None`: the key sees none.
pub(super) async fn object(
    api: &Api,
    endpoint: &Endpoint,
    draft_key: Option<&str>,
    timeout: Duration,
) -> Result<Option<FoundBody>, RemoteError> {
    let target = format!("api/v1/{endpoint}?depth=0{}", draft_query(draft_key));
    let what = format!("the body of `{endpoint}`");
    one(api, target, what, timeout, wire::body_object).await
}

/// Reads the draft of one content. `None`: the service shows none.
pub(super) async fn draft(
    api: &Api,
    endpoint: &Endpoint,
    kind: EndpointKind,
    id: &ContentId,
    draft_key: &str,
    timeout: Duration,
) -> Result<Option<FoundBody>, RemoteError> {
    match kind {
        EndpointKind::Object => object(api, endpoint, Some(draft_key), timeout).await,
        EndpointKind::List => {
            let target = detail(
                endpoint,
                id,
                &format!("?depth=0{}", draft_query(Some(draft_key))),
            );
            one(
                api,
                target,
                format!("the draft of `{id}` in `{endpoint}`"),
                timeout,
                |body| wire::body_of(body, id.as_str()),
            )
            .await
        }
    }
}

async fn one(
    api: &Api,
    target: String,
    what: String,
    timeout: Duration,
    read: impl Fn(&[u8]) -> Result<Body, String>,
) -> Result<Option<FoundBody>, RemoteError> {
    match api
        .get_read(
            &Ask {
                target,
                what,
                timeout,
            },
            retry::ATTEMPTS,
            read,
        )
        .await
    {
        Ok(body) => Ok(Some(body.into())),
        Err(err) if err.refusal() == Some(Refusal::NotFound) => Ok(None),
        Err(err) => Err(err),
    }
}

fn detail(endpoint: &Endpoint, id: &ContentId, query: &str) -> String {
    format!(
        "api/v1/{endpoint}/{}{query}",
        utf8_percent_encode(id.as_str(), SEGMENT)
    )
}

fn draft_query(draft_key: Option<&str>) -> String {
    draft_key.map_or_else(String::new, |key| {
        format!("&draftKey={}", utf8_percent_encode(key, NON_ALPHANUMERIC))
    })
}

impl From<Body> for FoundBody {
    fn from(body: Body) -> Self {
        Self {
            text: body.text,
            updated_at: body.updated_at,
            revised_at: body.revised_at,
            published_at: body.published_at,
        }
    }
}

#[cfg(test)]
mod tests;
