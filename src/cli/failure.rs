//! The one form in which errors reach a person.

use std::error::Error;
use std::fmt::Write;

use tracing::error;

use super::output;
use crate::config::ConfigError;
use crate::daemon::Trouble;
use crate::model::{ExitCode, chain, plain};

/// An error at the edge: with its exit code, and apart from it what can be done.
#[derive(Debug)]
pub(crate) struct Failure {
    /// What the shell sees.
    pub(crate) exit: ExitCode,
    /// What happened, with its chain.
    pub(crate) error: Box<dyn Error + Send + Sync>,
    /// What the operator can do about it.
    pub(crate) hint: Option<String>,
}

impl Failure {
    /// An error without a remedy that is worth a line.
    pub(crate) fn new(exit: ExitCode, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            exit,
            error: error.into(),
            hint: None,
        }
    }

    /// The same with a hint.
    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Prints the failure to stderr and returns its exit code.
    pub(crate) fn report(&self) -> ExitCode {
        output::message(&self.render());
        self.exit
    }

    /// Returns what happened in one line, with its chain: the problems of a configuration, which have lines of their own, too.
    pub(crate) fn line(&self) -> String {
        let text = chain(&*self.error);
        text.lines().map(str::trim).collect::<Vec<_>>().join("; ")
    }

    /// Logs the failure, for a reader that tells an error from other lines by its level. Returns its
    /// exit code.
    pub(crate) fn log(&self) -> ExitCode {
        let text = self.render();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        error!(exit_code = self.exit.code(), "{}", text.trim_end());
        self.exit
    }

    /// Returns what [`Failure::report`] prints.
    pub(crate) fn render(&self) -> String {
        let mut text = format!("error: {}\n", self.error);
        let mut source = self.error.source();
        while let Some(cause) = source {
            // Writing to a String cannot fail.
            let _ok = writeln!(text, "  caused by: {cause}");
            source = cause.source();
        }
        if let Some(hint) = &self.hint {
            let _ok = writeln!(text, "hint: {hint}");
        }
        // Names from outside stand in it; the ends of its lines are its own.
        let lines = text.lines().map(|line| plain(line) + "\n");
        lines.collect()
    }
}

impl From<Trouble> for Failure {
    fn from(Trouble { exit, error, hint }: Trouble) -> Self {
        Self { exit, error, hint }
    }
}

impl From<Failure> for Trouble {
    fn from(Failure { exit, error, hint }: Failure) -> Self {
        Self { exit, error, hint }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        let hint = error.hint();
        Self {
            exit: ExitCode::Usage,
            error: error.into(),
            hint,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn an_error_is_told_once_with_its_chain_and_its_hint() {
        let error = ConfigError::Unreadable {
            path: PathBuf::from("config.toml"),
            source: io::Error::from(io::ErrorKind::PermissionDenied),
        };
        let failure = Failure::from(error);
        assert_eq!(failure.exit, ExitCode::Usage);
        assert_eq!(
            failure.render(),
            "error: cannot read the configuration file `config.toml`\n  \
             caused by: permission denied\n\
             hint: the user that runs this program needs read permission\n"
        );
        let hostile =
            Failure::new(ExitCode::Failed, "gnp.\u{202e}a\u{1b}[2J").with_hint("a\n  b\u{200b}");
        assert_eq!(
            hostile.render(),
            "error: gnp.\u{fffd}a\u{fffd}[2J\nhint: a\n  b\u{fffd}\n"
        );
        let bare = Failure::new(ExitCode::Failed, "something");
        assert_eq!(bare.render(), "error: something\n");
        assert_eq!(
            bare.with_hint("try").render(),
            "error: something\nhint: try\n"
        );
    }
}
