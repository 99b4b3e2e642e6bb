//! Files that were put aside because another medium had the path of their URL: they go home when it has it no more.
//!
//! A place belongs to the live medium whose URL leads there, the first one where there are two. Whoever else has it
//! gives way: a deleted medium, and one whose URL has moved and whose file has not come yet. Its file gets a safe path
//! first, then its row says so, and only then does another file take the place, which sends the old bytes to the
//! archive besides.
//!
//! What goes home has its new name already when it becomes owed, so that a place that cannot be had costs no row. The
//! rest is a move like any other: nobody is asked for anything.

use super::ROWS;
use crate::mirror::{Digest, Mirror, MirrorError, Superseded};
use crate::model::{AssetUrl, MediaId, ProblemKind, RelPath};
use crate::store::{AsideAsset, PathHolder};
use crate::sync::RunError;
use crate::sync::download::{Shared, safe_path};
use crate::sync::run::Run;
use std::collections::HashSet;
use std::sync::Arc;
use tracing::debug;

/// One look at everything that was put aside, in as many parts as are needed.
pub(super) struct Homes<'a> {
    run: &'a Run,
    shared: Arc<Shared>,
    /// The number of the last row that was looked at.
    after: i64,
    is_through: bool,
}

/// A file that was put aside, and its place.
struct Aside {
    media_id: MediaId,
    saved: Superseded,
    home: RelPath,
}

/// Who has the place of another medium, and where it goes.
struct Leaving {
    media_id: MediaId,
    safe: RelPath,
    digest: Option<Digest>,
    is_deleted: bool,
}

impl<'a> Homes<'a> {
    pub(super) fn new(run: &'a Run, shared: Arc<Shared>) -> Self {
        Self {
            run,
            shared,
            after: 0,
            is_through: false,
        }
    }

    /// Makes some of the files owed whose places are free by now, or held by who gives way. Returns whether there
    /// were any. Each file is looked at once in a run.
    ///
    /// Nothing else may be under way: whose path is whose is told by rows alone.
    pub(super) async fn call_some(&mut self) -> Result<bool, RunError> {
        while !self.is_through && !self.run.is_stopping() {
            let after = self.after;
            let aside = self.run.store(move |store| store.assets_aside(after, ROWS));
            let aside = aside.await?;
            let Some(last) = aside.last() else {
                self.is_through = true;
                break;
            };
            self.after = last.row;
            let called = self.call(aside).await?;
            if !called.is_empty() {
                let (now, count) = (self.run.now(), called.len() as u64);
                self.run
                    .store(move |store| store.owe_moves(&called, now))
                    .await?;
                self.run.tally.files_expected.add(count);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives those of the files their places that can have them. Returns whose they are.
    async fn call(&mut self, aside: Vec<AsideAsset>) -> Result<Vec<MediaId>, RunError> {
        let mut taken = HashSet::new();
        let mut called = Vec::new();
        for aside in aside.into_iter().filter_map(|aside| self.homeless(aside)) {
            if self.run.is_stopping() {
                break;
            }
            let (home, id) = (aside.home.as_str().to_owned(), aside.media_id.clone());
            let holders = self.run.store(move |store| store.path_holders(&home, &id));
            let Some(leaving) = leaving(holders.await?, &aside.home) else {
                continue;
            };
            if !taken.insert(aside.home.clone()) {
                continue;
            }
            match self.settle(&aside, leaving).await? {
                Ok(()) => called.push(aside.media_id),
                // The place cannot be had, or the file went away: the look at the mirror tells of that.
                Err(err) if err.is_blocked() || err.is_gone() => {
                    debug!("`{}` stays aside: {err}", aside.home);
                }
                Err(err) => {
                    let hint = err.hint().map(str::to_owned);
                    let message = crate::model::chain(&err);
                    self.run
                        .problem(ProblemKind::Fault, "assets", message, hint);
                    self.is_through = true;
                    break;
                }
            }
        }
        Ok(called)
    }

    /// Returns the file and its place, if its URL leads to one and it is not there.
    fn homeless(&self, aside: AsideAsset) -> Option<Aside> {
        let url = AssetUrl::parse(&aside.url).ok()?;
        // Of a host that is not allowed any more nothing is touched.
        let is_allowed = self.shared.remote.assets().is_allowed(&url);
        let home = Some(url.rel_path()).filter(|home| !home.is_fallback())?;
        let path = RelPath::parse(&aside.path).ok()?;
        let sha256 = aside.sha256.parse().ok()?;
        (is_allowed && path.is_fallback()).then_some(Aside {
            media_id: aside.media_id,
            saved: Superseded { path, sha256 },
            home,
        })
    }

    /// Lets those who have the place leave it, and gives it to the file, which keeps its old name for now.
    async fn settle(
        &self,
        aside: &Aside,
        leaving: Vec<Leaving>,
    ) -> Result<Result<(), MirrorError>, RunError> {
        for leaving in leaving {
            let (mirror, home) = (Arc::clone(&self.shared.mirror), aside.home.clone());
            let (id, safe) = (leaving.media_id.clone(), leaving.safe.clone());
            let left = crate::blocking::run(move || leave(&mirror, &home, &leaving));
            if let Err(err) = left.await? {
                return Ok(Err(err));
            }
            debug!("the file of medium `{id}` gives way and lies at `{safe}`");
            let now = self.run.now();
            self.run
                .store(move |store| store.record_gave_way(&id, safe.as_str(), now))
                .await?;
        }
        let mirror = Arc::clone(&self.shared.mirror);
        let (saved, home) = (aside.saved.clone(), aside.home.clone());
        let placed = crate::blocking::run(move || mirror.add_path(&saved, &home));
        Ok(placed.await?.map(drop))
    }
}

/// Returns who has to leave a place; `None`: one of those who have it has it by right.
fn leaving(holders: Vec<PathHolder>, home: &RelPath) -> Option<Vec<Leaving>> {
    let leaving = holders.into_iter().map(|holder| {
        let is_at_home = RelPath::for_url(&holder.listed_url).is_ok_and(|path| path == *home);
        if !holder.is_deleted && is_at_home {
            return None;
        }
        Some(Leaving {
            safe: safe_path(&holder.listed_url, holder.media_id.as_str()).ok()?,
            digest: holder.sha256.and_then(|sha256| sha256.parse().ok()),
            media_id: holder.media_id,
            is_deleted: holder.is_deleted,
        })
    });
    leaving.collect()
}

/// Gives the file of who leaves its safe path as well. One that is lost already is nobody's loss, but of what the
/// service has no more, the archive may have the bytes.
fn leave(mirror: &Mirror, home: &RelPath, leaving: &Leaving) -> Result<(), MirrorError> {
    let Some(sha256) = leaving.digest else {
        return Ok(());
    };
    let saved = Superseded {
        path: home.clone(),
        sha256,
    };
    match mirror.add_path(&saved, &leaving.safe) {
        Ok(_) => Ok(()),
        Err(err) if err.is_gone() => {
            if leaving.is_deleted {
                mirror.restore_archived(&sha256, &leaving.safe)?;
            }
            Ok(())
        }
        Err(err) => Err(err),
    }
}
