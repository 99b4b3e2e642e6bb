//! What the configuration is read from.

use std::collections::BTreeMap;
use std::env;
use std::fmt;
use std::path::PathBuf;

use super::problem::{ConfigError, Place, Problem};

/// Where to look: a file, or the places where one is looked for, and the environment as a value,
/// so that a test brings its own.
#[derive(Clone, Default)]
pub struct Sources {
    /// The file of `--config`. It must exist.
    pub file: Option<PathBuf>,
    /// Tried in this order if `file` is `None`; the first that exists is used, none is fine.
    pub search: Vec<PathBuf>,
    /// The environment. Names that this program does not know are ignored.
    pub env: BTreeMap<String, String>,
}

// By hand: the environment holds the API key.
impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources")
            .field("file", &self.file)
            .field("search", &self.search)
            .field("env", &self.env.keys())
            .finish()
    }
}

impl Sources {
    /// Collects the sources of this process: its environment, and `file` or else
    /// `./config.toml`, then `/etc/microcms-backup/config.toml`.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] if a variable that concerns this program is not UTF-8.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the environment becomes a value"
    )]
    pub fn of_process(file: Option<PathBuf>) -> Result<Self, ConfigError> {
        let mut env = BTreeMap::new();
        let mut problems = Vec::new();
        for (name, value) in env::vars_os() {
            let Some(name) = name.to_str().filter(|name| concerns_us(name)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => drop(env.insert(name.to_owned(), value)),
                Err(_) => problems.push(Problem {
                    key: name.to_owned(),
                    text: "is not valid UTF-8".to_owned(),
                    place: Place::Nowhere,
                }),
            }
        }
        if !problems.is_empty() {
            return Err(ConfigError::Invalid { problems });
        }
        let search = vec![
            PathBuf::from("config.toml"),
            PathBuf::from("/etc/microcms-backup/config.toml"),
        ];
        Ok(Self { file, search, env })
    }

    /// The stream that systemd's journal reads, as `device:inode`, if systemd started this process.
    pub fn journal_stream(&self) -> Option<&str> {
        self.env.get("JOURNAL_STREAM").map(String::as_str)
    }

    /// Whether the user asked for output without colours: `NO_COLOR` set and not empty
    /// (<https://no-color.org>), or a terminal that has none (`TERM=dumb`).
    pub fn no_color(&self) -> bool {
        let asked = self.env.get("NO_COLOR");
        asked.is_some_and(|value| !value.is_empty())
            || self.env.get("TERM").is_some_and(|term| term == "dumb")
    }
}

fn concerns_us(name: &str) -> bool {
    let others = ["CREDENTIALS_DIRECTORY", "JOURNAL_STREAM"];
    name.starts_with("MICROCMS_") || others.contains(&name) || concerns_all(name)
}

/// What is everybody's: this program reads it as others do.
pub(super) fn concerns_all(name: &str) -> bool {
    ["NO_COLOR", "TERM"].contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_debug_form_names_the_variables_but_not_their_values() {
        let env = BTreeMap::from([("MICROCMS_API_KEY".to_owned(), "s3cret".to_owned())]);
        let shown = format!(
            "{:?}",
            Sources {
                env,
                ..Sources::default()
            }
        );
        assert!(shown.contains("MICROCMS_API_KEY"), "{shown}");
        assert!(!shown.contains("s3cret"), "{shown}");
    }

    #[test]
    fn a_dumb_terminal_has_no_colours() {
        for (term, is_without) in [("dumb", true), ("xterm", false)] {
            let env = BTreeMap::from([("TERM".to_owned(), term.to_owned())]);
            let sources = Sources {
                env,
                ..Sources::default()
            };
            assert_eq!(sources.no_color(), is_without);
        }
    }

    #[test]
    fn an_empty_no_color_is_no_wish() {
        for (value, wished) in [("", false), ("1", true), ("0", true)] {
            let env = BTreeMap::from([("NO_COLOR".to_owned(), value.to_owned())]);
            assert_eq!(
                Sources {
                    env,
                    ..Sources::default()
                }
                .no_color(),
                wished,
                "{value:?}"
            );
        }
    }
}
