//! The month's transfer budget: what may still come before the plan's quota is used up.

use super::RunError;
use crate::model::Timestamp;
use crate::remote::Remote;
use crate::store::StoreHandle;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Below this much left, sizes are asked for before bytes: an answer that is broken off because it does
/// not fit was partly sent, and counts.
const TIGHT: u64 = 64 * 1024 * 1024;
/// After so many answers in a run that were broken off because they do not fit, a file of which nothing tells the length is not
/// asked for: more was sent of each than is counted.
const IN_VAIN: u32 = 16;

/// What `limits.monthly_transfer` leaves. Counts what every host but the Management API sent (that one
/// costs nothing, microcms-facts 3.2), in this run and in the earlier ones of the month.
#[derive(Debug)]
pub(super) struct Quota {
    limit: Option<u64>,
    remote: Arc<Remote>,
    in_vain: AtomicU32,
    // A std mutex: a few additions under it, never held across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// UTC, `2026-11`.
    month: String,
    /// Transferred in this month before the count below.
    before: u64,
    /// What this process had counted when the month began, or the run.
    base: u64,
    /// Announced by hosts and not arrived yet.
    reserved: u64,
}

/// Where the budget stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) month: String,
    pub(super) limit: u64,
    pub(super) spent: u64,
}

impl Quota {
    /// Reads what earlier runs of the month transferred.
    pub(super) async fn open(
        limit: Option<u64>,
        remote: &Arc<Remote>,
        store: &StoreHandle,
        now: Timestamp,
    ) -> Result<Self, RunError> {
        let month = now.month();
        let before = if limit.is_some() {
            let (free, of) = (remote.management_host(), month.clone());
            let hosts = store.call(move |store| store.transfer_of(&of)).await?;
            hosts
                .iter()
                .filter(|entry| entry.host != free)
                .map(|entry| entry.bytes)
                .sum()
        } else {
            0
        };
        Ok(Self {
            limit,
            state: Mutex::new(State {
                month,
                before,
                base: remote.counted_bytes(),
                reserved: 0,
            }),
            remote: Arc::clone(remote),
            in_vain: AtomicU32::new(0),
        })
    }

    /// Notes that a host began to send a file that does not fit.
    pub(super) fn begun_in_vain(&self) {
        self.in_vain.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns whether only files that are known to fit should be asked for.
    pub(super) fn is_wary(&self) -> bool {
        self.in_vain.load(Ordering::Relaxed) >= IN_VAIN
    }

    /// Returns how many bytes may still be asked for; `None`: any number.
    pub(super) fn left(&self, now: Timestamp) -> Option<u64> {
        let limit = self.limit?;
        let state = self.state(now);
        Some(limit.saturating_sub(self.spent_in(&state) + state.reserved))
    }

    /// Returns whether so little is left that a size is worth asking for first.
    pub(super) fn is_tight(&self, now: Timestamp) -> bool {
        self.left(now)
            .zip(self.limit)
            .is_some_and(|(left, limit)| left < TIGHT.max(limit / 20))
    }

    /// Returns where the budget stands, if there is one.
    pub(super) fn account(&self, now: Timestamp) -> Option<Spent> {
        let limit = self.limit?;
        let state = self.state(now);
        Some(Spent {
            month: state.month.clone(),
            limit,
            spent: self.spent_in(&state),
        })
    }

    /// Sets bytes aside that a host has announced. `None`: there is no room for them.
    pub(super) fn reserve(self: &Arc<Self>, bytes: u64, now: Timestamp) -> Option<Reserved> {
        if let Some(limit) = self.limit {
            let mut state = self.state(now);
            let taken = self.spent_in(&state) + state.reserved;
            if taken.saturating_add(bytes) > limit {
                return None;
            }
            state.reserved += bytes;
        }
        Some(Reserved {
            quota: Arc::clone(self),
            left: bytes,
        })
    }

    fn spent_in(&self, state: &State) -> u64 {
        state.before + self.remote.counted_bytes().saturating_sub(state.base)
    }

    fn state(&self, now: Timestamp) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let month = now.month();
        if month != state.month {
            // A new month begins in the middle of a run.
            state.month = month;
            state.before = 0;
            state.base = self.remote.counted_bytes();
        }
        state
    }
}

/// Bytes that are on their way; what did not come is given back when this is dropped.
#[derive(Debug)]
pub(super) struct Reserved {
    quota: Arc<Quota>,
    left: u64,
}

impl Reserved {
    /// Returns whether so many bytes were set aside and did not come yet.
    pub(super) fn has_room_for(&self, bytes: u64) -> bool {
        self.quota.limit.is_none() || self.left >= bytes
    }

    /// Notes bytes that arrived: they are counted as transferred from now on.
    pub(super) fn arrived(&mut self, bytes: u64) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        self.give_back(bytes);
    }

    fn give_back(&self, bytes: u64) {
        if self.quota.limit.is_some() && bytes > 0 {
            let mut state = self
                .quota
                .state
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            state.reserved = state.reserved.saturating_sub(bytes);
        }
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        self.give_back(self.left);
    }
}
