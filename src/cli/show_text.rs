//! What `show` says to a person.

use bytesize::ByteSize;
use chrono_tz::Tz;
use serde_json::Value;

use super::change_text::absent;
use super::columns::pad;
use super::looking::{exact, precise};
use super::paper::{Ink, Paper, Style, visible};
use super::show::{EarlierBody, FileShown, Shown, missing};
use crate::model::past::{ApiState, ContentState, MediumState};
use crate::model::{State, Thing, Timestamp, read_json};
use crate::plan::difference::Part;
use crate::plan::readable;

/// Columns of the labels on the left.
const LABEL: usize = 14;

/// Writes the thing.
pub(super) fn write(shown: &Shown, style: &Style, paper: &mut Paper) {
    let kind = match shown.thing {
        Thing::Content(..) => "",
        Thing::Api(_) => "api ",
        Thing::Medium(_) | Thing::File(_) => "medium ",
    };
    let name = style.ink(Ink::Name, &visible(&shown.thing.to_string()));
    paper.line(&format!(
        "{kind}{name}  as of {}",
        precise(shown.at, style.zone())
    ));
    if let Some(deleted_at) = shown.deleted_at {
        let text = format!(
            "deleted: the service had it no more at {}",
            style.time(deleted_at)
        );
        paper.line(&style.ink(Ink::Removed, &text));
        if let Some(last) = shown.last_there {
            let command = command(&shown.thing, last, style.zone());
            paper.line(&format!("its last version: {command}"));
        }
        for EarlierBody { part, at } in &shown.earlier_bodies {
            let command = command(&shown.thing, *at, style.zone());
            let name = body_name(*part);
            paper.line(&format!(
                "the {name} of that version never came; an earlier one: {command}"
            ));
        }
        return;
    }
    let version = match shown.valid_to {
        Some(to) => format!("{} until {}", style.time(shown.valid_from), style.time(to)),
        None => format!("{}, the present one", style.time(shown.valid_from)),
    };
    match &shown.state {
        State::Content(content) => {
            facts(&content.facts, style, paper);
            row("version", &version, paper);
            let absent = match shown.redacted {
                true => "not in this redacted snapshot",
                false => absent(shown.valid_to.is_some()),
            };
            bodies(content, absent, style, paper);
        }
        State::Medium(medium) => {
            about_medium(medium, style, paper);
            row("version", &version, paper);
            about_file(shown.file.as_ref(), style, paper);
        }
        State::Api(api) => {
            row("version", &version, paper);
            about_api(api, style, paper);
        }
        // Shown with its medium.
        State::File(_) => {}
    }
}

/// Returns the command that shows a thing as it was at this very instant, as a shell takes it.
pub(super) fn command(thing: &Thing, at: Timestamp, zone: Tz) -> String {
    let name = visible(&thing.to_string());
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let name = match name.chars().all(is_word) {
        true => name,
        false => format!("'{}'", name.replace('\'', r"'\''")),
    };
    let only = match thing {
        // Without it the name may mean the content.
        Thing::Api(_) => " --only apis",
        Thing::Content(..) | Thing::Medium(_) | Thing::File(_) => "",
    };
    format!(
        "microcms-backup show {name}{only} --at \"{}\"",
        exact(at, zone)
    )
}

fn row(label: &str, text: &str, paper: &mut Paper) {
    paper.line(&format!("{}{text}", pad(label, LABEL)));
}

/// The service's times are UTC; people read their own.
fn facts(facts: &[(&'static str, String)], style: &Style, paper: &mut Paper) {
    for (column, value) in facts {
        let time = column
            .ends_with("_at")
            .then(|| Timestamp::parse(value))
            .flatten();
        let value = match time {
            Some(at) => style.time(at),
            // An address that is cut cannot be copied.
            None if *column == "url" => visible(value),
            None => style.line(value, LABEL),
        };
        let label = column.trim_end_matches("_at").replace('_', " ");
        let label = match &*label {
            "reservation time" => "reserved",
            other => other,
        };
        row(label, &value, paper);
    }
}

fn body_name(part: Part) -> &'static str {
    match part {
        Part::PublishedBody => "published body",
        Part::DraftBody => "draft body",
        Part::Metadata | Part::DraftKey | Part::Api | Part::File => part.as_str(),
    }
}

/// `absent` is said of one that is not there.
fn bodies(content: &ContentState, absent: &str, style: &Style, paper: &mut Paper) {
    let missing = missing(content);
    for (part, body) in [
        (Part::PublishedBody, &content.published),
        (Part::DraftBody, &content.draft),
    ] {
        let name = body_name(part);
        if let Some(body) = body {
            paper.line("");
            paper.line(&style.ink(Ink::Name, name));
            self::body(body, style, paper);
        } else if missing.contains(&part) {
            paper.line("");
            paper.line(&format!("{}: {absent}", style.ink(Ink::Name, name)));
        }
    }
}

fn body(json: &str, style: &Style, paper: &mut Paper) {
    match read_json(json) {
        Ok(Value::Object(fields)) => {
            for (name, value) in &fields {
                self::value(name, value, style, paper);
            }
        }
        // Only an edited database has such a body.
        Ok(_) | Err(_) => paper.line(&format!("  {}", style.line(json, 2))),
    }
}

/// Writes a value under its name; what lies within another has the way to it as its name.
fn value(name: &str, value: &Value, style: &Style, paper: &mut Paper) {
    if paper.is_done() {
        return;
    }
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (key, value) in fields {
                self::value(&format!("{name}.{key}"), value, style, paper);
            }
        }
        Value::Array(values) if !values.is_empty() => {
            for (index, value) in values.iter().enumerate() {
                self::value(&format!("{name}[{index}]"), value, style, paper);
            }
        }
        Value::String(text) => self::text(name, text, style, paper),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            row(&label(name), &value.to_string(), paper);
        }
    }
}

fn text(name: &str, text: &str, style: &Style, paper: &mut Paper) {
    let lines = readable(text);
    match &*lines {
        [] => row(&label(name), "\"\"", paper),
        // Texts are for reading: they are not cut, the terminal wraps them.
        [line] => row(&label(name), &visible(line), paper),
        lines => {
            paper.line(&format!("  {}", style.ink(Ink::Faint, &visible(name))));
            for line in lines {
                paper.line(format!("    {}", visible(line)).trim_end());
            }
        }
    }
}

fn label(name: &str) -> String {
    let label = format!("  {}", visible(name));
    // A name that fills its column still stands apart from its value.
    pad(&label, LABEL - 1) + " "
}

fn about_medium(medium: &MediumState, style: &Style, paper: &mut Paper) {
    row("file name", &style.line(&medium.file_name, LABEL), paper);
    facts(&medium.facts, style, paper);
}

fn about_file(file: Option<&FileShown>, style: &Style, paper: &mut Paper) {
    let Some(FileShown {
        state,
        place,
        is_there,
    }) = file
    else {
        row("file", "none was known", paper);
        return;
    };
    let Some(sha256) = &state.sha256 else {
        row(
            "file",
            &format!("{}, no bytes are here", state.state),
            paper,
        );
        return;
    };
    let bytes = state.bytes.unwrap_or_default();
    let kind = state.content_type.as_deref().unwrap_or("of unknown type");
    let size = format!("{bytes} bytes ({}), {}", ByteSize::b(bytes), visible(kind));
    row("file", &size, paper);
    row("sha256", &visible(sha256), paper);
    if let Some(at) = state.fetched_at {
        row("fetched", &style.time(at), paper);
    }
    if let Some(place) = place {
        let trouble = if *is_there {
            ""
        } else {
            " (there is no such file!)"
        };
        let place = visible(&place.display().to_string());
        row("lies at", &format!("{place}{trouble}"), paper);
    }
}

fn about_api(api: &ApiState, style: &Style, paper: &mut Paper) {
    row("name", &style.line(&api.name, LABEL), paper);
    row("kind", api.kind.as_str(), paper);
    let Some(schema) = &api.schema else {
        row("schema", "no key could read it", paper);
        return;
    };
    paper.line("schema");
    let value: Option<Value> = serde_json::from_str(schema).ok();
    let text = value.and_then(|value| serde_json::to_string_pretty(&value).ok());
    for line in text.as_deref().unwrap_or(schema).lines() {
        paper.line(&format!("  {}", visible(line)));
    }
}
