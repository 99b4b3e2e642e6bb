//! Tamper evidence: the log of what this program wrote, and what complete runs commit to.
//!
//! The log is written by triggers that exist in this program's connection alone (`TEMP`), in the
//! transaction of the row itself: no code path can forget it, and what another program changes in the
//! tables has no entry. Reading it back is in `read` and `versions`.

mod read;
mod versions;

pub(super) use read::last_proof;

use super::values::{count, int};
use crate::model::proof::{Digester, Field, chain, leaf};
use crate::model::{Hash, Proof, Tree};
use rusqlite::functions::FunctionFlags;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params};

/// Returns a column as it is hashed.
pub(super) fn field(value: ValueRef<'_>) -> Field<'_> {
    match value {
        ValueRef::Null => Field::Null,
        ValueRef::Integer(number) => Field::Int(number),
        ValueRef::Real(number) => Field::Real(number),
        ValueRef::Text(text) => Field::Text(text),
        ValueRef::Blob(bytes) => Field::Blob(bytes),
    }
}

/// Gives SQL the function `version_digest`, which hashes any number of columns.
pub(super) fn register(conn: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("version_digest", -1, flags, |context| {
        let mut digester = Digester::default();
        for index in 0..context.len() {
            digester.add(field(context.get_raw(index)));
        }
        Ok(digester.finish().as_bytes().to_vec())
    })
}

/// The columns of a version that its digest is over, those of `$row`. In the order in which the migration
/// that began the log hashed them, and for ever.
macro_rules! hashed {
    (endpoint $row:literal) => {
        concat!(
            $row,
            "name, ",
            $row,
            "kind, ",
            $row,
            "schema, ",
            $row,
            "deleted_at"
        )
    };
    (content $row:literal) => {
        concat!(
            $row,
            "metadata, ",
            $row,
            "deleted_at, ",
            $row,
            "published_body, ",
            $row,
            "draft_body"
        )
    };
    (medium $row:literal) => {
        concat!($row, "file_name, ", $row, "metadata, ", $row, "deleted_at")
    };
    (asset $row:literal) => {
        concat!(
            $row, "url, ", $row, "path, ", $row, "bytes, ", $row, "sha256"
        )
    };
}
pub(super) use hashed;

/// The three triggers of one table: what is inserted, changed, or removed from the history.
///
/// Nothing but `prune` removes from the history in this connection, and whatever it removes of a current
/// row goes through the history.
macro_rules! watch {
    ($kind:ident, $table:literal, $id:literal, scope $new:literal $old:literal, $when:literal, [$($column:literal),+]) => {
        concat!(
            "CREATE TEMP TRIGGER ", $table, "_proof_insert AFTER INSERT ON main.", $table, " WHEN ", $when,
            " BEGIN INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
                VALUES ('recorded', '", stringify!($kind), "', ", $new, ", NEW.", $id, ",
                    NEW.valid_from, version_digest(", hashed!($kind "NEW."), ")); END;
             CREATE TEMP TRIGGER ", $table, "_proof_update AFTER UPDATE ON main.", $table, " WHEN ", $when,
            " AND (OLD.valid_from IS NOT NEW.valid_from OR OLD.", $id, " IS NOT NEW.", $id,
            $(" OR OLD.", $column, " IS NOT NEW.", $column,)+
            ") BEGIN INSERT INTO leaves (deed, kind, scope, id, valid_from, digest)
                VALUES ('recorded', '", stringify!($kind), "', ", $new, ", NEW.", $id, ",
                    NEW.valid_from, version_digest(", hashed!($kind "NEW."), ")); END;
             CREATE TEMP TRIGGER ", $table, "_proof_removal AFTER DELETE ON main.", $table, "_history
             BEGIN INSERT INTO leaves (deed, kind, scope, id, valid_from)
                VALUES ('removed', '", stringify!($kind), "', ", $old, ", OLD.", $id, ",
                    OLD.valid_from); END;"
        )
    };
}

/// Lets this connection write the log from now on.
pub(super) fn watch(conn: &Connection) -> rusqlite::Result<()> {
    let triggers = [
        watch!(
            endpoint,
            "endpoints",
            "endpoint",
            scope "''" "''",
            "1",
            ["name", "kind", "schema", "deleted_at"]
        ),
        watch!(
            content,
            "contents",
            "id",
            scope "NEW.endpoint" "OLD.endpoint",
            "1",
            ["endpoint", "metadata", "deleted_at", "published_body", "draft_body"]
        ),
        watch!(
            medium,
            "media",
            "id",
            scope "''" "''",
            "1",
            ["file_name", "metadata", "deleted_at"]
        ),
        watch!(
            asset,
            "assets",
            "media_id",
            scope "''" "''",
            "NEW.sha256 IS NOT NULL",
            ["url", "path", "bytes", "sha256"]
        ),
    ];
    register(conn)?;
    conn.execute_batch(&triggers.concat())
}

/// Hashes an entry of the log from its six columns, which begin at `first`.
fn leaf_of(row: &Row<'_>, first: usize) -> rusqlite::Result<Hash> {
    let column = |index| row.get_ref(first + index).map(field);
    Ok(leaf(
        column(0)?,
        column(1)?,
        column(2)?,
        column(3)?,
        column(4)?,
        column(5)?,
    ))
}

/// Commits a complete run, whose row is closed by now, to all that the log holds: the row gets the
/// length of the log, its head, and the next root of the chain.
///
/// Only what is new in the log is read, so that an unchanged run costs nothing more for a large log.
pub(super) fn commit(tx: &Transaction<'_>, run: i64) -> rusqlite::Result<Proof> {
    let (tree, has_grown) = grown_tree(tx)?;
    let head = tree.head();
    tx.execute(
        "UPDATE runs SET log_size = :size, log_head = :head,
             log_peaks = iif(:has_grown, :peaks, NULL) WHERE id = :run",
        named_params! {
            ":run": run, ":size": int(tree.size()), ":head": head.to_string(),
            ":has_grown": has_grown, ":peaks": tree.peaks(),
        },
    )?;
    if has_grown {
        tx.execute(
            "UPDATE runs SET log_peaks = NULL WHERE log_peaks IS NOT NULL AND id <> :run",
            named_params! { ":run": run },
        )?;
    }
    let previous: Option<String> = tx
        .prepare_cached(
            "SELECT root FROM runs WHERE root IS NOT NULL AND id < :run ORDER BY id DESC LIMIT 1",
        )?
        .query_row(named_params! { ":run": run }, |row| row.get(0))
        .optional()?;
    let previous = previous.and_then(|text| Hash::parse(&text));
    let root = chain(previous.unwrap_or(Hash::ZERO), read::record(tx, run)?);
    tx.execute(
        "UPDATE runs SET root = :root WHERE id = :run",
        named_params! { ":run": run, ":root": root.to_string() },
    )?;
    Ok(Proof {
        root,
        log_size: tree.size(),
    })
}

/// Returns the tree over the whole log, and whether it is another one than the last run that committed
/// to one had.
fn grown_tree(tx: &Transaction<'_>) -> rusqlite::Result<(Tree, bool)> {
    let known = tx
        .prepare_cached(
            "SELECT log_size, log_peaks FROM runs WHERE log_peaks IS NOT NULL ORDER BY id DESC LIMIT 1",
        )?
        .query_row([], |row| Ok((count(row, 0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let known = known.and_then(|(size, peaks)| Tree::resume(size, &peaks));
    let is_first = known.is_none();
    let mut tree = known.unwrap_or_default();
    let before = tree.size();
    let mut query = tx.prepare_cached(
        "SELECT deed, kind, scope, id, valid_from, digest FROM leaves WHERE seq > :size ORDER BY seq",
    )?;
    let mut rows = query.query(named_params! { ":size": int(before) })?;
    while let Some(row) = rows.next()? {
        tree.push(leaf_of(row, 0)?);
    }
    let has_grown = is_first || tree.size() > before;
    Ok((tree, has_grown))
}
