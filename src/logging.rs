//! Where log lines go, how they look, and how much of them there is.
//!
//! Lines go to stderr, so that stdout holds results only. They are text for people or JSON for
//! machines; colours only on a terminal and only if nobody objects. Where bars stand on the same
//! terminal a line lifts them for a moment instead of tearing them. Where stderr is systemd's
//! journal anyway, lines go there by its own protocol, with their level and their fields:
//! `journalctl MICROCMS_OUTCOME=partial`.
//!
//! Field names, the same everywhere (identifiers also stand in the sentence):
//!
//! | field | meaning |
//! |---|---|
//! | `run` | row in `runs` |
//! | `scope` | a walk: `media`, `contents/blog` |
//! | `endpoint`, `content.id`, `media.id`, `asset.path` | what the line is about |
//! | `api` | `management`, `content` or `asset` |
//! | `http.status`, `attempt`, `wait_ms` | one answer, and what follows from it |
//! | `host` | host of a request, with the port where it is not the scheme's own |
//! | `pages`, `bodies`, `files`, `bytes` | progress so far; `….expected` what is known to come |
//! | `contents.seen`, `contents.changed`, `media.seen`, … | counts of one listing |
//! | `elapsed_ms`, `size_bytes` | how long, how much |
//! | `err` | the error with its chain |
//! | `outcome`, `exit_code` | how a run ended |
//!
//! Never logged: keys, draft keys, bodies, query strings, URLs that tokens stand in.
//!
//! The last landmarks are kept in memory, too, for those who are told how a run ended ([`Tail`]).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::MultiProgress;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::model::is_hidden;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Format {
    /// For people: time, level, sentence, fields.
    #[default]
    Text,
    /// For machines: one JSON object a line, fields at its top level.
    Json,
    /// For systemd's journal: level, sentence, fields, each by itself.
    Journal,
}

/// What to log, and how.
#[derive(Debug, Clone)]
pub struct Options {
    /// How a line looks.
    pub format: Format,
    /// How much is said.
    pub level: LevelFilter,
    /// Whether text may be coloured; see [`may_colour`].
    pub colour: bool,
    /// The bars that share the terminal with the lines, if there are any.
    pub bars: Option<MultiProgress>,
    /// What keeps the last lines.
    pub tail: Tail,
}

/// Bytes of the last lines that are kept. A heartbeat's body holds them with room to spare.
const TAIL: usize = 50_000;
/// What hooks print is the operator's own and goes into this log alone, not to those who are told.
const UNTOLD: &str = concat!(env!("CARGO_CRATE_NAME"), "::hooks");

/// The last lines, as text, at the level of landmarks, whatever is written to stderr. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Tail {
    /// The lines, oldest first, and their bytes. A std mutex: held for one line at a time.
    lines: Arc<Mutex<(VecDeque<String>, usize)>>,
}

impl Tail {
    /// Forgets what was said so far: a run begins.
    pub fn begin(&self) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        *lines = (VecDeque::new(), 0);
    }

    /// Returns the lines since then, the last ones if there are many.
    pub fn text(&self) -> String {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.0.iter().map(String::as_str).collect()
    }

    fn push(&self, line: String) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let (kept, bytes) = &mut *lines;
        *bytes += line.len();
        kept.push_back(line);
        while *bytes > TAIL {
            let Some(oldest) = kept.pop_front() else {
                return;
            };
            *bytes -= oldest.len();
        }
    }
}

impl Write for Tail {
    // The layer hands over a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.push(shown(line).into_owned());
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Tail {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

/// Returns how much is said: `-q` warnings, nothing landmarks, `-v` each item, `-vv` each request.
pub fn level(verbose: u8, quiet: bool) -> LevelFilter {
    match (quiet, verbose) {
        (true, _) => LevelFilter::WARN,
        (false, 0) => LevelFilter::INFO,
        (false, 1) => LevelFilter::DEBUG,
        (false, 2..) => LevelFilter::TRACE,
    }
}

/// Whether lines on stderr may be coloured: it is a terminal and nobody set `NO_COLOR`.
pub fn may_colour(no_color: bool) -> bool {
    !no_color && io::stderr().is_terminal()
}

/// Whether stderr is the stream that systemd's journal reads, which `$JOURNAL_STREAM` (`device:inode`)
/// names. It stays set when a shell sends stderr elsewhere, so the numbers are compared.
pub fn is_journal(stream: Option<&str>) -> bool {
    let Some((device, inode)) = stream.and_then(|stream| stream.split_once(':')) else {
        return false;
    };
    let of_stderr = io::stderr()
        .as_fd()
        .try_clone_to_owned()
        .and_then(|stderr| File::from(stderr).metadata());
    of_stderr
        .is_ok_and(|about| device.parse() == Ok(about.dev()) && inode.parse() == Ok(about.ino()))
}

/// Installs the logger for the rest of the process, for `tracing` and for `log`.
///
/// # Errors
/// If one is installed already.
pub fn install(options: &Options) -> Result<(), TryInitError> {
    let writer = Stderr {
        bars: options.bars.clone(),
    };
    subscriber(options, writer).try_init()
}

fn subscriber<W>(options: &Options, writer: W) -> impl Subscriber + Send + Sync + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt::layer()
        .with_writer(Shown(writer))
        // The module helps whoever debugs, and nobody else.
        .with_target(options.level >= LevelFilter::DEBUG)
        // A line that cannot be written is lost. Saying so goes to the same closed stderr, with
        // `eprintln!`, which panics: a daemon must outlive its log.
        .log_internal_errors(false);
    let plain = |lines: fmt::Layer<registry::Registry, _, _, Shown<W>>| {
        lines.with_ansi(options.colour).boxed()
    };
    let lines = match options.format {
        Format::Text => plain(lines),
        // A journal that cannot be reached still reads stderr.
        Format::Journal => journal().unwrap_or_else(|| plain(lines)),
        Format::Json => lines
            .with_ansi(false)
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .boxed(),
    };
    let tail = fmt::layer()
        .with_writer(options.tail.clone())
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false)
        .with_filter(filter(LevelFilter::INFO).with_target(UNTOLD, LevelFilter::WARN));
    registry()
        .with(lines.with_filter(filter(options.level)))
        .with(tail)
}

/// The layer that speaks to the journal; `None` where nobody listens.
fn journal() -> Option<Box<dyn Layer<registry::Registry> + Send + Sync>> {
    let priorities = PriorityMappings {
        info: Priority::Informational,
        debug: Priority::Debug,
        ..PriorityMappings::new()
    };
    let layer = tracing_journald::layer()
        .ok()?
        .with_syslog_identifier(env!("CARGO_PKG_NAME").to_owned())
        // Apart from the journal's own names and those of other programs.
        .with_field_prefix(Some("MICROCMS".to_owned()))
        .with_priority_mappings(priorities);
    Some(layer.boxed())
}

/// Our own lines at the wanted level. Dependencies warn only, however much is asked for: the
/// traces of HTTP libraries hold headers, and those hold the key.
fn filter(level: LevelFilter) -> Targets {
    Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        // Says the same as the error that follows, as an error of its own, once per try.
        .with_target("rustls_platform_verifier", LevelFilter::OFF)
        // Calls it an error when a job that has rung is taken away, which is how it is used here.
        .with_target("tokio_cron_scheduler", LevelFilter::OFF)
        .with_target(env!("CARGO_CRATE_NAME"), level)
}

/// Returns a line in which no name from outside hides or reorders anything. What the formatter puts in, colours and the
/// end of the line, stays; other control characters it has escaped.
fn shown(line: &[u8]) -> Cow<'_, str> {
    let hides = |c: char| is_hidden(c) && !c.is_control();
    let text = String::from_utf8_lossy(line);
    if text.contains(hides) {
        Cow::Owned(text.replace(hides, "\u{fffd}"))
    } else {
        text
    }
}

/// Writes lines as [`shown`] has them.
#[derive(Debug, Clone)]
struct Shown<W>(W);

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Shown<W> {
    type Writer = Shown<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Shown(self.0.make_writer())
    }
}

impl<W: Write> Write for Shown<W> {
    // The layer hands over a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0
            .write_all(shown(line).as_bytes())
            .map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Stderr that lifts the bars while a line is written.
#[derive(Debug, Clone)]
struct Stderr {
    bars: Option<MultiProgress>,
}

impl<'a> MakeWriter<'a> for Stderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self::Writer {
        self.clone()
    }
}

impl Write for Stderr {
    // The layer hands over a whole line at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().lock().write_all(line).map(|()| line.len());
        match &self.bars {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, PoisonError};

    use tracing::{debug, info, trace, warn};

    use super::*;

    /// A place for lines that can be read afterwards.
    #[derive(Clone, Default)]
    struct Paper(Arc<Mutex<Vec<u8>>>);

    impl Write for Paper {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What stands on paper after `say` was logged with these options.
    fn logged(format: Format, level: LevelFilter, colour: bool, say: impl FnOnce()) -> String {
        let paper = Paper::default();
        let options = Options {
            format,
            level,
            colour,
            bars: None,
            tail: Tail::default(),
        };
        let writer = {
            let paper = paper.clone();
            move || paper.clone()
        };
        tracing::subscriber::with_default(subscriber(&options, writer), say);
        let bytes = paper
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        String::from_utf8(bytes).expect("text")
    }

    fn say_all() {
        warn!("w1");
        info!("i1");
        debug!("d1");
        trace!("t1");
        warn!(target: "hyper", "w2");
        info!(target: "hyper", "i2");
        trace!(target: "h2", "t2");
    }

    #[test]
    fn a_name_from_outside_hides_nothing_in_a_line() {
        let said = || {
            warn!(
                name = "写\u{202e}真",
                "no\u{200b} \u{1b}[2Jfile `gnp.\u{202e}a`"
            );
        };
        for format in [Format::Text, Format::Json] {
            let line = logged(format, LevelFilter::INFO, false, said);
            assert!(line.contains("gnp.\u{fffd}a"), "{line}");
            assert!(!line.contains(['\u{202e}', '\u{200b}', '\u{1b}']), "{line}");
            assert_eq!(line.lines().count(), 1, "{line}");
        }
        let mut tail = Tail::default();
        tail.write_all("a\u{202e}b\n".as_bytes()).expect("kept");
        assert_eq!(tail.text(), "a\u{fffd}b\n");
    }

    #[test]
    fn each_level_shows_ours_and_only_the_warnings_of_others() {
        for (verbose, quiet, shown) in [
            (0, true, vec!["w1", "w2"]),
            (0, false, vec!["w1", "i1", "w2"]),
            (1, false, vec!["w1", "i1", "d1", "w2"]),
            (2, false, vec!["w1", "i1", "d1", "t1", "w2"]),
            (9, false, vec!["w1", "i1", "d1", "t1", "w2"]),
        ] {
            let text = logged(Format::Text, level(verbose, quiet), false, say_all);
            let said = ["w1", "i1", "d1", "t1", "w2", "i2", "t2"];
            let found: Vec<&str> = said
                .into_iter()
                .filter(|word| text.contains(word))
                .collect();
            assert_eq!(found, shown, "{verbose} {quiet}: {text}");
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_the_fields_on_top() {
        let say = || info!(endpoint = "blog", contents.seen = 3, "walked `blog`");
        let text = logged(Format::Json, LevelFilter::INFO, true, say);
        let line: serde_json::Value = serde_json::from_str(&text).expect("one JSON object");
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "walked `blog`");
        assert_eq!(line["endpoint"], "blog");
        assert_eq!(line["contents.seen"], 3);
        assert!(
            line["timestamp"]
                .as_str()
                .is_some_and(|time| time.ends_with('Z')),
            "{text}"
        );
    }

    #[test]
    fn stderr_is_the_journal_only_if_the_numbers_are_its_own() {
        let about = io::stderr().as_fd().try_clone_to_owned();
        let about = File::from(about.expect("a handle")).metadata();
        let about = about.expect("a file of some kind");
        let own = format!("{}:{}", about.dev(), about.ino());
        assert!(is_journal(Some(&own)));
        let other = format!("{}:{}", about.dev(), about.ino() + 1);
        for stream in [None, Some(other.as_str()), Some(""), Some("8"), Some("a:b")] {
            assert!(!is_journal(stream), "{stream:?}");
        }
    }

    #[test]
    fn the_tail_has_the_last_landmarks_whatever_is_shown() {
        let tail = Tail::default();
        let options = Options {
            format: Format::Json,
            level: LevelFilter::WARN,
            colour: true,
            bars: None,
            tail: tail.clone(),
        };
        tracing::subscriber::with_default(subscriber(&options, io::sink), || {
            info!("before the run");
            tail.begin();
            say_all();
            info!(target: UNTOLD, "a hook's own words");
        });
        let text = tail.text();
        let words: Vec<&str> = text.split_whitespace().collect();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert_eq!([words[2], words[5], words[8]], ["w1", "i1", "w2"], "{text}");

        for number in 0..10_000 {
            tail.push(format!("line {number}\n"));
        }
        let text = tail.text();
        assert!(text.len() <= TAIL && text.len() > TAIL - 20);
        assert!(text.ends_with("\nline 9999\n"));
    }

    #[test]
    fn colours_come_only_when_they_may() {
        let say = || warn!("w");
        assert!(logged(Format::Text, LevelFilter::INFO, true, say).contains('\u{1b}'));
        assert!(!logged(Format::Text, LevelFilter::INFO, false, say).contains('\u{1b}'));
        assert!(!may_colour(true));
    }
}
