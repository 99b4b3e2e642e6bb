//! The bandwidth that all downloads share.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How far ahead of its pace a line may run: what arrives in one piece must not be cut up.
const BURST: Duration = Duration::from_millis(100);

/// Paces bytes. Cheap to clone; clones share the pace.
#[derive(Clone, Debug, Default)]
pub(super) struct Throttle(Option<Arc<Line>>);

#[derive(Debug)]
struct Line {
    bytes_per_second: f64,
    /// When everything taken so far is paid for. A std mutex: two additions under it.
    free_at: Mutex<Option<Instant>>,
}

impl Throttle {
    /// Allows so many bytes in a second; `None`: as many as come.
    pub(super) fn new(bytes_per_second: Option<u64>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a pace of 2^53 bytes a second is none"
        )]
        let line = bytes_per_second.map(|rate| Line {
            bytes_per_second: rate.max(1) as f64,
            free_at: Mutex::default(),
        });
        Self(line.map(Arc::new))
    }

    /// Waits until `bytes`, which have arrived, fit the pace. Meanwhile nobody reads from the line, so
    /// the host stops sending once the kernel's buffers are full.
    pub(super) async fn take(&self, bytes: usize) {
        if let Some(line) = &self.0
            && let Some(wait) = line.book(bytes, Instant::now())
        {
            tokio::time::sleep(wait).await;
        }
    }
}

impl Line {
    fn book(&self, bytes: usize, now: Instant) -> Option<Duration> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "a piece is far below 2^53 bytes"
        )]
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_second);
        let mut free_at = self.free_at.lock().unwrap_or_else(PoisonError::into_inner);
        let paid = free_at.unwrap_or(now).max(now) + cost;
        *free_at = Some(paid);
        paid.checked_duration_since(now)
            .and_then(|ahead| ahead.checked_sub(BURST))
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept_by_all_together_and_rest_is_not_saved_up() {
        let throttle = Throttle::new(Some(1_000_000));
        let begun = Instant::now();
        let readers = (0..4).map(|_| {
            let throttle = throttle.clone();
            async move {
                for _ in 0..50 {
                    throttle.take(10_000).await;
                }
            }
        });
        futures_util::future::join_all(readers).await;
        let elapsed = begun.elapsed();
        assert!(elapsed >= Duration::from_millis(1_890), "{elapsed:?}");
        assert!(elapsed <= Duration::from_millis(2_010), "{elapsed:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let begun = Instant::now();
        for _ in 0..100 {
            throttle.take(10_000).await;
        }
        assert!(begun.elapsed() >= Duration::from_millis(890));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_pace_nobody_waits() {
        let begun = Instant::now();
        Throttle::new(None).take(usize::MAX).await;
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}
