//! The section `[schedule]`: when the daemon runs.

use std::time::Duration;

use chrono::{DateTime, TimeZone, Utc};
use chrono_tz::Tz;
use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds};

use super::checked::Schedule;
use super::raw::Raw;
use super::values;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Parses a time zone by its IANA name.
pub(crate) fn timezone(text: &str) -> Result<Tz, String> {
    let text = text.trim();
    text.parse().map_err(|_why| {
        let nearest = chrono_tz::TZ_VARIANTS
            .iter()
            .map(|zone| (zone.name(), strsim::jaro_winkler(zone.name(), text)))
            .filter(|(_, likeness)| *likeness >= 0.8)
            .max_by(|a, b| a.1.total_cmp(&b.1));
        match nearest {
            Some((name, _)) => format!("`{text}` is not a time zone; did you mean `{name}`?"),
            None => {
                format!("`{text}` is not a time zone; write a name such as `Asia/Tokyo` or `UTC`")
            }
        }
    })
}

/// Parses a cron line of six fields, seconds first, that has a next time in `zone`.
pub(crate) fn cron(text: &str, zone: Tz) -> Result<String, String> {
    let text = text.trim();
    let fields = text.split_whitespace().count();
    if fields != 6 {
        let remedy = if fields == 5 {
            "; put `0 ` before it for the seconds"
        } else {
            ""
        };
        return Err(format!(
            "`{text}` is not a cron line (expected 6 fields, got {fields}){remedy}"
        ));
    }
    let cron = parse(text).map_err(|err| {
        let why = wrong_field(text).unwrap_or_else(|| err.to_string());
        format!("`{text}` is not a cron line: {}", why.trim_end_matches('.'))
    })?;
    // Without a year field the answer is the same for every start, so no clock is needed.
    match cron.find_next_occurrence(&some_day(zone), false) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("`{text}` never happens")),
    }
}

/// The fields of a cron line in their order.
const FIELDS: [&str; 6] = [
    "seconds (0 to 59)",
    "minutes (0 to 59)",
    "hours (0 to 23)",
    "day of the month (1 to 31)",
    "month (1 to 12, or JAN to DEC)",
    "day of the week (0 to 7, or SUN to SAT)",
];

/// Names the field that is wrong by itself. The library does not say which.
fn wrong_field(text: &str) -> Option<String> {
    let (at, field) = text.split_whitespace().enumerate().find(|(at, field)| {
        let alone = |n| if n == *at { *field } else { "*" };
        parse(&(0..FIELDS.len()).map(alone).collect::<Vec<_>>().join(" ")).is_err()
    })?;
    let name = FIELDS.get(at)?;
    Some(format!("`{field}` cannot stand for the {name}"))
}

/// The day of the month and the day of the week must both fit, as the scheduler reads them.
fn parse(text: &str) -> Result<Cron, CronError> {
    CronParser::builder()
        .seconds(Seconds::Required)
        .dom_and_dow(true)
        .build()
        .parse(text)
}

fn some_day(zone: Tz) -> DateTime<Tz> {
    zone.from_utc_datetime(&DateTime::<Utc>::UNIX_EPOCH.naive_utc())
}

/// The shortest time between two of the next ticks of a cron line.
fn shortest_gap(cron: &str, zone: Tz) -> Option<Duration> {
    let cron = parse(cron).ok()?;
    let mut ticks = vec![some_day(zone)];
    // Enough to see every gap of a line that names hours or weekdays.
    while ticks.len() < 32 {
        let Ok(next) = cron.find_next_occurrence(ticks.last()?, false) else {
            break;
        };
        ticks.push(next);
    }
    // The day that it began with is no tick.
    let pairs = ticks.iter().skip(1).zip(ticks.iter().skip(2));
    pairs
        .filter_map(|(one, next)| next.signed_duration_since(one).to_std().ok())
        .min()
}

/// Checks the section.
pub(crate) fn schedule(raw: &mut Raw) -> Schedule {
    let timezone = raw.parsed("schedule.timezone", Tz::Asia__Tokyo, timezone);
    let cron = raw.parsed("schedule.cron", "0 7 * * * *".to_owned(), |text| {
        cron(text, timezone)
    });
    let run_at_start = raw.yes_or_no("schedule.run_at_start", true);
    let jitter = raw.parsed("schedule.jitter", Duration::ZERO, |text| {
        values::duration(text, Duration::ZERO..=DAY)
    });
    let retry = raw.parsed("schedule.retry", Duration::from_secs(60), |text| {
        values::duration(text, Duration::from_secs(1)..=DAY)
    });
    if let Some(gap) = shortest_gap(&cron, timezone).filter(|gap| jitter >= *gap) {
        let text = format!(
            "`{}` must be shorter than the time between two ticks of `schedule.cron`, which is {}",
            humantime::format_duration(jitter),
            humantime::format_duration(gap),
        );
        raw.wrong("schedule.jitter", text, raw.place("schedule.jitter"));
    }
    Schedule {
        cron,
        timezone,
        run_at_start,
        jitter,
        retry,
    }
}

#[cfg(test)]
mod tests {
    use super::super::values::tests::refuses;
    use super::*;

    #[test]
    fn a_zone_is_an_iana_name_and_a_typo_finds_it() {
        assert_eq!(timezone("Asia/Tokyo"), Ok(Tz::Asia__Tokyo));
        assert_eq!(timezone("UTC"), Ok(Tz::UTC));
        refuses(
            timezone,
            &[
                ("Asia/Tokio", "did you mean `Asia/Tokyo`?"),
                ("+09:00", "such as `Asia/Tokyo` or `UTC`"),
            ],
        );
    }

    #[test]
    fn a_cron_line_has_six_fields_and_a_next_time() {
        let cron = |text: &str| cron(text, Tz::Asia__Tokyo);
        for good in [
            "0 7 * * * *",
            "30 */5 8-18 * * MON-FRI",
            "0 0 3 29 2 *",
            "0 0 0 1 * MON",
        ] {
            assert_eq!(cron(good).as_deref(), Ok(good));
        }
        refuses(
            cron,
            &[
                ("* * *", "is not a cron line (expected 6 fields, got 3)"),
                (
                    "7 * * * *",
                    "(expected 6 fields, got 5); put `0 ` before it for the seconds",
                ),
                ("0 7 * * * * 2027", "(expected 6 fields, got 7)"),
                ("@daily", "(expected 6 fields, got 1)"),
                (
                    "0 61 * * * *",
                    "is not a cron line: `61` cannot stand for the minutes (0 to 59)",
                ),
                (
                    "60 0 * * * *",
                    "`60` cannot stand for the seconds (0 to 59)",
                ),
                ("0 7 25 * * *", "`25` cannot stand for the hours (0 to 23)"),
                (
                    "0 7 1 0 * *",
                    "`0` cannot stand for the day of the month (1 to 31)",
                ),
                (
                    "0 7 1 1 MAI *",
                    "`MAI` cannot stand for the month (1 to 12, or JAN to DEC)",
                ),
                (
                    "0 7 1 1 1 8",
                    "`8` cannot stand for the day of the week (0 to 7, or SUN to SAT)",
                ),
                ("0 0 3 31 2 *", "never happens"),
            ],
        );
    }

    #[test]
    fn the_shortest_time_between_ticks_is_found() {
        let gap = |line: &str| shortest_gap(line, Tz::Asia__Tokyo).map(|gap| gap.as_secs());
        for (line, seconds) in [
            ("* * * * * *", 1),
            ("0 7 * * * *", 3600),
            ("0 0 9,10,18 * * *", 3600),
            ("0 0 3 * * *", 86_400),
            ("0 0 3 * * MON,TUE", 86_400),
        ] {
            assert_eq!(gap(line), Some(seconds), "{line}");
        }
    }
}
