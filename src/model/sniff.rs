//! Is this body the file, or an error page that came with status 200?
//!
//! CDNs, captive portals and S3 answer with HTML, JSON or XML where a file is expected. Saving that as the
//! medium would overwrite the good copy's place in the mirror, so such an answer is refused by its content type and by its
//! first bytes. So is a plain text where a format has bytes of its own to begin with, and an empty body where there
//! were bytes before. A wrong refusal costs as much as a wrong acceptance (the medium stays owed for ever), hence a
//! file whose type may legitimately hold such text is let through.

mod signature;

use std::fmt;

/// How many bytes from the start of a body are worth passing to [`check`].
pub const HEAD_BYTES: usize = 512;

/// What is known about an answer and the medium it should be.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer<'a> {
    /// The medium's file name; only the extension counts.
    pub file_name: &'a str,
    /// Whether the listing gives a width and a height: then it is an image.
    pub is_image: bool,
    /// The `Content-Type` header, if there was one.
    pub content_type: Option<&'a str>,
    /// The first bytes of the body, as many as [`HEAD_BYTES`].
    pub head: &'a [u8],
    /// Length of the whole body in bytes.
    pub total_bytes: u64,
    /// Whether the host said where the body ends; an empty one may be a connection that broke otherwise.
    pub has_told_end: bool,
    /// Length of the version that this body would supersede; `None`: it would be the first.
    pub saved_bytes: Option<u64>,
}

/// Why a body is not the file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotTheFile {
    /// The content type is one that such a file cannot have.
    #[error("answered with {page} (`{content_type}`) where {expected} is expected")]
    ContentType {
        /// What kind of page it claims to be.
        page: Page,
        /// The content type without its parameters.
        content_type: String,
        /// What the medium is.
        expected: Expected,
    },
    /// The body begins like a page, whatever its content type says.
    #[error("answered with what begins like {page} where {expected} is expected")]
    FirstBytes {
        /// What the bytes look like.
        page: Page,
        /// What the medium is.
        expected: Expected,
    },
    /// There is no byte in the body, and such a file cannot be empty, or nobody said that this one is.
    #[error("answered with an empty body where {expected} is expected")]
    Empty {
        /// What the medium is.
        expected: Expected,
    },
    /// There is no byte in the body, and there are some in what it would supersede.
    #[error("answered with an empty body where a file of {saved_bytes} bytes was saved before")]
    Emptied {
        /// The length of what is saved.
        saved_bytes: u64,
    },
}

/// The kinds of page that stand in for a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// HTML, as from a CDN or a proxy.
    Html,
    /// JSON, as from an API.
    Json,
    /// XML; in the first bytes only with the root `<Error>`, as from S3.
    Xml,
    /// Words of any other kind, as from a proxy.
    Text,
}

/// What the medium is, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// An image of a binary format.
    Image,
    /// An SVG image, which is XML.
    Svg,
    /// A file of a known binary format: PDF, video, archive.
    Binary,
    /// Anything else that is not known to hold text.
    File,
    /// Text of some format that is not HTML: JSON, CSV, XML.
    Text,
    /// A page or a template, which may be anything.
    Markup,
}

/// Checks that a body may be the medium's file.
///
/// Case, byte order marks and leading white space make no difference. A body with the signature of a common
/// image format is taken as an image whatever its content type says: the bytes are what is backed up.
///
/// # Errors
/// The reason to refuse the body.
pub fn check(answer: &Answer<'_>) -> Result<(), NotTheFile> {
    let expected = expected(answer);
    if answer.total_bytes == 0 {
        return check_empty(answer, expected);
    }
    if expected == Expected::Markup
        || (expected == Expected::Image && signature::is_image(answer.head))
    {
        return Ok(());
    }
    check_start(answer, expected)?;
    let claimed = claimed_page(answer.content_type);
    let found = found_page(answer.head);
    if expected == Expected::Text {
        // Many a table or data file is served with a wrong type, and some begin with a tag. A page that both
        // claims to be one and looks like one is refused, unless such files are just that.
        return match (claimed, found) {
            (Some((claimed, _)), Some(page)) if claimed == page && !holds(answer, page) => {
                Err(NotTheFile::FirstBytes { page, expected })
            }
            _ => Ok(()),
        };
    }
    if let Some((page, content_type)) = claimed.filter(|(page, _)| refuses_type(expected, *page)) {
        return Err(NotTheFile::ContentType {
            page,
            content_type,
            expected,
        });
    }
    if let Some(page) = found.filter(|page| refuses_bytes(expected, *page)) {
        return Err(NotTheFile::FirstBytes { page, expected });
    }
    if has_magic(answer, expected) {
        check_text(answer, expected)
    } else {
        Ok(())
    }
}

/// Judges a body without a byte. A file that can be empty is taken for empty when its host said so, but never in
/// place of bytes: whoever emptied a file on purpose loses less by a file that stays owed than all others by a slip
/// of the host.
fn check_empty(answer: &Answer<'_>, expected: Expected) -> Result<(), NotTheFile> {
    // An empty database is one.
    let may_be_empty = match expected {
        Expected::Image | Expected::Svg => false,
        Expected::Binary => matches!(extension(answer).as_str(), "sqlite" | "db"),
        Expected::File | Expected::Text | Expected::Markup => true,
    };
    match answer.saved_bytes {
        _ if !may_be_empty => Err(NotTheFile::Empty { expected }),
        Some(saved_bytes @ 1..) => Err(NotTheFile::Emptied { saved_bytes }),
        Some(0) | None if answer.has_told_end => Ok(()),
        Some(0) | None => Err(NotTheFile::Empty { expected }),
    }
}

/// Refuses words that their host calls words, where a format has bytes of its own to begin with. What has the bytes of
/// another such format is a file under a wrong name, and passes; so does a picture that is drawn in text, what its host
/// knows as a text of some kind (`text/csv`), which no error is, and what it calls the file that was asked for.
fn check_text(answer: &Answer<'_>, expected: Expected) -> Result<(), NotTheFile> {
    let head = answer.head;
    if head.is_empty() || signature::is_known(head) || is_drawing(head) {
        return Ok(());
    }
    refuse_words(answer, expected)
}

/// Refuses words that their host calls words, where a format is written as text and begins in a way of its own.
fn check_start(answer: &Answer<'_>, expected: Expected) -> Result<(), NotTheFile> {
    let starts: &[&str] = match extension(answer).as_str() {
        "svg" | "svgz" => &["<"],
        "eps" | "ps" | "ai" => &["%", "\u{4}%"],
        "rtf" => &["{\\rtf"],
        _ => return Ok(()),
    };
    let text = ascii_start(answer.head);
    let text = text.trim_start();
    let is_its_own = starts.iter().any(|start| text.starts_with(start));
    if text.is_empty() || is_its_own || signature::is_known(answer.head) {
        return Ok(());
    }
    refuse_words(answer, expected)
}

/// Refuses a text that its host calls a text of no particular kind.
fn refuse_words(answer: &Answer<'_>, expected: Expected) -> Result<(), NotTheFile> {
    let is_plain = |essence: &String| {
        matches!(
            essence.as_str(),
            "text/plain" | "text/html" | "text/xml" | "text/json"
        )
    };
    match essence(answer.content_type).filter(is_plain) {
        Some(content_type) if signature::is_text(answer.head) => Err(NotTheFile::ContentType {
            page: Page::Text,
            content_type,
            expected,
        }),
        Some(_) | None => Ok(()),
    }
}

/// Returns whether every file of this kind begins with bytes that are no text. Not so tables under the names of
/// spreadsheets, which many programs write as text.
fn has_magic(answer: &Answer<'_>, expected: Expected) -> bool {
    match expected {
        Expected::Image => true,
        Expected::Binary => !matches!(
            extension(answer).as_str(),
            "xlsx"
                | "xlsm"
                | "ods"
                | "dmg"
                | "exe"
                | "msi"
                | "tar"
                | "mid"
                | "aac"
                | "fig"
                | "xd"
                | "sketch"
                | "sqlite"
                | "db"
                | "eot"
                | "mpg"
                | "mpeg"
                | "parquet"
        ),
        Expected::Svg | Expected::File | Expected::Text | Expected::Markup => false,
    }
}

fn refuses_type(expected: Expected, page: Page) -> bool {
    match expected {
        Expected::Image => true,
        // Served as text/html by careless hosts; its bytes decide.
        Expected::Svg | Expected::Text | Expected::Markup => false,
        Expected::Binary | Expected::File => !matches!(page, Page::Xml | Page::Text),
    }
}

fn refuses_bytes(expected: Expected, page: Page) -> bool {
    match expected {
        Expected::Image | Expected::Svg | Expected::Binary => true,
        // An unknown format may well begin with a bracket.
        Expected::File => page != Page::Json,
        Expected::Text | Expected::Markup => false,
    }
}

/// Returns whether files of this name may well be what an error page is made of.
fn holds(answer: &Answer<'_>, page: Page) -> bool {
    match (page, extension(answer).as_str()) {
        (
            Page::Json,
            "json" | "jsonl" | "ndjson" | "json5" | "jsonc" | "geojson" | "topojson"
            | "webmanifest" | "map" | "har" | "ipynb" | "gltf" | "lottie",
        )
        | (
            Page::Xml,
            "xml" | "xsl" | "xslt" | "xsd" | "dtd" | "rss" | "atom" | "rdf" | "opml" | "plist"
            | "kml" | "gpx" | "dae" | "wsdl" | "resx" | "xlf" | "drawio",
        ) => true,
        (Page::Json | Page::Xml | Page::Html | Page::Text, _) => false,
    }
}

fn extension(answer: &Answer<'_>) -> String {
    match answer.file_name.rsplit_once('.') {
        Some((_, extension)) => extension.to_ascii_lowercase(),
        None => String::new(),
    }
}

fn expected(answer: &Answer<'_>) -> Expected {
    let extension = extension(answer);
    match extension.as_str() {
        "svg" => Expected::Svg,
        "png" | "jpg" | "jpeg" | "jpe" | "jfif" | "gif" | "webp" | "avif" | "heic" | "heif" | "bmp" | "ico" | "cur"
        | "tif" | "tiff" | "apng" | "jp2" | "jxl" | "psd" => Expected::Image,
        "html" | "htm" | "xhtml" | "xht" | "shtml" | "mhtml" | "mht" | "hta" | "php" | "jsp" | "asp" | "aspx" | "erb"
        | "ejs" | "hbs" | "mustache" | "liquid" | "tpl" | "tmpl" | "template" | "njk" | "twig" | "pug" | "vue" | "svelte"
        | "astro" | "eml" | "emlx"
        // Old web applications export HTML tables under these names.
        | "xls" | "doc" => Expected::Markup,
        "json" | "jsonl" | "ndjson" | "json5" | "jsonc" | "geojson" | "topojson" | "webmanifest" | "map" | "har" | "ipynb"
        | "gltf" | "lottie" | "xml" | "xsl" | "xslt" | "xsd" | "dtd" | "rss" | "atom" | "rdf" | "opml" | "plist" | "kml"
        | "gpx" | "dae" | "wsdl" | "csv" | "tsv" | "yaml" | "yml" | "toml" | "ini" | "cfg" | "conf" | "properties" | "js"
        | "mjs" | "cjs" | "ts" | "tsx" | "jsx" | "css" | "scss" | "sass" | "less" | "vtt" | "srt" | "ass" | "ics" | "vcf"
        | "rtf" | "tex" | "sql" | "sh" | "py" | "rb" | "rs" | "go" | "java" | "c" | "h" | "cpp" | "graphql" | "proto"
        | "txt" | "text" | "md" | "mdx" | "markdown" | "rst" | "log" | "drawio" | "eps" | "ai" | "ps" | "svgz" | "lrc" | "po" | "strings" | "resx" | "xlf" | "url" | "bib" | "diff" | "patch" => {
            Expected::Text
        }
        _ if answer.is_image => Expected::Image,
        "pdf" | "zip" | "gz" | "tgz" | "bz2" | "xz" | "zst" | "7z" | "rar" | "tar" | "jar" | "apk" | "ipa" | "dmg" | "exe"
        | "msi" | "mp4" | "m4v" | "mov" | "avi" | "mkv" | "webm" | "mpg" | "mpeg" | "wmv" | "flv" | "mp3" | "m4a" | "wav"
        | "ogg" | "oga" | "ogv" | "opus" | "flac" | "aac" | "aif" | "aiff" | "mid" | "docx" | "xlsx" | "pptx" | "docm"
        | "xlsm" | "ppt" | "odt" | "ods" | "odp" | "epub" | "ttf" | "otf" | "woff" | "woff2" | "eot" | "glb" | "usdz"
        | "wasm" | "sketch" | "fig" | "xd" | "sqlite" | "db" | "parquet" => Expected::Binary,
        _ => Expected::File,
    }
}

/// Returns a content type without its parameters, in lower case.
fn essence(content_type: Option<&str>) -> Option<String> {
    Some(content_type?.split(';').next()?.trim().to_ascii_lowercase())
}

fn claimed_page(content_type: Option<&str>) -> Option<(Page, String)> {
    let essence = essence(content_type)?;
    let page = match essence.as_str() {
        "text/html" | "application/xhtml+xml" => Page::Html,
        "application/json" | "text/json" | "application/problem+json" => Page::Json,
        "application/xml" | "text/xml" => Page::Xml,
        _ => return None,
    };
    Some((page, essence))
}

fn found_page(head: &[u8]) -> Option<Page> {
    let text = ascii_start(head);
    let text = text.trim_start();
    let compact: String = text
        .chars()
        .filter(|c| !c.is_ascii_whitespace())
        .take(2)
        .collect();
    // `{"`, `{}`, `[{`, `["`, `[]`: the start of an answer, and of no binary format.
    if matches!(compact.as_str(), "{\"" | "{}" | "[{" | "[\"" | "[]") {
        return Some(Page::Json);
    }
    let (name, rest) = root(text)?;
    match name {
        "!doctype" => is_doctype_of(rest, "html").then_some(Page::Html),
        "html" | "head" | "body" | "title" | "meta" | "link" | "script" | "style" | "base"
        | "h1" | "h2" | "p" | "div" | "center" | "table" | "font" | "iframe" | "br" | "hr"
        | "b" | "a" | "pre" => Some(Page::Html),
        "error" => Some(Page::Xml),
        _ => None,
    }
}

/// Returns whether a body begins like an SVG image.
pub(super) fn is_drawing(head: &[u8]) -> bool {
    let text = ascii_start(head);
    root(&text).is_some_and(|(name, rest)| match name {
        "!doctype" => is_doctype_of(rest, "svg"),
        name => name == "svg" || name.ends_with(":svg"),
    })
}

/// Returns the name of the first element, or `!doctype`, and the text from there on.
fn root(text: &str) -> Option<(&str, &str)> {
    let mut rest = text;
    // A declaration and comments may stand before the first element.
    loop {
        rest = rest.trim_start();
        let end = if rest.starts_with("<?xml") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else {
            break;
        };
        rest = rest.split_once(end).map_or("", |(_, after)| after);
    }
    let name = rest.strip_prefix('<')?;
    let name = name
        .split(|c: char| c.is_ascii_whitespace() || matches!(c, '>' | '/'))
        .next()?;
    Some((name, rest))
}

fn is_doctype_of(text: &str, name: &str) -> bool {
    let mut words = text.split_ascii_whitespace();
    words.next();
    // What is minified goes on right behind it: `<!doctype html><html>`.
    words
        .next()
        .is_some_and(|root| root.split('>').next() == Some(name))
}

/// Reads the start as lowercase ASCII text, without byte order mark; UTF-16 loses its zero bytes. What is not
/// ASCII becomes a character that no page begins with.
fn ascii_start(head: &[u8]) -> String {
    let (bytes, is_wide) = match head {
        [0xef, 0xbb, 0xbf, rest @ ..] => (rest, false),
        [0xff, 0xfe, rest @ ..] | [0xfe, 0xff, rest @ ..] => (rest, true),
        [0, b'<', ..] | [b'<', 0, ..] => (head, true),
        _ => (head, false),
    };
    let text = bytes
        .iter()
        .take(HEAD_BYTES)
        .filter(|byte| !(is_wide && **byte == 0));
    text.map(|byte| {
        if byte.is_ascii() {
            char::from(byte.to_ascii_lowercase())
        } else {
            '\u{fffd}'
        }
    })
    .collect()
}

impl fmt::Display for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Html => "an HTML page",
            Self::Json => "a JSON answer",
            Self::Xml => "an XML error",
            Self::Text => "a text",
        })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Image => "an image",
            Self::Svg => "an SVG image",
            Self::Binary | Self::File => "a file",
            Self::Text => "a text file",
            Self::Markup => "a page",
        })
    }
}

#[cfg(test)]
mod tests;
