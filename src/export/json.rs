//! JSON set anew without being understood: numbers, escapes and the order of keys stay as the service
//! wrote them, so that a number too large for any type survives.

use std::borrow::Cow;

/// How the text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// One value a line, two spaces a level.
    Lines,
    /// No blanks at all.
    Tight,
    /// On one line, with blanks where YAML wants them.
    Flow,
}

/// Sets a JSON text anew. `string` is shown each string as it is written, with its quotes, and returns
/// what is to stand there; keys are shown with `true`.
pub(super) fn set<'a>(
    json: &'a str,
    style: Style,
    mut string: impl FnMut(&'a str, bool) -> Cow<'a, str>,
) -> String {
    let mut out = String::with_capacity(json.len() + json.len() / 8);
    let mut depth = 0_usize;
    let mut rest = json.trim_start();
    // What stood last decides whether a bracket opens something empty and whether a string is a key.
    let mut is_open = false;
    while let Some(first) = rest.chars().next() {
        let length = token(rest);
        let (now, after) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = after.trim_start_matches([' ', '\t', '\r', '\n']);
        let closes = matches!(first, '}' | ']');
        if is_open && !closes {
            depth += 1;
            line(&mut out, style, depth);
        }
        match first {
            '{' | '[' => out.push(first),
            '}' | ']' => {
                if !is_open {
                    depth = depth.saturating_sub(1);
                    line(&mut out, style, depth);
                }
                out.push(first);
            }
            ',' => {
                out.push(',');
                match style {
                    Style::Lines => line(&mut out, style, depth),
                    Style::Flow => out.push(' '),
                    Style::Tight => {}
                }
            }
            ':' => out.push_str(if style == Style::Tight { ":" } else { ": " }),
            '"' => out.push_str(&string(now, rest.starts_with(':'))),
            _ => out.push_str(now),
        }
        is_open = matches!(first, '{' | '[');
    }
    out
}

fn line(out: &mut String, style: Style, depth: usize) {
    if style == Style::Lines {
        out.push('\n');
        // No service nests so deep; what does must not become gigabytes of blanks.
        out.extend(std::iter::repeat_n("  ", depth.min(64)));
    }
}

/// Returns how many bytes the token at the beginning has.
fn token(text: &str) -> usize {
    let bytes = text.as_bytes();
    match bytes.first() {
        Some(b'"') => {
            let mut is_escaped = false;
            let end = bytes.iter().skip(1).position(|byte| {
                let ends = *byte == b'"' && !is_escaped;
                is_escaped = *byte == b'\\' && !is_escaped;
                ends
            });
            end.map_or(text.len(), |at| at + 2)
        }
        Some(b'{' | b'}' | b'[' | b']' | b',' | b':') => 1,
        _ => {
            let ends = |c: char| {
                matches!(c, '{' | '}' | '[' | ']' | ',' | ':' | '"') || c.is_ascii_whitespace()
            };
            // At least one character, so that no text can hold this up.
            let least = text.chars().next().map_or(0, char::len_utf8);
            text.find(ends).unwrap_or(text.len()).max(least)
        }
    }
}

/// Returns the text that a JSON string stands for; `None` if it is none.
pub(super) fn text_of(string: &str) -> Option<String> {
    serde_json::from_str(string).ok()
}

/// Returns a text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Sets a JSON text anew, with the texts in it (not the keys) as `change` gives them back.
pub(super) fn changed(
    json: &str,
    style: Style,
    mut change: impl FnMut(&str) -> Option<String>,
) -> String {
    set(json, style, |string, is_key| {
        if is_key {
            return Cow::Borrowed(string);
        }
        match text_of(string).and_then(|text| change(&text)) {
            Some(text) => Cow::Owned(quoted(&text)),
            None => Cow::Borrowed(string),
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BODY: &str = r#"{"id":"a","n":123456789012345678901234567890,"f":1.10,"e":{},"l":[],"k":[1,{"x":"\u3042\"\\"}]}"#;

    fn keep(json: &str, style: Style) -> String {
        set(json, style, |string, _| Cow::Borrowed(string))
    }

    #[test]
    fn numbers_escapes_and_order_stay_as_they_are() {
        assert_eq!(
            keep(BODY, Style::Lines),
            "{\n  \"id\": \"a\",\n  \"n\": 123456789012345678901234567890,\n  \"f\": 1.10,\n  \"e\": {},\n  \
             \"l\": [],\n  \"k\": [\n    1,\n    {\n      \"x\": \"\\u3042\\\"\\\\\"\n    }\n  ]\n}"
        );
        assert_eq!(keep(&keep(BODY, Style::Lines), Style::Tight), BODY);
        assert_eq!(
            keep(r#"{"a":[1,"b:,{"],"c":null}"#, Style::Flow),
            r#"{"a": [1, "b:,{"], "c": null}"#
        );
    }

    #[test]
    fn texts_are_changed_and_keys_are_not() {
        let json = r#"{"x":"x","y":["x","z"]}"#;
        let change = |text: &str| (text == "x").then(|| "\"é".to_owned());
        assert_eq!(
            changed(json, Style::Tight, change),
            r#"{"x":"\"é","y":["\"é","z"]}"#
        );
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<i64>().prop_map(Into::into),
            any::<bool>().prop_map(Into::into),
            "\\PC{0,8}|[\"\\\\\n{}:,\\[\\]]{0,5}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::hash_map("[a-z\"\\\\: ]{0,3}", inner, 0..5)
                    .prop_map(|map| serde_json::Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_value_is_the_same_in_every_style(value in any_json()) {
            let tight = value.to_string();
            for style in [Style::Lines, Style::Tight, Style::Flow] {
                let set = keep(&tight, style);
                prop_assert_eq!(&serde_json::from_str::<serde_json::Value>(&set).unwrap(), &value);
                prop_assert_eq!(&keep(&set, Style::Tight), &tight);
            }
        }

        #[test]
        fn no_text_is_its_undoing(text in "\\PC{0,40}") {
            keep(&text, Style::Lines);
        }
    }
}
