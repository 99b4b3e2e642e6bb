//! What can be wrong with a configuration, in words that say what to write instead.

use std::fmt;
use std::io;
use std::path::PathBuf;

use crate::model::is_hidden;

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In this file.
    File(String),
    /// In this environment variable.
    Variable(String),
    /// Nowhere: it is missing, or the default.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{path}"),
            Self::Variable(name) => write!(f, "environment variable {name}"),
            Self::Nowhere => Ok(()),
        }
    }
}

/// One thing that is wrong: which key, what about it, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The full key, such as `limits.downloads`.
    pub key: String,
    /// What is wrong and what would be right. Never holds the API key.
    pub text: String,
    /// Where it was written.
    pub place: Place,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A value may hold a line break or worse; a problem stays one line.
        let hidden_escaped = |c: char| match is_hidden(c) {
            true => c.escape_debug().to_string(),
            false => c.to_string(),
        };
        let text: String = self.text.chars().map(hidden_escaped).collect();
        write!(f, "{}: {text}", self.key)?;
        match &self.place {
            Place::Nowhere => Ok(()),
            place @ (Place::File(_) | Place::Variable(_)) => write!(f, " [{place}]"),
        }
    }
}

/// Why there is no usable configuration. Every variant is exit code 2.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file given by `--config`, or the one found by itself, cannot be read.
    #[error("cannot read the configuration file `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The file is not TOML. The line itself is not repeated: it may hold a secret.
    #[error("the configuration file `{}` is not valid TOML: {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What is wrong and in which line.
        detail: String,
    },
    /// The file is TOML, but what it and the environment say cannot be used.
    #[error("{}", headline(problems))]
    Invalid {
        /// Everything that is wrong, in the order of the keys.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// What the operator can do about it, if the message does not say it already.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::NotFound => Some(
                "give the right path with --config; without it `./config.toml` and \
                 `/etc/microcms-backup/config.toml` are tried, and the environment alone is enough"
                    .to_owned(),
            ),
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Some("the user that runs this program needs read permission".to_owned())
            }
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::IsADirectory => {
                Some("it is a folder: name the file in it".to_owned())
            }
            Self::Unreadable { .. } | Self::Syntax { .. } => None,
            Self::Invalid { .. } => {
                Some("`microcms-backup init FILE` writes one that explains every key".to_owned())
            }
        }
    }

    /// The single problems, for a configuration that could be read but not used.
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems } => problems,
            Self::Unreadable { .. } | Self::Syntax { .. } => &[],
        }
    }
}

/// One line for one problem; a count and a line each for more.
fn headline(problems: &[Problem]) -> String {
    match problems {
        [one] => format!("the configuration has a problem\n  {one}"),
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|problem| format!("\n  {problem}"))
                .collect();
            format!(
                "the configuration has {} problems{}",
                many.len(),
                lines.concat()
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(key: &str, place: Place) -> Problem {
        Problem {
            key: key.to_owned(),
            text: "`0` is out of range (1 to 64)".to_owned(),
            place,
        }
    }

    #[test]
    fn every_problem_is_one_line_with_its_key_and_its_place() {
        let error = ConfigError::Invalid {
            problems: vec![
                problem("limits.downloads", Place::File("config.toml".to_owned())),
                problem(
                    "service.id",
                    Place::Variable("MICROCMS_SERVICE_ID".to_owned()),
                ),
                problem("service.id", Place::Nowhere),
            ],
        };
        assert_eq!(
            error.to_string(),
            "the configuration has 3 problems\n  \
             limits.downloads: `0` is out of range (1 to 64) [config.toml]\n  \
             service.id: `0` is out of range (1 to 64) [environment variable MICROCMS_SERVICE_ID]\n  \
             service.id: `0` is out of range (1 to 64)"
        );
    }

    #[test]
    fn a_missing_file_and_a_forbidden_one_get_different_hints() {
        let unreadable = |kind: io::ErrorKind| ConfigError::Unreadable {
            path: PathBuf::from("a.toml"),
            source: io::Error::from(kind),
        };
        let missing = unreadable(io::ErrorKind::NotFound);
        assert_eq!(
            missing.to_string(),
            "cannot read the configuration file `a.toml`"
        );
        assert!(missing.hint().is_some_and(|hint| hint.contains("--config")));
        let forbidden = unreadable(io::ErrorKind::PermissionDenied);
        assert!(
            forbidden
                .hint()
                .is_some_and(|hint| hint.contains("read permission"))
        );
        let folder = unreadable(io::ErrorKind::IsADirectory);
        assert!(folder.hint().is_some_and(|hint| hint.contains("in it")));
        assert_eq!(unreadable(io::ErrorKind::InvalidData).hint(), None);
    }
}
