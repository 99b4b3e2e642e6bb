//! From the names on the command line to the things in the database.

use std::ops::ControlFlow;

use chrono_tz::Tz;

use super::failure::Failure;
use super::looking::local;
use super::paper::visible;
use crate::model::{Endpoint, ExitCode, State, Thing, ThingKind, Timestamp};
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
    zone: Tz,
) -> Result<Result<Vec<Thing>, Failure>, StoreError> {
    let mut found = Vec::new();
    for name in names {
        match thing(store, name, only, zone)? {
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
    zone: Tz,
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
    let left_out = found.iter().find(|thing| !kinds.contains(&thing.kind()));
    let left_out = left_out.cloned();
    found.retain(|thing| kinds.contains(&thing.kind()));
    match (&*found, left_out) {
        ([one], _) => Ok(Ok(one.clone())),
        ([], Some(other)) => Ok(Err(left_out_by_only(name, &other))),
        ([], None) => unknown(store, name).map(Err),
        (several, _) => ambiguous(store, name, several, zone).map(Err),
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
        None => {
            let known = store.load_endpoints()?;
            let known = known.iter().map(|row| row.endpoint.as_str());
            Ok(Err(no_api(name, known)))
        }
    }
}

/// Says that there is no API of a name, with the nearest of those that there are.
pub(super) fn no_api<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Failure {
    const SOME: usize = 12;
    let known: Vec<&str> = known.collect();
    let mut nearest = Nearest::new(name, 1);
    for api in &known {
        nearest.offer(api, || (*api).to_owned());
    }
    let hint = match (nearest.names().first(), known.len()) {
        (Some(near), _) => format!("did you mean `{near}`?"),
        (None, 0) => "no API was saved yet".to_owned(),
        (None, all) => {
            let names = known.iter().take(SOME).map(|name| format!("`{name}`"));
            let more = match all.saturating_sub(SOME) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!(
                "the APIs are {}{more}",
                names.collect::<Vec<_>>().join(", ")
            )
        }
    };
    let text = format!("there is no API `{}`", visible(name));
    Failure::new(ExitCode::Usage, text).with_hint(hint)
}

/// What has the name is of a kind that was not asked for.
fn left_out_by_only(name: &str, other: &Thing) -> Failure {
    let what = match other {
        Thing::Api(_) => "an API",
        Thing::Content(..) => "a content",
        Thing::Medium(_) | Thing::File(_) => "a medium",
    };
    let text = format!(
        "nothing of what `--only` names is called `{}`",
        visible(name)
    );
    Failure::new(ExitCode::Usage, text).with_hint(format!("it is {what}: leave out `--only`"))
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
    zone: Tz,
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
    let things = things(store, names, only, zone)?;
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

/// Media are told apart by where and from when they are, each on a line of its own; others by their names.
fn ambiguous(
    store: &Store,
    name: &str,
    several: &[Thing],
    zone: Tz,
) -> Result<Failure, StoreError> {
    let is_medium = |thing: &Thing| matches!(thing, Thing::Medium(_) | Thing::File(_));
    let are_media = several.iter().all(is_medium);
    let mut ways = Vec::new();
    for thing in several {
        let shown = visible(&thing.to_string());
        ways.push(match thing {
            Thing::Content(..) => format!("`{shown}`"),
            Thing::Api(_) => format!("`{shown} --only apis`"),
            Thing::Medium(_) | Thing::File(_) if !are_media => format!("`{shown} --only media`"),
            Thing::Medium(_) | Thing::File(_) => format!("`{shown}`{}", looks(store, thing, zone)?),
        });
    }
    let ways = match are_media {
        true => ways.iter().map(|way| format!("\n  {way}")).collect(),
        false => format!(" {}", ways.join(", ")),
    };
    let text = format!("`{}` names {} things", visible(name), several.len());
    Ok(Failure::new(ExitCode::Usage, text).with_hint(format!("say which:{ways}")))
}

/// Returns a medium's URL, when it was made, and when it was deleted.
fn looks(store: &Store, thing: &Thing, zone: Tz) -> Result<String, StoreError> {
    let latest = store.version_at(thing, Timestamp::from_unix_millis(i64::MAX))?;
    let deleted_at = latest.as_ref().and_then(|version| version.deleted_at);
    let Some(State::Medium(medium)) = latest.map(|version| version.state) else {
        return Ok(String::new());
    };
    let fact = |name| {
        let mut facts = medium.facts.iter();
        facts.find_map(|(column, value)| (*column == name).then(|| visible(value)))
    };
    let made = fact("created_at").map(|text| {
        let at = Timestamp::parse(&text).map_or(text, |at| local(at, zone));
        format!("made {at}")
    });
    let deleted = deleted_at.map(|at| format!("deleted at {}", local(at, zone)));
    let facts = [fact("url"), made, deleted].into_iter().flatten();
    let facts = facts.collect::<Vec<_>>().join(", ");
    Ok(format!(" ({facts})"))
}

fn unknown(store: &Store, name: &str) -> Result<Failure, StoreError> {
    let mut nearest = Nearest::new(name, SUGGESTIONS);
    let has_endpoint = name.contains('/');
    let quoted = |name: &str| format!("`{}`", visible(name));
    store.each_name(|Name { endpoint, text, id }| {
        match (endpoint, id) {
            // Both forms are offered: `blgo/hello` is as wrong as `helo`.
            (Some(endpoint), _) if has_endpoint => {
                let whole = format!("{endpoint}/{text}");
                nearest.offer(&whole, || quoted(&whole));
            }
            (Some(endpoint), _) => nearest.offer(text, || quoted(&format!("{endpoint}/{text}"))),
            // A file's name may look as the one that was typed, and be written in another way.
            (None, Some(id)) => {
                nearest.offer(text, || format!("{} ({})", quoted(text), quoted(id)));
            }
            (None, None) => nearest.offer(text, || quoted(text)),
        }
        ControlFlow::Continue(())
    })?;
    let names = nearest.names();
    let mut hint = if names.is_empty() {
        "`history` without a name lists what changed last".to_owned()
    } else {
        format!("did you mean {}?", names.join(" or "))
    };
    let past = match store.covered()?.whole_since {
        Some(_) => {
            hint.push_str("; of what `prune` has removed whole, no name is left");
            "what is kept of the past"
        }
        None => "the past",
    };
    let text = format!("nothing is called `{}`, now or in {past}", visible(name));
    Ok(Failure::new(ExitCode::Usage, text).with_hint(hint))
}
