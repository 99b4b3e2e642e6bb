//! What a run has done so far, shared with whoever shows progress.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter that only grows, or is set to an expectation.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds to the counter.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// Replaces the value.
    pub fn set(&self, n: u64) {
        self.0.store(n, Ordering::Relaxed);
    }

    /// Takes away, stopping at zero.
    pub fn sub(&self, n: u64) {
        let result = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |now| {
                Some(now.saturating_sub(n))
            });
        debug_assert!(result.is_ok(), "the closure always returns a value");
    }

    /// Returns the value.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counters of one run, written by its tasks and read by a progress display. They are for eyes: the
/// truth is in the [`RunReport`](super::RunReport).
#[derive(Debug, Default)]
pub struct Tally {
    /// Listing pages read, over all walks and attempts.
    pub pages: Count,
    /// Listing pages expected as far as is known.
    pub pages_expected: Count,
    /// Bodies recorded.
    pub bodies: Count,
    /// Bodies known to be needed so far.
    pub bodies_expected: Count,
    /// Files settled (saved or found unchanged).
    pub files: Count,
    /// Files known to be needed so far.
    pub files_expected: Count,
    /// Files that failed in this run.
    pub files_failed: Count,
    /// Bytes received from asset hosts.
    pub bytes: Count,
    /// Walks begun again.
    pub restarts: Count,
    /// Requests repeated after a refusal or a fault.
    pub retries: Count,
}
