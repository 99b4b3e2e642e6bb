//! The record that every walk leaves.

use super::{Endpoint, Timestamp};
use std::fmt;

/// What a walk went over.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The media listing.
    Media,
    /// The contents listing of one API.
    Contents(Endpoint),
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Media => f.write_str("media"),
            Self::Contents(endpoint) => write!(f, "contents/{endpoint}"),
        }
    }
}

impl serde::Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Whether a walk saw everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WalkVerdict {
    /// Everything that the service announced was seen, and nothing moved while it was read.
    Proven,
    /// What was seen is kept; what was not seen is no evidence of anything.
    Unproven,
    /// The listing could not be read (refused, stopped, unreachable).
    Failed,
}

impl WalkVerdict {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Proven => "proven",
            Self::Unproven => "unproven",
            Self::Failed => "failed",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Proven, Self::Unproven, Self::Failed]
            .into_iter()
            .find(|verdict| verdict.as_str() == text)
    }
}

/// One row of `walks`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct WalkRecord {
    /// What was walked.
    pub scope: Scope,
    /// Answers with a page, over all attempts.
    pub pages: u64,
    /// What the service announced in the last attempt.
    pub total_count: Option<u64>,
    /// Distinct ids seen in the last attempt.
    pub unique_ids: u64,
    /// Items seen more than once in the last attempt, seams not counted.
    pub duplicates: u64,
    /// Attempts begun again.
    pub restarts: u64,
    /// The oldest a page token was when it was used, in milliseconds; `None` without tokens.
    pub max_token_age_ms: Option<u64>,
    /// The finding.
    pub verdict: WalkVerdict,
    /// Why, where the verdict needs words; also notable events (restarts, lost pages).
    pub detail: Option<String>,
    /// When the first request was asked for.
    pub started_at: Timestamp,
    /// When the last answer was in.
    pub finished_at: Timestamp,
}

impl WalkRecord {
    /// The record of a walk that a stop ended: what it saw is kept and proves nothing.
    pub fn interrupted(
        scope: Scope,
        pages: u64,
        started_at: Timestamp,
        finished_at: Timestamp,
    ) -> Self {
        Self {
            scope,
            pages,
            total_count: None,
            unique_ids: 0,
            duplicates: 0,
            restarts: 0,
            max_token_age_ms: None,
            verdict: WalkVerdict::Unproven,
            detail: Some("interrupted".to_owned()),
            started_at,
            finished_at,
        }
    }
}
