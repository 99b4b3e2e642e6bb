//! Bytes that nobody has any more, and that a person accepts as lost: all of them, or none.

use super::Verify;
use super::repair::Repaired;
use crate::model::{DifferenceKind, MediaId, Repair, Why};
use crate::store::LostBytes;
use crate::sync::VerifyError;

/// Notes bytes that could not be repaired, where a person may accept them as lost. `media_id` is the deleted medium's
/// whose file they were.
pub(super) fn note(
    verify: &Verify,
    repaired: Option<&Repaired>,
    kind: DifferenceKind,
    sha256: String,
    media_id: Option<MediaId>,
) {
    let is_lost = repaired.is_some_and(|repaired| repaired.repair == Repair::Impossible);
    let (Some(most), true, true) = (verify.options.accept_lost, is_lost, kind.is_of_bytes()) else {
        return;
    };
    let why = match kind == DifferenceKind::Missing {
        true => Why::Missing,
        false => Why::Damaged,
    };
    let file = media_id.map(|id| (id, why));
    let mut sheet = verify.sheet();
    sheet.lost_count += 1;
    // More than that are not accepted anyway.
    if sheet.lost_count <= most {
        sheet.lost.push(LostBytes { sha256, file });
    }
}

/// Records what is there again, and what is accepted, if a person has counted it.
pub(super) async fn part(verify: &Verify) -> Result<(), VerifyError> {
    let Some(hand) = &verify.rooms.hand else {
        return Ok(());
    };
    if verify.is_stopping() {
        return Ok(());
    }
    let regained = std::mem::take(&mut verify.sheet().regained);
    hand.store
        .call(move |store| store.regain(&regained))
        .await?;
    let Some(most) = verify.options.accept_lost else {
        return Ok(());
    };
    let (lost, count) = {
        let mut sheet = verify.sheet();
        (std::mem::take(&mut sheet.lost), sheet.lost_count)
    };
    if count == 0 {
        return Ok(());
    }
    if count > most {
        let note = format!(
            "{count} are lost, and `--accept-lost {most}` was to accept {most} at most: none was accepted"
        );
        verify.sheet().notes.push(note);
        return Ok(());
    }
    let now = (verify.options.now)();
    hand.store
        .call(move |store| store.accept_losses(&lost, now))
        .await?;
    let mut sheet = verify.sheet();
    sheet.accepted = count;
    sheet.notes.push(format!(
        "{count} accepted as lost: no difference any more, until the bytes are back"
    ));
    Ok(())
}
