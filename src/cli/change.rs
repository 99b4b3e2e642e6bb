//! One change of one thing, as `history` and `diff` tell it.

use serde::Serialize;
use serde_json::Value;

use crate::model::{State, Thing, ThingKind, Timestamp, Version};
use crate::plan::difference::{FieldChange, Part, Step, path_text};
use crate::plan::{Became, Difference};
use crate::remote;

/// A change with what people ask of it.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) thing: Thing,
    pub(super) difference: Difference,
    /// What came before is not kept any more, so nobody can say what this version changed.
    pub(super) is_oldest_kept: bool,
    /// Nothing is added to the later version any more: a body that it has not will never come.
    pub(super) has_ended: bool,
    /// When the version began; for a change over a span of time, the one at its end.
    pub(super) at: Option<Timestamp>,
    pub(super) by: Option<String>,
    pub(super) status_before: Option<String>,
    pub(super) status: Option<String>,
    /// What people call it: the title of a content, the name of a medium's file, that of an API.
    pub(super) title: Option<String>,
}

impl Change {
    pub(super) fn new(
        thing: Thing,
        before: Option<&Version>,
        after: Option<&Version>,
        difference: Difference,
        is_oldest_kept: bool,
    ) -> Self {
        let live = |version: Option<&Version>| version.is_some_and(|v| v.deleted_at.is_none());
        let by = match difference.became {
            Became::Created if !is_oldest_kept => created_by,
            Became::Created | Became::Changed | Became::Deleted | Became::Returned => updated_by,
        };
        Self {
            at: after.map(|version| version.valid_from),
            // A tombstone repeats who changed the thing last, who need not be who deleted it.
            by: after.filter(|_| live(after)).and_then(by),
            status_before: before.filter(|_| live(before)).and_then(status),
            status: after.filter(|_| live(after)).and_then(status),
            title: after.or(before).and_then(title),
            is_oldest_kept,
            has_ended: after.is_some_and(|version| version.valid_to.is_some()),
            thing,
            difference,
        }
    }

    /// Returns what happened, in one word.
    pub(super) fn word(&self) -> &'static str {
        match (self.is_oldest_kept, self.difference.became) {
            (true, Became::Created) => "known",
            (_, Became::Created) => "created",
            (_, Became::Changed) => "changed",
            (_, Became::Deleted) => "deleted",
            (_, Became::Returned) => "returned",
        }
    }

    /// Returns the form for programs, with the values of the fields or only their names.
    pub(super) fn json(&self, has_values: bool) -> ChangeJson<'_> {
        ChangeJson {
            kind: self.thing.kind(),
            endpoint: self.thing.endpoint().map(crate::model::Endpoint::as_str),
            id: self.thing.id(),
            title: self.title.as_deref(),
            change: self.word(),
            at: self.at,
            by: self.by.as_deref(),
            status_before: self.status_before.as_deref(),
            status: self.status.as_deref(),
            fields: self.fields(has_values),
            missing: &self.difference.missing,
        }
    }

    fn fields(&self, has_values: bool) -> Vec<FieldJson<'_>> {
        let mut all = Vec::new();
        for change in &self.difference.parts {
            if change.fields.is_empty() {
                all.push(FieldJson::whole(change.part));
            }
            let fields = change.fields.iter();
            all.extend(fields.map(|field| FieldJson::of(change.part, field, has_values)));
        }
        all
    }
}

/// The JSON form; it only grows.
#[derive(Debug, Serialize)]
pub(super) struct ChangeJson<'a> {
    kind: ThingKind,
    endpoint: Option<&'a str>,
    id: &'a str,
    title: Option<&'a str>,
    change: &'static str,
    at: Option<Timestamp>,
    by: Option<&'a str>,
    status_before: Option<&'a str>,
    status: Option<&'a str>,
    fields: Vec<FieldJson<'a>>,
    missing: &'a [Part],
}

/// A field that differs. Without `before` it was added, without `after` removed; with neither, only its
/// name is told.
#[derive(Debug, Serialize)]
struct FieldJson<'a> {
    part: Part,
    field: String,
    path: &'a [Step],
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<&'a Value>,
}

impl<'a> FieldJson<'a> {
    fn whole(part: Part) -> Self {
        Self {
            part,
            field: String::new(),
            path: &[],
            before: None,
            after: None,
        }
    }

    fn of(part: Part, change: &'a FieldChange, has_values: bool) -> Self {
        Self {
            part,
            field: path_text(&change.path),
            path: &change.path,
            before: change.before.as_ref().filter(|_| has_values),
            after: change.after.as_ref().filter(|_| has_values),
        }
    }
}

fn status(version: &Version) -> Option<String> {
    match &version.state {
        State::Content(content) => content.status.clone(),
        State::Api(_) | State::Medium(_) | State::File(_) => None,
    }
}

fn created_by(version: &Version) -> Option<String> {
    match &version.state {
        State::Content(content) => {
            let mut facts = content.facts.iter();
            facts.find_map(|(column, value)| (*column == "created_by").then(|| value.clone()))
        }
        State::Api(_) | State::Medium(_) | State::File(_) => None,
    }
}

fn updated_by(version: &Version) -> Option<String> {
    match &version.state {
        State::Content(content) => content.updated_by.clone(),
        State::Api(_) | State::Medium(_) | State::File(_) => None,
    }
}

fn title(version: &Version) -> Option<String> {
    match &version.state {
        State::Content(content) => {
            let mut bodies = [&content.published, &content.draft].into_iter().flatten();
            bodies.find_map(|body| remote::title(body))
        }
        State::Api(api) => Some(api.name.clone()),
        State::Medium(medium) => Some(medium.file_name.clone()),
        State::File(file) => file.path.clone(),
    }
}
