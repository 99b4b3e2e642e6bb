//! The copy of the database that is made before a migration.

use super::StoreError;
use super::files::{behind_links, beside, create_private, flush};
use super::look::open_untouched;
use super::snapshot::quoted;
use rusqlite::{Connection, named_params};
use std::fs;
use std::path::{Path, PathBuf};

/// What stands between the database's name and the number of the version that the copy was made for.
const MARK: &str = ".before-v";

/// How a copy's name ends.
const ENDING: &str = ".sqlite3";

/// Returns whether a path has the name of a copy that was made of the database at `database` before a migration. Both are
/// paths without links.
pub fn is_copy_before(database: &Path, path: &Path) -> bool {
    let name = |path: &Path| {
        path.file_name()
            .map(|name| name.to_string_lossy().into_owned())
    };
    let stem = name(&database.with_extension(""));
    path.parent() == database.parent()
        && stem.zip(name(path)).is_some_and(|(stem, name)| {
            name.strip_prefix(&stem)
                .and_then(|rest| rest.strip_prefix(MARK))
                .is_some_and(|rest| rest.ends_with(ENDING))
        })
}

/// Copies the database, whole and flushed, to `<name>.before-vN.sqlite3` beside it, and returns the copy's
/// path. Copies from before are kept; one that says the very same, which a migration left that was cut
/// short, is as good as a new one.
pub(super) fn copy_before(
    conn: &Connection,
    path: &Path,
    newest: u32,
) -> Result<PathBuf, StoreError> {
    let stem = behind_links(path).with_extension("");
    let mut number = 1_u32;
    let target = loop {
        let suffix = match number {
            1 => format!("{MARK}{newest}{ENDING}"),
            n => format!("{MARK}{newest}-{n}{ENDING}"),
        };
        let target = beside(&stem, &suffix);
        if !target.exists() {
            break target;
        }
        // What cannot be read or compared is no copy of this database.
        if open_untouched(&target).is_ok_and(|copy| is_same(conn, &copy).unwrap_or(false)) {
            return Ok(target);
        }
        number += 1;
    };
    make(conn, &target)?;
    Ok(target)
}

fn make(conn: &Connection, target: &Path) -> Result<(), StoreError> {
    let partial = beside(target, ".partial");
    let file_error = |doing, path: &Path, source| StoreError::File {
        doing,
        path: path.to_owned(),
        source,
    };
    match fs::remove_file(&partial) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => {
            return Err(file_error("remove", &partial, source));
        }
        Ok(()) | Err(_) => {}
    }
    // `VACUUM INTO` writes into an existing file only if it is empty, and keeps its permissions.
    create_private(&partial)?;
    let name = partial.to_str().ok_or_else(|| {
        let source = std::io::Error::other("the path is not UTF-8");
        file_error("copy the database to", &partial, source)
    })?;
    let copied = conn.execute("VACUUM INTO :target", named_params! { ":target": name });
    if let Err(source) = copied {
        drop(fs::remove_file(&partial));
        return Err(StoreError::sql(
            "copy the database before its migration",
            source,
        ));
    }
    flush(&partial)?;
    fs::rename(&partial, target).map_err(|source| file_error("rename", &partial, source))?;
    if let Some(folder) = target.parent().filter(|folder| *folder != Path::new("")) {
        flush(folder)?;
    }
    Ok(())
}

/// Returns whether two databases say the same in every table, row by row in their order, which a copy keeps.
/// Reads both; that is less than writing one anew, and needs no room.
fn is_same(one: &Connection, other: &Connection) -> rusqlite::Result<bool> {
    const HEAD: &str = "SELECT (SELECT user_version FROM pragma_user_version),
                               (SELECT application_id FROM pragma_application_id)";
    const SCHEMA: &str = "SELECT type, name, tbl_name, sql FROM sqlite_schema
                          WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY type, name";
    if !has_same_rows(one, other, HEAD)? || !has_same_rows(one, other, SCHEMA)? {
        return Ok(false);
    }
    // A virtual table keeps its rows in others, which are compared.
    let tables: Vec<String> = one
        .prepare(
            "SELECT name FROM pragma_table_list
             WHERE schema = 'main' AND type IN ('table', 'shadow') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in tables {
        // What is generated follows from the rest.
        let columns: Vec<String> = one
            .prepare("SELECT name FROM pragma_table_xinfo(:table) WHERE hidden = 0")?
            .query_map(named_params! { ":table": table }, |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let (columns, table) = (columns.join(", "), quoted(&table));
        if !has_same_rows(
            one,
            other,
            &format!("SELECT {columns} FROM {table} NOT INDEXED"),
        )? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn has_same_rows(one: &Connection, other: &Connection, sql: &str) -> rusqlite::Result<bool> {
    let (mut one, mut other) = (one.prepare(sql)?, other.prepare(sql)?);
    let columns = one.column_count();
    let (mut one, mut other) = (one.query([])?, other.query([])?);
    loop {
        let (here, there) = match (one.next()?, other.next()?) {
            (None, None) => return Ok(true),
            (Some(here), Some(there)) => (here, there),
            (Some(_), None) | (None, Some(_)) => return Ok(false),
        };
        for column in 0..columns {
            if here.get_ref(column)? != there.get_ref(column)? {
                return Ok(false);
            }
        }
    }
}
