//! Which instants the history covers, and which one is meant by a run.

use super::snapshot::REDACTED;
use super::values::{count, lenient};
use super::{Store, StoreError};
use crate::model::{CLOCK_STEP, Timestamp};
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
    /// It is a redacted snapshot: bodies that are not here may have been taken out.
    pub is_redacted: bool,
}

impl Store {
    /// Returns what the history covers.
    pub fn covered(&self) -> Result<Covered, StoreError> {
        self.read("read what the history covers", |conn| {
            conn.query_row(
                "SELECT min(started_at), count(*),
                     EXISTS (SELECT 1 FROM meta WHERE key = :redacted),
                     (SELECT max(max(ifnull(superseded_before, ''), ifnull(deleted_before, ''))) FROM prunes
                      WHERE superseded_before IS NOT NULL OR deleted_before IS NOT NULL)
                 FROM runs",
                named_params! { ":redacted": REDACTED },
                |row| {
                    Ok(Covered {
                        since: row.get(0)?,
                        runs: count(row, 1)?,
                        is_redacted: row.get(2)?,
                        whole_since: row.get(3)?,
                    })
                },
            )
        })
    }

    /// Returns the time that it is by what is recorded: `now`, or just after the newest moment of all runs and versions
    /// where that lies ahead of `now` by [`CLOCK_STEP`] at most. So what happened later has a later time, although the
    /// clock went back.
    pub fn present(&self, now: Timestamp) -> Result<Timestamp, StoreError> {
        let newest = self.read("read the newest moment of all", |conn| {
            conn.query_row(
                "SELECT max(newest) FROM (
                     SELECT max(max(started_at, ifnull(finished_at, ''))) AS newest FROM runs
                     UNION ALL SELECT max(valid_from) FROM endpoints
                     UNION ALL SELECT max(valid_from) FROM contents
                     UNION ALL SELECT max(valid_from) FROM media
                     UNION ALL SELECT max(valid_from) FROM assets)",
                [],
                |row| Ok(lenient(row, 0)),
            )
        })?;
        // What somebody wrote there that is no time stops no run.
        Ok(match newest.and_then(|text| Timestamp::parse(&text)) {
            Some(newest) if newest <= now.plus(CLOCK_STEP) => now.after(newest),
            Some(_) | None => now,
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
