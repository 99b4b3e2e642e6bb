//! What the database says about the backup's state as a whole: read, never written.

use super::assets::LONGEST_WAIT;
use super::counts::{self, next_attempt};
use super::proof::last_proof;
use super::values::count;
use super::verifications::verify_state;
use super::{Store, StoreError};
use crate::model::backup::{
    EndpointState, FAILED_SHOWN, FailedFile, RUNS_LISTED, RunLine, UnprovenWalk, is_left_out,
};
use crate::model::report::{Holdings, HostTransfer};
use crate::model::{BackupState, ContentId, Endpoint, Outcome, Timestamp, WalkVerdict};
use rusqlite::{Connection, ErrorCode, Row, named_params};
use std::collections::BTreeMap;

/// A database up to this size is checked whole by [`Store::check`]: a second or two of reading.
const CHECKED_WHOLE: u64 = 256 << 20;
/// The tables of a larger one that are checked: the small ones, which every run needs first.
const CHECKED_ALWAYS: [&str; 7] = [
    "meta",
    "migrations",
    "endpoints",
    "runs",
    "walks",
    "transfer",
    "owed_bodies",
];

/// What a quick look at the database's own structure found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integrity {
    /// What is wrong, in SQLite's words; empty if nothing is.
    pub findings: Vec<String>,
    /// Whether all of it was looked at, or the small tables only.
    pub is_whole: bool,
}

/// Contents of one API by which to try what a key sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The API.
    pub endpoint: Endpoint,
    /// One that was never published.
    pub draft: Option<ContentId>,
    /// One whose publication ended.
    pub closed: Option<ContentId>,
    /// Whether one is published and has a draft as well.
    pub has_both: bool,
}

impl Store {
    /// Returns where the backup stands, all of it at one moment. `configured` are the APIs that the
    /// configuration names, if it names any: they decide which runs were about everything, and what counts as owed.
    pub fn backup_state(
        &self,
        configured: &[Endpoint],
        now: Timestamp,
    ) -> Result<BackupState, StoreError> {
        self.read_at_once("read where the backup stands", |tx| {
            state(tx, configured, now)
        })
    }

    /// Returns whether the newest run has not ended: if somebody holds the lock, it is under way.
    pub fn has_open_run(&self) -> Result<bool, StoreError> {
        self.read("read how the last run ended", |conn| {
            conn.query_row(
                "SELECT coalesce((SELECT outcome FROM runs ORDER BY id DESC LIMIT 1), '') = 'running'",
                [],
                |row| row.get(0),
            )
        })
    }

    /// Returns for each list API which of its contents can tell what the key sees.
    pub fn samples(&self) -> Result<Vec<Sample>, StoreError> {
        self.read("look for contents in each state", |conn| {
            conn.prepare(
                "SELECT c.endpoint, min(c.id) FILTER (WHERE c.status = 'DRAFT'),
                     min(c.id) FILTER (WHERE c.status = 'CLOSED'),
                     count(*) FILTER (WHERE c.status = 'PUBLISH_AND_DRAFT') > 0
                 FROM contents AS c JOIN endpoints AS e ON e.endpoint = c.endpoint
                 WHERE c.deleted_at IS NULL AND e.deleted_at IS NULL AND e.kind = 'list'
                 GROUP BY c.endpoint ORDER BY c.endpoint",
            )?
            .query_map([], |row| {
                Ok(Sample {
                    endpoint: row.get(0)?,
                    draft: row.get(1)?,
                    closed: row.get(2)?,
                    has_both: row.get(3)?,
                })
            })?
            .collect()
        })
    }

    /// Looks for damage in the structure of the database, without the time that a whole check of a
    /// large one would take.
    pub fn check(&self) -> Result<Integrity, StoreError> {
        self.read("look for damage", |conn| {
            let bytes: i64 = conn.query_row(
                "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
                [],
                |row| row.get(0),
            )?;
            let is_whole = u64::try_from(bytes).is_ok_and(|bytes| bytes <= CHECKED_WHOLE);
            let mut findings = Vec::new();
            if is_whole {
                quick_check(conn, None, &mut findings)?;
            } else {
                for table in CHECKED_ALWAYS {
                    quick_check(conn, Some(table), &mut findings)?;
                }
            }
            Ok(Integrity { findings, is_whole })
        })
    }
}

/// Adds what is wrong with the database or with one of its tables, at most ten things.
fn quick_check(
    conn: &Connection,
    table: Option<&str>,
    findings: &mut Vec<String>,
) -> rusqlite::Result<()> {
    let pragma = match table {
        Some(table) => format!("PRAGMA quick_check({table})"),
        None => "PRAGMA quick_check(10)".to_owned(),
    };
    let checked = conn.prepare(&pragma).and_then(|mut query| {
        let rows = query.query_map([], |row| row.get::<_, String>(0))?;
        rows.take(10).collect::<rusqlite::Result<Vec<_>>>()
    });
    match checked {
        Ok(told) => findings.extend(told.into_iter().filter(|finding| finding != "ok")),
        // Damage that keeps SQLite from going on looking is a finding as well.
        Err(err) if err.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
            findings.push(err.to_string());
        }
        Err(err) => return Err(err),
    }
    Ok(())
}

fn state(
    conn: &Connection,
    configured: &[Endpoint],
    now: Timestamp,
) -> rusqlite::Result<BackupState> {
    let runs = Runs::read(conn, configured)?;
    let unproven = match &runs.last_ended {
        Some(run) => unproven(conn, run.id)?,
        None => Vec::new(),
    };
    let contents = counts::live_contents(conn)?;
    let endpoints = endpoints(conn, configured, &contents)?;
    let files = counts::files(conn, now)?;
    let month = now.month();
    Ok(BackupState {
        schema: conn.pragma_query_value(None, "user_version", |row| row.get(0))?,
        holdings: Holdings {
            endpoints: endpoints.len() as u64,
            // Not over the APIs: a content whose API has no row is a content all the same.
            contents: contents.values().sum(),
            media: counts::media(conn)?.live,
            files: files.held,
            bytes: files.held_bytes,
        },
        runs: runs.newest,
        last_complete: runs.last_complete,
        last_ended: runs.last_ended,
        needs_person: runs.needs_person,
        unproven,
        endpoints,
        files: files.state,
        failed: failed(conn, now)?,
        transfer: transfer(conn, &month)?,
        month,
        mirror_bytes: files.held_bytes,
        archive_bytes: archive_bytes(conn)?,
        proof: last_proof(conn)?,
        verify: verify_state(conn)?,
    })
}

/// The runs that matter.
#[derive(Debug, Default)]
struct Runs {
    newest: Vec<RunLine>,
    last_complete: Option<RunLine>,
    last_ended: Option<RunLine>,
    needs_person: Option<RunLine>,
}

impl Runs {
    /// Goes back through the runs as far as is needed: to the last complete one, in the usual case a
    /// few rows.
    fn read(conn: &Connection, configured: &[Endpoint]) -> rusqlite::Result<Self> {
        let mut found = Self::default();
        let mut query = conn.prepare(
            "SELECT id, trigger, started_at, finished_at, outcome, exit_code, error, clock_at
             FROM runs ORDER BY id DESC",
        )?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let run = run(row)?;
            if run.covers(configured) {
                if found.last_ended.is_none() && run.outcome != Outcome::Running {
                    found.last_ended = Some(run.clone());
                }
                if found.last_complete.is_none() && run.outcome == Outcome::Complete {
                    found.last_complete = Some(run.clone());
                }
                // One that failed later, or was stopped, did not do what a person is to do.
                let is_open = found.last_complete.is_none() && found.needs_person.is_none();
                if is_open && run.needs_person() {
                    found.needs_person = Some(run.clone());
                }
            }
            if found.newest.len() < RUNS_LISTED {
                found.newest.push(run);
            } else if found.last_complete.is_some() {
                break;
            }
        }
        Ok(found)
    }
}

fn run(row: &Row<'_>) -> rusqlite::Result<RunLine> {
    Ok(RunLine {
        id: row.get(0)?,
        trigger: row.get(1)?,
        started_at: row.get(2)?,
        clock_at: row.get(7)?,
        finished_at: row.get(3)?,
        outcome: row.get(4)?,
        exit_code: row.get(5)?,
        error: row.get(6)?,
    })
}

fn unproven(conn: &Connection, run: i64) -> rusqlite::Result<Vec<UnprovenWalk>> {
    conn.prepare(
        "SELECT scope, verdict, detail FROM walks
         WHERE run_id = :run AND verdict <> 'proven' ORDER BY scope",
    )?
    .query_map(named_params! { ":run": run }, |row| {
        Ok(UnprovenWalk {
            scope: row.get(0)?,
            verdict: row.get::<_, WalkVerdict>(1)?,
            detail: row.get(2)?,
        })
    })?
    .collect()
}

fn endpoints(
    conn: &Connection,
    configured: &[Endpoint],
    contents: &BTreeMap<String, u64>,
) -> rusqlite::Result<Vec<EndpointState>> {
    conn.prepare(
        "WITH owed AS (
             SELECT endpoint, count(*) FILTER (WHERE state = 'owed') AS owed,
                 count(*) FILTER (WHERE state = 'refused') AS refused,
                 coalesce(max(last_error) FILTER (WHERE state = 'refused'), max(last_error)) AS error
             FROM owed_bodies GROUP BY endpoint)
         SELECT e.endpoint, e.name, e.kind, e.schema IS NOT NULL, coalesce(o.owed, 0), coalesce(o.refused, 0), o.error
         FROM endpoints AS e LEFT JOIN owed AS o ON o.endpoint = e.endpoint
         WHERE e.deleted_at IS NULL ORDER BY e.endpoint",
    )?
    .query_map([], |row| {
        let endpoint: Endpoint = row.get(0)?;
        let contents = contents.get(endpoint.as_str()).copied();
        Ok(EndpointState {
            is_left_out: is_left_out(configured, &endpoint),
            endpoint,
            name: row.get(1)?,
            kind: row.get(2)?,
            has_schema: row.get(3)?,
            contents: contents.unwrap_or_default(),
            bodies_owed: count(row, 4)?,
            bodies_refused: count(row, 5)?,
            bodies_error: row.get(6)?,
        })
    })?
    .collect()
}

fn failed(conn: &Connection, now: Timestamp) -> rusqlite::Result<Vec<FailedFile>> {
    let limit = super::values::int(FAILED_SHOWN as u64);
    conn.prepare(concat!(
        "SELECT a.media_id, coalesce(m.url, a.url), coalesce(m.file_name, ''), coalesce(a.last_error, ''),
             a.attempts, ",
        next_attempt!(),
        " FROM assets AS a INDEXED BY assets_due LEFT JOIN media AS m ON m.id = a.media_id
         WHERE (a.state IN ('owed', 'failed') OR a.recheck_at IS NOT NULL) AND a.state = 'failed' ORDER BY a.attempts DESC, a.media_id LIMIT :limit",
    ))?
    .query_map(
        named_params! { ":limit": limit, ":now": now, ":latest": now.plus(LONGEST_WAIT) },
        |row| {
            Ok(FailedFile {
                media_id: row.get(0)?,
                url: row.get(1)?,
                file_name: row.get(2)?,
                error: row.get(3)?,
                attempts: count(row, 4)?,
                next_attempt_at: row.get(5)?,
            })
        },
    )?
    .collect()
}

fn transfer(conn: &Connection, month: &str) -> rusqlite::Result<Vec<HostTransfer>> {
    conn.prepare(
        "SELECT host, requests, bytes FROM transfer WHERE month = :month ORDER BY bytes DESC, host",
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

/// Adds up what must lie in the archive. A version whose bytes are those of the present one only got
/// another name, and the archive has none of it.
fn archive_bytes(conn: &Connection) -> rusqlite::Result<u64> {
    conn.query_row(
        "SELECT coalesce(sum(bytes), 0) FROM (
             SELECT h.sha256, max(h.bytes) AS bytes FROM assets_history AS h
             WHERE NOT EXISTS (
                 SELECT 1 FROM assets AS a WHERE a.media_id = h.media_id AND a.sha256 = h.sha256)
             GROUP BY h.sha256)",
        [],
        |row| count(row, 0),
    )
}
