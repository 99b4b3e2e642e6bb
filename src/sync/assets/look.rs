//! Looking at the mirror before a run asks for anything.

use super::ROWS;
use crate::mirror::Mirror;
use crate::model::{MediaId, OnDisk, ProblemKind, RelPath, Why};
use crate::store::SavedAsset;
use crate::sync::RunError;
use crate::sync::run::Run;
use std::sync::Arc;
use tracing::{info, warn};

/// Makes files owed that the mirror lost or that are not as long as they should be. Of deleted media
/// they cannot be had again: that is said once, when it is found.
pub(super) async fn sweep(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    let mut after: Option<MediaId> = None;
    let mut gone = 0;
    while !run.is_stopping() {
        let from = after.clone();
        let saved = run
            .store(move |store| store.saved_assets(from.as_ref(), 4 * ROWS))
            .await?;
        let Some(last) = saved.last() else { break };
        after = Some(last.media_id.clone());
        let looked = Arc::clone(mirror);
        let lost = tokio::task::spawn_blocking(move || {
            saved
                .into_iter()
                .filter_map(|asset| {
                    // A path that is no path any more, or a folder that cannot be read, is a file that is not there.
                    let on_disk = RelPath::parse(&asset.path)
                        .ok()
                        .and_then(|path| looked.check(&path, asset.bytes).ok())
                        .unwrap_or(OnDisk::Missing);
                    let why = match on_disk {
                        OnDisk::Intact => return None,
                        OnDisk::Missing => Why::Missing,
                        OnDisk::Damaged => Why::Damaged,
                    };
                    warn!(asset.path = asset.path, %why, "`{}` in the mirror is {why}", asset.path);
                    Some((asset.media_id, why))
                })
                .collect::<Vec<_>>()
        })
        .await?;
        if !lost.is_empty() {
            let now = run.now();
            let count = lost.len() as u64;
            let of_deleted = run
                .store(move |store| store.record_lost(&lost, now))
                .await?;
            run.tally
                .files_expected
                .add(count.saturating_sub(of_deleted));
            gone += of_deleted;
        }
    }
    if gone > 0 {
        run.problem(
            ProblemKind::Owed,
            "assets",
            format!("{gone} files of deleted media are missing or damaged, and the service has them no more"),
            Some(
                "put them back from another copy of this backup, and the next run takes them in \
                 (their paths and digests: table `assets`, state `gone`)"
                    .to_owned(),
            ),
        );
    }
    Ok(())
}

/// Takes in files that were gone and lie in the mirror again: put back by a person, or behind a
/// volume that was not mounted in the meantime.
pub(super) async fn welcome_back(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    let mut after: Option<MediaId> = None;
    while !run.is_stopping() {
        let from = after.clone();
        let gone = run
            .store(move |store| store.gone_assets(from.as_ref(), ROWS))
            .await?;
        let Some(last) = gone.last() else { break };
        after = Some(last.media_id.clone());
        let looked = Arc::clone(mirror);
        let found = tokio::task::spawn_blocking(move || {
            let is_back = |asset: &SavedAsset| {
                let path = RelPath::parse(&asset.path).ok()?;
                let on_disk = looked.check(&path, asset.bytes).ok()?;
                // Read, not only measured: this is the one chance to see that it is the same file.
                let hashed = (on_disk == OnDisk::Intact).then(|| looked.hash(&path))?;
                Some(hashed.ok()??.sha256.to_string() == asset.sha256)
            };
            gone.into_iter()
                .filter(|asset| is_back(asset) == Some(true))
                .map(|asset| asset.media_id)
                .collect::<Vec<_>>()
        })
        .await?;
        if !found.is_empty() {
            info!(
                "{} files that were gone are back in the mirror",
                found.len()
            );
            run.store(move |store| store.record_found(&found)).await?;
        }
    }
    Ok(())
}
