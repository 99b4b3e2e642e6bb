//! Every version there is, beside what the log says of it.
//!
//! Three lists in one order are read side by side: the log's entries, which SQLite sorts (on the disk,
//! where they are many), the history and the current rows, each by its index. Memory holds one version.

use super::field;
use super::hashed;
use crate::model::Hash;
use crate::model::proof::{Account, Deed, Entry, Field, Kind, Row, Version, digest};
use crate::store::values::count;
use crate::store::{Store, StoreError};
use rusqlite::fallible_streaming_iterator::FallibleStreamingIterator;
use rusqlite::types::ValueRef;
use rusqlite::{Rows, named_params};

/// What versions are told apart by, as bytes: somebody may have written what is no text.
type Key = [Vec<u8>; 3];

/// Columns before those that a digest is over: the key, and the end.
const BEFORE: usize = 4;

impl Store {
    /// Tells every version of one kind, in the order of its key: all that is in the log or in the tables.
    pub fn accounts(&self, kind: Kind, each: &mut dyn FnMut(Account)) -> Result<(), StoreError> {
        self.read("compare the rows with the log", |conn| {
            let mut entries = conn.prepare(
                "SELECT scope, id, valid_from, seq, deed, digest FROM leaves
                 WHERE kind = :kind ORDER BY scope, id, valid_from, seq",
            )?;
            let (history, current) = queries(kind);
            let (mut history, mut current) = (conn.prepare(history)?, conn.prepare(current)?);
            let columns = history.column_count();
            let mut entries = List::open(entries.query(named_params! { ":kind": kind.as_str() })?)?;
            let mut history = List::open(history.query([])?)?;
            let mut current = List::open(current.query([])?)?;
            loop {
                let keys = [entries.key()?, history.key()?, current.key()?];
                let Some(key) = keys.into_iter().flatten().min() else {
                    return Ok(());
                };
                let mut account = Account {
                    version: version(kind, &key),
                    entries: Vec::new(),
                    rows: Vec::new(),
                };
                while let Some(found) = entries.at(&key)? {
                    account.entries.push(entry(found)?);
                    entries.advance()?;
                }
                for rows in [&mut history, &mut current] {
                    while let Some(found) = rows.at(&key)? {
                        let row = row(kind, found, columns, &account.entries)?;
                        account.rows.push(row);
                        rows.advance()?;
                    }
                }
                each(account);
            }
        })
    }
}

/// The history of one kind, and its current rows: the key, the end, and the columns of the digest. The order
/// is that of an index, so that nothing is sorted and no body is copied; a test looks at the plans.
fn queries(kind: Kind) -> (&'static str, &'static str) {
    match kind {
        Kind::Endpoint => (
            concat!(
                "SELECT '', endpoint, valid_from, valid_to, ",
                hashed!(endpoint ""),
                " FROM endpoints_history ORDER BY endpoint, valid_from"
            ),
            concat!(
                "SELECT '', endpoint, valid_from, NULL, ",
                hashed!(endpoint ""),
                " FROM endpoints ORDER BY endpoint"
            ),
        ),
        Kind::Content => (
            concat!(
                "SELECT endpoint, id, valid_from, valid_to, ",
                hashed!(content ""),
                " FROM contents_history ORDER BY endpoint, id, valid_from"
            ),
            concat!(
                "SELECT endpoint, id, valid_from, NULL, ",
                hashed!(content ""),
                " FROM contents ORDER BY endpoint, id"
            ),
        ),
        Kind::Medium => (
            concat!(
                "SELECT '', id, valid_from, valid_to, ",
                hashed!(medium ""),
                " FROM media_history ORDER BY id, valid_from"
            ),
            concat!(
                "SELECT '', id, valid_from, NULL, ",
                hashed!(medium ""),
                " FROM media ORDER BY id"
            ),
        ),
        // A file that was never saved is no version yet.
        Kind::Asset => (
            concat!(
                "SELECT '', media_id, valid_from, valid_to, ",
                hashed!(asset ""),
                " FROM assets_history ORDER BY media_id, valid_from"
            ),
            concat!(
                "SELECT '', media_id, valid_from, NULL, ",
                hashed!(asset ""),
                " FROM assets WHERE sha256 IS NOT NULL ORDER BY media_id"
            ),
        ),
    }
}

/// A result that is looked at row by row.
struct List<'s>(Rows<'s>);

impl<'s> List<'s> {
    fn open(rows: Rows<'s>) -> rusqlite::Result<Self> {
        let mut list = Self(rows);
        list.advance()?;
        Ok(list)
    }

    fn advance(&mut self) -> rusqlite::Result<()> {
        FallibleStreamingIterator::advance(&mut self.0)
    }

    /// The row that it stands at.
    fn row(&self) -> Option<&rusqlite::Row<'s>> {
        self.0.get()
    }

    fn key(&self) -> rusqlite::Result<Option<Key>> {
        let Some(row) = self.row() else {
            return Ok(None);
        };
        let part = |index| Ok::<_, rusqlite::Error>(bytes(row.get_ref(index)?).to_vec());
        Ok(Some([part(0)?, part(1)?, part(2)?]))
    }

    /// The row that it stands at, if that has this key.
    fn at(&self, key: &Key) -> rusqlite::Result<Option<&rusqlite::Row<'s>>> {
        let Some(row) = self.row() else {
            return Ok(None);
        };
        for (index, part) in key.iter().enumerate() {
            if bytes(row.get_ref(index)?) != part.as_slice() {
                return Ok(None);
            }
        }
        Ok(Some(row))
    }
}

/// Keys are texts: the tables are strict.
fn bytes(value: ValueRef<'_>) -> &[u8] {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes,
        ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => b"",
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn version(kind: Kind, [scope, id, valid_from]: &Key) -> Version {
    Version {
        kind,
        scope: text(scope),
        id: text(id),
        valid_from: text(valid_from),
    }
}

/// Reads an entry of the log. A word that is none of its words cannot be matched by any row.
fn entry(row: &rusqlite::Row<'_>) -> rusqlite::Result<Entry> {
    let deed = row.get_ref(4)?.as_str().ok().and_then(Deed::parse);
    let digest = row.get_ref(5)?.as_blob().ok().and_then(Hash::from_bytes);
    Ok(Entry {
        seq: count(row, 3).unwrap_or(0),
        deed: deed.unwrap_or(Deed::Recorded),
        digest: digest.unwrap_or(Hash::ZERO),
    })
}

/// Reads a version's row and hashes it in as many ways as the log gives reason to.
fn row(
    kind: Kind,
    row: &rusqlite::Row<'_>,
    columns: usize,
    entries: &[Entry],
) -> rusqlite::Result<Row> {
    let fields = (BEFORE..columns)
        .map(|index| row.get_ref(index).map(field))
        .collect::<rusqlite::Result<Vec<Field<'_>>>>()?;
    let end = row.get_ref(3)?;
    let has_end = end != ValueRef::Null;
    let is_adopted = entries.iter().any(|entry| entry.deed == Deed::Adopted);
    let current = || fields.iter().copied();
    // The form of an adopted version: the end stands behind the others, also where there was none.
    let adopted = |fields: &[Field<'_>], end| digest(fields.iter().copied().chain([end]));
    let mut before = Vec::new();
    if kind == Kind::Content && entries.len() > 1 {
        for fields in without_bodies(&fields) {
            before.push(digest(fields.iter().copied()));
            if is_adopted {
                before.push(adopted(&fields, Field::Null));
            }
        }
    }
    Ok(Row {
        valid_to: has_end.then(|| text(bytes(end))),
        digest: digest(current()),
        digest_adopted: is_adopted.then(|| adopted(&fields, Field::Null)),
        digest_with_end: (is_adopted && has_end).then(|| adopted(&fields, field(end))),
        digests_before: before,
    })
}

/// The columns of a content as they were before bodies arrived: without one of those that are there, or
/// without both. Bodies are the last two.
fn without_bodies<'a>(fields: &[Field<'a>]) -> Vec<Vec<Field<'a>>> {
    let Some((others, [published, draft])) = fields.split_last_chunk::<2>() else {
        return Vec::new();
    };
    let list = |published, draft| {
        let bodies = [published, draft];
        others.iter().copied().chain(bodies).collect::<Vec<_>>()
    };
    vec![
        list(Field::Null, *draft),
        list(*published, Field::Null),
        list(Field::Null, Field::Null),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::store::{Mode, Options};

    #[test]
    fn rows_come_by_an_index_and_no_body_is_sorted() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            path: folder.path().join("x"),
            service_id: "x".to_owned(),
            mode: Mode::ReadWrite,
        };
        let store = Store::open(&options, Timestamp::from_unix_millis(0)).unwrap();
        for kind in Kind::ALL {
            let (history, current) = queries(kind);
            for sql in [history, current] {
                let plan: Vec<String> = store
                    .read("test", |conn| {
                        conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?
                            .query_map([], |row| row.get(3))?
                            .collect()
                    })
                    .unwrap();
                let plan = plan.join("\n");
                assert!(plan.contains("USING INDEX"), "{sql}: {plan}");
                // The few versions of one medium may be.
                assert!(!plan.contains("B-TREE FOR ORDER BY"), "{sql}: {plan}");
            }
        }
    }
}
