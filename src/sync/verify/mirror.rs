//! The files of the mirror: each that a row calls saved is there, whole.

use super::eye::{Eye, Look, Place, Wanted, Wrong};
use super::{CHUNK, ROWS, Verify, losses, repair};
use crate::mirror::{Digest, Lying};
use crate::model::verify::WRONG_FILES_NOTED;
use crate::model::{AssetState, Difference, DifferenceKind, MediaId, RelPath, Why};
use crate::store::HeldFile;
use crate::sync::VerifyError;
use crate::sync::download::places;
use futures_util::stream::{self, StreamExt as _};

/// What came of looking at one file.
#[derive(Debug)]
pub(super) enum Verdict {
    Good,
    /// It need not be there: it is owed, failed, gone or accepted as lost, and everybody says so.
    Skipped,
    Bad(Wrong),
    Stopped,
}

pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    let Some(eye) = verify.eye() else {
        return Ok(());
    };
    let mut after = i64::MIN;
    while !verify.is_stopping() {
        let rows = verify
            .ask(move |store| store.held_files(after, ROWS))
            .await?;
        let Some(last) = rows.last() else { break };
        after = last.row;
        let suspects = look_at_all(verify, &eye, rows).await?;
        if !suspects.is_empty() {
            look_again(verify, &eye, suspects).await?;
        }
        verify.say();
    }
    Ok(())
}

/// Looks at files side by side. Counts those that are clear, returns the others.
async fn look_at_all(
    verify: &Verify,
    eye: &Eye,
    rows: Vec<HeldFile>,
) -> Result<Vec<HeldFile>, VerifyError> {
    let mut chunks: Vec<Vec<HeldFile>> = Vec::with_capacity(rows.len() / CHUNK + 1);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        chunks.push(rows.by_ref().take(CHUNK).collect());
    }
    let mut looks = stream::iter(chunks)
        .map(|chunk| {
            let eye = eye.clone();
            crate::blocking::run(move || {
                let look = |file| (verdict(&eye, &file), file);
                chunk.into_iter().map(look).collect::<Vec<_>>()
            })
        })
        .buffer_unordered(verify.options.jobs.max(1));
    let mut suspects = Vec::new();
    while let Some(looked) = looks.next().await {
        for (verdict, file) in looked? {
            match verdict {
                Verdict::Bad(_) => suspects.push(file),
                clear @ (Verdict::Good | Verdict::Skipped | Verdict::Stopped) => {
                    count(verify, &clear);
                }
            }
        }
    }
    Ok(suspects)
}

/// Reads the rows of suspects anew and looks at their files once more: what is still wrong is named. A
/// row that is gone by now had its file removed with it.
async fn look_again(
    verify: &Verify,
    eye: &Eye,
    suspects: Vec<HeldFile>,
) -> Result<(), VerifyError> {
    verify.be_patient().await;
    let numbers: Vec<i64> = suspects.iter().map(|file| file.row).collect();
    let rows = verify
        .ask(move |store| store.held_files_of(&numbers))
        .await?;
    for file in rows {
        if verify.is_stopping() {
            break;
        }
        let (eye, asked) = (eye.clone(), file.clone());
        let (verdict, is_archived) =
            crate::blocking::run(move || (verdict(&eye, &asked), is_archived(&eye, &asked)))
                .await?;
        count(verify, &verdict);
        if let Verdict::Bad(wrong) = verdict {
            name(verify, &file, wrong, is_archived).await?;
        }
    }
    Ok(())
}

fn count(verify: &Verify, verdict: &Verdict) {
    let checked = &mut verify.sheet().mirror;
    match verdict {
        Verdict::Good => checked.good += 1,
        Verdict::Skipped => checked.skipped += 1,
        Verdict::Bad(_) => checked.different += 1,
        Verdict::Stopped => return,
    }
    checked.checked += 1;
}

async fn name(
    verify: &Verify,
    file: &HeldFile,
    wrong: Wrong,
    is_archived: bool,
) -> Result<(), VerifyError> {
    let expected = match wanted(file) {
        Ok((_, wanted)) => wanted.words(),
        Err(unusable) => unusable.expected,
    };
    let repaired = repair::mirrored(verify, file, &wrong).await?;
    if let (None, true, true, Ok(id)) = (
        &repaired,
        file.is_live,
        wrong.kind.is_of_bytes() || wrong.is_device_failure,
        MediaId::parse(&file.media_id),
    ) {
        let noted = &mut verify.sheet().wrong_files;
        if noted.len() < WRONG_FILES_NOTED {
            noted.push(id);
        }
    }
    if let (false, Ok((_, wanted)), Ok(id)) =
        (file.is_live, wanted(file), MediaId::parse(&file.media_id))
    {
        let sha256 = wanted.sha256.to_string();
        losses::note(verify, repaired.as_ref(), wrong.kind, sha256, Some(id));
    }
    let remedy = match &repaired {
        Some(repaired) => repaired.remedy.clone(),
        None => remedy(file, &wrong, is_archived).to_owned(),
    };
    let difference = Difference {
        kind: wrong.kind,
        thing: format!("file of medium `{}`", file.media_id),
        place: match &file.path {
            Some(path) => format!("mirror/{path}"),
            None => "assets".to_owned(),
        },
        expected,
        found: wrong.found,
        remedy,
        repair: repaired.map(|repaired| repaired.repair),
    };
    verify.tell(difference).await;
    Ok(())
}

fn remedy(file: &HeldFile, wrong: &Wrong, is_archived: bool) -> &'static str {
    if wrong.is_device_failure && file.is_live {
        "look at the disk; the next `sync` reads it once more, and fetches it again if that fails"
    } else if wrong.kind == DifferenceKind::Unreadable {
        "make it readable (permissions, disk), then verify again"
    } else if is_archived {
        "`verify --repair` puts these bytes back: the archive has them (a run that was cut off before it wrote its row \
         leaves this)"
    } else if file.is_live {
        "the next `sync` fetches it again; `verify --repair` first looks for its bytes here"
    } else {
        "its medium was deleted upstream: put the file back from another copy of this backup; `verify --repair` looks \
         for its bytes here, and with `--accept-lost N` ends the matter for N of them where there are none"
    }
}

/// A row that no run writes.
pub(super) struct Unusable {
    expected: String,
    found: String,
}

/// Returns where the file of a row must be, and what it must be.
pub(super) fn wanted(file: &HeldFile) -> Result<(RelPath, Wanted), Unusable> {
    let path = file.path.as_deref().unwrap_or_default();
    let path = RelPath::parse(path).map_err(|_unsafe| Unusable {
        expected: "a path that a file can have".to_owned(),
        found: format!("`{path}`"),
    })?;
    let sha256 = file.sha256.as_deref().unwrap_or_default();
    let sha256: Digest = sha256.parse().map_err(|_not_hex| Unusable {
        expected: "a SHA-256".to_owned(),
        found: format!("`{sha256}`"),
    })?;
    let wanted = Wanted {
        bytes: file.bytes,
        sha256,
    };
    Ok((path, wanted))
}

fn verdict(eye: &Eye, file: &HeldFile) -> Verdict {
    if eye.pace.is_stopping() {
        return Verdict::Stopped;
    }
    let is_known_lost = matches!(
        file.why.as_deref().and_then(Why::parse),
        Some(Why::Missing | Why::Damaged)
    );
    let is_settled = match AssetState::parse(&file.state) {
        // Never saved.
        Some(AssetState::Gone) if file.sha256.is_none() || !is_known_lost => {
            return Verdict::Skipped;
        }
        Some(AssetState::Gone) => return gone(eye, file),
        Some(AssetState::Saved) => true,
        Some(AssetState::Owed | AssetState::Failed) => false,
        None => {
            return bad_row("a state that a file can have", &format!("`{}`", file.state));
        }
    };
    if !is_settled && (file.sha256.is_none() || is_known_lost) {
        return Verdict::Skipped;
    }
    let (path, wanted) = match wanted(file) {
        Ok(wanted) => wanted,
        Err(unusable) => return bad_row(&unusable.expected, &unusable.found),
    };
    let reads = eye.slice.holds(&file.media_id);
    match eye.look(Place::Mirror(&path), &wanted, reads) {
        Look::Right if is_settled => Verdict::Good,
        // It is whole, and its replacement is owed.
        Look::Right => Verdict::Skipped,
        // The replacement is in place already, or is being put there, and its row comes next.
        Look::Wrong(_)
            if !is_settled && (is_archived(eye, file) || has_moved(eye, file, &wanted)) =>
        {
            Verdict::Skipped
        }
        Look::Wrong(wrong) => lost(file, wrong),
        Look::Stopped => Verdict::Stopped,
    }
}

/// The file of a deleted medium that the mirror lost, as a run saw.
fn gone(eye: &Eye, file: &HeldFile) -> Verdict {
    let (path, wanted) = match wanted(file) {
        Ok(wanted) => wanted,
        Err(unusable) => return bad_row(&unusable.expected, &unusable.found),
    };
    // Read in any case: a file of the right length may be the damaged one.
    match eye.look(Place::Mirror(&path), &wanted, true) {
        // The next run takes it in.
        Look::Right => Verdict::Skipped,
        Look::Wrong(wrong) => lost(file, wrong),
        Look::Stopped => Verdict::Stopped,
    }
}

/// What is wrong with a file, unless a person knows that nobody has it any more.
fn lost(file: &HeldFile, wrong: Wrong) -> Verdict {
    if file.is_accepted && !file.is_live && wrong.kind.is_of_bytes() {
        Verdict::Skipped
    } else {
        Verdict::Bad(wrong)
    }
}

fn bad_row(expected: &str, found: &str) -> Verdict {
    Verdict::Bad(Wrong {
        kind: DifferenceKind::Row,
        found: format!("{found}, which is not {expected}"),
        is_device_failure: false,
    })
}

/// Whether the recorded bytes are at a path for the URL that is listed now: only the row is behind.
fn has_moved(eye: &Eye, file: &HeldFile, wanted: &Wanted) -> bool {
    let Some(url) = &file.listed_url else {
        return false;
    };
    places(url, &file.media_id)
        .iter()
        .flatten()
        .any(|path| eye.look(Place::Mirror(path), wanted, true) == Look::Right)
}

/// Whether the archive has the recorded bytes, as far as a look tells.
fn is_archived(eye: &Eye, file: &HeldFile) -> bool {
    let Some(Ok(digest)) = file.sha256.as_deref().map(str::parse::<Digest>) else {
        return false;
    };
    match eye.reader.archived_lying(&digest) {
        Ok(Lying::File(bytes)) => file.bytes.is_none_or(|wanted| wanted == bytes),
        Ok(Lying::Nothing | Lying::Other(_)) | Err(_) => false,
    }
}
