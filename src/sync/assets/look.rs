//! Looking at the mirror before a run asks for anything.

use super::ROWS;
use crate::mirror::Mirror;
use crate::model::{MediaId, OnDisk, ProblemKind, RelPath, Why};
use crate::store::SavedAsset;
use crate::sync::RunError;
use crate::sync::run::Run;
use std::sync::Arc;
use tracing::{info, warn};

/// Looks at every file that the mirror must hold, or that is gone.
///
/// Those that the mirror lost or that are not as long as they should be become owed. Of deleted media they
/// cannot be had again: that is said once, when it is found. Those that were gone and lie in the mirror
/// again, put back by a person or behind a volume that was not mounted in the meantime, are taken in.
pub(super) async fn sweep(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    let (mut after, mut gone) = (0, 0);
    while !run.is_stopping() {
        let files = run
            .store(move |store| store.saved_assets(after, 4 * ROWS))
            .await?;
        let Some(last) = files.last() else { break };
        after = last.row;
        let looked = Arc::clone(mirror);
        let (lost, found) = tokio::task::spawn_blocking(move || look_at(&looked, files)).await?;
        if !found.is_empty() {
            info!(
                "{} files that were gone are back in the mirror",
                found.len()
            );
            run.store(move |store| store.record_found(&found)).await?;
        }
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

/// Returns which files are lost, and which are found again.
fn look_at(mirror: &Mirror, files: Vec<SavedAsset>) -> (Vec<(MediaId, Why)>, Vec<MediaId>) {
    let (mut lost, mut found) = (Vec::new(), Vec::new());
    for asset in files {
        // A path that is no path any more, or a folder that cannot be read, is a file that is not there.
        let path = RelPath::parse(&asset.path).ok();
        let on_disk = path
            .as_ref()
            .and_then(|path| mirror.check(path, asset.bytes).ok())
            .unwrap_or(OnDisk::Missing);
        let why = match on_disk {
            OnDisk::Intact if asset.is_gone => {
                // Read, not only measured: this is the one chance to see that it is the same file.
                let hashed = path.and_then(|path| mirror.hash(&path).ok().flatten());
                if hashed.is_some_and(|hashed| hashed.sha256.to_string() == asset.sha256) {
                    found.push(asset.media_id);
                }
                continue;
            }
            OnDisk::Missing | OnDisk::Damaged if asset.is_gone => continue,
            OnDisk::Intact => continue,
            OnDisk::Missing => Why::Missing,
            OnDisk::Damaged => Why::Damaged,
        };
        warn!(asset.path = asset.path, %why, "`{}` in the mirror is {why}", asset.path);
        lost.push((asset.media_id, why));
    }
    (lost, found)
}
