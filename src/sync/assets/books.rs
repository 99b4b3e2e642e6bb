//! What came of files, until it is in the database.

use super::over;
use crate::model::report::AssetCounts;
use crate::model::{AssetOutcome, MediaId, Timestamp};
use crate::store::StoreError;
use crate::sync::hosts::Hosts;
use crate::sync::run::Run;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// Outcomes that do not wait for more.
const ENOUGH: usize = 64;

/// How long outcomes without new bytes may wait for others to be written with: what a kill would have asked again.
const LINGER: Duration = Duration::from_secs(1);

type Recording<'a> = Pin<Box<dyn Future<Output = Result<Recorded, StoreError>> + Send + 'a>>;

/// Outcomes that wait, and those that are being written.
pub(super) struct Books<'a> {
    run: &'a Run,
    waiting: Vec<AssetOutcome>,
    /// When the first of them has waited long enough.
    due: Instant,
    recording: Option<Recording<'a>>,
}

/// What is in the database now.
pub(super) struct Recorded {
    /// How many files were saved, unchanged or moved.
    pub(super) counts: AssetCounts,
    /// Each medium, with the path that was claimed for it.
    pub(super) settled: Vec<(MediaId, Option<String>)>,
    /// Those whose saved files were looked at in vain: by that they are owed, which is no new question.
    pub(super) in_vain: Vec<MediaId>,
    /// Since when those are owed.
    pub(super) at: Timestamp,
}

impl<'a> Books<'a> {
    pub(super) fn new(run: &'a Run) -> Self {
        Self {
            run,
            waiting: Vec::new(),
            due: Instant::now(),
            recording: None,
        }
    }

    /// Takes in an outcome. One that `is_urgent` waits for nothing: its file is in its place.
    pub(super) fn add(&mut self, outcome: AssetOutcome, is_urgent: bool) {
        let now = Instant::now();
        if self.waiting.is_empty() {
            self.due = now + LINGER;
        }
        if is_urgent {
            self.due = now;
        }
        self.waiting.push(outcome);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.recording.is_none()
    }

    /// Returns when there is something to write.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.recording.is_none() && !self.waiting.is_empty()).then_some(self.due)
    }

    /// Writes what waits, in one transaction, with what was learned about hosts.
    pub(super) fn start(&mut self, hosts: &Hosts, is_last: bool) {
        let is_ripe = is_last || self.waiting.len() >= ENOUGH || self.due <= Instant::now();
        if self.recording.is_some() || self.waiting.is_empty() || !is_ripe {
            return;
        }
        let outcomes = std::mem::take(&mut self.waiting);
        let (run, now, fresh) = (self.run, self.run.now(), hosts.take_fresh());
        let (counts, settled) = (counts(&outcomes), outcomes.iter().map(settled).collect());
        self.recording = Some(Box::pin(async move {
            let in_vain = run
                .store(move |store| {
                    let in_vain = store.record_assets(&outcomes, now)?;
                    if !fresh.is_empty() {
                        store.record_asset_hosts(&fresh, now)?;
                    }
                    Ok(in_vain)
                })
                .await?;
            Ok(Recorded {
                counts,
                settled,
                in_vain,
                at: now,
            })
        }));
    }

    /// Waits for what is being written; forever if nothing is.
    pub(super) async fn recorded(&mut self) -> Result<Recorded, StoreError> {
        over(&mut self.recording).await
    }
}

fn settled(outcome: &AssetOutcome) -> (MediaId, Option<String>) {
    let path = match outcome {
        AssetOutcome::Saved { path, .. } | AssetOutcome::Moved { path, .. } => Some(path.clone()),
        AssetOutcome::Unchanged { .. }
        | AssetOutcome::Withheld { .. }
        | AssetOutcome::Failed { .. } => None,
    };
    (outcome.media_id().clone(), path)
}

fn counts(outcomes: &[AssetOutcome]) -> AssetCounts {
    let mut counts = AssetCounts::default();
    for outcome in outcomes {
        match outcome {
            AssetOutcome::Saved { .. } => counts.saved += 1,
            AssetOutcome::Unchanged { .. } => counts.unchanged += 1,
            AssetOutcome::Moved { .. } => counts.moved += 1,
            AssetOutcome::Withheld { .. } | AssetOutcome::Failed { .. } => {}
        }
    }
    counts
}
