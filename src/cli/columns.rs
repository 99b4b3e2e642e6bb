//! Text in columns, as a terminal counts them: a Japanese character takes two.

use crate::model::plain;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The width that every terminal has.
pub(crate) const WIDTH: usize = 80;

/// Returns `text` on one line of at most `width` columns; what finds no room ends in `…`.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let text = plain(text);
    if text.width() <= width {
        return text;
    }
    let mut used = 1;
    let mut fitting: String = text
        .chars()
        .take_while(|c| {
            used += c.width().unwrap_or(0);
            used <= width
        })
        .collect();
    fitting.push('…');
    fitting
}

/// Fills `text` up with spaces to `width` columns; one that is longer stays as it is.
pub(crate) fn pad(text: &str, width: usize) -> String {
    let missing = width.saturating_sub(text.width());
    format!("{text}{}", " ".repeat(missing))
}

/// Breaks `text` between words into lines of at most `width` columns. A word that is longer has a line
/// of its own: a path that is cut cannot be copied.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in plain(text).split(' ') {
        if !line.is_empty() && line.width() + 1 + word.width() > width {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fits_whatever_its_script() {
        assert_eq!(fit("short", 5), "short");
        assert_eq!(fit("longer", 5), "long…");
        assert_eq!(fit("料金表の写真", 7), "料金表…");
        assert_eq!(fit("料金表の写真", 8), "料金表…");
        assert_eq!(fit("料金表の写真", 12), "料金表の写真");
        assert_eq!(fit("a\nb\u{1b}", 9), "a\u{fffd}b\u{fffd}");
    }

    #[test]
    fn lines_break_between_words_and_never_within_one() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(
            wrap("/a/very/long/path it is", 6),
            ["/a/very/long/path", "it is"]
        );
        assert_eq!(wrap("", 6), [""]);
        assert_eq!(pad("料金", 6), "料金  ");
    }
}
