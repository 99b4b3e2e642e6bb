//! A copy for keeping or handing on: the database and, if wanted, the files that it speaks of.

use super::Stop;
use crate::mirror::{
    Added, Digest, MirrorError, Options as MirrorOptions, Reader, Source, TreeCopy,
};
use crate::model::snapshot::SNAPSHOT_REPORT_VERSION;
use crate::model::{ExitCode, RelPath, SnapshotFiles, SnapshotReport, Timestamp};
use crate::store::{self, Snapshot, SnapshotFile, SnapshotOptions, StoreError};
use std::path::PathBuf;
use tracing::warn;

/// What is wanted of a snapshot.
#[derive(Clone, Debug)]
pub struct SnapshotPlan {
    /// The database that is copied.
    pub database: PathBuf,
    /// The service it belongs to.
    pub service: String,
    /// The file that is made.
    pub file: PathBuf,
    /// How.
    pub options: SnapshotOptions,
    /// The tree of files, if one is wanted.
    pub tree: Option<TreePlan>,
}

/// What is wanted of the tree of files.
#[derive(Clone, Debug)]
pub struct TreePlan {
    /// Where the files lie, and which mode new ones get.
    pub mirror: MirrorOptions,
    /// The folder that is made.
    pub folder: PathBuf,
    /// Whether every file gets bytes of its own.
    pub copies: bool,
}

/// Why there is no snapshot. Nothing of it is left where it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is no database.
    #[error("there is no backup yet: `{}` does not exist", .0.display())]
    Nothing(PathBuf),
    /// The database failed, or the file cannot be written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The files failed, or the tree cannot be written.
    #[error(transparent)]
    Mirror(#[from] MirrorError),
    /// A stop was asked for.
    #[error("stopped before the snapshot was whole; nothing was left of it")]
    Stopped(ExitCode),
}

impl SnapshotError {
    /// The number for the shell.
    pub fn exit(&self) -> ExitCode {
        match self {
            Self::Stopped(code) => *code,
            Self::Store(StoreError::Taken { .. }) | Self::Mirror(MirrorError::Taken { .. }) => {
                ExitCode::Usage
            }
            Self::Nothing(_) | Self::Store(_) | Self::Mirror(_) => ExitCode::Failed,
        }
    }

    /// Says what a person can do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nothing(_) => Some(
                "check `storage.database`, and that its volume is mounted; `sync` makes a backup"
                    .to_owned(),
            ),
            Self::Store(err) => err.hint(),
            Self::Mirror(err) => err.hint().map(str::to_owned),
            Self::Stopped(_) => None,
        }
    }
}

/// Makes a snapshot, all of it as of one moment, beside whatever runs. The file and the tree get their
/// names at the end; until then nothing is to be seen of them. Blocks.
///
/// # Errors
/// [`SnapshotError`]. Files that the mirror lacks are none: they are named in the report, whose exit
/// code is then [`ExitCode::Difference`].
pub fn snapshot(
    plan: &SnapshotPlan,
    now: Timestamp,
    stop: &Stop,
) -> Result<SnapshotReport, SnapshotError> {
    // Whatever failed because of a stop was stopped.
    make(plan, now, stop).map_err(|err| match stop.requested() {
        Some(code) => SnapshotError::Stopped(code),
        None => err,
    })
}

fn make(plan: &SnapshotPlan, now: Timestamp, stop: &Stop) -> Result<SnapshotReport, SnapshotError> {
    // Before anything is copied: a folder that is taken is told at once.
    let tree = match &plan.tree {
        Some(tree) => Some((
            tree,
            TreeCopy::begin(&tree.folder, &tree.mirror, tree.copies)?,
        )),
        None => None,
    };
    let taken = Snapshot::take(
        &plan.database,
        &plan.service,
        &plan.file,
        plan.options,
        &|| stop.requested().is_none(),
    )?;
    let snapshot = taken.ok_or_else(|| SnapshotError::Nothing(plan.database.clone()))?;
    let (mut files, mut visible) = (None, None);
    if let Some((wanted, mut tree)) = tree {
        files = Some(fill(plan, wanted, &mut tree, &snapshot, stop)?);
        tree.publish()?;
        visible = Some(tree);
    }
    let exit = match &files {
        Some(files) if files.missing > 0 => ExitCode::Difference,
        Some(_) | None => ExitCode::Complete,
    };
    let report = SnapshotReport {
        version: SNAPSHOT_REPORT_VERSION,
        program: concat!("microcms-backup ", env!("CARGO_PKG_VERSION")).to_owned(),
        service: plan.service.clone(),
        started_at: now,
        exit_code: exit.code(),
        file: plan.file.display().to_string(),
        bytes: snapshot.bytes(),
        redacted: plan.options.is_redacted,
        rows: snapshot.rows().clone(),
        mirror: files,
    };
    // The tree first: it can be taken back, and the file may take the place of an older one.
    snapshot.publish()?;
    if let Some(tree) = visible {
        tree.keep();
    }
    Ok(report)
}

/// Adds every file that the snapshot knows.
fn fill(
    plan: &SnapshotPlan,
    wanted: &TreePlan,
    tree: &mut TreeCopy,
    snapshot: &Snapshot,
    stop: &Stop,
) -> Result<SnapshotFiles, SnapshotError> {
    let reader = Reader::open(&wanted.mirror)?;
    let mut files = SnapshotFiles {
        folder: wanted.folder.display().to_string(),
        ..SnapshotFiles::default()
    };
    let mut after = 0;
    loop {
        let batch = snapshot.files(after)?;
        let Some(last) = batch.last() else {
            return Ok(files);
        };
        after = last.row;
        for file in &batch {
            if let Some(code) = stop.requested() {
                return Err(SnapshotError::Stopped(code));
            }
            match add(plan, tree, &reader, file)? {
                Added::Linked(bytes) => {
                    files.linked += 1;
                    files.bytes += bytes;
                }
                Added::Copied(bytes) => {
                    files.copied += 1;
                    files.bytes += bytes;
                }
                Added::Missing => files.miss(&file.path, &file.sha256),
            }
        }
    }
}

/// Adds one file from where its bytes are: the mirror; the archive, if a run superseded them meanwhile;
/// another path, if it moved them.
fn add(
    plan: &SnapshotPlan,
    tree: &mut TreeCopy,
    reader: &Reader,
    file: &SnapshotFile,
) -> Result<Added, SnapshotError> {
    let (Ok(path), Ok(digest)) = (RelPath::parse(&file.path), file.sha256.parse::<Digest>()) else {
        // Somebody edited the database: there is no such file.
        warn!(
            "the database names a file that cannot be; its digest is `{}`",
            file.sha256
        );
        return Ok(Added::Missing);
    };
    for source in [Source::Mirror(&path), Source::Archive] {
        let added = tree.add(reader, &path, &digest, source)?;
        if added != Added::Missing {
            return Ok(added);
        }
    }
    let elsewhere = store::view(&plan.database, &plan.service, |store| {
        store.paths_of(&file.sha256)
    })?;
    let others = elsewhere.unwrap_or_default();
    for other in others.iter().filter_map(|other| RelPath::parse(other).ok()) {
        let added = tree.add(reader, &path, &digest, Source::Mirror(&other))?;
        if added != Added::Missing {
            return Ok(added);
        }
    }
    Ok(Added::Missing)
}
