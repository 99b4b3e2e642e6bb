//! Which instants the history covers, and which one is meant by a run.

use super::values::count;
use super::{Store, StoreError};
use crate::model::Timestamp;
use rusqlite::{OptionalExtension, named_params};

/// What the history covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// When the first run began; `None` before any run. Nothing is known of earlier times.
    pub since: Option<Timestamp>,
    /// History before this is not whole any more: `prune` has removed parts of it. `None`: it is whole.
    pub whole_since: Option<Timestamp>,
    /// How many runs there were.
    pub runs: u64,
}

impl Store {
    /// Returns what the history covers.
    pub fn covered(&self) -> Result<Covered, StoreError> {
        self.read("read what the history covers", |conn| {
            conn.query_row(
                "SELECT min(started_at), count(*),
                     (SELECT max(max(ifnull(superseded_before, ''), ifnull(deleted_before, ''))) FROM prunes
                      WHERE superseded_before IS NOT NULL OR deleted_before IS NOT NULL)
                 FROM runs",
                [],
                |row| {
                    Ok(Covered {
                        since: row.get(0)?,
                        runs: count(row, 1)?,
                        whole_since: row.get(2)?,
                    })
                },
            )
        })
    }

    /// Returns the moment at which a run had done its work; `None` if there was no such run. For one that
    /// is under way that is `now`; for one that never said its end, just before the next one began.
    pub fn end_of_run(&self, run: i64, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read("read when a run ended", |conn| {
            conn.prepare_cached(
                "SELECT coalesce(finished_at,
                     (SELECT strftime('%Y-%m-%dT%H:%M:%fZ', min(next.started_at), '-0.001 seconds')
                      FROM runs AS next WHERE next.id > runs.id),
                     :now)
                 FROM runs WHERE id = :run",
            )?
            .query_row(named_params! { ":run": run, ":now": now }, |row| row.get(0))
            .optional()
        })
    }
}
