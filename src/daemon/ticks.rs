//! The task that rings at each tick.

use std::time::Duration;

use tokio::sync::watch;

use super::bell::{Bell, Trigger};
use super::schedule::Schedule;
use crate::model::Timestamp;

/// Rings at each tick of the schedule, late by this daemon's `share` of the jitter, and says in
/// `next` when that will be. Follows a changed schedule at once. Returns when nobody holds the
/// schedule any more.
///
/// Ticks that passed unseen (the machine slept, the process was stopped, the clock went ahead) become
/// one ring. When the clock goes back, the ticks are those of the new time from the next wake-up on.
/// `wake` waits for up to the span that it is given, and may return early.
pub(super) async fn follow(
    mut schedules: watch::Receiver<Schedule>,
    share: f64,
    clock: impl Fn() -> Timestamp,
    bell: Bell,
    next: watch::Sender<Option<Timestamp>>,
    mut wake: impl AsyncFnMut(&Schedule, Duration),
) {
    loop {
        let schedule = schedules.borrow_and_update().clone();
        let now = clock();
        let Some(due) = schedule.next_after(now) else {
            // The configuration refuses such a line; the next one may be better.
            next.send_replace(None);
            match schedules.changed().await {
                Ok(()) => continue,
                Err(_) => return,
            }
        };
        let late = schedule.late_by(share);
        next.send_replace(Some(due.plus(late)));
        let left = due.since(now).unwrap_or_default();
        tokio::select! {
            () = wake(&schedule, left) => {}
            changed = schedules.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        }
        if clock() >= due {
            tokio::time::sleep(late).await;
            bell.ring(Trigger::Schedule);
        }
    }
}
