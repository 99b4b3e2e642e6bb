//! Health for machines: metrics, findings, and the listener that tells them.
//!
//! Pure functions from [`Facts`] to text, and an HTTP listener that asks a [`Source`] for them. Where
//! facts come from this room does not know. It can hold nothing up: whoever asks too slowly, too much
//! or nonsense loses a connection, and nobody else notices.

mod error;
mod facts;
mod finding;
mod listen;
mod metrics;
#[cfg(test)]
mod tests;
mod text;

pub use error::HealthError;
pub use facts::{Disk, Facts, Life, Phase, RunNow};
pub use finding::{Finding, alive, healthy, ready};
pub use listen::{Listener, Source, serve};
pub use metrics::metrics;
