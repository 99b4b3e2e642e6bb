//! The table.

use crate::stats::{Pairs, Spread};

/// One line of the table: what was measured, beside what, and whether that is enough.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    ours: String,
    other: String,
    ratio: String,
    target: String,
    verdict: &'static str,
}

impl Line {
    /// A ratio of pairs, of which the median must be `most` at most. `unit` stands behind the values.
    pub(crate) fn at_most(what: &str, pairs: &Pairs, other: &str, most: f64, unit: &str) -> Self {
        Self {
            what: what.to_owned(),
            ours: format!("{:.2} {unit}", pairs.ours.median()),
            other: format!("{other} {:.2} {unit}", pairs.other.median()),
            ratio: Spread(&pairs.ratio).to_string(),
            target: format!("≤ {most} ×"),
            verdict: met(pairs.ratio.median() <= most),
        }
    }

    /// A ratio of pairs without a target, for the reader's information.
    pub(crate) fn beside(what: &str, pairs: &Pairs, other: &str, unit: &str) -> Self {
        Self {
            verdict: "–",
            target: "none".to_owned(),
            ..Self::at_most(what, pairs, other, f64::INFINITY, unit)
        }
    }

    /// A value that stands alone.
    pub(crate) fn value(what: &str, ours: String, target: &str, is_met: bool) -> Self {
        Self {
            what: what.to_owned(),
            ours,
            other: String::new(),
            ratio: String::new(),
            target: target.to_owned(),
            verdict: met(is_met),
        }
    }

    /// The same line with something else in the ratio's place.
    pub(crate) fn with_ratio(mut self, ratio: String) -> Self {
        self.ratio = ratio;
        self
    }

    /// The same line with something to compare with.
    pub(crate) fn with_other(mut self, other: String) -> Self {
        self.other = other;
        self
    }

    /// A row that cannot be measured here.
    pub(crate) fn skipped(what: &str, why: &str) -> Self {
        Self {
            verdict: "skipped",
            ..Self::broken(what, why)
        }
    }

    /// A row that should have been measured.
    pub(crate) fn broken(what: &str, why: &str) -> Self {
        Self {
            what: what.to_owned(),
            ours: why.replace('\n', " "),
            other: String::new(),
            ratio: String::new(),
            target: String::new(),
            verdict: "BROKEN",
        }
    }

    fn cells(&self) -> [&str; 6] {
        [
            &self.what,
            &self.ours,
            &self.other,
            &self.ratio,
            &self.target,
            self.verdict,
        ]
    }
}

const fn met(is_met: bool) -> &'static str {
    if is_met { "met" } else { "NOT MET" }
}

/// All lines so far.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<Line>);

impl Table {
    /// Adds a line, and prints it: the next one may take minutes.
    pub(crate) fn add(&mut self, line: Line) {
        let cells = line.cells().map(str::trim);
        let told: Vec<&str> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
        eprintln!("   {}", told.join(" · "));
        self.0.push(line);
    }

    pub(crate) fn markdown(&self) -> String {
        let mut text = String::from(
            "| what | ours | peer or floor | ratio: median (least–most) | target | |\n|---|---|---|---|---|---|\n",
        );
        for line in &self.0 {
            let cells = line.cells().map(|cell| cell.replace('|', "\\|"));
            text.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        text
    }
}
