//! Which APIs there are to walk, and what the service says of them.

use super::super::RunError;
use super::super::run::Run;
use super::DISAGREE;
use crate::model::{Endpoint, EndpointKind, ProblemKind};
use crate::remote::{ApiInfo, ApiList, Refusal, Schema, StrangeApi, rights};
use crate::store::EndpointFacts;
use tracing::warn;

/// An API to walk.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) endpoint: Endpoint,
    pub(super) kind: Option<EndpointKind>,
    pub(super) name: String,
    /// Whether the service lists it in this run.
    pub(super) is_listed: bool,
    /// Whether the database has not heard of it.
    pub(super) is_new: bool,
}

/// What there is to do.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) targets: Vec<Target>,
    /// Known APIs that the service no longer lists.
    pub(super) vanished: Vec<Endpoint>,
    /// How many the service lists.
    pub(super) listed: u64,
    pub(super) can_read_schemas: bool,
}

/// Finds out which APIs to walk, which known ones the service no longer lists, and whether the key
/// may read schemas.
pub(super) async fn plan(run: &Run) -> Result<Plan, RunError> {
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
    match run.rooms.remote.apis().await {
        Ok(list) => {
            let is_known = |api: &&ApiInfo| known.iter().any(|row| row.endpoint == api.endpoint);
            record_apis(run, list.apis.iter().filter(is_known), wanted).await?;
            let is_listed = |endpoint: &Endpoint| list.endpoints().any(|listed| listed == endpoint);
            let live = known
                .iter()
                .filter(|row| wanted.is_empty() && !row.is_deleted);
            let missing = live.map(|row| &row.endpoint).chain(wanted);
            let missing = missing.filter(|endpoint| !is_listed(endpoint)).cloned();
            let mut plan = Plan {
                targets: list
                    .endpoints()
                    .filter(|endpoint| is_wanted(endpoint, wanted))
                    .map(|endpoint| listed(&list, unlisted(endpoint)))
                    .collect(),
                vanished: Vec::new(),
                listed: list.len() as u64,
                can_read_schemas: true,
            };
            if let Some(why) = list.unusable.first() {
                name_unusable(run, why, list.unusable.len());
                // What is missing may stand in such an entry.
                plan.targets
                    .extend(missing.map(|endpoint| unlisted(&endpoint)));
            } else if wanted.is_empty() {
                plan.vanished = missing.collect();
            } else {
                for endpoint in missing {
                    unknown(run, &endpoint, &list).await?;
                }
            }
            for api in &list.strange {
                if is_wanted(&api.endpoint, wanted) {
                    name_strange(run, api);
                }
            }
            Ok(plan)
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
                let hint = format!(
                    "the key is another service's, or lacks the right {} (admin screen: {}); or name the APIs in \
                     service.endpoints; {}",
                    rights::APIS,
                    rights::PLACE,
                    rights::TRY_EACH
                );
                run.problem(ProblemKind::Refused, "apis", err.chain(), Some(hint));
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

/// Says of an API what the list does. One of a type that is not known turns out to be what its contents
/// look like.
fn listed(list: &ApiList, known: Target) -> Target {
    let is_it = |endpoint: &Endpoint| *endpoint == known.endpoint;
    let api = list.apis.iter().find(|api| is_it(&api.endpoint));
    let strange = list.strange.iter().find(|api| is_it(&api.endpoint));
    let (kind, name) = match (api, strange) {
        (Some(api), _) => (Some(api.kind), api.name.clone()),
        (None, Some(api)) => (known.kind, api.name.clone()),
        (None, None) => return known,
    };
    Target {
        kind,
        name,
        is_listed: true,
        ..known
    }
}

fn name_unusable(run: &Run, why: &str, count: usize) {
    let more = match count {
        1 => String::new(),
        _ => format!(" ({} more cannot be used either)", count - 1),
    };
    let message = format!("{why}{more}; what the list lacks counts as neither there nor deleted");
    run.problem(ProblemKind::Owed, "apis", message, None);
}

fn name_strange(run: &Run, api: &StrangeApi) {
    let message = format!(
        "the API is of the type `{}`, which this program does not know: it is backed up as what it looks like",
        api.kind
    );
    let hint = "a newer version of this program may know it".to_owned();
    let scope = format!("contents/{}", api.endpoint);
    run.problem(ProblemKind::Owed, &scope, message, Some(hint));
}

fn is_wanted(endpoint: &Endpoint, wanted: &[Endpoint]) -> bool {
    wanted.is_empty() || wanted.contains(endpoint)
}

async fn unknown(run: &Run, endpoint: &Endpoint, list: &ApiList) -> Result<(), RunError> {
    let mut names: Vec<&str> = list.endpoints().map(Endpoint::as_str).collect();
    names.sort_by_key(|name| strsim::levenshtein(name, endpoint.as_str()));
    let gone = endpoint.clone();
    let deleted_at = run
        .store(move |store| store.api_deleted_at(&gone, None))
        .await?;
    let message = match deleted_at {
        Some(at) => format!("the API `{endpoint}` was deleted at {at}"),
        None => format!("the service has no API `{endpoint}`"),
    };
    let hint = match names.split_first() {
        _ if deleted_at.is_some() => {
            format!(
                "leave it out; what it held is kept, and `show {endpoint}` tells how to reach it"
            )
        }
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
    run.problem(ProblemKind::Configuration, &scope, message, Some(hint));
    Ok(())
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

pub(super) async fn record_endpoints(run: &Run, facts: Vec<EndpointFacts>) -> Result<(), RunError> {
    if run.id.is_some() {
        let now = run.now();
        run.store(move |store| store.record_endpoints(&facts, now))
            .await?;
    }
    Ok(())
}

/// Records the schema of an API of which it is known what it holds.
pub(super) async fn schema(run: &Run, target: &Target) -> Result<(), RunError> {
    let Some(kind) = target.kind else {
        return Ok(());
    };
    let scope = format!("schema/{}", target.endpoint);
    let schema = match run.rooms.remote.schema(&target.endpoint).await {
        Ok(Schema::Text(text)) => Some(text),
        // It was listed a moment ago: the next run will see which is true.
        Ok(Schema::Absent) => {
            run.problem(
                ProblemKind::Owed,
                &scope,
                "the API is listed, but has no schema to read".to_owned(),
                Some(DISAGREE.to_owned()),
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
        kind,
        schema,
    };
    record_endpoints(run, vec![facts]).await
}
