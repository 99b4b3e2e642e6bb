//! What the commands that look into the past print on.

use std::cell::RefCell;
use std::io;

use chrono_tz::Tz;
use serde::Serialize;

use super::columns;
use super::failure::Failure;
use super::looking::{local, look};
use super::output;
use crate::config::{Config, Sources};
use crate::model::{ExitCode, Timestamp, is_hidden};
use crate::store::{Store, StoreError};

/// How the answer looks.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
pub(crate) struct Looks {
    /// Print everything as JSON, times in UTC
    #[arg(long)]
    pub(crate) json: bool,

    /// Whether to colour the text; `auto`: on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_enum, value_name = "WHEN", default_value_t = Colour::Auto)]
    pub(crate) color: Colour,
}

/// `--color`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// How text is set: with colours or not, how wide, in whose time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Style {
    colour: bool,
    /// Columns of the terminal; `None` where stdout is none: then nothing is cut.
    width: Option<usize>,
    zone: Tz,
}

/// So many columns of a text say something.
const LEAST: usize = 16;

fn cut(text: &str, room: usize) -> String {
    // Longer than any terminal is wide: what follows would only be made visible to be cut away.
    const MOST: usize = 4_096;
    let start: String = text.chars().take(MOST).collect();
    columns::fit(&visible(&start), room)
}

/// What a piece of text is, which decides about its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ink {
    Added,
    Removed,
    Changed,
    Name,
    Faint,
}

impl Style {
    pub(super) fn new(looks: &Looks, sources: &Sources, config: &Config) -> Self {
        let width = output::terminal_width();
        let colour = match looks.color {
            Colour::Auto => width.is_some() && !sources.no_color(),
            Colour::Always => true,
            Colour::Never => false,
        };
        Self {
            colour,
            width,
            zone: config.schedule.timezone,
        }
    }

    /// Returns `text` in a colour, if there are colours.
    pub(super) fn ink(&self, ink: Ink, text: &str) -> String {
        if !self.colour || text.is_empty() {
            return text.to_owned();
        }
        let code = match ink {
            Ink::Added => "32",
            Ink::Removed => "31",
            Ink::Changed => "33",
            Ink::Name => "1",
            Ink::Faint => "2",
        };
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    }

    /// Returns a text from outside on one line that fits behind `used` columns, with everything visible that
    /// would steer a terminal.
    pub(super) fn line(&self, text: &str, used: usize) -> String {
        match self.width {
            None => visible(text),
            Some(width) => cut(text, width.saturating_sub(used).max(LEAST)),
        }
    }

    /// The same of a title, where other words stand behind it: `before` and `behind` are their columns. Where what is
    /// left would say nothing, the title is whole, and the terminal wraps.
    pub(super) fn title(&self, text: &str, before: usize, behind: usize) -> String {
        let room = |taken| {
            let room = self.width?.checked_sub(taken)?;
            (room >= LEAST).then_some(room)
        };
        match room(before + behind).or_else(|| room(before)) {
            Some(room) => cut(text, room),
            None => visible(text),
        }
    }

    /// Returns a time as the owner's clocks show it, with its offset.
    pub(super) fn time(&self, at: Timestamp) -> String {
        local(at, self.zone)
    }

    /// Returns the zone of the owner's clocks.
    pub(super) fn zone(&self) -> Tz {
        self.zone
    }
}

/// Returns a text on one line in which nothing is hidden: what would move the cursor, reorder the line or
/// not be seen is written as its number.
pub(super) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push('⏎'),
            '\t' => shown.push(' '),
            c if is_hidden(c) => shown.extend(c.escape_unicode()),
            c => shown.push(c),
        }
    }
    shown
}

/// So much is kept before the first of it is printed: an answer that is not longer is printed whole, or not
/// at all.
const KEPT: usize = 256 << 10;
/// And so much from then on.
const PORTION: usize = 64 << 10;

/// The text so far.
#[derive(Debug, Default)]
pub(super) struct Paper {
    text: String,
    has_begun: bool,
    has_left: bool,
    trouble: Option<io::Error>,
}

impl Paper {
    /// Adds a line.
    pub(super) fn line(&mut self, line: &str) {
        self.add(line);
        self.add("\n");
    }

    /// Adds text as it is.
    pub(super) fn add(&mut self, text: &str) {
        if self.is_done() {
            return;
        }
        self.text.push_str(text);
        let most = if self.has_begun { PORTION } else { KEPT };
        if self.text.len() > most {
            self.print();
        }
    }

    /// Adds something as JSON.
    pub(super) fn json(&mut self, value: &impl Serialize) {
        // Strings, numbers and lists: there is nothing in it that JSON cannot say.
        self.add(&serde_json::to_string(value).unwrap_or_default());
    }

    /// Returns whether nobody reads on, so that nothing more need be found out.
    pub(super) fn is_done(&self) -> bool {
        self.has_left || self.trouble.is_some()
    }

    fn print(&mut self) {
        self.has_begun = true;
        match output::part(&self.text) {
            Ok(is_read) => self.has_left |= !is_read,
            Err(err) => self.trouble = Some(err),
        }
        self.text.clear();
    }

    /// Forgets what was added. Returns `false` if some of it was printed.
    fn start_over(&mut self) -> bool {
        self.text.clear();
        !self.has_begun
    }
}

/// Prints what `write` finds in the database; see [`look`]. Returns the number for the shell.
///
/// # Errors
/// As [`look`], what `write` says, and a stdout that cannot be written.
pub(super) fn print(
    config: &Config,
    write: impl Fn(&Store, &mut Paper) -> Result<Result<(), Failure>, StoreError>,
) -> Result<u8, Failure> {
    let paper = RefCell::new(Paper::default());
    let written = look(config, |store| {
        let mut paper = paper.borrow_mut();
        if paper.start_over() {
            return write(store, &mut paper);
        }
        let text = "a run began or ended while this was printed, which is cut off";
        Ok(Err(
            Failure::new(ExitCode::Failed, text).with_hint("ask once more")
        ))
    })?;
    written?;
    let mut paper = paper.into_inner();
    if !paper.is_done() {
        paper.print();
    }
    match paper.trouble {
        None => Ok(ExitCode::Complete.code()),
        Some(err) => Err(Failure::new(
            ExitCode::Failed,
            format!("stdout could not be written: {err}"),
        )),
    }
}

#[cfg(test)]
pub(super) fn style_for_test(colour: bool, width: Option<usize>) -> Style {
    Style {
        colour,
        width,
        zone: chrono_tz::Asia::Tokyo,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_from_outside_steers_the_terminal_or_hides() {
        assert_eq!(
            visible("a\u{1b}[2J\r\u{202e}b\u{200b}\nc\td"),
            "a\\u{1b}[2J\\u{d}\\u{202e}b\\u{200b}⏎c d"
        );
        // Joined emoji and variation selectors are ordinary text.
        assert_eq!(visible("日本語 👨\u{200d}👩"), "日本語 👨\u{200d}👩");
    }

    #[test]
    fn lines_fit_a_terminal_and_are_whole_elsewhere() {
        let long = "料金".repeat(40);
        assert_eq!(style_for_test(false, None).line(&long, 4), long);
        let cut = style_for_test(false, Some(40)).line(&long, 20);
        assert_eq!(cut, format!("{}料…", "料金".repeat(4)));
    }

    #[test]
    fn a_title_has_the_rest_of_its_line_or_is_whole() {
        let title = |width, before, behind| {
            let long = "x".repeat(60);
            let shown = style_for_test(false, width).title(&long, before, behind);
            unicode_width::UnicodeWidthStr::width(&*shown)
        };
        assert_eq!(title(Some(100), 50, 10), 40);
        // What stands behind it wraps before the title says nothing.
        assert_eq!(title(Some(80), 50, 20), 30);
        assert_eq!(title(Some(80), 70, 0), 60);
        assert_eq!(title(Some(80), 90, 0), 60);
        assert_eq!(title(None, 50, 20), 60);
    }

    #[test]
    fn colours_and_times() {
        let at = Timestamp::parse("2026-05-03T15:00:00.123Z").expect("a time");
        let style = style_for_test(true, None);
        assert_eq!(style.time(at), "2026-05-04 00:00:00 +09:00");
        assert_eq!(style.ink(Ink::Added, "x"), "\u{1b}[32mx\u{1b}[0m");
        assert_eq!(style_for_test(false, None).ink(Ink::Added, "x"), "x");
    }
}
