//! Whether the loop turns, for those outside of it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Knows when the loop turned last. A run under way is no silence, however long it takes: the loop
/// turns beside it.
#[derive(Debug, Clone)]
pub struct Heart(
    // A std mutex: copied in and out, never held across an await.
    Arc<Mutex<Instant>>,
);

impl Heart {
    /// A loop that begins now.
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Instant::now())))
    }

    /// The loop turns.
    pub(super) fn beat(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// Returns for how long the loop has not turned. A few seconds are nothing.
    pub fn silence(&self) -> Duration {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .elapsed()
    }
}
