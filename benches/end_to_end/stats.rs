//! Numbers of several repetitions.

use std::fmt;

/// Measured values of one kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let at = |index: usize| sorted.get(index).copied().unwrap_or(f64::NAN);
        if sorted.len() % 2 == 1 {
            at(middle)
        } else {
            f64::midpoint(at(middle.wrapping_sub(1)), at(middle))
        }
    }

    pub(crate) fn least(&self) -> f64 {
        self.0.iter().copied().fold(f64::INFINITY, f64::min)
    }

    pub(crate) fn most(&self) -> f64 {
        self.0.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// One thing measured in turns with another: their values, and the ratio of each pair.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pairs {
    pub(crate) ours: Samples,
    pub(crate) other: Samples,
    pub(crate) ratio: Samples,
}

impl Pairs {
    pub(crate) fn add(&mut self, ours: f64, other: f64) {
        self.ours.add(ours);
        self.other.add(other);
        self.ratio.add(ours / other);
    }
}

/// The median, and from where to where: `1.02 (0.97–1.10)`.
pub(crate) struct Spread<'a>(pub(crate) &'a Samples);

impl fmt::Display for Spread<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2}", self.0.median())?;
        if self.0.0.len() > 1 {
            write!(f, " ({:.2}–{:.2})", self.0.least(), self.0.most())?;
        }
        Ok(())
    }
}
