//! The versions of each thing: one after the other, without gap or overlap, up to the present one.
//!
//! Triggers end a version where the next one begins, also where a thing was deleted: "deleted" is a
//! version as well. `prune` takes the oldest versions, never one from between. So there is no gap that
//! the program makes.
//!
//! A version that begins far ahead of us was not written by this program, unless it had a clock that was ahead itself: then
//! its runs say so. Such times stay, for versions only move forward, and time passes.

use super::Flaws;
use crate::model::{DifferenceKind, Timestamp};
use crate::store::values::lenient;
use crate::store::{Store, StoreError};
use rusqlite::{Connection, OptionalExtension, Row, params_from_iter};
use std::time::Duration;

/// How far ahead of us a version may begin: a clock that was set wrong for a while.
const AHEAD: Duration = Duration::from_hours(24);
/// How far beyond the newest run a version may begin. Each further one of a thing that is dated ahead begins a millisecond after the
/// one before: so many edits are not made of one thing.
const STEPS: Duration = Duration::from_mins(1);
/// How long a run may have worked that has no end.
const UNENDED: Duration = Duration::from_hours(24);

/// A table with its history.
struct Line {
    table: &'static str,
    history: &'static str,
    keys: &'static [&'static str],
}

const LINES: [Line; 4] = [
    Line {
        table: "endpoints",
        history: "endpoints_history",
        keys: &["endpoint"],
    },
    Line {
        table: "contents",
        history: "contents_history",
        keys: &["endpoint", "id"],
    },
    Line {
        table: "media",
        history: "media_history",
        keys: &["id"],
    },
    Line {
        table: "assets",
        history: "assets_history",
        keys: &["media_id"],
    },
];

/// The version before.
struct Version {
    key: Vec<String>,
    to: String,
}

impl Store {
    /// Returns until when a run of this database took it to be, if that is far ahead of `now`: its clock was.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn clock_was_ahead(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        let newest = self.read("read how late runs took it to be", newest_of_runs)?;
        Ok(newest.filter(|newest| *newest > now.plus(AHEAD)))
    }
}

/// Returns the latest time that a run recorded of itself.
fn newest_of_runs(conn: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let newest = |sql: &str| {
        let text = conn.query_row(sql, [], |row| Ok(lenient(row, 0)))?;
        Ok::<_, rusqlite::Error>(text.and_then(|text| Timestamp::parse(&text)))
    };
    let ended = newest("SELECT max(coalesce(finished_at, started_at)) FROM runs")?;
    let unended = newest("SELECT max(started_at) FROM runs WHERE finished_at IS NULL")?;
    Ok(ended.max(unended.map(|began| began.plus(UNENDED))))
}

pub(super) fn timelines(
    conn: &Connection,
    now: Timestamp,
    flaws: &mut Flaws,
) -> rusqlite::Result<()> {
    let own = newest_of_runs(conn)?.map(|newest| newest.plus(STEPS));
    let latest = own.unwrap_or(now).max(now.plus(AHEAD));
    for line in &LINES {
        let mut check = Check {
            conn,
            line,
            latest,
            flaws,
        };
        check.present()?;
        check.past()?;
    }
    Ok(())
}

struct Check<'a> {
    conn: &'a Connection,
    line: &'a Line,
    latest: Timestamp,
    flaws: &'a mut Flaws,
}

impl Check<'_> {
    /// The present versions: they begin at a time that has come.
    fn present(&mut self) -> rusqlite::Result<()> {
        let Line { table, keys, .. } = self.line;
        let sql = format!(
            "SELECT {}, valid_from FROM {table} NOT INDEXED",
            keys.join(", ")
        );
        let conn = self.conn;
        let mut query = conn.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let key = self.key(row);
            let from = lenient(row, keys.len()).unwrap_or_default();
            self.time(&key, table, "valid_from", &from);
        }
        Ok(())
    }

    /// The earlier versions of each thing, in the order of time.
    fn past(&mut self) -> rusqlite::Result<()> {
        let Line { history, keys, .. } = self.line;
        let keys = keys.join(", ");
        let sql = format!(
            "SELECT {keys}, valid_from, valid_to FROM {history} ORDER BY {keys}, valid_from"
        );
        let conn = self.conn;
        let mut query = conn.prepare(&sql)?;
        let mut rows = query.query([])?;
        let mut before: Option<Version> = None;
        while let Some(row) = rows.next()? {
            let key = self.key(row);
            let text = |index| lenient(row, index).unwrap_or_default();
            let (from, to) = (text(key.len()), text(key.len() + 1));
            self.time(&key, history, "valid_from", &from);
            self.time(&key, history, "valid_to", &to);
            if from >= to {
                let found = format!("it begins at {from} and ends at {to}");
                self.flaw(&key, history, "a version that ends after it begins", found);
            }
            match before.take() {
                Some(before) if before.key == key => self.seam(&key, history, &before.to, &from),
                Some(before) => self.last(&before)?,
                None => {}
            }
            before = Some(Version { key, to });
        }
        match before {
            Some(before) => self.last(&before),
            None => Ok(()),
        }
    }

    /// The last version of the history ends where the present one begins. Without a present one, whoever
    /// removed its row ended the timeline: nothing is missing.
    fn last(&mut self, before: &Version) -> rusqlite::Result<()> {
        let Line { table, keys, .. } = self.line;
        let clauses: Vec<String> = keys.iter().map(|key| format!("{key} = ?")).collect();
        let sql = format!(
            "SELECT valid_from FROM {table} WHERE {}",
            clauses.join(" AND ")
        );
        let from = self
            .conn
            .prepare_cached(&sql)?
            .query_row(params_from_iter(&before.key), |row| Ok(lenient(row, 0)))
            .optional()?;
        if let Some(from) = from {
            self.seam(&before.key, table, &before.to, &from.unwrap_or_default());
        }
        Ok(())
    }

    fn seam(&mut self, key: &[String], place: &str, to: &str, from: &str) {
        if to == from {
            return;
        }
        let what = if to < from { "a gap" } else { "an overlap" };
        let found = format!("{what}: a version ends at {to}, the next begins at {from}");
        self.flaw(key, place, "versions one after the other", found);
    }

    /// A time is written as the program writes it, since times are compared as texts.
    fn time(&mut self, key: &[String], place: &str, column: &str, text: &str) {
        let found = match Timestamp::parse(text) {
            Some(time) if time.to_string() != text => format!("`{text}`, in another form"),
            Some(time) if time > self.latest => format!("{text}, which is far ahead"),
            Some(_) => return,
            None => format!("`{text}`, which is no time"),
        };
        let expected = format!("`{column}` as the program writes it");
        self.flaw(key, place, &expected, found);
    }

    fn flaw(&mut self, key: &[String], place: &str, expected: &str, found: String) {
        let thing = key.join("/");
        self.flaws
            .add(DifferenceKind::Timeline, thing, place, expected, found);
    }

    fn key(&self, row: &Row<'_>) -> Vec<String> {
        (0..self.line.keys.len())
            .map(|index| lenient(row, index).unwrap_or_default())
            .collect()
    }
}
