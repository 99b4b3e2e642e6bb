//! What is taken out of a snapshot that is made for handing on.
//!
//! Everything stays out unless a rule lets it in: a table or column without a rule fails the snapshot,
//! and keys of the service's JSON that are not listed here are left out. A test holds the rules against
//! the schema, so that a migration cannot add a secret by accident.

use super::{quoted, sql, tables};
use crate::store::StoreError;
use rusqlite::Connection;

/// The key in `meta` that says so.
pub(in crate::store) const REDACTED: &str = "redacted_by";

/// What becomes of a table.
struct Rule {
    table: &'static str,
    /// Rows for which this holds are removed.
    gone: Option<&'static str>,
    /// Columns that stay as they are, apart by spaces.
    kept: &'static str,
    /// Columns that become something else.
    changed: &'static [(&'static str, &'static str)],
}

/// A table of which nothing may stay.
const fn emptied(table: &'static str) -> Rule {
    Rule {
        table,
        gone: Some("TRUE"),
        kept: "",
        changed: &[],
    }
}

const fn kept(table: &'static str, kept: &'static str) -> Rule {
    Rule {
        table,
        gone: None,
        kept,
        changed: &[],
    }
}

/// Whether the content of a row is published now. What is a draft, was closed, or was deleted is not, and
/// then what it once published goes too: somebody withdrew it.
macro_rules! is_public {
    ($row:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM contents AS now WHERE now.endpoint = ",
            $row,
            ".endpoint AND now.id = ",
            $row,
            ".id AND now.deleted_at IS NULL AND now.status IN ('PUBLISH', 'PUBLISH_AND_DRAFT')
             AND NOT EXISTS (SELECT 1 FROM endpoints AS api
                             WHERE api.endpoint = now.endpoint AND api.deleted_at IS NOT NULL))"
        )
    };
}

/// The metadata of a content: keys that are known to be harmless, and people under other names.
const CONTENT_METADATA: &str = "(SELECT json_group_object(key, CASE
        WHEN key IN ('createdBy', 'updatedBy')
        THEN json(ifnull((SELECT json_quote(alias) FROM editors WHERE name = metadata ->> fullkey), 'null'))
        ELSE json(metadata -> fullkey) END)
     FROM json_each(metadata) WHERE key IN ('id', 'status', 'createdAt', 'updatedAt', 'publishedAt', 'revisedAt',
        'closedAt', 'customStatus', 'reservationTime', 'createdBy', 'updatedBy'))";

const MEDIUM_METADATA: &str = "(SELECT json_group_object(key, json(metadata -> fullkey))
     FROM json_each(metadata) WHERE key IN ('id', 'url', 'width', 'height', 'alt', 'tags', 'createdAt', 'updatedAt'))";

const RULES: [Rule; 29] = [
    Rule {
        table: "contents",
        gone: None,
        kept: "endpoint id valid_from deleted_at",
        changed: &[
            (
                "published_body",
                concat!("CASE WHEN ", is_public!("contents"), " THEN published_body END"),
            ),
            ("draft_body", "NULL"),
            ("metadata", CONTENT_METADATA),
        ],
    },
    Rule {
        table: "contents_history",
        gone: None,
        kept: "endpoint id valid_from deleted_at valid_to",
        changed: &[
            (
                "published_body",
                // Of a version that said something else than "published" the body was not to be seen then.
                concat!(
                    "CASE WHEN status IN ('PUBLISH', 'PUBLISH_AND_DRAFT') AND ",
                    is_public!("contents_history"),
                    " THEN published_body END"
                ),
            ),
            ("draft_body", "NULL"),
            ("metadata", CONTENT_METADATA),
        ],
    },
    Rule {
        table: "media",
        gone: None,
        kept: "id file_name valid_from deleted_at",
        changed: &[("metadata", MEDIUM_METADATA)],
    },
    Rule {
        table: "media_history",
        gone: None,
        kept: "id file_name valid_from deleted_at valid_to",
        changed: &[("metadata", MEDIUM_METADATA)],
    },
    kept("endpoints", "endpoint name kind valid_from deleted_at schema"),
    kept(
        "endpoints_history",
        "endpoint name kind valid_from deleted_at valid_to schema",
    ),
    Rule {
        table: "assets",
        gone: None,
        kept: "media_id url path bytes sha256 content_type etag last_modified state why owed_at attempts fetched_at
               checked_at recheck_at rechecks valid_from next_attempt_at failed_at announced_bytes",
        changed: &[("last_error", "NULL")],
    },
    Rule {
        table: "assets_history",
        gone: None,
        kept: "media_id url path bytes sha256 content_type etag last_modified state why owed_at attempts fetched_at
               checked_at recheck_at rechecks valid_from valid_to next_attempt_at failed_at announced_bytes",
        changed: &[("last_error", "NULL")],
    },
    Rule {
        table: "owed_bodies",
        gone: None,
        kept: "number endpoint id side state attempts owed_at",
        changed: &[("last_error", "NULL")],
    },
    Rule {
        table: "runs",
        gone: None,
        kept: "id trigger program started_at clock_at finished_at outcome exit_code media_seen media_new media_changed
               media_returned media_missing media_deleted contents_seen contents_new contents_changed
               contents_returned contents_missing contents_deleted bodies_saved bodies_owed bodies_refused
               assets_saved assets_unchanged assets_owed assets_failed asset_bytes requests assets_moved
               assets_withheld log_size",
        changed: &[
            ("error", "NULL"),
            ("recent_requests", "NULL"),
            // Digests over what was taken out: who has the rest could try what fits.
            ("log_head", "NULL"),
            ("root", "NULL"),
            ("log_peaks", "NULL"),
        ],
    },
    Rule {
        table: "walks",
        gone: None,
        kept: "run_id scope pages total_count unique_ids duplicates restarts max_token_age_ms verdict started_at
               finished_at",
        changed: &[("detail", "NULL")],
    },
    kept(
        "absences",
        "scope id first_seen_at proven_walks last_run_id is_confirmed",
    ),
    kept("transfer", "month host requests bytes"),
    kept(
        "doubted_bodies",
        "endpoint id side updated_at looks look_at",
    ),
    kept("accepted_losses", "sha256 accepted_at"),
    kept("wrong_files", "media_id verification"),
    Rule {
        table: "asset_hosts",
        gone: None,
        kept: "host etag last_modified range content_length head changed_at",
        changed: &[("detail", "NULL")],
    },
    emptied("partials"),
    emptied("doomed_files"),
    kept(
        "prunes",
        "id program started_at finished_at superseded_before deleted_before versions deleted files bytes",
    ),
    Rule {
        table: "meta",
        // Of a snapshot made from a redacted one.
        gone: Some("key = 'redacted_by'"),
        kept: "key value",
        changed: &[],
    },
    kept("migrations", "version name sha256 applied_at"),
    // The log of versions: a digest of each, also of what was taken out.
    emptied("leaves"),
    kept(
        "verifications",
        "id program started_at finished_at scope is_repair slice width files bytes differences repaired kinds
         exit_code",
    ),
    // What follows from the bodies. Nobody reads a redacted copy through anew, so what belongs to a body
    // that went goes by its own rule; the search follows `content_texts` by its triggers.
    Rule {
        table: "media_references",
        gone: Some(concat!(
            "side = 'draft' OR NOT ",
            is_public!("media_references")
        )),
        kept: "endpoint id side field place url odd_host odd_path odd_name",
        changed: &[],
    },
    Rule {
        table: "content_texts",
        gone: Some(concat!(
            "side = 'draft' OR NOT ",
            is_public!("content_texts")
        )),
        kept: "rowid endpoint id side text",
        changed: &[],
    },
    Rule {
        table: "contents_search",
        // Its rows go with those of `content_texts`.
        gone: Some("FALSE"),
        kept: "text endpoint id side",
        changed: &[],
    },
    kept("media_odd_paths", "media_id host path"),
    // Last: what was taken out above was noted here.
    emptied("unread"),
];

/// Whether redaction may remove rows of a table.
pub(super) fn removes_rows(table: &str) -> bool {
    // One row is added to it.
    RULES
        .iter()
        .any(|rule| rule.table == table && rule.gone.is_some())
}

/// Takes out of a copy what is not for everybody. Its pages still hold it until they are written anew.
pub(super) fn redact(conn: &Connection) -> Result<(), StoreError> {
    let undecided = undecided(conn).map_err(sql)?;
    if !undecided.is_empty() {
        return Err(StoreError::Undecided {
            what: undecided.join(", "),
        });
    }
    let redacted = || {
        without_history(conn, || {
            name_editors(conn)?;
            for rule in &RULES {
                apply(conn, rule)?;
            }
            conn.execute_batch("DROP TABLE editors")
        })?;
        forget_traces(conn)?;
        conn.execute(
            "INSERT INTO meta (key, value) VALUES (:key, :program)",
            [
                REDACTED,
                concat!("microcms-backup ", env!("CARGO_PKG_VERSION")),
            ],
        )
        .map(drop)
    };
    redacted().map_err(|e| StoreError::sql("redact the copy", e))
}

/// Returns the tables and columns about which there is no rule.
fn undecided(conn: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut undecided = Vec::new();
    for table in tables(conn)? {
        let Some(rule) = RULES.iter().find(|rule| rule.table == table) else {
            undecided.push(format!("table `{table}`"));
            continue;
        };
        if rule.gone == Some("TRUE") {
            continue;
        }
        for column in stored_columns(conn, &table)? {
            let is_kept = rule.kept.split_whitespace().any(|kept| kept == column);
            let is_changed = rule.changed.iter().any(|(changed, _)| *changed == column);
            if !is_kept && !is_changed {
                undecided.push(format!("column `{table}.{column}`"));
            }
        }
    }
    Ok(undecided)
}

/// The columns of a table that hold something of their own: not those that are computed from others, nor
/// the hidden ones of a virtual table.
fn stored_columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    conn.prepare("SELECT name FROM pragma_table_xinfo(:table) WHERE hidden = 0")?
        .query_map([table], |row| row.get(0))?
        .collect()
}

fn apply(conn: &Connection, rule: &Rule) -> rusqlite::Result<()> {
    let columns = stored_columns(conn, rule.table)?;
    if columns.is_empty() {
        // A table that this schema does not have.
        return Ok(());
    }
    let table = quoted(rule.table);
    if let Some(gone) = rule.gone {
        conn.execute_batch(&format!("DELETE FROM {table} WHERE {gone}"))?;
    }
    let set: Vec<String> = rule
        .changed
        .iter()
        .filter(|(column, _)| columns.iter().any(|has| has == column))
        .map(|(column, becomes)| format!("{} = {becomes}", quoted(column)))
        .collect();
    if !set.is_empty() {
        conn.execute_batch(&format!("UPDATE {table} SET {}", set.join(", ")))?;
    }
    Ok(())
}

/// Gives each person a name of another kind, in the order in which they first appear. What the service
/// writes where there is no person stays.
///
/// The names stand in the copy, which nobody else can see, and go before it is written anew. They are
/// gathered row by row: sorting those of a million versions takes hundreds of megabytes, or a temporary
/// file full of names.
fn name_editors(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "CREATE TABLE editors_since (name TEXT PRIMARY KEY NOT NULL, since TEXT NOT NULL) WITHOUT ROWID;
         INSERT INTO editors_since
         SELECT name, valid_from
         FROM (SELECT created_by AS name, valid_from FROM contents
               UNION ALL SELECT updated_by, valid_from FROM contents
               UNION ALL SELECT created_by, valid_from FROM contents_history
               UNION ALL SELECT updated_by, valid_from FROM contents_history)
         WHERE name IS NOT NULL
         ON CONFLICT (name) DO UPDATE SET since = excluded.since WHERE excluded.since < since;
         CREATE TABLE editors (name TEXT PRIMARY KEY NOT NULL, alias TEXT NOT NULL) WITHOUT ROWID;
         INSERT INTO editors
         SELECT name, CASE WHEN name IN ('API', 'CSV_IMPORT', 'REMOVED_FROM_SERVICE') THEN name
             ELSE 'editor-' || row_number() OVER (
                 PARTITION BY name IN ('API', 'CSV_IMPORT', 'REMOVED_FROM_SERVICE') ORDER BY since, name)
             END
         FROM editors_since;
         DROP TABLE editors_since;",
    )
}

/// Does something during which no version is written to the history: it would keep what is taken out, as
/// the version before.
fn without_history(
    conn: &Connection,
    work: impl FnOnce() -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let triggers: Vec<(String, String)> = conn
        .prepare(
            "SELECT name, sql FROM sqlite_schema
             WHERE type = 'trigger' AND (name LIKE '%\\_history\\_on\\_%' ESCAPE '\\'
                                         OR name LIKE '%\\_version\\_moves\\_forward' ESCAPE '\\')",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (name, _) in &triggers {
        conn.execute_batch(&format!("DROP TRIGGER {}", quoted(name)))?;
    }
    work()?;
    for (_, text) in &triggers {
        conn.execute_batch(text)?;
    }
    Ok(())
}

/// Removes what SQLite itself keeps of values: samples for the planner, and words of the full text that
/// are marked as deleted.
fn forget_traces(conn: &Connection) -> rusqlite::Result<()> {
    let has_statistics: bool = conn.query_row(
        "SELECT count(*) > 0 FROM sqlite_schema WHERE name = 'sqlite_stat1'",
        [],
        |row| row.get(0),
    )?;
    if has_statistics {
        conn.execute_batch(
            "DROP TABLE IF EXISTS sqlite_stat4; DROP TABLE IF EXISTS sqlite_stat1;
             PRAGMA analysis_limit = 1000; ANALYZE;",
        )?;
    }
    let texts: Vec<String> = conn
        .prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for table in texts {
        let table = quoted(&table);
        conn.execute_batch(&format!(
            "INSERT INTO {table} ({table}) VALUES ('optimize')"
        ))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
