//! Whole numbers, whichever way the service spells them.

use serde::de::{Deserialize as _, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Number, Value};

/// Reads a count: a whole number, one with a zero fraction (`3.0`), or its digits as text (`"3"`).
/// `None`: null, or nothing that counts.
pub(super) fn lenient_count<'de, D>(deserializer: D) -> Result<Option<u64>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| count(raw.get())))
}

/// Reads a size: a whole number, also one with a zero fraction (`1200.0`): another spelling of a size is no
/// other size. `None`: null, or anything else.
pub(super) fn lenient_size<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| {
        let number: Number = serde_json::from_str(raw.get()).ok()?;
        number.as_i64().or_else(|| whole(&number))
    }))
}

fn count(text: &str) -> Option<u64> {
    match serde_json::from_str(text).ok()? {
        Value::Number(number) => number.as_u64().or_else(|| whole(&number)),
        Value::String(digits) => digits.trim().parse().ok(),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A float is printed without its fraction where that is zero, and never with an exponent.
fn whole<T: std::str::FromStr>(number: &Number) -> Option<T> {
    number.as_f64()?.to_string().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_read_however_it_is_spelled_and_nothing_else_is_taken_for_one() {
        let three = ["3", "3.0", "\"3\"", "3e0", "0.3e1", "\" 3 \""];
        for text in three {
            assert_eq!(count(text), Some(3), "{text}");
        }
        let none = [
            "-3", "3.5", "\"3.0\"", "\"\"", "\"many\"", "null", "true", "[3]", "1e30", "1e999",
        ];
        for text in none {
            assert_eq!(count(text), None, "{text}");
        }
        assert_eq!(count("0"), Some(0));
        assert_eq!(count("18446744073709551615"), Some(u64::MAX));
    }
}
