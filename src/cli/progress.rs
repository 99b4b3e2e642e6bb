//! How far a run is: bars on a terminal, else a log line now and then.
//!
//! Reads the run's [`Tally`] and changes nothing. The numbers are for eyes; what counts stands in
//! the report.

use std::collections::VecDeque;
use std::io::{self, IsTerminal};
use std::time::Duration;

use bytesize::ByteSize;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tracing::info;

use crate::model::Tally;

const BAR_EVERY: Duration = Duration::from_millis(200);
const LINE_EVERY: Duration = Duration::from_secs(30);
/// The rate is that of this last span, so that it follows the line and does not jump.
const RATE_SPAN: Duration = Duration::from_secs(10);

/// A display of progress.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Bars on the terminal.
    Bars(Bars),
    /// A log line, if anything moved.
    Lines(Lines),
}

impl Progress {
    /// Bars if people look at stderr and want them, log lines otherwise (which `-q` hides).
    pub(crate) fn new(wants_bars: bool) -> Self {
        // Hidden bars would cost locks for nothing.
        if wants_bars && io::stderr().is_terminal() {
            Self::Bars(Bars::new(ProgressDrawTarget::stderr()))
        } else {
            Self::Lines(Lines::default())
        }
    }

    /// The bars, for the logger to lift.
    pub(crate) fn bars(&self) -> Option<MultiProgress> {
        match self {
            Self::Bars(bars) => Some(bars.all.clone()),
            Self::Lines(_) => None,
        }
    }

    /// How often to refresh.
    pub(crate) fn every(&self) -> Duration {
        match self {
            Self::Bars(_) => BAR_EVERY,
            Self::Lines(_) => LINE_EVERY,
        }
    }

    /// Shows the numbers as they are `elapsed` after the start.
    pub(crate) fn refresh(&mut self, tally: &Tally, elapsed: Duration) {
        let state = State::of(tally);
        match self {
            Self::Bars(bars) => bars.refresh(&state, elapsed),
            Self::Lines(lines) => {
                if let Some(line) = lines.next(&state, elapsed) {
                    info!(
                        pages = state.pages.done,
                        bodies = state.bodies.done,
                        files = state.files.done,
                        bytes = state.bytes,
                        "{line}"
                    );
                }
            }
        }
    }

    /// Takes the bars away; what comes now is the summary.
    pub(crate) fn finish(&self) {
        match self {
            Self::Bars(bars) => bars.finish(),
            Self::Lines(_) => {}
        }
    }
}

/// One kind of thing that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    done: u64,
    /// At least `done`: a count that moved on before its expectation did is not "12 of 10".
    expected: u64,
}

/// The numbers at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    pages: Part,
    bodies: Part,
    files: Part,
    failed: u64,
    bytes: u64,
}

impl State {
    fn of(tally: &Tally) -> Self {
        let part = |done: u64, expected: u64| Part {
            done,
            expected: expected.max(done),
        };
        let failed = tally.files_failed.get();
        Self {
            pages: part(tally.pages.get(), tally.pages_expected.get()),
            bodies: part(tally.bodies.get(), tally.bodies_expected.get()),
            files: part(tally.files.get(), tally.files_expected.get()),
            failed,
            bytes: tally.bytes.get(),
        }
    }
}

/// The bytes per second of the last ten seconds.
#[derive(Debug, Default)]
struct Pace {
    samples: VecDeque<(Duration, u64)>,
}

impl Pace {
    /// Takes a sample and returns the rate; 0 before there are two.
    fn at(&mut self, elapsed: Duration, bytes: u64) -> u64 {
        self.samples.push_back((elapsed, bytes));
        // The oldest sample that is kept is the last one outside of the span: a display that is
        // refreshed every 30 s still has two.
        while self
            .samples
            .get(1)
            .is_some_and(|(at, _)| *at + RATE_SPAN <= elapsed)
        {
            self.samples.pop_front();
        }
        let Some((since, before)) = self.samples.front() else {
            return 0;
        };
        let span_ms = elapsed.saturating_sub(*since).as_millis().max(1);
        let more = u128::from(bytes.saturating_sub(*before));
        u64::try_from(more * 1000 / span_ms).unwrap_or(u64::MAX)
    }
}

/// The time that the rest takes if it goes on like this; `None` if nothing is left or known.
fn time_left(part: Part, elapsed: Duration) -> Option<Duration> {
    let left = part.expected.saturating_sub(part.done);
    if left == 0 || part.done == 0 {
        return None;
    }
    let ms = elapsed.as_millis().saturating_mul(u128::from(left)) / u128::from(part.done);
    Some(Duration::from_secs(
        u64::try_from(ms / 1000).unwrap_or(u64::MAX),
    ))
}

/// What follows the count of files: failures, bytes, rate, time left.
fn tail(state: &State, rate: u64, elapsed: Duration) -> String {
    let failed = if state.failed == 0 {
        String::new()
    } else {
        format!("{} failed, ", state.failed)
    };
    let left = time_left(state.files, elapsed)
        .map(|left| format!(", about {} left", humantime::format_duration(left)))
        .unwrap_or_default();
    format!(
        "{failed}{} ({}/s){left}",
        ByteSize(state.bytes),
        ByteSize(rate)
    )
}

/// Lines for a log.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    said: Option<State>,
    pace: Pace,
}

impl Lines {
    /// Returns the line to say now; `None` if nothing moved since the last one.
    fn next(&mut self, state: &State, elapsed: Duration) -> Option<String> {
        let rate = self.pace.at(elapsed, state.bytes);
        // The first look is at the very start, when there is nothing to say.
        let before = self.said.replace(*state)?;
        let part = |part: Part, name: &str| format!("{} of {} {name}", part.done, part.expected);
        (before != *state).then(|| {
            format!(
                "so far {}, {}, {}, {}",
                part(state.pages, "pages"),
                part(state.bodies, "bodies"),
                part(state.files, "files"),
                tail(state, rate, elapsed)
            )
        })
    }
}

/// Three bars: pages, bodies, files.
#[derive(Debug)]
pub(crate) struct Bars {
    all: MultiProgress,
    pages: ProgressBar,
    bodies: ProgressBar,
    files: ProgressBar,
    pace: Pace,
}

impl Bars {
    fn new(target: ProgressDrawTarget) -> Self {
        let all = MultiProgress::with_draw_target(target);
        let bar = |name: &'static str| {
            let template = "{prefix:>7} [{bar:24}] {msg}";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_invalid| ProgressStyle::default_bar());
            all.add(
                ProgressBar::new(0)
                    .with_style(style.progress_chars("=> "))
                    .with_prefix(name),
            )
        };
        let (pages, bodies, files) = (bar("pages"), bar("bodies"), bar("files"));
        Self {
            all,
            pages,
            bodies,
            files,
            pace: Pace::default(),
        }
    }

    fn refresh(&mut self, state: &State, elapsed: Duration) {
        let rate = self.pace.at(elapsed, state.bytes);
        for (bar, part, more) in [
            (&self.pages, state.pages, String::new()),
            (&self.bodies, state.bodies, String::new()),
            (&self.files, state.files, tail(state, rate, elapsed)),
        ] {
            // A bar without a length is drawn full, which nothing of nothing is not.
            bar.set_length(part.expected.max(1));
            bar.set_position(part.done);
            bar.set_message(format!("{}/{} {more}", part.done, part.expected));
        }
    }

    fn finish(&self) {
        for bar in [&self.pages, &self.bodies, &self.files] {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use indicatif::TermLike;

    use super::*;

    /// A terminal that remembers what was written since it was last cleared.
    #[derive(Debug, Clone, Default)]
    struct Screen(Arc<Mutex<String>>);

    impl Screen {
        fn with<T>(&self, look: impl FnOnce(&mut String) -> T) -> T {
            look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl TermLike for Screen {
        fn width(&self) -> u16 {
            100
        }

        fn move_cursor_up(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_down(&self, _lines: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_right(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }

        fn move_cursor_left(&self, _columns: usize) -> io::Result<()> {
            Ok(())
        }

        fn write_line(&self, text: &str) -> io::Result<()> {
            self.with(|shown| *shown += text);
            Ok(())
        }

        fn write_str(&self, text: &str) -> io::Result<()> {
            self.with(|shown| *shown += text);
            Ok(())
        }

        fn clear_line(&self) -> io::Result<()> {
            self.with(String::clear);
            Ok(())
        }

        fn flush(&self) -> io::Result<()> {
            Ok(())
        }
    }

    fn tally() -> Tally {
        let tally = Tally::default();
        tally.pages.set(3);
        tally.pages_expected.set(10);
        tally.bodies.set(5);
        tally.files.set(20);
        tally.files_expected.set(100);
        tally.bytes.set(10 * 1024 * 1024);
        tally
    }

    const TEN: Duration = Duration::from_secs(10);

    #[test]
    fn a_log_line_comes_only_when_something_moved() {
        let mut lines = Lines::default();
        let tally = tally();
        assert_eq!(
            lines.next(&State::of(&Tally::default()), Duration::ZERO),
            None
        );
        assert_eq!(
            lines.next(&State::of(&tally), TEN).as_deref(),
            Some(
                "so far 3 of 10 pages, 5 of 5 bodies, 20 of 100 files, 10.0 MiB (1.0 MiB/s), \
                 about 40s left"
            )
        );
        assert_eq!(lines.next(&State::of(&tally), TEN * 2), None);
        tally.files_failed.add(2);
        let line = lines
            .next(&State::of(&tally), TEN * 3)
            .expect("something moved");
        assert!(
            line.contains("20 of 100 files, 2 failed, 10.0 MiB (0 B/s)"),
            "{line}"
        );
    }

    #[test]
    fn the_rate_is_that_of_the_last_ten_seconds() {
        let mut pace = Pace::default();
        assert_eq!(pace.at(Duration::ZERO, 0), 0);
        for second in 1..=20_u64 {
            assert_eq!(pace.at(Duration::from_secs(second), second * 1000), 1000);
        }
        // Then nothing more comes: after ten seconds the rate is zero, and memory stays small.
        for second in 21..=31 {
            pace.at(Duration::from_secs(second), 20_000);
        }
        assert_eq!(pace.at(Duration::from_secs(32), 20_000), 0);
        assert!(pace.samples.len() <= 12, "{}", pace.samples.len());
        // A display that is refreshed every 30 s has a rate, too.
        assert_eq!(pace.at(Duration::from_secs(62), 50_000), 1000);
    }

    #[test]
    fn the_time_left_is_known_only_between_start_and_end() {
        let left = |done, expected| time_left(Part { done, expected }, TEN);
        assert_eq!(left(0, 10), None);
        assert_eq!(left(10, 10), None);
        assert_eq!(left(5, 10), Some(TEN));
        assert_eq!(left(1, u64::MAX), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn bars_show_the_numbers_and_leave_nothing_behind() {
        let screen = Screen::default();
        let mut bars = Bars::new(ProgressDrawTarget::term_like(Box::new(screen.clone())));
        bars.refresh(&State::of(&Tally::default()), Duration::ZERO);
        bars.files.force_draw();
        let empty = format!("files [{}] 0/0 0 B (0 B/s)", " ".repeat(24));
        assert!(screen.with(|shown| shown.contains(&empty)), "{screen:?}");
        bars.refresh(&State::of(&tally()), TEN);
        bars.files.force_draw();
        let shown = screen.with(|shown| shown.clone());
        for words in [
            "pages [",
            "] 3/10",
            "] 5/5",
            "20/100 10.0 MiB (1.0 MiB/s), about 40s left",
        ] {
            assert!(shown.contains(words), "{words}: {shown:?}");
        }
        bars.finish();
        assert_eq!(screen.with(|shown| shown.trim().to_owned()), "");
    }

    #[test]
    fn a_count_ahead_of_its_expectation_is_not_more_than_all() {
        let tally = Tally::default();
        tally.pages.set(12);
        tally.pages_expected.set(10);
        assert_eq!(
            State::of(&tally).pages,
            Part {
                done: 12,
                expected: 12
            }
        );
    }
}
