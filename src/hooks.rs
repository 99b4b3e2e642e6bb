//! Commands of the operator's own that are run around a run.
//!
//! A hook is a program and its arguments; no shell reads them. It gets an environment without what
//! configures this program, nothing on stdin, and a process group of its own, so that it ends with all
//! that it started. What it says becomes log lines, of bounded length and number.
//!
//! The room knows no run: whoever calls it says what the hook is told and what follows from its end.

use std::fmt;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use tracing::{debug, info};

use crate::model::plain;

/// How long a hook that ran out of time has to end by itself, after SIGTERM.
const LAST_MOMENT: Duration = Duration::from_secs(2);
/// How long a hook may go on once the whole program was asked to end, before SIGTERM and after it.
const STOP_MOMENT: Duration = Duration::from_secs(1);
/// How long is waited for the rest of what a hook said. Only where it left something behind that
/// holds its output open is there ever a wait.
const LAST_WORDS: Duration = Duration::from_millis(500);
/// Of a line so many bytes are logged.
const LONGEST_LINE: usize = 1_000;
/// Of each of its two outputs so many lines.
const MOST_LINES: usize = 100;

/// What a service manager tells this process and nobody else.
const OF_THE_SERVICE: [&str; 11] = [
    "CREDENTIALS_DIRECTORY",
    "FDSTORE",
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// A command to be run.
#[derive(Debug)]
pub struct Hook<'a> {
    /// What people call it: `before`, `after`, `failed`.
    pub name: &'static str,
    /// The program and its arguments.
    pub command: &'a [String],
    /// How long it may take.
    pub timeout: Duration,
    /// Variables that it does not get.
    pub hidden: &'a [String],
    /// Variables that it gets beside those of this process.
    pub told: &'a [(&'static str, String)],
}

/// In which way a hook did not do what it was there for.
#[derive(Debug)]
pub enum HookError {
    /// There is no such program, or it may not be run.
    NotStarted(io::Error),
    /// It ended with another code than 0, or by a signal.
    Failed(ExitStatus),
    /// It did not end in time.
    TimedOut(Duration),
    /// The whole program was asked to end.
    Stopped,
}

impl fmt::Display for HookError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStarted(err) => write!(f, "could not be started: {err}"),
            Self::Failed(status) => match (status.code(), status.signal()) {
                (Some(code), _) => write!(f, "exited with {code}"),
                (None, Some(signal)) => write!(f, "was killed by signal {signal}"),
                (None, None) => write!(f, "ended with {status}"),
            },
            Self::TimedOut(after) => write!(
                f,
                "did not end within {} and was stopped",
                humantime::format_duration(*after)
            ),
            Self::Stopped => write!(f, "was stopped, for the program was asked to end"),
        }
    }
}

/// Runs a hook to its end, or until its time is over, or until a moment after `stopped`. Dropped, it
/// kills what it started.
///
/// # Errors
/// All but an exit with 0. The hook is then gone, and so is what it started.
pub async fn run(hook: &Hook<'_>, stopped: impl Future<Output = ()>) -> Result<(), HookError> {
    let mut child = command(hook).spawn().map_err(HookError::NotStarted)?;
    let mut group = Group::of(&child);
    debug!(hook = hook.name, "hook `{}` runs", hook.name);
    let voices = [
        listen(hook.name, child.stdout.take()),
        listen(hook.name, child.stderr.take()),
    ];
    let ended = tokio::select! {
        biased;
        status = child.wait() => match status.map_err(HookError::NotStarted)? {
            status if status.success() => Ok(()),
            status => Err(HookError::Failed(status)),
        },
        () = tokio::time::sleep(hook.timeout) => Err(HookError::TimedOut(hook.timeout)),
        () = async { stopped.await; tokio::time::sleep(STOP_MOMENT).await } => Err(HookError::Stopped),
    };
    match &ended {
        Ok(()) | Err(HookError::NotStarted(_) | HookError::Failed(_)) => group.leave(),
        Err(HookError::TimedOut(_)) => group.end(&mut child, LAST_MOMENT).await,
        Err(HookError::Stopped) => group.end(&mut child, STOP_MOMENT).await,
    }
    for voice in voices.into_iter().flatten() {
        drop(timeout(LAST_WORDS, voice).await);
    }
    ended
}

fn command(hook: &Hook<'_>) -> Command {
    let mut words = hook.command.iter();
    // The configuration let no empty list pass; an empty name cannot be started, which is said.
    let mut command = Command::new(words.next().map_or("", String::as_str));
    command
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    let hidden = hook.hidden.iter().map(String::as_str);
    for name in hidden.chain(OF_THE_SERVICE) {
        command.env_remove(name);
    }
    for (name, value) in hook.told {
        // A NUL cannot stand in an environment; texts may come from outside.
        command.env(name, value.replace('\0', "\u{fffd}"));
    }
    command
}

/// A hook and what it started.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        Self(id.and_then(Pid::from_raw))
    }

    /// Leaves it to itself: it has ended.
    fn leave(&mut self) {
        self.0 = None;
    }

    /// Asks it to end, and ends it.
    async fn end(&mut self, child: &mut Child, moment: Duration) {
        self.send(Signal::TERM);
        // Whether it ended or not: what it started gets the next signal.
        drop(timeout(moment, child.wait()).await);
        self.send(Signal::KILL);
        self.leave();
        // Nothing withstands that but a disk that hangs.
        drop(timeout(LAST_WORDS, child.wait()).await);
    }

    fn send(&self, signal: Signal) {
        if let Some(group) = self.0
            && let Err(err) = kill_process_group(group, signal)
        {
            // Nobody of it is left.
            debug!("no signal was sent to the hook's group: {err}");
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.send(Signal::KILL);
    }
}

/// Logs what comes, in a task of its own: whoever does not read holds the hook up.
fn listen(
    name: &'static str,
    output: Option<impl AsyncRead + Unpin + Send + 'static>,
) -> Option<AbortOnDropHandle<()>> {
    let output = output?;
    Some(AbortOnDropHandle::new(tokio::spawn(log_lines(
        name, output,
    ))))
}

async fn log_lines(name: &'static str, mut output: impl AsyncRead + Unpin) {
    let mut lines = Lines::default();
    let mut chunk = [0; 4096];
    // An output that cannot be read has said all that it will say.
    while let Ok(length @ 1..) = output.read(&mut chunk).await {
        let read = chunk.get(..length).unwrap_or_default();
        for line in lines.take(read) {
            info!(hook = name, "hook `{name}`: {line}");
        }
    }
    if let Some(line) = lines.rest() {
        info!(hook = name, "hook `{name}`: {line}");
    }
    if let Some(more) = lines.seen.checked_sub(MOST_LINES).filter(|more| *more > 0) {
        info!(
            hook = name,
            "hook `{name}`: {more} more lines were left out"
        );
    }
}

/// Bytes on their way to lines.
#[derive(Debug, Default)]
struct Lines {
    line: Vec<u8>,
    seen: usize,
}

impl Lines {
    /// Takes bytes in and returns the lines that they complete, as far as they are logged.
    fn take(&mut self, bytes: &[u8]) -> Vec<String> {
        let mut found = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                found.extend(self.finish());
            } else if self.line.len() < LONGEST_LINE {
                self.line.push(*byte);
            }
        }
        found
    }

    /// Returns what was said without an end of line.
    fn rest(&mut self) -> Option<String> {
        if self.line.is_empty() {
            return None;
        }
        self.finish()
    }

    fn finish(&mut self) -> Option<String> {
        self.seen += 1;
        let line = std::mem::take(&mut self.line);
        (self.seen <= MOST_LINES).then(|| plain(String::from_utf8_lossy(&line).trim_end()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_whole_plain_and_bounded() {
        let mut lines = Lines::default();
        assert_eq!(lines.take(b"one\ntw"), ["one"]);
        assert_eq!(
            lines.take(b"o\r\n\x1b[31mred\n"),
            ["two", "\u{fffd}[31mred"]
        );
        assert_eq!(lines.rest(), None);
        let long = vec![b'x'; LONGEST_LINE * 3];
        assert_eq!(lines.take(&long), Vec::<String>::new());
        assert_eq!(lines.take(b"\nlast"), ["x".repeat(LONGEST_LINE)]);
        assert_eq!(lines.rest().as_deref(), Some("last"));
        assert_eq!(lines.take("\u{202e}x\n".as_bytes()), ["\u{fffd}x"]);
        let many = "y\n".repeat(MOST_LINES * 2);
        assert_eq!(lines.take(many.as_bytes()).len(), MOST_LINES - 6);
        assert_eq!(lines.seen, MOST_LINES * 2 + 6);
    }
}
