//! The contents part: which APIs there are, their listings and schemas, and what is missing.

use super::RunError;
use super::run::Run;
use crate::model::content::BodyStep;
use crate::model::{
    ContentId, ContentStep, Endpoint, EndpointKind, ListedContent, ProblemKind, Scope, Timestamp,
    WalkRecord, WalkVerdict,
};
use crate::plan::{Finding, content_step, examine};
use crate::remote::{
    ApiInfo, ContentsWalkEnd, IdSet, Lookup, Refusal, Remedy, RemoteError, Schema, read_content,
};
use crate::store::EndpointFacts;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;
use tracing::warn;

/// Pages that may wait for the database; when this is full, the walk waits. There is no token to lose.
const PAGES_WAITING: usize = 8;

/// Walks all APIs if that is wanted.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.contents {
        tokio::select! {
            biased;
            () = run.stop.wait() => {}
            done = walk_all(run) => done?,
        }
    }
    run.ended(|listings| listings.contents = true);
    Ok(())
}

/// An API to walk.
#[derive(Clone, Debug)]
struct Target {
    endpoint: Endpoint,
    kind: Option<EndpointKind>,
    name: String,
    /// Whether the service lists it in this run.
    is_listed: bool,
    /// Whether the database has not heard of it.
    is_new: bool,
}

/// What there is to do.
#[derive(Debug, Default)]
struct Plan {
    targets: Vec<Target>,
    /// Known APIs that the service no longer lists.
    vanished: Vec<Endpoint>,
    /// How many the service lists.
    listed: u64,
    can_read_schemas: bool,
}

async fn walk_all(run: &Run) -> Result<(), RunError> {
    let plan = plan(run).await?;
    // The schema of a new API comes first, so that its first version has one; of a known one last,
    // because contents matter more.
    for target in &plan.targets {
        if target.is_new && plan.can_read_schemas {
            schema(run, target).await?;
        }
        walk(run, target).await?;
    }
    for target in &plan.targets {
        if !target.is_new && plan.can_read_schemas {
            schema(run, target).await?;
        }
    }
    for endpoint in plan.vanished {
        follow_up_endpoint(run, endpoint, plan.listed).await?;
    }
    Ok(())
}

/// Finds out which APIs to walk, which known ones the service no longer lists, and whether the key
/// may read schemas.
async fn plan(run: &Run) -> Result<Plan, RunError> {
    let known = run.store(|store| store.load_endpoints()).await?;
    let wanted = &run.options.endpoints;
    let unlisted = |endpoint: &Endpoint| {
        let row = known.iter().find(|row| row.endpoint == *endpoint);
        Target {
            endpoint: endpoint.clone(),
            kind: row.map(|row| row.kind),
            name: row.map_or_else(|| endpoint.to_string(), |row| row.name.clone()),
            is_listed: false,
            is_new: row.is_none(),
        }
    };
    let is_new = |api: &ApiInfo| known.iter().all(|row| row.endpoint != api.endpoint);
    match run.rooms.remote.apis().await {
        Ok(apis) => {
            record_apis(run, apis.iter().filter(|api| !is_new(api)), wanted).await?;
            let vanished = known
                .iter()
                .filter(|row| wanted.is_empty() && !row.is_deleted)
                .map(|row| row.endpoint.clone())
                .filter(|endpoint| apis.iter().all(|api| api.endpoint != *endpoint))
                .collect();
            for endpoint in wanted
                .iter()
                .filter(|wanted| apis.iter().all(|api| api.endpoint != **wanted))
            {
                unknown(run, endpoint, &apis);
            }
            let listed = apis.len() as u64;
            let targets = apis
                .into_iter()
                .filter(|api| is_wanted(&api.endpoint, wanted))
                .map(|api| Target {
                    is_new: is_new(&api),
                    endpoint: api.endpoint,
                    kind: Some(api.kind),
                    name: api.name,
                    is_listed: true,
                })
                .collect();
            Ok(Plan {
                targets,
                vanished,
                listed,
                can_read_schemas: true,
            })
        }
        Err(err) if !wanted.is_empty() && err.refusal() == Some(Refusal::Forbidden) => {
            warn!(
                "the key may not list the service's APIs: the configured ones are backed up, without their schemas; \
                 the right is called `API情報の取得（一覧・詳細）` (Retrieve API Information)"
            );
            Ok(Plan {
                targets: wanted.iter().map(unlisted).collect(),
                ..Plan::default()
            })
        }
        Err(err) => {
            if err.refusal() == Some(Refusal::Forbidden) {
                let hint = "check the key; if it is this service's own, give it the right `API情報の取得（一覧・詳細）` (Retrieve API Information), or name the APIs \
                            in service.endpoints";
                run.problem(
                    ProblemKind::Refused,
                    "apis",
                    err.chain(),
                    Some(hint.to_owned()),
                );
            } else {
                run.remote_problem("apis", &err);
            }
            // What was once found is still backed up.
            let targets = if wanted.is_empty() {
                known
                    .iter()
                    .filter(|row| !row.is_deleted)
                    .map(|row| unlisted(&row.endpoint))
                    .collect()
            } else {
                wanted.iter().map(unlisted).collect()
            };
            Ok(Plan {
                targets,
                ..Plan::default()
            })
        }
    }
}

fn is_wanted(endpoint: &Endpoint, wanted: &[Endpoint]) -> bool {
    wanted.is_empty() || wanted.contains(endpoint)
}

fn unknown(run: &Run, endpoint: &Endpoint, apis: &[ApiInfo]) {
    let mut names: Vec<&str> = apis.iter().map(|api| api.endpoint.as_str()).collect();
    names.sort_by_key(|name| strsim::levenshtein(name, endpoint.as_str()));
    let hint = match names.split_first() {
        None => "the service has no API".to_owned(),
        Some((nearest, rest)) => {
            let more = if rest.is_empty() {
                String::new()
            } else {
                format!("; it also has {}", rest.join(", "))
            };
            format!("did you mean `{nearest}`?{more}")
        }
    };
    let scope = format!("contents/{endpoint}");
    run.problem(
        ProblemKind::Configuration,
        &scope,
        format!("the service has no API `{endpoint}`"),
        Some(hint),
    );
}

async fn record_apis(
    run: &Run,
    apis: impl Iterator<Item = &ApiInfo>,
    wanted: &[Endpoint],
) -> Result<(), RunError> {
    let facts = apis
        .filter(|api| is_wanted(&api.endpoint, wanted))
        .map(|api| EndpointFacts {
            endpoint: api.endpoint.clone(),
            name: api.name.clone(),
            kind: api.kind,
            schema: None,
        })
        .collect();
    record_endpoints(run, facts).await
}

async fn record_endpoints(run: &Run, facts: Vec<EndpointFacts>) -> Result<(), RunError> {
    if run.id.is_some() {
        let now = run.now();
        run.store(move |store| store.record_endpoints(&facts, now))
            .await?;
    }
    Ok(())
}

async fn schema(run: &Run, target: &Target) -> Result<(), RunError> {
    let scope = format!("schema/{}", target.endpoint);
    let schema = match run.rooms.remote.schema(&target.endpoint).await {
        Ok(Schema::Text(text)) => Some(text),
        // It was listed a moment ago: the next run will see which is true.
        Ok(Schema::Absent) => {
            run.problem(
                ProblemKind::Owed,
                &scope,
                "the API is listed, but has no schema to read".to_owned(),
                None,
            );
            None
        }
        Err(err) => {
            run.remote_problem(&scope, &err);
            None
        }
    };
    if schema.is_none() && !target.is_new {
        return Ok(());
    }
    let facts = EndpointFacts {
        endpoint: target.endpoint.clone(),
        name: target.name.clone(),
        kind: target.kind.unwrap_or(EndpointKind::List),
        schema,
    };
    record_endpoints(run, vec![facts]).await
}

async fn walk(run: &Run, target: &Target) -> Result<(), RunError> {
    let started_at = run.now();
    let (out, mut pages) = mpsc::channel(PAGES_WAITING);
    let (remote, tally) = (Arc::clone(&run.rooms.remote), Arc::clone(&run.tally));
    let asked = target.clone();
    let mut walker = AbortOnDropHandle::new(tokio::spawn(async move {
        remote
            .walk_contents(&asked.endpoint, asked.kind, &tally, out)
            .await
    }));
    while let Some(page) = pages.recv().await {
        record(run, &target.endpoint, page.contents).await?;
    }
    let end = (&mut walker).await?;
    let scope = Scope::Contents(target.endpoint.clone());
    run.record_walk(record_of(&end, scope.clone(), started_at, run.now()))
        .await?;
    run.sheet().contents.seen += end.seen.len();
    if let Some(err) = &end.error {
        if err.refusal() == Some(Refusal::NotFound) && target.is_listed {
            // Deleted meanwhile, perhaps: the next list of APIs tells.
            let message = "the API is listed, but its contents are not found".to_owned();
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
        record_endpoints(run, vec![facts]).await?;
    }
    match end.verdict {
        WalkVerdict::Proven => {
            absences(
                run,
                &target.endpoint,
                end.seen,
                end.total_count.unwrap_or(0),
            )
            .await
        }
        WalkVerdict::Unproven => {
            let detail = end.detail.unwrap_or_default();
            let message = format!("the listing could not be proven: {detail}");
            run.problem(ProblemKind::Owed, &scope.to_string(), message, None);
            Ok(())
        }
        WalkVerdict::Failed => Ok(()),
    }
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

/// Records one page: facts, decision, rows.
async fn record(
    run: &Run,
    endpoint: &Endpoint,
    contents: Vec<ListedContent>,
) -> Result<(), RunError> {
    let ids: Vec<ContentId> = contents.iter().map(|content| content.id.clone()).collect();
    let asked = endpoint.clone();
    let known = run
        .store(move |store| store.load_contents(&asked, &ids))
        .await?;
    let steps: Vec<ContentStep> = contents
        .into_iter()
        .map(|listed| {
            let known = known.get(&listed.id);
            let before = known
                .filter(|known| known.metadata != listed.metadata)
                .and_then(|known| read_content(&known.metadata, Some(listed.id.as_str())).ok());
            content_step(listed, known.map(|known| (known, before.as_ref())))
        })
        .collect();
    let owed: u64 = steps.iter().map(owes).sum();
    if run.id.is_none() {
        let mut sheet = run.sheet();
        for step in &steps {
            if let ContentStep::Record { content, .. } = step {
                if known.contains_key(&content.id) {
                    sheet.contents.changed += 1;
                } else {
                    sheet.contents.new += 1;
                }
            }
        }
        sheet.bodies.owed += owed;
        return Ok(());
    }
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

/// Follows up what a proven walk lacked: each is asked for by id, and only a 404 is evidence.
async fn absences(
    run: &Run,
    endpoint: &Endpoint,
    seen: IdSet,
    listed: u64,
) -> Result<(), RunError> {
    let asked = endpoint.clone();
    let absent = run
        .store(move |store| store.absent_contents(&asked, &|id| seen.contains(id)))
        .await?;
    let missing = absent.missing.len() as u64;
    run.sheet().contents.missing += missing;
    if run.id.is_none() || !may_delete(run, endpoint, absent.live, missing, listed) {
        return Ok(());
    }
    let mut gone = Vec::new();
    for (asked, id) in (0..).zip(absent.missing) {
        match run.rooms.remote.look_up(endpoint, &id).await {
            Ok(Lookup::Absent) => gone.push(id),
            Ok(Lookup::Found(content)) => record(run, endpoint, vec![*content]).await?,
            Err(err) => {
                let is_its_own = matches!(err.remedy(), Remedy::SkipItem)
                    || matches!(err, RemoteError::Unreadable { .. });
                let others = match missing.saturating_sub(asked + 1) {
                    left if is_its_own || left == 0 => String::new(),
                    left => format!(" ({left} others were not asked for)"),
                };
                let message = format!(
                    "`{id}` is missing from the listing and could not be asked for{others}: {}",
                    err.chain()
                );
                let kind = if err.needs_operator() && err.refusal().is_some() {
                    ProblemKind::Refused
                } else {
                    ProblemKind::Owed
                };
                run.problem(kind, &format!("contents/{endpoint}"), message, err.hint());
                // What refused or failed this one, after many tries, will not answer the next.
                if !is_its_own {
                    break;
                }
            }
        }
    }
    let (asked, now) = (endpoint.clone(), run.now());
    let deleted = run
        .store(move |store| store.retire_contents(&asked, &gone, now))
        .await?;
    run.sheet().contents.deleted += deleted;
    Ok(())
}

/// Asks the guard; notes what it says.
fn may_delete(run: &Run, endpoint: &Endpoint, live: u64, missing: u64, listed: u64) -> bool {
    let allowed = run.sheet().deletes_left;
    match examine(live, missing, listed, allowed) {
        Finding::Whole => false,
        Finding::FollowUp => true,
        Finding::Confirmed => {
            run.sheet().deletes_left -= missing;
            true
        }
        Finding::Guard(why) => {
            let hint = format!(
                "nothing was marked as deleted; if these {missing} contents really were deleted, confirm once with \
                 --allow-deletes {missing}"
            );
            run.problem(
                ProblemKind::Guard,
                &format!("contents/{endpoint}"),
                why,
                Some(hint),
            );
            false
        }
    }
}

/// Follows up an API that the service no longer lists: only its own 404 is evidence, and its contents
/// are held against the guard like any others.
async fn follow_up_endpoint(run: &Run, endpoint: Endpoint, listed: u64) -> Result<(), RunError> {
    match run.rooms.remote.schema(&endpoint).await {
        Ok(Schema::Absent) => {}
        Ok(Schema::Text(_)) => {
            let message = "the API is missing from the list of APIs, but exists".to_owned();
            run.problem(
                ProblemKind::Owed,
                &format!("contents/{endpoint}"),
                message,
                None,
            );
            return Ok(());
        }
        Err(err) => {
            run.remote_problem(&format!("contents/{endpoint}"), &err);
            return Ok(());
        }
    }
    let asked = endpoint.clone();
    let live = run
        .store(move |store| store.absent_contents(&asked, &|_| false))
        .await?
        .live;
    run.sheet().contents.missing += live;
    // The API's own 404 speaks for its contents: only a large number of them calls for a person, or
    // a list of APIs that is suddenly empty.
    if run.id.is_none() || (live > 0 && !may_delete(run, &endpoint, live, live, listed)) {
        return Ok(());
    }
    let now = run.now();
    run.store(move |store| store.retire_endpoint(&endpoint, now))
        .await?;
    run.sheet().contents.deleted += live;
    Ok(())
}
