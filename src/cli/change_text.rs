//! Changes as lines for people.

use serde_json::Value;
use unicode_width::UnicodeWidthStr as _;

use super::change::Change;
use super::paper::{Ink, Paper, Style, visible};
use crate::model::ThingKind;
use crate::plan::Became;
use crate::plan::difference::{FieldChange, Line, Part, PartChange, lines, looks_rich, path_text};

/// Two texts that are longer than this, or rich, or of several lines, are compared line by line.
const SHORT: usize = 60;

/// Returns the colour of what became of a thing.
pub(super) fn ink(became: Became) -> Ink {
    match became {
        Became::Created | Became::Returned => Ink::Added,
        Became::Changed => Ink::Changed,
        Became::Deleted => Ink::Removed,
    }
}

/// Returns what a change is about, how the status moved and who did it: `blog/hello  Hello  DRAFT → PUBLISH  by m_1`,
/// `medium 4f…  logo.png`. So many columns stand before it.
pub(super) fn about(change: &Change, used: usize, style: &Style) -> String {
    let thing = &change.thing;
    let kind = match thing.kind() {
        ThingKind::Content => String::new(),
        kind @ (ThingKind::Api | ThingKind::Medium | ThingKind::File) => {
            format!("{} ", kind.as_str())
        }
    };
    let name = visible(&thing.to_string());
    let title = change.title.as_deref().unwrap_or_default();
    let title = match thing.kind() {
        // The first text of a content without a title may be all of it.
        ThingKind::Content => brief_title(title.lines().next().unwrap_or_default()),
        // The end of a path is its name.
        ThingKind::Api | ThingKind::Medium | ThingKind::File => title
            .rsplit_once('/')
            .map_or(title, |(_, name)| name)
            .to_owned(),
    };
    let aside = aside(change);
    let before = used + kind.width() + name.width() + 2;
    let behind = aside.iter().map(|word| word.width() + 2).sum();
    let mut words = vec![format!("{kind}{}", style.ink(Ink::Name, &name))];
    words.push(style.title(&title, before, behind));
    words.extend(aside.iter().map(|word| style.ink(Ink::Faint, word)));
    words.retain(|word| !word.is_empty());
    words.join("  ")
}

/// The beginning of a title, where nothing else limits it.
fn brief_title(title: &str) -> String {
    const MOST: usize = 60;
    match title.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", title.get(..end).unwrap_or(title)),
        None => title.to_owned(),
    }
}

/// Returns how the status moved and who did it: `DRAFT → PUBLISH`, `by m_1`.
fn aside(change: &Change) -> Vec<String> {
    let status = match (&change.status_before, &change.status) {
        (Some(before), Some(after)) if before != after => format!("{before} → {after}"),
        (Some(status), None) => format!("was {status}"),
        (_, Some(status)) => status.clone(),
        (None, None) => String::new(),
    };
    let by = change.by.as_ref().map(|by| format!("by {by}"));
    [status, by.unwrap_or_default()]
        .into_iter()
        .filter(|word| !word.is_empty())
        .map(|word| visible(&word))
        .collect()
}

/// Returns the names of the fields that differ, by part, on one line: `published: title, body`.
pub(super) fn field_names(change: &Change) -> String {
    let missing = change
        .difference
        .missing
        .iter()
        .map(|part| format!("{}: {}", label(*part), absent(change.has_ended)));
    let parts = change.difference.parts.iter().map(part_names);
    parts.chain(missing).collect::<Vec<_>>().join(" · ")
}

/// Returns what is said of a body that is not there; `has_ended`: nothing is added to its version any more.
pub(super) fn absent(has_ended: bool) -> &'static str {
    if has_ended {
        "never came"
    } else {
        "not here yet"
    }
}

fn part_names(change: &PartChange) -> String {
    let label = label(change.part);
    match &*change.fields {
        [] if change.part == Part::DraftKey => "draft key".to_owned(),
        [] => format!("{label}: written differently"),
        [whole] if whole.path.is_empty() => match &whole.after {
            Some(_) => format!("{label}: new"),
            None => format!("{label}: gone"),
        },
        fields => {
            let names: Vec<String> = fields.iter().map(|field| path_text(&field.path)).collect();
            format!("{label}: {}", names.join(", "))
        }
    }
}

fn label(part: Part) -> &'static str {
    match part {
        Part::Metadata => "metadata",
        Part::DraftKey => "draft key",
        Part::PublishedBody => "published",
        Part::DraftBody => "draft",
        Part::Api => "api",
        Part::File => "file",
    }
}

/// Writes every field that differs, with its values.
pub(super) fn fields(change: &Change, style: &Style, paper: &mut Paper) {
    for part in &change.difference.parts {
        let label = label(part.part);
        if part.fields.is_empty() {
            paper.line(&format!("    {}", part_names(part)));
        }
        for change in &part.fields {
            field(label, change, style, paper);
        }
    }
    for part in &change.difference.missing {
        let is = if change.has_ended { "" } else { "is " };
        let absent = absent(change.has_ended);
        paper.line(&format!("    {}: the new one {is}{absent}", label(*part)));
    }
}

fn field(label: &str, change: &FieldChange, style: &Style, paper: &mut Paper) {
    if change.path.is_empty() {
        return whole(label, change, style, paper);
    }
    let head = format!("    {label}  {}", visible(&path_text(&change.path)));
    match (&change.before, &change.after) {
        (Some(Value::String(before)), Some(Value::String(after))) if is_long(before, after) => {
            paper.line(&head);
            text(before, after, style, paper);
        }
        (before, after) => {
            let head_width = head.width() + 4;
            let shown = |value: &Value| brief(value);
            let (words, ink) = match (before, after) {
                (Some(before), Some(after)) => {
                    (format!("{} → {}", shown(before), shown(after)), None)
                }
                (None, Some(after)) => (format!("+ {}", shown(after)), Some(Ink::Added)),
                (Some(before), None) => (format!("- {}", shown(before)), Some(Ink::Removed)),
                (None, None) => return,
            };
            let words = style.line(&words, head_width);
            let words = ink.map_or_else(|| words.clone(), |ink| style.ink(ink, &words));
            paper.line(&format!("{head}  {words}"));
        }
    }
}

/// A body that came or went as a whole is told by the names of its fields.
fn whole(label: &str, change: &FieldChange, style: &Style, paper: &mut Paper) {
    let (word, ink, value) = match (&change.before, &change.after) {
        (_, Some(value)) => ("new", Ink::Added, value),
        (Some(value), None) => ("gone", Ink::Removed, value),
        (None, None) => return,
    };
    let names = match value {
        Value::Object(fields) => fields.keys().cloned().collect::<Vec<_>>().join(", "),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            brief(value)
        }
    };
    let names = style.line(&names, 20);
    paper.line(&format!("    {label}  {}: {names}", style.ink(ink, word)));
}

fn is_long(before: &str, after: &str) -> bool {
    let is_long = |text: &str| text.contains('\n') || text.chars().nth(SHORT).is_some();
    [before, after]
        .iter()
        .any(|text| is_long(text) || looks_rich(text))
}

/// Writes the lines that differ, each with the line before and behind it.
fn text(before: &str, after: &str, style: &Style, paper: &mut Paper) {
    let lines = lines(before, after);
    let is_same = |index: Option<usize>| {
        index
            .and_then(|index| lines.get(index))
            .is_none_or(|line| matches!(line, Line::Same(_)))
    };
    let mut has_gap = false;
    for (index, line) in lines.iter().enumerate() {
        if paper.is_done() {
            return;
        }
        let (sign, ink, text) = match line {
            Line::Removed(text) => ("-", Some(Ink::Removed), text),
            Line::Added(text) => ("+", Some(Ink::Added), text),
            Line::Same(text) => (" ", None, text),
        };
        let is_far = is_same(index.checked_sub(1)) && is_same(Some(index + 1));
        if ink.is_none() && is_far {
            has_gap = true;
            continue;
        }
        if has_gap {
            paper.line(&format!("      {}", style.ink(Ink::Faint, "…")));
            has_gap = false;
        }
        // That a text lost the line feed at its end is told by the mark of the one that had it.
        let shown = style.line(
            text.strip_suffix('\n')
                .filter(|_| ink.is_none())
                .unwrap_or(text),
            8,
        );
        let line = format!("{sign} {shown}");
        let line = ink.map_or_else(|| line.clone(), |ink| style.ink(ink, &line));
        paper.line(&format!("      {line}"));
    }
}

/// Returns a value as JSON.
fn brief(value: &Value) -> String {
    value.to_string()
}

#[cfg(test)]
mod tests {
    use super::super::paper::style_for_test;
    use super::*;
    use crate::model::{Endpoint, MediaId, Thing};
    use crate::plan::Difference;

    fn change(thing: Thing, title: &str, by: Option<&str>) -> Change {
        Change {
            thing,
            difference: Difference {
                became: Became::Changed,
                parts: Vec::new(),
                missing: Vec::new(),
            },
            is_oldest_kept: false,
            has_ended: false,
            at: None,
            by: by.map(str::to_owned),
            status_before: None,
            status: by.map(|_| "PUBLISH".to_owned()),
            title: Some(title.to_owned()),
        }
    }

    /// Behind a time and a word, as `history` has them.
    fn about_in(width: usize, change: &Change) -> String {
        about(change, 26 + 2 + 8 + 2, &style_for_test(false, Some(width)))
    }

    #[test]
    fn a_line_ends_where_the_terminal_does() {
        let id = "4f3a0b5c-1111-2222-3333-444455556666";
        let medium = Thing::Medium(MediaId::parse(id).expect("an id"));
        let long = format!("{}.png", "写真".repeat(20));
        let medium = change(medium, &long, None);
        for width in [100, 120, 160] {
            let line = about_in(width, &medium);
            assert!(line.starts_with(&format!("medium {id}  写真")), "{line}");
            let used = 38 + line.width();
            assert!(used == width || used == width - 1, "{width}: {used}");
        }
        // Behind an id, 80 columns have no room for a name that says something: it is whole.
        let line = about_in(80, &medium);
        assert!(line.ends_with(&long), "{line}");

        let api = Thing::Api(Endpoint::parse("blog").expect("a name"));
        let line = about_in(90, &change(api, &"x".repeat(80), Some("m_1")));
        assert_eq!(38 + line.width(), 90, "{line}");
        assert!(line.ends_with("…  PUBLISH  by m_1"), "{line}");
    }
}
