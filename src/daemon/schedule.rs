//! When runs are due. Pure: the time comes in as an argument.

use std::time::Duration;

use chrono::{DateTime, TimeZone};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds};

use crate::model::Timestamp;

/// How often the search may lead astray in a row.
const ASTRAY: usize = 4;
/// Clocks never went back by more hours than these: after them, no time is that of an hour before.
const LONGEST_REPEAT: i64 = 24;

/// When the daemon runs.
#[derive(Debug, Clone)]
pub struct Schedule {
    text: String,
    cron: Cron,
    zone: Tz,
    /// Whether a start is a reason to run.
    pub run_at_start: bool,
    /// The most by which a tick, or the run at the start, is late.
    pub jitter: Duration,
    /// How long after a failed run the next is tried, at first.
    pub retry: Duration,
}

/// A cron line that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("`{line}` is not a cron line")]
pub struct InvalidCron {
    line: String,
    #[source]
    source: croner::errors::CronError,
}

impl Schedule {
    /// Reads a cron line of six fields, seconds first; the day of the month and the day of the week
    /// must both fit. Runs at the start, without jitter, and retries after a minute, unless changed.
    ///
    /// # Errors
    /// If it is no such line.
    pub fn new(line: &str, zone: Tz) -> Result<Self, InvalidCron> {
        let cron = CronParser::builder()
            .seconds(Seconds::Required)
            .dom_and_dow(true)
            .build()
            .parse(line)
            .map_err(|source| InvalidCron {
                line: line.to_owned(),
                source,
            })?;
        Ok(Self {
            text: line.to_owned(),
            cron,
            zone,
            run_at_start: true,
            jitter: Duration::ZERO,
            retry: Duration::from_secs(60),
        })
    }

    pub(super) fn line(&self) -> &str {
        &self.text
    }

    pub(super) fn zone(&self) -> Tz {
        self.zone
    }

    /// Returns the first tick after `now`, in the zone's own hours on either side of a change of the
    /// clocks. `None` if there never is one.
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        // Whole seconds, for the search keeps the fraction that it starts with.
        let mut second = now.unix_millis().div_euclid(1000);
        for _ in 0..ASTRAY {
            let tick = self.found_after(second)?;
            let is_true = self.found_after(tick - 1) == Some(tick);
            second = tick;
            // From the minute before clocks go forward, the search may lead to where they stand then.
            if is_true {
                break;
            }
        }
        Some(Timestamp::from_unix_millis(second.checked_mul(1000)?))
    }

    /// Returns what the search finds after a second, in UNIX seconds.
    fn found_after(&self, second: i64) -> Option<i64> {
        for hours in 0..=LONGEST_REPEAT {
            let from = second.checked_add(hours * 3600)?;
            let local: DateTime<Tz> = self.zone.timestamp_opt(from, 0).single()?;
            let next = self.cron.find_next_occurrence(&local, false).ok()?;
            // In an hour that comes twice, it may find a tick of its first time.
            let again = self.zone.from_local_datetime(&next.naive_local()).latest();
            let found = [Some(next), again].into_iter().flatten();
            let mut ticks = found.map(|tick| tick.timestamp());
            if let Some(tick) = ticks.find(|tick| *tick > second) {
                return Some(tick);
            }
        }
        None
    }

    /// Whether a tick came since the last complete run ended. One that never was is missed, too.
    pub(super) fn is_missed(&self, last_complete: Option<Timestamp>, now: Timestamp) -> bool {
        last_complete.is_none_or(|ended| self.next_after(ended).is_some_and(|tick| tick <= now))
    }

    /// Returns by how much this daemon is late, where `share` (0 to 1) was drawn for it.
    pub(super) fn late_by(&self, share: f64) -> Duration {
        self.jitter.mul_f64(share.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect(text)
    }

    fn schedule(line: &str, zone: Tz) -> Schedule {
        Schedule::new(line, zone).expect(line)
    }

    /// The ticks after `from`, as UTC.
    fn ticks(line: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let schedule = schedule(line, zone);
        let mut now = at(from);
        let mut next = || {
            now = schedule.next_after(now).expect("a tick");
            now.to_string()
        };
        (0..count).map(|_| next()).collect()
    }

    #[test]
    fn a_daily_tick_keeps_its_hour_when_the_clocks_change() {
        // Dublin leaves summer time on 25 October 2026 and enters it on 28 March 2027, both at 01:00 UTC.
        assert_eq!(
            ticks(
                "0 30 9 * * *",
                Tz::Europe__Dublin,
                "2026-10-24T00:00:00Z",
                3
            ),
            [
                "2026-10-24T08:30:00.000Z",
                "2026-10-25T09:30:00.000Z",
                "2026-10-26T09:30:00.000Z"
            ]
        );
        assert_eq!(
            ticks(
                "0 30 9 * * *",
                Tz::Europe__Dublin,
                "2027-03-27T00:00:00Z",
                2
            ),
            ["2027-03-27T09:30:00.000Z", "2027-03-28T08:30:00.000Z"]
        );
        assert_eq!(
            ticks("0 0 3 * * *", Tz::Asia__Tokyo, "2026-11-24T00:00:00Z", 2),
            ["2026-11-24T18:00:00.000Z", "2026-11-25T18:00:00.000Z"]
        );
    }

    #[test]
    fn an_hour_that_does_not_exist_is_not_skipped_with_its_tick_and_never_rings_for_ever() {
        // 01:30 on 28 March 2027 does not exist in Dublin.
        let ticks = ticks(
            "0 30 1 * * *",
            Tz::Europe__Dublin,
            "2027-03-27T12:00:00Z",
            2,
        );
        assert!(ticks[0].starts_with("2027-03-28T"), "{ticks:?}");
        assert!(ticks[1].starts_with("2027-03-29T00:30"), "{ticks:?}");
    }

    #[test]
    fn a_fraction_of_a_second_moves_no_tick() {
        let each_second = schedule("* * * * * *", Tz::UTC);
        for now in ["2026-11-24T00:00:00Z", "2026-11-24T00:00:00.999Z"] {
            assert_eq!(
                each_second.next_after(at(now)),
                Some(at("2026-11-24T00:00:01Z"))
            );
        }
    }

    #[test]
    fn a_tick_since_the_last_complete_run_was_missed() {
        let hourly = schedule("0 7 * * * *", Tz::UTC);
        let now = at("2026-11-24T12:30:00Z");
        for (last, missed) in [
            (None, true),
            (Some("2026-11-24T12:07:10Z"), false),
            (Some("2026-11-24T12:06:59Z"), true),
            (Some("2026-11-23T12:30:00Z"), true),
            // The clock was set back since.
            (Some("2026-11-25T00:00:00Z"), false),
        ] {
            assert_eq!(hourly.is_missed(last.map(at), now), missed, "{last:?}");
        }
    }

    #[test]
    fn a_daemon_is_late_by_its_share_of_the_jitter() {
        let schedule = Schedule {
            jitter: Duration::from_secs(120),
            ..schedule("0 7 * * * *", Tz::UTC)
        };
        assert_eq!(schedule.late_by(0.0), Duration::ZERO);
        assert_eq!(schedule.late_by(0.5), Duration::from_secs(60));
        assert_eq!(schedule.late_by(7.0), Duration::from_secs(120));
    }

    #[test]
    fn an_hour_that_comes_twice_has_no_tick_behind() {
        // Two o'clock for the second time: the clocks went back an hour.
        let now = at("2029-01-14T02:00:00.000Z");
        for (line, next) in [
            ("* * * * * *", "2029-01-14T02:00:01.000Z"),
            ("0 7 * * * *", "2029-01-14T02:07:00.000Z"),
        ] {
            let schedule = schedule(line, Tz::Africa__El_Aaiun);
            assert_eq!(schedule.next_after(now), Some(at(next)), "{line}");
        }
    }

    #[test]
    fn clocks_that_go_forward_make_no_tick() {
        let schedule = schedule("0 30 1 * * SUN", Tz::America__New_York);
        assert_eq!(
            schedule.next_after(at("2024-03-10T06:30:00.000Z")),
            Some(at("2024-03-17T05:30:00.000Z"))
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

        /// Wherever and whenever: the next tick lies ahead, and from its eve it is still the next.
        #[test]
        fn the_next_tick_lies_ahead(
            zone in proptest::sample::select(&chrono_tz::TZ_VARIANTS[..]),
            line in proptest::sample::select(&["* * * * * *", "0 7 * * * *", "0 0 3 * * *", "0 30 1 * * SUN"][..]),
            millis in 1_700_000_000_000_i64..1_900_000_000_000,
        ) {
            let schedule = schedule(line, zone);
            let now = Timestamp::from_unix_millis(millis);
            let next = schedule.next_after(now).expect("a tick");
            prop_assert!(next > now, "{next} after {now}");
            let eve = next.minus(Duration::from_millis(1)).max(now);
            prop_assert_eq!(schedule.next_after(eve), Some(next));
        }
    }
}
