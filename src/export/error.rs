//! Why an export did not come about, and what to do about it.

use std::io;
use std::path::PathBuf;

/// An export that was refused or broke off. Every file in the folder is whole: the old one or the new one.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The folder holds what no export wrote.
    #[error("`{}` holds files that no export wrote, such as `{example}`", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// One of them, made printable.
        example: String,
    },
    /// The folder is the export of another service.
    #[error("`{}` is the export of service `{found}`, not of `{expected}`", path.display())]
    OtherService {
        /// The folder.
        path: PathBuf,
        /// Whose it is, made printable.
        found: String,
        /// Whose it should be.
        expected: String,
    },
    /// Something else is where the folder should be, or one above it.
    #[error("`{}` cannot be a folder: a file is in the way", path.display())]
    NoFolder {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The list of what was written cannot be read.
    #[error("`{}` is damaged or was written by a newer program", path.display())]
    Manifest {
        /// The list.
        path: PathBuf,
    },
    /// Another export writes there.
    #[error("another export writes to `{}`", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A file or folder could not be used.
    #[error("cannot {doing} `{}`", path.display())]
    File {
        /// What was tried.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// `git` is not there.
    #[error("`git` could not be started")]
    NoGit(#[source] io::Error),
    /// `git` refused.
    #[error("`git {command}` failed: {said}")]
    Git {
        /// Its subcommand.
        command: String,
        /// The end of what it said, made printable.
        said: String,
    },
}

impl ExportError {
    pub(super) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path,
            source,
        }
    }

    /// Returns what a person can do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Foreign { .. } => {
                "name a new or empty folder (a `.git` in it is fine), or one that an export made; nothing was changed"
            }
            Self::OtherService { .. } => "give each service its own folder; nothing was changed",
            Self::Manifest { .. } => {
                "use the newer program, or export to a new folder; nothing was changed"
            }
            Self::NoFolder { .. } => "name a folder, which may be new; nothing was changed",
            Self::Busy { .. } => "wait for it to end",
            Self::File { source, .. } if is_full(source) => {
                "free some space, then export again: it goes on, and no file is half written"
            }
            Self::File { .. } => {
                "check that the user this runs as may write there; exporting again goes on"
            }
            Self::NoGit(_) => "install Git, or leave out --git; the files themselves are written",
            Self::Git { .. } => {
                "do what Git says, then export again with --git; files that are written already stay"
            }
        }
        .to_owned())
    }
}

fn is_full(source: &io::Error) -> bool {
    let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
    full.contains(&source.kind())
}
