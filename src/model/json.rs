//! JSON as the service may give it: grammatical, yet not always what a parser has room for.

use serde_json::Value;
use std::borrow::Cow;

/// Reads a JSON text. Half of a surrogate pair, which editors leave where they cut an emoji in two, reads
/// as `U+FFFD`; a number that no `f64` holds reads as the text of its digits. What is stored stays the
/// text as it was served.
///
/// # Errors
/// If the text is no JSON.
pub fn read_json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).or_else(|error| match mended(text) {
        Cow::Owned(mended) => serde_json::from_str(&mended),
        Cow::Borrowed(_) => Err(error),
    })
}

/// Returns whether two JSON texts say the same: the order of an object's fields and blanks say nothing.
pub fn is_same_json(one: &str, other: &str) -> bool {
    let read = serde_json::from_str::<Value>;
    one == other || matches!((read(one), read(other)), (Ok(one), Ok(other)) if one == other)
}

/// Replaces what JSON allows and a parser refuses.
fn mended(text: &str) -> Cow<'_, str> {
    let mut mended = String::new();
    // Up to here `mended` has everything.
    let mut copied = 0;
    let mut at = 0;
    let mut replace = |from: usize, to: usize, by: &str| {
        mended.push_str(text.get(copied..from).unwrap_or_default());
        mended.push_str(by);
        copied = to;
    };
    let mut is_string = false;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let length = match rest.as_bytes() {
            [b'"', ..] => {
                is_string = !is_string;
                1
            }
            [b'\\', b'u', ..] if is_string => match (unit(rest), unit(rest.get(6..).unwrap_or("")))
            {
                (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => 12,
                (Some(0xD800..=0xDFFF), _) => {
                    replace(at, at + 6, "\\ufffd");
                    6
                }
                (Some(_) | None, _) => 2,
            },
            [b'\\', ..] if is_string => 2,
            [b'-' | b'0'..=b'9', ..] if !is_string => {
                let is_part = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
                let number = rest.trim_start_matches(is_part);
                let number = rest.strip_suffix(number).unwrap_or(rest);
                if number.parse().is_ok_and(f64::is_infinite) {
                    replace(at, at + number.len(), &format!("\"{number}\""));
                }
                number.len()
            }
            _ => rest.chars().next().map_or(1, char::len_utf8),
        };
        at += length;
        // A backslash before a letter of several bytes is no JSON; nor is what would follow here.
        while at < text.len() && !text.is_char_boundary(at) {
            at += 1;
        }
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    mended.push_str(text.get(copied..).unwrap_or_default());
    Cow::Owned(mended)
}

/// Reads an escape such as `\ud83d` at the beginning of a text.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let is_hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u16::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn half_a_pair_and_a_number_that_is_too_large_are_read_all_the_same() {
        for (text, expected) in [
            (r#""a\ud83d""#, json!("a\u{fffd}")),
            (
                r#""\ude00\ud83d\ude00\uD83D\u0041""#,
                json!("\u{fffd}😀\u{fffd}A"),
            ),
            (r#""\ud83d\ud83d\ude00""#, json!("\u{fffd}😀")),
            // A backslash that stands for itself begins nothing.
            (r#"["\\ud83d","\ud83d"]"#, json!(["\\ud83d", "\u{fffd}"])),
            (
                r#"{"\ud83d":1,"é":"\"\ud83d 1e999"}"#,
                json!({"\u{fffd}": 1, "é": "\"\u{fffd} 1e999"}),
            ),
            (
                r#"[1e400,-1E+999,2.5,{"n":1e400}]"#,
                json!(["1e400", "-1E+999", 2.5, {"n": "1e400"}]),
            ),
        ] {
            assert_eq!(read_json(text).expect(text), expected, "{text}");
        }
        for no_json in [
            "",
            "{",
            r#""\ud83"#,
            r#""\u"#,
            "\"\\é\u{0}",
            r#"{"a":"\ud83d""#,
            "1e400 1",
        ] {
            assert!(read_json(no_json).is_err(), "{no_json}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_json_is_read_as_the_parser_reads_it(text in "[\\[\\]{}\",:\\\\u0-9adeé.+-]{0,24}") {
            if let Ok(value) = serde_json::from_str::<Value>(&text) {
                prop_assert_eq!(read_json(&text).unwrap(), value);
            }
            // Any text is gone through to its end.
            let _read = read_json(&text);
            let _read = read_json(&format!("[{text}\\ud83d"));
        }

        #[test]
        fn a_text_with_any_halves_of_pairs_is_read(units in prop::collection::vec(0xD700_u16..0xE100, 0..8)) {
            let text: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
            prop_assert_eq!(
                read_json(&format!("\"{text}\"")).unwrap(),
                Value::from(String::from_utf16_lossy(&units))
            );
        }
    }
}
