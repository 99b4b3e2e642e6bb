//! What people call a content.

use crate::model::read_json;
use serde_json::Value;

/// Fields that the service adds to every content.
const OWN: [&str; 5] = ["id", "createdAt", "updatedAt", "publishedAt", "revisedAt"];

/// Returns what people call a content with this body: its field `title`, or `name`, or its first text, as the view
/// `contents_current` has it. A field that is empty is none; a text that is no JSON says nothing.
pub fn title(body: &str) -> Option<String> {
    let body = read_json(body).ok()?;
    let fields = body.as_object()?;
    let named = ["title", "name"]
        .into_iter()
        .filter_map(|name| fields.get(name));
    let others = fields
        .iter()
        .filter(|(name, value)| value.is_string() && !OWN.contains(&name.as_str()));
    named.chain(others.map(|(_, value)| value)).find_map(text)
}

fn text(value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) => text.trim().to_owned(),
        Value::Number(number) => number.to_string(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_called_by_its_title_its_name_or_its_first_text() {
        for (body, expected) in [
            (
                r#"{"id":"a","body":"<p>b</p>","name":"n","title":" t "}"#,
                Some("t"),
            ),
            (r#"{"id":"a","body":"b","name":"n"}"#, Some("n")),
            (
                r#"{"id":"a","createdAt":"2026","no":1,"tags":["x"],"lead":"l","body":"b"}"#,
                Some("l"),
            ),
            (
                r#"{"title":"","name":null,"lead":" ","body":"b"}"#,
                Some("b"),
            ),
            (r#"{"title":7}"#, Some("7")),
            (r#"{"title":{"ja":"x"},"body":"b"}"#, Some("b")),
            (r#"{"title":"\ud83d!"}"#, Some("\u{fffd}!")),
            (r#"{"id":"a","publishedAt":"2026"}"#, None),
            ("[]", None),
            ("no JSON", None),
        ] {
            assert_eq!(title(body).as_deref(), expected, "{body}");
        }
    }
}
