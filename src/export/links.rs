//! URLs of media in texts, and the files of the mirror that they lead to.

use std::collections::HashMap;
use std::fmt;
use std::path::{Component, Path};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::model::RelPath;

/// What can stand in a link as it is.
const IN_LINKS: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');
/// Answers that are remembered: an image is often named several times in a row, in each format.
const REMEMBERED: usize = 4096;
/// How many shorter forms of a URL are tried when punctuation may have stuck to it.
const TRIMS: usize = 6;

/// Finds the mirror's file for a URL.
pub struct Links<'a> {
    /// Folders at the top of the mirror.
    hosts: Vec<String>,
    /// From the exporting folder to the mirror, such as `../mirror`.
    base: String,
    has: Box<dyn FnMut(&str) -> bool + 'a>,
    known: HashMap<String, Option<String>>,
}

impl fmt::Debug for Links<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl<'a> Links<'a> {
    /// Links from files below `folder` to those below `mirror`, both real paths. `hosts` are the folders at
    /// the mirror's top; `has` says whether it holds the file at a path.
    pub fn new(
        folder: &Path,
        mirror: &Path,
        hosts: Vec<String>,
        has: impl FnMut(&str) -> bool + 'a,
    ) -> Self {
        Self {
            hosts,
            base: relative(folder, mirror),
            has: Box::new(has),
            known: HashMap::new(),
        }
    }

    /// Returns the text with every URL of a saved file replaced by the way there from a file that lies
    /// `depth` folders deep; `None` if there is nothing to replace.
    pub(super) fn rewrite(&mut self, text: &str, depth: usize) -> Option<String> {
        let mut out: Option<String> = None;
        let mut done = 0;
        let mut from = 0;
        while let Some(at) = text.get(from..).and_then(|rest| rest.find("://")) {
            let colon = from + at;
            from = colon + 3;
            let Some(start) = scheme_before(text, colon) else {
                continue;
            };
            let rest = text.get(start..).unwrap_or_default();
            let end = rest.find(ends_url).unwrap_or(rest.len());
            let Some((length, path)) = rest.get(..end).and_then(|url| self.find(url)) else {
                continue;
            };
            let out = out.get_or_insert_default();
            out.push_str(text.get(done..start).unwrap_or_default());
            out.push_str(&"../".repeat(depth));
            out.push_str(&path);
            done = start + length;
            from = done;
        }
        let mut out = out?;
        out.push_str(text.get(done..).unwrap_or_default());
        Some(out)
    }

    /// Returns how much of the text is the URL of a saved file, and the way to it.
    fn find(&mut self, text: &str) -> Option<(usize, String)> {
        let mut candidate = text;
        for _ in 0..TRIMS {
            let url = candidate.split(['?', '#']).next().unwrap_or_default();
            if let Some(path) = self.look_up(url) {
                return Some((candidate.len(), path));
            }
            // `(see https://…/a.png).` and `'https://…/a.png'>`: the end may belong to the sentence.
            let last = candidate.chars().next_back()?;
            let cut = if last.is_alphanumeric() {
                candidate.rfind([')', ']', '}', '\''])?
            } else {
                candidate.len() - last.len_utf8()
            };
            candidate = candidate.get(..cut)?;
        }
        None
    }

    fn look_up(&mut self, url: &str) -> Option<String> {
        if let Some(known) = self.known.get(url) {
            return known.clone();
        }
        let found = self.path_of(url).map(|path| {
            let segments = path.split('/');
            let encoded = segments.map(|part| utf8_percent_encode(part, IN_LINKS).to_string());
            format!("{}/{}", self.base, encoded.collect::<Vec<_>>().join("/"))
        });
        if self.known.len() >= REMEMBERED {
            self.known.clear();
        }
        self.known.insert(url.to_owned(), found.clone());
        found
    }

    /// Returns the file's path in the mirror. The URL's own host comes first, then the others: a service
    /// may have moved to another domain, and a file field names another host than the listing.
    fn path_of(&mut self, url: &str) -> Option<String> {
        let plain = url.replace("&amp;", "&");
        let own = RelPath::for_url(&plain).ok()?;
        if (self.has)(own.as_str()) {
            return Some(own.as_str().to_owned());
        }
        if own.is_fallback() {
            return None;
        }
        let (_, below) = own.as_str().split_once('/')?;
        let others: Vec<String> = self
            .hosts
            .iter()
            .map(|host| format!("{host}/{below}"))
            .collect();
        others.into_iter().find(|path| (self.has)(path))
    }
}

/// Returns where the scheme of a URL begins whose `://` is at `colon`.
fn scheme_before(text: &str, colon: usize) -> Option<usize> {
    let before = text.get(..colon)?;
    ["https", "http"]
        .iter()
        .find_map(|scheme| before.strip_suffix(scheme))
        .map(str::len)
}

fn ends_url(c: char) -> bool {
    let is_sign = matches!(c, '"' | '<' | '>' | '`' | '\\' | '|');
    let is_japanese_sign = matches!(
        c,
        '」' | '』' | '）' | '】' | '》' | '。' | '、' | '，' | '！' | '？'
    );
    c.is_whitespace() || c.is_control() || is_sign || is_japanese_sign
}

/// Returns the way from a folder to another, percent-encoded.
fn relative(from: &Path, to: &Path) -> String {
    let normal = |path: &Path| -> Vec<String> {
        let parts = path.components();
        parts
            .filter_map(|part| match part {
                Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
                Component::Prefix(_)
                | Component::RootDir
                | Component::CurDir
                | Component::ParentDir => None,
            })
            .collect()
    };
    let (from, to) = (normal(from), normal(to));
    let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..".to_owned(), from.len() - shared);
    let down = to
        .iter()
        .skip(shared)
        .map(|part| utf8_percent_encode(part, IN_LINKS).to_string());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() {
        ".".to_owned()
    } else {
        parts.join("/")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAVED: [&str; 3] = [
        "images.microcms-assets.io/assets/s/1/写真 (1).png",
        "images.microcms-assets.io/assets/s/2/a.png",
        "files.example/assets/s/3/b.pdf",
    ];

    fn rewrite(text: &str) -> Option<String> {
        let hosts = vec![
            "files.example".to_owned(),
            "images.microcms-assets.io".to_owned(),
        ];
        Links::new(
            Path::new("/data/out put"),
            Path::new("/data/mi ror"),
            hosts,
            |path| SAVED.contains(&path),
        )
        .rewrite(text, 1)
    }

    #[test]
    fn urls_of_saved_files_lead_to_the_mirror_whatever_their_host_and_query() {
        const A: &str = "../../mi%20ror/images.microcms-assets.io/assets/s/2/a.png";
        for (text, expected) in [
            ("https://images.microcms-assets.io/assets/s/2/a.png", A.to_owned()),
            ("https://elsewhere.example/assets/s/2/a.png?w=1&amp;h=2", A.to_owned()),
            ("(https://images.microcms-assets.io/assets/s/2/a.png).", format!("({A}).")),
            ("「https://images.microcms-assets.io/assets/s/2/a.png」は", format!("「{A}」は")),
            (
                "<img src=\"https://images.microcms-assets.io/assets/s/2/a.png?fm=webp\"> <a href='https://images.microcms-assets.io/assets/s/2/a.png'>x</a>",
                format!("<img src=\"{A}\"> <a href='{A}'>x</a>"),
            ),
            (
                "https://images.microcms-assets.io/assets/s/1/%E5%86%99%E7%9C%9F%20(1).png",
                "../../mi%20ror/images.microcms-assets.io/assets/s/1/%E5%86%99%E7%9C%9F%20%281%29.png".to_owned(),
            ),
            (
                "http://images.microcms-assets.io/assets/s/3/b.pdf",
                "../../mi%20ror/files.example/assets/s/3/b.pdf".to_owned(),
            ),
        ] {
            assert_eq!(rewrite(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for text in [
            "",
            "://",
            "https://",
            "ftp://images.microcms-assets.io/assets/s/2/a.png",
            "https://images.microcms-assets.io/assets/s/2/a.pngx",
            "https://images.microcms-assets.io/assets/s/9/../2/a.png",
            "assets/s/2/a.png",
            "https://例え/://写",
        ] {
            assert_eq!(rewrite(text), None, "{text}");
        }
    }
}
