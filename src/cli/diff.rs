//! `diff`: what changed between two times.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use chrono_tz::Tz;
use unicode_width::UnicodeWidthStr as _;

use super::change::Change;
use super::change_text::{about, fields, ink};
use super::failure::Failure;
use super::looking::{instant, moment};
use super::named::{self, Only};
use super::paper::{self, Looks, Paper, Style};
use super::run::Clock;
use crate::config::{self, Config, Sources};
use crate::model::{ExitCode, Moment, Thing, ThingKind, Timestamp};
use crate::plan::difference::with_file;
use crate::plan::{Became, difference};
use crate::store::{Store, StoreError, Wanted};

const EXAMPLES: &str = "\
Without a time: what the last run that found a change has changed. With T1: what changed since then.

Examples:
  microcms-backup diff                          what changed last
  microcms-backup diff yesterday --stat         since yesterday's end, only the names
  microcms-backup diff 2026-05-01 2026-05-03    between the ends of two days
  microcms-backup diff 11 12                    from the end of run 11 to the end of run 12
  microcms-backup diff --run 12                 the same, by the one number
  microcms-backup diff \"2h ago\" --id blog/hello --json

T is a time (2026-05-03T18:00:00+09:00), a day (2026-05-03: its end), a local time (\"2026-05-03 18:00\"),
`yesterday`, a span (\"2h ago\") or the number of a run (its end).

Exit codes:
    0  told, also where nothing changed
    1  there is no backup, or its database cannot be read
    2  wrong usage: an unknown or ambiguous name, a T that is no time or lies before the first run";

/// Show what changed between two times: contents by field, rich text by line
///
/// Shows what was created, changed, deleted or came back between two times: contents field by field and
/// rich text line by line, media and the bytes of their files, APIs and their schemas. What was changed and
/// changed back in between is no difference; `history` tells it. Asks nobody, writes nothing, needs no API
/// key, and works while a run does.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(after_help = "Exit codes and examples: --help", after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// From when [default: the begin of the last run that found a change]
    #[arg(value_name = "T1")]
    from: Option<String>,

    /// Until when [default: now]
    #[arg(value_name = "T2")]
    to: Option<String>,

    /// What this run changed, instead of times
    #[arg(long, value_name = "N", conflicts_with = "from")]
    run: Option<i64>,

    /// Only these, named as for `history`; may be repeated
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,

    /// Only this API and its contents
    #[arg(long, value_name = "E")]
    endpoint: Option<String>,

    /// Only these kinds; may be repeated
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Only>,

    /// Only the names of what changed, and the counts
    #[arg(long)]
    stat: bool,

    #[command(flatten)]
    looks: Looks,
}

/// Prints the differences. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    let now = clock();
    let style = Style::new(&args.looks, sources, &config);
    let times = Times::read(args, &config, now)?;
    paper::print(&config, |store, paper| {
        let span = match times.span(store, now, style.zone())? {
            Ok(span) => span,
            Err(failure) => return Ok(Err(failure)),
        };
        let wanted = match wanted(store, args, &span, style.zone())? {
            Ok(wanted) => wanted,
            Err(failure) => return Ok(Err(failure)),
        };
        tell(store, args, (&span, &wanted), &style, paper).map(Ok)
    })
}

/// Which times were named.
#[derive(Clone, Copy)]
enum Times {
    Last,
    Run(i64),
    From(Moment, Option<Moment>),
}

/// From when to when.
struct Span {
    from: Timestamp,
    /// `None`: as it is now. A clock that was set back leaves versions that begin later than now.
    to: Option<Timestamp>,
    now: Timestamp,
    run: Option<i64>,
}

impl Span {
    fn end(&self) -> Timestamp {
        self.to
            .unwrap_or_else(|| Timestamp::from_unix_millis(i64::MAX))
    }
}

impl Times {
    fn read(args: &Args, config: &Config, now: Timestamp) -> Result<Self, Failure> {
        let read = |text: &String| moment(text, config, now);
        Ok(match (args.run, &args.from) {
            (Some(run), _) => Self::Run(run),
            (None, Some(from)) => Self::From(read(from)?, args.to.as_ref().map(read).transpose()?),
            (None, None) => Self::Last,
        })
    }

    fn span(
        self,
        store: &Store,
        now: Timestamp,
        zone: Tz,
    ) -> Result<Result<Span, Failure>, StoreError> {
        let span = |from, to, run| Span { from, to, now, run };
        match self {
            Self::Last => last(store, now, zone),
            Self::Run(run) => {
                let end = match instant(store, Moment::Run(run), now, zone)? {
                    Ok(end) => end,
                    Err(failure) => return Ok(Err(failure)),
                };
                let began = store.begin_of_run(run)?.unwrap_or(end);
                Ok(Ok(span(before(began), Some(end), Some(run))))
            }
            Self::From(from, to) => {
                let from = match instant(store, from, now, zone)? {
                    Ok(from) => from,
                    Err(failure) => return Ok(Err(failure)),
                };
                let to = match to.map(|to| instant(store, to, now, zone)).transpose()? {
                    Some(Err(failure)) => return Ok(Err(failure)),
                    Some(Ok(to)) => Some(to),
                    None => None,
                };
                if to.is_some_and(|to| to < from) {
                    let text = "T1 is later than T2";
                    let failure = Failure::new(ExitCode::Usage, text)
                        .with_hint("name the earlier time first");
                    return Ok(Err(failure));
                }
                Ok(Ok(span(from, to, None)))
            }
        }
    }
}

/// From the begin of the last run that changed something.
fn last(store: &Store, now: Timestamp, zone: Tz) -> Result<Result<Span, Failure>, StoreError> {
    // Where there was no run yet, this says so.
    if let Err(failure) = instant(store, Moment::At(now), now, zone)? {
        return Ok(Err(failure));
    }
    let changed = store.last_change()?.unwrap_or(now);
    let (run, began) = match store.run_at(changed)? {
        Some((run, began)) => (Some(run), began),
        None => (None, changed),
    };
    Ok(Ok(Span {
        from: before(began),
        to: None,
        now,
        run,
    }))
}

/// What a run finds begins at its begin or later.
fn before(began: Timestamp) -> Timestamp {
    began.minus(Duration::from_millis(1))
}

fn wanted(
    store: &Store,
    args: &Args,
    span: &Span,
    zone: Tz,
) -> Result<Result<Wanted, Failure>, StoreError> {
    let wanted = Wanted {
        kinds: Only::kinds(&args.only),
        endpoint: None,
        things: None,
        since: span.from.plus(Duration::from_millis(1)),
        until: span.end(),
    };
    named::narrow(
        store,
        wanted,
        args.endpoint.as_deref(),
        &args.ids,
        &args.only,
        zone,
    )
}

fn file_of(thing: &Thing) -> Option<Thing> {
    match thing {
        Thing::Medium(id) => Some(Thing::File(id.clone())),
        Thing::Api(_) | Thing::Content(..) | Thing::File(_) => None,
    }
}

/// By what happened, in one word.
type Counts = BTreeMap<ThingKind, BTreeMap<&'static str, u64>>;

fn tell(
    store: &Store,
    args: &Args,
    (span, wanted): (&Span, &Wanted),
    style: &Style,
    paper: &mut Paper,
) -> Result<(), StoreError> {
    let whole_since = store.covered()?.whole_since;
    let is_json = args.looks.json;
    if is_json {
        paper.add("{\"version\":1,\"from\":");
        paper.json(&span.from);
        paper.add(",\"to\":");
        paper.json(&span.to.unwrap_or(span.now));
        paper.add(",\"whole_since\":");
        paper.json(&whole_since);
        paper.add(",\"changes\":[");
    } else {
        head(span, whole_since, style, paper);
    }
    let mut counts = Counts::new();
    let mut is_first = true;
    store.changed_things(wanted, |thing| {
        if let Some(change) = change(store, thing, span, whole_since)? {
            let of_kind = counts.entry(change.thing.kind()).or_default();
            *of_kind.entry(change.word()).or_default() += 1;
            if is_json {
                paper.add(if is_first { "\n" } else { ",\n" });
                paper.json(&change.json(!args.stat));
            } else {
                write(&change, args.stat, style, paper);
            }
            is_first = false;
        }
        Ok(match paper.is_done() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    })?;
    if is_json {
        paper.add("\n],\"summary\":");
        paper.json(&summary(&counts));
        paper.add("}\n");
    } else {
        paper.line(&summary_line(&counts));
    }
    Ok(())
}

fn change(
    store: &Store,
    thing: Thing,
    span: &Span,
    whole_since: Option<Timestamp>,
) -> Result<Option<Change>, StoreError> {
    let before = store.version_at(&thing, span.from)?;
    let after = store.version_at(&thing, span.end())?;
    let mut found = difference(before.as_ref(), after.as_ref());
    let mut at = after.as_ref().map(|version| version.valid_from);
    if let Some(file) = file_of(&thing) {
        let old = store.version_at(&file, span.from)?;
        let new = store.version_at(&file, span.end())?;
        if found.is_none() {
            // What is told then is the file's alone.
            at = new.as_ref().map(|version| version.valid_from);
        }
        let is_live = after
            .as_ref()
            .is_some_and(|version| version.deleted_at.is_none());
        found = with_file(found, difference(old.as_ref(), new.as_ref()), is_live);
    }
    let Some(found) = found else {
        return Ok(None);
    };
    // What `prune` left first need not be the first that there was.
    let is_oldest_kept = match whole_since {
        Some(whole) if before.is_none() => store
            .first_known(&thing)?
            .is_some_and(|first| first < whole),
        Some(_) | None => false,
    };
    Ok(Some(Change {
        at,
        ..Change::new(
            thing,
            before.as_ref(),
            after.as_ref(),
            found,
            is_oldest_kept,
        )
    }))
}

fn head(span: &Span, whole_since: Option<Timestamp>, style: &Style, paper: &mut Paper) {
    let to = match span.to {
        Some(to) => style.time(to),
        None => "now".to_owned(),
    };
    let run = span
        .run
        .map(|run| format!(" (run {run})"))
        .unwrap_or_default();
    paper.line(&format!("from {} to {to}{run}", style.time(span.from)));
    if let Some(whole) = whole_since.filter(|whole| span.from < *whole) {
        paper.line(&format!(
            "note: history before {} is not whole: `prune` has removed parts of it",
            style.time(whole)
        ));
    }
}

fn write(change: &Change, is_brief: bool, style: &Style, paper: &mut Paper) {
    let sign = match change.difference.became {
        Became::Created if change.is_oldest_kept => "?",
        Became::Created => "+",
        Became::Changed => "~",
        Became::Deleted => "-",
        Became::Returned => "^",
    };
    let word = format!("{sign} {:<8}", change.word());
    let about = about(change, word.width() + 2, style);
    let word = style.ink(ink(change.difference.became), &word);
    let line = format!("{word}  {about}");
    // What has lines of its own stands apart; what has none would only take room.
    let has_lines = !change.difference.parts.is_empty() || !change.difference.missing.is_empty();
    if !is_brief && has_lines {
        paper.line("");
    }
    paper.line(line.trim_end());
    if !is_brief {
        fields(change, style, paper);
    }
}

/// The kinds in the order of the lines.
const KINDS: [(ThingKind, &str); 3] = [
    (ThingKind::Api, "apis"),
    (ThingKind::Content, "contents"),
    (ThingKind::Medium, "media"),
];
const WORDS: [&str; 5] = ["created", "known", "changed", "deleted", "returned"];

fn count(counts: &Counts, kind: ThingKind, word: &str) -> u64 {
    let of_kind = counts.get(&kind);
    of_kind
        .and_then(|words| words.get(word))
        .copied()
        .unwrap_or(0)
}

fn summary(counts: &Counts) -> serde_json::Value {
    let of_kind = |kind| {
        WORDS
            .iter()
            .map(|word| ((*word).to_owned(), count(counts, kind, word).into()))
            .collect::<serde_json::Map<_, _>>()
    };
    KINDS
        .iter()
        .map(|(kind, name)| ((*name).to_owned(), of_kind(*kind).into()))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn summary_line(counts: &Counts) -> String {
    let of_kind = |(kind, name): &(ThingKind, &str)| {
        let words: Vec<String> = WORDS
            .iter()
            .map(|word| (count(counts, *kind, word), word))
            .filter(|(count, _)| *count > 0)
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        (!words.is_empty()).then(|| format!("{name}: {}", words.join(", ")))
    };
    let kinds: Vec<String> = KINDS.iter().filter_map(of_kind).collect();
    if kinds.is_empty() {
        return "nothing changed".to_owned();
    }
    format!("\n{}", kinds.join(" · "))
}
