//! `history`: what changed, the newest first.

use std::ops::ControlFlow;

use chrono_tz::Tz;
use unicode_width::UnicodeWidthStr as _;

use super::change::Change;
use super::change_text::{about, field_names, ink};
use super::failure::Failure;
use super::looking::{instant, local, moment};
use super::named::{self, Only};
use super::paper::{self, Looks, Paper, Style};
use super::run::Clock;
use crate::config::{self, Sources};
use crate::model::{ExitCode, Moment, Thing, Timestamp, Version};
use crate::plan::{Became, Difference, difference};
use crate::store::{Covered, Store, StoreError, Wanted};

const EXAMPLES: &str = "\
Examples:
  microcms-backup history                                what changed last
  microcms-backup history blog/hello                     every version of one content
  microcms-backup history logo.png                       of a medium and its file, by id, name or URL
  microcms-backup history --since yesterday --endpoint blog
  microcms-backup history --since 12 --until 12 --json   what run 12 brought
  microcms-backup history settings --only apis           the schema's versions

T is a time (2026-05-03T18:00:00+09:00), a day (2026-05-03: its end), a local time (\"2026-05-03 18:00\"),
`yesterday`, a span (\"2h ago\") or the number of a run: for --since its begin, for --until its end.

Exit codes:
    0  told, also where nothing changed
    1  there is no backup, or its database cannot be read
    2  wrong usage: an unknown or ambiguous name, a T that is no time or lies before the first run";

/// How many changes are told where no thing is named.
const SOME: u64 = 20;

/// List what changed and when: everything, the newest first, or all versions of one thing
///
/// Lists what changed and when, the newest first. Without an ID the latest changes of everything; with
/// one, every version of that thing: when it began, what it changed, from which status to which, by whom.
/// An ID is a content's id or `endpoint/id`, a medium's id, file name or URL, or an endpoint. Asks nobody,
/// writes nothing, needs no API key, and works while a run does.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(after_help = "Exit codes and examples: --help", after_long_help = EXAMPLES)]
pub(crate) struct Args {
    /// Only these: `endpoint/id`, a content's or medium's id, a file name, a URL, an endpoint
    #[arg(value_name = "ID")]
    ids: Vec<String>,

    /// How many changes to list at most, 0 for all [default: 20; all where an ID is named]
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<u64>,

    /// Only changes since then
    #[arg(long, value_name = "T")]
    since: Option<String>,

    /// Only changes until then
    #[arg(long, value_name = "T")]
    until: Option<String>,

    /// Only this API and its contents
    #[arg(long, value_name = "E")]
    endpoint: Option<String>,

    /// Only these kinds; may be repeated
    #[arg(long, value_enum, value_name = "KIND")]
    only: Vec<Only>,

    #[command(flatten)]
    looks: Looks,
}

/// Prints the changes. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let config = config::load(sources)?;
    let now = clock();
    let style = Style::new(&args.looks, sources, &config);
    let read = |text: &Option<String>| {
        let text = text.as_deref();
        text.map(|text| moment(text, &config, now)).transpose()
    };
    let (since, until) = (read(&args.since)?, read(&args.until)?);
    paper::print(&config, |store, paper| {
        let wanted = match wanted(store, args, (since, until), now, style.zone())? {
            Ok(wanted) => wanted,
            Err(failure) => return Ok(Err(failure)),
        };
        tell(store, args, &wanted, &style, paper).map(Ok)
    })
}

fn wanted(
    store: &Store,
    args: &Args,
    (since, until): (Option<Moment>, Option<Moment>),
    now: Timestamp,
    zone: Tz,
) -> Result<Result<Wanted, Failure>, StoreError> {
    let mut wanted = Wanted {
        kinds: Only::kinds(&args.only),
        endpoint: None,
        things: None,
        since: Timestamp::EPOCH,
        // A clock that was set back leaves versions that begin later than now.
        until: Timestamp::from_unix_millis(i64::MAX),
    };
    for (moment, is_since) in [(since, true), (until, false)] {
        let Some(moment) = moment else { continue };
        let at = match instant(store, moment, now, zone)? {
            Ok(at) => at,
            Err(failure) => return Ok(Err(failure)),
        };
        if !is_since {
            wanted.until = at;
            continue;
        }
        wanted.since = match moment {
            Moment::Run(run) => store.begin_of_run(run)?.unwrap_or(at),
            // From the beginning of the second on.
            Moment::Second(second) => second,
            Moment::At(_) => at,
        };
    }
    if wanted.since > wanted.until {
        let text = format!(
            "--since ({}) is later than --until ({})",
            local(wanted.since, zone),
            local(wanted.until, zone)
        );
        return Ok(Err(Failure::new(ExitCode::Usage, text)));
    }
    named::narrow(
        store,
        wanted,
        args.endpoint.as_deref(),
        &args.ids,
        &args.only,
        zone,
    )
}

fn tell(
    store: &Store,
    args: &Args,
    wanted: &Wanted,
    style: &Style,
    paper: &mut Paper,
) -> Result<(), StoreError> {
    let covered = store.covered()?;
    let most = match args.limit {
        Some(0) => u64::MAX,
        Some(limit) => limit,
        None if wanted.things.is_some() => u64::MAX,
        None => SOME,
    };
    let is_json = args.looks.json;
    if is_json {
        let since = (wanted.since > Timestamp::EPOCH).then_some(wanted.since);
        let until = args.until.as_ref().map(|_| wanted.until);
        paper.add("{\"version\":1,\"since\":");
        paper.json(&since);
        paper.add(",\"until\":");
        paper.json(&until);
        paper.add(",\"whole_since\":");
        paper.json(&covered.whole_since);
        paper.add(",\"changes\":[");
    }
    let mut told: u64 = 0;
    // One more than is told says whether there are more.
    store.versions(wanted, most.saturating_add(1), |thing, began| {
        if told == most {
            told += 1;
            return Ok(ControlFlow::Break(()));
        }
        let Some(change) = change(store, thing, began, &covered)? else {
            return Ok(ControlFlow::Continue(()));
        };
        if is_json {
            paper.add(if told == 0 { "\n" } else { ",\n" });
            paper.json(&change.json(false));
        } else {
            write(&change, style, paper);
        }
        told += 1;
        Ok(match paper.is_done() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        })
    })?;
    if is_json {
        paper.add(if told > most {
            "\n],\"has_more\":true}\n"
        } else {
            "\n],\"has_more\":false}\n"
        });
    } else {
        conclude((told, most), wanted, &covered, style, paper);
    }
    Ok(())
}

fn change(
    store: &Store,
    thing: Thing,
    began: Timestamp,
    covered: &Covered,
) -> Result<Option<Change>, StoreError> {
    let Some(after) = store.version_at(&thing, began)? else {
        return Ok(None);
    };
    let before = store.version_before(&thing, began)?;
    let found = difference(before.as_ref(), Some(&after));
    let found = found.unwrap_or_else(|| without_difference(&after));
    let was_pruned = covered.whole_since.is_some_and(|whole| began < whole);
    let is_oldest_kept = before.is_none() && was_pruned;
    Ok(Some(Change::new(
        thing,
        before.as_ref(),
        Some(&after),
        found,
        is_oldest_kept,
    )))
}

/// A version says "deleted" although nothing of what came before is kept, or it differs from the one before
/// in nothing that is compared.
fn without_difference(after: &Version) -> Difference {
    Difference {
        became: match after.deleted_at {
            Some(_) => Became::Deleted,
            None => Became::Changed,
        },
        parts: Vec::new(),
        missing: Vec::new(),
    }
}

fn write(change: &Change, style: &Style, paper: &mut Paper) {
    let when = change.at.map(|at| style.time(at)).unwrap_or_default();
    let word = format!("{:<8}", change.word());
    let about = about(change, when.width() + 2 + word.width() + 2, style);
    let word = style.ink(ink(change.difference.became), &word);
    let line = format!("{when}  {word}  {about}");
    paper.line(line.trim_end());
    if change.difference.became == Became::Changed {
        let names = field_names(change);
        if !names.is_empty() {
            paper.line(&format!("    {}", style.line(&names, 4)));
        }
    }
}

fn conclude(
    (told, most): (u64, u64),
    wanted: &Wanted,
    covered: &Covered,
    style: &Style,
    paper: &mut Paper,
) {
    if told == 0 && wanted.is_everything() {
        paper.line("nothing was saved yet");
    } else if told == 0 {
        paper.line("nothing changed in that time");
    }
    if told > most {
        paper.line(&format!(
            "… and earlier ones: `--limit 0` lists all, `--limit {}` more",
            most.saturating_mul(5)
        ));
    }
    if let Some(whole) = covered
        .whole_since
        .filter(|whole| wanted.since < *whole && told <= most)
    {
        paper.line(&format!(
            "note: history before {} is not whole: `prune` has removed parts of it",
            style.time(whole)
        ));
    }
}
