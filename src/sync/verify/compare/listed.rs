//! Ids and metadata, page by page as the service lists them.

use super::{Target, Verify, VerifyError};
use crate::model::{
    Compared, ComparedAll, ContentId, DifferenceKind, Endpoint, ExitCode, MediaId, ServedContent,
    ServedMedium, Tally, WalkVerdict,
};
use crate::plan::differing_keys;
use crate::remote::{IdSet, Lookup, OddContent, Remote, RemoteError};
use crate::sync::contents::{is_nameless, known_id};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Pages that may wait; as in a run.
const MEDIA_PAGES: usize = 64;
const CONTENTS_PAGES: usize = 8;
/// Contents that a proven walk lacked and that are asked for one by one; the walk stands for the others.
const ASKED: usize = 100;

/// Walks the media.
pub(super) async fn media(verify: &Verify, remote: &Arc<Remote>) -> Result<(), VerifyError> {
    let (out, mut pages) = mpsc::channel(MEDIA_PAGES);
    let walking = Arc::clone(remote);
    // A task of its own: the token chain is polled at once, whatever the database does.
    let mut walker = AbortOnDropHandle::new(tokio::spawn(async move {
        walking.walk_media(&Tally::default(), out).await
    }));
    let mut seen = IdSet::default();
    loop {
        tokio::select! {
            biased;
            () = verify.stop.wait() => return Ok(()),
            page = pages.recv() => match page {
                Some(page) => media_page(verify, page.media, &mut seen).await?,
                None => break,
            },
        }
    }
    let end = (&mut walker).await?;
    let listed = end.seen;
    let absent = verify
        .ask(move |store| store.absent_media(None, &|id| listed.contains(id)))
        .await?;
    let kind = of_walk(verify, "media", end.verdict, end.error.as_ref(), end.detail);
    for id in absent.missing {
        let place = format!("media/{id}");
        verify
            .compared(
                media_area,
                kind,
                format!("medium `{id}`"),
                place,
                NOT_LISTED,
            )
            .await;
    }
    Ok(())
}

async fn media_page(
    verify: &Verify,
    media: Vec<ServedMedium>,
    seen: &mut IdSet,
) -> Result<(), VerifyError> {
    // A walk that began again lists some once more.
    let media: Vec<ServedMedium> = media
        .into_iter()
        .filter(|medium| seen.insert(medium.id.as_str()))
        .collect();
    let ids: Vec<MediaId> = media.iter().map(|medium| medium.id.clone()).collect();
    let known = verify.ask(move |store| store.load_media(&ids)).await?;
    for medium in media {
        let here = known
            .get(&medium.id)
            .filter(|known| !known.is_deleted)
            .map(|known| known.metadata.as_str());
        let thing = format!("medium `{}`", medium.id);
        let place = format!("media/{}", medium.id);
        one(verify, media_area, here, &medium.metadata, thing, place).await;
    }
    Ok(())
}

/// Walks the contents of one API.
pub(super) async fn contents(
    verify: &Verify,
    remote: &Arc<Remote>,
    target: &Target,
) -> Result<(), VerifyError> {
    let endpoint = &target.endpoint;
    if !target.is_there {
        let absent = absent(verify, endpoint, IdSet::default()).await?;
        for id in absent {
            missing(verify, endpoint, &id, DifferenceKind::MissingThere, "").await;
        }
        return Ok(());
    }
    let (out, mut pages) = mpsc::channel(CONTENTS_PAGES);
    let (walking, asked) = (Arc::clone(remote), target.clone());
    let mut walker = AbortOnDropHandle::new(tokio::spawn(async move {
        walking
            .walk_contents(&asked.endpoint, asked.kind, &Tally::default(), out)
            .await
    }));
    let (mut seen, mut known) = (IdSet::default(), None);
    loop {
        tokio::select! {
            biased;
            () = verify.stop.wait() => return Ok(()),
            page = pages.recv() => match page {
                Some(mut page) => {
                    if let [content] = page.contents.as_mut_slice()
                        && is_nameless(endpoint, target.kind, content)
                    {
                        let asked = endpoint.clone();
                        known = verify.ask(move |store| known_id(store, &asked)).await?;
                        content.id = known.clone().unwrap_or_else(|| content.id.clone());
                    }
                    for odd in page.odd.iter().filter(|odd| seen.insert(&odd.key)) {
                        nameless(verify, endpoint, odd).await;
                    }
                    contents_page(verify, endpoint, page.contents, &mut seen).await?;
                }
                None => break,
            },
        }
    }
    let mut end = (&mut walker).await?;
    if let Some(id) = known {
        end.seen.remove(endpoint.as_str());
        end.seen.insert(id.as_str());
    }
    let what = format!("contents/{endpoint}");
    let kind = of_walk(verify, &what, end.verdict, end.error.as_ref(), end.detail);
    // What is missing may be an item that nobody can tell from others.
    let is_told = kind != DifferenceKind::MissingThere || end.odd == 0;
    let (kind, why) = if is_told {
        (kind, NOT_LISTED)
    } else {
        (DifferenceKind::Unverifiable, NAMELESS)
    };
    let absent = absent(verify, endpoint, end.seen).await?;
    for (asked, id) in absent.into_iter().enumerate() {
        if kind == DifferenceKind::MissingThere && asked < ASKED {
            look_up(verify, remote, endpoint, &id).await?;
        } else {
            missing(verify, endpoint, &id, kind, why).await;
        }
    }
    Ok(())
}

/// An item of the listing that has no id to compare it by.
async fn nameless(verify: &Verify, endpoint: &Endpoint, odd: &OddContent) {
    let thing = format!("item {} of the listing", odd.place + 1);
    let place = format!("contents/{endpoint}");
    let text = format!("{thing} of {place} cannot be read: {}", odd.why);
    verify.unproven(ExitCode::Failed, text);
    let kind = DifferenceKind::Unverifiable;
    verify
        .compared(contents_area, kind, thing, place, &odd.why)
        .await;
}

const NAMELESS: &str = "a listing without it, and with items that have no `id`";
const NOT_LISTED: &str = "a listing without it, which could not be proven";

async fn contents_page(
    verify: &Verify,
    endpoint: &Endpoint,
    contents: Vec<ServedContent>,
    seen: &mut IdSet,
) -> Result<(), VerifyError> {
    let contents: Vec<ServedContent> = contents
        .into_iter()
        .filter(|content| seen.insert(content.id.as_str()))
        .collect();
    let ids: Vec<ContentId> = contents.iter().map(|content| content.id.clone()).collect();
    let asked = endpoint.clone();
    let known = verify
        .ask(move |store| store.load_contents(&asked, &ids))
        .await?;
    for content in contents {
        let here = known
            .get(&content.id)
            .filter(|known| !known.is_deleted)
            .map(|known| known.metadata.as_str());
        let thing = format!("content `{}`", content.id);
        let place = format!("contents/{endpoint}/{}", content.id);
        one(verify, contents_area, here, &content.metadata, thing, place).await;
    }
    Ok(())
}

/// Asks for a content that the walk lacked: what moved while it was listed is there all the same.
async fn look_up(
    verify: &Verify,
    remote: &Remote,
    endpoint: &Endpoint,
    id: &ContentId,
) -> Result<(), VerifyError> {
    match remote.look_up(endpoint, id).await {
        Ok(Lookup::Absent) => {
            missing(verify, endpoint, id, DifferenceKind::MissingThere, "").await;
        }
        Ok(Lookup::Found(content)) => {
            contents_page(verify, endpoint, vec![*content], &mut IdSet::default()).await?;
        }
        Err(err) => {
            let detail = err.chain();
            missing(verify, endpoint, id, DifferenceKind::Unverifiable, &detail).await;
        }
    }
    Ok(())
}

async fn absent(
    verify: &Verify,
    endpoint: &Endpoint,
    seen: IdSet,
) -> Result<Vec<ContentId>, VerifyError> {
    let asked = endpoint.clone();
    let absent = verify
        .ask(move |store| store.absent_contents(&asked, None, &|id| seen.contains(id)))
        .await?;
    Ok(absent.missing)
}

async fn missing(
    verify: &Verify,
    endpoint: &Endpoint,
    id: &ContentId,
    kind: DifferenceKind,
    detail: &str,
) {
    let place = format!("contents/{endpoint}/{id}");
    verify
        .compared(
            contents_area,
            kind,
            format!("content `{id}`"),
            place,
            detail,
        )
        .await;
}

/// Compares one thing that the service has.
async fn one(
    verify: &Verify,
    area: fn(&mut ComparedAll) -> &mut Compared,
    here: Option<&str>,
    there: &str,
    thing: String,
    place: String,
) {
    let keys = here.map(|here| differing_keys(here, there));
    match keys.as_deref() {
        Some([]) => verify.same(area),
        // The keys, never the values: a draft key is among them.
        Some(keys) => {
            let detail = format!("`{}`", keys.join("`, `"));
            verify
                .compared(area, DifferenceKind::Differs, thing, place, &detail)
                .await;
        }
        None => {
            verify
                .compared(area, DifferenceKind::MissingHere, thing, place, "")
                .await;
        }
    }
}

/// What it means that a walk with this end lacked something.
fn of_walk(
    verify: &Verify,
    what: &str,
    verdict: WalkVerdict,
    error: Option<&RemoteError>,
    detail: Option<String>,
) -> DifferenceKind {
    if let Some(err) = error {
        verify.trouble(&format!("the listing of {what}"), err);
    }
    if verdict == WalkVerdict::Proven {
        return DifferenceKind::MissingThere;
    }
    let detail = detail.unwrap_or_else(|| "it moved while it was read".to_owned());
    let text = format!("the listing of {what} could not be proven: {detail}");
    verify.unproven(ExitCode::Failed, text);
    DifferenceKind::Unverifiable
}

fn media_area(all: &mut ComparedAll) -> &mut Compared {
    &mut all.media
}

fn contents_area(all: &mut ComparedAll) -> &mut Compared {
    &mut all.contents
}
