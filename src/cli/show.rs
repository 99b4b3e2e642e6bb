//! `show`: one thing as it is, or as it was.

use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use serde::Serialize;
use serde_json::value::RawValue;

use super::failure::Failure;
use super::looking::{instant, moment, precise};
use super::named::{self, Only};
use super::paper::{self, Looks, Style, visible};
use super::run::Clock;
use super::show_text;
use crate::config::{self, Config, Sources};
use crate::model::past::{ContentState, FileState};
use crate::model::{
    BodySide, Endpoint, EndpointKind, ExitCode, Moment, State, Status, Thing, ThingKind, Timestamp,
    Version,
};
use crate::plan::difference::Part;
use crate::store::{Store, StoreError};

const EXAMPLES: &str = "\
Examples:
  microcms-backup show blog/hello                    a content as it is
  microcms-backup show hello --at 2026-05-03         as it was at the end of that day
  microcms-backup show blog/hello --at 12 --json     as run 12 left it, verbatim
  microcms-backup show logo.png --at \"2h ago\"        a medium, and where its bytes lie
  microcms-backup show blog                          an API and its schema
  microcms-backup show settings --only apis          the schema of an API that holds one content

T is a time (2026-05-03T18:00:00+09:00), a day (2026-05-03: its end), a local time (\"2026-05-03 18:00\"),
`yesterday`, a span (\"2h ago\") or the number of a run (its end).

The text never shows a draft key; --json gives the metadata as the service wrote it, draft key included.

Exit codes:
    0  shown; also where it was deleted at that time, which is then said
    1  there is no backup, or its database cannot be read
    2  wrong usage: an unknown or ambiguous name, a T that is no time, or at which it was not there yet";

/// Show one thing as it is, or as it was at a time
///
/// Shows a content with its metadata and bodies, a medium with its file and where the bytes lie, or an API
/// with its schema: as it is now, or as it was at a time T. Rich text is shown as lines to read. A body
/// belongs to the version that its metadata began, also where it came a little later. Asks nobody, writes
/// nothing, needs no API key, and works while a run does.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(after_help = "Exit codes and examples: --help", after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// `endpoint/id`, a content's or medium's id, a file name, a URL, an endpoint
    #[arg(value_name = "ID")]
    id: String,

    /// As it was then [default: now]
    #[arg(long, value_name = "T")]
    at: Option<String>,

    /// Only these kinds, where several things have the name; may be repeated
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Only>,

    #[command(flatten)]
    looks: Looks,
}

/// One thing at one time. What is verbatim in JSON stands in it as the service wrote it.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    version: u32,
    kind: ThingKind,
    endpoint: Option<Endpoint>,
    id: String,
    /// The time that was asked for.
    pub(super) at: Timestamp,
    /// When this version began, and when the next one did.
    pub(super) valid_from: Timestamp,
    pub(super) valid_to: Option<Timestamp>,
    /// Where it was deleted at that time: since when. Then nothing follows.
    pub(super) deleted_at: Option<Timestamp>,
    /// The latest time at which it was still there.
    pub(super) last_there: Option<Timestamp>,
    /// Bodies that never came for that last version: the latest time at which an earlier one has them.
    pub(super) earlier_bodies: Vec<EarlierBody>,
    /// What is missing may have been taken out of this snapshot.
    pub(super) redacted: bool,
    #[serde(flatten)]
    body: Option<Body>,
    #[serde(skip)]
    pub(super) thing: Thing,
    #[serde(skip)]
    pub(super) state: State,
    #[serde(skip)]
    pub(super) file: Option<FileShown>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Body {
    Content {
        status: Option<String>,
        metadata: Box<RawValue>,
        published_body: Option<Box<RawValue>>,
        draft_body: Option<Box<RawValue>>,
        missing: Vec<Part>,
    },
    Medium {
        file_name: String,
        metadata: Box<RawValue>,
        file: Option<FileShown>,
    },
    Api {
        name: String,
        api_kind: EndpointKind,
        schema: Option<Box<RawValue>>,
    },
}

/// Where the newest body is of a side whose last one never came.
#[derive(Debug, Serialize)]
pub(super) struct EarlierBody {
    pub(super) part: Part,
    pub(super) at: Timestamp,
}

/// A medium's file, and where its bytes lie now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct FileShown {
    #[serde(flatten)]
    pub(super) state: FileState,
    pub(super) place: Option<PathBuf>,
    /// Whether there is a file at that place.
    pub(super) is_there: bool,
}

/// The version of [`Shown`]'s JSON form, which only grows.
const VERSION: u32 = 1;

/// Prints one thing. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    let now = clock();
    let style = Style::new(&args.looks, sources, &config);
    let at = args.at.as_deref();
    let at = at.map(|text| moment(text, &config, now)).transpose()?;
    paper::print(&config, |store, paper| {
        let shown = match shown(store, args, &config, at, now)? {
            Ok(shown) => shown,
            Err(failure) => return Ok(Err(failure)),
        };
        if args.looks.json {
            // Strings, numbers and lists: there is nothing in it that JSON cannot say.
            paper.line(&serde_json::to_string_pretty(&shown).unwrap_or_default());
        } else {
            show_text::write(&shown, &style, paper);
        }
        Ok(Ok(()))
    })
}

fn shown(
    store: &Store,
    args: &Args,
    config: &Config,
    at: Option<Moment>,
    now: Timestamp,
) -> Result<Result<Shown, Failure>, StoreError> {
    let zone = config.schedule.timezone;
    let at = match at.map(|at| instant(store, at, now, zone)).transpose()? {
        None => None,
        Some(Ok(at)) => Some(at),
        Some(Err(failure)) => return Ok(Err(failure)),
    };
    let thing = match named::thing(store, &args.id, &args.only, zone)? {
        Ok(thing) => thing,
        Err(failure) => return Ok(Err(failure)),
    };
    // A clock that was set back leaves versions that begin later than now.
    let then = at.unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX));
    let Some(version) = store.version_at(&thing, then)? else {
        return nothing(store, &thing, then, zone).map(Err);
    };
    let file = match &thing {
        Thing::Medium(id) => file(store, config, &Thing::File(id.clone()), then)?,
        Thing::Api(_) | Thing::Content(..) | Thing::File(_) => None,
    };
    let earlier = earlier_bodies(store, &version)?;
    let shown = Shown::new(version, file, at.unwrap_or(now));
    Ok(Ok(Shown {
        earlier_bodies: earlier,
        redacted: store.covered()?.is_redacted,
        ..shown
    }))
}

/// Returns where the bodies are that a deleted content has not, because they never came for its last version.
fn earlier_bodies(store: &Store, version: &Version) -> Result<Vec<EarlierBody>, StoreError> {
    let mut found = Vec::new();
    if let (State::Content(content), Some(_)) = (&version.state, version.deleted_at) {
        for part in missing(content) {
            let side = if part == Part::DraftBody {
                BodySide::Draft
            } else {
                BodySide::Published
            };
            let at = store.last_body(&version.thing, side, version.valid_from)?;
            found.extend(at.map(|at| EarlierBody { part, at }));
        }
    }
    Ok(found)
}

impl Shown {
    fn new(version: Version, file: Option<FileShown>, at: Timestamp) -> Self {
        let is_there = version.deleted_at.is_none();
        Self {
            version: VERSION,
            kind: version.thing.kind(),
            endpoint: version.thing.endpoint().cloned(),
            id: version.thing.id().to_owned(),
            at,
            valid_from: version.valid_from,
            valid_to: version.valid_to,
            deleted_at: version.deleted_at,
            last_there: (!is_there).then(|| {
                version
                    .valid_from
                    .minus(std::time::Duration::from_millis(1))
            }),
            earlier_bodies: Vec::new(),
            redacted: false,
            body: is_there
                .then(|| body(&version.state, file.as_ref()))
                .flatten(),
            thing: version.thing,
            state: version.state,
            file,
        }
    }
}

fn body(state: &State, file: Option<&FileShown>) -> Option<Body> {
    Some(match state {
        State::Content(content) => Body::Content {
            status: content.status.clone(),
            metadata: verbatim(&content.metadata),
            published_body: content.published.as_deref().map(verbatim),
            draft_body: content.draft.as_deref().map(verbatim),
            missing: missing(content),
        },
        State::Medium(medium) => Body::Medium {
            file_name: medium.file_name.clone(),
            metadata: verbatim(&medium.metadata),
            file: file.cloned(),
        },
        State::Api(api) => Body::Api {
            name: api.name.clone(),
            api_kind: api.kind,
            schema: api.schema.as_deref().map(verbatim),
        },
        // Shown with its medium.
        State::File(_) => return None,
    })
}

/// Returns a stored JSON text as it is; one that is none, which only an edited database has, as a text.
fn verbatim(text: &str) -> Box<RawValue> {
    let as_text = || serde_json::value::to_raw_value(text).unwrap_or_default();
    RawValue::from_string(text.to_owned()).unwrap_or_else(|_no_json| as_text())
}

/// Returns which bodies the status has and the version has not.
pub(super) fn missing(content: &ContentState) -> Vec<Part> {
    let Some(status) = content.status.as_deref().map(Status::parse) else {
        return Vec::new();
    };
    // Of a status that this program does not know, nobody can say which bodies it has.
    if matches!(status, Status::Other(_)) {
        return Vec::new();
    }
    let published =
        (status.has_published() && content.published.is_none()).then_some(Part::PublishedBody);
    let draft = (status.has_draft() && content.draft.is_none()).then_some(Part::DraftBody);
    published.into_iter().chain(draft).collect()
}

/// Says why nothing is known of a thing at a time.
fn nothing(store: &Store, thing: &Thing, at: Timestamp, zone: Tz) -> Result<Failure, StoreError> {
    let name = visible(&thing.to_string());
    Ok(match store.first_known(thing)? {
        Some(first) if at < first => {
            let text = format!(
                "`{name}` was not there yet at {}, as far as is known",
                precise(at, zone)
            );
            let pruned = store.covered()?.whole_since.is_some_and(|whole| at < whole);
            let note = match pruned {
                true => " (`prune` has removed parts of the history before that)",
                false => "",
            };
            Failure::new(ExitCode::Usage, text).with_hint(format!(
                "its first version began at {}: {}{note}",
                precise(first, zone),
                show_text::command(thing, first, zone)
            ))
        }
        _ => Failure::new(
            ExitCode::Usage,
            format!("nothing is known of `{name}` at {}", precise(at, zone)),
        )
        .with_hint("`prune` may have removed it; `history` lists the versions that are kept"),
    })
}

/// Returns the file that a medium had, and where its bytes are now: in the mirror, if a current file has
/// them, else in the archive.
fn file(
    store: &Store,
    config: &Config,
    file: &Thing,
    at: Timestamp,
) -> Result<Option<FileShown>, StoreError> {
    let Some(State::File(state)) = store.version_at(file, at)?.map(|version| version.state) else {
        return Ok(None);
    };
    let place = match &state.sha256 {
        None => None,
        Some(sha256) => Some(match store.path_of_bytes(sha256, file)? {
            Some(path) => config.storage.mirror.join(path),
            None => archived(&config.storage.archive, sha256),
        }),
    };
    let is_there = place.as_deref().is_some_and(Path::is_file);
    Ok(Some(FileShown {
        state,
        place,
        is_there,
    }))
}

/// The archive's form: `ab/cd/{digest}`.
fn archived(archive: &Path, sha256: &str) -> PathBuf {
    match (sha256.get(0..2), sha256.get(2..4)) {
        (Some(first), Some(second)) => archive.join(first).join(second).join(sha256),
        _ => archive.join(sha256),
    }
}
