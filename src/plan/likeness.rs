//! Whether two JSON texts say the same, and if not, where they differ.

use crate::model::read_json;
use serde_json::Value;

/// Returns the keys at the top whose values differ, or are on one side alone; none: they say the same,
/// however they are written. Where one of the two is no object that can be read, the key is `?`.
pub fn differing_keys(here: &str, there: &str) -> Vec<String> {
    if here == there {
        return Vec::new();
    }
    let (Ok(Value::Object(here)), Ok(Value::Object(there))) = (read_json(here), read_json(there))
    else {
        return vec!["?".to_owned()];
    };
    let only_there = there.keys().filter(|key| !here.contains_key(*key));
    let mut keys: Vec<String> = here
        .iter()
        .filter(|(key, value)| there.get(*key) != Some(*value))
        .map(|(key, _)| key)
        .chain(only_there)
        .cloned()
        .collect();
    keys.sort();
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_blanks_say_nothing_and_values_do() {
        let here = r#"{"id":"a","tags":["x","y"],"alt":null}"#;
        for same in [here, r#"{ "alt": null, "tags": ["x", "y"], "id": "a" }"#] {
            assert_eq!(differing_keys(here, same), Vec::<String>::new());
        }
        let there = r#"{"id":"a","tags":["y","x"],"width":3}"#;
        assert_eq!(differing_keys(here, there), ["alt", "tags", "width"]);
        assert_eq!(differing_keys(here, "{"), ["?"]);
        assert_eq!(differing_keys("[1]", "[2]"), ["?"]);
    }
}
