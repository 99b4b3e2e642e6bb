//! The decisions: pure functions from facts to steps.
//!
//! No socket, file, database, clock, runtime or logger. What is decided here can be printed by a dry
//! run, counted, and tested without a server.

mod contents;
mod guard;
mod media;
mod retention;
mod verdict;

pub use contents::content_step;
pub use guard::{Finding, examine};
pub use media::{Recheck, medium_step, recheck};
pub use retention::{Fate, archived_fate, cutoffs, mirrored_fate};
pub use verdict::{Account, outcome, verdict_line};
