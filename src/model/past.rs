//! What the backup keeps, one thing and one version at a time.

use std::fmt;

use super::{ContentId, Endpoint, EndpointKind, MediaId, Timestamp};

/// One thing that has versions of its own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    /// An API with its schema.
    Api(Endpoint),
    /// A content: its metadata and its bodies.
    Content(Endpoint, ContentId),
    /// A medium as it is listed.
    Medium(MediaId),
    /// The bytes of a medium.
    File(MediaId),
}

/// What kind of thing it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ThingKind {
    /// [`Thing::Api`].
    Api,
    /// [`Thing::Content`].
    Content,
    /// [`Thing::Medium`].
    Medium,
    /// [`Thing::File`].
    File,
}

impl ThingKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Api, Self::Content, Self::Medium, Self::File];

    /// Returns the word used in JSON and by the database's questions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::Content => "content",
            Self::Medium => "medium",
            Self::File => "file",
        }
    }

    /// Reads the word.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl Thing {
    /// Returns what kind of thing it is.
    pub fn kind(&self) -> ThingKind {
        match self {
            Self::Api(_) => ThingKind::Api,
            Self::Content(..) => ThingKind::Content,
            Self::Medium(_) => ThingKind::Medium,
            Self::File(_) => ThingKind::File,
        }
    }

    /// Returns the API that it is or belongs to.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::Api(endpoint) | Self::Content(endpoint, _) => Some(endpoint),
            Self::Medium(_) | Self::File(_) => None,
        }
    }

    /// Returns its id among those of its kind; an API's is its endpoint.
    pub fn id(&self) -> &str {
        match self {
            Self::Api(endpoint) => endpoint.as_str(),
            Self::Content(_, id) => id.as_str(),
            Self::Medium(id) | Self::File(id) => id.as_str(),
        }
    }
}

impl fmt::Display for Thing {
    /// Writes the name that finds it again: `blog/hello` for a content, the id for the others.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(endpoint, id) => write!(f, "{endpoint}/{id}"),
            Self::Api(_) | Self::Medium(_) | Self::File(_) => f.write_str(self.id()),
        }
    }
}

/// One version of a thing.
#[derive(Clone, Debug, PartialEq)]
pub struct Version {
    /// Of what.
    pub thing: Thing,
    /// When it began.
    pub valid_from: Timestamp,
    /// When the next one began; `None` for the present one.
    pub valid_to: Option<Timestamp>,
    /// Where the version says "deleted": since when. What it holds then is how the thing looked last.
    pub deleted_at: Option<Timestamp>,
    /// What the thing looked like.
    pub state: State,
}

impl Version {
    /// Returns the version unless it says "deleted".
    pub fn live(self) -> Option<Self> {
        self.deleted_at.is_none().then_some(self)
    }
}

/// What a thing looked like in one version.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// Of an API.
    Api(ApiState),
    /// Of a content.
    Content(Box<ContentState>),
    /// Of a medium.
    Medium(MediumState),
    /// Of a medium's bytes.
    File(FileState),
}

/// An API.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiState {
    /// Its name for people.
    pub name: String,
    /// Whether it holds many contents or one.
    pub kind: EndpointKind,
    /// Its schema's JSON text; `None` where it was never readable.
    pub schema: Option<String>,
}

/// A content.
#[derive(Clone, Debug, PartialEq)]
pub struct ContentState {
    /// The service's JSON text, verbatim. It may hold a draft key: a secret.
    pub metadata: String,
    /// The same without the draft key, for everything that people are shown.
    pub open_metadata: String,
    /// The key that shows this one content's draft. Compared, never printed.
    pub draft_key: Option<String>,
    /// The first status.
    pub status: Option<String>,
    /// Who changed it last.
    pub updated_by: Option<String>,
    /// The parts of the metadata that have columns: name and value, those that have one.
    pub facts: Vec<(&'static str, String)>,
    /// The published body's JSON text; `None`: there is none, or it has not come.
    pub published: Option<String>,
    /// The draft body's.
    pub draft: Option<String>,
}

/// A medium.
#[derive(Clone, Debug, PartialEq)]
pub struct MediumState {
    /// The service's JSON text, verbatim.
    pub metadata: String,
    /// The URL's last segment, decoded.
    pub file_name: String,
    /// The parts of the metadata that have columns.
    pub facts: Vec<(&'static str, String)>,
}

/// A medium's bytes.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct FileState {
    /// `owed`, `saved`, `failed` or `gone`.
    pub state: String,
    /// Where the bytes came from.
    pub url: String,
    /// Where they lie or lay in the mirror.
    pub path: Option<String>,
    /// How many.
    pub bytes: Option<u64>,
    /// Their digest in hex; `None` until they were saved once.
    pub sha256: Option<String>,
    /// As the host said.
    pub content_type: Option<String>,
    /// When they came.
    pub fetched_at: Option<Timestamp>,
}
