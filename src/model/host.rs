//! What an asset host can do, as its own answers showed. The real hosts document none of it
//! (microcms-facts 4.5), so nothing is relied on before it was seen.

/// Where one ability of a host stands; the words of table `asset_hosts`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// The host does not offer it.
    Absent,
    /// The host says that it can; nothing rests on it yet.
    Offered,
    /// It was relied on, and it was right.
    Proven,
    /// It was caught being wrong, and is not relied on.
    Withdrawn,
}

impl Standing {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::Offered => "offered",
            Self::Proven => "proven",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Absent, Self::Offered, Self::Proven, Self::Withdrawn]
            .into_iter()
            .find(|standing| standing.as_str() == text)
    }
}

/// What is known of one asset host. `None`: not known yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostTraits {
    /// `ETag`s that change when the bytes do, and are honoured in conditional requests.
    pub etag: Option<Standing>,
    /// The same of `Last-Modified`.
    pub last_modified: Option<Standing>,
    /// Ranges, with `If-Range`.
    pub range: Option<Standing>,
    /// A `Content-Length` that is the body's.
    pub content_length: Option<Standing>,
    /// HEAD, telling what GET would.
    pub head: Option<Standing>,
    /// Why something was withdrawn last.
    pub detail: Option<String>,
}
