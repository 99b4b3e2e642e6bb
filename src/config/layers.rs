//! The file and the environment, read and laid over each other.
//!
//! Only known keys get as far as the `config` crate, which reads a key as a path expression: a
//! stray `a[999999999]` must not become a list of that length.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use config::{ConfigError as Failed, FileFormat, Format, Map, Source, Value, ValueKind};

use super::keys::{self, KEYS, Nearest};
use super::problem::{ConfigError, Place, Problem};
use super::sources::Sources;

/// What was read.
#[derive(Debug)]
pub(crate) struct Layers {
    /// By full key, the strongest of each.
    pub(crate) values: HashMap<String, Value>,
    /// The file that was read, if there was one.
    pub(crate) file: Option<PathBuf>,
    /// The keys that do not exist.
    pub(crate) problems: Vec<Problem>,
}

/// Reads the file and the environment.
///
/// # Errors
/// If the file cannot be read or is not TOML. What is wrong inside goes to `problems`.
pub(crate) fn read(sources: &Sources) -> Result<Layers, ConfigError> {
    let mut problems = Vec::new();
    let file = find_file(sources);
    let from_file = match &file {
        Some(path) => known_only(read_file(path)?, path, &mut problems),
        None => Map::new(),
    };
    let from_env = environment(sources, &mut problems);
    let values = merge(from_file, from_env, &mut problems);
    Ok(Layers {
        values,
        file,
        problems,
    })
}

/// The origin of a value tells the two apart; a file may bear any name.
const FROM_FILE: &str = "file:";
const FROM_VARIABLE: &str = "variable:";

/// Where a value was written.
pub(crate) fn place_of(value: &Value) -> Place {
    let origin = value.origin().unwrap_or_default();
    if let Some(path) = origin.strip_prefix(FROM_FILE) {
        Place::File(path.to_owned())
    } else if let Some(name) = origin.strip_prefix(FROM_VARIABLE) {
        Place::Variable(name.to_owned())
    } else {
        Place::Nowhere
    }
}

fn find_file(sources: &Sources) -> Option<PathBuf> {
    // A file that exists but cannot be read is an error later, not a reason to go on searching:
    // the next one would be a different configuration than the person thinks.
    let exists = |path: &&PathBuf| path.symlink_metadata().is_ok();
    sources
        .file
        .clone()
        .or_else(|| sources.search.iter().find(exists).cloned())
}

fn read_file(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    };
    let bytes = fs::read(path).map_err(unreadable)?;
    let text = String::from_utf8(bytes)
        .map_err(|err| unreadable(io::Error::new(io::ErrorKind::InvalidData, err.utf8_error())))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let origin = format!("{FROM_FILE}{}", path.display());
    FileFormat::Toml
        .parse(Some(&origin), text)
        .map_err(|err| ConfigError::Syntax {
            path: path.to_owned(),
            detail: without_source_lines(&err.to_string()),
        })
}

/// Keeps "where" and "what" of a TOML error and drops the quoted line between them: a person who
/// put the key into the file must not find it in the log.
fn without_source_lines(message: &str) -> String {
    let is_quote = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ');
        line.starts_with('|') || line.is_empty()
    };
    let kept: Vec<&str> = message.lines().filter(|line| !is_quote(line)).collect();
    kept.join(": ").replace("TOML parse error at ", "")
}

/// Flattens a file to `section.key` and reports what is not a key.
fn known_only(
    table: Map<String, Value>,
    file: &Path,
    problems: &mut Vec<Problem>,
) -> Map<String, Value> {
    let place = Place::File(file.display().to_string());
    let mut known = Map::new();
    let mut unknown = Vec::new();
    for (name, value) in table {
        if !keys::is_section(&name) {
            let text = match (&value.kind, keys::nearest_section(&name)) {
                (ValueKind::Table(_), Some(near)) => unknown_section(&name, near),
                _ => unknown_key(&name, keys::nearest, str::to_owned),
            };
            unknown.push((name, text));
            continue;
        }
        let ValueKind::Table(section) = value.kind else {
            let text = format!("is a section; write `[{name}]` on a line of its own");
            unknown.push((name, text));
            continue;
        };
        for (key, value) in section {
            let key = format!("{name}.{key}");
            if KEYS.contains(&key.as_str()) {
                known.insert(key, value);
            } else {
                unknown.push((key.clone(), unknown_key(&key, keys::nearest, str::to_owned)));
            }
        }
    }
    // The table is unordered; an error text that changes from run to run is hard to talk about.
    unknown.sort();
    problems.extend(unknown.into_iter().map(|(key, text)| Problem {
        key,
        text,
        place: place.clone(),
    }));
    known
}

/// The text for a section that does not exist. It may also be a key that got brackets.
fn unknown_section(name: &str, near: Nearest) -> String {
    match keys::nearest(name).filter(|key| key.is_likely) {
        Some(key) if !near.is_likely => unknown_key(name, |_| Some(key), str::to_owned),
        Some(_) | None => {
            let near = told(near, |name| format!("[{name}]"));
            format!("is not a known section; {near}")
        }
    }
}

/// Names what comes nearest, and as what.
fn told(near: Nearest, spelled: impl FnOnce(&str) -> String) -> String {
    let name = spelled(near.name);
    match near.is_likely {
        true => format!("did you mean `{name}`?"),
        false => format!("the nearest is `{name}`"),
    }
}

/// The text for a key that does not exist.
fn unknown_key(
    key: &str,
    nearest: impl FnOnce(&str) -> Option<Nearest>,
    spelled: impl FnOnce(&str) -> String,
) -> String {
    let last = key
        .rsplit('.')
        .next()
        .unwrap_or(key)
        .replace(['-', '_'], "")
        .to_lowercase();
    // A secret in a file that is copied, shown and committed does not stay one.
    if matches!(
        last.as_str(),
        "apikey" | "key" | "token" | "xmicrocmsapikey"
    ) {
        return "the API key does not belong here; put it into a file of its own and name that in \
                `service.api_key_file`, or set `MICROCMS_API_KEY`"
            .to_owned();
    }
    match nearest(key) {
        Some(near) => format!("is not a known key; {}", told(near, spelled)),
        None => "is not a known key".to_owned(),
    }
}

/// The environment's values by key. The common names come first so that ours win.
fn environment(sources: &Sources, problems: &mut Vec<Problem>) -> Map<String, Value> {
    let mut values = Map::new();
    let mut put = |key: &str, name: &str, text: &str| {
        let origin = format!("{FROM_VARIABLE}{name}");
        values.insert(key.to_owned(), Value::new(Some(&origin), text));
    };
    for name in ["MICROCMS_SERVICE_DOMAIN", "MICROCMS_SERVICE_ID"] {
        // Compose files pass these on as empty when they are not set.
        if let Some(text) = sources.env.get(name).filter(|text| !text.trim().is_empty()) {
            put("service.id", name, text);
        }
    }
    for (name, text) in &sources.env {
        let Some(rest) = name.strip_prefix(keys::PREFIX) else {
            continue;
        };
        let key = rest.to_lowercase().replace("__", ".");
        if KEYS.contains(&key.as_str()) {
            put(&key, name, text);
        } else {
            problems.push(Problem {
                key: key.clone(),
                text: unknown_key(&key, keys::nearest, keys::variable),
                place: Place::Variable(name.clone()),
            });
        }
    }
    values
}

/// Variables that are not ours to refuse, but surely meant for us: with one underscore too few, mostly.
pub(crate) fn near_variables(sources: &Sources) -> Vec<String> {
    let near = |name: &&String| !name.starts_with(keys::PREFIX);
    let meant = |name: &String| {
        let variable = keys::nearest_variable(name)?;
        Some(format!(
            "environment variable {name} is not read; write {variable}"
        ))
    };
    sources.env.keys().filter(near).filter_map(meant).collect()
}

/// One layer for the `config` crate to merge.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, Failed> {
        Ok(self.0.clone())
    }
}

/// Lays the environment over the file.
fn merge(
    file: Map<String, Value>,
    env: Map<String, Value>,
    problems: &mut Vec<Problem>,
) -> HashMap<String, Value> {
    let merged = config::Config::builder()
        .add_source(Layer(file))
        .add_source(Layer(env))
        .build()
        .and_then(|merged| merged.cache.into_table());
    let sections = merged.unwrap_or_else(|err| {
        // Both layers hold known keys only, so this takes a fault in the merging itself.
        let problem = Problem {
            key: "configuration".to_owned(),
            text: err.to_string(),
            place: Place::Nowhere,
        };
        problems.push(problem);
        Map::new()
    });
    let mut values = HashMap::new();
    for (section, value) in sections {
        let ValueKind::Table(table) = value.kind else {
            continue;
        };
        values.extend(
            table
                .into_iter()
                .map(|(key, value)| (format!("{section}.{key}"), value)),
        );
    }
    values
}
