//! A listing and the rows that it speaks of, gone through in step.
//!
//! A service lists what it holds in much the same order each time, and rows lie in the order in which they were
//! listed first. The row behind the one that was found is therefore mostly that of the next item, and to read on costs
//! a fraction of what it costs to look an id up, each of which is somewhere else in the index.

use rusqlite::{CachedStatement, Row};

/// How many rows behind a found one are read at most, those included that were passed over.
const REACH: i64 = 200;

/// After so many found rows, one after the other, behind which another one lay than was asked for, the listing's order is
/// not that of the rows, and nobody reads on.
const IN_VAIN: u32 = 3;

/// What a look-up by the id found.
pub(super) struct Found {
    pub(super) rowid: i64,
    /// The row says what was listed.
    pub(super) is_same: bool,
}

/// Returns of each listed item whether there is a row that says the same.
///
/// `find` looks for the row of an item by its id. `behind` reads rows in the order of their `rowid`, from behind the one
/// that is its first parameter and up to its second; `is_same` decides about such a row, and may say no of a row of which
/// `find` would say yes: then it is looked up.
pub(super) fn in_step<T>(
    listed: &[T],
    mut find: impl FnMut(&T) -> rusqlite::Result<Option<Found>>,
    behind: &mut CachedStatement<'_>,
    is_same: impl Fn(&Row<'_>, &T) -> rusqlite::Result<bool>,
) -> rusqlite::Result<Vec<bool>> {
    let mut same = Vec::with_capacity(listed.len());
    let mut in_vain = 0;
    while let Some(item) = listed.get(same.len()) {
        let found = find(item)?;
        same.push(found.as_ref().is_some_and(|found| found.is_same));
        let Some(Found { rowid, .. }) = found.filter(|_| in_vain < IN_VAIN) else {
            continue;
        };
        let until_now = same.len();
        let mut rows = behind.query((rowid, rowid.saturating_add(REACH)))?;
        while let Some(item) = listed.get(same.len())
            && let Some(row) = rows.next()?
            && is_same(row, item)?
        {
            same.push(true);
        }
        in_vain = if same.len() > until_now {
            0
        } else {
            in_vain + 1
        };
    }
    Ok(same)
}
