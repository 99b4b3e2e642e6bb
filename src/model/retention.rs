//! What retention removes: how old things must be, who still needs their bytes, and what came of it.

use super::{Problem, Timestamp};

/// What is old enough to go; `None`: nothing of that kind, however old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cutoffs {
    /// Versions that a newer one superseded before this.
    pub superseded_before: Option<Timestamp>,
    /// What was deleted upstream before this.
    pub deleted_before: Option<Timestamp>,
}

impl Cutoffs {
    /// Returns whether everything is kept for ever.
    pub fn keep_everything(&self) -> bool {
        *self == Self::default()
    }
}

/// What the rows that stay say about bytes whose own row goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// A version in the history has these bytes.
    pub has_history: bool,
    /// Where the mirror holds these bytes for current files, if the rows are right: some of the paths,
    /// and none only if no current file has them.
    pub current_paths: Vec<String>,
    /// The path itself belongs to a file that stays, whatever its bytes.
    pub is_path_owned: bool,
}

impl Claims {
    /// Returns whether any row that stays needs the bytes.
    pub fn need_bytes(&self) -> bool {
        self.has_history || !self.current_paths.is_empty()
    }
}

/// Bytes whose row goes, or has gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoomedFile {
    /// Its number in the queue; 0 for one that is not in it.
    pub id: i64,
    /// Digest of the bytes, hex.
    pub sha256: String,
    /// Where the mirror had them; `None`: in the archive only.
    pub path: Option<String>,
    /// Who needs them nevertheless.
    pub claims: Claims,
}

/// Rows of one kind that were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PrunedRows {
    /// Earlier versions, those of deleted things included.
    pub versions: u64,
    /// Things that had been deleted upstream.
    pub deleted: u64,
}

impl PrunedRows {
    fn add(&mut self, other: Self) {
        self.versions += other.versions;
        self.deleted += other.deleted;
    }
}

/// Rows that were removed, or would be, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PrunedTables {
    /// APIs.
    pub endpoints: PrunedRows,
    /// Contents.
    pub contents: PrunedRows,
    /// Media.
    pub media: PrunedRows,
    /// Rows about the files of media.
    pub assets: PrunedRows,
}

impl PrunedTables {
    /// Adds another count to this one.
    pub fn add(&mut self, other: Self) {
        self.endpoints.add(other.endpoints);
        self.contents.add(other.contents);
        self.media.add(other.media);
        self.assets.add(other.assets);
    }

    /// Returns how many earlier versions there are, over all kinds.
    pub fn versions(&self) -> u64 {
        let kinds = [self.endpoints, self.contents, self.media, self.assets];
        kinds.iter().map(|rows| rows.versions).sum()
    }

    /// Returns how many things there are that had been deleted upstream. A medium and its file are one.
    pub fn deleted(&self) -> u64 {
        self.endpoints.deleted + self.contents.deleted + self.media.deleted
    }

    /// Returns whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Files that were removed, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct PrunedFiles {
    /// From the mirror.
    pub mirror: u64,
    /// From the archive.
    pub archive: u64,
    /// The sum of their lengths.
    pub bytes: u64,
    /// Moved from the mirror to the archive: a version that stays needs the bytes, and had no other copy.
    pub moved: u64,
    /// Left in the mirror, because their bytes are not those that were recorded.
    pub left: u64,
    /// Could not be removed; the next time it is tried again.
    pub failed: u64,
}

impl PrunedFiles {
    /// Adds another count to this one.
    pub fn add(&mut self, other: Self) {
        self.mirror += other.mirror;
        self.archive += other.archive;
        self.bytes += other.bytes;
        self.moved += other.moved;
        self.left += other.left;
        self.failed += other.failed;
    }

    /// Returns how many were removed.
    pub fn removed(&self) -> u64 {
        self.mirror + self.archive
    }
}

/// The account of one `prune`. Its JSON form is stable: fields are added, never renamed, and `version`
/// moves when that has to be broken.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct PruneReport {
    /// Version of this JSON form.
    pub version: u32,
    /// Program and its version.
    pub program: String,
    /// The service.
    pub service: String,
    /// Whether nothing was removed, and the numbers say what would be.
    pub dry_run: bool,
    /// When it began; the ages are counted from here.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The number a shell sees.
    pub exit_code: u8,
    /// Versions that were superseded before this had to go; `None`: none.
    pub superseded_before: Option<Timestamp>,
    /// What was deleted upstream before this had to go; `None`: nothing.
    pub deleted_before: Option<Timestamp>,
    /// Rows.
    pub rows: PrunedTables,
    /// Files.
    pub files: PrunedFiles,
    /// Files whose rows have gone and which are still there: left by one that was stopped, or could
    /// not be removed.
    pub waiting: u64,
    /// Room within the database's file, which keeps its length: rows to come use it first. `None` if
    /// nothing was removed.
    pub database_free_bytes: Option<u64>,
    /// What went wrong with single files.
    pub problems: Vec<Problem>,
}

/// The version of [`PruneReport`]'s JSON form.
pub const PRUNE_REPORT_VERSION: u32 = 1;
