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
            let (decision, now) = {
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
                (decision, now)
            };
            match decision {
                Decision::Now => {
                    self.changed.notify_waiters();
                    return Permit {
                        budget: self,
                        granted: now,
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
                    // The walk's next page changes it, or a slot that leaves the window: a page may be long in coming.
                    let Some(oldest) = state.grants.front() else {
                        return Decision::WhenChanged;
                    };
                    at = at.max(*oldest + self.window);
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
mod tests;
