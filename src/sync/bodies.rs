//! The bodies part: asks the Content API for what is owed, beside the walks.
//!
//! What the key may not read stays owed, marked as refused. Each run asks once more with a single
//! request per API and side, so that a right that was granted heals by itself and one that was not
//! costs next to nothing.

mod ask;

use super::RunError;
use super::run::Run;
use crate::model::{BodyOutcome, BodySide, ContentId, Endpoint, OwedBody, ProblemKind};
use crate::remote::{Batch, IdSet, Refusal, RemoteError};
use crate::store::EndpointRow;
use ask::{Api, Wanted};
use futures_util::stream::{self, StreamExt as _};

/// Rows of owed bodies looked at together.
const ROWS: usize = 500;
/// Requests under way at a time; the budget paces them.
const AT_A_TIME: usize = 8;

/// Reads all bodies that are owed, until the listings are over and none is left to ask for.
pub(super) async fn part(run: &Run) -> Result<(), RunError> {
    if run.options.only.contents && run.id.is_some() {
        tokio::select! {
            biased;
            () = run.stop.wait() => {}
            done = read_all(run) => done?,
        }
    }
    run.ended(|listings| listings.bodies = true);
    Ok(())
}

/// What is known of the Content API in this run.
#[derive(Debug, Default)]
struct Standing {
    /// Bodies asked for in this run: once is enough.
    tried: IdSet,
    /// Why asking at all is pointless.
    is_stopped: bool,
}

async fn read_all(run: &Run) -> Result<(), RunError> {
    let mut standing = Standing::default();
    let mut is_asked_anew = IdSet::default();
    loop {
        let is_over = run.listings().contents;
        let mut has_progress = false;
        for row in endpoints(run).await? {
            if run.options.is_full && is_over && is_asked_anew.insert(row.endpoint.as_str()) {
                let (endpoint, now) = (row.endpoint.clone(), run.now());
                run.store(move |store| store.refetch_all_bodies(&endpoint, now))
                    .await?;
            }
            if !standing.is_stopped {
                has_progress |= endpoint_pass(run, &row, &mut standing).await?;
            }
        }
        if !has_progress {
            if is_over {
                return Ok(());
            }
            run.bodies_wake.notified().await;
        }
    }
}

async fn endpoints(run: &Run) -> Result<Vec<EndpointRow>, RunError> {
    let wanted = &run.options.endpoints;
    let mut rows = run.store(|store| store.load_endpoints()).await?;
    rows.retain(|row| !row.is_deleted && (wanted.is_empty() || wanted.contains(&row.endpoint)));
    Ok(rows)
}

fn key(endpoint: &Endpoint, id: &ContentId, side: BodySide) -> String {
    format!("{endpoint}\n{id}\n{}", side.as_str())
}

/// Asks once for every body that one API owes. Returns whether anything was asked for.
async fn endpoint_pass(
    run: &Run,
    row: &EndpointRow,
    standing: &mut Standing,
) -> Result<bool, RunError> {
    let api = Api {
        run,
        endpoint: &row.endpoint,
        kind: row.kind,
    };
    let mut has_progress = false;
    let mut after: Option<(ContentId, BodySide)> = None;
    // Sides of this API that were refused in this pass: the rest of it is marked, not asked for.
    let mut refused: Option<String> = None;
    let mut refused_again: [bool; 2] = [false; 2];
    loop {
        let (endpoint, from) = (row.endpoint.clone(), after.clone());
        let rows = run
            .store(move |store| {
                let from = from.as_ref().map(|(id, side)| (id, *side));
                store.owed_bodies(&endpoint, from, ROWS, true)
            })
            .await?;
        let Some(last) = rows.last() else {
            return Ok(has_progress);
        };
        after = Some((last.id.clone(), last.side));
        let fresh: Vec<OwedBody> = rows
            .into_iter()
            .filter(|owed| {
                standing
                    .tried
                    .insert(&key(&row.endpoint, &owed.id, owed.side))
            })
            .collect();
        if fresh.is_empty() {
            continue;
        }
        has_progress = true;
        if let Some(reason) = &refused {
            let outcomes = fresh.iter().map(|owed| api.refused(owed, reason)).collect();
            save(run, outcomes).await?;
            continue;
        }
        let (again, first): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|owed| owed.is_refused);
        for side in [BodySide::Published, BodySide::Draft] {
            let slot = usize::from(side == BodySide::Draft);
            let again: Vec<_> = again
                .iter()
                .filter(|owed| owed.side == side)
                .cloned()
                .collect();
            let is_refused_again = refused_again.get(slot).copied().unwrap_or(false);
            if again.is_empty() || is_refused_again {
                continue;
            }
            let was_readable = probe(&api, again, standing, &mut refused).await?;
            if let Some(slot) = refused_again.get_mut(slot) {
                *slot = !was_readable;
            }
        }
        ask_all(&api, first, standing, &mut refused).await?;
        if standing.is_stopped {
            return Ok(has_progress);
        }
    }
}

/// Asks for the first of what was refused before; for the rest only if that is readable now.
async fn probe(
    api: &Api<'_>,
    again: Vec<OwedBody>,
    standing: &mut Standing,
    refused: &mut Option<String>,
) -> Result<bool, RunError> {
    let (_, taken) = Batch::take(
        &again.iter().map(|owed| owed.id.clone()).collect::<Vec<_>>(),
        usize::MAX,
    );
    let taken = if again
        .first()
        .is_some_and(|owed| owed.side == BodySide::Draft)
    {
        1
    } else {
        taken
    };
    let mut first = again;
    let rest = first.split_off(taken.min(first.len()));
    let saved = ask_all(api, first, standing, refused).await?;
    if saved > 0 {
        ask_all(api, rest, standing, refused).await?;
    }
    Ok(saved > 0)
}

/// Asks for bodies, several requests at a time, and records each answer as it comes. Returns how
/// many bodies were recorded.
async fn ask_all(
    api: &Api<'_>,
    owed: Vec<OwedBody>,
    standing: &mut Standing,
    refused: &mut Option<String>,
) -> Result<u64, RunError> {
    let mut saved = 0;
    let mut answers = stream::iter(Wanted::sort(owed))
        .map(|wanted| wanted.ask(api))
        .buffer_unordered(AT_A_TIME);
    while let Some(answer) = answers.next().await {
        saved += save(api.run, answer.outcomes).await?;
        let Some(err) = answer.trouble else { continue };
        match err.refusal() {
            Some(Refusal::EndpointForbidden) => *refused = Some(err.chain()),
            // The whole API: a wrong key, a stopped plan, a network that is gone.
            _ if err.needs_operator() || matches!(err, RemoteError::Unreachable { .. }) => {
                if !standing.is_stopped {
                    standing.is_stopped = true;
                    api.run.remote_problem("bodies", &err);
                }
                break;
            }
            _ => {}
        }
    }
    Ok(saved)
}

async fn save(run: &Run, outcomes: Vec<BodyOutcome>) -> Result<u64, RunError> {
    if outcomes.is_empty() {
        return Ok(0);
    }
    let now = run.now();
    let saved = run
        .store(move |store| store.record_bodies(&outcomes, now))
        .await?;
    run.tally.bodies.add(saved);
    run.sheet().bodies.saved += saved;
    Ok(saved)
}

/// Adds up what is owed, and says per API what is in the way.
pub(super) async fn account(run: &Run) -> Result<(), RunError> {
    let (totals, problems, endpoints) = run
        .store(|store| {
            Ok((
                store.body_counts()?,
                store.body_problems()?,
                store.load_endpoints()?,
            ))
        })
        .await?;
    {
        let mut sheet = run.sheet();
        sheet.bodies.owed = totals.owed;
        sheet.bodies.refused = totals.refused;
    }
    let live = endpoints.iter().filter(|row| !row.is_deleted).count();
    let refused = problems
        .iter()
        .filter(|problem| problem.refused > 0 && problem.refused == problem.owed)
        .count();
    for problem in problems {
        let scope = format!("bodies/{}", problem.endpoint);
        let example = problem
            .example_error
            .map(|error| format!(", for example: {error}"))
            .unwrap_or_default();
        let message = format!(
            "{} bodies are owed, {} of them refused to the key{example}",
            problem.owed, problem.refused
        );
        // A key that may read no body at all is a permission problem; one API of several is not.
        let is_key = live > 0 && refused == live;
        let kind = if is_key {
            ProblemKind::Refused
        } else {
            ProblemKind::Owed
        };
        let hint = (problem.refused > 0).then(|| {
            "give the key the GET right for this API, and `公開終了コンテンツの全取得` (all closed contents) if it has closed ones"
                .to_owned()
        });
        run.problem(kind, &scope, message, hint);
    }
    Ok(())
}
