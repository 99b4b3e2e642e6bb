//! Whether anything is heard of an API at all.
//!
//! One answer that does not come in time may be the question's fault: a page can be too heavy. Where nothing
//! comes, whatever is asked for, patience with each question only adds up.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How many times as long as one answer may take nothing is heard before an API counts as silent.
const TIMES: u32 = 6;

/// When something was heard, and since when nothing is.
#[derive(Debug, Default)]
pub(super) struct Silence(
    // A std mutex: held for a comparison, never across an await.
    Mutex<State>,
);

#[derive(Debug, Default)]
struct State {
    heard: Option<Instant>,
    since: Option<Instant>,
}

impl Silence {
    /// An answer began to come.
    pub(super) fn heard(&self) {
        *self.state() = State {
            heard: Some(Instant::now()),
            since: None,
        };
    }

    /// A question that was asked at `begun` had no answer in time.
    pub(super) fn unheard(&self, begun: Instant) {
        let mut state = self.state();
        // What was asked before and answered late says more than this.
        let from = state.heard.map_or(begun, |heard| heard.max(begun));
        state.since.get_or_insert(from);
    }

    /// Returns whether nothing was heard for six times as long as one answer may take.
    pub(super) fn is_total(&self, timeout: Duration) -> bool {
        let since = self.state().since;
        since.is_some_and(|since| since.elapsed() >= timeout * TIMES)
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_answer_ends_it_whenever_the_others_were_asked_for() {
        let timeout = Duration::from_secs(30);
        let silence = Silence::default();
        let wait = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        assert!(!silence.is_total(timeout));
        let begun = Instant::now();
        wait(30).await;
        silence.unheard(begun);
        wait(149).await;
        assert!(!silence.is_total(timeout));
        wait(1).await;
        assert!(silence.is_total(timeout));

        let begun = Instant::now();
        wait(20).await;
        silence.heard();
        assert!(!silence.is_total(timeout));
        wait(10).await;
        silence.unheard(begun);
        wait(169).await;
        assert!(!silence.is_total(timeout), "counted from what was heard");
        wait(1).await;
        assert!(silence.is_total(timeout));
    }
}
