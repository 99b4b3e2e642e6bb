//! Whether the key reads drafts at all: they may be refused one by one, or all.

use super::ask::Answer;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Drafts that the key may not read, after which it is taken to read none of this API's, unless it read one.
const FEW: usize = 8;

/// What answers told of an API's drafts, several of which are asked for at a time.
#[derive(Debug, Default)]
pub(super) struct Drafts {
    refused: AtomicUsize,
    is_one_read: AtomicBool,
}

impl Drafts {
    /// Takes in what came of one.
    pub(super) fn learn(&self, answer: &Answer) {
        if answer.is_refused() {
            self.refused.fetch_add(1, Ordering::Relaxed);
        } else if answer.bytes() > 0 {
            self.is_one_read.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether asking for another one is pointless.
    pub(super) fn are_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed) >= FEW && !self.is_one_read()
    }

    /// Returns whether the key read one in this run.
    pub(super) fn is_one_read(&self) -> bool {
        self.is_one_read.load(Ordering::Relaxed)
    }
}
