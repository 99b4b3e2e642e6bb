//! The archived bytes: each that an earlier version names is there, whole. Where the bytes are those of a
//! current file, the mirror has them and the archive need not.

use super::eye::{Eye, Look, Place, Wanted, Wrong};
use super::{CHUNK, ROWS, Verify, losses, repair};
use crate::mirror::Digest;
use crate::model::{Difference, DifferenceKind, RelPath};
use crate::store::{NeededBytes, Store, StoreError};
use crate::sync::VerifyError;
use futures_util::stream::{self, StreamExt as _};

/// What came of looking for bytes.
enum Verdict {
    Good,
    /// A person knows that nobody has them any more.
    Lost,
    Bad {
        wrong: Wrong,
        /// Where the mirror has them, whole.
        copy: Option<RelPath>,
    },
    Stopped,
}

pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    let Some(eye) = verify.eye() else {
        return Ok(());
    };
    let mut after = String::new();
    while !verify.is_stopping() {
        let from = after.clone();
        let needed = verify
            .ask(move |store| store.needed_bytes(&from, ROWS))
            .await?;
        let Some(last) = needed.last() else { break };
        if last.sha256 <= after {
            // The next look would find the same ones: a digest that is no text, and no order in it.
            unordered(verify, &last.sha256).await;
            break;
        }
        after.clone_from(&last.sha256);
        let suspects = look_at_all(verify, &eye, needed).await?;
        if !suspects.is_empty() {
            look_again(verify, &eye, suspects).await?;
        }
        verify.say();
    }
    Ok(())
}

async fn look_at_all(
    verify: &Verify,
    eye: &Eye,
    needed: Vec<NeededBytes>,
) -> Result<Vec<NeededBytes>, VerifyError> {
    let chunks: Vec<Vec<NeededBytes>> = needed.chunks(CHUNK).map(<[_]>::to_vec).collect();
    let mut looks = stream::iter(chunks)
        .map(|chunk| {
            let eye = eye.clone();
            crate::blocking::run(move || {
                let look = |bytes| (verdict(&eye, &bytes, &[]), bytes);
                chunk.into_iter().map(look).collect::<Vec<_>>()
            })
        })
        .buffer_unordered(verify.options.jobs.max(1));
    let mut suspects = Vec::new();
    while let Some(looked) = looks.next().await {
        for (verdict, bytes) in looked? {
            match verdict {
                // Where the mirror may have them is told by the second look.
                Verdict::Bad { .. } | Verdict::Lost => suspects.push(bytes),
                Verdict::Good if bytes.is_accepted => suspects.push(bytes),
                clear @ (Verdict::Good | Verdict::Stopped) => count(verify, &clear),
            }
        }
    }
    Ok(suspects)
}

/// Looks once more, with what the rows say now, and in the mirror too: most often a file only got
/// another name. What is still wrong then is looked at a last time when a run has had its time.
async fn look_again(
    verify: &Verify,
    eye: &Eye,
    suspects: Vec<NeededBytes>,
) -> Result<(), VerifyError> {
    let mut left = Vec::new();
    for (bytes, verdict) in look_with_copies(verify, eye, suspects).await? {
        match verdict {
            Verdict::Bad { .. } => left.push(bytes),
            clear @ (Verdict::Good | Verdict::Lost | Verdict::Stopped) => {
                if bytes.is_accepted && matches!(clear, Verdict::Good) {
                    verify.sheet().regained.push(bytes.sha256);
                }
                count(verify, &clear);
            }
        }
    }
    if left.is_empty() {
        return Ok(());
    }
    verify.be_patient().await;
    for (bytes, verdict) in look_with_copies(verify, eye, left).await? {
        count(verify, &verdict);
        if let Verdict::Bad { wrong, copy } = verdict {
            name(verify, &bytes, wrong, copy).await?;
        }
    }
    Ok(())
}

/// Looks at bytes that are needed still, where the rows say that they may be by now.
async fn look_with_copies(
    verify: &Verify,
    eye: &Eye,
    suspects: Vec<NeededBytes>,
) -> Result<Vec<(NeededBytes, Verdict)>, VerifyError> {
    let digests: Vec<String> = suspects.into_iter().map(|bytes| bytes.sha256).collect();
    let needed = verify
        .ask(move |store| {
            let needed = store.needed_bytes_of(&digests)?.into_iter();
            needed
                .map(|bytes| {
                    let paths = copies(store, &bytes.sha256)?;
                    Ok((bytes, paths))
                })
                .collect::<Result<Vec<_>, StoreError>>()
        })
        .await?;
    let eye = eye.clone();
    let looked = crate::blocking::run(move || {
        let look = |(bytes, paths): (NeededBytes, Vec<RelPath>)| {
            let verdict = verdict(&eye, &bytes, &paths);
            (bytes, verdict)
        };
        needed.into_iter().map(look).collect()
    });
    Ok(looked.await?)
}

/// Returns where the mirror may have bytes.
pub(super) fn copies(store: &Store, sha256: &str) -> Result<Vec<RelPath>, StoreError> {
    let mut paths = Vec::new();
    for (path, url) in store.mirrored_copies(sha256)? {
        paths.extend(RelPath::parse(&path).ok());
        let urls = url.iter();
        paths.extend(
            urls.flat_map(|url| [RelPath::for_url(url), RelPath::fallback(url)])
                .flatten(),
        );
    }
    Ok(paths)
}

fn verdict(eye: &Eye, bytes: &NeededBytes, copies: &[RelPath]) -> Verdict {
    if eye.pace.is_stopping() {
        return Verdict::Stopped;
    }
    let Some((digest, wanted)) = wanted(bytes) else {
        return Verdict::Bad {
            wrong: Wrong {
                kind: DifferenceKind::Row,
                found: format!("`{}`, which is not a SHA-256", bytes.sha256),
                is_device_failure: false,
            },
            copy: None,
        };
    };
    // What was accepted as lost may lie there, damaged.
    let reads = bytes.is_accepted || eye.slice.holds(&bytes.sha256);
    let wrong = match eye.look(Place::Archive(&digest), &wanted, reads) {
        Look::Right => return Verdict::Good,
        Look::Stopped => return Verdict::Stopped,
        Look::Wrong(wrong) => wrong,
    };
    let mut copy = None;
    for path in copies {
        match eye.look(Place::Mirror(path), &wanted, reads) {
            Look::Right => {
                copy = Some(path.clone());
                break;
            }
            Look::Wrong(_) => {}
            Look::Stopped => return Verdict::Stopped,
        }
    }
    if wrong.kind == DifferenceKind::Missing && copy.is_some() {
        return Verdict::Good;
    }
    if bytes.is_accepted && copy.is_none() && wrong.kind.is_of_bytes() {
        return Verdict::Lost;
    }
    Verdict::Bad { wrong, copy }
}

fn wanted(bytes: &NeededBytes) -> Option<(Digest, Wanted)> {
    let sha256: Digest = bytes.sha256.parse().ok()?;
    let wanted = Wanted {
        bytes: bytes.bytes,
        sha256,
    };
    Some((sha256, wanted))
}

fn count(verify: &Verify, verdict: &Verdict) {
    let checked = &mut verify.sheet().archive;
    match verdict {
        Verdict::Good => checked.good += 1,
        Verdict::Lost => checked.skipped += 1,
        Verdict::Bad { .. } => checked.different += 1,
        Verdict::Stopped => return,
    }
    checked.checked += 1;
}

async fn name(
    verify: &Verify,
    bytes: &NeededBytes,
    wrong: Wrong,
    copy: Option<RelPath>,
) -> Result<(), VerifyError> {
    let wanted = wanted(bytes);
    let repaired = match &wanted {
        Some((_, wanted)) => repair::archived(verify, *wanted, copy.as_ref(), &wrong).await?,
        None => repair::impossible(verify),
    };
    if let Some((digest, _)) = &wanted
        && !bytes.is_live
    {
        losses::note(
            verify,
            repaired.as_ref(),
            wrong.kind,
            digest.to_string(),
            None,
        );
    }
    let remedy = match (&repaired, &copy) {
        (Some(repaired), _) => repaired.remedy.clone(),
        (None, Some(path)) => format!("`verify --repair` copies them from `mirror/{path}`"),
        (None, None) => lost(wrong.kind).to_owned(),
    };
    verify
        .tell(Difference {
            kind: wrong.kind,
            thing: format!("bytes of an earlier version of medium `{}`", bytes.media_id),
            place: match &wanted {
                Some(_) => place_of(&bytes.sha256),
                None => "assets_history".to_owned(),
            },
            expected: wanted.map_or_else(
                || "the SHA-256 of these bytes in `assets_history`".to_owned(),
                |(_, wanted)| wanted.words(),
            ),
            found: wrong.found,
            remedy,
            repair: repaired.map(|repaired| repaired.repair),
        })
        .await;
    Ok(())
}

/// What is left where there is no copy.
pub(super) fn lost(kind: DifferenceKind) -> &'static str {
    if kind.is_of_bytes() {
        "no other copy is here: put the file back from another copy of this backup, or say that it is lost with \
         `verify --repair --accept-lost N`, for N of them at most"
    } else {
        "no other copy is here: put the file back from another copy of this backup"
    }
}

/// Where the archive keeps bytes with this digest.
fn place_of(sha256: &str) -> String {
    let part = |from, to| sha256.get(from..to).unwrap_or_default();
    format!("archive/{}/{}/{sha256}", part(0, 2), part(2, 4))
}

async fn unordered(verify: &Verify, sha256: &str) {
    verify.sheet().archive.checked += 1;
    verify.sheet().archive.different += 1;
    verify
        .tell(Difference {
            kind: DifferenceKind::Row,
            thing: "digests of earlier versions".to_owned(),
            place: "assets_history".to_owned(),
            expected: "texts in their order".to_owned(),
            found: format!("`{sha256}`; those behind it could not be looked at"),
            remedy: "restore the newest copy of the database, or correct the row by hand"
                .to_owned(),
            repair: repair::impossible(verify).map(|repaired| repaired.repair),
        })
        .await;
}
