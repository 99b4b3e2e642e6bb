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
    files: 2 * ENOUGH,
    memory: 12 * 1024 * 1024,
    unflushed: 64 * 1024 * 1024,
};

/// How many groups are on their way: while one is flushed, the next one is written.
const GROUPS: usize = 2;

/// Files that are received: waiting, and on the way to their places in groups.
#[derive(Debug)]
pub(super) struct Gather {
    waiting: Vec<Received>,
    held: Held,
    /// When the first of those waiting has waited long enough.
    due: Instant,
    /// [`GROUPS`] at most.
    publishing: JoinSet<(Held, Result<Vec<Done>, RunError>)>,
    publishing_held: Held,
}

impl Gather {
    pub(super) fn new() -> Self {
        Self {
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
        self.held.files < MOST.files && all.memory < MOST.memory && all.unflushed < MOST.unflushed
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.publishing.is_empty()
    }

    /// Returns when there is something to start.
    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.publishing.len() < GROUPS && !self.waiting.is_empty()).then_some(self.due)
    }

    /// Sends those who wait on their way, if that is free and they are many, have waited long enough, or are the last.
    pub(super) fn start(&mut self, shared: &Arc<Shared>, is_last: bool) {
        let is_ripe = is_last
            || self.waiting.len() >= ENOUGH
            || !self.has_room()
            || self.due <= Instant::now();
        if self.publishing.len() < GROUPS && !self.waiting.is_empty() && is_ripe {
            // Each holds descriptors open until it has its place.
            let enough = self.waiting.len().min(ENOUGH);
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
