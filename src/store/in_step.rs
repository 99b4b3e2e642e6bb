//! A listing and the rows that it speaks of, gone through in step.
//!
//! A service lists what it holds in much the same order each time, and rows lie in the order in which they were
//! recorded: in that of the listing what one run found, and against it what came day by day to a list that begins with
//! the newest. The row beside the one that was found is therefore mostly that of the next item, and to read on costs a
//! fraction of what it costs to look an id up, each of which is somewhere else in the index.

use rusqlite::{CachedStatement, Connection, Row};

/// How far from a found row one reads at most, those rows included that are passed over.
const REACH: i64 = 200;

/// How many items are looked up at most, where nothing lay beside the found ones, before somebody tries again.
const LONGEST_REST: usize = 31;

/// What a look-up by the id found.
pub(super) struct Found {
    pub(super) rowid: i64,
    /// The row says what was listed.
    pub(super) is_same: bool,
}

/// The rows of a table from one on, both ways.
pub(super) struct Ways<'c>([CachedStatement<'c>; 2]);

impl<'c> Ways<'c> {
    /// `select` is a query with a condition, to which one for `rowid` can be added.
    pub(super) fn new(conn: &'c Connection, select: &str) -> rusqlite::Result<Self> {
        let up = "rowid > ?1 AND rowid <= ?1 + ?2 ORDER BY rowid";
        let down = "rowid < ?1 AND rowid >= ?1 - ?2 ORDER BY rowid DESC";
        let way = |way| conn.prepare_cached(&format!("{select} AND {way}"));
        Ok(Self([way(up)?, way(down)?]))
    }
}

/// Returns of each listed item whether there is a row that says the same.
///
/// `find` looks for the row of an item by its id. `is_same` decides about a row of `ways`, and may say no of one of which
/// `find` would say yes: then it is looked up.
pub(super) fn in_step<T>(
    listed: &[T],
    mut find: impl FnMut(&T) -> rusqlite::Result<Option<Found>>,
    ways: Ways<'_>,
    is_same: impl Fn(&Row<'_>, &T) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Vec<bool>> {
    let Ways([mut way, mut other_way]) = ways;
    let mut same = Vec::with_capacity(listed.len());
    let (mut rest, mut next_rest) = (0, 1);
    while let Some(item) = listed.get(same.len()) {
        let found = find(item)?;
        same.push(found.as_ref().is_some_and(|found| found.is_same));
        let Some(Found { rowid, .. }) = found else {
            continue;
        };
        if rest > 0 {
            rest -= 1;
            continue;
        }
        let until_now = same.len();
        for _ in 0..2 {
            let mut rows = way.query((rowid, REACH))?;
            while let Some(item) = listed.get(same.len())
                && let Some(row) = rows.next()?
                && is_same(row, item)?
            {
                same.push(true);
            }
            drop(rows);
            if same.len() > until_now {
                break;
            }
            std::mem::swap(&mut way, &mut other_way);
        }
        if same.len() > until_now {
            next_rest = 1;
        } else {
            rest = next_rest;
            next_rest = (next_rest * 2 + 1).min(LONGEST_REST);
        }
    }
    Ok(same)
}
