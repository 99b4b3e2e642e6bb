//! What a person wrote: the file and the environment as one set of values, each with its place.
//!
//! The values stay `config::Value`s and are taken key by key, so that one wrong value does not
//! hide the next. Numbers in the environment are not guessed (`try_parsing` would turn a key
//! `0123456` into `123456`): the key that takes a value says what it wants.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use config::{Value, ValueKind};

use super::layers::{self, Layers, place_of};
use super::problem::{ConfigError, Place, Problem};
use super::sources::Sources;

/// The values that were written, and what was found wrong so far.
#[derive(Debug)]
pub(crate) struct Raw {
    values: HashMap<String, Value>,
    /// The file that was read, if there was one.
    pub(crate) file: Option<PathBuf>,
    /// In the order of the keys' checks.
    pub(crate) problems: Vec<Problem>,
    /// What works but is hardly meant.
    pub(crate) warnings: Vec<String>,
}

impl Raw {
    /// Reads the file and the environment.
    ///
    /// # Errors
    /// If the file cannot be read or is not TOML. What is wrong inside goes to `problems`.
    pub(crate) fn read(sources: &Sources) -> Result<Self, ConfigError> {
        let Layers {
            values,
            file,
            problems,
        } = layers::read(sources)?;
        Ok(Self {
            values,
            file,
            problems,
            warnings: layers::near_variables(sources),
        })
    }

    /// Records that something is wrong with `key`, whose value stands at `place`.
    pub(crate) fn wrong(&mut self, key: &str, text: impl Into<String>, place: Place) {
        self.problems.push(Problem {
            key: key.to_owned(),
            text: text.into(),
            place,
        });
    }

    /// Where the value of `key` was written.
    pub(crate) fn place(&self, key: &str) -> Place {
        self.values.get(key).map_or(Place::Nowhere, place_of)
    }

    /// Takes a text. `None` if the key is not set or not a text (which is then a problem).
    pub(crate) fn text(&mut self, key: &'static str) -> Option<String> {
        let kind = self.values.get(key)?.kind.clone();
        if let ValueKind::String(text) = kind {
            return Some(text);
        }
        self.wrong_kind(key, "text in quotes", &kind);
        None
    }

    /// Takes a text and parses it; `default` if it is not set, and also if it is wrong, so that
    /// the checks that follow have something to work with.
    pub(crate) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> T {
        let Some(text) = self.text(key) else {
            return default;
        };
        match parse(&text) {
            Ok(value) => value,
            Err(problem) => {
                self.wrong(key, problem, self.place(key));
                default
            }
        }
    }

    /// Takes `true` or `false`; `default` if it is not set or wrong.
    pub(crate) fn yes_or_no(&mut self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.values.get(key) else {
            return default;
        };
        let answer = match (&value.kind, place_of(value)) {
            (ValueKind::Boolean(answer), _) => Some(*answer),
            // The environment knows only text.
            (ValueKind::String(text), Place::Variable(_)) => text.trim().parse().ok(),
            _ => None,
        };
        let other = value.kind.clone();
        answer.unwrap_or_else(|| {
            self.wrong_kind(key, "`true` or `false`", &other);
            default
        })
    }

    /// Takes a whole number within `range`; `default` if it is not set or wrong.
    pub(crate) fn whole(
        &mut self,
        key: &'static str,
        default: u32,
        range: RangeInclusive<u32>,
    ) -> u32 {
        let Some(value) = self.values.get(key) else {
            return default;
        };
        let number = match (&value.kind, place_of(value)) {
            (ValueKind::I64(number), _) => Some(*number),
            // The environment knows only text.
            (ValueKind::String(text), Place::Variable(_)) => text.trim().parse().ok(),
            _ => None,
        };
        let Some(number) = number else {
            let other = value.kind.clone();
            self.wrong_kind(key, "a whole number", &other);
            return default;
        };
        match u32::try_from(number)
            .ok()
            .filter(|number| range.contains(number))
        {
            Some(number) => number,
            None => {
                let text = format!(
                    "`{number}` is out of range ({} to {})",
                    range.start(),
                    range.end()
                );
                self.wrong(key, text, self.place(key));
                default
            }
        }
    }

    /// Takes a list and parses each item; in the environment the items stand between commas.
    /// `None` if the key is not set. Wrong items and items listed twice are problems, as is an
    /// empty list: leave the key out to get the default.
    pub(crate) fn list<T: PartialEq>(
        &mut self,
        key: &'static str,
        example: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Option<Vec<T>> {
        let items = self.texts(key, example)?;
        let place = self.place(key);
        if items.is_empty() {
            self.wrong(
                key,
                "is an empty list; leave the key out for the default",
                place,
            );
            return None;
        }
        let mut parsed = Vec::with_capacity(items.len());
        for item in items {
            match parse(&item) {
                Ok(value) if parsed.contains(&value) => {
                    self.wrong(key, format!("`{item}` is listed twice"), place.clone());
                }
                Ok(value) => parsed.push(value),
                Err(problem) => self.wrong(key, problem, place.clone()),
            }
        }
        Some(parsed)
    }

    /// Takes a list of texts; in the environment they stand between commas. `None` if the key is not
    /// set, or is something else (which is then a problem).
    pub(crate) fn texts(&mut self, key: &'static str, example: &str) -> Option<Vec<String>> {
        let value = self.values.get(key)?;
        let place = place_of(value);
        let items: Option<Vec<String>> = match (&value.kind, &place) {
            (ValueKind::Array(items), _) => items
                .iter()
                .map(|item| {
                    if let ValueKind::String(text) = &item.kind {
                        Some(text.clone())
                    } else {
                        None
                    }
                })
                .collect(),
            (ValueKind::String(text), Place::Variable(_)) => {
                Some(text.split(',').map(|item| item.trim().to_owned()).collect())
            }
            _ => None,
        };
        let Some(items) = items else {
            let other = value.kind.clone();
            self.wrong_kind(key, &format!("a list of texts such as `{example}`"), &other);
            return None;
        };
        Some(items)
    }

    fn wrong_kind(&mut self, key: &str, expected: &str, found: &ValueKind) {
        let text = format!("expected {expected}, found {}", describe(found));
        self.wrong(key, text, self.place(key));
    }
}

fn describe(kind: &ValueKind) -> String {
    match kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Boolean(value) => format!("`{value}`"),
        ValueKind::I64(value) => format!("the number `{value}`"),
        ValueKind::I128(value) => format!("the number `{value}`"),
        ValueKind::U64(value) => format!("the number `{value}`"),
        ValueKind::U128(value) => format!("the number `{value}`"),
        ValueKind::Float(value) => format!("the number `{value}`"),
        ValueKind::String(text) => format!("the text `{text}`"),
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
    }
}
