//! HTML as text. Not a parser for browsers: rich-editor fields hold tidy HTML, and a search needs words. Others write into
//! these fields, too, so each look ahead is bounded or leads to where the next one begins: the time grows as the text does.

/// Returns whether a text is HTML: it has a tag that begins or ends like one.
pub(super) fn is_html(text: &str) -> bool {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('<') {
        let name = after.strip_prefix('/').unwrap_or(after);
        if name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            // What has no end here has none further on.
            return after.contains('>');
        }
        rest = after;
    }
    false
}

/// Elements that a line ends before and behind; everything else stands in the middle of one.
const BLOCKS: [&str; 27] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "dd",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "iframe",
    "li",
    "ol",
    "p",
    "pre",
    "table",
    "td",
    "tr",
    "ul",
];

/// Returns the text between the tags, character references resolved; blocks begin on a new line.
/// Scripts, styles and comments are left out; descriptions of images (`alt`) are kept.
pub(super) fn text(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((before, after)) = rest.split_once('<') {
        unescape(before, &mut text);
        rest = tag(after, &mut text);
    }
    unescape(rest, &mut text);
    text
}

/// Reads a tag, whose `<` was read. Returns what follows it.
fn tag<'a>(after: &'a str, text: &mut String) -> &'a str {
    if let Some(comment) = after.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, rest)| rest);
    }
    let is_tag = after.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '!');
    let Some((inside, rest)) = is_tag.then(|| split_tag(after)).flatten() else {
        // A lone "<" between words.
        text.push('<');
        return after;
    };
    let name: String = inside
        .trim_start_matches('/')
        .chars()
        .take_while(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    if (name == "script" || name == "style") && !inside.starts_with('/') {
        return closing(rest, &name)
            .and_then(|at| rest.get(at..))
            .unwrap_or("");
    }
    if BLOCKS.contains(&name.as_str()) && !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    if name == "img"
        && let Some(alt) = attribute(inside, "alt")
    {
        unescape(alt, text);
    }
    rest
}

/// Returns where an element is closed, whatever the case of its name.
fn closing(html: &str, name: &str) -> Option<usize> {
    html.match_indices("</").map(|(at, _)| at).find(|at| {
        let begin = at + "</".len();
        let found = html.as_bytes().get(begin..begin + name.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()))
    })
}

/// Splits behind the `>` that ends a tag; one in quotes does not. Where another tag begins, the first one was none.
fn split_tag(after: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    for (at, c) in after.char_indices() {
        match (quote, c) {
            (None, '>') => return Some((after.get(..at)?, after.get(at + 1..)?)),
            (None, '<') => return None,
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// Returns an attribute's value in double quotes, which is how the service writes them.
fn attribute<'a>(inside: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = inside.split_once(&format!(" {name}=\""))?;
    after.split_once('"').map(|(value, _)| value)
}

/// Appends a text with its character references resolved. What is none is kept as it stands.
pub(super) fn unescape(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match reference(after) {
            Some((c, behind)) => {
                out.push(c);
                rest = behind;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
}

fn reference(after: &str) -> Option<(char, &str)> {
    /// The longest that is known, `#x10FFFF` or `#1114111`, with some zeros.
    const LONGEST: usize = 12;
    let end = after
        .bytes()
        .take(LONGEST + 1)
        .position(|byte| byte == b';')?;
    let (name, behind) = (after.get(..end)?, after.get(end + 1..)?);
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let digits = name.strip_prefix('#')?;
            let number = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => digits.parse().ok()?,
            };
            char::from_u32(number)?
        }
    };
    Some((c, behind))
}
