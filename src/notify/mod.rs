//! Being told: a heartbeat in the manner of healthchecks.io and a JSON webhook, sent beside the runs.
//!
//! Nothing here fails or delays a run. A run hands over a text and goes on ([`Teller`]); a task of its
//! own sends it, with a bound on everything: how many wait, how often each is tried, how long that
//! takes. What does not get through is one line of warning.
//!
//! What is said is decided by pure functions (`message`). The URLs are secrets and stand in no text.

mod message;
mod teller;

pub use message::{Ending, When};
pub use teller::{Delivery, RunTag, Targets, Teller};
