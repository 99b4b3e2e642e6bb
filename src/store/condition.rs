//! The condition of the backup, for monitors: one look, one moment.

use super::values::{count, optional_count};
use super::{Store, StoreError};
use crate::model::condition::{
    Condition, EndedRun, EndedWalk, FileCondition, Rows, ScopeCondition, Wanted,
};
use crate::model::report::HostTransfer;
use crate::model::{Endpoint, Outcome, Scope, Timestamp, WalkVerdict};
use rusqlite::{Connection, OptionalExtension, Params, Row, named_params};

/// What `SELECT` lists for [`ended_run`].
macro_rules! an_ended_run {
    () => {
        "SELECT started_at, finished_at, outcome, exit_code FROM runs "
    };
}

impl Store {
    /// Returns the condition of a backup that is to hold what is `wanted`.
    ///
    /// Counts whole tables: milliseconds for thousands of rows, up to a second for millions.
    pub fn condition(&self, wanted: &Wanted, now: Timestamp) -> Result<Condition, StoreError> {
        self.read("look at the backup's condition", |conn| {
            // All of it as of one moment: a run may be writing. Nothing to commit.
            let tx = conn.unchecked_transaction()?;
            Ok(Condition {
                last_complete: last_complete(&tx, wanted.mark.as_deref())?,
                last_run: one_run(
                    &tx,
                    concat!(
                        an_ended_run!(),
                        "WHERE outcome <> 'running' ORDER BY id DESC LIMIT 1"
                    ),
                    [],
                )?,
                runs: runs(&tx)?,
                walks: walks(&tx, wanted)?,
                files: files(&tx, now)?,
                bodies_owed: bodies(&tx, "owed")?,
                bodies_refused: bodies(&tx, "refused")?,
                endpoints: rows(
                    &tx,
                    "SELECT count(*) - count(deleted_at), count(deleted_at) FROM endpoints",
                )?,
                contents: rows(
                    &tx,
                    "SELECT count(*) - count(deleted_at), count(deleted_at) FROM contents",
                )?,
                media: rows(
                    &tx,
                    "SELECT count(*) - count(deleted_at), count(deleted_at) FROM media",
                )?,
                transfer: transfer(&tx, "%")?,
                transfer_this_month: transfer(&tx, &now.month())?,
                database_bytes: tx.query_row(
                    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                    [],
                    |row| count(row, 0),
                )?,
            })
        })
    }
}

/// A run that was limited to a part proves nothing of the rest, so it does not count, unless the
/// configuration wants no more than that part.
fn last_complete(conn: &Connection, mark: Option<&str>) -> rusqlite::Result<Option<EndedRun>> {
    one_run(
        conn,
        concat!(
            an_ended_run!(),
            "WHERE outcome = 'complete'
               AND (trigger NOT LIKE '%, % only' OR substr(trigger, -length(:mark)) = :mark)
             ORDER BY id DESC LIMIT 1"
        ),
        named_params! { ":mark": mark },
    )
}

fn one_run(
    conn: &Connection,
    sql: &str,
    params: impl Params,
) -> rusqlite::Result<Option<EndedRun>> {
    conn.query_row(sql, params, ended_run).optional()
}

fn ended_run(row: &Row<'_>) -> rusqlite::Result<EndedRun> {
    Ok(EndedRun {
        started_at: row.get(0)?,
        finished_at: row.get(1)?,
        outcome: row.get(2)?,
        exit_code: row.get(3)?,
    })
}

fn runs(conn: &Connection) -> rusqlite::Result<Vec<(Outcome, u64)>> {
    conn.prepare("SELECT outcome, count(*) FROM runs WHERE outcome <> 'running' GROUP BY outcome")?
        .query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))?
        .collect()
}

fn walks(conn: &Connection, wanted: &Wanted) -> rusqlite::Result<Vec<ScopeCondition>> {
    let endpoints: Vec<Endpoint> = match &wanted.endpoints {
        Some(endpoints) => endpoints.clone(),
        None => conn
            .prepare("SELECT endpoint FROM endpoints WHERE deleted_at IS NULL ORDER BY endpoint")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?,
    };
    // Newest runs first, by the primary key: the first few rows have what is asked for.
    let mut last = conn.prepare(
        "SELECT started_at, finished_at, verdict, pages, restarts, max_token_age_ms
         FROM walks WHERE scope = :scope ORDER BY run_id DESC LIMIT 1",
    )?;
    let mut proven = conn.prepare(
        "SELECT started_at FROM walks WHERE scope = :scope AND verdict = 'proven'
         ORDER BY run_id DESC LIMIT 1",
    )?;
    [Scope::Media]
        .into_iter()
        .chain(endpoints.into_iter().map(Scope::Contents))
        .map(|scope| {
            let scope = scope.to_string();
            Ok(ScopeCondition {
                proven_at: proven
                    .query_row(named_params! { ":scope": scope }, |row| row.get(0))
                    .optional()?,
                last: last
                    .query_row(named_params! { ":scope": scope }, ended_walk)
                    .optional()?,
                scope,
            })
        })
        .collect()
}

fn ended_walk(row: &Row<'_>) -> rusqlite::Result<EndedWalk> {
    let verdict: WalkVerdict = row.get(2)?;
    Ok(EndedWalk {
        started_at: row.get(0)?,
        finished_at: row.get(1)?,
        verdict,
        pages: count(row, 3)?,
        restarts: count(row, 4)?,
        max_token_age_ms: optional_count(row, 5)?,
    })
}

fn files(conn: &Connection, now: Timestamp) -> rusqlite::Result<FileCondition> {
    conn.query_row(
        "SELECT count(*) FILTER (WHERE state = 'saved'),
             coalesce(sum(bytes) FILTER (WHERE state = 'saved'), 0),
             count(*) FILTER (WHERE state = 'owed'),
             coalesce(sum(announced_bytes) FILTER (WHERE state = 'owed'), 0),
             count(*) FILTER (WHERE state = 'failed'),
             count(*) FILTER (WHERE state = 'failed' AND next_attempt_at > :now),
             count(*) FILTER (WHERE state = 'gone')
         FROM assets",
        named_params! { ":now": now },
        |row| {
            Ok(FileCondition {
                saved: count(row, 0)?,
                saved_bytes: count(row, 1)?,
                owed: count(row, 2)?,
                owed_bytes: count(row, 3)?,
                failed: count(row, 4)?,
                waiting: count(row, 5)?,
                gone: count(row, 6)?,
            })
        },
    )
}

fn bodies(conn: &Connection, state: &str) -> rusqlite::Result<u64> {
    conn.query_row(
        "SELECT count(*) FROM owed_bodies WHERE state = :state",
        named_params! { ":state": state },
        |row| count(row, 0),
    )
}

fn rows(conn: &Connection, sql: &str) -> rusqlite::Result<Rows> {
    conn.query_row(sql, [], |row| {
        Ok(Rows {
            live: count(row, 0)?,
            deleted: count(row, 1)?,
        })
    })
}

fn transfer(conn: &Connection, month: &str) -> rusqlite::Result<Vec<HostTransfer>> {
    conn.prepare(
        "SELECT host, sum(requests), sum(bytes) FROM transfer WHERE month LIKE :month
         GROUP BY host ORDER BY host",
    )?
    .query_map(named_params! { ":month": month }, |row| {
        Ok(HostTransfer {
            host: row.get(0)?,
            requests: count(row, 1)?,
            bytes: count(row, 2)?,
        })
    })?
    .collect()
}
