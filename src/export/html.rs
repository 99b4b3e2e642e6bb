//! Rich text as Markdown.

use std::collections::HashMap;
use std::fmt;

use htmd::element_handler::Handlers;
use htmd::options::{BulletListMarker, HrStyle, Options};
use htmd::{Element, HtmlToMarkdown};

/// The converter goes down by calling itself: deeper texts stay HTML, which Markdown allows.
const DEEPEST: usize = 100;
/// Elements that have no end, and so no depth.
const VOID: [&str; 9] = [
    "br", "img", "hr", "input", "wbr", "source", "col", "meta", "link",
];

/// Converts HTML.
pub(super) struct Converter(HtmlToMarkdown);

impl fmt::Debug for Converter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Converter")
    }
}

impl Converter {
    pub(super) fn new() -> Self {
        let options = Options {
            bullet_list_marker: BulletListMarker::Dash,
            ul_bullet_spacing: 1,
            ol_number_spacing: 1,
            hr_style: HrStyle::Dashes,
            ..Options::default()
        };
        let embedded = |_: &dyn Handlers, element: Element<'_>| {
            let source = element
                .attrs
                .iter()
                .find(|attr| &*attr.name.local == "src")?;
            let safe = source.value.replace(['<', '>', '"', '\n', '\r'], "");
            Some(format!("\n\n<{safe}>\n\n").into())
        };
        Self(
            HtmlToMarkdown::builder()
                .options(options)
                .skip_tags(vec!["script", "style"])
                .add_handler(vec!["iframe", "video", "audio"], embedded)
                .build(),
        )
    }

    /// Returns the text as Markdown, without blanks around it.
    pub(super) fn markdown(&self, html: &str) -> String {
        let converted = (depth(html) <= DEEPEST)
            .then(|| self.0.convert(html).ok())
            .flatten();
        converted.as_deref().unwrap_or(html).trim().to_owned()
    }
}

/// Returns how deep elements may lie in each other, at most.
fn depth(html: &str) -> usize {
    let mut open: HashMap<String, usize> = HashMap::new();
    let (mut now, mut deepest) = (0_usize, 0);
    for tag in html.split('<').skip(1) {
        let (is_end, rest) = match tag.strip_prefix('/') {
            Some(rest) => (true, rest),
            None => (false, tag),
        };
        let end = rest
            .find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len());
        let name = rest.get(..end).unwrap_or_default().to_ascii_lowercase();
        if name.is_empty() || VOID.contains(&&*name) {
            continue;
        }
        let count = open.entry(name).or_default();
        // An end without its beginning ends nothing.
        if !is_end {
            *count += 1;
            now += 1;
        } else if *count > 0 {
            *count -= 1;
            now = now.saturating_sub(1);
        }
        deepest = deepest.max(now);
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rich_text_becomes_markdown() {
        let html = "<h2 id=\"h1\">見出し</h2><p>a <strong>b</strong> <a href=\"../x%20y.png\">c</a><br>d</p>\
                    <ul><li>一</li><li>二</li></ul><p><img src=\"../i.png\" alt=\"絵\"></p>\
                    <script>alert(1)</script><iframe src=\"https://www.example.com/embed\"></iframe>";
        assert_eq!(
            Converter::new().markdown(html),
            "## 見出し\n\na **b** [c](../x%20y.png)  \nd\n\n- 一\n- 二\n\n![絵](../i.png)\n\n<https://www.example.com/embed>"
        );
    }

    #[test]
    fn what_is_too_deep_stays_as_it_is() {
        for html in ["<div>".repeat(200_000), "<div></b>".repeat(100_000)] {
            assert_eq!(Converter::new().markdown(&html), html);
        }
        let fine = "<p>x</p><br>".repeat(1_000);
        assert!(!Converter::new().markdown(&fine).contains('<'));
    }

    #[test]
    fn the_deepest_that_is_converted_fits_into_a_small_stack() {
        let html = "<blockquote>".repeat(DEEPEST) + "x";
        let converting = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || Converter::new().markdown(&html));
        let text = converting.expect("a thread").join().expect("no overflow");
        assert!(text.contains('x') && !text.contains('<'));
    }
}
