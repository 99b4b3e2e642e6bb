//! From the URL of a medium to the place of its file.
//!
//! The mirror is a web root: `{host}/{decoded URL path}`. A URL comes from the service and is hostile
//! until it has been looked at here; what cannot be a safe, faithful path gets a safe name instead, so
//! that no medium is left out because of how it is called. What lies at a path is none of this file's
//! business.

mod asset_url;

pub use asset_url::{AssetUrl, AssetUrlError};

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use percent_encoding::percent_decode_str;
use sha2::{Digest as _, Sha256};
use url::Url;

/// Folder, below the host's, that holds the files whose URL could not be their path.
pub const UNSAFE_FOLDER: &str = "_unsafe";

/// Folder, at the top of the mirror, that holds files while they are being written.
pub const TEMP_FOLDER: &str = ".tmp";

/// What Linux file systems allow for one name.
const MAX_SEGMENT_BYTES: usize = 255;
/// Well below `PATH_MAX` (4096), so that the mirror's own folder may be deep as well.
const MAX_PATH_BYTES: usize = 1024;
const MAX_SEGMENTS: usize = 32;
/// DNS allows 253 bytes; the port and the rest of a safe name must still fit.
const MAX_HOST_BYTES: usize = 253;
/// Length of the readable tail of a safe name: short enough for file systems that encrypt names.
const SAFE_NAME_BYTES: usize = 80;
const SAFE_EXTENSION_BYTES: usize = 16;
const NAMELESS: &str = "file";

/// A relative path inside the mirror, `/`-separated, with the host's folder first.
///
/// However it was made, it is not absolute, has no empty, `.` or `..` segment, no control character and no
/// character that reorders text, 2 to 32 segments of at most 255 bytes, at most 1,024 bytes in all, and does not
/// start with a dot, where the mirror keeps its own files. Names are exactly what the URL decodes
/// to: the composed and the decomposed form of one name are two files.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

/// What lies on disk at the path of a saved file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnDisk {
    /// A regular file of the recorded length.
    Intact,
    /// Nothing.
    Missing,
    /// Something else: another length, a folder, a symbolic link.
    Damaged,
}

/// Why a text is not the URL or the path of a file.
#[derive(Debug, thiserror::Error)]
pub enum PathError {
    /// The text is not an absolute URL.
    #[error("`{url}` is not an absolute URL")]
    NotAUrl {
        /// The text, made printable, without its query.
        url: String,
        /// What the parser said.
        source: url::ParseError,
    },
    /// The URL is of another scheme than `http` and `https`.
    #[error("`{url}` is not an http or https URL")]
    Scheme {
        /// The URL, made printable, without its query.
        url: String,
    },
    /// The URL has no host, or one that cannot be the name of a folder.
    #[error("the host of `{url}` cannot be the name of a folder")]
    Host {
        /// The URL, made printable, without its query.
        url: String,
    },
    /// A stored text breaks one of the rules that [`RelPath`] promises.
    #[error("`{path}` is not a safe relative path")]
    Unsafe {
        /// The text, made printable.
        path: String,
    },
}

impl RelPath {
    /// Returns the path for a URL as the service listed it: `{host}/{decoded path}`, or the safe form
    /// ([`RelPath::fallback`]) when a part of it is hostile or impossible as a file name.
    ///
    /// Each segment is percent-decoded once; a literal `+` stays. Query and fragment do not count. Two URLs
    /// may decode to one path (`%41` and `A`): the caller that meets this uses [`RelPath::fallback`].
    ///
    /// # Errors
    /// Only when the text is not an absolute http(s) URL with a usable host.
    pub fn for_url(url: &str) -> Result<Self, PathError> {
        Ok(Self::below(&host_folder(url)?, url))
    }

    /// Returns the path for a URL whose host has this folder.
    fn below(host: &str, url: &str) -> Self {
        // The parser resolves `..` and `%2e%2e` and drops tabs. A name is taken from the text as listed,
        // so that such a URL is recognised instead of being led to another medium's path.
        let faithful = raw_path(url).and_then(|path| faithful_path(host, path));
        faithful.unwrap_or_else(|| safe_path(host, url))
    }

    /// Returns the safe form on demand: `{host}/_unsafe/{16 hex digits}/{readable name}`.
    ///
    /// The digits are the start of the SHA-256 of the whole URL text, so that each URL has its own path. Meant
    /// for collisions: a file where a folder must be, or two URLs that decode to one path.
    ///
    /// # Errors
    /// As [`RelPath::for_url`].
    pub fn fallback(url: &str) -> Result<Self, PathError> {
        Ok(safe_path(&host_folder(url)?, url))
    }

    /// Checks a stored text, for example from the database.
    ///
    /// # Errors
    /// When it breaks a rule of [`RelPath`].
    pub fn parse(path: &str) -> Result<Self, PathError> {
        let unsafe_path = || PathError::Unsafe {
            path: printable(path).into_owned(),
        };
        let segments = path.split('/').count();
        let fits = path.len() <= MAX_PATH_BYTES && (2..=MAX_SEGMENTS).contains(&segments);
        let is_plain = is_plain(path);
        let is_safe = |segment| match is_plain {
            true => has_length(segment),
            false => is_safe_segment(segment),
        };
        if fits && !path.starts_with('.') && path.split('/').all(is_safe) {
            Ok(Self(path.to_owned()))
        } else {
            Err(unsafe_path())
        }
    }

    /// Returns the path as text, `/`-separated.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Splits into the folder and the name in it.
    pub fn split(&self) -> (&str, &str) {
        // A path has two segments or more; without one, everything would be the name.
        self.0.rsplit_once('/').unwrap_or(("", &self.0))
    }

    /// Returns the folder directly below the mirror's, which is that of the URL's host.
    pub fn host_folder(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }

    /// Tells whether this is the safe form rather than the URL's own path.
    pub fn is_fallback(&self) -> bool {
        self.0.split('/').nth(1) == Some(UNSAFE_FOLDER)
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<std::path::Path> for RelPath {
    fn as_ref(&self) -> &std::path::Path {
        std::path::Path::new(&self.0)
    }
}

/// Returns the file name that a URL carries: its last segment, decoded once, without query and fragment.
///
/// For people and for the `file_name` column, not for opening files. Always printable and never empty: what is
/// hostile is replaced by `_`, what is missing is called `file`.
pub fn file_name(url: &str) -> String {
    let name = decoded_last_segment(url);
    match name.as_ref() {
        "" | "." | ".." => NAMELESS.to_owned(),
        named => named
            .chars()
            .map(|c| if is_hostile(c) { '_' } else { c })
            .collect(),
    }
}

/// Returns the host's folder: lowercase host, `_port` appended when the URL names one that is not the default.
fn host_folder(url: &str) -> Result<String, PathError> {
    folder_of(&parsed(url)?, url)
}

fn parsed(url: &str) -> Result<Url, PathError> {
    Url::parse(url).map_err(|source| PathError::NotAUrl {
        url: shown(url),
        source,
    })
}

/// As [`host_folder`], of a URL that was parsed from this text.
fn folder_of(parsed: &Url, url: &str) -> Result<String, PathError> {
    if !matches!(parsed.scheme(), "http" | "https") {
        return Err(PathError::Scheme { url: shown(url) });
    }
    let host = parsed.host_str().unwrap_or_default().to_lowercase();
    // A leading dot is kept for the mirror's own folders.
    if host.is_empty()
        || host.starts_with('.')
        || host.len() > MAX_HOST_BYTES - "_65535".len()
        || !is_safe_segment(&host)
    {
        return Err(PathError::Host { url: shown(url) });
    }
    Ok(match parsed.port() {
        Some(port) => format!("{host}_{port}"),
        None => host,
    })
}

/// Returns the path part of a URL's text as it stands there, or `None` when the text is so unusual
/// (`https:/host`, `https:\host`, blanks around it) that only a lenient parser takes it for a URL.
fn raw_path(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    if !scheme.bytes().all(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    let rest = rest.split(['?', '#']).next()?;
    let (authority, path) = rest.split_once('/')?;
    // Besides the backslash, which a parser reads as a slash, the parser drops an empty authority (`https:///host/`).
    (!authority.is_empty() && !authority.contains('\\')).then_some(path)
}

/// Decodes the URL's path below the host's folder, or `None` if one of its segments cannot be a file name.
fn faithful_path(host: &str, raw_path: &str) -> Option<RelPath> {
    let mut path = host.to_owned();
    for (depth, raw) in raw_path.split('/').enumerate() {
        let segment = percent_decode_str(raw).decode_utf8().ok()?;
        let is_reserved = depth == 0 && matches!(segment.as_ref(), UNSAFE_FOLDER | TEMP_FOLDER);
        if is_reserved || !is_safe_segment(&segment) {
            return None;
        }
        path.push('/');
        path.push_str(&segment);
    }
    // Also checks the limits of the whole.
    RelPath::parse(&path).ok()
}

fn safe_path(host: &str, url: &str) -> RelPath {
    let digest = Sha256::digest(url.as_bytes());
    let mut path = format!("{host}/{UNSAFE_FOLDER}/");
    for byte in digest.iter().take(8) {
        // Writing to a String cannot fail.
        write!(path, "{byte:02x}").ok();
    }
    path.push('/');
    path.push_str(&safe_name(&decoded_last_segment(url)));
    RelPath(path)
}

/// Makes a short name that any file system takes, with the extension kept: it tells a web server the type.
fn safe_name(name: &str) -> String {
    let portable: String = name
        .chars()
        .map(|c| {
            if is_hostile(c) || matches!(c, '<' | '>' | ':' | '"' | '|' | '?' | '*') {
                '_'
            } else {
                c
            }
        })
        .collect();
    let portable = portable
        .trim_end_matches(['.', ' '])
        .trim_start_matches('.');
    let (stem, extension) = match portable.rsplit_once('.') {
        Some((stem, ext)) if !ext.is_empty() && ext.len() <= SAFE_EXTENSION_BYTES => {
            (stem, Some(ext))
        }
        Some(_) | None => (portable, None),
    };
    let room = SAFE_NAME_BYTES - extension.map_or(0, |ext| ext.len() + 1);
    let stem = match shortened(stem, room) {
        "" => NAMELESS,
        stem => stem,
    };
    match extension {
        Some(extension) => format!("{stem}.{extension}"),
        None => stem.to_owned(),
    }
}

/// Returns the longest start of `text` that has at most `max` bytes and ends between two characters.
fn shortened(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

fn decoded_last_segment(url: &str) -> Cow<'_, str> {
    // Not through `raw_path`: here every text has to give something.
    let text = url.split_once("://").map_or(url, |(_, rest)| rest);
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let last = text.rsplit_once('/').map_or("", |(_, last)| last);
    percent_decode_str(last).decode_utf8_lossy()
}

/// Tells, without a look at each character, that a text has nothing hostile but `/` in it. Nearly all have not.
fn is_plain(text: &str) -> bool {
    // Not `all`, which ends early: this way several bytes are looked at in one step.
    let usual = |b: u8| matches!(b, b' '..=b'~') && b != b'\\';
    text.bytes().fold(true, |so_far, b| so_far & usual(b))
}

fn has_length(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..") && segment.len() <= MAX_SEGMENT_BYTES
}

fn is_safe_segment(segment: &str) -> bool {
    has_length(segment) && !segment.chars().any(is_hostile)
}

/// Characters that separate segments, end texts, steer terminals or reorder what a person reads.
fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c, '/' | '\\')
        || matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Makes a text fit for a message: one line, nothing that steers a terminal, not endless.
fn printable(text: &str) -> Cow<'_, str> {
    let start = shortened(text, 200);
    if start.len() == text.len() && !text.chars().any(|c| c != '/' && is_hostile(c)) {
        return Cow::Borrowed(text);
    }
    let mut shown: String = start
        .chars()
        .map(|c| {
            if c != '/' && is_hostile(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect();
    if start.len() < text.len() {
        shown.push('…');
    }
    Cow::Owned(shown)
}

/// Makes a URL fit for a message. Query and credentials stay out: they may hold keys.
fn shown(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url
        .split_once("://")
        .and_then(|(scheme, rest)| Some((scheme, rest.split_once('@')?.1)))
    {
        Some((scheme, rest)) => printable(&format!("{scheme}://{rest}")).into_owned(),
        None => printable(url).into_owned(),
    }
}

#[cfg(test)]
mod tests;
