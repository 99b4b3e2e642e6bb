//! What everything looked like at an instant, row by row.

use super::{ContentId, Endpoint, MediaId, Outcome, Status};

/// One API at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointAt {
    /// Its name in requests.
    pub endpoint: Endpoint,
    /// Its schema's JSON text; `None` where no key could read it.
    pub schema: Option<String>,
    /// The fields of the schema, in its order.
    pub fields: Vec<FieldAt>,
}

/// One field of an API's schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldAt {
    /// Its key in bodies.
    pub id: String,
    /// The service's word for what it holds.
    pub kind: String,
}

/// One content at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContentAt {
    /// Its id.
    pub id: ContentId,
    /// Its first status.
    pub status: Status,
    /// JSON as served; `None`: there is none, or it is owed.
    pub published: Option<String>,
    /// The same of the draft.
    pub draft: Option<String>,
}

/// One medium at an instant, with the file that it had then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediumAt {
    /// Its id.
    pub id: MediaId,
    /// The listing's JSON, as served.
    pub metadata: String,
    /// Its file, where it was saved by then.
    pub file: Option<FileAt>,
}

/// A saved file at an instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileAt {
    /// Where it was, relative to the mirror.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, hex.
    pub sha256: String,
}

/// The newest run that had begun by an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunAt {
    /// Its number.
    pub id: i64,
    /// What came of it; `running` where that is not known.
    pub outcome: Outcome,
}
