//! One content as Markdown: fields in front (YAML), rich text as text.

use std::borrow::Cow;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::html::Converter;
use super::json::{self, Style, quoted, text_of};

/// Plain words that YAML takes for something else than a text.
const WORDS: [&str; 9] = ["y", "n", "yes", "no", "on", "off", "true", "false", "null"];

/// Returns a body as a Markdown document. `rich` are the fields that hold HTML; `change` may replace texts.
pub(super) fn document(
    body: &str,
    id: &str,
    rich: &[String],
    converter: &Converter,
    mut change: impl FnMut(&str) -> Option<String>,
) -> String {
    let mut front = String::from("---\n");
    let mut texts = Vec::new();
    let fields = fields(body);
    if !fields.iter().any(|(key, _)| key == "id") {
        front.push_str(&format!("id: {}\n", yaml(&quoted(id))));
    }
    for (key, value) in &fields {
        let html = rich
            .contains(key)
            .then(|| text_of(value.get()))
            .flatten()
            .map(|html| change(&html).unwrap_or(html));
        match html {
            Some(html) => texts.push((key, converter.markdown(&html))),
            None => {
                let value = json::set(value.get(), Style::Flow, |string, is_key| {
                    // Half a surrogate pair is JSON, but no text.
                    let text = text_of(string).unwrap_or_else(|| string.to_owned());
                    let changed = if is_key { None } else { change(&text) };
                    Cow::Owned(yaml(&quoted(&changed.unwrap_or(text))))
                });
                front.push_str(&format!("{}: {value}\n", yaml_key(key)));
            }
        }
    }
    front.push_str("---\n");
    let is_one = texts.len() == 1;
    for (key, text) in texts {
        // Several texts are told apart by what a reader of the page does not see.
        if !is_one {
            front.push_str(&format!("\n<!-- {} -->\n", key.replace("--", "- -")));
        }
        if !text.is_empty() {
            front.push_str(&format!("\n{text}\n"));
        }
    }
    front
}

/// Makes a JSON string one that YAML reads as well: it allows fewer signs unescaped.
fn yaml(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '\u{7f}'..='\u{9f}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

fn yaml_key(key: &str) -> Cow<'_, str> {
    let is_plain = key.starts_with(|c: char| c.is_ascii_alphabetic())
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && !WORDS.contains(&key.to_ascii_lowercase().as_str());
    if is_plain {
        Cow::Borrowed(key)
    } else {
        Cow::Owned(yaml(&quoted(key)))
    }
}

/// Returns the fields of a body in its order, each value as it was written.
fn fields(body: &str) -> Vec<(String, Box<RawValue>)> {
    struct Fields;
    impl<'de> Visitor<'de> for Fields {
        type Value = Vec<(String, Box<RawValue>)>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut fields: Self::Value = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, Box<RawValue>>()? {
                // YAML forbids a key that comes twice; readers of JSON take the last.
                fields.retain(|(known, _)| *known != key);
                fields.push((key, value));
            }
            Ok(fields)
        }
    }
    serde_json::Deserializer::from_str(body)
        .deserialize_map(Fields)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn write(body: &str, rich: &[&str]) -> String {
        let rich: Vec<String> = rich.iter().map(|key| (*key).to_owned()).collect();
        document(body, "x", &rich, &Converter::new(), |_| None)
    }

    #[test]
    fn fields_stand_in_front_and_rich_text_below() {
        let body = r#"{"id":"a","title":"a: \"b\" #c\n---","no":1.10,"tags":["x","y"],"content":"<p>本文</p>"}"#;
        assert_eq!(
            write(body, &["content"]),
            "---\nid: \"a\"\ntitle: \"a: \\\"b\\\" #c\\n---\"\n\"no\": 1.10\ntags: [\"x\", \"y\"]\n---\n\n本文\n"
        );
        assert_eq!(
            write(
                r#"{"p":"<p>1</p>","q":"<p>2</p>","r":null}"#,
                &["p", "q", "r"]
            ),
            "---\nid: \"x\"\nr: null\n---\n\n<!-- p -->\n\n1\n\n<!-- q -->\n\n2\n"
        );
    }

    proptest! {
        #[test]
        fn front_matter_comes_back(text in "\\PC{0,12}|[\u{0}-\u{ff}\u{2028}\u{feff}\"\\\\:#-]{0,8}", key in "[a-zA-Z0-9_-]{2,6}") {
            let body = serde_json::json!({ &key: &text, "zz nested": [{ "k": &text }] }).to_string();
            let document = write(&body, &[]);
            let lines: Vec<&str> = document.lines().collect();
            prop_assert_eq!((lines[0], lines[lines.len() - 1]), ("---", "---"));
            let mut found = serde_json::Map::new();
            for line in &lines[1..lines.len() - 1] {
                // Each line is a YAML entry in the form that JSON has as well.
                let (name, value) = line.split_once(": ").unwrap();
                let name = serde_json::from_str(name).unwrap_or_else(|_| name.to_owned());
                let value: serde_json::Value = serde_json::from_str(value).unwrap();
                found.insert(name, value);
                let is_allowed = |c: char| matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
                    && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
                prop_assert!(line.chars().all(is_allowed), "{:?}", line);
            }
            if key != "id" {
                found.remove("id");
            }
            prop_assert_eq!(serde_json::Value::Object(found), serde_json::from_str::<serde_json::Value>(&body).unwrap());
        }
    }
}
