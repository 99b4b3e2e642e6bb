//! How many there are, told by indexes: no row is read but those of what is owed or gone, which are few. The tables may be
//! large, and whoever asks for the state of a backup asks often.

use super::assets::LONGEST_WAIT;
use super::losses::is_lost;
use super::values::count;
use crate::model::Timestamp;
use crate::model::backup::FileState;
use crate::model::condition::Rows;
use rusqlite::{Connection, Row, named_params};
use std::collections::BTreeMap;

/// When the next attempt is due: now, if a clock that stood wrong planned it.
macro_rules! next_attempt {
    () => {
        "iif(next_attempt_at > :latest, :now, next_attempt_at)"
    };
}
pub(super) use next_attempt;

/// The files with their bytes.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) state: FileState,
    /// Of those that failed, the ones whose next attempt is not due yet.
    pub(super) waiting: u64,
    /// What lies in the mirror, those of deleted media and those whose replacement is owed included.
    pub(super) held: u64,
    pub(super) held_bytes: u64,
}

/// Counts the files.
pub(super) fn files(conn: &Connection, now: Timestamp) -> rusqlite::Result<Files> {
    conn.prepare_cached(concat!(
        "SELECT saved.files, saved.bytes, due.held, due.held_bytes, due.owed, due.owed_bytes, due.failed, due.waiting,
             due.lost, due.next_attempt_at, gone.files, gone.from_here
         FROM (SELECT count(*) AS files, coalesce(sum(bytes), 0) AS bytes
               FROM assets INDEXED BY assets_by_check WHERE state = 'saved') AS saved,
             (SELECT count(*) FILTER (WHERE is_due AND sha256 IS NOT NULL) AS held,
                  coalesce(sum(bytes) FILTER (WHERE is_due AND sha256 IS NOT NULL), 0) AS held_bytes,
                  count(*) FILTER (WHERE state = 'owed') AS owed,
                  coalesce(sum(announced_bytes) FILTER (WHERE state = 'owed'), 0) AS owed_bytes,
                  count(*) FILTER (WHERE state = 'failed') AS failed,
                  count(*) FILTER (WHERE state = 'failed' AND next_attempt_at > :now
                      AND next_attempt_at <= :latest) AS waiting,
                  count(*) FILTER (WHERE is_due AND why IN ('missing', 'damaged')) AS lost,
                  min(",
        next_attempt!(),
        ") FILTER (WHERE state = 'failed') AS next_attempt_at
              FROM (SELECT *, state IN ('owed', 'failed') AS is_due FROM assets INDEXED BY assets_due
                    WHERE state IN ('owed', 'failed') OR recheck_at IS NOT NULL)) AS due,
             (SELECT count(*) AS files, count(*) FILTER (WHERE ",
        is_lost!(),
        ") AS from_here
              FROM assets INDEXED BY assets_gone WHERE state = 'gone') AS gone",
    ))?
    .query_row(
        named_params! { ":now": now, ":latest": now.plus(LONGEST_WAIT) },
        |row| {
            Ok(Files {
                held: count(row, 0)? + count(row, 2)?,
                held_bytes: count(row, 1)? + count(row, 3)?,
                waiting: count(row, 7)?,
                state: FileState {
                    saved: count(row, 0)?,
                    owed: count(row, 4)?,
                    owed_bytes: count(row, 5)?,
                    failed: count(row, 6)?,
                    lost: count(row, 8)?,
                    gone: count(row, 10)?,
                    gone_from_here: count(row, 11)?,
                    next_attempt_at: row.get(9)?,
                },
            })
        },
    )
}

/// Counts the media, all of them and the tombstones.
pub(super) fn media(conn: &Connection) -> rusqlite::Result<Rows> {
    conn.prepare_cached(
        "SELECT (SELECT count(*) FROM media),
             (SELECT count(*) FROM media INDEXED BY media_deleted WHERE deleted_at IS NOT NULL)",
    )?
    .query_row([], rows)
}

/// Counts the contents of all APIs, in the same way.
pub(super) fn contents(conn: &Connection) -> rusqlite::Result<Rows> {
    conn.prepare_cached(
        "SELECT (SELECT count(*) FROM contents),
             (SELECT count(*) FROM contents INDEXED BY contents_deleted WHERE deleted_at IS NOT NULL)",
    )?
    .query_row([], rows)
}

/// Counts the contents of each API that exist upstream.
pub(super) fn live_contents(conn: &Connection) -> rusqlite::Result<BTreeMap<String, u64>> {
    conn.prepare_cached(
        "SELECT endpoint, count(*) - (
             SELECT count(*) FROM contents AS gone INDEXED BY contents_deleted
             WHERE gone.deleted_at IS NOT NULL AND gone.endpoint = contents.endpoint)
         FROM contents GROUP BY endpoint",
    )?
    .query_map([], |row| Ok((row.get(0)?, count(row, 1)?)))?
    .collect()
}

/// Reads how many there are, and how many of them are tombstones.
fn rows(row: &Row<'_>) -> rusqlite::Result<Rows> {
    let (all, deleted) = (count(row, 0)?, count(row, 1)?);
    Ok(Rows {
        live: all.saturating_sub(deleted),
        deleted,
    })
}
