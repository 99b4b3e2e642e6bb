//! How the program's words stand in columns.

use crate::model::{
    AssetState, BodySide, ContentId, Endpoint, EndpointKind, MediaId, Outcome, Standing, ThingKind,
    Timestamp, WalkVerdict, Why,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

/// A text in a column that is none of the words expected there: somebody edited the database.
#[derive(Debug, thiserror::Error)]
#[error("`{text}` is not a {noun}")]
struct UnknownWord {
    noun: &'static str,
    text: String,
}

fn unknown(noun: &'static str, text: &str) -> FromSqlError {
    FromSqlError::other(UnknownWord {
        noun,
        text: text.to_owned(),
    })
}

macro_rules! text_column {
    ($($type:ty, $noun:literal, $parse:expr;)*) => {$(
        impl ToSql for $type {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(self.as_str().into())
            }
        }

        impl FromSql for $type {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                let text = value.as_str()?;
                $parse(text).ok_or_else(|| unknown($noun, text))
            }
        }
    )*};
}

text_column! {
    Endpoint, "endpoint", |text| Endpoint::parse(text).ok();
    ContentId, "content id", |text| ContentId::parse(text).ok();
    MediaId, "media id", |text| MediaId::parse(text).ok();
    EndpointKind, "kind of endpoint", EndpointKind::parse;
    BodySide, "side of a content", BodySide::parse;
    AssetState, "state of a file", AssetState::parse;
    Why, "reason to fetch a file", Why::parse;
    Outcome, "outcome of a run", Outcome::parse;
    WalkVerdict, "verdict of a walk", WalkVerdict::parse;
    ThingKind, "kind of thing", ThingKind::parse;
    Standing, "standing of a host's ability", Standing::parse;
}

impl ToSql for Timestamp {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.to_string().into())
    }
}

impl FromSql for Timestamp {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        Self::parse(text).ok_or_else(|| unknown("time", text))
    }
}

/// Returns a count as SQLite's integer, which ends at 2^63 - 1.
pub(super) fn int(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads a column that counts something.
pub(super) fn count(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value)
        .map_err(|_too_small| rusqlite::Error::IntegralValueOutOfRange(index, value))
}

/// Reads a column that counts something, or nothing.
pub(super) fn optional_count(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<u64>> {
    match row.get_ref(index)? {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(_) | ValueRef::Real(_) | ValueRef::Text(_) | ValueRef::Blob(_) => {
            count(row, index).map(Some)
        }
    }
}

/// Reads a column as text whatever is in it: for who looks for damage. Bytes that are no text become
/// `U+FFFD`. `None`: NULL.
pub(super) fn lenient(row: &Row<'_>, index: usize) -> Option<String> {
    match row.get_ref(index) {
        Ok(ValueRef::Null) | Err(_) => None,
        Ok(ValueRef::Integer(number)) => Some(number.to_string()),
        Ok(ValueRef::Real(number)) => Some(number.to_string()),
        Ok(ValueRef::Text(bytes) | ValueRef::Blob(bytes)) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
    }
}

/// Returns ids as the JSON array that `json_each` takes, so that one prepared statement serves any
/// number of them.
pub(super) fn json_array(ids: impl IntoIterator<Item = impl Into<String>>) -> String {
    serde_json::Value::from(ids.into_iter().map(Into::into).collect::<Vec<String>>()).to_string()
}

/// When a row's new version begins: `:now`, or one millisecond after its present version where the
/// clock stood still or went back. The same rule as [`Timestamp::after`], for whole sets of rows.
macro_rules! later {
    () => {
        "max(:now, strftime('%Y-%m-%dT%H:%M:%fZ', valid_from, '+0.001 seconds'))"
    };
}
pub(super) use later;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rusqlite::{Connection, named_params};

    proptest! {
        #[test]
        fn the_rule_of_later_versions_is_the_same_in_sql(
            a in -60_000_000_000_000_i64..250_000_000_000_000, step in -3_i64..3,
        ) {
            let conn = Connection::open_in_memory().unwrap();
            let (old, now) = (Timestamp::from_unix_millis(a), Timestamp::from_unix_millis(a + step));
            let sql = concat!("SELECT ", later!(), " FROM (SELECT :old AS valid_from)");
            let got: Timestamp = conn
                .query_row(sql, named_params! { ":now": now, ":old": old }, |row| row.get(0))
                .unwrap();
            prop_assert_eq!(got, now.after(old));
        }
    }

    #[test]
    fn a_word_that_somebody_edited_is_named() {
        let conn = Connection::open_in_memory().unwrap();
        let error = conn
            .query_row("SELECT 'svaed'", [], |row| row.get::<_, AssetState>(0))
            .unwrap_err();
        assert!(
            error
                .to_string()
                .contains("`svaed` is not a state of a file"),
            "{error}"
        );
        let negative = conn.query_row("SELECT -1", [], |row| count(row, 0));
        assert!(negative.is_err());
    }
}
