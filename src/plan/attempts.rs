//! When to ask again for a file that failed.

use crate::model::Timestamp;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Whose trouble it was that a file could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This file's: its host has a definite no for it, or something else than the file.
    File,
    /// The line's, or its host's: it broke, stalled or was busy.
    Line,
    /// Nobody asked for the file, or the trouble is this machine's or its operator's: the file itself
    /// has not failed.
    Nobody,
}

/// The waits after the first, second, … failure in a row; the last one is for all that follow. The
/// first costs nothing: most troubles are over by the next run, and a CDN that has not got a new file
/// yet is one of them (microcms-facts 8.13).
const FILE: [Duration; 5] = [
    Duration::ZERO,
    Duration::from_secs(30 * 60),
    HOUR.saturating_mul(2),
    HOUR.saturating_mul(8),
    HOUR.saturating_mul(24),
];
const LINE: [Duration; 6] = [
    Duration::ZERO,
    Duration::ZERO,
    MINUTE.saturating_mul(5),
    MINUTE.saturating_mul(20),
    HOUR,
    HOUR.saturating_mul(6),
];

/// Returns when a file may be asked for again that failed `failures` times in a row, the last one at
/// `now`. `None`: by the next run.
pub fn next_attempt(blame: Blame, failures: u32, now: Timestamp) -> Option<Timestamp> {
    let ladder: &[Duration] = match blame {
        Blame::File => &FILE,
        Blame::Line => &LINE,
        Blame::Nobody => return None,
    };
    let rung = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = ladder.get(rung).or(ladder.last())?;
    (*wait > Duration::ZERO).then(|| now.plus(*wait))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_tries_again_and_after_that_the_waits_grow_and_end() {
        let now = Timestamp::from_unix_millis(1_000_000);
        for blame in [Blame::File, Blame::Line] {
            assert_eq!(next_attempt(blame, 1, now), None);
            let waits: Vec<_> = (2..12)
                .map(|failures| next_attempt(blame, failures, now))
                .collect();
            assert!(waits.is_sorted(), "{waits:?}");
            assert_eq!(waits[8], waits[9]);
            assert!(waits[9] <= Some(now.plus(HOUR * 24)));
        }
        assert!(next_attempt(Blame::File, 2, now) > next_attempt(Blame::Line, 2, now));
        assert_eq!(next_attempt(Blame::Nobody, 7, now), None);
        assert!(next_attempt(Blame::File, 0, now).is_none());
        assert!(next_attempt(Blame::File, u32::MAX, now).is_some());
    }
}
