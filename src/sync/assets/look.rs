//! Looking at the mirror before a run asks for anything.

use super::{ROWS, elsewhere};
use crate::mirror::{Glances, MirrorError};
use crate::model::{MediaId, OnDisk, ProblemKind, RelPath, Why, counted};
use crate::store::SavedAsset;
use crate::sync::RunError;
use crate::sync::dry;
use crate::sync::run::Run;
use tracing::{info, warn};

/// A mirror that lost all its files, if these were more, is perhaps another one.
const FEW: u64 = 10;

/// How many lost files are named in the log, each in a line of its own.
const NAMED: u64 = 20;

/// What a look at some files found.
#[derive(Debug, Default)]
struct Seen {
    /// Those that the mirror lost, and why.
    lost: Vec<(MediaId, Why)>,
    /// Those that were gone and are there again.
    found: Vec<MediaId>,
    /// How many the mirror should hold.
    wanted: u64,
    /// How many the disk refused to tell about, and the first such error.
    untold: u64,
    refusal: Option<MirrorError>,
}

/// Looks at every file that the mirror must hold, or that is gone.
///
/// Those that the mirror lost or that are not as long as they should be become owed. Of deleted media they
/// cannot be had again: each run says so until they are back, or accepted as lost. Those that were gone and lie in the mirror
/// again, put back by a person or behind a volume that was not mounted in the meantime, are taken in.
/// Where the disk refuses to tell, nothing is concluded: the file may be whole, and fetched it could not be put there.
///
/// A dry run counts them and records nothing.
pub(super) async fn sweep(run: &Run) -> Result<(), RunError> {
    let mut glances = run.rooms.files.reader().map(Glances::new);
    let is_dry = run.id.is_none();
    let mut after = 0;
    let (mut wanted, mut lost_so_far, mut missing) = (0, 0, 0);
    let (mut untold, mut refusal) = (0, None);
    while !run.is_stopping() {
        let files = run
            .store(move |store| store.saved_assets(after, 4 * ROWS))
            .await?;
        let Some(last) = files.last() else { break };
        after = last.row;
        let named = NAMED.saturating_sub(lost_so_far);
        let seen = look_at(&mut glances, files, named).await?;
        wanted += seen.wanted;
        lost_so_far += seen.lost.len() as u64;
        missing += seen
            .lost
            .iter()
            .filter(|(_, why)| *why == Why::Missing)
            .count() as u64;
        untold += seen.untold;
        refusal = refusal.or(seen.refusal);
        let found = seen.found;
        let lost = elsewhere::seek(run, seen.lost).await?;
        if is_dry {
            dry::lost(run, lost).await?;
            continue;
        }
        if !found.is_empty() {
            info!(
                "{} back in the mirror",
                counted(
                    found.len() as u64,
                    "file that was gone is",
                    "files that were gone are"
                )
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
        }
    }
    if lost_so_far > NAMED {
        let more = lost_so_far - NAMED;
        warn!("{more} more files in the mirror are missing or damaged");
    }
    if missing == wanted && missing > FEW {
        let now = match is_dry {
            true => "would be fetched again",
            false => "are fetched again",
        };
        let first = match is_dry {
            true => "mount it",
            false => "stop this run and mount it",
        };
        warn!(
            "none of the {missing} files that the mirror (`storage.mirror`) should hold is there, and they {now}; if its volume is not \
             mounted, {first}: what is found there then is not fetched"
        );
    }
    say_untold(run, untold, refusal.as_ref());
    Ok(())
}

fn say_untold(run: &Run, untold: u64, refusal: Option<&MirrorError>) {
    let Some(refusal) = refusal else { return };
    let why = crate::model::chain(refusal);
    run.problem(
        ProblemKind::Owed,
        "assets",
        format!(
            "{} of the mirror cannot be looked at, for example: {why}",
            counted(untold, "file", "files")
        ),
        refusal.hint().map(str::to_owned),
    );
}

/// Looks at the files of media that this run marked as deleted, and of those that its listing lacks and whose files it asked for
/// in vain. One that was owed counts as saved from then on, and nobody has looked for it: the sweep leaves out what is owed.
/// Nothing else may be under way, so it is the last look of a run.
///
/// Where a run is cut off before it, the next one's sweep finds the same.
pub(in crate::sync) async fn look_at_retired(run: &Run) -> Result<(), RunError> {
    if run.is_stopping() {
        return Ok(());
    }
    let mut retired = std::mem::take(&mut run.sheet().retired);
    retired.extend(call_off_looks(run).await?);
    for id in &retired {
        run.forgive_asset(id);
    }
    let mut glances = run.rooms.files.reader().map(Glances::new);
    let (mut untold, mut refusal) = (0, None);
    let (mut lost_so_far, mut of_deleted) = (0, 0);
    for ids in retired.chunks(4 * ROWS) {
        if run.is_stopping() {
            return Ok(());
        }
        let ids = ids.to_vec();
        let files = run.store(move |store| store.saved_assets_of(&ids)).await?;
        let named = NAMED.saturating_sub(lost_so_far);
        let seen = look_at(&mut glances, files, named).await?;
        untold += seen.untold;
        refusal = refusal.or(seen.refusal);
        let lost = elsewhere::seek(run, seen.lost).await?;
        if lost.is_empty() {
            continue;
        }
        lost_so_far += lost.len() as u64;
        let now = run.now();
        of_deleted += run
            .store(move |store| store.record_lost(&lost, now))
            .await?;
    }
    run.sheet().has_lost_retired = of_deleted > 0;
    say_unlisted(run, lost_so_far.saturating_sub(of_deleted));
    say_untold(run, untold, refusal.as_ref());
    Ok(())
}

/// Calls off looks at files whose media the listing lacks. Returns whose.
async fn call_off_looks(run: &Run) -> Result<Vec<MediaId>, RunError> {
    let is_any_missing = run.sheet().media.missing > 0;
    match run.id.filter(|_| is_any_missing) {
        Some(id) => {
            let now = run.now();
            let called_off = run.store(move |store| store.call_off_looks(id, now));
            Ok(called_off.await?)
        }
        None => Ok(Vec::new()),
    }
}

fn say_unlisted(run: &Run, lost: u64) {
    if lost == 0 {
        return;
    }
    let files = counted(lost, "file is", "files are");
    let media = match lost {
        1 => "its medium is",
        _ => "their media are",
    };
    run.problem(
        ProblemKind::Owed,
        "assets",
        format!("{files} missing from the mirror or damaged there, and {media} not listed any more"),
        Some(
            "the next run tells whether the service still has what is missing; `verify --repair` puts back what lies elsewhere \
             here"
                .to_owned(),
        ),
    );
}

/// Looks at files in their order, on a thread that may wait for the disk. The first lost ones are named, so many at most.
async fn look_at(
    glances: &mut Option<Glances>,
    files: Vec<SavedAsset>,
    named: u64,
) -> Result<Seen, RunError> {
    let mut lent = glances.take();
    let (seen, lent) = crate::blocking::run(move || {
        let seen = look(lent.as_mut(), files, named);
        (seen, lent)
    })
    .await?;
    *glances = lent;
    Ok(seen)
}

/// Without a mirror no file is there.
fn look(mut glances: Option<&mut Glances>, files: Vec<SavedAsset>, named: u64) -> Seen {
    let mut seen = Seen::default();
    for asset in files {
        seen.wanted += u64::from(asset.gone.is_none());
        // A path that is no path any more is a file that is not there.
        let mut place = glances.as_deref_mut().zip(RelPath::parse(&asset.path).ok());
        let checked = place
            .as_mut()
            .map(|(glances, path)| glances.check(path, asset.bytes));
        let on_disk = match standing(checked) {
            Ok(on_disk) => on_disk,
            Err(refusal) => {
                seen.untold += 1;
                seen.refusal.get_or_insert(refusal);
                continue;
            }
        };
        let why = match (on_disk, &asset.gone) {
            (OnDisk::Intact, Some(sha256)) => {
                // Read, not only measured: this is the one chance to see that it is the same file.
                let hashed =
                    place.and_then(|(glances, path)| glances.reader().hash(&path).ok().flatten());
                if hashed.is_some_and(|hashed| hashed.sha256.to_string() == *sha256) {
                    seen.found.push(asset.media_id);
                }
                continue;
            }
            (OnDisk::Intact, None) | (OnDisk::Missing | OnDisk::Damaged, Some(_)) => continue,
            (OnDisk::Missing, None) => Why::Missing,
            (OnDisk::Damaged, None) => Why::Damaged,
        };
        if (seen.lost.len() as u64) < named {
            warn!(asset.path = asset.path, %why, "`{}` in the mirror is {why}", asset.path);
        }
        seen.lost.push((asset.media_id, why));
    }
    seen
}

/// Says what a look at a path means. A way that leads out of the mirror is a file that is not there.
fn standing(checked: Option<Result<OnDisk, MirrorError>>) -> Result<OnDisk, MirrorError> {
    match checked {
        Some(Ok(on_disk)) => Ok(on_disk),
        Some(Err(err)) if err.is_no_answer() => Err(err),
        Some(Err(_)) | None => Ok(OnDisk::Missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Error, ErrorKind};

    fn refused(source: Error) -> Option<Result<OnDisk, MirrorError>> {
        let (doing, path) = ("look at", "a/b.png".to_owned());
        let err = MirrorError::Io {
            doing,
            path,
            source,
        };
        Some(Err(err))
    }

    #[test]
    fn a_file_that_the_disk_refuses_to_tell_about_is_not_taken_for_lost() {
        // EACCES, EIO, ESTALE.
        for errno in [13, 5, 116] {
            let standing = standing(refused(Error::from_raw_os_error(errno)));
            assert!(standing.is_err(), "{errno}");
        }
        // How the way out through a link is told, which is no word of the disk's.
        let escape = Error::new(ErrorKind::PermissionDenied, "a path led outside");
        for checked in [None, Some(Ok(OnDisk::Missing)), refused(escape)] {
            assert_eq!(standing(checked).ok(), Some(OnDisk::Missing));
        }
        let damaged = standing(Some(Ok(OnDisk::Damaged)));
        assert_eq!(damaged.ok(), Some(OnDisk::Damaged));
    }
}
