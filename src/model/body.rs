//! What a body says to people: its readable text, and the files it names.
//!
//! Both are found by looking at every string of the JSON, not by the schema: a body may be older than its
//! schema, and extension fields hold whatever they like.

mod html;
mod mentions;

pub use mentions::{Mention, Place, UrlPath};

use super::{Timestamp, read_json};
use serde_json::Value;
use std::collections::HashSet;

/// What follows from one body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyDigest {
    /// Its readable text: one line for each string or paragraph, HTML without its tags, character
    /// references resolved. Names of fields, ids, times and bare URLs are left out.
    pub text: String,
    /// Each place that names a file by a URL, in the order of the body, each URL once per field.
    pub mentions: Vec<Mention>,
}

impl BodyDigest {
    /// Reads a body, half emojis and all ([`read_json`]). A text that is no JSON says nothing.
    pub fn of(body: &str) -> Self {
        let mut digest = Self::default();
        if let Ok(value) = read_json(body) {
            digest.read(&value, &mut "$".to_owned(), None);
        }
        digest
    }

    fn read(&mut self, value: &Value, field: &mut String, key: Option<&str>) {
        let length = field.len();
        match value {
            Value::String(text) => self.read_text(text, field, key),
            Value::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    field.push_str(&format!("[{index}]"));
                    self.read(item, field, key);
                    field.truncate(length);
                }
            }
            Value::Object(fields) => {
                for (key, item) in fields {
                    let is_its_id = length == 1 && key == "id";
                    if is_its_id || key == "fieldId" {
                        continue;
                    }
                    push_key(field, key);
                    self.read(item, field, Some(key));
                    field.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn read_text(&mut self, text: &str, field: &str, key: Option<&str>) {
        let is_html = html::is_html(text);
        let place = match (is_html, key) {
            (true, _) => Place::Html,
            (false, Some("url")) => Place::Field,
            (false, _) => Place::Text,
        };
        let mut known = HashSet::new();
        mentions::find(text, place, |url, at| {
            if known.insert(url) {
                self.mentions.push(Mention {
                    field: field.to_owned(),
                    place,
                    url: url.to_owned(),
                    at,
                });
            }
        });
        let readable = if is_html {
            html::text(text)
        } else {
            text.to_owned()
        };
        let readable = readable.trim();
        let is_said = !readable.is_empty()
            && !mentions::is_bare_url(readable)
            && Timestamp::parse(readable).is_none();
        if is_said {
            if !self.text.is_empty() {
                self.text.push('\n');
            }
            self.text.push_str(readable);
        }
    }
}

/// Appends a key as SQLite's JSON paths are written.
fn push_key(field: &mut String, key: &str) {
    let is_plain = !key.is_empty()
        && key.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !key.starts_with(|c: char| c.is_ascii_digit());
    if is_plain {
        field.push('.');
        field.push_str(key);
    } else {
        field.push_str(&format!(".\"{key}\""));
    }
}

#[cfg(test)]
mod tests;
