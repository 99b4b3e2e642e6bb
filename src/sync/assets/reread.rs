//! Reading what `verify` found wrong: the look at lengths that each run takes does not see damage of the same length.

use super::ROWS;
use crate::mirror::{Mirror, MirrorError};
use crate::model::{ProblemKind, RelPath, Why, chain, counted};
use crate::store::{Reread, WrongFile};
use crate::sync::RunError;
use crate::sync::options::Stop;
use crate::sync::run::Run;
use std::io;
use std::sync::Arc;
use tracing::warn;

/// Reads the files that a `verify` found wrong, and owes those that are wrong still, or that the device cannot read: what is
/// fetched then lies elsewhere on it. One that may not be read waits for the next run.
pub(super) async fn reread(run: &Run, mirror: &Arc<Mirror>) -> Result<(), RunError> {
    if !run.store(|store| store.sift_wrong_files()).await? {
        return Ok(());
    }
    let mut after = None;
    let (mut unread, mut refusal) = (0, None);
    while !run.is_stopping() {
        let from = after.clone();
        let files = run
            .store(move |store| store.wrong_files(from.as_ref(), ROWS))
            .await?;
        let Some(last) = files.last() else { break };
        after = Some(last.media_id.clone());
        let (mirror, stop) = (Arc::clone(mirror), run.stop.clone());
        let (read, refused) = crate::blocking::run(move || read_all(&mirror, files, &stop)).await?;
        unread += refused.len();
        refusal = refusal.or(refused.into_iter().next());
        let lost = read.iter().filter(|file| file.why.is_some()).count() as u64;
        let now = run.now();
        run.store(move |store| store.record_reread(&read, now))
            .await?;
        run.tally.files_expected.add(lost);
    }
    if let Some(refusal) = refusal {
        let files = counted(unread as u64, "file", "files");
        let message = format!(
            "{files} that `verify` found wrong cannot be read, for example: {}",
            chain(&refusal)
        );
        let hint = refusal.hint().unwrap_or(
            "look at the disk, and move the file away if it stays so: then it is fetched again",
        );
        run.problem(ProblemKind::Owed, "assets", message, Some(hint.to_owned()));
    }
    Ok(())
}

/// Returns what was read, and why the others could not be.
fn read_all(
    mirror: &Mirror,
    files: Vec<WrongFile>,
    stop: &Stop,
) -> (Vec<Reread>, Vec<MirrorError>) {
    let (mut read, mut refused) = (Vec::new(), Vec::new());
    for file in files {
        let why = match look(mirror, &file, stop) {
            _ if stop.requested().is_some() => break,
            Ok(why) => why,
            Err(err) => {
                refused.push(err);
                continue;
            }
        };
        if let Some(why) = why {
            warn!(asset.path = file.path, %why, "`{}` in the mirror is {why}", file.path);
        }
        let media_id = file.media_id;
        read.push(Reread { media_id, why });
    }
    (read, refused)
}

/// Returns why a file is to be fetched again; `None` if its bytes are the recorded ones.
fn look(mirror: &Mirror, file: &WrongFile, stop: &Stop) -> Result<Option<Why>, MirrorError> {
    // A path that is no path any more is a file that is not there.
    let Ok(path) = RelPath::parse(&file.path) else {
        return Ok(Some(Why::Missing));
    };
    let mut heed = |_read| match stop.requested() {
        Some(_) => Err(io::Error::from(io::ErrorKind::Interrupted)),
        None => Ok(()),
    };
    let hashed = match mirror.hash_heeding(&path, &mut heed) {
        Err(err) if err.is_device_failure() => {
            warn!(asset.path = file.path, "{}", chain(&err));
            return Ok(Some(Why::Damaged));
        }
        hashed => hashed?,
    };
    Ok(match hashed {
        Some(hashed) if hashed.sha256.to_string() == file.sha256 => None,
        Some(_) => Some(Why::Damaged),
        None => Some(Why::Missing),
    })
}
