//! What an edit can fail of.

use crate::state::contents::Status;

/// Why an edit was not possible. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// There is no such medium.
    #[error("there is no medium `{0}`")]
    NoMedium(String),
    /// There is no such API.
    #[error("there is no API `{0}`")]
    NoApi(String),
    /// There is no such content.
    #[error("there is no content `{0}`")]
    NoContent(String),
    /// The name is taken.
    #[error("`{0}` exists already")]
    Exists(String),
    /// The content's state does not allow it.
    #[error("content `{id}` is {status}: {why}", status = status.as_str())]
    WrongState {
        /// The content.
        id: String,
        /// Its state.
        status: Status,
        /// What the edit needs.
        why: &'static str,
    },
    /// A date could not be read.
    #[error("`{0}` is not an RFC 3339 date")]
    BadDate(String),
}
