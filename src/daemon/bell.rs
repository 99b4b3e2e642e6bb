//! The bell: whoever wants a run rings it, and it holds one ring.

use std::fmt;

use tokio::sync::mpsc;

/// Why a run began; the word in `runs.trigger`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// The daemon started.
    Start,
    /// The daemon started and found that a tick was missed, or a run cut off.
    CatchUp,
    /// A tick of the schedule.
    Schedule,
    /// The run before failed or left something owed.
    Retry,
    /// A person asked, by SIGUSR1.
    Signal,
}

impl Trigger {
    /// Returns the word for the database and the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::CatchUp => "catch-up",
            Self::Schedule => "schedule",
            Self::Retry => "retry",
            Self::Signal => "signal",
        }
    }
}

impl fmt::Display for Trigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rope of the bell.
#[derive(Debug, Clone)]
pub(super) struct Bell(mpsc::Sender<Trigger>);

/// Makes a bell. It holds one ring: a second one before the first was heard asks for the same run,
/// and is dropped.
pub(super) fn bell() -> (Bell, mpsc::Receiver<Trigger>) {
    let (rope, rings) = mpsc::channel(1);
    (Bell(rope), rings)
}

impl Bell {
    /// Rings. Never waits.
    pub(super) fn ring(&self, trigger: Trigger) {
        // Full: a run is about to follow anyway. Closed: the daemon ends, and nothing follows.
        self.0.try_send(trigger).unwrap_or_default();
    }
}
