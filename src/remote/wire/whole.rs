//! Whole numbers, whichever way the service spells them.

use serde::de::{Deserialize as _, Deserializer};
use serde_json::Number;
use serde_json::value::RawValue;

/// Reads a whole number, also one with a zero fraction (`1200.0`): another spelling of a size is no other
/// size. `None`: null, or anything else.
pub(super) fn lenient_whole<'de, D>(deserializer: D) -> Result<Option<i64>, D::Error>
where
    D: Deserializer<'de>,
{
    let raw = Option::<&RawValue>::deserialize(deserializer)?;
    Ok(raw.and_then(|raw| whole(raw.get())))
}

fn whole(text: &str) -> Option<i64> {
    let number: Number = serde_json::from_str(text).ok()?;
    // A float is printed without its fraction where that is zero, and never with an exponent.
    number
        .as_i64()
        .or_else(|| number.as_f64()?.to_string().parse().ok())
}
