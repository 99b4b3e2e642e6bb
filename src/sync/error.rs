//! What ends a run as a whole.

use crate::mirror::MirrorError;
use crate::store::StoreError;
use std::path::PathBuf;

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

/// Why a `verify` could not be done. What it had named until then is true.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is nothing to verify.
    #[error("there is no backup yet: `{}` does not exist", path.display())]
    NoBackup {
        /// The database.
        path: PathBuf,
    },
    /// The database failed.
    #[error("the backup cannot be verified")]
    Store(#[from] StoreError),
    /// The files cannot be looked at.
    #[error("the files cannot be verified")]
    Mirror(#[from] MirrorError),
    /// A root that may be one of several.
    #[error("more than one root begins with `{root}`")]
    AmbiguousRoot {
        /// What was written.
        root: String,
    },
    /// A task panicked: a bug.
    #[error("a part of the work ended unexpectedly; this is a bug, please report it")]
    Task(#[from] tokio::task::JoinError),
}

impl VerifyError {
    /// Says what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoBackup { .. } => Some(
                "check `storage.database`, and that its volume is mounted; `sync` makes a backup"
                    .to_owned(),
            ),
            Self::Store(err) => err.hint(),
            Self::Mirror(err) => err.hint().map(str::to_owned),
            Self::AmbiguousRoot { .. } => Some("name more of its digits".to_owned()),
            Self::Task(_) => None,
        }
    }
}
