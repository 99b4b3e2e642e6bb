//! Whether a run is tried again before its next tick, and when. Pure.

use std::time::Duration;

use crate::model::ExitCode;

/// Where nothing at all could be done, such as without a network: at least this often.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60 * 60);
/// Far above any schedule; keeps the doubling from running over.
const LONGEST: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Returns how long to wait before a run is tried again, after `tries` runs in a row that called
/// for it, this one included. `None`: the next tick is soon enough.
///
/// `first` doubles with each try; `share` (0 to 1) takes away up to a fifth, so that those who failed
/// together do not come back together.
pub(super) fn retry_after(
    exit_code: u8,
    tries: u32,
    first: Duration,
    share: f64,
) -> Option<Duration> {
    let most = if exit_code == ExitCode::Failed.code() {
        AT_LEAST_EVERY.max(first)
    } else if exit_code == ExitCode::Partial.code() {
        // What stays owed again and again, such as a file that is gone from its host, is not worth
        // a run every hour for ever: these tries thin out until the ticks overtake them.
        LONGEST
    } else {
        // Done; or a person must act first (configuration, key, guard); or we are asked to stop.
        return None;
    };
    let doubled = first.saturating_mul(2_u32.saturating_pow(tries.saturating_sub(1)));
    Some(doubled.min(most).mul_f64(1.0 - share.clamp(0.0, 1.0) / 5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn minutes(exit: ExitCode, tries: u32) -> Option<u64> {
        retry_after(exit.code(), tries, MINUTE, 0.0).map(|wait| wait.as_secs() / 60)
    }

    #[test]
    fn what_may_pass_by_itself_is_tried_again_and_what_needs_a_person_is_not() {
        use ExitCode::{
            Complete, Difference, Failed, Guard, Interrupted, Locked, Partial, Refused, Terminated,
            Usage,
        };
        for exit in [Failed, Partial] {
            assert_eq!(minutes(exit, 1), Some(1), "{exit:?}");
        }
        for exit in [
            Complete,
            Usage,
            Refused,
            Guard,
            Difference,
            Locked,
            Interrupted,
            Terminated,
        ] {
            assert_eq!(minutes(exit, 1), None, "{exit:?}");
        }
    }

    #[test]
    fn the_wait_doubles_and_an_outage_is_looked_at_every_hour() {
        let waits = |exit| (1..=9).map(move |tries| minutes(exit, tries).expect("a wait"));
        assert!(waits(ExitCode::Failed).eq([1, 2, 4, 8, 16, 32, 60, 60, 60]));
        assert!(waits(ExitCode::Partial).eq([1, 2, 4, 8, 16, 32, 64, 128, 256]));
        for tries in [0, 31, 32, 33, u32::MAX] {
            assert!(minutes(ExitCode::Partial, tries) <= Some(30 * 24 * 60));
        }
    }

    #[test]
    fn a_share_takes_away_at_most_a_fifth() {
        let wait = |share| retry_after(1, 1, MINUTE, share);
        assert_eq!(wait(1.0), Some(Duration::from_secs(48)));
        assert_eq!(wait(0.5), Some(Duration::from_secs(54)));
    }
}
