//! What a snapshot was made of.

use super::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;

/// The version of the JSON form of [`SnapshotReport`].
pub const SNAPSHOT_REPORT_VERSION: u32 = 1;

/// How many files that are not there are named one by one.
pub const NAMED_MISSING: usize = 100;

/// The account of one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SnapshotReport {
    /// The version of this form.
    pub version: u32,
    /// The program and its version.
    pub program: String,
    /// The service.
    pub service: String,
    /// When it was begun. It shows the database as of then or a moment later.
    pub started_at: Timestamp,
    /// The number for the shell.
    pub exit_code: u8,
    /// The file.
    pub file: String,
    /// Its length.
    pub bytes: u64,
    /// Whether it was made for handing on.
    pub redacted: bool,
    /// Rows by table, as counted in the file.
    pub rows: BTreeMap<String, u64>,
    /// The tree of files, if one was asked for.
    pub mirror: Option<SnapshotFiles>,
}

/// The tree of files beside a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SnapshotFiles {
    /// Its folder.
    pub folder: String,
    /// Files that share their bytes with the mirror or the archive.
    pub linked: u64,
    /// Files that have bytes of their own.
    pub copied: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Files that neither mirror nor archive has with the bytes that were recorded; they are not in the tree.
    pub missing: u64,
    /// The first of them.
    pub missing_files: Vec<MissingFile>,
}

/// A file that should have been there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MissingFile {
    /// Its path in the mirror.
    pub path: String,
    /// The digest that was recorded.
    pub sha256: String,
}

impl SnapshotFiles {
    /// Counts a file that is not there.
    pub fn miss(&mut self, path: &str, sha256: &str) {
        self.missing += 1;
        if self.missing_files.len() < NAMED_MISSING {
            self.missing_files.push(MissingFile {
                path: path.to_owned(),
                sha256: sha256.to_owned(),
            });
        }
    }
}
