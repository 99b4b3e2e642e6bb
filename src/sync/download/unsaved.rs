//! Why a file was not saved, and what follows from it.

use crate::mirror::MirrorError;
use crate::model::ending::Format;
use crate::model::sniff;
use crate::plan::Blame;
use crate::remote::{Remedy, RemoteError};
use crate::sync::room::NoRoom;
use bytesize::ByteSize;
use std::sync::Arc;
use std::time::Duration;

/// Why a file was not saved.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsaved {
    #[error(transparent)]
    Url(#[from] crate::model::path::AssetUrlError),
    #[error(transparent)]
    Path(#[from] crate::model::path::PathError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error(transparent)]
    NotTheFile(#[from] sniff::NotTheFile),
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// It was tried before its host was asked.
    #[error(transparent)]
    NoPlace(Arc<MirrorError>),
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    #[error(transparent)]
    Store(#[from] crate::store::StoreError),
    #[error("`{host}` is not among the allowed asset hosts")]
    NotAllowed { host: String },
    #[error(
        "`{host}` could not be reached for many files in a row, and was not asked for more in this run"
    )]
    HostDown { host: String },
    #[error(
        "`{host}` asked for a pause of {} s, and was not asked for more in this run", .left.as_secs()
    )]
    HostBusy {
        host: String,
        /// How long the pause still lasts.
        left: Duration,
    },
    #[error("it has {} and `assets.max_size` allows {}", ByteSize(*.bytes), ByteSize(*.longest))]
    TooLong { bytes: u64, longest: u64 },
    #[error("the host sent another part of the file than it was asked for")]
    WrongPart,
    #[error("the {format} of {} that came lacks its end{}", ByteSize(*.bytes), if *.is_second { ", and was another one the time before" } else { "" })]
    CutOff {
        format: Format,
        bytes: u64,
        /// Whether the answer before lacked its end, too.
        is_second: bool,
    },
    #[error("the saved file went away while its host was asked about it")]
    Vanished,
    #[error("it does not fit into the month's budget")]
    OverBudget {
        /// Its length, where the host told it.
        announced: Option<u64>,
    },
    #[error("the run ends")]
    Halted,
    #[error("a task ended unexpectedly")]
    Task(#[from] tokio::task::JoinError),
}

/// Trouble that concerns every file: nothing more is started in this run.
#[derive(Debug, thiserror::Error)]
pub(in crate::sync) enum Trouble {
    #[error(transparent)]
    Mirror(MirrorError),
    #[error(transparent)]
    NoRoom(NoRoom),
}

impl Trouble {
    /// Says what a person can do about it.
    pub(in crate::sync) fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Mirror(err) => err.hint(),
            Self::NoRoom(err) => Some(err.hint()),
        }
    }
}

impl Unsaved {
    /// Returns whether asking again at once may help, and after what wait.
    pub(super) fn is_worth_another_try(&self) -> Option<Option<Duration>> {
        match self {
            Self::Remote(err) => match err.remedy() {
                Remedy::Retry { after } | Remedy::RetryIfIdempotent { after } => Some(after),
                Remedy::AskOperator | Remedy::SkipItem => None,
            },
            // A body of the wrong length: the next one may be whole. A wrong part: from the start, it
            // may be the right one.
            Self::Mirror(MirrorError::Length { .. })
            | Self::WrongPart
            | Self::CutOff {
                is_second: false, ..
            } => Some(None),
            Self::CutOff {
                is_second: true, ..
            }
            | Self::Url(_)
            | Self::Path(_)
            | Self::NotTheFile(_)
            | Self::Mirror(_)
            | Self::NoPlace(_)
            | Self::NoRoom(_)
            | Self::Store(_)
            | Self::NotAllowed { .. }
            | Self::HostDown { .. }
            | Self::HostBusy { .. }
            | Self::TooLong { .. }
            | Self::Vanished
            | Self::OverBudget { .. }
            | Self::Halted
            | Self::Task(_) => None,
        }
    }

    /// Says what a person can do about it.
    pub(super) fn hint(&self) -> Option<String> {
        match self {
            // A refusal's hint speaks of the key, which asset hosts never see.
            Self::Remote(err) => err.refusal().map_or_else(|| err.hint(), |_| None),
            Self::NotAllowed { host } => RemoteError::HostNotAllowed { host: host.clone() }.hint(),
            Self::NoRoom(err) => (!err.is_for_all).then(|| err.hint().to_owned()),
            // What concerns all files has its own way into the report.
            Self::Mirror(err) if !err.is_for_all() => err.hint().map(str::to_owned),
            Self::NoPlace(err) => err.hint().map(str::to_owned),
            Self::Url(_)
            | Self::Path(_)
            | Self::NotTheFile(_)
            | Self::Mirror(_)
            | Self::Store(_)
            | Self::HostDown { .. }
            | Self::HostBusy { .. }
            | Self::TooLong { .. }
            | Self::WrongPart
            | Self::CutOff { .. }
            | Self::Vanished
            | Self::OverBudget { .. }
            | Self::Halted
            | Self::Task(_) => None,
        }
    }

    /// Says whose trouble it was: that decides when the file is asked for again.
    pub(super) fn blame(&self) -> Blame {
        match self {
            Self::Remote(err) => match err {
                RemoteError::Unreachable { .. }
                | RemoteError::Lost { .. }
                | RemoteError::TimedOut { .. }
                | RemoteError::Busy { .. }
                | RemoteError::Broken { .. } => Blame::Line,
                // Of a host that is not allowed, only a redirect can tell here.
                RemoteError::Unreadable { .. }
                | RemoteError::Refused { .. }
                | RemoteError::HostNotAllowed { .. }
                | RemoteError::RedirectLoop { .. } => Blame::File,
                RemoteError::Setup(_)
                | RemoteError::Untrusted { .. }
                | RemoteError::Redirected { .. }
                | RemoteError::NoAddress { .. } => Blame::Nobody,
            },
            Self::Mirror(MirrorError::Length { .. }) | Self::WrongPart | Self::CutOff { .. } => {
                Blame::Line
            }
            Self::Url(_) | Self::Path(_) | Self::NotTheFile(_) => Blame::File,
            // Its bytes were paid for, and would be in each run.
            Self::Mirror(err) if err.is_blocked() => Blame::File,
            Self::Mirror(_)
            | Self::NoPlace(_)
            | Self::NoRoom(_)
            | Self::Store(_)
            | Self::NotAllowed { .. }
            | Self::HostDown { .. }
            | Self::HostBusy { .. }
            // The next run may allow it, and it costs no more than its head.
            | Self::TooLong { .. }
            | Self::Vanished
            | Self::OverBudget { .. }
            | Self::Halted
            | Self::Task(_) => Blame::Nobody,
        }
    }

    /// Returns whether bytes of it that are kept on the disk are only in the way.
    pub(super) fn is_about_the_file_or_disk(&self) -> bool {
        matches!(
            self,
            Self::Mirror(_)
                | Self::NoRoom(_)
                | Self::TooLong { .. }
                | Self::NotTheFile(_)
                | Self::CutOff { .. }
        )
    }

    /// Returns whether the host was asked for the file, and it failed.
    pub(super) fn is_attempt(&self) -> bool {
        self.blame() != Blame::Nobody
    }

    /// Returns whether only room was lacking: the file has not failed, and stays owed as it was.
    pub(super) fn is_lack_of_room(&self) -> bool {
        if let Self::Mirror(err) = self {
            err.is_out_of_space() || err.is_out_of_descriptors()
        } else if let Self::NoPlace(err) = self {
            err.is_out_of_space()
        } else {
            matches!(self, Self::NoRoom(_))
        }
    }

    /// Returns whether the bytes came, and the mirror did not take them.
    pub(super) fn is_of_the_mirror(&self) -> bool {
        matches!(self, Self::Mirror(err) if !matches!(err, MirrorError::Length { .. }))
    }

    /// Returns the wait that the host asked for.
    pub(super) fn asked_wait(&self) -> Option<Duration> {
        if let Self::HostBusy { left, .. } = self {
            return Some(*left);
        }
        let Self::Remote(err) = self else { return None };
        err.asked_wait()
    }

    /// Returns how long the file is, where its host told it and that was the trouble: so long as there is no more room,
    /// it need not be asked for.
    pub(super) fn announced(&self) -> Option<u64> {
        if let Self::TooLong { bytes, .. } = self {
            Some(*bytes)
        } else if let Self::NoRoom(err) = self {
            err.bytes
        } else {
            None
        }
    }

    /// Returns what concerns every file.
    pub(super) fn into_trouble(self) -> Option<Trouble> {
        if let Self::NoRoom(err) = self {
            return err.is_for_all.then_some(Trouble::NoRoom(err));
        }
        let Self::Mirror(err) = self else { return None };
        err.is_for_all().then_some(Trouble::Mirror(err))
    }
}
