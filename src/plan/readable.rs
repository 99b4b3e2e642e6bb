//! Rich text as lines that people read.

use super::difference::{Tag, looks_rich, split};

/// Returns a text as lines: a rich text without its tags, with a mark where a heading, an entry of a list,
/// an image or a link was. Lines that would be empty are left out of rich texts.
pub fn readable(text: &str) -> Vec<String> {
    if !looks_rich(text) {
        return text.lines().map(str::to_owned).collect();
    }
    let lines = split(text).into_iter().map(without_tags);
    lines.filter(|line| !line.is_empty()).collect()
}

fn without_tags(line: &str) -> String {
    let mut shown = String::new();
    let mut link: Option<String> = None;
    let mut rest = line;
    while let Some(at) = rest.find('<') {
        let (before, tagged) = rest.split_at_checked(at).unwrap_or((rest, ""));
        shown.push_str(&decoded(before));
        let Some(tag) = Tag::read(tagged) else {
            shown.push('<');
            rest = tagged.get(1..).unwrap_or_default();
            continue;
        };
        mark(&tag, &mut shown, &mut link);
        rest = tagged.get(tag.length..).unwrap_or_default();
    }
    shown.push_str(&decoded(rest));
    shown.trim().to_owned()
}

fn mark(tag: &Tag<'_>, shown: &mut String, link: &mut Option<String>) {
    const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
    if let Some(level) = HEADINGS.iter().position(|name| tag.is_any(&[name]))
        && !tag.is_end
    {
        shown.push_str(&"#".repeat(level + 1));
        shown.push(' ');
    } else if tag.is_any(&["li"]) && !tag.is_end {
        shown.push_str("- ");
    } else if tag.is_any(&["td", "th"]) && tag.is_end {
        shown.push_str(" | ");
    } else if tag.is_any(&["hr"]) {
        shown.push_str("---");
    } else if tag.is_any(&["img", "iframe"]) && !tag.is_end {
        let [source, words] = ["src", "alt"].map(|name| attribute(tag.rest, name));
        let words = words.filter(|words| !words.is_empty());
        let words = words.map(|words| format!("{words}: ")).unwrap_or_default();
        shown.push_str(&format!("[{words}{}]", source.unwrap_or_default()));
    } else if tag.is_any(&["a"]) && !tag.is_end {
        *link = attribute(tag.rest, "href");
    } else if tag.is_any(&["a"])
        && let Some(target) = link.take()
        && !shown.ends_with(&target)
    {
        shown.push_str(&format!(" ({target})"));
    }
}

/// Returns the value of an attribute in quotes.
fn attribute(rest: &str, name: &str) -> Option<String> {
    ['"', '\''].into_iter().find_map(|quote| {
        let (_, value) = rest.split_once(&format!(" {name}={quote}"))?;
        value.split_once(quote).map(|(value, _)| decoded(value))
    })
}

/// Returns a text with the entities that editors write as the characters that they mean.
fn decoded(text: &str) -> String {
    const NAMED: [(&str, &str); 6] = [
        ("amp", "&"),
        ("lt", "<"),
        ("gt", ">"),
        ("quot", "\""),
        ("apos", "'"),
        ("nbsp", " "),
    ];
    /// Of the names above and of any number that is a character.
    const LONGEST: usize = 8;
    let mut shown = String::new();
    let mut parts = text.split('&');
    shown.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let entity = part
            .split_once(';')
            .filter(|(name, _)| name.len() <= LONGEST);
        let meant = entity.and_then(|(name, rest)| {
            let named = NAMED.iter().find(|(known, _)| *known == name);
            let meant = match named {
                Some((_, meant)) => (*meant).to_owned(),
                None => numbered(name)?.to_string(),
            };
            Some(meant + rest)
        });
        shown.push_str(&meant.unwrap_or_else(|| format!("&{part}")));
    }
    shown
}

fn numbered(name: &str) -> Option<char> {
    let number = name.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(digits) => u32::from_str_radix(digits, 16).ok()?,
        None => number.parse().ok()?,
    };
    char::from_u32(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rich_text_reads_like_a_text() {
        let html = "<h2 id=\"x\">見出し</h2><p>One &amp; <strong>two</strong><br>three \
                    <a href=\"https://a.example/?x=1&amp;y\">there</a></p><ul><li>a</li><li>b &lt; c</li></ul>\
                    <figure><img src=\"https://i.example/a.png\" alt=\"図\"></figure><p></p>";
        assert_eq!(
            readable(html),
            [
                "## 見出し",
                "One & two",
                "three there (https://a.example/?x=1&y)",
                "- a",
                "- b < c",
                "[図: https://i.example/a.png]",
            ]
        );
    }

    #[test]
    fn a_plain_text_keeps_its_lines_and_what_looks_like_markup() {
        assert_eq!(readable("a < b\n\n&amp; c"), ["a < b", "", "&amp; c"]);
        assert_eq!(
            readable("<p>1 < 2 &nope; &#x3042;&#0;</p>"),
            ["1 < 2 &nope; あ\0"]
        );
        assert!(readable("").is_empty());
    }
}
