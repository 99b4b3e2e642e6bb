//! Texts from outside, fit for a terminal and for a log.

/// Returns whether a character is not seen, or steers what shows it: moves the cursor, adds a line, turns the
/// order of what follows. Joined emoji and variation selectors are ordinary text.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'
                ..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
        )
}

/// Returns a text on one line, with a mark in the place of each hidden character.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if is_hidden(c) {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect()
}

/// The same of a text that may be of any length: a long one keeps its begin and its end.
pub fn brief(text: &str) -> String {
    const MOST: usize = 200;
    const END: usize = 80;
    let length = text.chars().count();
    if length <= MOST {
        return plain(text);
    }
    let begin: String = text.chars().take(MOST - END - 1).collect();
    let end: String = text.chars().skip(length - END).collect();
    plain(&format!("{begin}…{end}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_or_hides() {
        assert_eq!(
            plain("a\u{1b}[2Jb\nc 写真 gnp.\u{202e}a\u{2066}b\u{200b}"),
            "a\u{fffd}[2Jb\u{fffd}c 写真 gnp.\u{fffd}a\u{fffd}b\u{fffd}"
        );
        assert_eq!(plain("👨\u{200d}👩"), "👨\u{200d}👩");
    }

    #[test]
    fn a_long_text_keeps_its_begin_and_its_end() {
        let short = "あ".repeat(200);
        assert_eq!(brief(&short), short);
        let long = brief(&format!("why {} at line 1", "あ".repeat(1_000)));
        assert_eq!(long.chars().count(), 200);
        assert!(
            long.starts_with("why あ") && long.ends_with("あ at line 1"),
            "{long}"
        );
    }
}
