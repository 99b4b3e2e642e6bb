//! What is known and was not listed: a deletion only where the service itself says so.

use super::super::RunError;
use super::super::guard;
use super::super::run::Run;
use super::DISAGREE;
use super::record;
use crate::model::{ContentId, Endpoint, ProblemKind, Scope, counted};
use crate::plan::{Finding, examine};
use crate::remote::{IdSet, Lookup, Remedy, RemoteError, Schema};

/// Deletions recorded together: half a minute of questions.
const TOGETHER: usize = 32;

/// Follows up what a proven walk lacked: each is asked for by id, and only a 404 is evidence. Returns
/// one that exists: it was not listed and was there, which disproves the walk. Where `odd` items were
/// listed that nobody can tell apart, what is missing may be one of them: that is followed up later.
pub(super) async fn absences(
    run: &Run,
    endpoint: &Endpoint,
    seen: IdSet,
    odd: u64,
    listed: u64,
) -> Result<Option<ContentId>, RunError> {
    let asked = endpoint.clone();
    let scope = Scope::Contents(endpoint.clone()).to_string();
    let recorded = (odd == 0 && run.records_all_of(&scope)).then(|| seen.len());
    let absent = run
        .store(move |store| store.absent_contents(&asked, recorded, &|id| seen.contains(id)))
        .await?;
    let missing = absent.missing.len() as u64;
    run.sheet().contents.missing += missing;
    if odd > 0 && missing > 0 {
        let why = format!(
            "{missing} contents that are known are missing from the listing, and may be among its {odd} items \
             that have no `id`: nothing was marked as deleted"
        );
        run.problem(
            ProblemKind::Owed,
            &format!("contents/{endpoint}"),
            why,
            None,
        );
        return Ok(None);
    }
    // A dry run asks the guard all the same, and then for none of them.
    let may_delete = may_delete(run, endpoint, absent.live, missing, listed);
    if !may_delete || run.id.is_none() {
        return Ok(None);
    }
    look_up_each(run, endpoint, absent.missing).await
}

/// Asks for each missing content by its id, and marks those that the service itself says are gone. Returns one that
/// exists.
///
/// What was answered is recorded as it comes: thousands of questions take an hour, and a run may be stopped.
async fn look_up_each(
    run: &Run,
    endpoint: &Endpoint,
    missing: Vec<ContentId>,
) -> Result<Option<ContentId>, RunError> {
    let mut left = missing.len();
    let (mut gone, mut present) = (Vec::new(), None);
    let mut unanswered = Unanswered::default();
    // One that answers to a former id, too, is no list that moved.
    let is_object = run.sheet().objects.contains_key(endpoint);
    for id in missing {
        left -= 1;
        match run.rooms.remote.look_up(endpoint, &id).await {
            Ok(Lookup::Absent) => gone.push(id),
            Ok(Lookup::Found(_)) if is_object => {}
            Ok(Lookup::Found(content)) => {
                record(run, endpoint, vec![*content]).await?;
                present = Some(id);
            }
            Err(err) => {
                // What refused or failed this one, after many tries, will not answer the next.
                if unanswered.add(id, err) {
                    break;
                }
            }
        }
        if gone.len() >= TOGETHER {
            retire(run, endpoint, std::mem::take(&mut gone)).await?;
        }
    }
    retire(run, endpoint, gone).await?;
    unanswered.say(run, endpoint, left);
    Ok(present)
}

async fn retire(run: &Run, endpoint: &Endpoint, gone: Vec<ContentId>) -> Result<(), RunError> {
    let (endpoint, now) = (endpoint.clone(), run.now());
    let deleted = run
        .store(move |store| store.retire_contents(&endpoint, &gone, now))
        .await?;
    run.sheet().contents.deleted += deleted;
    Ok(())
}

/// Contents that could not be asked for, told in one line: there may be thousands.
#[derive(Debug, Default)]
struct Unanswered {
    count: usize,
    /// The first one; the last one, if that ended the asking.
    example: Option<(ContentId, RemoteError)>,
}

impl Unanswered {
    /// Takes in one. Returns whether asking for others is pointless.
    fn add(&mut self, id: ContentId, err: RemoteError) -> bool {
        let is_its_own = matches!(err.remedy(), Remedy::SkipItem)
            || matches!(err, RemoteError::Unreadable { .. });
        self.count += 1;
        if self.example.is_none() || !is_its_own {
            self.example = Some((id, err));
        }
        !is_its_own
    }

    fn say(self, run: &Run, endpoint: &Endpoint, not_asked: usize) {
        let Some((id, err)) = self.example else {
            return;
        };
        let others = match (self.count - 1, not_asked) {
            (0, 0) => String::new(),
            (0, left) => format!(" ({left} others were not asked for)"),
            (more, 0) => format!(" (nor could {more} others)"),
            (more, left) => {
                format!(" (nor could {more} others, and {left} more were not asked for)")
            }
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
    }
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
            guard::trip(
                run,
                &format!("contents/{endpoint}"),
                why,
                missing,
                "contents",
            );
            false
        }
    }
}

/// Contents of an API that is gone that are asked for by their ids: all of them, where no person has to look.
const SAMPLE: usize = 10;

/// Returns whether the service says of each of the first contents of an API that it is gone, too.
async fn are_gone(run: &Run, endpoint: &Endpoint, ids: Vec<ContentId>) -> Result<bool, RunError> {
    let scope = format!("contents/{endpoint}");
    for id in ids.into_iter().take(SAMPLE) {
        match run.rooms.remote.look_up(endpoint, &id).await {
            Ok(Lookup::Absent) => {}
            Ok(Lookup::Found(content)) => {
                record(run, endpoint, vec![*content]).await?;
                let message =
                    format!("the API is missing from the list of APIs, but `{id}` in it exists");
                run.problem(ProblemKind::Owed, &scope, message, None);
                return Ok(false);
            }
            Err(err) => {
                run.remote_problem(&scope, &err);
                return Ok(false);
            }
        }
    }
    Ok(true)
}

/// Follows up APIs that the service no longer lists: only its own 404 is evidence, and their contents are held against the
/// guard, those of each and those of all together. A list of APIs that lacks most of them is not believed because each is small.
pub(super) async fn follow_up_endpoints(
    run: &Run,
    endpoints: Vec<Endpoint>,
    listed: u64,
) -> Result<(), RunError> {
    let before = run.store(|store| store.live_contents()).await?;
    let mut gone = Vec::new();
    for endpoint in endpoints {
        let Some(live) = is_gone(run, &endpoint).await? else {
            continue;
        };
        // The API's own 404 speaks for the other contents: only a large number of them calls for a person, or
        // a list of APIs that is suddenly empty.
        if matches!(examine(live, live, listed, 0), Finding::Guard(_)) {
            if may_delete(run, &endpoint, live, live, listed) {
                retire_api(run, endpoint, live).await?;
            }
        } else {
            gone.push((endpoint, live));
        }
    }
    let together: u64 = gone.iter().map(|(_, live)| live).sum();
    let allowed = run.sheet().deletes_left;
    match examine(before, together, listed, allowed) {
        Finding::Guard(_) => {
            let why = format!(
                "the list of APIs lacks {}, which have {together} of the {before} contents that are known",
                counted(gone.len() as u64, "API", "APIs")
            );
            guard::trip(run, "apis", why, together, "contents");
            return Ok(());
        }
        Finding::Confirmed => run.sheet().deletes_left -= together,
        Finding::Whole | Finding::FollowUp => {}
    }
    for (endpoint, live) in gone {
        retire_api(run, endpoint, live).await?;
    }
    Ok(())
}

/// Marks an API and its contents as deleted.
async fn retire_api(run: &Run, endpoint: Endpoint, live: u64) -> Result<(), RunError> {
    if run.id.is_none() {
        return Ok(());
    }
    let now = run.now();
    run.store(move |store| store.retire_endpoint(&endpoint, now))
        .await?;
    run.sheet().contents.deleted += live;
    Ok(())
}

/// Returns how many contents are known of an API that the service has no more, as it says itself; `None`: it does not say so,
/// which is noted.
async fn is_gone(run: &Run, endpoint: &Endpoint) -> Result<Option<u64>, RunError> {
    match run.rooms.remote.schema(endpoint).await {
        Ok(Schema::Absent) => {}
        Ok(Schema::Text(_)) => {
            let message = "the API is missing from the list of APIs, but exists".to_owned();
            let hint = Some(DISAGREE.to_owned());
            run.problem(
                ProblemKind::Owed,
                &format!("contents/{endpoint}"),
                message,
                hint,
            );
            return Ok(None);
        }
        Err(err) => {
            run.remote_problem(&format!("contents/{endpoint}"), &err);
            return Ok(None);
        }
    }
    let asked = endpoint.clone();
    let known = run
        .store(move |store| store.absent_contents(&asked, None, &|_| false))
        .await?;
    let live = known.live;
    run.sheet().contents.missing += live;
    let are_gone = are_gone(run, endpoint, known.missing).await?;
    Ok(are_gone.then_some(live))
}
