//! The signals that this program hears, and what they ask for.

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
}

impl Signal {
    /// The exit code of a run that this signal ended.
    pub fn exit(self) -> ExitCode {
        match self {
            Self::Interrupt => ExitCode::Interrupted,
            Self::Terminate => ExitCode::Terminated,
        }
    }

    /// The name that people know it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
        }
    }
}

/// The two signals that end a program. From the moment they are opened they no longer kill the
/// process by themselves.
#[derive(Debug)]
pub struct Signals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
}

impl Signals {
    /// Starts to listen. Needs a runtime with IO.
    ///
    /// # Errors
    /// If the handlers cannot be installed.
    pub fn open() -> io::Result<Self> {
        Ok(Self {
            interrupt: unix::signal(SignalKind::interrupt())?,
            terminate: unix::signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next of them. Nothing is lost if this is dropped while it waits.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
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
            ends: Signals::open()?,
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
