//! Tamper evidence: is the backup as this program left it?
//!
//! Everything is read, nothing is written, and memory does not grow with the backup. The rows are looked at
//! as of one moment; the files may be looked at beside a run, so that what does not fit is asked for again
//! before it is told.

use crate::mirror::{Digest, MirrorError, Reader};
use crate::model::proof::Kind;
use crate::model::tamper::{AnchorRun, Findings, TAMPER_REPORT_VERSION};
use crate::model::{RelPath, RootPrefix, TamperFinding, TamperKind, TamperReport, Timestamp};
use crate::plan::{Anchor, LogCheck, VersionCheck, anchor, check_chain};
use crate::store::{SavedFile, Store, StoreError};

/// Rows of files read at a time.
const PAGE: usize = 500;

/// What came of a look at the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowsChecked {
    /// They were compared.
    Done(Box<TamperReport>),
    /// More than one root begins like the one that was named: nothing was compared.
    Ambiguous,
}

/// Compares every version in the database with the log, the log with what runs committed to, and the runs
/// with each other. `since`: a root that was kept elsewhere.
///
/// # Errors
/// When the database cannot be read.
pub fn check_rows(
    store: &Store,
    since: Option<&RootPrefix>,
    now: Timestamp,
) -> Result<RowsChecked, StoreError> {
    let runs = store.proven_runs()?;
    let mut findings = Findings::default();
    let since = match since.map(|root| (root, anchor(&runs, root))) {
        None => None,
        Some((_, Anchor::Run(run))) => Some(run),
        Some((_, Anchor::Ambiguous)) => return Ok(RowsChecked::Ambiguous),
        Some((root, Anchor::Unknown)) => {
            findings.add(unknown(root));
            None
        }
    };
    check_chain(&runs, &store.complete_runs_without_root()?, &mut findings);
    let mut log = LogCheck::new(&runs, &mut findings);
    store.log(&mut |seq, leaf| log.entry(seq, leaf, &mut findings))?;
    let entries = log.finish(&mut findings);
    let mut versions = VersionCheck::new(&runs, since);
    for kind in Kind::ALL {
        store.accounts(kind, &mut |account| {
            versions.account(&account, &mut findings);
        })?;
    }
    let (versions, pruned_since) = versions.finish(&mut findings);
    let newest = store.last_proof()?;
    let proven = newest.map_or(0, |newest| newest.proof.log_size);
    Ok(RowsChecked::Done(Box::new(TamperReport {
        version: TAMPER_REPORT_VERSION,
        checked_at: now,
        since: since.map(|run| AnchorRun {
            run_id: run.id,
            finished_at: run.finished_at.clone(),
            root: run.root,
            log_size: run.log_size,
        }),
        newest,
        runs: runs.len() as u64,
        entries,
        unproven_entries: entries.saturating_sub(proven),
        versions,
        pruned_since,
        files: None,
        findings,
    })))
}

fn unknown(root: &RootPrefix) -> TamperFinding {
    TamperFinding {
        kind: TamperKind::UnknownRoot,
        version: None,
        run_id: None,
        file: None,
        text: format!(
            "no run here has the root `{}`: it is another database or an older copy, or what that root proved was \
             written anew",
            root.as_str()
        ),
    }
}

/// Why the files could not be compared.
#[derive(Debug)]
pub enum TamperError<E> {
    /// The database could not be asked.
    Store(E),
    /// The disk could not be read.
    Mirror(MirrorError),
}

impl<E> From<MirrorError> for TamperError<E> {
    fn from(err: MirrorError) -> Self {
        Self::Mirror(err)
    }
}

/// A question to the database: the caller opens it as of now, so that a run beside it is seen.
pub trait Look {
    /// Why it may have no answer.
    type Error;

    /// Asks it.
    ///
    /// # Errors
    /// When the database cannot be read.
    fn look<T>(&self, ask: impl Fn(&Store) -> Result<T, StoreError>) -> Result<T, Self::Error>;
}

/// Reads every saved file, in the mirror and in the archive, and compares its bytes with the digest that
/// its row has ([`check_rows`] compares the row). Adds to `findings`, and returns how many were read.
///
/// # Errors
/// When the database or the disk cannot be read.
pub fn check_files<L: Look>(
    database: &L,
    files: &Reader,
    findings: &mut Findings,
) -> Result<u64, TamperError<L::Error>> {
    Ok(mirrored(database, files, findings)? + archived(database, files, findings)?)
}

fn mirrored<L: Look>(
    database: &L,
    files: &Reader,
    findings: &mut Findings,
) -> Result<u64, TamperError<L::Error>> {
    let mut after = String::new();
    let mut read = 0;
    loop {
        let page = database
            .look(|store| store.saved_files(&after, PAGE))
            .map_err(TamperError::Store)?;
        let Some(last) = page.last() else {
            return Ok(read);
        };
        after.clone_from(&last.media_id);
        for asset in page {
            read += 1;
            let Some(kind) = compare(files, &asset)? else {
                continue;
            };
            // A run may have replaced the file since its row was read.
            let again = database
                .look(|store| store.saved_file(&asset.media_id))
                .map_err(TamperError::Store)?;
            if again.as_ref() == Some(&asset) && compare(files, &asset)? == Some(kind) {
                findings.add(of_file(kind, &asset));
            }
        }
    }
}

/// Returns what is wrong with a file.
fn compare(files: &Reader, asset: &SavedFile) -> Result<Option<TamperKind>, MirrorError> {
    let Ok(path) = RelPath::parse(&asset.path) else {
        // No file of ours has such a path: the row was edited.
        return Ok(Some(TamperKind::MissingFile));
    };
    Ok(match files.hash(&path)? {
        None => Some(TamperKind::MissingFile),
        Some(hashed) if hashed.sha256.to_string() != asset.sha256 => Some(TamperKind::ChangedFile),
        Some(_) => None,
    })
}

fn of_file(kind: TamperKind, asset: &SavedFile) -> TamperFinding {
    let text = if kind == TamperKind::ChangedFile {
        "its bytes are not those that were saved"
    } else {
        "is not there"
    };
    TamperFinding {
        kind,
        version: None,
        run_id: None,
        file: Some(asset.path.clone()),
        text: format!("{text} (medium {})", asset.media_id),
    }
}

fn archived<L: Look>(
    database: &L,
    files: &Reader,
    findings: &mut Findings,
) -> Result<u64, TamperError<L::Error>> {
    let mut after = String::new();
    let mut read = 0;
    loop {
        let page = database
            .look(|store| store.superseded_digests(&after, PAGE))
            .map_err(TamperError::Store)?;
        let Some(last) = page.last() else {
            return Ok(read);
        };
        after.clone_from(last);
        for sha256 in page {
            let Some(kind) = compare_archived(files, &sha256)? else {
                read += 1;
                continue;
            };
            // Bytes that a current file has need no second place; `prune` may have removed these.
            let is_needed = database
                .look(|store| store.needs_archived(&sha256))
                .map_err(TamperError::Store)?;
            if is_needed || kind == TamperKind::ChangedFile {
                read += u64::from(kind == TamperKind::ChangedFile);
                let text = if kind == TamperKind::ChangedFile {
                    "the archived bytes are not those that were saved"
                } else {
                    "the bytes of an earlier version are nowhere"
                };
                findings.add(TamperFinding {
                    kind,
                    version: None,
                    run_id: None,
                    file: Some(sha256),
                    text: text.to_owned(),
                });
            }
        }
    }
}

fn compare_archived(files: &Reader, sha256: &str) -> Result<Option<TamperKind>, MirrorError> {
    let Ok(digest) = sha256.parse::<Digest>() else {
        return Ok(Some(TamperKind::MissingFile));
    };
    Ok(match files.hash_archived(&digest)? {
        None => Some(TamperKind::MissingFile),
        Some(hashed) if hashed.sha256 != digest => Some(TamperKind::ChangedFile),
        Some(_) => None,
    })
}
