//! What was checked, and how it is told.

use serde::Serialize;

use super::super::columns::{WIDTH, pad, wrap};
use crate::model::ExitCode;

/// Columns of the state and of the name.
const STATE: usize = 6;
const NAME: usize = 16;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Works, and should be looked at.
    Warn,
    Fail,
    /// Could not be checked, or was not to be.
    Skip,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skip => "skip",
        }
    }
}

/// What a failure is about: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum About {
    Configuration,
    /// The key, its rights, the plan.
    Key,
    Other,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    name: &'static str,
    state: State,
    about: About,
    text: String,
    /// What helps.
    help: Option<String>,
}

/// The checks in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<Check>);

impl Checks {
    pub(crate) fn ok(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, State::Ok, About::Other, text.into(), None);
    }

    pub(crate) fn skip(&mut self, name: &'static str, text: impl Into<String>) {
        self.add(name, State::Skip, About::Other, text.into(), None);
    }

    pub(crate) fn warn(
        &mut self,
        name: &'static str,
        text: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(name, State::Warn, About::Other, text.into(), help.into());
    }

    pub(crate) fn fail(
        &mut self,
        name: &'static str,
        about: About,
        text: impl Into<String>,
        help: impl Into<Option<String>>,
    ) {
        self.add(name, State::Fail, about, text.into(), help.into());
    }

    fn add(
        &mut self,
        name: &'static str,
        state: State,
        about: About,
        text: String,
        help: Option<String>,
    ) {
        self.0.push(Check {
            name,
            state,
            about,
            text,
            help,
        });
    }

    pub(crate) fn all(&self) -> &[Check] {
        &self.0
    }

    /// The exit code: a configuration that cannot be used keeps everything else from being true, and a
    /// key without its rights needs another person than a full disk does.
    pub(crate) fn exit(&self) -> ExitCode {
        let fails = |about| {
            self.0
                .iter()
                .any(|check| check.state == State::Fail && check.about == about)
        };
        if fails(About::Configuration) {
            ExitCode::Usage
        } else if fails(About::Key) {
            ExitCode::Refused
        } else if fails(About::Other) {
            ExitCode::Failed
        } else {
            ExitCode::Complete
        }
    }

    /// The checks as lines of 80 columns, and a last one that adds them up.
    pub(crate) fn table(&self) -> String {
        let mut lines = Vec::new();
        for check in &self.0 {
            let head = format!(
                "{}{}",
                pad(check.state.word(), STATE),
                pad(check.name, NAME)
            );
            let room = WIDTH - STATE - NAME;
            for (index, line) in wrap(&check.text, room).into_iter().enumerate() {
                let left = if index == 0 { head.as_str() } else { "" };
                lines.push(format!("{}{line}", pad(left, STATE + NAME)));
            }
            let help = check.help.as_deref().map(|help| wrap(help, room - 3));
            for (index, line) in help.into_iter().flatten().enumerate() {
                let arrow = if index == 0 { "-> " } else { "   " };
                lines.push(format!("{}{arrow}{line}", pad("", STATE + NAME)));
            }
        }
        lines.push(self.sum());
        lines.join("\n") + "\n"
    }

    fn sum(&self) -> String {
        let count = |state| self.0.iter().filter(|check| check.state == state).count();
        let counted = |count: usize, word: &str| match count {
            0 => None,
            1 => Some(format!("1 {word}")),
            count => Some(format!("{count} {word}s")),
        };
        let parts: Vec<String> = [
            counted(count(State::Fail), "failure"),
            counted(count(State::Warn), "warning"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if parts.is_empty() {
            "nothing is in the way".to_owned()
        } else {
            parts.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn the_gravest_failure_gives_the_exit_code_and_warnings_give_none() {
        let mut checks = Checks::default();
        checks.ok("key", "there");
        checks.warn("disk", "nearly full", None);
        checks.skip("service", "not asked");
        assert_eq!(checks.exit(), ExitCode::Complete);
        checks.fail("disk", About::Other, "full", None);
        assert_eq!(checks.exit(), ExitCode::Failed);
        checks.fail("right", About::Key, "missing", None);
        assert_eq!(checks.exit(), ExitCode::Refused);
        checks.fail("configuration", About::Configuration, "wrong", None);
        assert_eq!(checks.exit(), ExitCode::Usage);
    }

    #[test]
    fn lines_have_80_columns_and_hostile_words_stay_on_theirs() {
        let mut checks = Checks::default();
        checks.ok("configuration", "config.toml");
        checks.warn(
            "right",
            "料金表の ".repeat(30) + "\u{1b}[2J\nok",
            "do it ".repeat(20),
        );
        checks.fail("disk", About::Other, "full", None);
        let text = checks.table();
        assert!(
            text.starts_with("ok    configuration   config.toml\nwarn  right           料金表の"),
            "{text}"
        );
        assert!(text.contains("\n                      -> do it"), "{text}");
        assert!(
            text.ends_with("FAIL  disk            full\n1 failure, 1 warning\n"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        assert!(!text.contains('\u{1b}'));
        assert_eq!(Checks::default().table(), "nothing is in the way\n");
    }
}
