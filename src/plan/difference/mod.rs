//! What changed between two versions of a thing.

mod fields;
mod text;

pub use fields::{FieldChange, Step, fields, path_text};
pub use text::{Line, lines, looks_rich};
pub(super) use text::{Tag, split};

use crate::model::past::{ContentState, FileState};
use crate::model::{State, Status, Version, read_json};
use serde::Serialize;
use serde_json::Value;

/// What became of a thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Became {
    /// It is new.
    Created,
    /// It is another.
    Changed,
    /// The service has it no more.
    Deleted,
    /// It had been deleted and is there again.
    Returned,
}

/// Which part of a thing a field belongs to; the words are the database's columns where there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What the service lists of it.
    Metadata,
    /// The key of its draft, whose value is told to nobody.
    DraftKey,
    /// The published body.
    PublishedBody,
    /// The draft body.
    DraftBody,
    /// An API's name, kind and schema.
    Api,
    /// A medium's bytes and where they are.
    File,
}

impl Part {
    /// Returns the word used in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::DraftKey => "draft_key",
            Self::PublishedBody => "published_body",
            Self::DraftBody => "draft_body",
            Self::Api => "api",
            Self::File => "file",
        }
    }
}

/// The fields of one part that differ.
#[derive(Clone, Debug, PartialEq)]
pub struct PartChange {
    /// Which part.
    pub part: Part,
    /// Its fields in the order of the values. Empty: the text differs, and means the same; of a draft key
    /// nothing else is told.
    pub fields: Vec<FieldChange>,
}

/// What changed from one version to another.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// What became of the thing.
    pub became: Became,
    /// The parts that differ, where it was there before and after.
    pub parts: Vec<PartChange>,
    /// Bodies that the status has and that have not come for the later version: nothing is known of them.
    pub missing: Vec<Part>,
}

impl Difference {
    /// Returns whether there is anything to tell.
    pub fn is_none(&self) -> bool {
        self.became == Became::Changed && self.parts.is_empty() && self.missing.is_empty()
    }
}

/// Returns what changed between two versions of one thing. A version that says "deleted" is a thing that
/// is not there; `None` is one that nobody had heard of. Returns `None` where there was nothing before
/// and after, or nothing changed.
pub fn difference(before: Option<&Version>, after: Option<&Version>) -> Option<Difference> {
    let is_live = |version: &&Version| version.deleted_at.is_none();
    let became = match (before.filter(is_live), after.filter(is_live)) {
        (None, None) => return None,
        (None, Some(_)) if before.is_some() => Became::Returned,
        (None, Some(_)) => Became::Created,
        (Some(_), None) => Became::Deleted,
        (Some(_), Some(_)) => Became::Changed,
    };
    let mut found = Difference {
        became,
        parts: Vec::new(),
        missing: Vec::new(),
    };
    // What a thing looked like before it was deleted is known when it returns.
    if let (Some(before), Some(after)) = (before, after)
        && became != Became::Deleted
    {
        compare(&before.state, &after.state, &mut found);
    }
    (!found.is_none()).then_some(found)
}

fn compare(before: &State, after: &State, found: &mut Difference) {
    match (before, after) {
        (State::Content(before), State::Content(after)) => contents(before, after, found),
        (State::Medium(before), State::Medium(after)) => {
            let (before, after) = (Some(&*before.metadata), Some(&*after.metadata));
            found.texts(Part::Metadata, before, after);
        }
        (State::Api(before), State::Api(after)) => {
            let value = |api: &crate::model::past::ApiState| {
                let schema = api.schema.as_deref().map(parsed);
                serde_json::json!({"name": api.name, "kind": api.kind, "schema": schema})
            };
            found.values(Part::Api, &value(before), &value(after));
        }
        (State::File(before), State::File(after)) => {
            found.values(Part::File, &file(before), &file(after));
        }
        // Two versions of one thing are of one kind.
        (State::Content(_) | State::Medium(_) | State::Api(_) | State::File(_), _) => {}
    }
}

/// A file is its bytes and their place; when they were fetched or checked is no change of it.
fn file(state: &FileState) -> Value {
    serde_json::json!({
        "url": state.url, "path": state.path, "bytes": state.bytes, "sha256": state.sha256,
    })
}

fn contents(before: &ContentState, after: &ContentState, found: &mut Difference) {
    let metadata = [before, after].map(|state| Some(&*state.open_metadata));
    let [old, new] = metadata;
    found.texts(Part::Metadata, old, new);
    if before.draft_key != after.draft_key {
        found.parts.push(PartChange {
            part: Part::DraftKey,
            fields: Vec::new(),
        });
    }
    let status = after.status.as_deref().map(Status::parse);
    let may = |has: fn(&Status) -> bool| status.as_ref().is_some_and(has);
    for (part, old, new, is_expected) in [
        (
            Part::PublishedBody,
            &before.published,
            &after.published,
            may(Status::has_published),
        ),
        (
            Part::DraftBody,
            &before.draft,
            &after.draft,
            may(Status::has_draft),
        ),
    ] {
        if old.is_some() && new.is_none() && is_expected {
            found.missing.push(part);
        } else {
            found.texts(part, old.as_deref(), new.as_deref());
        }
    }
}

impl Difference {
    fn texts(&mut self, part: Part, before: Option<&str>, after: Option<&str>) {
        if before == after {
            return;
        }
        let (before, after) = (before.map(parsed), after.map(parsed));
        let fields = fields(before.as_ref(), after.as_ref());
        self.parts.push(PartChange { part, fields });
    }

    fn values(&mut self, part: Part, before: &Value, after: &Value) {
        let fields = fields(Some(before), Some(after));
        if !fields.is_empty() {
            self.parts.push(PartChange { part, fields });
        }
    }
}

/// Adds what became of a medium's bytes to what became of the medium. That bytes came with a new medium,
/// or were left by one that is deleted, is nothing of its own; nor is where the file of one lies that is not there (`is_live`).
pub fn with_file(
    medium: Option<Difference>,
    file: Option<Difference>,
    is_live: bool,
) -> Option<Difference> {
    match (medium, file) {
        (Some(mut medium), Some(file)) if medium.became == Became::Changed => {
            medium.parts.extend(file.parts);
            Some(medium)
        }
        (None, Some(file)) if file.became == Became::Changed && is_live => Some(file),
        (medium, _) => medium,
    }
}

/// Reads a JSON text; one that is none, which only an edited database has, is compared as a text.
fn parsed(text: &str) -> Value {
    read_json(text).unwrap_or_else(|_no_json| Value::from(text))
}

#[cfg(test)]
mod tests;
