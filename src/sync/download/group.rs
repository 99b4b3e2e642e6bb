//! Files that were received, getting their places together.

use super::{Arrived, Done, Download, Shared, Told};
use crate::mirror::{Entry, Mirror, MirrorError, Published};
use crate::model::{AssetOutcome, AssetUrl, RelPath, Why};
use crate::plan::{Recheck, recheck};
use crate::sync::RunError;
use crate::sync::assets::Claims;
use crate::sync::room::Place;
use std::sync::{Arc, PoisonError};

/// A file whose bytes are here, whole and invisible. It needs its host no more.
#[derive(Debug)]
pub(in crate::sync) struct Received {
    pub(super) download: Download,
    pub(super) url: AssetUrl,
    pub(super) why: Why,
    pub(super) arrived: Arrived,
}

/// What received files take up until they are in their places.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::sync) struct Held {
    pub(in crate::sync) files: usize,
    /// Bytes of memory.
    pub(in crate::sync) memory: u64,
    /// Bytes on the disk that a power cut would take.
    pub(in crate::sync) unflushed: u64,
}

impl Held {
    pub(in crate::sync) fn plus(self, other: Self) -> Self {
        Self {
            files: self.files + other.files,
            memory: self.memory + other.memory,
            unflushed: self.unflushed + other.unflushed,
        }
    }

    pub(in crate::sync) fn minus(self, other: Self) -> Self {
        Self {
            files: self.files.saturating_sub(other.files),
            memory: self.memory.saturating_sub(other.memory),
            unflushed: self.unflushed.saturating_sub(other.unflushed),
        }
    }
}

impl Received {
    pub(in crate::sync) fn held(&self) -> Held {
        let (memory, unflushed) = self.arrived.finished.unflushed();
        Held {
            files: 1,
            memory,
            unflushed,
        }
    }
}

/// A file on its way to a path that is claimed for it.
struct Placed {
    download: Download,
    why: Why,
    told: Told,
    path: RelPath,
    fallback: RelPath,
    /// Promised until it is written.
    _room: Place,
}

/// Puts received files in their places; what was there goes to the archive first. Each has an outcome of its own.
pub(in crate::sync) async fn publish(
    shared: Arc<Shared>,
    received: Vec<Received>,
) -> Result<Vec<Done>, RunError> {
    let paths = choose_paths(&shared, &received).await?;
    let (mut entries, mut placed) = (Vec::new(), Vec::new());
    for (received, path) in received.into_iter().zip(paths) {
        let Received {
            download,
            url,
            why,
            arrived,
        } = received;
        entries.push(Entry {
            finished: arrived.finished,
            path: path.clone(),
            old: download.superseded(),
        });
        placed.push(Placed {
            fallback: download.fallback(&url),
            download,
            why,
            told: arrived.told,
            path,
            _room: arrived.place,
        });
    }
    let fallbacks: Vec<RelPath> = placed
        .iter()
        .map(|placed| placed.fallback.clone())
        .collect();
    let (mirror, claims) = (Arc::clone(&shared.mirror), Arc::clone(&shared.claims));
    let published = crate::blocking::run(move || {
        // What got no place goes before the hold on the mirror does.
        let mut entries = entries;
        place(&mirror, &claims, &mut entries, &fallbacks)
    });
    Ok(placed
        .into_iter()
        .zip(published.await?)
        .map(|(placed, published)| placed.conclude(published))
        .collect())
}

/// Claims a path for each file. One question to the database is enough for all of them.
async fn choose_paths(shared: &Shared, received: &[Received]) -> Result<Vec<RelPath>, RunError> {
    let claimed: Vec<_> = received
        .iter()
        .map(|received| received.download.claim_path(&received.url))
        .collect();
    let asked: Vec<_> = claimed
        .iter()
        .zip(received)
        .map(|(claimed, received)| {
            let id = &received.download.owed.media_id;
            let path = claimed.is_to_ask.then(|| claimed.path.as_str().to_owned());
            path.map(|path| (path, id.clone()))
        })
        .collect();
    let are_owned = if asked.iter().all(Option::is_none) {
        vec![false; asked.len()]
    } else {
        let owned = shared.store.call(move |store| {
            let mut owned = Vec::with_capacity(asked.len());
            for asked in &asked {
                owned.push(match asked {
                    Some((path, id)) => store.path_owner(path, id)?.is_some(),
                    None => false,
                });
            }
            Ok(owned)
        });
        owned.await?
    };
    Ok(claimed
        .into_iter()
        .zip(received)
        .zip(are_owned)
        .map(|((claimed, Received { download, url, .. }), is_owned)| {
            download.settle_claim(url, claimed, is_owned)
        })
        .collect())
}

/// Publishes the group, and those whose path cannot be had at a safe one.
fn place(
    mirror: &Mirror,
    claims: &Claims,
    entries: &mut [Entry],
    fallbacks: &[RelPath],
) -> Vec<Result<Published, MirrorError>> {
    let mut published = mirror.publish_group(entries);
    for ((told, entry), fallback) in published.iter_mut().zip(entries).zip(fallbacks) {
        if told.as_ref().is_err_and(MirrorError::is_blocked) {
            claims
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(fallback.as_str().to_owned());
            *told = entry.finished.publish(fallback, entry.old.as_ref());
        }
    }
    published
}

impl Placed {
    fn conclude(self, published: Result<Published, MirrorError>) -> Done {
        let Self {
            download,
            why,
            told,
            path,
            fallback,
            _room,
        } = self;
        match published {
            Ok(published) => {
                if published.path != path {
                    download.release(&path);
                }
                Done::with(download.saved(why, told, published))
            }
            Err(err) => {
                download.release(&path);
                download.release(&fallback);
                download.failed(why, err.into())
            }
        }
    }
}

impl Download {
    fn saved(self, why: Why, told: Told, published: Published) -> AssetOutcome {
        let sha256 = published.sha256.to_string();
        let is_same = self.owed.row.sha256.as_deref() == Some(sha256.as_str());
        let again = if is_same {
            recheck(why, &self.owed.row, self.shared.clock.now())
        } else {
            Recheck::default()
        };
        AssetOutcome::Saved {
            media_id: self.owed.media_id,
            owed_at: self.owed.owed_at,
            url: self.owed.listed_url,
            path: published.path.as_str().to_owned(),
            bytes: published.bytes,
            sha256,
            content_type: told.content_type,
            etag: told.etag,
            last_modified: told.last_modified,
            recheck_at: again.at,
            rechecks: again.count,
        }
    }
}
