//! Tamper evidence: is the backup as this program left it?
//!
//! Every row is read, nothing is written, and memory does not grow with the backup. That the files have the
//! bytes whose digests these rows hold, is looked at by `verify` itself.

use crate::model::proof::Kind;
use crate::model::tamper::{AnchorRun, Findings};
use crate::model::{RootPrefix, TamperFinding, TamperKind, TamperReport};
use crate::plan::{Anchor, LogCheck, VersionCheck, anchor, check_chain};
use crate::store::{Store, StoreError};

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
pub fn check_rows(store: &Store, since: Option<&RootPrefix>) -> Result<RowsChecked, StoreError> {
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
        findings,
    })))
}

fn unknown(root: &RootPrefix) -> TamperFinding {
    TamperFinding {
        kind: TamperKind::UnknownRoot,
        version: None,
        run_id: None,
        text: format!(
            "no run here has the root `{}`: it is another database or an older copy, or what that root proved was \
             written anew",
            root.as_str()
        ),
    }
}
