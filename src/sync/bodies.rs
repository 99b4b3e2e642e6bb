//! The bodies part: asks the Content API for what is owed, beside the walks.
//!
//! What the key may not read stays owed, marked as refused. Each run asks once more with a single
//! request per API and side, so that a right that was granted heals by itself and one that was not
//! costs next to nothing.

mod account;
mod answers;
mod ask;
mod drafts;
mod hidden;
mod key;
mod stale;
mod wanted;

pub(super) use account::{account, debts};

use super::RunError;
use super::owed;
use super::run::Run;
use crate::model::{
    BodyOutcome, BodySide, ContentId, Endpoint, EndpointKind, OwedBody, ProblemKind, Status,
};
use crate::remote::{Batch, IdSet, RemoteError};
use crate::store::EndpointRow;
use answers::Answers;
use ask::{Answer, Api, DRAFTS, HIDDEN};
use drafts::Drafts;
use futures_util::stream::{self, StreamExt as _};
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wanted::Wanted;

/// Rows of owed bodies looked at together: several rounds of requests, because the last round of them is
/// not a full one.
const ROWS: usize = 2000;
/// Requests under way at a time; the budget paces them.
const AT_A_TIME: usize = 8;
/// Answers whose bodies are read through at a time: each takes a thread, and what it reads into memory.
const READ_AT_A_TIME: usize = 2;

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

/// Requests in a row without a single body, for reasons that more than one content has, after which
/// the Content API is left alone for the rest of the run. Two rounds of what is under way at a time:
/// each of them was asked several times over many seconds.
const FRUITLESS: usize = 2 * AT_A_TIME;

/// What is known of the Content API in this run.
#[derive(Debug, Default)]
struct Standing {
    /// Questions asked in this run: once is enough.
    tried: IdSet,
    /// What is known of each API.
    passes: BTreeMap<Endpoint, Pass>,
    /// Requests in a row that brought nothing.
    fruitless: usize,
    /// Asking at all is pointless.
    is_stopped: bool,
}

/// What is known of one endpoint in this run.
#[derive(Debug, Default)]
struct Pass {
    /// Why the key may not read it: the rest is marked, not asked for.
    refused: Option<String>,
    /// Requests refused for reasons that are not understood, without a body in between.
    strange: usize,
    /// It does not answer in a usable way: the rest stays owed.
    is_broken: bool,
    /// What is known of its drafts.
    drafts: Arc<Drafts>,
    /// Kinds of bodies that were refused before and are still.
    refused_again: Vec<(BodySide, Status)>,
}

async fn read_all(run: &Run) -> Result<(), RunError> {
    let mut standing = Standing::default();
    if run.options.is_full {
        // Before anything else: what this run reads for the first time need not be read twice.
        for row in endpoints(run).await? {
            let now = run.now();
            run.store(move |store| store.refetch_all_bodies(&row.endpoint, now))
                .await?;
        }
    }
    owe_doubted(run).await?;
    loop {
        let is_over = run.listings().contents;
        let mut has_progress = false;
        for row in endpoints(run).await? {
            if !standing.is_stopped {
                has_progress |= endpoint_pass(run, &row, is_over, &mut standing).await?;
            }
        }
        if !has_progress {
            if is_over {
                break;
            }
            run.bodies_wake.notified().await;
        }
    }
    if !standing.is_stopped {
        key::look(run).await?;
    }
    Ok(())
}

/// Owes anew what was believed although it was older than its listing, where its later look is due.
async fn owe_doubted(run: &Run) -> Result<(), RunError> {
    for row in endpoints(run).await? {
        let now = run.now();
        let look = stale::later_look(now);
        run.store(move |store| store.owe_doubted_bodies(&row.endpoint, look, now))
            .await?;
    }
    Ok(())
}

async fn endpoints(run: &Run) -> Result<Vec<EndpointRow>, RunError> {
    let wanted = &run.options.endpoints;
    let mut rows = run.store(|store| store.load_endpoints()).await?;
    rows.retain(|row| !row.is_deleted && (wanted.is_empty() || wanted.contains(&row.endpoint)));
    Ok(rows)
}

/// Names a question: the same body is another one after its content changed, or once its API turns out to be of the other kind.
fn question(row: &EndpointRow, owed: &OwedBody) -> String {
    let OwedBody {
        id, side, owed_at, ..
    } = owed;
    let (endpoint, kind, side) = (&row.endpoint, row.kind.as_str(), side.as_str());
    format!("{endpoint}\n{kind}\n{id}\n{side}\n{owed_at}")
}

/// Asks once for every body that one API owes. Returns whether anything was asked for.
async fn endpoint_pass(
    run: &Run,
    row: &EndpointRow,
    is_listed: bool,
    standing: &mut Standing,
) -> Result<bool, RunError> {
    let api = Api {
        run,
        endpoint: &row.endpoint,
        kind: row.kind,
    };
    if row.kind == EndpointKind::Object && !run.sheet().objects.contains_key(&row.endpoint) {
        // Which content it is has to be listed first.
        return Ok(false);
    }
    let mut has_progress = false;
    let mut after = None;
    let mut pass = standing.passes.remove(&row.endpoint).unwrap_or_default();
    let done = loop {
        // Asked before the rows are: what a listing that has ended owes is among them.
        let is_growing = run.is_listing(&row.endpoint);
        let rows = owed_bodies(run, &row.endpoint, after.take(), is_listed).await?;
        let Some(last) = rows.last() else {
            break has_progress;
        };
        after = Some(last.number);
        let mut fresh: Vec<OwedBody> = rows
            .into_iter()
            // What may be a draft waits until all is listed: the listing tells.
            .filter(|owed| is_listed || !hidden::is_doubted(owed))
            .filter(|owed| !standing.tried.contains(&question(row, owed)))
            .collect();
        if is_growing {
            fresh = Wanted::in_full_requests(fresh);
        }
        for owed in &fresh {
            standing.tried.insert(&question(row, owed));
        }
        has_progress |= !fresh.is_empty();
        let (again, first): (Vec<_>, Vec<_>) = fresh.into_iter().partition(|owed| owed.is_refused);
        probe(&api, again, standing, &mut pass).await?;
        ask_all(&api, first, standing, &mut pass).await?;
        if standing.is_stopped {
            break has_progress;
        }
    };
    standing.passes.insert(row.endpoint.clone(), pass);
    Ok(done)
}

async fn owed_bodies(
    run: &Run,
    endpoint: &Endpoint,
    after: Option<i64>,
    // What was refused before waits until all is listed: a listed content may tell why.
    is_listed: bool,
) -> Result<Vec<OwedBody>, RunError> {
    let endpoint = endpoint.clone();
    let rows = run
        .store(move |store| store.owed_bodies(&endpoint, after, ROWS, is_listed))
        .await?;
    Ok(rows)
}

/// Asks for a few of what was refused before; for the rest only if one of those is readable now. Each side
/// and status for itself, because each hangs on a right of its own; what is published goes first.
async fn probe(
    api: &Api<'_>,
    mut again: Vec<OwedBody>,
    standing: &mut Standing,
    pass: &mut Pass,
) -> Result<(), RunError> {
    again.sort_by_key(|owed| owed.side);
    while let Some(kind) = again.first().map(|owed| (owed.side, owed.status.clone())) {
        let (mut first, others): (Vec<_>, Vec<_>) = again
            .into_iter()
            .partition(|owed| (owed.side, &owed.status) == (kind.0, &kind.1));
        again = others;
        // Bodies may be refused one by one: in each run others are tried.
        first.sort_by_key(|owed| (owed.attempts, Reverse(owed.number)));
        heed_budget(api.run, standing);
        // A pass that is told no stops here: what was refused is marked as such already.
        let is_pointless = standing.is_stopped || pass.refused.is_some() || pass.is_broken;
        if is_pointless || pass.refused_again.contains(&kind) {
            continue;
        }
        let taken = match &kind {
            // Served and hidden by their drafts: each answer costs a body and a draft.
            (BodySide::Published, Status::PublishAndDraft) => match api.sees_all_drafts().await {
                Some(true) => {
                    // Also where it was refused for another reason before.
                    let other = |owed: &&OwedBody| owed.last_error.as_deref() != Some(HIDDEN);
                    let others: Vec<_> = first.iter().filter(other).cloned().collect();
                    save(api.run, api.all_refused(&others, HIDDEN)).await?;
                    0
                }
                Some(false) | None => 1,
            },
            (BodySide::Published, _) => {
                let ids: Vec<_> = first.iter().map(|owed| owed.id.clone()).collect();
                Batch::take(&ids, usize::MAX).1
            }
            (BodySide::Draft, _) => 1,
        };
        let rest = first.split_off(taken.min(first.len()));
        if !first.is_empty() && ask_all(api, first, standing, pass).await? > 0 {
            ask_all(api, rest, standing, pass).await?;
        } else {
            pass.refused_again.push(kind);
        }
    }
    Ok(())
}

/// Asks for bodies, several requests at a time, and records each answer as it comes. Returns how
/// many bodies were recorded.
async fn ask_all(
    api: &Api<'_>,
    owed: Vec<OwedBody>,
    standing: &mut Standing,
    pass: &mut Pass,
) -> Result<u64, RunError> {
    let mut saved = 0;
    let mut unanswered = owed.clone();
    let mut answered = HashSet::new();
    heed_budget(api.run, standing);
    if pass.refused.is_none() && !pass.is_broken && !standing.is_stopped {
        // The answer that ends the asking waits for those before it to be recorded; until it is weighed,
        // no further request begins.
        let is_shut = AtomicBool::new(false);
        let has_budget = || api.run.quota.left(api.run.now()) != Some(0);
        let wanted = Wanted::sort(owed).into_iter();
        let wanted = wanted.take_while(|_| !is_shut.load(Ordering::Relaxed) && has_budget());
        let drafts = Arc::clone(&pass.drafts);
        let asked = stream::iter(wanted).map(|wanted| async {
            let is_draft = wanted.is_draft();
            if is_draft && drafts.are_refused() {
                return Answer::default();
            }
            let answer = api.ask(wanted).await;
            if is_draft {
                drafts.learn(&answer);
            }
            if answer.trouble.as_ref().is_some_and(ends_asking) {
                is_shut.store(true, Ordering::Relaxed);
            }
            answer
        });
        // Nobody says before how long an answer is: where little is left of the month's budget, one of them may be too much.
        let at_a_time = match api.run.quota.is_tight(api.run.now()) {
            true => 1,
            false => AT_A_TIME,
        };
        let asked = asked.buffer_unordered(at_a_time);
        let read = asked.map(Answer::read_through).buffered(READ_AT_A_TIME);
        let mut answers = Answers::new(read);
        while let Some(group) = answers.next().await? {
            heed_budget(api.run, standing);
            let (outcomes, said) = taken_apart(group, &mut answered);
            saved += answers.beside(save(api.run, outcomes)).await??;
            if is_enough(api, said, standing, pass) {
                break;
            }
        }
        // What came while the last ones were recorded is not thrown away.
        let (outcomes, _) = taken_apart(answers.ready(), &mut answered);
        saved += save(api.run, outcomes).await?;
    }
    unanswered.retain(|owed| !answered.contains(&(owed.id.clone(), owed.side)));
    if let Some(reason) = &pass.refused {
        save(api.run, api.all_refused(&unanswered, reason)).await?;
        return Ok(saved);
    }
    let drafts = Wanted::sort(unanswered).into_iter();
    let drafts = drafts.filter_map(Wanted::into_draft).collect::<Vec<_>>();
    let is_over = pass.is_broken || standing.is_stopped;
    if pass.drafts.are_refused() {
        save(api.run, api.all_refused(&drafts, DRAFTS)).await?;
    } else if !drafts.is_empty() && pass.drafts.is_one_read() && !is_over {
        // Passed over before one could be read.
        saved += Box::pin(ask_all(api, drafts, standing, pass)).await?;
    }
    Ok(saved)
}

/// What one answer says of asking further: how many bodies it brought, and what trouble there was.
type Said = (u64, Option<RemoteError>);

/// Returns what came of asking, and what each answer says beside; notes what they are about.
fn taken_apart(
    group: Vec<Answer>,
    answered: &mut HashSet<(ContentId, BodySide)>,
) -> (Vec<BodyOutcome>, Vec<Said>) {
    let (mut outcomes, mut said) = (Vec::new(), Vec::new());
    for answer in group {
        let mut bodies = 0;
        for outcome in answer.outcomes {
            let (id, side) = match &outcome {
                BodyOutcome::Saved { id, side, .. } => {
                    bodies += 1;
                    (id, side)
                }
                BodyOutcome::Refused { id, side, .. }
                | BodyOutcome::Doubted { id, side, .. }
                | BodyOutcome::Failed { id, side, .. } => (id, side),
            };
            answered.insert((id.clone(), *side));
            outcomes.push(outcome);
        }
        said.push((bodies, answer.trouble));
    }
    (outcomes, said)
}

/// Weighs what answers say beside. Returns whether to stop asking this API.
fn is_enough(api: &Api<'_>, said: Vec<Said>, standing: &mut Standing, pass: &mut Pass) -> bool {
    for (bodies, trouble) in said {
        if bodies > 0 {
            standing.fruitless = 0;
            pass.strange = 0;
        }
        if let Some(err) = trouble
            && weigh(api, &err, bodies, standing, pass)
        {
            return true;
        }
    }
    standing.is_stopped
}

/// Stops asking where the month's budget is used up: bodies count like files (microcms-facts 3.2).
fn heed_budget(run: &Run, standing: &mut Standing) {
    if standing.is_stopped || run.quota.left(run.now()) != Some(0) {
        return;
    }
    standing.is_stopped = true;
    if let Some(budget) = owed::budget(run) {
        let message = owed::over_budget(&budget, "bodies");
        let hint = Some(owed::BUDGET_HINT.to_owned());
        run.problem(ProblemKind::Owed, "bodies", message, hint);
    }
}

/// Returns whether trouble is everyone's: a wrong key, a stopped plan, a network that is gone, a service
/// that wants no further request for longer than a run waits.
fn is_everywhere(err: &RemoteError) -> bool {
    err.needs_operator()
        || err.is_beyond_patience()
        || matches!(err, RemoteError::Unreachable { .. })
}

/// Returns whether trouble ends the asking by itself, whatever came before it.
fn ends_asking(err: &RemoteError) -> bool {
    err.is_about_endpoint() || is_everywhere(err)
}

/// Decides how far trouble reaches. Returns whether to stop asking this API.
fn weigh(
    api: &Api<'_>,
    err: &RemoteError,
    fruits: u64,
    standing: &mut Standing,
    pass: &mut Pass,
) -> bool {
    if err.is_about_endpoint() {
        pass.refused = Some(err.chain());
        let endpoint = api.endpoint.clone();
        api.run.sheet().forbidden.insert(endpoint, err.hint());
        return true;
    }
    // A refusal is the endpoint's or the content's own; anything else may be everyone's.
    let is_refusal = err.refusal().is_some();
    if fruits == 0 && is_refusal {
        pass.strange += 1;
    } else if fruits == 0 {
        standing.fruitless += 1;
    }
    if is_everywhere(err) || standing.fruitless >= FRUITLESS {
        standing.is_stopped = true;
        api.run.remote_problem("bodies", err);
        return true;
    }
    // The other APIs may do better.
    pass.is_broken = pass.strange >= AT_A_TIME;
    pass.is_broken
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
