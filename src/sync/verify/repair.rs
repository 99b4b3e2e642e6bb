//! What can be put right: bytes that are whole somewhere here are copied, what the service still has is
//! owed again. Damaged bytes are never removed; what takes their place sends them to the archive.
//!
//! Each repair is whole in itself, so a process that dies between two of them leaves nothing half done,
//! and whatever was done already is no difference the next time.

use super::eye::{Wanted, Wrong};
use super::mirror::wanted;
use super::unclaimed::{self, Found};
use super::{Verify, VerifyHand};
use crate::mirror::{Digest, MirrorError, Superseded};
use crate::model::{DifferenceKind, MediaId, RelPath, Repair, Why, chain};
use crate::store::HeldFile;
use crate::sync::VerifyError;
use std::sync::Arc;

/// What was done about a difference.
#[derive(Clone, Debug)]
pub(super) struct Repaired {
    pub(super) repair: Repair,
    /// What is left to be done, or what was.
    pub(super) remedy: String,
}

impl Repaired {
    fn new(repair: Repair, remedy: impl Into<String>) -> Self {
        Self {
            repair,
            remedy: remedy.into(),
        }
    }
}

/// The answer where there is nothing that repairs; `None` if nobody asked for it.
pub(super) fn impossible(verify: &Verify) -> Option<Repaired> {
    let text = "it cannot be repaired from here";
    verify
        .rooms
        .hand
        .as_ref()
        .map(|_| Repaired::new(Repair::Impossible, text))
}

/// Repairs a file of the mirror.
pub(super) async fn mirrored(
    verify: &Verify,
    file: &HeldFile,
    wrong: &Wrong,
) -> Result<Option<Repaired>, VerifyError> {
    let Some(hand) = &verify.rooms.hand else {
        return Ok(None);
    };
    if wrong.kind == DifferenceKind::Unreadable && !wrong.is_device_failure {
        // Perhaps it is whole. And nothing can be put in the place of what cannot be looked at.
        let text = "make it readable (permissions, disk), then verify again";
        return Ok(Some(Repaired::new(Repair::Impossible, text)));
    }
    let mut trouble = None;
    if let Ok((path, wanted)) = wanted(file) {
        match restore(verify, hand, &path, wanted).await? {
            Ok(Restored::From(from)) => {
                let text = format!("copied from {from}");
                return Ok(Some(Repaired::new(Repair::Restored, text)));
            }
            Ok(Restored::Nowhere) => {}
            Ok(Restored::Untold(why)) => trouble = Some(why),
            Err(err) => trouble = Some(chain(&err)),
        }
    }
    if file.is_live
        && let Ok(id) = MediaId::parse(&file.media_id)
    {
        let why = match wrong.kind == DifferenceKind::Missing {
            true => Why::Missing,
            false => Why::Damaged,
        };
        let now = (verify.options.now)();
        hand.store
            .call(move |store| store.record_lost(&[(id, why)], now))
            .await?;
        let text = "the next `sync` fetches it again";
        return Ok(Some(Repaired::new(Repair::OwedAgain, text)));
    }
    Ok(Some(match trouble {
        Some(err) => Repaired::new(Repair::Failed, err),
        None => Repaired::new(Repair::Impossible, super::archive::lost(wrong.kind)),
    }))
}

/// What came of looking for whole bytes.
enum Restored {
    /// They are copied, from there.
    From(String),
    /// Nothing here has them.
    Nowhere,
    /// Something may have them and cannot be read, in words.
    Untold(String),
}

/// Copies whole bytes to a path: from the archive, from another file that a row knows, or from one that none knows.
async fn restore(
    verify: &Verify,
    hand: &VerifyHand,
    path: &RelPath,
    wanted: Wanted,
) -> Result<Result<Restored, MirrorError>, VerifyError> {
    match restore_known(verify, hand, path, wanted.sha256).await? {
        Ok(Some(from)) => return Ok(Ok(Restored::From(from))),
        Ok(None) => {}
        Err(err) => return Ok(Err(err)),
    }
    let from = match unclaimed::find(verify, wanted).await? {
        Found::File(from) => from,
        Found::Nothing => return Ok(Ok(Restored::Nowhere)),
        Found::Untold(why) => return Ok(Ok(Restored::Untold(why))),
    };
    let (mirror, path) = (Arc::clone(&hand.mirror), path.clone());
    let restored = crate::blocking::run(move || {
        let restored = mirror.restore_stranger(&from, &wanted.sha256, &path)?;
        Ok(match restored {
            Some(_) => Restored::From(format!("`mirror/{from}`")),
            None => Restored::Untold(changed(&from)),
        })
    });
    Ok(restored.await?)
}

fn changed(from: &str) -> String {
    format!("`mirror/{from}` had these bytes and changed meanwhile: verify again")
}

/// Copies whole bytes to a path, from the archive or from another file that a row knows. Says from where; `None` if there are
/// none.
async fn restore_known(
    verify: &Verify,
    hand: &VerifyHand,
    path: &RelPath,
    digest: Digest,
) -> Result<Result<Option<String>, MirrorError>, VerifyError> {
    let sha256 = digest.to_string();
    let copies = verify
        .ask(move |store| super::archive::copies(store, &sha256))
        .await?;
    let (mirror, path) = (Arc::clone(&hand.mirror), path.clone());
    let restored = crate::blocking::run(move || {
        if mirror.restore_archived(&digest, &path)?.is_some() {
            return Ok(Some("the archive".to_owned()));
        }
        for copy in copies.into_iter().filter(|copy| *copy != path) {
            let from = Superseded {
                path: copy,
                sha256: digest,
            };
            if mirror.restore_copy(&from, &path)?.is_some() {
                return Ok(Some(format!("`mirror/{}`", from.path)));
            }
        }
        Ok(None)
    });
    Ok(restored.await?)
}

/// Repairs archived bytes, of which the mirror may have a copy.
pub(super) async fn archived(
    verify: &Verify,
    wanted: Wanted,
    copy: Option<&RelPath>,
    wrong: &Wrong,
) -> Result<Option<Repaired>, VerifyError> {
    let Some(hand) = &verify.rooms.hand else {
        return Ok(None);
    };
    let impossible = Repaired::new(Repair::Impossible, super::archive::lost(wrong.kind));
    if wrong.kind == DifferenceKind::Unreadable {
        return Ok(Some(impossible));
    }
    let Some(path) = copy else {
        return Ok(Some(match unclaimed::find(verify, wanted).await? {
            Found::File(from) => archived_from(hand, wanted.sha256, from).await?,
            Found::Untold(why) => Repaired::new(Repair::Failed, why),
            Found::Nothing => impossible,
        }));
    };
    let file = Superseded {
        path: path.clone(),
        sha256: wanted.sha256,
    };
    let mirror = Arc::clone(&hand.mirror);
    let kept = crate::blocking::run(move || mirror.keep_archived(&file)).await?;
    Ok(Some(match kept {
        Ok(true) => Repaired::new(Repair::Restored, format!("copied from `mirror/{path}`")),
        Ok(false) => impossible,
        Err(err) => Repaired::new(Repair::Failed, chain(&err)),
    }))
}

/// Copies a file that no row knows to the archive.
async fn archived_from(
    hand: &VerifyHand,
    digest: Digest,
    from: String,
) -> Result<Repaired, VerifyError> {
    let (mirror, path) = (Arc::clone(&hand.mirror), from.clone());
    let kept = crate::blocking::run(move || mirror.archive_stranger(&path, &digest)).await?;
    Ok(match kept {
        Ok(true) => Repaired::new(Repair::Restored, format!("copied from `mirror/{from}`")),
        Ok(false) => Repaired::new(Repair::Failed, changed(&from)),
        Err(err) => Repaired::new(Repair::Failed, chain(&err)),
    })
}
