//! What ends a run as a whole.

use crate::mirror::MirrorError;
use crate::store::StoreError;

/// Why a run could not be done. Trouble with one thing is a [`Problem`](crate::model::Problem) in the
/// report, not an error.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The database failed.
    #[error("the run cannot be recorded")]
    Store(#[from] StoreError),
    /// The mirror failed in a way that concerns every file.
    #[error("the mirror cannot be written")]
    Mirror(#[from] MirrorError),
    /// A task of the run panicked: a bug.
    #[error("a part of the run ended unexpectedly; this is a bug, please report it")]
    Task(#[from] tokio::task::JoinError),
}

impl RunError {
    /// Says what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(err) => err.hint(),
            Self::Mirror(err) => err.hint().map(str::to_owned),
            Self::Task(_) => None,
        }
    }
}

/// Why a `prune` could not be done. What it removed until then is consistent.
#[derive(Debug, thiserror::Error)]
pub enum PruneError {
    /// The database failed.
    #[error("the rows whose retention has ended cannot be removed")]
    Store(#[from] StoreError),
    /// The disk failed in a way that concerns every file.
    #[error("the files whose retention has ended cannot be removed")]
    Mirror(#[from] MirrorError),
    /// A task panicked: a bug.
    #[error("a part of the work ended unexpectedly; this is a bug, please report it")]
    Task(#[from] tokio::task::JoinError),
}

impl PruneError {
    /// Says what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(err) => err.hint(),
            Self::Mirror(err) => err.hint().map(str::to_owned),
            Self::Task(_) => None,
        }
    }
}
