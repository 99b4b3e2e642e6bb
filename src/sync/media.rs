//! The media part: the walk, its rows, and what is missing from it.

use super::RunError;
use super::dry::{self, Recorded};
use super::forecast::SAMPLE;
use super::guard;
use super::run::Run;
use super::together::sets;
use super::unreadable;
use crate::model::{
    AssetStep, KnownMedium, MediaId, MediumStep, ProblemKind, Scope, ServedMedium, Timestamp,
    WalkRecord, WalkVerdict,
};
use crate::plan::{Finding, examine, medium_step};
use crate::remote::{IdSet, MediaPage, MediaWalkEnd, read_medium};
use crate::store::Sighting;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Pages that may wait for the database. When this is full, which takes a disk that stands still for
/// minutes under the service's limits, the walk waits: memory is bounded, the token may die.
const PAGES_WAITING: usize = 64;

/// Pages that are recorded together, at most, where that many wait.
const PAGES_TOGETHER: usize = 16;

/// Proven walks that must lack a medium before it counts as deleted (design.md section 2).
const WALKS_TO_DELETE: u64 = 2;

/// Walks all media if that is wanted.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.media {
        walk(run).await?;
    }
    run.has_page();
    run.ended(|listings| listings.media = true);
    Ok(())
}

async fn walk(run: &Run) -> Result<(), RunError> {
    let started_at = run.now();
    let (out, mut pages) = mpsc::channel(PAGES_WAITING);
    let (remote, tally) = (Arc::clone(&run.rooms.remote), Arc::clone(&run.tally));
    // A task of its own: whatever the other parts do, the token chain is polled at once.
    let mut walker =
        AbortOnDropHandle::new(tokio::spawn(
            async move { remote.walk_media(&tally, out).await },
        ));
    let (mut read, mut waiting) = (0, Vec::new());
    loop {
        tokio::select! {
            biased;
            () = run.stop.wait() => {
                let walk = WalkRecord::interrupted(Scope::Media, read, started_at, run.now());
                return run.record_walk(walk).await;
            }
            taken = pages.recv_many(&mut waiting, PAGES_TOGETHER) => {
                if taken == 0 {
                    break;
                }
                record(run, std::mem::take(&mut waiting)).await?;
                read += taken as u64;
            }
        }
    }
    let end = (&mut walker).await?;
    run.record_walk(record_of(&end, started_at, run.now()))
        .await?;
    run.sheet().media.seen = end.seen.len();
    if let Some(err) = &end.error {
        run.listing_problem("media", err);
    }
    match end.verdict {
        // What has no id may be any of the missing ones.
        WalkVerdict::Proven if end.odd > 0 => still_there(run, end.seen).await,
        WalkVerdict::Proven => absences(run, end.seen, end.total_count.unwrap_or(0)).await,
        WalkVerdict::Unproven => {
            let detail = end.detail.unwrap_or_default();
            run.problem(
                ProblemKind::Owed,
                "media",
                format!("the listing could not be proven: {detail}"),
                None,
            );
            still_there(run, end.seen).await
        }
        WalkVerdict::Failed => still_there(run, end.seen).await,
    }
}

/// Takes note of what a walk that says nothing of absences has seen all the same.
async fn still_there(run: &Run, seen: IdSet) -> Result<(), RunError> {
    if run.id.is_some() {
        run.store(move |store| store.forget_sighted(&Scope::Media, &|id| seen.contains(id)))
            .await?;
    }
    Ok(())
}

fn record_of(end: &MediaWalkEnd, started_at: Timestamp, finished_at: Timestamp) -> WalkRecord {
    WalkRecord {
        scope: Scope::Media,
        pages: end.pages,
        total_count: end.total_count,
        unique_ids: end.seen.len(),
        duplicates: end.duplicates,
        restarts: end.restarts,
        max_token_age_ms: end
            .max_token_age
            .map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX)),
        verdict: end.verdict,
        detail: end
            .error
            .as_ref()
            .map(|err| err.chain())
            .or_else(|| end.detail.clone()),
        started_at,
        finished_at,
    }
}

/// Records pages that came together.
async fn record(run: &Run, pages: Vec<MediaPage>) -> Result<(), RunError> {
    if let Some(newest) = pages.last() {
        run.sheet().media_announced = newest.total_count;
    }
    for (text, why) in pages.iter().flat_map(|page| &page.odd) {
        unreadable::note(run, "media", text, why);
    }
    let listed = pages.into_iter().flat_map(|page| page.media).collect();
    for media in sets(listed, |medium: &ServedMedium| medium.id.as_str()) {
        record_set(run, media).await?;
    }
    if run.id.is_some() {
        run.has_page();
    }
    Ok(())
}

/// Records media of which none stands there twice: facts, decision, rows.
async fn record_set(run: &Run, media: Vec<ServedMedium>) -> Result<(), RunError> {
    let others = run.store(move |store| store.sift_media(media)).await?;
    if run.id.is_none() {
        let decided: Vec<(MediumStep, Recorded)> = others
            .into_iter()
            .filter_map(|(served, known)| {
                let before = Recorded::of(known.as_ref().map(|known| known.is_deleted));
                Some((step(run, &served, known.as_ref())?, before))
            })
            .collect();
        take_sample(run, decided.iter().map(|(step, _)| step));
        let mut sheet = run.sheet();
        for (step, before) in &decided {
            dry::medium(&mut sheet, step, *before);
        }
        return Ok(());
    }
    let steps: Vec<MediumStep> = others
        .into_iter()
        .filter_map(|(served, known)| step(run, &served, known.as_ref()))
        .collect();
    let owed = steps.iter().filter(|step| owes(step)).count() as u64;
    take_sample(run, steps.iter());
    let now = run.now();
    let recorded = run
        .store(move |store| store.record_media(&steps, now))
        .await?;
    {
        let mut sheet = run.sheet();
        sheet.media.new += recorded.new;
        sheet.media.changed += recorded.changed;
        sheet.media.returned += recorded.returned;
    }
    if owed > 0 {
        run.tally.files_expected.add(owed);
        run.assets_wake.notify_one();
    }
    Ok(())
}

/// Decides about one medium that is not recorded as it is listed. One that cannot be read is named, and
/// the others are backed up all the same.
fn step(run: &Run, served: &ServedMedium, known: Option<&KnownMedium>) -> Option<MediumStep> {
    match read_medium(&served.metadata) {
        Ok(listed) => {
            // The recorded text is read again only where it differs from the listed one.
            let before = known
                .filter(|known| known.metadata != listed.metadata)
                .and_then(|known| read_medium(&known.metadata).ok());
            Some(medium_step(
                listed,
                known.map(|known| (known, before.as_ref())),
            ))
        }
        Err(why) => {
            unreadable::note(run, "media", served.id.as_str(), &why);
            None
        }
    }
}

/// Remembers some of the files to fetch, for a forecast.
fn take_sample<'a>(run: &Run, steps: impl Iterator<Item = &'a MediumStep>) {
    let mut sheet = run.sheet();
    let room = SAMPLE.saturating_sub(sheet.sample.len());
    let fetched = steps.filter(|step| owes(step));
    let urls = fetched.filter_map(|step| match step {
        MediumStep::Record { medium, .. } => Some(medium.url.clone()),
        MediumStep::Asset { .. } | MediumStep::Keep => None,
    });
    sheet.sample.extend(urls.take(room));
}

fn owes(step: &MediumStep) -> bool {
    match step {
        MediumStep::Record { asset, .. } | MediumStep::Asset { asset, .. } => {
            *asset != AssetStep::Keep
        }
        MediumStep::Keep => false,
    }
}

/// Follows up what a proven walk lacked. A medium cannot be asked for by id, so it must be missing
/// from two proven walks in a row.
async fn absences(run: &Run, seen: IdSet, listed: u64) -> Result<(), RunError> {
    let recorded = run.records_all_of("media").then(|| seen.len());
    let absent = run
        .store(move |store| store.absent_media(recorded, &|id| seen.contains(id)))
        .await?;
    let missing = absent.missing.len() as u64;
    run.sheet().media.missing = missing;
    let sightings = sight(run, absent.missing.clone(), false).await?;
    // What a person confirmed in an earlier run is no reason to stop again.
    let open = sightings
        .iter()
        .filter(|sighting| !sighting.is_confirmed)
        .count() as u64;
    let allowed = run.sheet().deletes_left;
    let listed_or_confirmed = if open < missing {
        listed.max(1)
    } else {
        listed
    };
    let sightings = match examine(absent.live, open, listed_or_confirmed, allowed) {
        Finding::Whole | Finding::FollowUp => sightings,
        Finding::Confirmed => {
            run.sheet().deletes_left -= open;
            sight(run, absent.missing, true).await?
        }
        Finding::Guard(why) => {
            guard::trip(run, "media", why, missing, "media");
            return Ok(());
        }
    };
    if run.id.is_none() {
        return Ok(());
    }
    let due: Vec<MediaId> = sightings
        .iter()
        .filter(|sighting| sighting.proven_walks >= WALKS_TO_DELETE)
        .filter_map(|sighting| MediaId::parse(&sighting.id).ok())
        .collect();
    let now = run.now();
    let marked = due.clone();
    let deleted = run
        .store(move |store| store.retire_media(&marked, now))
        .await?;
    let mut sheet = run.sheet();
    sheet.media.deleted = deleted;
    sheet.retired = due;
    drop(sheet);
    Ok(())
}

/// Records what was not listed; a dry run only reads what earlier runs recorded of it.
async fn sight(
    run: &Run,
    missing: Vec<MediaId>,
    is_confirmed: bool,
) -> Result<Vec<Sighting>, RunError> {
    let (id, now) = (run.id, run.now());
    let sightings = run
        .store(move |store| {
            let ids: Vec<&str> = missing.iter().map(MediaId::as_str).collect();
            match id {
                Some(id) => store.sight_absences(&Scope::Media, id, &ids, is_confirmed, now),
                None => store.sightings(&Scope::Media, &ids),
            }
        })
        .await?;
    Ok(sightings)
}
