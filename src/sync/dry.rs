//! What a dry run finds, each thing once: a listing shows some of them twice, and what a real run would have
//! written by then nobody has.

use super::RunError;
use super::run::{Run, Sheet};
use crate::model::content::BodyStep;
use crate::model::verify::WRONG_FILES_NOTED;
use crate::model::{
    AssetStep, BodySide, ContentId, ContentStep, Endpoint, MediaId, MediumStep, Why,
};
use crate::remote::IdSet;
use crate::store::AssetTotals;

/// What was counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Dry {
    media: IdSet,
    files: IdSet,
    contents: IdSet,
    /// Bodies about which something was decided.
    bodies: IdSet,
}

/// How a listed thing stands to what is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Recorded {
    Never,
    Live,
    /// A tombstone.
    Deleted,
}

impl Recorded {
    /// From what is known of it: whether it is a tombstone.
    pub(super) fn of(is_deleted: Option<bool>) -> Self {
        match is_deleted {
            None => Self::Never,
            Some(false) => Self::Live,
            Some(true) => Self::Deleted,
        }
    }
}

/// Counts what a real run would do with a medium.
pub(super) fn medium(sheet: &mut Sheet, step: &MediumStep, before: Recorded) {
    let (id, asset) = match step {
        MediumStep::Keep => return,
        MediumStep::Record { medium, asset } => {
            if sheet.dry.media.insert(medium.id.as_str()) {
                *match before {
                    Recorded::Never => &mut sheet.media.new,
                    Recorded::Live => &mut sheet.media.changed,
                    Recorded::Deleted => &mut sheet.media.returned,
                } += 1;
            }
            (&medium.id, asset)
        }
        MediumStep::Asset { id, asset } => (id, asset),
    };
    if *asset != AssetStep::Keep && sheet.dry.files.insert(id.as_str()) {
        sheet.assets.owed += 1;
    }
}

/// Counts what a real run would do with a content.
pub(super) fn content(
    sheet: &mut Sheet,
    endpoint: &Endpoint,
    step: &ContentStep,
    before: Recorded,
) {
    let (id, sides) = match step {
        ContentStep::Keep => return,
        ContentStep::Record {
            content,
            published,
            draft,
        } => {
            let is_first = sheet.dry.contents.insert(&key(endpoint, &content.id));
            if is_first {
                *match before {
                    Recorded::Never => &mut sheet.contents.new,
                    Recorded::Live => &mut sheet.contents.changed,
                    Recorded::Deleted => &mut sheet.contents.returned,
                } += 1;
            }
            (&content.id, [*published, *draft])
        }
        ContentStep::Bodies {
            id,
            published,
            draft,
        } => {
            let step = |is_wanted: bool| match is_wanted {
                true => BodyStep::Fetch,
                false => BodyStep::Keep,
            };
            (id, [step(*published), step(*draft)])
        }
    };
    for (side, step) in [BodySide::Published, BodySide::Draft]
        .into_iter()
        .zip(sides)
    {
        let is_decided = step != BodyStep::Keep;
        if is_decided
            && sheet.dry.bodies.insert(&body_key(endpoint, id, side))
            && step == BodyStep::Fetch
        {
            sheet.bodies.owed += 1;
        }
    }
}

/// Counts files that the mirror lost: a real run would fetch them, if their media are listed still.
pub(super) async fn lost(run: &Run, lost: Vec<(MediaId, Why)>) -> Result<(), RunError> {
    let ids: Vec<MediaId> = lost.into_iter().map(|(id, _)| id).collect();
    let live = run.store(move |store| store.live_media_among(&ids)).await?;
    let mut sheet = run.sheet();
    for id in live {
        if sheet.dry.files.insert(id.as_str()) {
            sheet.assets.owed += 1;
        }
    }
    Ok(())
}

/// Adds what was owed before, as far as the listings said nothing of it.
pub(super) async fn add_debts(
    run: &Run,
    files: &AssetTotals,
    left_out: Vec<Endpoint>,
) -> Result<(), RunError> {
    let counted = std::mem::take(&mut run.sheet().dry);
    let has_assets = run.options.only.assets;
    let is_full = run.options.is_full && has_assets;
    let (bodies, owed_files, asked_again, reread) = run
        .store(move |store| {
            let is_new_body = |endpoint: &Endpoint, id: &ContentId, side| {
                !left_out.contains(endpoint)
                    && !counted.bodies.contains(&body_key(endpoint, id, side))
            };
            let is_new_file = |id: &MediaId| !counted.files.contains(id.as_str());
            Ok((
                store.owed_bodies_among(&is_new_body)?,
                store.owed_assets_among(&is_new_file)?,
                if is_full {
                    store.saved_assets_among(&is_new_file)?
                } else {
                    0
                },
                match has_assets {
                    true => store
                        .wrong_files(None, WRONG_FILES_NOTED)?
                        .iter()
                        .filter(|file| is_new_file(&file.media_id))
                        .count() as u64,
                    false => 0,
                },
            ))
        })
        .await?;
    let mut sheet = run.sheet();
    sheet.assets.owed += owed_files;
    sheet.asked_again = asked_again;
    sheet.reread = reread;
    sheet.assets.owed_bytes = files.owed_bytes;
    sheet.assets.waiting = files.waiting;
    sheet.failed_total = files.failed;
    sheet.bodies.owed += bodies.owed;
    sheet.bodies.refused = bodies.refused;
    drop(sheet);
    Ok(())
}

fn key(endpoint: &Endpoint, id: &ContentId) -> String {
    format!("{endpoint}\n{id}")
}

fn body_key(endpoint: &Endpoint, id: &ContentId, side: BodySide) -> String {
    format!("{endpoint}\n{id}\n{}", side.as_str())
}
