//! What proven walks did not list although it is known. A sighting is no mark of deletion.

use super::values::{count, json_array};
use super::{Absent, RunId, Store, StoreError};
use crate::model::{MediaId, Scope, Timestamp};
use rusqlite::types::FromSql;
use rusqlite::{Row, Rows, named_params};

/// One id that proven walks lacked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// The content or medium.
    pub id: String,
    /// How many runs in a row proved that it was not listed, this one included.
    pub proven_walks: u64,
    /// Whether a person confirmed its deletion.
    pub is_confirmed: bool,
}

impl Store {
    /// Records what a proven walk of `run` over `scope` lacked, and returns the standing of each in
    /// the order of their ids: all of it, or nothing.
    ///
    /// To be called after every proven walk, also where nothing is missing: ids that were seen again
    /// are forgotten only here. The count of an id grows once per run, however often this is called;
    /// that of an id which is not in `missing` begins anew. `confirmed` says that a person
    /// allowed these deletions; it holds until the id is forgotten.
    pub fn sight_absences(
        &mut self,
        scope: &Scope,
        run: RunId,
        missing: &[&str],
        confirmed: bool,
        now: Timestamp,
    ) -> Result<Vec<Sighting>, StoreError> {
        let scope = scope.to_string();
        self.write("record what was not listed", |tx| {
            let ids = json_array(missing.iter().copied());
            tx.prepare_cached(
                "DELETE FROM absences WHERE scope = :scope
                     AND id NOT IN (SELECT value FROM json_each(:ids))",
            )?
            .execute(named_params! { ":scope": scope, ":ids": ids })?;
            let mut sight = tx.prepare_cached(
                "INSERT INTO absences (scope, id, first_seen_at, proven_walks, last_run_id, is_confirmed)
                 VALUES (:scope, :id, :now, 1, :run, :confirmed)
                 ON CONFLICT (scope, id) DO UPDATE SET
                     proven_walks = proven_walks + (last_run_id <> :run), last_run_id = :run,
                     is_confirmed = max(is_confirmed, :confirmed)
                 WHERE last_run_id <> :run OR is_confirmed < :confirmed",
            )?;
            for id in missing {
                sight.execute(named_params! {
                    ":scope": scope, ":id": id, ":now": now, ":run": run.get(),
                    ":confirmed": confirmed,
                })?;
            }
            tx.prepare_cached(
                "SELECT id, proven_walks, is_confirmed FROM absences WHERE scope = :scope ORDER BY id",
            )?
            .query_map(named_params! { ":scope": scope }, sighting)?
            .collect()
        })
    }

    /// Calls off the second looks at saved files whose media the proven walk of `run` did not list: all of them, or none.
    /// Returns whose; whether their files are still in the mirror is for the caller to see.
    ///
    /// Their bytes are those of the last version that was listed, and whether the medium is deleted is for the next
    /// walk to say; a host that has the file no more tells nothing new. Where the medium comes back, the look is due as
    /// it was. A file that is owed because its medium changed, or because the mirror lacks it, stays owed.
    pub fn call_off_looks(
        &mut self,
        run: RunId,
        now: Timestamp,
    ) -> Result<Vec<MediaId>, StoreError> {
        self.write("call off looks at files", |tx| {
            tx.prepare_cached(
                "UPDATE assets SET
                     state = 'saved', why = NULL, owed_at = NULL, attempts = 0, last_error = NULL, failed_at = NULL,
                     recheck_at = coalesce(next_attempt_at, :now), next_attempt_at = NULL
                 WHERE media_id IN (SELECT id FROM absences WHERE scope = 'media' AND last_run_id = :run)
                     AND state IN ('owed', 'failed') AND why IN ('recheck', 'asked', 'due')
                     AND sha256 IS NOT NULL
                 RETURNING media_id",
            )?
            .query_map(named_params! { ":run": run.get(), ":now": now }, |row| {
                row.get(0)
            })?
            .collect()
        })
    }

    /// Forgets the sightings of what a walk has seen that proves nothing else: all of them, or none. What is missing has to be
    /// missing in proven walks in a row, and was there in between.
    pub fn forget_sighted(
        &mut self,
        scope: &Scope,
        is_seen: &dyn Fn(&str) -> bool,
    ) -> Result<(), StoreError> {
        let scope = scope.to_string();
        let sighted: Vec<String> = self.read("read what was not listed", |conn| {
            conn.prepare_cached("SELECT id FROM absences WHERE scope = :scope")?
                .query_map(named_params! { ":scope": scope }, |row| row.get(0))?
                .collect()
        })?;
        let seen: Vec<String> = sighted.into_iter().filter(|id| is_seen(id)).collect();
        if seen.is_empty() {
            return Ok(());
        }
        self.write("forget what is listed again", |tx| {
            let ids = json_array(seen.iter().map(String::as_str));
            tx.prepare_cached(
                "DELETE FROM absences WHERE scope = :scope AND id IN (SELECT value FROM json_each(:ids))",
            )?
            .execute(named_params! { ":scope": scope, ":ids": ids })?;
            Ok(())
        })
    }

    /// Returns the standing of what a walk lacked, in the order of their ids, without recording anything:
    /// one that no run has missed yet has none.
    pub fn sightings(&self, scope: &Scope, missing: &[&str]) -> Result<Vec<Sighting>, StoreError> {
        let (scope, ids) = (scope.to_string(), json_array(missing.iter().copied()));
        self.read("read what was not listed", |conn| {
            conn.prepare_cached(
                "SELECT value, ifnull(proven_walks, 0), ifnull(is_confirmed, 0) FROM json_each(:ids)
                 LEFT JOIN absences ON scope = :scope AND absences.id = value ORDER BY value",
            )?
            .query_map(named_params! { ":scope": scope, ":ids": ids }, sighting)?
            .collect()
        })
    }
}

fn sighting(row: &Row<'_>) -> rusqlite::Result<Sighting> {
    Ok(Sighting {
        id: row.get(0)?,
        proven_walks: count(row, 1)?,
        is_confirmed: row.get(2)?,
    })
}

/// Goes through the ids of live rows and keeps those that `is_seen` denies.
pub(super) fn deny<Id: FromSql>(
    mut live_ids: Rows<'_>,
    is_seen: &dyn Fn(&str) -> bool,
) -> rusqlite::Result<Absent<Id>> {
    let mut absent = Absent {
        live: 0,
        missing: Vec::new(),
    };
    while let Some(row) = live_ids.next()? {
        absent.live += 1;
        if !is_seen(row.get_ref(0)?.as_str()?) {
            absent.missing.push(row.get(0)?);
        }
    }
    Ok(absent)
}
