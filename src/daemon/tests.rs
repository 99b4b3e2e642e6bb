//! The loop and the ticks, with time that stands still until it is waited for.

mod living;
mod ticking;

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

use crate::model::Timestamp;

/// 2026-11-24T00:00:00Z.
const MIDNIGHT: i64 = 1_795_478_400_000;

thread_local! {
    /// When the test's clock was started, and what it showed then.
    static CLOCK: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

/// Starts this thread's clock.
fn start_clock(millis: i64) {
    CLOCK.set(Some((Instant::now(), millis)));
}

/// Sets the clock by hand, as a person or NTP does.
fn shift_clock(millis: i64) {
    let (started, shown) = CLOCK.get().expect("a clock");
    CLOCK.set(Some((started, shown + millis)));
}

/// The clock on the wall: it follows the runtime's paused time.
fn clock() -> Timestamp {
    let (started, shown) = CLOCK.get().expect("a clock");
    Timestamp::from_unix_millis(shown).plus(started.elapsed())
}

/// The time since the clock was started.
fn elapsed() -> Duration {
    CLOCK.get().expect("a clock").0.elapsed()
}
