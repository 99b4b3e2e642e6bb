//! From the names on the command line to the things in the database.

use std::ops::ControlFlow;

use super::failure::Failure;
use super::paper::visible;
use crate::model::{Endpoint, ExitCode, Thing, ThingKind};
use crate::plan::Nearest;
use crate::store::{Name, Store, StoreError, Wanted};

/// `--only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Only {
    /// APIs and their schemas
    Apis,
    /// Contents
    Contents,
    /// Media and their files
    Media,
}

impl Only {
    fn has(self, kind: ThingKind) -> bool {
        match self {
            Self::Apis => kind == ThingKind::Api,
            Self::Contents => kind == ThingKind::Content,
            Self::Media => matches!(kind, ThingKind::Medium | ThingKind::File),
        }
    }

    /// Returns which kinds of things are asked for; no word means all.
    pub(super) fn kinds(only: &[Self]) -> Vec<ThingKind> {
        let is_asked = |kind: &ThingKind| only.is_empty() || only.iter().any(|o| o.has(*kind));
        ThingKind::ALL.into_iter().filter(is_asked).collect()
    }
}

/// How many names are suggested.
const SUGGESTIONS: usize = 3;

/// Returns the one thing of each name. The name of an API that holds one content means that content, unless
/// `only` asks for the API.
///
/// # Errors
/// As wrong usage: a name that nothing has, with the nearest ones; one that several things have, with what
/// tells them apart.
fn things(
    store: &Store,
    names: &[String],
    only: &[Only],
) -> Result<Result<Vec<Thing>, Failure>, StoreError> {
    let mut found = Vec::new();
    for name in names {
        match thing(store, name, only)? {
            Ok(thing) => found.push(thing),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(found))
}

/// Returns the one thing of a name; see [`things`].
pub(super) fn thing(
    store: &Store,
    name: &str,
    only: &[Only],
) -> Result<Result<Thing, Failure>, StoreError> {
    let kinds = Only::kinds(only);
    let mut found = store.find(name)?;
    if let Some(Thing::Api(endpoint)) = found.iter().find(|thing| thing.kind() == ThingKind::Api)
        && kinds.contains(&ThingKind::Content)
        && let Some(content) = store.single_content(endpoint)?
    {
        let endpoint = endpoint.clone();
        found.retain(|thing| thing.endpoint() != Some(&endpoint));
        found.push(content);
    }
    found.retain(|thing| kinds.contains(&thing.kind()));
    match &*found {
        [one] => Ok(Ok(one.clone())),
        [] => unknown(store, name).map(Err),
        several => Ok(Err(ambiguous(name, several))),
    }
}

/// Returns the API of a name.
///
/// # Errors
/// As wrong usage: there never was such an API.
fn endpoint(store: &Store, name: &str) -> Result<Result<Endpoint, Failure>, StoreError> {
    let found = store.find(name)?.into_iter().find_map(|thing| match thing {
        Thing::Api(endpoint) => Some(endpoint),
        Thing::Content(..) | Thing::Medium(_) | Thing::File(_) => None,
    });
    match found {
        Some(endpoint) => Ok(Ok(endpoint)),
        None => unknown(store, name).map(Err),
    }
}

/// Asks for the versions of one API and its contents alone, or of the named things; a medium's file goes with it.
///
/// # Errors
/// As wrong usage, a name that nothing has or several things have.
pub(super) fn narrow(
    store: &Store,
    mut wanted: Wanted,
    api: Option<&str>,
    names: &[String],
    only: &[Only],
) -> Result<Result<Wanted, Failure>, StoreError> {
    if let Some(name) = api {
        match endpoint(store, name)? {
            Ok(endpoint) => wanted.endpoint = Some(endpoint),
            Err(failure) => return Ok(Err(failure)),
        }
    }
    if names.is_empty() {
        return Ok(Ok(wanted));
    }
    let things = things(store, names, only)?;
    Ok(things.map(|things| {
        wanted.things = Some(things.into_iter().flat_map(with_file).collect());
        wanted
    }))
}

/// What happened to a medium happened to its file, too.
fn with_file(thing: Thing) -> Vec<Thing> {
    match thing {
        Thing::Medium(id) => vec![Thing::Medium(id.clone()), Thing::File(id)],
        other @ (Thing::Api(_) | Thing::Content(..) | Thing::File(_)) => vec![other],
    }
}

fn ambiguous(name: &str, several: &[Thing]) -> Failure {
    let tell = |thing: &Thing| {
        let shown = visible(&thing.to_string());
        match thing {
            Thing::Content(..) => format!("`{shown}`"),
            Thing::Api(_) => format!("`{shown} --only apis`"),
            Thing::Medium(_) | Thing::File(_) => format!("`{shown} --only media`"),
        }
    };
    let ways: Vec<String> = several.iter().map(tell).collect();
    Failure::new(
        ExitCode::Usage,
        format!("`{}` names {} things", visible(name), several.len()),
    )
    .with_hint(format!("say which: {}", ways.join(", ")))
}

fn unknown(store: &Store, name: &str) -> Result<Failure, StoreError> {
    let mut nearest = Nearest::new(name, SUGGESTIONS);
    let has_endpoint = name.contains('/');
    store.each_name(|Name { endpoint, text }| {
        match endpoint {
            // Both forms are offered: `blgo/hello` is as wrong as `helo`.
            Some(endpoint) if has_endpoint => {
                let whole = format!("{endpoint}/{text}");
                nearest.offer(&whole, || whole.clone());
            }
            Some(endpoint) => nearest.offer(text, || format!("{endpoint}/{text}")),
            None => nearest.offer(text, || text.to_owned()),
        }
        ControlFlow::Continue(())
    })?;
    let names: Vec<String> = nearest
        .names()
        .iter()
        .map(|name| format!("`{}`", visible(name)))
        .collect();
    let hint = if names.is_empty() {
        "`history` without a name lists what changed last".to_owned()
    } else {
        format!("did you mean {}?", names.join(" or "))
    };
    let text = format!("nothing is called `{}`, now or in the past", visible(name));
    Ok(Failure::new(ExitCode::Usage, text).with_hint(hint))
}
