//! What a person asks the database, as a person does: with a connection that can only read.

use std::error::Error;
use std::io::Write;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row};

use crate::home::Home;
use crate::table::Table;

/// Asks everything, and prints each query with its answer.
pub(crate) fn ask(home: &Home, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let db = open(home)?;
    // A moment between the two syncs.
    let before: String = db.query_row("SELECT finished_at FROM runs WHERE id = 1", [], |row| {
        row.get(0)
    })?;
    for (question, sql) in questions(&before) {
        writeln!(out, "\n{question}")?;
        for line in sql.lines() {
            writeln!(out, "  > {line}")?;
        }
        writeln!(out)?;
        answer(&db, &sql)?.print(out)?;
    }
    Ok(())
}

fn questions(before: &str) -> [(&'static str, String); 8] {
    [
        (
            "What did the article say before the edit?",
            format!(
                "SELECT published_body ->> '$.title' AS title, published_body ->> '$.body' AS body\n\
                 FROM contents_timeline\n\
                 WHERE endpoint = 'blog' AND id = 'summer-closing'\n  \
                   AND valid_from <= '{before}'\n  \
                   AND (valid_to IS NULL OR '{before}' < valid_to);"
            ),
        ),
        (
            "What does it say now, and since when?",
            "SELECT valid_from, published_body ->> '$.body' AS body\n\
             FROM contents WHERE endpoint = 'blog' AND id = 'summer-closing';"
                .to_owned(),
        ),
        (
            "Which published articles got a draft since?",
            format!(
                "SELECT id, published_body ->> '$.title' AS published, draft_body ->> '$.title' AS draft\n\
                 FROM contents WHERE status = 'PUBLISH_AND_DRAFT' AND valid_from > '{before}';"
            ),
        ),
        (
            "What was deleted from the service? (The text is still here.)",
            "SELECT endpoint, id, deleted_at, published_body ->> '$.title' AS title\n\
             FROM contents WHERE deleted_at IS NOT NULL;"
                .to_owned(),
        ),
        (
            "Which files have new bytes, and where are the old ones?",
            "SELECT file_name, h.bytes AS before, a.bytes AS after,\n       \
                    'archive/' || substr(h.sha256, 1, 2) || '/' || substr(h.sha256, 3, 2) || '/'\n         \
                    || substr(h.sha256, 1, 12) || '…' AS old_file\n\
             FROM assets_history h JOIN assets a USING (media_id) JOIN media m ON m.id = media_id;"
                .to_owned(),
        ),
        (
            "What did the second run cost, against the first?",
            "SELECT id, outcome, requests, bodies_saved, assets_saved, asset_bytes\n\
             FROM runs ORDER BY id;"
                .to_owned(),
        ),
        (
            "What was transferred this month, and from where?",
            "SELECT month, host, requests, bytes FROM transfer ORDER BY bytes DESC;".to_owned(),
        ),
        (
            "Is the copy complete? (Each listing of the second run, held against its own count.)",
            "SELECT scope, pages, total_count, unique_ids, verdict FROM walks WHERE run_id = 2;"
                .to_owned(),
        ),
    ]
}

/// Where the file of that name lies below the mirror.
pub(crate) fn path_of(home: &Home, file_name: &str) -> Result<String, Box<dyn Error>> {
    Ok(open(home)?.query_row(
        "SELECT path FROM assets JOIN media ON media.id = media_id WHERE file_name = ?1",
        [file_name],
        |row| row.get(0),
    )?)
}

fn open(home: &Home) -> rusqlite::Result<Connection> {
    Connection::open_with_flags(
        home.path("backup.sqlite3"),
        OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
}

fn answer(db: &Connection, sql: &str) -> rusqlite::Result<Table> {
    let mut query = db.prepare(sql)?;
    let mut table = Table::new(query.column_names());
    let columns = query.column_count();
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let cells = (0..columns).map(|column| cell(row, column));
        table.row(cells.collect::<rusqlite::Result<_>>()?);
    }
    Ok(table)
}

fn cell(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(match row.get_ref(column)? {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(bytes) => format!("{} bytes", bytes.len()),
    })
}
