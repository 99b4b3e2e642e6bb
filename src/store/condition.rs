//! The condition of the backup, for monitors: one look, one moment.

use super::counts;
use super::values::{count, json_array, optional_count};
use super::verifications::verify_state;
use super::{Store, StoreError};
use crate::model::backup::RunLine;
use crate::model::condition::{Condition, EndedWalk, FileCondition, Rows, ScopeCondition};
use crate::model::report::HostTransfer;
use crate::model::{Endpoint, Outcome, Scope, Timestamp, WalkVerdict};
use rusqlite::{Connection, OptionalExtension, Row, named_params};

impl Store {
    /// Returns the condition of the backup. `configured` are the APIs that the configuration names, if
    /// it names any.
    ///
    /// Counts by indexes: milliseconds for a hundred thousand rows.
    pub fn condition(
        &self,
        configured: &[Endpoint],
        now: Timestamp,
    ) -> Result<Condition, StoreError> {
        self.read_at_once("look at the backup's condition", |tx| {
            let covers = |run: &RunLine| run.covers(configured);
            let last_complete = newest_run(tx, "outcome = 'complete'", covers)?;
            let since = last_complete.as_ref().map_or(0, |run| run.id);
            let unhealed = format!("exit_code IS NOT NULL AND id > {since}");
            Ok(Condition {
                needs_person: newest_run(tx, &unhealed, |run| run.needs_person() && covers(run))?,
                last_complete,
                last_run: newest_run(tx, "outcome <> 'running'", |_| true)?,
                runs: runs(tx)?,
                walks: walks(tx, configured)?,
                files: files(tx, now)?,
                bodies_owed: bodies(tx, configured, "owed")?,
                bodies_refused: bodies(tx, configured, "refused")?,
                endpoints: endpoints(tx)?,
                contents: counts::contents(tx)?,
                media: counts::media(tx)?,
                transfer: transfer(tx, "%")?,
                transfer_this_month: transfer(tx, &now.month())?,
                database_bytes: tx.query_row(
                    "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                    [],
                    |row| count(row, 0),
                )?,
                verify: verify_state(tx)?,
            })
        })
    }
}

/// Goes back through the runs to the first that will do; in the usual case one or two rows.
fn newest_run(
    conn: &Connection,
    condition: &str,
    will_do: impl Fn(&RunLine) -> bool,
) -> rusqlite::Result<Option<RunLine>> {
    let mut query = conn.prepare(&format!(
        "SELECT id, trigger, started_at, finished_at, outcome, exit_code, error, clock_at
         FROM runs WHERE {condition} ORDER BY id DESC"
    ))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let run = RunLine {
            id: row.get(0)?,
            trigger: row.get(1)?,
            started_at: row.get(2)?,
            clock_at: row.get(7)?,
            finished_at: row.get(3)?,
            outcome: row.get(4)?,
            exit_code: row.get(5)?,
            error: row.get(6)?,
        };
        if will_do(&run) {
            return Ok(Some(run));
        }
    }
    Ok(None)
}

fn runs(conn: &Connection) -> rusqlite::Result<Vec<(Outcome, u64)>> {
    conn.prepare("SELECT outcome, count(*) FROM runs WHERE outcome <> 'running' GROUP BY outcome")?
        .query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))?
        .collect()
}

fn walks(conn: &Connection, configured: &[Endpoint]) -> rusqlite::Result<Vec<ScopeCondition>> {
    let endpoints: Vec<Endpoint> = match configured {
        [_, ..] => configured.to_vec(),
        [] => conn
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
    let files = counts::files(conn, now)?;
    Ok(FileCondition {
        saved: files.state.saved,
        held: files.held,
        held_bytes: files.held_bytes,
        owed: files.state.owed,
        owed_bytes: files.state.owed_bytes,
        failed: files.state.failed,
        waiting: files.waiting,
        gone: files.state.gone,
    })
}

fn bodies(conn: &Connection, configured: &[Endpoint], state: &str) -> rusqlite::Result<u64> {
    let names = json_array(configured.iter().map(Endpoint::as_str));
    conn.query_row(
        "SELECT count(*) FROM owed_bodies
         WHERE state = :state AND (:is_any OR endpoint IN (SELECT value FROM json_each(:names)))",
        named_params! { ":state": state, ":is_any": configured.is_empty(), ":names": names },
        |row| count(row, 0),
    )
}

fn endpoints(conn: &Connection) -> rusqlite::Result<Rows> {
    let sql = "SELECT count(*) - count(deleted_at), count(deleted_at) FROM endpoints";
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
