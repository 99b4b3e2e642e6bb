//! What is read of each content of a listing, whether it changed or not.

use super::{OneOrMany, cannot_be_read, lenient};
use crate::model::Status;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// The head of a content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) id: Option<Cow<'a, str>>,
    pub(super) status: Status,
}

impl<'a> Head<'a> {
    /// Reads it from a content's JSON text; `Err` says what is wrong with that.
    pub(super) fn read(text: &'a str) -> Result<Self, String> {
        Self::usual(text).map_or_else(|_| Self::odd(text), Ok)
    }

    /// Reads what is as the service writes it, in one go and without a copy.
    fn usual(text: &'a str) -> serde_json::Result<Self> {
        let head: UsualHead<'_> = serde_json::from_str(text)?;
        Ok(Self {
            id: Some(head.id),
            status: head.status.0,
        })
    }

    /// Reads whatever there is.
    fn odd(text: &str) -> Result<Self, String> {
        let head: OddHead = serde_json::from_str(text).map_err(|err| cannot_be_read(&err))?;
        Ok(Self {
            id: head.id.map(Cow::Owned),
            status: OneOrMany::status(head.status.as_ref()),
        })
    }
}

#[derive(Deserialize)]
struct UsualHead<'a> {
    #[serde(borrow)]
    id: Cow<'a, str>,
    status: OneStatus,
}

#[derive(Deserialize)]
struct OddHead {
    #[serde(default, deserialize_with = "lenient")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    status: Option<OneOrMany>,
}

/// A status in an array with nothing else in it.
struct OneStatus(Status);

impl<'de> Deserialize<'de> for OneStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(InArray)
    }
}

struct InArray;

impl<'de> Visitor<'de> for InArray {
    type Value = OneStatus;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array with one status")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut statuses: A) -> Result<OneStatus, A::Error> {
        let status: Option<&str> = statuses.next_element()?;
        let status = status.ok_or_else(|| A::Error::invalid_length(0, &self))?;
        Ok(OneStatus(Status::parse(status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_in_one_go_is_read_no_differently() {
        let usual = [
            r#"{"id":"a","status":["PUBLISH"],"draftKey":null,"customStatus":{"id":"x"}}"#,
            r#"{"status":["DRAFT"],"createdAt":"t","id":"a b"}"#,
            r#" { "id" : "\u0061" , "status" : [ "NEW" ] } "#,
        ];
        for text in usual {
            let head = Head::usual(text).expect(text);
            assert_eq!(Ok(head), Head::odd(text), "{text}");
        }
        let odd = [
            r#"{"id":"a","status":"PUBLISH"}"#,
            r#"{"id":"a","status":[]}"#,
            r#"{"id":"a","status":["DRAFT","PUBLISH"]}"#,
            r#"{"id":"a","status":["\u0044RAFT"]}"#,
            r#"{"id":"a","status":null}"#,
            r#"{"id":"a","status":[7]}"#,
            r#"{"id":"a"}"#,
            r#"{"status":["DRAFT"]}"#,
            r#"{"id":7,"status":["DRAFT"]}"#,
            r#"{"id":null,"status":["DRAFT"]}"#,
            r#"{"id":"a","id":"b","status":["DRAFT"]}"#,
            r#"{"id":"a","status":["DRAFT"],"status":["PUBLISH"]}"#,
            r#"{"id":"a","status":["DRAFT"]"#,
            r#"["a",["DRAFT"]]"#,
            "null",
            "7",
        ];
        for text in odd {
            assert_eq!(Head::read(text), Head::odd(text), "{text}");
        }
    }
}
