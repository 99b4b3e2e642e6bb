//! Bytes of deleted media's files that are not where their rows say. Nobody can be asked for them any more, but they may be
//! whole elsewhere here: at their new path, where a move was cut off before its row was written; in the archive; in
//! another medium's file.

use crate::mirror::{Digest, Mirror, MirrorError, Superseded};
use crate::model::{MediaId, RelPath, Why, chain};
use crate::store::{RetiredFile, Store, StoreError};
use crate::sync::RunError;
use crate::sync::download::{places, safe_path};
use crate::sync::run::Run;
use std::collections::HashSet;
use std::sync::Arc;
use tracing::{info, warn};

/// Where such bytes may be, and where they go.
struct Search {
    digest: Digest,
    /// Paths of the medium's own that no other row has.
    own: Vec<RelPath>,
    /// Files of other media that had the same bytes.
    copies: Vec<RelPath>,
    /// Where copied bytes are put.
    home: RelPath,
}

/// Looks for the bytes of lost files, where their media were deleted, and lets the rows say where they are. Returns the files
/// that stay lost, those of live media among them.
///
/// Nothing else may be under way that moves files.
pub(super) async fn seek(
    run: &Run,
    mut lost: Vec<(MediaId, Why)>,
) -> Result<Vec<(MediaId, Why)>, RunError> {
    let Some(mirror) = run.rooms.files.mirror().filter(|_| !lost.is_empty()) else {
        return Ok(lost);
    };
    let ids: Vec<MediaId> = lost.iter().map(|(id, _)| id.clone()).collect();
    let files = run.store(move |store| store.retired_files(&ids)).await?;
    let mut found = HashSet::new();
    for file in files {
        if run.is_stopping() {
            break;
        }
        if is_found(run, mirror, &file).await? {
            found.insert(file.media_id);
        }
    }
    lost.retain(|(id, _)| !found.contains(id));
    Ok(lost)
}

async fn is_found(run: &Run, mirror: &Arc<Mirror>, file: &RetiredFile) -> Result<bool, RunError> {
    let asked = file.clone();
    let search = run.store(move |store| Search::plan(store, &asked)).await?;
    let Some(search) = search else {
        return Ok(false);
    };
    let mirror = Arc::clone(mirror);
    let path = match crate::blocking::run(move || search.find(&mirror)).await? {
        Ok(Some(path)) => path,
        Ok(None) => return Ok(false),
        Err(err) => {
            // It stays lost for this run; `verify --repair` tries again.
            warn!(asset.path = file.path, "{}", chain(&err));
            return Ok(false);
        }
    };
    info!(
        asset.path = %path,
        "`{}` of a deleted medium was not in its place: its bytes are whole at `{path}`",
        file.path
    );
    if path.as_str() != file.path {
        let (id, now) = (file.media_id.clone(), run.now());
        run.store(move |store| store.record_gave_way(&id, path.as_str(), now))
            .await?;
    }
    Ok(true)
}

impl Search {
    /// `None` where the row names nothing that could be found.
    fn plan(store: &mut Store, file: &RetiredFile) -> Result<Option<Self>, StoreError> {
        let Ok(digest) = file.sha256.parse() else {
            return Ok(None);
        };
        let id = file.media_id.as_str();
        let is_free = |path: &RelPath| -> Result<bool, StoreError> {
            Ok(store.path_owner(path.as_str(), &file.media_id)?.is_none())
        };
        let mut own = Vec::new();
        for path in places(&file.listed_url, id).into_iter().flatten() {
            if path.as_str() != file.path && is_free(&path)? {
                own.push(path);
            }
        }
        let recorded = RelPath::parse(&file.path).ok();
        let home = match recorded {
            Some(path) if is_free(&path)? => Ok(path),
            Some(_) | None => safe_path(&file.listed_url, id),
        };
        let copies = store.mirrored_copies(&file.sha256)?.into_iter();
        let copies = copies.filter(|(path, _)| *path != file.path);
        Ok(home.ok().map(|home| Self {
            digest,
            own,
            copies: copies
                .filter_map(|(path, _)| RelPath::parse(&path).ok())
                .collect(),
            home,
        }))
    }

    /// Returns where the bytes are from now on.
    fn find(self, mirror: &Mirror) -> Result<Option<RelPath>, MirrorError> {
        let Self { digest, home, .. } = self;
        for path in self.own {
            if mirror.hash(&path)?.is_some_and(|at| at.sha256 == digest) {
                return Ok(Some(path));
            }
        }
        if mirror.restore_archived(&digest, &home)?.is_some() {
            return Ok(Some(home));
        }
        for path in self.copies {
            let from = Superseded {
                path,
                sha256: digest,
            };
            if mirror.restore_copy(&from, &home)?.is_some() {
                return Ok(Some(home));
            }
        }
        Ok(None)
    }
}
