//! The id of an item that cannot be read otherwise.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Returns the one `id` of a JSON object, whatever else is odd about that: a field that stands there
/// twice, a name that is no text. `None` where it has none, two of them, or one that is no text.
pub(super) fn lone_id(text: &str) -> Option<String> {
    serde_json::from_str::<LoneId>(text).ok().map(|id| id.0)
}

struct LoneId(String);

impl<'de> Deserialize<'de> for LoneId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = LoneId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one `id`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<LoneId, A::Error> {
        let mut id = None;
        while let Some(name) = fields.next_key::<Name>()? {
            let value = fields.next_value::<&RawValue>()?;
            if name.is_id && id.replace(value).is_some() {
                return Err(A::Error::duplicate_field("id"));
            }
        }
        let id = id.ok_or_else(|| A::Error::missing_field("id"))?;
        serde_json::from_str(id.get())
            .map(LoneId)
            .map_err(A::Error::custom)
    }
}

/// A field's name, as bytes: as text it may have no reading.
struct Name {
    is_id: bool,
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(NameBytes)
    }
}

struct NameBytes;

impl Visitor<'_> for NameBytes {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a field's name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name, E> {
        Ok(Name {
            is_id: name == b"id",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_told_in_spite_of_what_stands_beside_it() {
        let told = [
            r#"{"id":"a"}"#,
            r#"{"updatedAt":1,"\u0069d":"a","updatedAt":2}"#,
            r#"{"\ud800":1,"id":"\u0061","x":"\udfff"}"#,
        ];
        for text in told {
            assert_eq!(lone_id(text).as_deref(), Some("a"), "{text}");
        }
        let untold = [
            r#"{"id":"a","id":"a"}"#,
            r#"{"id":7}"#,
            r#"{"id":null}"#,
            r#"{"id":"\ud800"}"#,
            "{}",
            "null",
            r#"["id","a"]"#,
        ];
        for text in untold {
            assert_eq!(lone_id(text), None, "{text}");
        }
    }
}
