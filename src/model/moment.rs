//! The times that people say: `2026-05-03`, `yesterday`, `2h ago`, a run's number.

use super::Timestamp;
use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeZone};
use chrono_tz::Tz;
use std::time::Duration;

/// What a time that a person named means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// This instant.
    At(Timestamp),
    /// This second, by its beginning. What things looked like *in* it includes what changed in it, as it does for a
    /// day: times are printed to the second, and whoever names one that was printed means what it was printed for.
    Second(Timestamp),
    /// The end of this run (`runs.id`).
    Run(i64),
}

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no time: expected RFC 3339 (`2026-05-03T18:00:00+09:00`), a date (`2026-05-03`), \
     a local time (`2026-05-03 18:00`), `now`, `today`, `yesterday`, a span (`2h ago`) or the number of a run"
)]
pub struct NoMoment {
    /// What was written.
    pub text: String,
}

impl Moment {
    /// Reads a time as people write it.
    ///
    /// - RFC 3339 with a fraction is that instant, and without one that second; an offset may stand apart, as it is printed.
    ///   `2026-05-03 18:00` (seconds may follow) is that second in local time, in `zone`. A
    ///   local time that comes twice, when summer time ends, is the first of the two; one that is left
    ///   out, when it begins, is the moment of the change.
    /// - A date is the last millisecond of that day in `zone`: what things looked like *on* that day
    ///   includes what changed on it. `yesterday` is such a date; `today` is `now`. A day that has not
    ///   ended yet is `now`, too.
    /// - A span and `ago` count back from `now`: `90s ago`, `2h ago`, `1d 12h ago`.
    /// - Digits alone, also behind `run` or `#`, are the number of a run.
    ///
    /// # Errors
    /// [`NoMoment`] for anything else.
    pub fn parse(text: &str, now: Timestamp, zone: Tz) -> Result<Self, NoMoment> {
        let words = text.trim();
        let known = run_number(words)
            .map(Self::Run)
            .or_else(|| instant(&words.to_ascii_lowercase(), now, zone).map(Self::At))
            .or_else(|| written(words, now, zone));
        known.ok_or_else(|| NoMoment {
            text: text.to_owned(),
        })
    }

    /// Returns the last instant that this means, or `now` where that has not come yet; `None` for a run.
    pub fn end(self, now: Timestamp) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Second(second) if second > now => Some(second),
            Self::Second(second) => Some(second.plus(Duration::from_millis(999)).min(now)),
            Self::Run(_) => None,
        }
    }
}

fn run_number(words: &str) -> Option<i64> {
    let digits = words
        .strip_prefix('#')
        .or_else(|| words.strip_prefix("run"))
        .map_or(words, |rest| rest.trim_start_matches([' ', ':', '#']));
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().ok()).flatten()
}

/// Times that count from now.
fn instant(lower: &str, now: Timestamp, zone: Tz) -> Option<Timestamp> {
    match lower {
        "now" | "today" => return Some(now),
        "yesterday" => return end_of(local_date(now, zone)?.pred_opt()?, now, zone),
        _ => {}
    }
    // Months and years differ in length; the library takes averages, which nobody would expect.
    let span: Duration = humantime::parse_duration(lower.strip_suffix("ago")?.trim()).ok()?;
    Some(now.minus(span))
}

/// Times of the calendar.
fn written(words: &str, now: Timestamp, zone: Tz) -> Option<Moment> {
    let apart = || DateTime::parse_from_str(words, "%Y-%m-%d %H:%M:%S%.f %:z").ok();
    let with_offset = DateTime::parse_from_rfc3339(words).ok().or_else(apart);
    if let Some(at) = with_offset {
        let instant = Timestamp::from_unix_millis(at.timestamp_millis());
        return Some(match words.contains('.') {
            true => Moment::At(instant),
            false => Moment::Second(instant),
        });
    }
    if let Ok(date) = NaiveDate::parse_from_str(words, "%Y-%m-%d") {
        return end_of(date, now, zone).map(Moment::At);
    }
    [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(words, form).ok())
    .and_then(|local| instant_of(local, zone))
    .map(Moment::Second)
}

/// Returns the day that it is in `zone`.
fn local_date(now: Timestamp, zone: Tz) -> Option<NaiveDate> {
    let utc = zone.timestamp_millis_opt(now.unix_millis()).single()?;
    Some(utc.date_naive())
}

/// Returns the last millisecond of a day, or `now` where that has not come yet.
fn end_of(date: NaiveDate, now: Timestamp, zone: Tz) -> Option<Timestamp> {
    let next = date.checked_add_days(Days::new(1))?;
    let end = instant_of(next.and_time(NaiveTime::MIN), zone)?.minus(Duration::from_millis(1));
    let has_begun = local_date(now, zone).is_some_and(|today| date <= today);
    Some(if has_begun { end.min(now) } else { end })
}

fn instant_of(local: NaiveDateTime, zone: Tz) -> Option<Timestamp> {
    // Gaps of summer time are an hour nearly everywhere, and never longer than a day.
    (0..=24 * 4).find_map(|quarters| {
        let tried = local.checked_add_signed(chrono::TimeDelta::minutes(15 * quarters))?;
        let found = zone.from_local_datetime(&tried).earliest()?;
        Some(Timestamp::from_unix_millis(found.timestamp_millis()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-05-04T03:30:00.000Z";

    fn read(text: &str, zone: Tz) -> Option<Moment> {
        let now = Timestamp::parse(NOW).expect("a time");
        Moment::parse(text, now, zone).ok()
    }

    fn meant(text: &str, zone: Tz) -> Option<Timestamp> {
        read(text, zone)?.end(Timestamp::parse(NOW)?)
    }

    #[test]
    fn times_are_read_as_people_write_them() {
        let tokyo = chrono_tz::Asia::Tokyo;
        for (text, expected) in [
            ("2026-05-03T18:00:00+09:00", "2026-05-03T09:00:00.999Z"),
            ("2026-05-03T18:00:00.000+09:00", "2026-05-03T09:00:00.000Z"),
            ("2026-05-03T09:00:00.123456Z", "2026-05-03T09:00:00.123Z"),
            // As it is printed.
            ("2026-05-03 18:00:05 +09:00", "2026-05-03T09:00:05.999Z"),
            ("2026-05-03 09:00:05 +00:00", "2026-05-03T09:00:05.999Z"),
            ("2026-05-03 18:00:05.123 +09:00", "2026-05-03T09:00:05.123Z"),
            ("2026-05-03 18:00:05.000 +09:00", "2026-05-03T09:00:05.000Z"),
            (" 2026-05-03 ", "2026-05-03T14:59:59.999Z"),
            ("2026-05-03 18:00", "2026-05-03T09:00:00.999Z"),
            ("2026-05-03T18:00:05", "2026-05-03T09:00:05.999Z"),
            ("2026-05-04T03:30:00Z", NOW),
            ("2026-05-04T03:30:01Z", "2026-05-04T03:30:01.000Z"),
            ("yesterday", "2026-05-03T14:59:59.999Z"),
            ("2026-05-04", NOW),
            ("Today", NOW),
            ("now", NOW),
            // It is 12:30 on the 4th in Tokyo; the 5th has not begun.
            ("2026-05-05", "2026-05-05T14:59:59.999Z"),
            ("2h ago", "2026-05-04T01:30:00.000Z"),
            ("1d 12h ago", "2026-05-02T15:30:00.000Z"),
            ("90S AGO", "2026-05-04T03:28:30.000Z"),
        ] {
            let expected = Timestamp::parse(expected);
            assert_eq!(meant(text, tokyo), expected, "{text}");
        }
    }

    #[test]
    fn digits_are_a_run() {
        for text in ["12", "#12", "run 12", "run:12", "run12", "run #12"] {
            assert_eq!(read(text, Tz::UTC), Some(Moment::Run(12)), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_with_what_is() {
        for text in [
            "",
            "run",
            "-3",
            "tomorrow",
            "2026-13-01",
            "2026-02-30",
            "3 May",
            "ago",
            "2 ago",
            "12x",
        ] {
            assert_eq!(read(text, Tz::UTC), None, "{text}");
        }
        let now = Timestamp::parse(NOW).expect("a time");
        let error = Moment::parse("3 May", now, Tz::UTC).expect_err("no time");
        assert!(error.to_string().contains("`3 May` is no time"), "{error}");
    }

    #[test]
    fn hours_that_come_twice_or_never_have_one_meaning() {
        let berlin = chrono_tz::Europe::Berlin;
        for (text, expected) in [
            ("2026-03-29 02:30", "2026-03-29T01:00:00.999Z"),
            ("2025-10-26 02:30", "2025-10-26T00:30:00.999Z"),
            ("2026-03-29", "2026-03-29T21:59:59.999Z"),
        ] {
            let expected = Timestamp::parse(expected);
            assert_eq!(meant(text, berlin), expected, "{text}");
        }
    }
}
