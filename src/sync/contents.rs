//! The contents part: which APIs there are, their listings and schemas, and what is missing.

mod absent;
mod apis;
mod sole;

pub(super) use sole::{is_nameless, known_id};

use super::RunError;
use super::dry::{self, Recorded};
use super::run::Run;
use super::together::sets;
use super::unreadable;
use crate::model::content::BodyStep;
use crate::model::{
    ContentId, ContentStep, Endpoint, EndpointKind, KnownContent, ProblemKind, Scope,
    ServedContent, Timestamp, WalkRecord, WalkVerdict, counted,
};
use crate::plan::content_step;
use crate::remote::{ContentsWalkEnd, Refusal, RemoteError, read_content};
use crate::store::EndpointFacts;
use absent::{absences, follow_up_endpoints};
use apis::{Target, plan, record_endpoints, schema};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// Pages that may wait for the database; when this is full, the walk waits. There is no token to lose.
const PAGES_WAITING: usize = 8;

/// Pages that are recorded together, at most, where that many wait. Few, because the bodies that are
/// written beside them need the database's memory as well.
const PAGES_TOGETHER: usize = 8;

/// What to do where two answers about one API do not go together.
const DISAGREE: &str = "nothing was marked as deleted: the next run asks again; if it says the same, see in the admin screen whether \
                        the API is there, and under which endpoint";

/// Walks all APIs if that is wanted.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.contents {
        tokio::select! {
            biased;
            () = run.stop.wait() => {
                let walking = run.sheet().walking.take();
                if let Some((scope, since, pages)) = walking {
                    run.record_walk(WalkRecord::interrupted(scope, pages, since, run.now())).await?;
                }
            }
            done = walk_all(run) => done?,
        }
    }
    run.ended(|listings| listings.contents = true);
    Ok(())
}

async fn walk_all(run: &Run) -> Result<(), RunError> {
    let plan = plan(run).await?;
    run.tally.pages_expected.add(plan.targets.len() as u64);
    // The schema of a new API comes first, so that its first version has one; of a known one last,
    // because contents matter more, and of one that has yet to show what it holds last as well.
    let mut later = Vec::new();
    let mut targets = plan.targets.into_iter();
    while let Some(mut target) = targets.next() {
        let has_schema = target.is_listed && plan.can_read_schemas;
        let is_first = target.is_new && target.kind.is_some();
        if has_schema && is_first {
            schema(run, &target).await?;
        }
        walk_soundly(run, &mut target).await?;
        if has_schema && !is_first {
            later.push(target);
        }
        if run.sheet().is_unreachable {
            return leave(run, targets.len());
        }
    }
    for target in later {
        schema(run, &target).await?;
    }
    if plan.listed == 0 && !plan.vanished.is_empty() && run.options.allow_deletes == 0 {
        let why = format!(
            "the list of APIs is suddenly empty, where {} are known",
            plan.vanished.len()
        );
        let hint = "nothing was marked as deleted; if the APIs really were deleted, confirm once with \
                    --allow-deletes and the number of their contents";
        run.problem(ProblemKind::Guard, "apis", why, Some(hint.to_owned()));
        return Ok(());
    }
    follow_up_endpoints(run, plan.vanished, plan.listed).await
}

/// Says that the other APIs are not asked for: the host was not there for as long as it takes to be sure of it, and a
/// hundred APIs are half an hour of that.
fn leave(run: &Run, left: usize) -> Result<(), RunError> {
    if left > 0 {
        let others = counted(left as u64, "other API was", "other APIs were");
        let message = format!("{others} not asked for: the Management API cannot be reached");
        run.problem(ProblemKind::Fault, "contents", message, None);
    }
    Ok(())
}

/// Walks one API, and once more where what the walk lacked turns out to exist: compensating edits
/// can slip through its seams, and what is already known betrays them.
async fn walk_soundly(run: &Run, target: &mut Target) -> Result<(), RunError> {
    let before = run.sheet().contents;
    if walk(run, target).await?.is_none() {
        return Ok(());
    }
    {
        let mut sheet = run.sheet();
        sheet.contents.seen = before.seen;
        sheet.contents.missing = before.missing;
    }
    if let Some(id) = walk(run, target).await? {
        let why = format!("`{id}` exists and was not listed: the list moved while it was read");
        run.disprove(&Scope::Contents(target.endpoint.clone()), why)
            .await?;
    }
    Ok(())
}

/// Walks one API. Returns a content that disproves a walk which looked proven.
async fn walk(run: &Run, target: &mut Target) -> Result<Option<ContentId>, RunError> {
    let started_at = run.now();
    let scope = Scope::Contents(target.endpoint.clone());
    run.sheet().walking = Some((scope.clone(), started_at, 0));
    let (out, mut pages) = mpsc::channel(PAGES_WAITING);
    let (remote, tally) = (Arc::clone(&run.rooms.remote), Arc::clone(&run.tally));
    let asked = target.clone();
    let mut walker = AbortOnDropHandle::new(tokio::spawn(async move {
        remote
            .walk_contents(&asked.endpoint, asked.kind, &tally, out)
            .await
    }));
    let (mut waiting, mut first, mut known) = (Vec::new(), None, None);
    loop {
        let taken = pages.recv_many(&mut waiting, PAGES_TOGETHER).await;
        if taken == 0 {
            break;
        }
        let mut listed = Vec::new();
        for page in waiting.drain(..) {
            for odd in &page.odd {
                unreadable::note_odd(run, &scope.to_string(), &odd.key, odd.place, &odd.why);
            }
            listed.extend(page.contents);
        }
        if let [content] = listed.as_mut_slice()
            && is_nameless(&target.endpoint, target.kind, content)
        {
            let asked = target.endpoint.clone();
            known = run.store(move |store| known_id(store, &asked)).await?;
            content.id = known.clone().unwrap_or_else(|| content.id.clone());
        }
        first = first.or_else(|| listed.first().map(|content| content.id.clone()));
        record(run, &target.endpoint, listed).await?;
        if let Some((_, _, pages)) = &mut run.sheet().walking {
            *pages += taken as u64;
        }
    }
    let mut end = (&mut walker).await?;
    if let Some(id) = known {
        end.seen.remove(target.endpoint.as_str());
        end.seen.insert(id.as_str());
    }
    run.sheet().walking = None;
    if end.is_elsewhere {
        doubt_absence(run, target, &mut end).await;
    }
    if let (Some(EndpointKind::Object), Some(id)) = (target.kind.or(end.kind), first) {
        run.sheet().objects.insert(target.endpoint.clone(), id);
    }
    // Bodies that waited for a full request, or for the name of an object, wait no longer.
    run.bodies_wake.notify_one();
    run.record_walk(record_of(&end, scope.clone(), started_at, run.now()))
        .await?;
    run.sheet().contents.seen += end.seen.len();
    if let Some(err) = &end.error {
        run.sheet().is_unreachable = matches!(err, RemoteError::Unreachable { .. });
        if err.refusal() == Some(Refusal::NotFound) && target.is_listed {
            // Deleted meanwhile, perhaps: the next list of APIs tells.
            let message = "the API is listed, but its contents are not found".to_owned();
            let hint = Some(DISAGREE.to_owned());
            run.problem(ProblemKind::Owed, &scope.to_string(), message, hint);
        } else if err.refusal() == Some(Refusal::NotFound)
            && !run.options.endpoints.contains(&target.endpoint)
        {
            let message = "the API is not listed, and its contents are not found".to_owned();
            run.problem(ProblemKind::Owed, &scope.to_string(), message, None);
        } else if err.refusal() == Some(Refusal::NotFound) {
            let message = format!("the service has no API `{}`", target.endpoint);
            run.problem(
                ProblemKind::Configuration,
                &scope.to_string(),
                message,
                None,
            );
        } else {
            run.remote_problem(&scope.to_string(), err);
        }
    }
    if target.kind.is_none()
        && let Some(kind) = end.kind
    {
        let facts = EndpointFacts {
            endpoint: target.endpoint.clone(),
            name: target.name.clone(),
            kind,
            schema: None,
        };
        target.kind = Some(kind);
        record_endpoints(run, vec![facts]).await?;
    }
    match end.verdict {
        WalkVerdict::Proven => {
            let listed = end.total_count.unwrap_or(0);
            absences(run, &target.endpoint, end.seen, end.odd, listed).await
        }
        WalkVerdict::Unproven => {
            let detail = end.detail.unwrap_or_default();
            let message = format!("the listing could not be proven: {detail}");
            let hint = "what was listed is saved, and nothing was taken for deleted; the next run tries again";
            run.problem(
                ProblemKind::Owed,
                &scope.to_string(),
                message,
                Some(hint.to_owned()),
            );
            Ok(None)
        }
        WalkVerdict::Failed => Ok(None),
    }
}

/// Asks the other API, too, where an object's 404 may be that of an address that does not exist. "Nothing there" is proven where
/// both say so.
async fn doubt_absence(run: &Run, target: &Target, end: &mut ContentsWalkEnd) {
    let why = match run.rooms.remote.has_object(&target.endpoint).await {
        Ok(false) => return,
        Ok(true) => "the Content API has its content".to_owned(),
        Err(err) => format!("the Content API does not say more: {}", err.chain()),
    };
    end.verdict = WalkVerdict::Unproven;
    end.detail = Some(format!(
        "its address is said not to exist, though the list of APIs has it, and {why}"
    ));
}

fn record_of(
    end: &ContentsWalkEnd,
    scope: Scope,
    started_at: Timestamp,
    finished_at: Timestamp,
) -> WalkRecord {
    WalkRecord {
        scope,
        pages: end.pages,
        total_count: end.total_count,
        unique_ids: end.seen.len(),
        duplicates: end.duplicates,
        restarts: end.restarts,
        max_token_age_ms: None,
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

/// Records contents that were listed together.
async fn record(
    run: &Run,
    endpoint: &Endpoint,
    listed: Vec<ServedContent>,
) -> Result<(), RunError> {
    for contents in sets(listed, |content: &ServedContent| content.id.as_str()) {
        record_set(run, endpoint, contents).await?;
    }
    Ok(())
}

/// Records contents of which none stands there twice: facts, decision, rows.
async fn record_set(
    run: &Run,
    endpoint: &Endpoint,
    contents: Vec<ServedContent>,
) -> Result<(), RunError> {
    let asked = endpoint.clone();
    let others = run
        .store(move |store| store.sift_contents(&asked, contents))
        .await?;
    if run.id.is_none() {
        let decided: Vec<(ContentStep, Recorded)> = others
            .into_iter()
            .filter_map(|(served, known)| {
                let before = Recorded::of(known.as_ref().map(|known| known.is_deleted));
                Some((step(run, endpoint, &served, known.as_ref())?, before))
            })
            .collect();
        let mut sheet = run.sheet();
        for (step, before) in &decided {
            dry::content(&mut sheet, endpoint, step, *before);
        }
        return Ok(());
    }
    let steps: Vec<ContentStep> = others
        .into_iter()
        .filter_map(|(served, known)| step(run, endpoint, &served, known.as_ref()))
        .collect();
    let owed: u64 = steps.iter().map(owes).sum();
    let (asked, now) = (endpoint.clone(), run.now());
    let recorded = run
        .store(move |store| store.record_contents(&asked, &steps, now))
        .await?;
    {
        let mut sheet = run.sheet();
        sheet.contents.new += recorded.new;
        sheet.contents.changed += recorded.changed;
        sheet.contents.returned += recorded.returned;
    }
    if owed > 0 {
        run.tally.bodies_expected.add(owed);
        run.bodies_wake.notify_one();
    }
    Ok(())
}

/// Decides about one content that is not recorded as it is listed. One that cannot be read is named, and
/// the others are backed up all the same.
fn step(
    run: &Run,
    endpoint: &Endpoint,
    served: &ServedContent,
    known: Option<&KnownContent>,
) -> Option<ContentStep> {
    let id = served.id.as_str();
    match read_content(&served.metadata, Some(id)) {
        Ok(listed) => {
            let before = known
                .filter(|known| known.metadata != listed.metadata)
                .and_then(|known| read_content(&known.metadata, Some(id)).ok());
            Some(content_step(
                listed,
                known.map(|known| (known, before.as_ref())),
            ))
        }
        Err(why) => {
            let scope = Scope::Contents(endpoint.clone()).to_string();
            unreadable::note(run, &scope, id, &why);
            None
        }
    }
}

fn owes(step: &ContentStep) -> u64 {
    match step {
        ContentStep::Keep => 0,
        ContentStep::Record {
            published, draft, ..
        } => u64::from(*published == BodyStep::Fetch) + u64::from(*draft == BodyStep::Fetch),
        ContentStep::Bodies {
            published, draft, ..
        } => u64::from(*published) + u64::from(*draft),
    }
}
