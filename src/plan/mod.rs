//! The decisions: pure functions from facts to steps.
//!
//! No socket, file, database, clock, runtime or logger. What is decided here can be printed by a dry
//! run, counted, and tested without a server.

mod asking;
mod attempts;
mod contents;
pub mod difference;
mod guard;
mod hosts;
mod likeness;
mod media;
mod nearest;
mod readable;
mod retention;
mod safety;
mod tamper;
mod verdict;

pub use asking::{Question, Way, is_doubtful, way};
pub use attempts::{Blame, next_attempt};
pub use contents::content_step;
pub use difference::{Became, Difference, difference};
pub use guard::{Finding, examine};
pub use hosts::{Lesson, learn, may_try};
pub use likeness::differing_keys;
pub use media::{Recheck, medium_step, recheck};
pub use nearest::Nearest;
pub use readable::readable;
pub use retention::{Fate, archived_fate, cutoffs, mirrored_fate};
pub use safety::{Evidence, Judgement, found_by_verify, judge};
pub use tamper::{Anchor, LogCheck, VersionCheck, anchor, check_chain};
pub use verdict::{Account, outcome, verdict_line};
