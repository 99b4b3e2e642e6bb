//! How long to wait before asking again. Pure.

use std::time::Duration;

/// How often one thing is asked for in a run, the first time included.
pub(crate) const ATTEMPTS: u32 = 6;

/// How often an answer may be unreadable: what came whole and makes no sense mostly stays so, and each
/// try is paid for.
pub(crate) const UNREADABLE: u32 = 4;

/// How often an answer may not come in time: each try takes as long as the slowest one may.
pub(crate) const LATE: u32 = 3;

/// Returns the wait after the `attempt`-th failure (counted from 1): half a second, doubling, at most
/// 20 s, spread by a quarter in both directions. `jitter` is in 0..1.
pub(crate) fn backoff(attempt: u32, jitter: f64) -> Duration {
    let doubled = 0.5 * f64::from(2_u32.saturating_pow(attempt.saturating_sub(1).min(10)));
    Duration::from_secs_f64(doubled.min(20.0) * (0.75 + 0.5 * jitter.clamp(0.0, 1.0)))
}

/// The longest wait that a run sits out. Who asks for more is left alone for the rest of the run, not
/// asked again early: what is owed stays owed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Returns a wait that the service asked for, kept within reason.
pub(crate) fn asked(after: Duration) -> Duration {
    after.min(PATIENCE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_stay_spread_and_end() {
        assert_eq!(backoff(1, 0.5), Duration::from_millis(500));
        assert_eq!(backoff(3, 0.5), Duration::from_secs(2));
        assert_eq!(backoff(60, 1.0), Duration::from_secs(25));
        assert!(backoff(2, 0.0) < backoff(2, 1.0));
    }
}
