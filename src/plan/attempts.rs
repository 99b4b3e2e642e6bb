//! When to ask again for a file that failed.

use crate::model::Timestamp;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

/// Whose trouble it was that a file could not be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// This file's: its host has a definite no for it, or something else than the file, or it cannot be put where it
    /// belongs.
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

/// The longest wait that a host is granted: what it asks for beyond that is a slip or a trap, and the file
/// would stay owed for ever.
const LONGEST_ASKED: Duration = HOUR.saturating_mul(24);

/// Returns when a file may be asked for again that failed `failures` times in a row, the last one at
/// `now`, and whose host asked for a wait where it did. `None`: by the next run.
pub fn next_attempt(
    blame: Blame,
    failures: u32,
    asked: Option<Duration>,
    now: Timestamp,
) -> Option<Timestamp> {
    let asked = asked.map(|wait| now.plus(wait.min(LONGEST_ASKED)));
    let ladder: &[Duration] = match blame {
        Blame::File => &FILE,
        Blame::Line => &LINE,
        Blame::Nobody => return asked,
    };
    let rung = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
    let wait = ladder.get(rung).or(ladder.last());
    let own = wait.filter(|wait| **wait > Duration::ZERO);
    own.map(|wait| now.plus(*wait)).max(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_run_tries_again_and_after_that_the_waits_grow_and_end() {
        let now = Timestamp::from_unix_millis(1_000_000);
        for blame in [Blame::File, Blame::Line] {
            assert_eq!(next_attempt(blame, 1, None, now), None);
            let waits: Vec<_> = (2..12)
                .map(|failures| next_attempt(blame, failures, None, now))
                .collect();
            assert!(waits.is_sorted(), "{waits:?}");
            assert_eq!(waits[8], waits[9]);
            assert!(waits[9] <= Some(now.plus(HOUR * 24)));
        }
        assert!(next_attempt(Blame::File, 2, None, now) > next_attempt(Blame::Line, 2, None, now));
        assert_eq!(next_attempt(Blame::Nobody, 7, None, now), None);
        assert!(next_attempt(Blame::File, 0, None, now).is_none());
        assert!(next_attempt(Blame::File, u32::MAX, None, now).is_some());
    }

    #[test]
    fn a_host_is_granted_the_wait_that_it_asks_for_up_to_a_day() {
        let now = Timestamp::from_unix_millis(1_000_000);
        let asked = |seconds| {
            let wait = Some(Duration::from_secs(seconds));
            next_attempt(Blame::Line, 1, wait, now)
        };
        assert_eq!(asked(60), Some(now.plus(MINUTE)));
        for endless in [99_999_999_999, u64::MAX] {
            assert_eq!(asked(endless), Some(now.plus(HOUR * 24)));
        }
        let own = next_attempt(Blame::Line, 5, None, now);
        assert_eq!(
            next_attempt(Blame::Line, 5, Some(MINUTE), now),
            own,
            "the longer of the two"
        );
    }
}
