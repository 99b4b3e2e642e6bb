//! A long life: schedule, bell, signals, readiness, shutdown.
//!
//! One loop ([`Daemon::serve`]) starts every run, whoever asked: the scheduler, a signal, the start
//! and the retry only ring a bell that holds one ring, so runs never overlap, and however many ticks
//! pass during a run, one run follows. What a run is, and what the configuration says, the loop does
//! not know: it is given a [`Work`].
//!
//! Whoever wants to know what the daemon does reads its [`State`], which can be watched, or follows
//! its [`Event`]s. Neither can hold the loop up.

mod alarm;
mod bell;
mod heart;
mod retry;
mod schedule;
mod serve;
mod signals;
mod state;
mod systemd;
#[cfg(test)]
mod tests;
mod ticks;
mod work;

pub use bell::Trigger;
pub use heart::Heart;
pub use schedule::{InvalidCron, Schedule};
pub use serve::{Daemon, Ending};
pub use signals::{Call, Calls, Signal, Signals};
pub use state::{CurrentRun, Ended, Event, Phase, State, Voice};
pub use work::{Ask, Facts, Running, Trouble, Work};
