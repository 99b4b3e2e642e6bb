//! The API key: where it comes from and what it may look like.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::problem::Place;
use super::raw::Raw;
use super::sources::Sources;

/// The variable that other microCMS tools read the key from, too.
const VARIABLE: &str = "MICROCMS_API_KEY";
/// The name of the systemd credential (`LoadCredential=api-key:…`).
const CREDENTIAL: &str = "api-key";
const FILE_KEY: &str = "service.api_key_file";
/// Far above any key (microCMS makes 36 to 40 characters), far below a file named by mistake.
const MOST_BYTES: u64 = 4096;

/// Where the API key was found. The first of these that is there is used; the others are not
/// even opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// `MICROCMS_API_KEY`, if it is not empty.
    Variable,
    /// The file that `service.api_key_file` names.
    File(PathBuf),
    /// The systemd credential `api-key` in `$CREDENTIALS_DIRECTORY`.
    Credential(PathBuf),
}

impl KeySource {
    /// Returns the file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Variable => None,
            Self::File(path) | Self::Credential(path) => Some(path),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => write!(f, "environment variable {VARIABLE}"),
            Self::File(path) => write!(f, "file `{}`", path.display()),
            Self::Credential(path) => write!(f, "systemd credential `{}`", path.display()),
        }
    }
}

/// An API key that could be sent. Its `Debug` form is redacted; memory is wiped on drop.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// The key itself: visible ASCII, no white space.
    pub secret: SecretString,
    /// Where it came from, which may be shown.
    pub source: KeySource,
}

/// Finds and checks the key. `None` if there is none or a bad one: the problem stands in `raw`.
pub(crate) fn find(raw: &mut Raw, sources: &Sources) -> Option<ApiKey> {
    let in_env = sources.env.get(VARIABLE);
    let file = raw.text(FILE_KEY);
    let credential = sources
        .env
        .get("CREDENTIALS_DIRECTORY")
        .map(|dir| Path::new(dir).join(CREDENTIAL));

    let source = if in_env.is_some_and(|key| !key.trim().is_empty()) {
        KeySource::Variable
    } else if let Some(path) = file {
        if looks_like_a_key(&path) {
            let text = "holds what looks like the key itself; write it to a file and name that";
            raw.wrong(FILE_KEY, text, raw.place(FILE_KEY));
            return None;
        }
        KeySource::File(path.into())
    } else if let Some(path) = credential.filter(|path| path.exists()) {
        KeySource::Credential(path)
    } else {
        // A wrong kind of value for the file was reported already.
        if raw.problems.iter().all(|problem| problem.key != FILE_KEY) {
            let empty = if in_env.is_some() {
                format!(" ({VARIABLE} is set but empty)")
            } else {
                String::new()
            };
            let remedy = format!(
                "set {VARIABLE} or `{FILE_KEY}`, or pass the systemd credential `{CREDENTIAL}`"
            );
            raw.wrong(
                "API key",
                format!("is missing{empty}; {remedy}"),
                Place::Nowhere,
            );
        }
        return None;
    };

    let found = match &source {
        KeySource::Variable => Ok(in_env.cloned().unwrap_or_default()),
        KeySource::File(path) | KeySource::Credential(path) => read(path, "the key"),
    };
    match found.and_then(|text| check(&text)) {
        Ok(key) => {
            warn_if_readable_by_others(raw, &source);
            Some(ApiKey {
                secret: SecretString::from(key),
                source,
            })
        }
        Err(text) => {
            let (key, place) = match &source {
                KeySource::File(_) => (FILE_KEY, raw.place(FILE_KEY)),
                KeySource::Variable | KeySource::Credential(_) => ("API key", Place::Nowhere),
            };
            raw.wrong(key, format!("{source} {text}"), place);
            None
        }
    }
}

/// A path has a separator or a dot somewhere; a key has neither.
fn looks_like_a_key(text: &str) -> bool {
    text.len() >= 30 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// Reads a file that holds one secret. The texts say what is wrong and never what was there.
pub(super) fn read(path: &Path, what: &str) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST_BYTES + 1).read_to_end(&mut bytes))
        .map_err(|err| format!("cannot be read: {}", in_words(&err)))?;
    if bytes.len() as u64 > MOST_BYTES {
        return Err(format!(
            "is longer than {MOST_BYTES} bytes; it must hold {what} and nothing else"
        ));
    }
    String::from_utf8(bytes).map_err(|_not_utf8| "is not text".to_owned())
}

fn in_words(err: &io::Error) -> String {
    let kind = err.kind();
    if kind == io::ErrorKind::NotFound {
        "there is no such file".to_owned()
    } else if kind == io::ErrorKind::PermissionDenied {
        "permission denied".to_owned()
    } else {
        err.to_string()
    }
}

/// Trims the line end that editors add, and refuses what could not be a header value or is
/// surely not a key. The texts say what is wrong and never what was there.
fn check(text: &str) -> Result<String, String> {
    let key = text.trim_start_matches('\u{feff}').trim();
    if key.is_empty() {
        return Err("is empty; it must hold the API key".to_owned());
    }
    if key.contains(char::is_whitespace) {
        return Err("has white space inside; it must hold the key and nothing else".to_owned());
    }
    if !key.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(
            "has characters that no API key has; copy it again from the microCMS admin screen"
                .to_owned(),
        );
    }
    Ok(key.to_owned())
}

fn warn_if_readable_by_others(raw: &mut Raw, source: &KeySource) {
    if let KeySource::File(path) = source {
        warn_if_others_read(raw, path, "API key");
    }
}

/// Only a warning: secrets that orchestrators mount are readable by the group by design.
pub(super) fn warn_if_others_read(raw: &mut Raw, path: &Path, what: &str) {
    let Ok(metadata) = path.metadata() else {
        return;
    };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o044 != 0 {
        raw.warnings.push(format!(
            "the {what} file `{}` can be read by others (mode {mode:04o}); `chmod 600` it",
            path.display()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_trimmed_and_anything_but_one_word_of_ascii_is_refused() {
        assert_eq!(check("  abc123\r\n"), Ok("abc123".to_owned()));
        assert_eq!(check("\u{feff}abc123"), Ok("abc123".to_owned()));
        for (text, words) in [
            ("", "is empty"),
            (" \n", "is empty"),
            ("abc def", "white space inside"),
            ("abc\ndef", "white space inside"),
            ("ab\u{0}c", "no API key has"),
            ("kéy", "no API key has"),
        ] {
            let error = check(text).expect_err(text);
            assert!(error.contains(words), "{text:?}: {error}");
        }
    }

    #[test]
    fn a_pasted_key_is_told_from_a_path() {
        assert!(looks_like_a_key("0123456789abcdef0123456789abcdef0123"));
        assert!(looks_like_a_key("01234567-89ab-cdef-0123-456789abcdef"));
        for path in [
            "key",
            "/run/secrets/0123456789abcdef0123456789abcdef",
            "a-very-long-name-for-a-file-with-a.key",
        ] {
            assert!(!looks_like_a_key(path), "{path}");
        }
    }
}
