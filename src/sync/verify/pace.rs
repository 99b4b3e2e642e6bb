//! How fast files are read, when to stop reading, and how much was read.

use crate::sync::Stop;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

/// Shared by all that read.
#[derive(Debug)]
pub(super) struct Pace {
    /// Bytes a second; `None`: as fast as it goes.
    rate: Option<u64>,
    /// When the next piece may be read. A `std` mutex: held for an addition, never while waiting.
    free_at: Mutex<Instant>,
    stop: Stop,
    files: AtomicU64,
    bytes: AtomicU64,
}

impl Pace {
    pub(super) fn new(rate: Option<u64>, stop: Stop) -> Self {
        Self {
            rate,
            free_at: Mutex::new(Instant::now()),
            stop,
            files: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    /// Counts a piece in and waits until its time is over. Blocks; to be called on a blocking thread.
    ///
    /// # Errors
    /// When a stop was asked for.
    pub(super) fn heed(&self, bytes: usize) -> io::Result<()> {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        if self.is_stopping() {
            return Err(io::Error::other("stopped"));
        }
        let Some(rate) = self.rate else {
            return Ok(());
        };
        let cost = Duration::from_micros((bytes as u64).saturating_mul(1_000_000) / rate.max(1));
        let until = {
            let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
            *free_at = (*free_at).max(Instant::now()) + cost;
            *free_at
        };
        Handle::current().block_on(async {
            tokio::select! {
                () = self.stop.wait() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        });
        Ok(())
    }

    /// Counts a file that was read to its end.
    pub(super) fn read_one(&self) {
        self.files.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn files(&self) -> u64 {
        self.files.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stop.requested().is_some()
    }
}
