//! A content as the service lists it, its two bodies, and the steps it can take.

use super::{BodyDigest, ContentId, Endpoint, Timestamp};

/// Whether an API holds many contents or one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// Many contents.
    List,
    /// One content, without an id in the Content API (microcms-facts 2.1).
    Object,
}

impl EndpointKind {
    /// Returns the word used by the service and in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Object => "object",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "list" => Some(Self::List),
            "object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// The status of a content (the service sends an array with one; microcms-facts 1.5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// 公開中.
    Publish,
    /// 下書き中.
    Draft,
    /// 公開中かつ下書き中.
    PublishAndDraft,
    /// 公開終了.
    Closed,
    /// A word this version does not know; its bodies are asked for both ways.
    Other(String),
}

impl Status {
    /// Reads the service's word, or several with commas between them: webhooks write what is both published and a draft as
    /// two (microcms-facts 5).
    pub fn parse(text: &str) -> Self {
        match text {
            "PUBLISH,DRAFT" | "DRAFT,PUBLISH" => Self::PublishAndDraft,
            "PUBLISH" => Self::Publish,
            "DRAFT" => Self::Draft,
            "PUBLISH_AND_DRAFT" => Self::PublishAndDraft,
            "CLOSED" => Self::Closed,
            other => Self::Other(other.to_owned()),
        }
    }

    /// Returns whether a body that was published (and perhaps closed since) can exist.
    pub fn has_published(&self) -> bool {
        match self {
            Self::Publish | Self::PublishAndDraft | Self::Closed | Self::Other(_) => true,
            Self::Draft => false,
        }
    }

    /// Returns whether a draft body can exist.
    pub fn has_draft(&self) -> bool {
        match self {
            Self::Draft | Self::PublishAndDraft | Self::Other(_) => true,
            Self::Publish | Self::Closed => false,
        }
    }
}

/// The metadata of one content, as the Management API lists it.
#[derive(Clone, Debug, PartialEq)]
pub struct ListedContent {
    /// Its id; for an object-type API without one, the endpoint's name.
    pub id: ContentId,
    /// Its status.
    pub status: Status,
    /// Moves with most edits, but is no change feed (microcms-facts 2.5).
    pub updated_at: Option<String>,
    /// As listed.
    pub published_at: Option<String>,
    /// As listed.
    pub revised_at: Option<String>,
    /// The key that shows this one content's draft. A secret: never logged.
    pub draft_key: Option<String>,
    /// The item's JSON text, verbatim.
    pub metadata: String,
}

/// One content of a listing, of which only what tells whether anything is to be done has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServedContent {
    /// Its id; for an object-type API without one, the endpoint's name.
    pub id: ContentId,
    /// The first status.
    pub status: Status,
    /// The item's JSON text, verbatim.
    pub metadata: String,
}

/// One of the two bodies of a content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BodySide {
    /// What visitors see, or saw until it was closed.
    Published,
    /// What editors see.
    Draft,
}

impl BodySide {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Draft => "draft",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "published" => Some(Self::Published),
            "draft" => Some(Self::Draft),
            _ => None,
        }
    }
}

/// What the database knows of one content.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownContent {
    /// The JSON text recorded last.
    pub metadata: String,
    /// Whether the row is a tombstone.
    pub is_deleted: bool,
    /// Whether a published body is recorded.
    pub has_published: bool,
    /// Whether a draft body is recorded.
    pub has_draft: bool,
    /// Whether the published body is owed.
    pub owes_published: bool,
    /// Whether the draft body is owed.
    pub owes_draft: bool,
}

/// What happens to one body when its content's row is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyStep {
    /// The recorded body still holds.
    Keep,
    /// There can be none in this status.
    Clear,
    /// Ask the Content API. The row's column becomes empty until the answer fills it in; what it
    /// held is in the history from that moment.
    Fetch,
}

/// What to do about one listed content.
#[derive(Clone, Debug, PartialEq)]
pub enum ContentStep {
    /// Nothing changed: nothing is written.
    Keep,
    /// The row is new, changed or came back: write it.
    Record {
        /// The content to write.
        content: ListedContent,
        /// What happens to the published body.
        published: BodyStep,
        /// What happens to the draft body.
        draft: BodyStep,
    },
    /// The row is as it was, but bodies are to be read again (missing, or a person asked).
    Bodies {
        /// The content whose bodies they are.
        id: ContentId,
        /// Ask for the published body.
        published: bool,
        /// Ask for the draft body.
        draft: bool,
    },
}

/// A body that is listed but not recorded yet: a row of `owed_bodies` joined with its content.
#[derive(Clone, Debug, PartialEq)]
pub struct OwedBody {
    /// Its place in the order in which bodies became owed.
    pub number: i64,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// The content.
    pub id: ContentId,
    /// Which of its bodies.
    pub side: BodySide,
    /// The content's status now.
    pub status: Status,
    /// The content's metadata `updatedAt`.
    pub updated_at: Option<String>,
    /// The content's metadata `revisedAt`.
    pub revised_at: Option<String>,
    /// The content's metadata `publishedAt`.
    pub published_at: Option<String>,
    /// The key for its draft.
    pub draft_key: Option<String>,
    /// Whether the key was refused it before.
    pub is_refused: bool,
    /// Failed attempts so far.
    pub attempts: u32,
    /// When it was asked for last. Goes back with the answer, so that an answer that a change of the
    /// content overtook is not taken for the newer body.
    pub owed_at: Timestamp,
}

/// What came of asking for one body.
#[derive(Clone, Debug, PartialEq)]
pub enum BodyOutcome {
    /// Its JSON text, verbatim.
    Saved {
        /// The API.
        endpoint: Endpoint,
        /// The content.
        id: ContentId,
        /// Which body.
        side: BodySide,
        /// As in the [`OwedBody`] that this answers.
        owed_at: Timestamp,
        /// The JSON text.
        body: String,
        /// What follows from it, where it was read through already. `None`: the database will.
        digest: Option<BodyDigest>,
    },
    /// The key may not read it. It stays owed, marked as refused.
    Refused {
        /// The API.
        endpoint: Endpoint,
        /// The content.
        id: ContentId,
        /// Which body.
        side: BodySide,
        /// As in the [`OwedBody`] that this answers.
        owed_at: Timestamp,
        /// What the service said, or what right is missing.
        reason: String,
    },
    /// Behind its [`BodyOutcome::Saved`]: what was recorded is older than the listing says, and the service insists, so
    /// that it is asked for again later; or it is not, and such a doubt is over.
    Doubted {
        /// The API.
        endpoint: Endpoint,
        /// The content.
        id: ContentId,
        /// Which body.
        side: BodySide,
        /// When it is asked for again; `None`: there is no doubt.
        look_at: Option<Timestamp>,
    },
    /// It could not be had this time. It stays owed.
    Failed {
        /// The API.
        endpoint: Endpoint,
        /// The content.
        id: ContentId,
        /// Which body.
        side: BodySide,
        /// As in the [`OwedBody`] that this answers.
        owed_at: Timestamp,
        /// What happened.
        reason: String,
    },
}
