//! Where received files wait for others, so that all of them are flushed at once.

use crate::sync::RunError;
use crate::sync::download::{Done, Held, Received, Shared, publish};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// A group of so many does not wait for more, and no group is larger.
const ENOUGH: usize = 64;

/// How long a file may wait for others.
const LINGER: Duration = Duration::from_millis(25);

/// What may be held: where this much is, no further file is asked for until some are in their places, so that neither
/// memory nor what a power cut takes grows with a disk that is slow.
const MOST: Held = Held {
    files: usize::MAX,
    memory: 12 * 1024 * 1024,
    unflushed: 64 * 1024 * 1024,
};

/// How many groups are on their way: while one is flushed, the next one is written.
const GROUPS: usize = 2;

/// Open files with which there are two groups of [`ENOUGH`]: each file of a group may have seven open until it has its place
/// (itself, what it takes the place of, the folders of both), beside those that wait and the connections.
const AMPLE: u64 = 2048;
/// Open files that are for others: folders that the mirror and the archive remember, the database, connections.
const FOR_OTHERS: u64 = 192;
/// Open files for each file of the one group that there is where they are fewer: seven, and two such that wait.
const FOR_EACH: u64 = 12;

/// How files are put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sizes {
    groups: usize,
    /// Files of a group.
    enough: usize,
}

impl Sizes {
    fn of(open_files: Option<u64>) -> Self {
        match open_files {
            Some(few) if few < AMPLE => {
                let enough =
                    usize::try_from(few.saturating_sub(FOR_OTHERS) / FOR_EACH).unwrap_or(ENOUGH);
                Self {
                    groups: 1,
                    enough: enough.clamp(1, ENOUGH),
                }
            }
            Some(_) | None => Self {
                groups: GROUPS,
                enough: ENOUGH,
            },
        }
    }
}

/// Files that are received: waiting, and on the way to their places in groups.
#[derive(Debug)]
pub(super) struct Gather {
    sizes: Sizes,
    waiting: Vec<Received>,
    held: Held,
    /// When the first of those waiting has waited long enough.
    due: Instant,
    /// As many as [`Sizes`] allows.
    publishing: JoinSet<(Held, Result<Vec<Done>, RunError>)>,
    publishing_held: Held,
}

impl Gather {
    /// `open_files` as the process may have.
    pub(super) fn new(open_files: Option<u64>) -> Self {
        Self {
            sizes: Sizes::of(open_files),
            waiting: Vec::new(),
            held: Held::default(),
            due: Instant::now(),
            publishing: JoinSet::new(),
            publishing_held: Held::default(),
        }
    }

    pub(super) fn add(&mut self, received: Received) {
        if self.waiting.is_empty() {
            self.due = Instant::now() + LINGER;
        }
        self.held = self.held.plus(received.held());
        self.waiting.push(received);
    }

    /// Returns whether another file may be asked for.
    pub(super) fn has_room(&self) -> bool {
        let all = self.held.plus(self.publishing_held);
        self.held.files < 2 * self.sizes.enough
            && all.memory < MOST.memory
            && all.unflushed < MOST.unflushed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.publishing.is_empty()
    }

    /// Returns when there is something to start.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.publishing.len() < self.sizes.groups && !self.waiting.is_empty()).then_some(self.due)
    }

    /// Sends those who wait on their way, if that is free and they are many, have waited long enough, or are the last.
    pub(super) fn start(&mut self, shared: &Arc<Shared>, is_last: bool) {
        let is_ripe = is_last
            || self.waiting.len() >= self.sizes.enough
            || !self.has_room()
            || self.due <= Instant::now();
        if self.publishing.len() < self.sizes.groups && !self.waiting.is_empty() && is_ripe {
            // Each holds descriptors open until it has its place.
            let enough = self.waiting.len().min(self.sizes.enough);
            let group: Vec<Received> = self.waiting.drain(..enough).collect();
            let held = group
                .iter()
                .fold(Held::default(), |all, one| all.plus(one.held()));
            self.held = self.held.minus(held);
            self.publishing_held = self.publishing_held.plus(held);
            let published = publish(Arc::clone(shared), group);
            self.publishing
                .spawn(async move { (held, published.await) });
        }
    }

    /// Waits for a group on its way; forever if there is none.
    pub(super) async fn published(&mut self) -> Result<Vec<Done>, RunError> {
        let Some(published) = self.publishing.join_next().await else {
            return pending().await;
        };
        let (held, published) = published?;
        self.publishing_held = self.publishing_held.minus(held);
        published
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_few_files_may_be_open_few_are_on_their_way() {
        for (open_files, groups, enough) in [
            (None, 2, 64),
            (Some(8192), 2, 64),
            (Some(1024), 1, 64),
            (Some(512), 1, 26),
            (Some(256), 1, 5),
            (Some(8), 1, 1),
        ] {
            assert_eq!(
                Sizes::of(open_files),
                Sizes { groups, enough },
                "{open_files:?}"
            );
        }
    }
}
