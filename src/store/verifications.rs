//! The records of `verify`: what it found, and whose turn it is next.

use super::values::{count, int, optional_count};
use super::{Store, StoreError, wrong_files};
use crate::model::{Slice, Timestamp, VerifyReport, VerifyScope, VerifyState};
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ValueRef};
use rusqlite::{Connection, OptionalExtension, named_params};
use std::collections::HashMap;

/// How far a look back goes: three years of nights.
const LOOK_BACK: i64 = 1_000;

/// What is known of a `verify` before it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifyBegun {
    /// Name and version of the program.
    pub program: String,
    /// When it began.
    pub started_at: Timestamp,
    /// What it is about.
    pub scope: VerifyScope,
    /// Whether what can be repaired is.
    pub is_repair: bool,
}

impl FromSql for VerifyScope {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        Self::parse(value.as_str()?).ok_or(FromSqlError::InvalidType)
    }
}

impl Store {
    /// Records a `verify` that came to its end, with the files that the next run is to read.
    pub fn record_verify(
        &mut self,
        begun: &VerifyBegun,
        report: &VerifyReport,
    ) -> Result<(), StoreError> {
        let report = &report.for_record();
        // Words and numbers: there is nothing in it that JSON cannot say.
        let kinds = serde_json::to_string(&report.kinds).unwrap_or_else(|_| "{}".to_owned());
        self.write("record what was verified", |tx| {
            tx.execute(
                "INSERT INTO verifications (program, started_at, finished_at, scope, is_repair, slice, width,
                     files, bytes, differences, repaired, kinds, exit_code)
                 VALUES (:program, :started_at, :finished_at, :scope, :is_repair, :slice, :width,
                     :files, :bytes, :differences, :repaired, :kinds, :exit_code)",
                named_params! {
                    ":program": begun.program, ":started_at": begun.started_at,
                    ":finished_at": report.finished_at, ":scope": begun.scope.as_str(),
                    ":is_repair": begun.is_repair, ":slice": report.slice.map(|slice| slice.from),
                    ":width": report.slice.map(|slice| int(slice.width)),
                    ":files": int(report.files_read), ":bytes": int(report.bytes_read),
                    ":differences": int(report.difference_count), ":repaired": int(report.difference_count.saturating_sub(report.left())),
                    ":kinds": kinds, ":exit_code": report.exit_code,
                },
            )?;
            wrong_files::note(tx, tx.last_insert_rowid(), &report.wrong_files)
        })
    }

    /// Returns which part of the files was read last, of those with this scope.
    pub fn last_slice(&self, scope: VerifyScope) -> Result<Option<Slice>, StoreError> {
        self.read("read whose turn it is", |conn| {
            conn.query_row(
                "SELECT slice, width FROM verifications
                 WHERE scope = :scope AND slice IS NOT NULL AND width < 4294967296 ORDER BY id DESC LIMIT 1",
                named_params! { ":scope": scope.as_str() },
                |row| {
                    Ok(Slice {
                        from: row.get(0)?,
                        width: count(row, 1)?,
                    })
                },
            )
            .optional()
        })
    }

    /// Returns what the records say; `None` if nothing was ever verified.
    pub fn verify_state(&self) -> Result<Option<VerifyState>, StoreError> {
        self.read("read what was verified", verify_state)
    }
}

/// Goes back to where all files were read once. What an older record found counts only as far as no newer
/// one looked there again: each looks through the database, each of everything at all files, and only the
/// bytes of a file wait for their turn. A comparison with the service says nothing of what is here, and
/// leaves no mark.
pub(super) fn verify_state(conn: &Connection) -> rusqlite::Result<Option<VerifyState>> {
    let mut query = conn.prepare(
        "SELECT started_at, finished_at, scope, width, differences, repaired, kinds, is_repair
         FROM verifications WHERE scope <> 'remote' ORDER BY id DESC LIMIT :limit",
    )?;
    let mut rows = query.query(named_params! { ":limit": LOOK_BACK })?;
    let mut state: Option<VerifyState> = None;
    let mut read = 0;
    let mut looked_at = Vec::new();
    while let Some(row) = rows.next()? {
        let (started_at, scope) = (row.get(0)?, row.get(2)?);
        let known = match &mut state {
            Some(known) => known,
            None => state.insert(VerifyState {
                started_at,
                finished_at: row.get(1)?,
                scope,
                differences: 0,
                is_left_by_repair: false,
                all_read_since: None,
            }),
        };
        let (found, repaired) = (count(row, 4)?, count(row, 5)?);
        let kinds: HashMap<String, u64> =
            serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default();
        let is_again = |kind: &&&str| looked_at.contains(*kind);
        let again: u64 = FOUND_BY_EACH
            .iter()
            .chain(&FOUND_BY_A_LOOK)
            .filter(is_again)
            .filter_map(|kind| kinds.get(*kind))
            .sum();
        // Which of them were repaired is not recorded, so that none is left out of count for it.
        let left = found
            .saturating_sub(repaired)
            .min(found.saturating_sub(again));
        if left > known.differences {
            known.differences = left;
            known.is_left_by_repair = row.get(7)?;
        }
        looked_at.extend(FOUND_BY_EACH);
        if scope == VerifyScope::Everything {
            looked_at.extend(FOUND_BY_A_LOOK);
        }
        read += optional_count(row, 3)?.unwrap_or(0);
        if read >= Slice::ALL.width {
            known.all_read_since = Some(started_at);
            break;
        }
    }
    Ok(state)
}

/// Kinds of differences that every `verify` looks for in the whole database.
const FOUND_BY_EACH: [&str; 6] = ["structure", "schema", "row", "timeline", "runs", "tampered"];
/// Kinds that one of everything finds at any file, whether or not its bytes are read.
const FOUND_BY_A_LOOK: [&str; 4] = ["missing", "size", "not_a_file", "unknown"];
