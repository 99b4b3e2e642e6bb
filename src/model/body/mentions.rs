//! URLs of files in texts.

use super::html::unescape;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::ops::RangeInclusive;

/// One place that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mention {
    /// The field, as a path such as `$.gallery[2].url`.
    pub field: String,
    /// What kind of text it stands in.
    pub place: Place,
    /// The URL as it stands there.
    pub url: String,
    /// Which file that is.
    pub at: UrlPath,
}

/// What kind of text a URL stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field `url`, as images, lists of media and files have.
    Field,
    /// A rich editor's HTML.
    Html,
    /// Any other text.
    Text,
}

impl Place {
    /// Returns the word used in columns.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Field => "field",
            Self::Html => "html",
            Self::Text => "text",
        }
    }
}

/// Where a URL points to: the same file has other hosts in other places, so what counts is the path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UrlPath {
    /// In lower case, with its port where one is written.
    pub host: String,
    /// Percent-decoded, without query and fragment; begins with a slash. Bytes that are no UTF-8 stay encoded.
    pub path: String,
}

impl UrlPath {
    /// Reads an absolute URL, or one without a scheme (`//host/path`). `None` for everything else.
    pub fn of(url: &str) -> Option<Self> {
        let rest = after_scheme(url)?;
        let (host, path) = rest.split_at(rest.find('/')?);
        let path = path.split(['?', '#']).next().unwrap_or(path);
        let is_host = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c == '@');
        is_host.then(|| Self {
            host: host.to_ascii_lowercase(),
            path: decoded(path).into_owned(),
        })
    }

    /// Returns whether the path is that of a file: its last part has something like an ending.
    fn is_file(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        self.path.starts_with("/assets/")
            || name
                .rsplit_once('.')
                .is_some_and(|(stem, ending)| !stem.is_empty() && (1..=8).contains(&ending.len()))
    }
}

fn after_scheme(url: &str) -> Option<&str> {
    ["https://", "http://", "//"]
        .iter()
        .find_map(|scheme| url.strip_prefix(scheme))
}

fn decoded(path: &str) -> Cow<'_, str> {
    percent_decode_str(path)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(path))
}

/// Returns whether a text is one URL and nothing else.
pub(super) fn is_bare_url(text: &str) -> bool {
    after_scheme(text).is_some() && !text.contains(char::is_whitespace)
}

/// Calls `found` for each URL of a file in a text, in order. Takes time as the text is long, whatever is in it.
pub(super) fn find<'t>(text: &'t str, place: Place, mut found: impl FnMut(&'t str, UrlPath)) {
    if place == Place::Field {
        // All of it, whatever its characters and whether or not its name has an ending.
        if let Some(at) = UrlPath::of(text.trim()) {
            return found(text.trim(), at);
        }
    }
    let mut rest = text;
    while let Some(slashes) = rest.find("//") {
        let (before, after) = rest.split_at(slashes);
        let scheme = ["https:", "http:"]
            .iter()
            .find(|scheme| before.ends_with(**scheme));
        let start = slashes - scheme.map_or(0, |scheme| scheme.len());
        let opening = rest
            .get(..start)
            .and_then(|before| before.chars().next_back());
        let is_fresh = scheme.is_some()
            || opening
                .is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '=' | ','));
        let length = 2 + after
            .get(2..)
            .map_or(0, |url| url_length(url, place, opening));
        if is_fresh
            && let Some(url) = rest.get(start..slashes + length)
            && let Some(at) = UrlPath::of(&unescaped(url, place)).filter(UrlPath::is_file)
        {
            found(url, at);
        }
        rest = rest.get(slashes + length.max(2)..).unwrap_or_default();
    }
}

fn unescaped(url: &str, place: Place) -> Cow<'_, str> {
    if place != Place::Html || !url.contains('&') {
        return Cow::Borrowed(url);
    }
    let mut text = String::with_capacity(url.len());
    unescape(url, &mut text);
    Cow::Owned(text)
}

/// Returns how far a URL goes. Japanese letters belong to it, Japanese punctuation does not; a full stop
/// or a comma at its end belongs to the sentence. An apostrophe ends it only where one stands before it:
/// names of files have them, and nothing encodes them.
fn url_length(url: &str, place: Place, opening: Option<char>) -> usize {
    let ends = |c: char| {
        c.is_whitespace()
            || c.is_control()
            || (c == '\'' && opening == Some('\''))
            || matches!(c, '"' | '<' | '>' | '`' | '\\' | '^' | '{' | '}' | '|')
            || matches!(
                c,
                '、' | '。' | '「' | '」' | '『' | '』' | '（' | '）' | '，' | '．'
            )
    };
    if place == Place::Html
        && let Some(whole) = quoted(url, opening)
    {
        return whole;
    }
    let url = before_sentence(url, ends);
    // In HTML a URL is quoted, and its end is the quote; only srcset separates by a comma.
    let closing: &[char] = match place {
        Place::Html => &[',', ';'],
        Place::Field | Place::Text => &['.', ',', ';', ':', '!', '?'],
    };
    let mut url = url.trim_end_matches(closing);
    // "(see https://…/a.png)", but not "https://…/a(1).png".
    let count = |brackets: [char; 2]| url.matches(brackets).count();
    let mut unopened = count([')', ']']).saturating_sub(count(['(', '[']));
    while unopened > 0
        && let Some(shorter) = url.strip_suffix([')', ']'])
    {
        unopened -= 1;
        url = shorter.trim_end_matches(closing);
    }
    url.len()
}

/// Returns how far an attribute's URL goes that has spaces in its file's name, as nothing forbids. The
/// descriptors and further URLs of a `srcset` do not belong to it.
fn quoted(url: &str, opening: Option<char>) -> Option<usize> {
    let quote = opening.filter(|c| matches!(c, '"' | '\''))?;
    let (value, _) = url.split_once(quote)?;
    let is_one = has_ending(value) && !value.contains("//") && !value.contains(['<', '>', ',']);
    (is_one && value.contains(' ')).then_some(value.len())
}

/// Returns a URL up to where it `ends`, and without the Japanese that goes on right behind it: behind a file's ending it is
/// the sentence ("…/a.pngです"), before that it belongs to the name.
fn before_sentence(url: &str, ends: impl Fn(char) -> bool) -> &str {
    let mut ending = Ending::default();
    for (at, c) in url.char_indices() {
        if ends(c) || (!c.is_ascii() && ending.is_file()) {
            return url.get(..at).unwrap_or(url);
        }
        ending.read(c);
    }
    url
}

/// Whether a URL ends like a file's name, read letter by letter: a dot, and two to five letters or digits.
#[derive(Debug, Default)]
struct Ending {
    has_slash: bool,
    /// A query or a fragment has begun, which has no say.
    is_over: bool,
    /// How many letters and digits follow the last dot of the name, and nothing else.
    length: Option<usize>,
}

impl Ending {
    fn read(&mut self, c: char) {
        match c {
            _ if self.is_over => {}
            '?' | '#' => self.is_over = true,
            '/' => {
                self.has_slash = true;
                self.length = None;
            }
            '.' => self.length = Some(0),
            c if c.is_ascii_alphanumeric() => self.length = self.length.map(|length| length + 1),
            _ => self.length = None,
        }
    }

    fn is_file(&self) -> bool {
        self.has_slash && self.length.is_some_and(|length| ENDING.contains(&length))
    }
}

/// How long the ending of a file's name is.
const ENDING: RangeInclusive<usize> = 2..=5;

/// Whether a URL ends like a file's name.
pub(super) fn has_ending(url: &str) -> bool {
    let mut ending = Ending::default();
    url.chars().for_each(|c| ending.read(c));
    ending.is_file()
}
