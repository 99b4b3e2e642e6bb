//! One file: asked for, checked, put in its place.

use super::Stop;
use super::assets::Claims;
use super::hosts::Hosts;
use crate::mirror::{
    Digest, Expect, Finished, Mirror, MirrorError, Partial, Published, Superseded,
};
use crate::model::sniff::{self, Answer};
use crate::model::{AssetOutcome, AssetUrl, OwedAsset, RelPath, Tally, Timestamp, Why};
use crate::plan::{Recheck, recheck};
use crate::remote::{AssetAnswer, AssetBody, Conditions, Remedy, Remote, RemoteError};
use crate::store::StoreHandle;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A host that asks for more is asked again by the next run.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Bytes gathered before they go to the disk, on a thread where that may block. Up to this size a
/// partial file lives in memory and writing to it does not touch the disk.
const GATHER: usize = 256 * 1024;

/// A file to fetch, and what that takes.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) remote: Arc<Remote>,
    pub(super) store: StoreHandle,
    pub(super) mirror: Arc<Mirror>,
    pub(super) claims: Claims,
    pub(super) hosts: Arc<Hosts>,
    pub(super) tally: Arc<Tally>,
    pub(super) stop: Stop,
    pub(super) now: fn() -> Timestamp,
    pub(super) owed: OwedAsset,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) outcome: AssetOutcome,
    /// Where it was asked for, fit for a report.
    pub(super) url: String,
    /// What a person can do about a failure.
    pub(super) hint: Option<String>,
    /// Trouble of the mirror that concerns every file.
    pub(super) trouble: Option<MirrorError>,
}

/// Why a file was not saved.
#[derive(Debug, thiserror::Error)]
enum Unsaved {
    #[error(transparent)]
    Url(#[from] crate::model::path::AssetUrlError),
    #[error(transparent)]
    Path(#[from] crate::model::path::PathError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    NotTheFile(#[from] sniff::NotTheFile),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error(
        "`{host}` could not be reached for many files in a row, and was not asked for more in this run"
    )]
    HostDown { host: String },
    #[error("a task ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
}

impl Unsaved {
    /// Returns whether asking again at once may help, and after what wait.
    fn is_worth_another_try(&self) -> Option<Option<Duration>> {
        match self {
            Self::Remote(err) => match err.remedy() {
                Remedy::Retry { after } => Some(after),
                Remedy::RetryIfIdempotent => Some(None),
                Remedy::AskOperator | Remedy::SkipItem => None,
            },
            // A body of the wrong length: the next one may be whole.
            Self::Mirror(MirrorError::Length { .. }) => Some(None),
            Self::Url(_)
            | Self::Path(_)
            | Self::NotTheFile(_)
            | Self::Mirror(_)
            | Self::Store(_)
            | Self::HostDown { .. }
            | Self::Task(_) => None,
        }
    }

    /// Says what a person can do about it.
    fn hint(&self) -> Option<String> {
        match self {
            // A refusal's hint speaks of the key, which asset hosts never see.
            Self::Remote(err) => err.refusal().map_or_else(|| err.hint(), |_| None),
            // The mirror's troubles have their own way into the report.
            Self::Url(_)
            | Self::Path(_)
            | Self::NotTheFile(_)
            | Self::Mirror(_)
            | Self::Store(_)
            | Self::HostDown { .. }
            | Self::Task(_) => None,
        }
    }
}

/// Bytes that arrived whole, with what the host said about them.
struct Arrived {
    finished: Finished,
    content_type: Option<String>,
    etag: Option<String>,
    last_modified: Option<String>,
}

impl Download {
    /// Fetches the file; trouble is an outcome.
    pub(super) async fn run(self) -> Done {
        let media_id = self.owed.media_id.clone();
        let owed_at = self.owed.owed_at;
        let why = self.owed.row.why.unwrap_or(Why::New);
        let url = AssetUrl::parse(&self.owed.listed_url)
            .map_or_else(|_| printable(&self.owed.listed_url), |url| url.to_string());
        match self.fetch(why).await {
            Ok(outcome) => Done {
                outcome,
                url,
                hint: None,
                trouble: None,
            },
            Err(err) => {
                let error = crate::model::chain(&err);
                let hint = err.hint();
                let trouble = match err {
                    Unsaved::Mirror(err)
                        if err.is_out_of_space()
                            || err.is_read_only()
                            || err.is_device_failure() =>
                    {
                        Some(err)
                    }
                    Unsaved::Url(_)
                    | Unsaved::Path(_)
                    | Unsaved::Remote(_)
                    | Unsaved::NotTheFile(_)
                    | Unsaved::Mirror(_)
                    | Unsaved::Store(_)
                    | Unsaved::HostDown { .. }
                    | Unsaved::Task(_) => None,
                };
                Done {
                    outcome: AssetOutcome::Failed {
                        media_id,
                        owed_at,
                        why,
                        error,
                    },
                    url,
                    hint,
                    trouble,
                }
            }
        }
    }

    async fn fetch(&self, why: Why) -> Result<AssetOutcome, Unsaved> {
        let url = AssetUrl::parse(&self.owed.listed_url)?;
        let host = url.host_key();
        if self.hosts.attempts(&host) == 0 {
            return Err(Unsaved::HostDown { host });
        }
        let conditions = self.conditions(why).await?;
        let mut attempt = 1;
        loop {
            let err = match self.attempt(&url, &conditions).await {
                Ok(arrived) => {
                    self.hosts.answered(&host);
                    return match arrived {
                        Some(arrived) => self.publish(&url, why, arrived).await,
                        None => Ok(self.unchanged(why)),
                    };
                }
                Err(err) => err,
            };
            // Asked anew each time: others may have found out meanwhile how the host is doing.
            let may_try = |_: &Option<Duration>| attempt < self.hosts.attempts(&host);
            let Some(after) = err.is_worth_another_try().filter(may_try) else {
                if let Unsaved::Remote(err) = &err {
                    self.hosts.failed(&host, err);
                }
                return Err(err);
            };
            self.tally.retries.add(1);
            let wait = Duration::from_millis(500 * 2_u64.pow(attempt - 1))
                .mul_f64(0.75 + 0.5 * fastrand::f64());
            tokio::select! {
                biased;
                // The grace period is for what is arriving, not for what waits.
                () = self.stop.wait() => return Err(err),
                () = tokio::time::sleep(after.unwrap_or(wait).min(LONGEST_WAIT)) => attempt += 1,
            }
        }
    }

    /// What the host is told about the saved bytes: nothing where they came from elsewhere, and
    /// nothing where the file is not what the row says. "Not modified" would then vouch for bytes
    /// that nobody has; the look at the mirror before a run does not read files, and skips owed ones.
    async fn conditions(&self, why: Why) -> Result<Conditions, Unsaved> {
        let row = &self.owed.row;
        let saved = self
            .superseded()
            .filter(|_| why.may_be_conditional() && row.url == self.owed.listed_url);
        let Some(saved) = saved else {
            return Ok(Conditions::default());
        };
        let mirror = Arc::clone(&self.mirror);
        let expected = saved.sha256;
        let found = tokio::task::spawn_blocking(move || mirror.hash(&saved.path)).await?;
        // A file that cannot be read is as good as lost.
        Ok(match found {
            Ok(Some(found)) if found.sha256 == expected => Conditions {
                etag: row.etag.clone(),
                last_modified: row.last_modified.clone(),
            },
            Ok(_) | Err(_) => Conditions::default(),
        })
    }

    /// Asks once. `None`: the saved bytes still hold.
    async fn attempt(
        &self,
        url: &AssetUrl,
        conditions: &Conditions,
    ) -> Result<Option<Arrived>, Unsaved> {
        let body = match self.remote.assets().get(url, conditions).await? {
            AssetAnswer::NotModified => return Ok(None),
            AssetAnswer::Body(body) => body,
        };
        let (content_type, etag, last_modified) = (
            body.content_type.clone(),
            body.etag.clone(),
            body.last_modified.clone(),
        );
        let finished = self.receive(*body).await?;
        sniff::check(&Answer {
            file_name: &self.owed.file_name,
            is_image: self.owed.has_dimensions,
            content_type: content_type.as_deref(),
            head: finished.head(),
            total_bytes: finished.bytes(),
        })?;
        Ok(Some(Arrived {
            finished,
            content_type,
            etag,
            last_modified,
        }))
    }

    /// Receives a body into an invisible file, flushed when this returns.
    async fn receive(&self, mut body: AssetBody) -> Result<Finished, Unsaved> {
        let len = body.length;
        let mut partial = self.mirror.begin(self.owed.media_id.as_str());
        let mut gathered: Vec<u8> = Vec::new();
        while let Some(piece) = body.chunk().await? {
            self.tally.bytes.add(piece.len() as u64);
            // Only while nothing is gathered: a small piece must not overtake a large one.
            if gathered.is_empty() && partial.bytes() + piece.len() as u64 <= GATHER as u64 {
                partial.write(&piece)?;
                continue;
            }
            gathered.extend_from_slice(&piece);
            if gathered.len() >= GATHER {
                (partial, gathered) = on_disk(partial, gathered).await?;
            }
        }
        (partial, _) = on_disk(partial, gathered).await?;
        if partial.bytes() <= GATHER as u64 {
            return Ok(partial.finish(Expect { len })?);
        }
        Ok(tokio::task::spawn_blocking(move || partial.finish(Expect { len })).await??)
    }

    /// Puts the file in its place; what was there goes to the archive first.
    async fn publish(
        &self,
        url: &AssetUrl,
        why: Why,
        arrived: Arrived,
    ) -> Result<AssetOutcome, Unsaved> {
        let old = self.superseded();
        let path = self.choose_path(url).await?;
        let Arrived {
            mut finished,
            content_type,
            etag,
            last_modified,
        } = arrived;
        let fallback = self.fallback()?;
        let places = (path.clone(), fallback.clone());
        let claims = Arc::clone(&self.claims);
        let published = tokio::task::spawn_blocking(move || -> Result<Published, MirrorError> {
            let (path, fallback) = places;
            match finished.publish(&path, old.as_ref()) {
                Err(err) if err.is_blocked() => {
                    claims
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(fallback.as_str().to_owned());
                    finished.publish(&fallback, old.as_ref())
                }
                published => published,
            }
        })
        .await
        .map_err(Unsaved::from)
        .and_then(|published| Ok(published?))
        .inspect_err(|_| {
            self.release(&path);
            self.release(&fallback);
        })?;
        if published.path != path {
            self.release(&path);
        }
        let sha256 = published.sha256.to_string();
        let is_same = self.owed.row.sha256.as_deref() == Some(sha256.as_str());
        let again = if is_same {
            recheck(why, &self.owed.row, (self.now)())
        } else {
            Recheck::default()
        };
        Ok(AssetOutcome::Saved {
            media_id: self.owed.media_id.clone(),
            owed_at: self.owed.owed_at,
            url: self.owed.listed_url.clone(),
            path: published.path.as_str().to_owned(),
            bytes: published.bytes,
            sha256,
            content_type,
            etag,
            last_modified,
            recheck_at: again.at,
            rechecks: again.count,
        })
    }

    /// What the row says is saved now.
    fn superseded(&self) -> Option<Superseded> {
        let row = &self.owed.row;
        let path = RelPath::parse(row.path.as_deref()?).ok()?;
        let sha256: Digest = row.sha256.as_deref()?.parse().ok()?;
        Some(Superseded { path, sha256 })
    }

    /// Chooses the path: the one it has, as long as the URL stays; the URL's own; or a safe one where
    /// another medium has that already.
    async fn choose_path(&self, url: &AssetUrl) -> Result<RelPath, Unsaved> {
        let row = &self.owed.row;
        if row.url == self.owed.listed_url
            && let Some(path) = row
                .path
                .as_deref()
                .and_then(|path| RelPath::parse(path).ok())
            && self.claim(&path)
        {
            return Ok(path);
        }
        let path = url.rel_path()?;
        if self.claim(&path) {
            // Rows decide and not the disk: the owner's file may be lost and on its way back.
            let (text, id) = (path.as_str().to_owned(), self.owed.media_id.clone());
            let owner = self
                .store
                .call(move |store| store.path_owner(&text, &id))
                .await
                .inspect_err(|_| self.release(&path))?;
            if owner.is_none() {
                return Ok(path);
            }
            self.release(&path);
        }
        let fallback = self.fallback()?;
        self.claim(&fallback);
        Ok(fallback)
    }

    /// The safe path of this medium, also beside another medium with the same URL.
    fn fallback(&self) -> Result<RelPath, Unsaved> {
        let own = format!("{}#{}", self.owed.listed_url, self.owed.media_id);
        Ok(RelPath::fallback(&own)?)
    }

    fn claim(&self, path: &RelPath) -> bool {
        self.claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.as_str().to_owned())
    }

    fn release(&self, path: &RelPath) {
        self.claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path.as_str());
    }

    fn unchanged(&self, why: Why) -> AssetOutcome {
        let again = recheck(why, &self.owed.row, (self.now)());
        AssetOutcome::Unchanged {
            media_id: self.owed.media_id.clone(),
            owed_at: self.owed.owed_at,
            etag: None,
            last_modified: None,
            recheck_at: again.at,
            rechecks: again.count,
        }
    }
}

async fn on_disk(mut partial: Partial, bytes: Vec<u8>) -> Result<(Partial, Vec<u8>), Unsaved> {
    if bytes.is_empty() {
        return Ok((partial, bytes));
    }
    tokio::task::spawn_blocking(move || {
        partial.write(&bytes)?;
        let mut emptied = bytes;
        emptied.clear();
        Ok((partial, emptied))
    })
    .await?
}

fn printable(text: &str) -> String {
    text.chars()
        .take(300)
        .flat_map(char::escape_debug)
        .collect()
}
