//! The signals that this program hears, and what they ask for.

use std::fs;
use std::io;

use tokio::signal::unix::{self, SignalKind};

use crate::model::ExitCode;

/// A signal that asks the program to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT: a person pressed Ctrl-C.
    Interrupt,
    /// SIGTERM: the system asks.
    Terminate,
    /// SIGHUP, where it asks for that: the terminal is gone.
    Hangup,
}

impl Signal {
    /// The exit code of a run that this signal ended.
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            // Nobody is left to tell the two apart.
            Self::Terminate | Self::Hangup => ExitCode::Terminated,
        }
    }

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::Hangup => "SIGHUP",
        }
    }
}

/// The signals that end a program. From the moment they are opened they no longer kill the
/// process by themselves.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    /// `None`: it means nothing, or something else.
    hangup: Option<unix::Signal>,
}

impl Signals {
    /// Starts to listen. Needs a runtime with IO. SIGHUP is among them, unless whoever started this program made it
    /// ignored, as `nohup` does.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn open() -> io::Result<Self> {
        let hangup = (!is_hangup_ignored()).then(|| unix::signal(SignalKind::hangup()));
        Ok(Self {
            hangup: hangup.transpose()?,
            ..Self::without_hangup()?
        })
    }

    fn without_hangup() -> io::Result<Self> {
        // With somebody who listens, a file beyond the system's limit (`ulimit -f`) is an error of that one file.
        let file_size = SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw());
        drop(unix::signal(file_size)?);
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
            hangup: None,
        })
    }

    /// Waits for the next of them. Nothing is lost if this is dropped while it waits.
    ///
    /// SIGHUP comes from here once: the system and the shell both send it when a terminal is closed, and the second one does not
    /// mean "at once".
    pub async fn next(&mut self) -> Signal {
        let hung_up = async {
            match &mut self.hangup {
                Some(hangup) => hangup.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
            _ = hung_up => {
                // The handler stays, so that the next one does not kill.
                self.hangup = None;
                Signal::Hangup
            }
        }
    }
}

/// Whether this program was started with SIGHUP ignored. Where that cannot be told it counts as ignored: nothing is changed.
fn is_hangup_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    is_hangup_among_ignored(&status)
}

/// Reads a process's status as Linux writes it: its ignored signals are a mask in hex, the first one its lowest bit.
fn is_hangup_among_ignored(status: &str) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_none_or(|mask| mask & 1 != 0)
}

/// What a signal asks of a daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// SIGINT or SIGTERM: end tidily, the second time at once.
    Stop(Signal),
    /// SIGHUP: read the configuration again.
    Reload,
    /// SIGUSR1: run now.
    RunNow,
}

/// Every signal that a daemon hears. From the moment they are opened none of them kills the process
/// by itself.
#[derive(Debug)]
pub struct Calls {
    ends: Signals,
    hangup: unix::Signal,
    user: unix::Signal,
}

impl Calls {
    /// Starts to listen. Needs a runtime with IO.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            ends: Signals::without_hangup()?,
            hangup: unix::signal(SignalKind::hangup())?,
            user: unix::signal(SignalKind::user_defined1())?,
        })
    }

    /// Waits for the next of them. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Call {
        tokio::select! {
            signal = self.ends.next() => Call::Stop(signal),
            _ = self.hangup.recv() => Call::Reload,
            _ = self.user.recv() => Call::RunNow,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hangup_that_is_ignored_stays_so() {
        let with = |mask: &str| {
            format!("SigBlk:\t0000000000000001\nSigIgn:\t{mask}\nSigCgt:\t0000000000000001\n")
        };
        assert!(is_hangup_among_ignored(&with("0000000000001001")));
        assert!(!is_hangup_among_ignored(&with("0000000000001000")));
        assert!(is_hangup_among_ignored(""), "it cannot be told");
    }
}
