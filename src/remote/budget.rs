//! How many requests an API allows in a window, shared by everything that asks it.
//!
//! An exact sliding window: never more than `limit` grants within any `window`. Two lanes share it.
//! The **chain** is the media walk, whose page token dies after 15 seconds: it goes first. A window may
//! be spent in bursts, as the service allows, but while the chain is open every grant leaves it a slot
//! at least every [`PACE`]: spent whole, a window would leave the chain waiting for the next one.
//! **Others** fill the gaps.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How far a grant's stamp may move back in time's favour: a request reaches the service a little
/// after it was granted (a connection may have to be opened first), so the slot counts from then.
const ARRIVAL_SLACK: Duration = Duration::from_millis(250);

/// How long an open chain may wait for a slot: a sixth of its token's life (microcms-facts 1.3), which keeps
/// back three slots of a window. The others may go at once, so a run takes hardly longer than the least that
/// the service's windows allow.
const PACE: Duration = Duration::from_millis(2_500);

/// Granularity of the search for the next moment at which a grant leaves the chain its slots.
const LOOK: Duration = Duration::from_millis(20);

/// Who asks for a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// The media walk: first in the queue.
    Chain,
    /// Everything else.
    Other,
}

/// A shared allowance of requests.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    window: Duration,
    // A std mutex: held for arithmetic only, never across an await.
    state: Mutex<State>,
    // One waiter per lane looks at the state; the others queue here, first come first served.
    chain_turn: tokio::sync::Mutex<()>,
    other_turn: tokio::sync::Mutex<()>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When each grant counts from, oldest first, none older than a window.
    grants: VecDeque<Instant>,
    chain: Chain,
    /// When the chain was granted its last slot.
    chain_granted: Option<Instant>,
    /// Nobody is granted before this.
    paused_until: Option<Instant>,
    /// Others are not granted before this.
    others_paused_until: Option<Instant>,
    waited: Duration,
}

/// What the budget knows of the media walk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Chain {
    /// No walk is under way.
    #[default]
    Closed,
    /// A walk wants its first page: others hold back so that the chain starts with an even window.
    Opening,
    /// All remaining pages fit into what is free now: they go at once, and their slots are kept.
    Short { remaining: usize },
    /// Until the walk ends, every grant leaves it a slot every [`PACE`].
    Paced { is_waiting: bool },
}

/// One granted request.
#[derive(Debug)]
pub(crate) struct Permit<'a> {
    budget: &'a Budget,
    granted: Instant,
}

impl Permit<'_> {
    /// Says that the answer began to arrive: the service has counted the request by now.
    pub(crate) fn answered(self) {
        let counted = Instant::now().min(self.granted + ARRIVAL_SLACK);
        let mut state = self.budget.lock();
        if let Some(slot) = state.grants.iter().position(|at| *at == self.granted) {
            state.grants.remove(slot);
            let place = state.grants.partition_point(|at| *at <= counted);
            state.grants.insert(place, counted);
        }
    }
}

impl Permit<'_> {
    /// Gives the grant back: no connection was opened, so the service has seen nothing.
    pub(crate) fn unused(self) {
        let mut state = self.budget.lock();
        if let Some(slot) = state.grants.iter().position(|at| *at == self.granted) {
            state.grants.remove(slot);
        }
        drop(state);
        self.budget.changed.notify_waiters();
    }
}

impl Budget {
    /// Creates an allowance of `limit` requests in any `window`.
    pub(crate) fn new(limit: usize, window: Duration) -> Self {
        Self {
            limit: limit.max(1),
            window,
            state: Mutex::default(),
            chain_turn: tokio::sync::Mutex::default(),
            other_turn: tokio::sync::Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is plain numbers, whole after every statement: a panic elsewhere spoils nothing.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the chain may wait at most: where less is allowed than a request every [`PACE`], as long as
    /// one takes when they are spread evenly.
    fn pace(&self) -> Duration {
        let even = self.window / u32::try_from(self.limit).unwrap_or(u32::MAX);
        // Rounded up: as many as are allowed must fit into a window.
        PACE.max(even + Duration::from_nanos(1))
    }

    /// Announces a media walk before anything else asks, so that its first page is not queued
    /// behind a burst.
    pub(crate) fn open_chain(&self) {
        let mut state = self.lock();
        state.chain = Chain::Opening;
        state.chain_granted = None;
    }

    /// Says how many pages the walk still needs, after its first page told.
    pub(crate) fn chain_needs(&self, remaining: usize) {
        let mut state = self.lock();
        self.prune(&mut state, Instant::now());
        let free = self.limit.saturating_sub(state.grants.len());
        state.chain = if remaining <= free {
            Chain::Short { remaining }
        } else {
            Chain::Paced { is_waiting: false }
        };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the walk's privileges.
    pub(crate) fn close_chain(&self) {
        self.lock().chain = Chain::Closed;
        self.changed.notify_waiters();
    }

    /// Grants nobody anything for `span` (the service said so), others for at least `others`.
    pub(crate) fn pause(&self, span: Duration, others: Duration) {
        let now = Instant::now();
        let mut state = self.lock();
        state.paused_until = state.paused_until.max(Some(now + span));
        state.others_paused_until = state.others_paused_until.max(Some(now + others));
    }

    /// Returns how long ago each request of the last window was sent.
    pub(crate) fn recent(&self) -> Vec<Duration> {
        let now = Instant::now();
        let mut state = self.lock();
        self.prune(&mut state, now);
        state
            .grants
            .iter()
            .map(|at| now.saturating_duration_since(*at))
            .collect()
    }

    /// Counts requests that were sent before this budget existed, by how long ago that was.
    pub(crate) fn remember(&self, ages: impl IntoIterator<Item = Duration>) {
        let now = Instant::now();
        let mut state = self.lock();
        let old = ages
            .into_iter()
            .filter(|age| *age < self.window)
            .filter_map(|age| now.checked_sub(age));
        state.grants.extend(old);
        state.grants.make_contiguous().sort_unstable();
    }

    /// Returns the time spent waiting for grants so far, added up over all askers.
    pub(crate) fn waited(&self) -> Duration {
        self.lock().waited
    }

    /// Waits until a request may be sent. Cancel-safe: nothing is taken before the grant.
    pub(crate) async fn acquire(&self, lane: Lane) -> Permit<'_> {
        let asked = Instant::now();
        let turn = match lane {
            Lane::Chain => &self.chain_turn,
            Lane::Other => &self.other_turn,
        };
        let _turn = turn.lock().await;
        loop {
            // Registered before the look, so that a change in between is not missed.
            let changed = self.changed.notified();
            let decision = {
                let mut state = self.lock();
                let now = Instant::now();
                let decision = self.decide(&mut state, lane, now);
                if decision == Decision::Now {
                    state.grants.push_back(now);
                    state.waited += now - asked;
                    if lane == Lane::Chain {
                        state.chain_granted = Some(now);
                    }
                    match &mut state.chain {
                        Chain::Short { remaining } if lane == Lane::Chain => {
                            *remaining = remaining.saturating_sub(1);
                        }
                        Chain::Paced { is_waiting } if lane == Lane::Chain => *is_waiting = false,
                        Chain::Closed
                        | Chain::Opening
                        | Chain::Short { .. }
                        | Chain::Paced { .. } => {}
                    }
                }
                decision
            };
            match decision {
                Decision::Now => {
                    self.changed.notify_waiters();
                    let granted = self.lock().grants.back().copied().unwrap_or(asked);
                    return Permit {
                        budget: self,
                        granted,
                    };
                }
                Decision::At(at) => tokio::select! {
                    () = tokio::time::sleep_until(at) => {}
                    () = changed => {}
                },
                Decision::WhenChanged => changed.await,
            }
        }
    }

    fn prune(&self, state: &mut State, now: Instant) {
        while state
            .grants
            .front()
            .is_some_and(|at| *at + self.window <= now)
        {
            state.grants.pop_front();
        }
    }

    /// Decides whether `lane` may be granted now, and if not, when to look again.
    fn decide(&self, state: &mut State, lane: Lane, now: Instant) -> Decision {
        self.prune(state, now);
        let mut at = now.max(state.paused_until.unwrap_or(now));
        if let Some(full) = state.grants.len().checked_sub(self.limit)
            && let Some(oldest) = state.grants.get(full)
        {
            at = at.max(*oldest + self.window);
        }
        match (lane, &mut state.chain) {
            (Lane::Chain, Chain::Opening) => {
                at = self.free_for_chain(&state.grants, at, |at| at + self.pace());
            }
            (Lane::Chain, Chain::Paced { is_waiting }) => {
                *is_waiting = true;
                at = self.free_for_chain(&state.grants, at, |at| at + self.pace());
            }
            (Lane::Other, Chain::Opening) => return Decision::WhenChanged,
            (Lane::Other, Chain::Paced { is_waiting: true }) => return Decision::WhenChanged,
            (Lane::Other, Chain::Paced { is_waiting: false }) => {
                let due = state.chain_granted.map(|granted| granted + self.pace());
                at = self.free_for_chain(&state.grants, at, |at| due.map_or(at, |due| due.max(at)));
            }
            (Lane::Other, Chain::Short { remaining }) => {
                if state.grants.len() + *remaining >= self.limit {
                    return Decision::WhenChanged;
                }
            }
            (Lane::Chain, Chain::Short { .. } | Chain::Closed) | (Lane::Other, Chain::Closed) => {}
        }
        if lane == Lane::Other {
            at = at.max(state.others_paused_until.unwrap_or(at));
        }
        if at <= now {
            Decision::Now
        } else {
            Decision::At(at)
        }
    }

    /// Returns the first moment from `at` on at which a grant leaves the chain a slot every [`Self::pace`],
    /// beginning at `due` of that moment.
    fn free_for_chain(
        &self,
        grants: &VecDeque<Instant>,
        mut at: Instant,
        due: impl Fn(Instant) -> Instant,
    ) -> Instant {
        // A window later everything granted so far has left it: the search ends.
        let last = at + self.window;
        while at < last && !self.leaves_pace(grants, at, due(at)) {
            at += LOOK;
        }
        at
    }

    /// Returns whether, with one more grant at `at`, a chain that takes a slot at `step` and then one every
    /// [`Self::pace`] finds each of them free.
    fn leaves_pace(&self, grants: &VecDeque<Instant>, at: Instant, mut step: Instant) -> bool {
        let mut taken = 0;
        // Once the new grant has left the window, only the chain's own are in it.
        while step < at + self.window {
            let before = grants
                .iter()
                .filter(|grant| **grant + self.window > step)
                .count();
            if before + 1 + taken >= self.limit {
                return false;
            }
            taken += 1;
            step += self.pace();
        }
        true
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decision {
    Now,
    At(Instant),
    WhenChanged,
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(10);

    /// Grants in any window, counted the way a strict service would.
    fn most_in_any_window(grants: &[Instant]) -> usize {
        grants
            .iter()
            .map(|end| {
                grants
                    .iter()
                    .filter(|at| **at <= *end && **at + WINDOW > *end)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    async fn take(budget: &Budget, lane: Lane, log: &Mutex<Vec<Instant>>) {
        budget.acquire(lane).await.answered();
        log.lock().unwrap().push(Instant::now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_granted_at_once_and_the_window_is_never_exceeded() {
        let budget = Budget::new(8, WINDOW);
        let log = Mutex::default();
        let start = Instant::now();
        for _ in 0..20 {
            take(&budget, Lane::Other, &log).await;
        }
        let grants = log.into_inner().unwrap();
        assert_eq!(grants[7], start, "eight fit at once");
        assert_eq!(grants[8] - start, WINDOW);
        assert_eq!(grants[19] - start, WINDOW * 2);
        assert_eq!(most_in_any_window(&grants), 8);
    }

    /// The longest time between two grants of a chain of `pages` whose answers take `answer`, beside others
    /// that push as hard as they can, and the grants of both.
    async fn longest_gap(
        budget: &Budget,
        pages: usize,
        answer: Duration,
    ) -> (Duration, Vec<Instant>) {
        let log = Mutex::default();
        budget.open_chain();
        let pushing = async {
            loop {
                take(budget, Lane::Other, &log).await;
            }
        };
        let chain = async {
            take(budget, Lane::Chain, &log).await;
            let mut last = Instant::now();
            let mut worst = Duration::ZERO;
            tokio::time::sleep(answer).await;
            budget.chain_needs(pages - 1);
            for _ in 1..pages {
                take(budget, Lane::Chain, &log).await;
                worst = worst.max(last.elapsed());
                last = Instant::now();
                tokio::time::sleep(answer).await;
            }
            budget.close_chain();
            worst
        };
        let worst = tokio::select! {
            worst = chain => worst,
            () = pushing => Duration::MAX,
        };
        (worst, log.into_inner().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn an_open_chain_never_waits_longer_than_its_pace_while_others_push() {
        for limit in [1, 2, 3, 4, 8, 10, 60] {
            for answer_ms in [1, 40, 300, 1_700, 2_900] {
                let budget = Budget::new(limit, WINDOW);
                // A burst of others first: the chain must wait until it can keep its pace.
                for _ in 0..limit.min(5) {
                    budget.acquire(Lane::Other).await.answered();
                }
                let answer = Duration::from_millis(answer_ms);
                let (worst, grants) = longest_gap(&budget, 80, answer).await;
                let what = format!("{limit} in 10 s, answers of {answer:?}: {worst:?}");
                // An answer, which comes at its own time, and what the search is exact to.
                assert!(worst <= budget.pace().max(answer) + LOOK * 2, "{what}");
                assert!(most_in_any_window(&grants) <= limit, "{what}");
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_takes_the_least_that_the_windows_allow() {
        for (limit, pages, others) in [(10, 30, 24), (8, 30, 24), (8, 100, 3), (10, 11, 5)] {
            let budget = Budget::new(limit, WINDOW);
            let start = Instant::now();
            let log = Mutex::default();
            take(&budget, Lane::Other, &log).await;
            budget.open_chain();
            let chain = async {
                take(&budget, Lane::Chain, &log).await;
                budget.chain_needs(pages - 1);
                for _ in 1..pages {
                    take(&budget, Lane::Chain, &log).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                budget.close_chain();
            };
            let rest = async {
                for _ in 1..others {
                    take(&budget, Lane::Other, &log).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            };
            tokio::join!(chain, rest);
            let windows = (pages + others - 1) / limit;
            let least = WINDOW * u32::try_from(windows).unwrap();
            let took = start.elapsed();
            assert!(
                took <= least.mul_f64(1.05) + Duration::from_secs(1),
                "{limit}, {pages}, {others}: {took:?} for {least:?}"
            );
            assert!(most_in_any_window(&log.into_inner().unwrap()) <= limit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn others_fill_the_gaps_of_a_slow_chain() {
        let budget = Budget::new(8, WINDOW);
        let log = Mutex::default();
        budget.open_chain();
        let others = async {
            let begun = Instant::now();
            for _ in 0..20 {
                take(&budget, Lane::Other, &log).await;
            }
            begun.elapsed()
        };
        let chain = async {
            take(&budget, Lane::Chain, &log).await;
            budget.chain_needs(20);
            for _ in 0..20 {
                take(&budget, Lane::Chain, &log).await;
                tokio::time::sleep(Duration::from_secs(4)).await;
            }
            budget.close_chain();
        };
        let (took, ()) = tokio::join!(others, chain);
        assert!(took < Duration::from_secs(45), "others starved: {took:?}");
        assert!(most_in_any_window(&log.into_inner().unwrap()) <= 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_short_walk_goes_at_once_and_keeps_its_slots() {
        let budget = Budget::new(8, WINDOW);
        let log = Mutex::default();
        let start = Instant::now();
        budget.open_chain();
        let chain = async {
            take(&budget, Lane::Chain, &log).await;
            budget.chain_needs(5);
            for _ in 0..5 {
                tokio::time::sleep(Duration::from_millis(50)).await;
                take(&budget, Lane::Chain, &log).await;
            }
            budget.close_chain();
            start.elapsed()
        };
        let others = async {
            for _ in 0..10 {
                take(&budget, Lane::Other, &log).await;
            }
        };
        let (took, ()) = tokio::join!(chain, others);
        assert!(took < Duration::from_secs(1), "{took:?}");
        assert!(most_in_any_window(&log.into_inner().unwrap()) <= 8);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_everyone_and_others_longer() {
        let budget = Budget::new(8, WINDOW);
        budget.pause(Duration::from_secs(4), Duration::from_secs(9));
        let start = Instant::now();
        let chain = async {
            budget.acquire(Lane::Chain).await.answered();
            start.elapsed()
        };
        let other = async {
            budget.acquire(Lane::Other).await.answered();
            start.elapsed()
        };
        let (chain, other) = tokio::join!(chain, other);
        assert_eq!(chain, Duration::from_secs(4));
        assert_eq!(other, Duration::from_secs(9));
        assert_eq!(budget.waited(), Duration::from_secs(13));
    }

    #[tokio::test(start_paused = true)]
    async fn what_another_run_asked_just_now_counts() {
        let before = Budget::new(8, WINDOW);
        for _ in 0..8 {
            before.acquire(Lane::Other).await.answered();
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        let budget = Budget::new(8, WINDOW);
        budget.remember(before.recent());
        budget.remember([Duration::from_secs(11)]);
        let start = Instant::now();
        budget.acquire(Lane::Other).await.answered();
        assert_eq!(start.elapsed(), Duration::from_secs(7));
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_first_connection_does_not_let_the_eleventh_in_early() {
        let budget = Budget::new(2, WINDOW);
        let start = Instant::now();
        let first = budget.acquire(Lane::Other).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        first.answered();
        budget.acquire(Lane::Other).await.answered();
        budget.acquire(Lane::Other).await.answered();
        assert_eq!(start.elapsed(), WINDOW + Duration::from_millis(200));
    }
}
