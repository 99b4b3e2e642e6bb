//! The text form that Prometheus and node_exporter read (version 0.0.4).
//!
//! By hand, since the values are read and not counted here: each scrape is written from [`Facts`]
//! anew. The well-kept crate for Prometheus writes OpenMetrics only, in which node_exporter finds
//! counters without a type.
//!
//! [`Facts`]: super::Facts

use std::fmt::Write;
use std::time::Duration;

use crate::model::Timestamp;

/// What every metric's name begins with.
const PREFIX: &str = "microcms_backup_";

/// Metrics as text.
#[derive(Debug, Default)]
pub(super) struct Text {
    text: String,
    /// A label that every sample has.
    common: Option<(&'static str, String)>,
}

/// A number as text.
pub(super) struct Number(String);

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self(number.to_string())
    }
}

impl From<bool> for Number {
    fn from(is_so: bool) -> Self {
        Self(u8::from(is_so).to_string())
    }
}

impl From<Duration> for Number {
    fn from(span: Duration) -> Self {
        Self(span.as_secs_f64().to_string())
    }
}

impl From<Timestamp> for Number {
    /// Seconds since the UNIX epoch, to the millisecond.
    fn from(at: Timestamp) -> Self {
        let millis = at.unix_millis();
        let sign = if millis < 0 { "-" } else { "" };
        let millis = millis.unsigned_abs();
        Self(format!("{sign}{}.{:03}", millis / 1000, millis % 1000))
    }
}

impl Text {
    /// Begins a text whose samples all have a label.
    pub(super) fn with(label: &'static str, value: &str) -> Self {
        Self {
            text: String::new(),
            common: Some((label, value.to_owned())),
        }
    }

    /// Writes one gauge without labels.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Into<Number>) {
        self.gauges(name, help).put(&[], value);
    }

    /// Begins a gauge with labels.
    pub(super) fn gauges<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, "gauge", help)
    }

    /// Begins a counter; its name ends in `_total`.
    pub(super) fn counters<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, "counter", help)
    }

    /// Writes a histogram: how many were within each limit, the sum, and how many there are.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        within: impl Iterator<Item = (Duration, u64)>,
        sum: Duration,
        count: u64,
    ) {
        let mut family = self.family(name, "histogram", help);
        for (limit, so_far) in within {
            let limit = Number::from(limit).0;
            family.line("_bucket", &[("le", &limit)], so_far);
        }
        family.line("_bucket", &[("le", "+Inf")], count);
        family.line("_sum", &[], sum);
        family.line("_count", &[], count);
    }

    fn family<'a>(&'a mut self, name: &'a str, kind: &'a str, help: &'a str) -> Family<'a> {
        Family {
            text: &mut self.text,
            common: self.common.as_ref(),
            // The one name that is every process's alike.
            prefix: if name.starts_with("process_") {
                ""
            } else {
                PREFIX
            },
            name,
            kind,
            help,
            is_begun: false,
        }
    }

    /// Returns the text.
    pub(super) fn finish(self) -> String {
        self.text
    }
}

/// The samples of one name.
pub(super) struct Family<'a> {
    text: &'a mut String,
    common: Option<&'a (&'static str, String)>,
    prefix: &'static str,
    name: &'a str,
    kind: &'a str,
    help: &'a str,
    /// Its head stands only before a sample.
    is_begun: bool,
}

impl Family<'_> {
    /// Writes a sample.
    pub(super) fn put(&mut self, labels: &[(&str, &str)], value: impl Into<Number>) {
        self.line("", labels, value);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Into<Number>) {
        let Self { prefix, name, .. } = self;
        let mut line = String::new();
        if !std::mem::replace(&mut self.is_begun, true) {
            line += &format!(
                "# HELP {prefix}{name} {}\n# TYPE {prefix}{name} {}\n",
                self.help, self.kind
            );
        }
        line += &format!("{prefix}{name}{suffix}");
        let common = self
            .common
            .map(|(label, value)| (*label, value.as_str()))
            .filter(|(label, _)| labels.iter().all(|(own, _)| own != label));
        let labels: Vec<String> = common
            .iter()
            .chain(labels)
            .map(|(label, value)| format!("{label}=\"{}\"", escaped(value)))
            .collect();
        if !labels.is_empty() {
            // Writing to a String cannot fail.
            let _ok = write!(line, "{{{}}}", labels.join(","));
        }
        let Number(value) = value.into();
        let _ok = writeln!(self.text, "{line} {value}");
    }
}

fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_one_head_and_a_name_without_samples_has_none() {
        let mut text = Text::default();
        text.gauges("nothing", "Nothing.");
        let mut some = text.counters("some_total", "Some.");
        some.put(&[("a", "1"), ("b", "2")], 3);
        some.put(&[("a", "2"), ("b", "2")], 4);
        assert_eq!(
            text.finish(),
            "# HELP microcms_backup_some_total Some.\n\
             # TYPE microcms_backup_some_total counter\n\
             microcms_backup_some_total{a=\"1\",b=\"2\"} 3\n\
             microcms_backup_some_total{a=\"2\",b=\"2\"} 4\n"
        );
    }

    #[test]
    fn a_label_cannot_end_its_quotes_or_its_line() {
        let mut text = Text::default();
        text.gauges("g", "G.").put(&[("host", "a\"} 1\nb\\")], true);
        let text = text.finish();
        let sample = text.lines().last().expect("a line");
        assert_eq!(sample, r#"microcms_backup_g{host="a\"} 1\nb\\"} 1"#);
    }

    #[test]
    fn a_common_label_stands_in_each_sample_once() {
        let mut text = Text::with("service", "blog");
        text.gauge("a", "A.", 1);
        text.gauges("b", "B.").put(&[("c", "d")], 1);
        text.gauges("e", "E.").put(&[("service", "own")], 1);
        let text = text.finish();
        let samples: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            samples,
            [
                r#"microcms_backup_a{service="blog"} 1"#,
                r#"microcms_backup_b{service="blog",c="d"} 1"#,
                r#"microcms_backup_e{service="own"} 1"#,
            ]
        );
    }

    #[test]
    fn times_are_seconds_to_the_millisecond() {
        let at = |millis| Number::from(Timestamp::from_unix_millis(millis)).0;
        assert_eq!(at(1_700_000_000_042), "1700000000.042");
        assert_eq!(at(-1_500), "-1.500");
        assert_eq!(Number::from(Duration::from_millis(1_500)).0, "1.5");
        assert_eq!(Number::from(u64::MAX).0, "18446744073709551615");
    }
}
