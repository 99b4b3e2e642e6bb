//! The differences of two JSON values, field by field.

use serde::Serialize;
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// One step of the way to a field; in JSON a text or a number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum Step {
    /// Into an object.
    Key(String),
    /// Into a list, from 0.
    Index(usize),
}

/// One field that differs. Without `before` it was added, without `after` removed.
///
/// Within a list, what is alike at its beginning and its end is left alone; what lies between is compared
/// place by place, and the rest of the longer side was added or removed behind that. So an entry that came
/// at the top of a repeater is one addition. Indices of removals are of the earlier list, all others of both
/// or of the later one.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The way to it; empty for the whole value.
    pub path: Vec<Step>,
    /// What stood there.
    pub before: Option<Value>,
    /// What stands there.
    pub after: Option<Value>,
}

/// Returns the fields that differ, in the order of the values. Equal values have none. A value that is
/// there on one side only is one change of the whole.
pub fn fields(before: Option<&Value>, after: Option<&Value>) -> Vec<FieldChange> {
    let mut found = Found::default();
    found.compare(before, after);
    found.changes
}

/// Returns the way to a field as people write it: `items[2].title`; a key that would not stand for itself
/// is quoted.
pub fn path_text(path: &[Step]) -> String {
    let mut text = String::new();
    for step in path {
        // Writing to a String cannot fail.
        let _ok = match step {
            Step::Index(index) => write!(text, "[{index}]"),
            Step::Key(key) if is_plain(key) && text.is_empty() => write!(text, "{key}"),
            Step::Key(key) if is_plain(key) => write!(text, ".{key}"),
            Step::Key(key) => write!(text, "[{}]", Value::from(key.as_str())),
        };
    }
    text
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-".contains(c))
}

#[derive(Default)]
struct Found {
    path: Vec<Step>,
    changes: Vec<FieldChange>,
}

impl Found {
    fn compare(&mut self, before: Option<&Value>, after: Option<&Value>) {
        match (before, after) {
            (before, after) if before == after => {}
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                self.objects(before, after);
            }
            (Some(Value::Array(before)), Some(Value::Array(after))) => self.lists(before, after),
            (before, after) => self.changes.push(FieldChange {
                path: self.path.clone(),
                before: before.cloned(),
                after: after.cloned(),
            }),
        }
    }

    fn at(&mut self, step: Step, before: Option<&Value>, after: Option<&Value>) {
        self.path.push(step);
        self.compare(before, after);
        self.path.pop();
    }

    fn objects(&mut self, before: &Map<String, Value>, after: &Map<String, Value>) {
        let added = after.keys().filter(|key| !before.contains_key(*key));
        for key in before.keys().chain(added) {
            self.at(Step::Key(key.clone()), before.get(key), after.get(key));
        }
    }

    fn lists(&mut self, before: &[Value], after: &[Value]) {
        let head = alike(before.iter(), after.iter());
        let (old, new) = (
            before.get(head..).unwrap_or(&[]),
            after.get(head..).unwrap_or(&[]),
        );
        let tail = alike(old.iter().rev(), new.iter().rev());
        let (old, new) = (old.len() - tail, new.len() - tail);
        for index in (0..old.max(new)).map(|place| head + place) {
            let old = before.get(index).filter(|_| index < head + old);
            let new = after.get(index).filter(|_| index < head + new);
            self.at(Step::Index(index), old, new);
        }
    }
}

/// How many values are equal from the first one on.
fn alike<'a>(
    before: impl Iterator<Item = &'a Value>,
    after: impl Iterator<Item = &'a Value>,
) -> usize {
    before
        .zip(after)
        .take_while(|(old, new)| old == new)
        .count()
}
