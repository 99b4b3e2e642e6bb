//! What `verify` compares, what it finds, and the account of it.

use super::{ExitCode, MediaId, Share, Slice, TamperKind, TamperReport, Timestamp};
use std::collections::BTreeMap;

/// The version of [`VerifyReport`]'s JSON form.
pub const VERIFY_REPORT_VERSION: u32 = 1;

/// What is verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum VerifyScope {
    /// The database and the files, as they lie here.
    Everything,
    /// The database.
    Database,
    /// What is here against what the service has.
    Remote,
}

impl VerifyScope {
    /// Returns the word used in the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Everything => "everything",
            Self::Database => "database",
            Self::Remote => "remote",
        }
    }

    /// Reads the word used in the database.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Everything, Self::Database, Self::Remote]
            .into_iter()
            .find(|scope| scope.as_str() == text)
    }
}

/// In which way something is not as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// A file is not there.
    Missing,
    /// A file has another length.
    Size,
    /// A file has other bytes.
    Bytes,
    /// Something else than a file is in its place.
    NotAFile,
    /// A file or folder cannot be read.
    Unreadable,
    /// A file that nobody knows.
    Unknown,
    /// The database's own structure is damaged.
    Structure,
    /// A table, index, trigger or view is not the one that the program made.
    Schema,
    /// A row that no row can be: a text that is no JSON, a digest that is none, a row without the one
    /// that it belongs to.
    Row,
    /// Versions with a gap or an overlap between them, or a time that is none.
    Timeline,
    /// Runs and walks that contradict each other.
    Runs,
    /// Something that this program recorded was changed behind its back, or does not belong to what the
    /// named root proved.
    Tampered,
    /// The service has it, the backup has not.
    MissingHere,
    /// The backup takes it for live, the service has it no more.
    MissingThere,
    /// Both have it, and not the same.
    Differs,
    /// It cannot be told: no difference, and no proof either.
    Unverifiable,
}

impl DifferenceKind {
    /// Returns whether a file's bytes are not where they should be, as far as a look could tell.
    pub fn is_of_bytes(self) -> bool {
        match self {
            Self::Missing | Self::Size | Self::Bytes | Self::NotAFile => true,
            Self::Unreadable
            | Self::Unknown
            | Self::Structure
            | Self::Schema
            | Self::Row
            | Self::Timeline
            | Self::Runs
            | Self::Tampered
            | Self::MissingHere
            | Self::MissingThere
            | Self::Differs
            | Self::Unverifiable => false,
        }
    }
}

/// What `verify --repair` did about a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// The bytes are whole again, from another copy here.
    Restored,
    /// The next `sync` fetches it.
    OwedAgain,
    /// A file that was left at a place of the past lies in the archive now.
    SetAside,
    /// Nothing: it cannot be repaired from what is here.
    Impossible,
    /// It was tried and failed; the remedy says why.
    Failed,
}

impl Repair {
    /// Returns whether nothing is left to do but, perhaps, the next `sync`.
    pub fn is_done(self) -> bool {
        match self {
            Self::Restored | Self::OwedAgain | Self::SetAside => true,
            Self::Impossible | Self::Failed => false,
        }
    }
}

/// One thing that is not as it should be. Its texts may hold names as others chose them: they are made
/// printable where they are printed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// In which way.
    pub kind: DifferenceKind,
    /// What it is about, such as a medium's file or a row.
    pub thing: String,
    /// Where it is: a path, a table, a URL.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
    /// What can be done.
    pub remedy: String,
    /// What was done; `None` without `--repair`.
    pub repair: Option<Repair>,
}

/// How much was looked at. `checked` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Checked {
    /// Everything.
    pub checked: u64,
    /// As it should be.
    pub good: u64,
    /// Not as it should be.
    pub different: u64,
    /// Not to be there, or not yet: files that are owed, failed or gone, and what was accepted as lost.
    pub skipped: u64,
}

/// How much was compared with the service. `compared` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Compared {
    /// Everything.
    pub compared: u64,
    /// Here and there the same.
    pub same: u64,
    /// Here and there, and not the same.
    pub differs: u64,
    /// There alone.
    pub missing_here: u64,
    /// Here alone.
    pub missing_there: u64,
    /// It cannot be told.
    pub unverifiable: u64,
}

/// What was compared with the service, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ComparedAll {
    /// APIs by their names.
    pub apis: Compared,
    /// Contents: ids and metadata.
    pub contents: Compared,
    /// Media: ids and metadata.
    pub media: Compared,
    /// Files: lengths, as their hosts tell them.
    pub files: Compared,
}

/// How many wrong files are noted: with as many more, a disk is broken, and `verify` has to be run again anyway.
pub const WRONG_FILES_NOTED: usize = 10_000;

/// The account of one `verify`.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct VerifyReport {
    /// When it ended.
    pub finished_at: Timestamp,
    /// What the program exits with.
    pub exit_code: u8,
    /// The files of the mirror, those that nobody knows included.
    pub mirror: Option<Checked>,
    /// The archived bytes that the history needs, and what else lies there.
    pub archive: Option<Checked>,
    /// The checks of the database; a check that found much counts once.
    pub database: Option<Checked>,
    /// The database against the log of what was recorded; what was changed is among the differences.
    pub log: Option<TamperReport>,
    /// The comparison with the service.
    pub remote: Option<ComparedAll>,
    /// Files that were read to their end.
    pub files_read: u64,
    /// Their bytes.
    pub bytes_read: u64,
    /// How many differences there are.
    pub difference_count: u64,
    /// Those that are restored, or owed again.
    pub repaired: u64,
    /// Those that a person accepted as lost.
    pub accepted: u64,
    /// How many of each kind.
    pub kinds: BTreeMap<DifferenceKind, u64>,
    /// Which part of the files was read.
    #[serde(skip)]
    pub slice: Option<Slice>,
    /// Listed media whose files are wrong and were not repaired, at most [`WRONG_FILES_NOTED`]: the next run reads them.
    #[serde(skip)]
    pub wrong_files: Vec<MediaId>,
    /// What a person should know besides.
    pub notes: Vec<String>,
    /// Why it came to no end; `None` if it did.
    pub trouble: Option<String>,
    /// It was of a redacted snapshot, which is no backup and takes no record.
    #[serde(skip)]
    pub is_redacted: bool,
}

impl VerifyReport {
    /// Returns how many differences nobody has done anything about.
    pub fn left(&self) -> u64 {
        self.difference_count
            .saturating_sub(self.repaired)
            .saturating_sub(self.accepted)
    }

    /// Returns what is recorded of it: everything but a root that is unknown here. That says something of the digits that a
    /// person gave, and nothing of what lies here.
    pub fn for_record(&self) -> Self {
        let findings = self.log.as_ref().map(|log| &log.findings.counts);
        let unknown = findings.and_then(|counts| counts.get(&TamperKind::UnknownRoot));
        let mut recorded = self.clone();
        let Some(unknown) = unknown.copied().filter(|unknown| *unknown > 0) else {
            return recorded;
        };
        recorded.difference_count = self.difference_count.saturating_sub(unknown);
        if let Some(tampered) = recorded.kinds.get_mut(&DifferenceKind::Tampered) {
            *tampered = tampered.saturating_sub(unknown);
        }
        recorded.kinds.retain(|_, count| *count > 0);
        if recorded.left() == 0 {
            recorded.exit_code = ExitCode::Complete.code();
        }
        recorded
    }

    /// Returns whether it came to its end, so that it may be recorded.
    pub fn is_whole(&self) -> bool {
        let ends = [ExitCode::Complete, ExitCode::Difference];
        !self.is_redacted && ends.iter().any(|code| code.code() == self.exit_code)
    }
}

/// What stands at the head of the JSON form, known before anything was found.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct VerifyHead {
    /// [`VERIFY_REPORT_VERSION`].
    pub version: u32,
    /// Name and version of the program.
    pub program: String,
    /// The service.
    pub service: String,
    /// What is verified.
    pub scope: VerifyScope,
    /// Which share of the files is read; `None`: all.
    pub subset: Option<String>,
    /// Whether what can be repaired is.
    pub is_repair: bool,
    /// When it began.
    pub started_at: Timestamp,
}

impl VerifyHead {
    /// Returns the share as it stands in the head.
    pub fn subset(share: Share) -> Option<String> {
        (!share.is_all()).then(|| share.to_string())
    }
}

/// What the records of `verify` say, for `status` and monitors.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct VerifyState {
    /// When the last one began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// What it was about.
    pub scope: VerifyScope,
    /// Differences that are left, as far as is known: the most that one of the last ones found and that no
    /// later one looked at again, back to where all files were read once.
    pub differences: u64,
    /// It was a repair that left them.
    #[serde(skip)]
    pub is_left_by_repair: bool,
    /// When all files were read for the last time, be it in parts; `None`: not yet.
    pub all_read_since: Option<Timestamp>,
}
