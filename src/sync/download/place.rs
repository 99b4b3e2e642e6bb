//! Where a file's bytes belong in the mirror, and getting them there.

use super::Download;
use super::unsaved::Unsaved;
use crate::mirror::{MirrorError, Published};
use crate::model::path::PathError;
use crate::model::{AssetOutcome, AssetUrl, RelPath, Why};
use crate::plan::{Recheck, recheck};
use std::sync::{Arc, PoisonError};

/// Returns the safe path of a medium, also beside another medium with the same URL.
pub(in crate::sync) fn safe_path(url: &str, media_id: &str) -> Result<RelPath, PathError> {
    RelPath::fallback(&format!("{url}#{media_id}"))
}

/// Returns where the file of a medium with this URL may be put.
pub(in crate::sync) fn places(url: &str, media_id: &str) -> [Result<RelPath, PathError>; 2] {
    [RelPath::for_url(url), safe_path(url, media_id)]
}

/// A path that no other download of this run may take.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) path: RelPath,
    /// Whether a row of another medium may have it.
    pub(super) is_to_ask: bool,
}

impl Download {
    /// Settles a file whose saved bytes still hold, moving it where its URL moved. `None`: there is no
    /// such file in the mirror.
    pub(super) async fn settle(
        &self,
        url: &AssetUrl,
        why: Why,
        is_checked: bool,
    ) -> Result<Option<AssetOutcome>, Unsaved> {
        let row = &self.owed.row;
        let again = if self.is_moved() {
            // The move explains the stamp; what was planned before stays planned.
            Recheck {
                at: row.recheck_at,
                count: row.rechecks,
            }
        } else {
            recheck(why, row, self.shared.clock.now())
        };
        let (media_id, owed_at) = (self.owed.media_id.clone(), self.owed.owed_at);
        if !self.is_moved() {
            return Ok(Some(AssetOutcome::Unchanged {
                media_id,
                owed_at,
                etag: None,
                last_modified: None,
                is_checked: is_checked || !why.is_about_the_mirror(),
                recheck_at: again.at,
                rechecks: again.count,
            }));
        }
        let Some(path) = self.relocate(url).await? else {
            return Ok(None);
        };
        Ok(Some(AssetOutcome::Moved {
            media_id,
            owed_at,
            url: self.owed.listed_url.clone(),
            path: path.as_str().to_owned(),
            is_checked,
            recheck_at: again.at,
            rechecks: again.count,
        }))
    }

    /// Moves the saved file to the path of its URL, and returns that path.
    async fn relocate(&self, url: &AssetUrl) -> Result<Option<RelPath>, Unsaved> {
        let Some(saved) = self.superseded() else {
            return Ok(None);
        };
        let mirror = Arc::clone(&self.shared.mirror);
        let moved = self
            .put(url, move |path| mirror.relocate(&saved, path))
            .await;
        match moved {
            Ok(published) => Ok(Some(published.path)),
            // What cannot be read cannot be moved either: its bytes are asked for. A device on which nothing goes any more
            // says so again when they are written.
            Err(Unsaved::Mirror(err)) if err.is_gone() || err.is_device_failure() => Ok(None),
            Err(err) => Err(err),
        }
    }

    /// Lets `put` write at the path of this file, or at a safe one where that cannot be had. The path is
    /// claimed until the outcome is recorded.
    async fn put(
        &self,
        url: &AssetUrl,
        mut put: impl FnMut(&RelPath) -> Result<Published, MirrorError> + Send + 'static,
    ) -> Result<Published, Unsaved> {
        let path = self.choose_path(url).await?;
        let fallback = self.fallback(url);
        let places = (path.clone(), fallback.clone());
        let claims = Arc::clone(&self.shared.claims);
        let published = crate::blocking::run(move || {
            let (path, fallback) = places;
            match put(&path) {
                Err(err) if err.is_blocked() => {
                    claims
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(fallback.as_str().to_owned());
                    put(&fallback)
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
        Ok(published)
    }

    /// Chooses the path: the one it has, as long as the URL stays and it has not to go home; the URL's own;
    /// or a safe one where another medium has that already.
    async fn choose_path(&self, url: &AssetUrl) -> Result<RelPath, Unsaved> {
        let claimed = self.claim_path(url);
        let mut is_owned = false;
        if claimed.is_to_ask {
            let (text, id) = (claimed.path.as_str().to_owned(), self.owed.media_id.clone());
            let owner = self
                .shared
                .store
                .call(move |store| store.path_owner(&text, &id))
                .await
                .inspect_err(|_| self.release(&claimed.path))?;
            is_owned = owner.is_some();
        }
        Ok(self.settle_claim(url, claimed, is_owned))
    }

    /// Claims the path that this file should have.
    pub(super) fn claim_path(&self, url: &AssetUrl) -> Claimed {
        let row = &self.owed.row;
        if !self.is_moved()
            && let Some(path) = row
                .path
                .as_deref()
                .and_then(|path| RelPath::parse(path).ok())
            && self.claim(&path)
        {
            return Claimed {
                path,
                is_to_ask: false,
            };
        }
        let path = url.rel_path();
        if self.claim(&path) {
            // Rows decide and not the disk: the owner's file may be lost and on its way back.
            return Claimed {
                path,
                is_to_ask: true,
            };
        }
        Claimed {
            path: self.claim_fallback(url),
            is_to_ask: false,
        }
    }

    /// Keeps the claim, or exchanges it for that of a safe path where another medium's row has it.
    pub(super) fn settle_claim(&self, url: &AssetUrl, claimed: Claimed, is_owned: bool) -> RelPath {
        if !is_owned {
            return claimed.path;
        }
        self.release(&claimed.path);
        self.claim_fallback(url)
    }

    fn claim_fallback(&self, url: &AssetUrl) -> RelPath {
        let fallback = self.fallback(url);
        self.claim(&fallback);
        fallback
    }

    pub(super) fn fallback(&self, url: &AssetUrl) -> RelPath {
        url.safe_path(self.owed.media_id.as_str())
    }

    fn claim(&self, path: &RelPath) -> bool {
        self.shared
            .claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path.as_str().to_owned())
    }

    pub(super) fn release(&self, path: &RelPath) {
        self.shared
            .claims
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(path.as_str());
    }
}
