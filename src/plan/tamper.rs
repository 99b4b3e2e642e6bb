//! What of the database is as the program left it: rows against the log, the log against the runs that
//! committed to it, runs against each other.

use crate::model::proof::{Account, Deed, Entry, ProvenRun, Row, Version};
use crate::model::tamper::Findings;
use crate::model::{Hash, RootPrefix, TamperFinding, TamperKind, Tree};

/// Which run a person means by its root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor<'a> {
    /// This one.
    Run(&'a ProvenRun),
    /// More than one begins so.
    Ambiguous,
    /// None.
    Unknown,
}

/// Looks up the run whose root begins so.
pub fn anchor<'a>(runs: &'a [ProvenRun], root: &RootPrefix) -> Anchor<'a> {
    let mut fitting = runs.iter().filter(|run| root.fits(&run.root));
    match (fitting.next(), fitting.next()) {
        (None, _) => Anchor::Unknown,
        (Some(run), None) => Anchor::Run(run),
        (Some(_), Some(_)) => Anchor::Ambiguous,
    }
}

fn finding(kind: TamperKind, text: String) -> TamperFinding {
    TamperFinding {
        kind,
        version: None,
        run_id: None,
        text,
    }
}

/// Checks that each run's root follows from the one before it and from the run's own record. `rootless`
/// are complete runs that came after the first root and have none.
pub fn check_chain(runs: &[ProvenRun], rootless: &[i64], findings: &mut Findings) {
    let mut previous = Hash::ZERO;
    for run in runs {
        if run.root_after(previous) != run.root {
            findings.add(TamperFinding {
                run_id: Some(run.id),
                ..finding(
                    TamperKind::Run,
                    format!(
                        "the root of run {} does not follow from its record, its walks and the root before it: one of \
                         them was changed, or a run before it was removed",
                        run.id
                    ),
                )
            });
        }
        // The stored one: what was changed is then told once, not of every run after it.
        previous = run.root;
    }
    for id in rootless {
        findings.add(TamperFinding {
            run_id: Some(*id),
            ..finding(
                TamperKind::Run,
                format!(
                    "run {id} is complete and has no root: its row was changed or written by hand"
                ),
            )
        });
    }
}

/// The log, read from its beginning, against the heads that runs committed to.
#[derive(Debug)]
pub struct LogCheck<'a> {
    runs: &'a [ProvenRun],
    tree: Tree,
    /// The number of the last entry.
    last: u64,
    /// The last run whose head was right.
    right: Option<&'a ProvenRun>,
    is_broken: bool,
    has_gap: bool,
}

impl<'a> LogCheck<'a> {
    /// Begins before the first entry. `runs` are in their order.
    pub fn new(runs: &'a [ProvenRun], findings: &mut Findings) -> Self {
        let mut check = Self {
            runs,
            tree: Tree::default(),
            last: 0,
            right: None,
            is_broken: false,
            has_gap: false,
        };
        check.compare(findings);
        check
    }

    /// Takes the next entry: its number, and its hash as a leaf.
    pub fn entry(&mut self, seq: u64, leaf: Hash, findings: &mut Findings) {
        if seq != self.last + 1 && !self.has_gap {
            self.has_gap = true;
            let text = match seq.checked_sub(2) {
                Some(to) if to > self.last => {
                    format!(
                        "entries {} to {} of the log are missing",
                        self.last + 1,
                        seq - 1
                    )
                }
                Some(_) | None => format!("entry {} of the log is missing", self.last + 1),
            };
            findings.add(finding(TamperKind::Log, text));
        }
        self.last = seq;
        self.tree.push(leaf);
        self.compare(findings);
    }

    /// Compares the head with that of every run that had this many entries.
    fn compare(&mut self, findings: &mut Findings) {
        while let Some((run, rest)) = self.runs.split_first() {
            if run.log_size > self.tree.size() {
                break;
            }
            self.runs = rest;
            // A smaller number than a run before it had can only be edited; its record says so too.
            let is_right = run.log_size == self.tree.size() && run.log_head == self.tree.head();
            if is_right {
                self.right = Some(run);
            } else if !self.is_broken {
                // Every later head is over the same entries: told once.
                self.is_broken = true;
                let from = self.right.map_or(1, |right| right.log_size + 1);
                let text = format!(
                    "entries {from} to {} of the log are not those that run {} had proven",
                    run.log_size, run.id
                );
                findings.add(TamperFinding {
                    run_id: Some(run.id),
                    ..finding(TamperKind::Log, text)
                });
            }
        }
    }

    /// Takes note that there are no more entries. Returns how many there were.
    pub fn finish(self, findings: &mut Findings) -> u64 {
        if let Some(run) = self.runs.first() {
            let text = format!(
                "the log ends with entry {}, and run {} had proven {}",
                self.last, run.id, run.log_size
            );
            findings.add(TamperFinding {
                run_id: Some(run.id),
                ..finding(TamperKind::Log, text)
            });
        }
        self.tree.size()
    }
}

/// Versions, in the order of their keys, against the log.
#[derive(Debug)]
pub struct VersionCheck<'a> {
    runs: &'a [ProvenRun],
    since: Option<&'a ProvenRun>,
    /// A version that has ended, and when: the next one of the same thing must begin then.
    ended: Option<(Version, String, Option<i64>)>,
    versions: u64,
    pruned_since: u64,
}

impl<'a> VersionCheck<'a> {
    /// Begins before the first version. `since` is the run whose root was named.
    pub fn new(runs: &'a [ProvenRun], since: Option<&'a ProvenRun>) -> Self {
        Self {
            runs,
            since,
            ended: None,
            versions: 0,
            pruned_since: 0,
        }
    }

    /// Takes the next version.
    pub fn account(&mut self, account: &Account, findings: &mut Findings) {
        let live = self.live(&account.entries);
        self.follow(account, !live.is_empty(), findings);
        self.versions += account.rows.len() as u64;
        let mut rows = account.rows.iter();
        let proven = live.first().and_then(|entry| self.proven_by(entry.seq));
        let say = |kind, text: &str| TamperFinding {
            version: Some(account.version.clone()),
            run_id: proven,
            ..finding(kind, text.to_owned())
        };
        match (live.last(), rows.next()) {
            (None, None) => {}
            (Some(_), None) => findings.add(say(
                TamperKind::VanishedRow,
                "was recorded and is not there any more; `prune` did not remove it",
            )),
            (None, Some(_)) => findings.add(say(
                TamperKind::UnrecordedRow,
                "was not written by this program",
            )),
            (Some(last), Some(row)) => {
                let earlier = live.split_last().map_or(&[][..], |(_, earlier)| earlier);
                match judge(*last, earlier, row) {
                    Found::Same { is_end_known } => {
                        self.ended = row
                            .valid_to
                            .clone()
                            .filter(|_| !is_end_known)
                            .map(|end| (account.version.clone(), end, proven));
                    }
                    Found::Changed => findings.add(say(
                        TamperKind::ChangedRow,
                        "its columns are not those that were recorded",
                    )),
                }
            }
        }
        for _ in rows {
            findings.add(say(
                TamperKind::UnrecordedRow,
                "stands there more than once; this program wrote it once",
            ));
        }
    }

    /// Returns the entries after the last removal: those that the row must fit. Counts removals of what the
    /// run of `since` had proven.
    fn live<'e>(&mut self, entries: &'e [Entry]) -> &'e [Entry] {
        let mut from = 0;
        for (index, entry) in entries.iter().enumerate() {
            if entry.deed == Deed::Removed {
                let is_since = self.since.is_some_and(|since| {
                    let was_proven = entries
                        .get(from..index)
                        .and_then(<[Entry]>::first)
                        .is_some_and(|first| first.seq <= since.log_size);
                    entry.seq > since.log_size && was_proven
                });
                self.pruned_since += u64::from(is_since);
                from = index + 1;
            }
        }
        entries.get(from..).unwrap_or(&[])
    }

    /// Checks the end of the version before this one.
    fn follow(&mut self, account: &Account, is_live: bool, findings: &mut Findings) {
        let Some((version, end, _)) = &self.ended else {
            return;
        };
        let is_same = version.kind == account.version.kind
            && version.scope == account.version.scope
            && version.id == account.version.id;
        if is_same && *end == account.version.valid_from {
            self.ended = None;
        } else if !is_same || is_live {
            // A row that nobody recorded does not come between two versions: it is told by itself.
            self.tell_end(findings);
        }
    }

    fn tell_end(&mut self, findings: &mut Findings) {
        if let Some((version, end, run_id)) = self.ended.take() {
            findings.add(TamperFinding {
                version: Some(version),
                run_id,
                ..finding(
                    TamperKind::ChangedEnd,
                    format!("is said to end at {end}, and no version begins then"),
                )
            });
        }
    }

    /// Returns the first run that committed to an entry.
    fn proven_by(&self, seq: u64) -> Option<i64> {
        let index = self.runs.partition_point(|run| run.log_size < seq);
        self.runs.get(index).map(|run| run.id)
    }

    /// Takes note that there are no more versions. Returns how many rows there were, and how many versions
    /// `prune` removed since the run that was named.
    pub fn finish(mut self, findings: &mut Findings) -> (u64, u64) {
        self.tell_end(findings);
        (self.versions, self.pruned_since)
    }
}

/// What comes of one row and its entries.
enum Found {
    /// As recorded. `is_end_known`: the log says when it ended, too.
    Same {
        is_end_known: bool,
    },
    Changed,
}

/// The last entry must be of the row as it is, and earlier ones of the row before its bodies came: nothing
/// else changes in place. So an entry that somebody got appended for a row of their own is caught as well.
fn judge(last: Entry, earlier: &[Entry], row: &Row) -> Found {
    let was_so = |entry: &Entry| {
        entry.digest == row.digest
            || row.digest_adopted == Some(entry.digest)
            || row.digests_before.contains(&entry.digest)
    };
    if !earlier.iter().all(was_so) {
        return Found::Changed;
    }
    let (is_same, is_end_known) = match last.deed {
        Deed::Adopted if row.digest_with_end == Some(last.digest) => (true, true),
        Deed::Adopted => (row.digest_adopted == Some(last.digest), false),
        Deed::Recorded => (row.digest == last.digest, false),
        Deed::Removed => (false, false),
    };
    if is_same {
        Found::Same { is_end_known }
    } else {
        Found::Changed
    }
}

#[cfg(test)]
mod tests;
