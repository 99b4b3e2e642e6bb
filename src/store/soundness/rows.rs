//! Rows that need each other, and runs that must not contradict their walks.

use super::Flaws;
use crate::model::DifferenceKind;
use crate::store::plain::status_words;
use crate::store::values::lenient;
use rusqlite::Connection;

/// A question whose every answer is a flaw: the first column names the row, the second what was found.
struct Question {
    sql: &'static str,
    place: &'static str,
    expected: &'static str,
}

/// A redacted snapshot leaves bodies out.
macro_rules! not_redacted {
    () => {
        " AND NOT EXISTS (SELECT 1 FROM meta WHERE key = 'redacted_by')"
    };
}

const ROWS: [Question; 5] = [
    Question {
        sql: "SELECT m.id, 'no row in `assets`' FROM media AS m
              WHERE m.deleted_at IS NULL AND NOT EXISTS (SELECT 1 FROM assets AS a WHERE a.media_id = m.id)",
        place: "media",
        expected: "a row for its file",
    },
    Question {
        sql: "SELECT a.media_id, 'no row in `media`' FROM assets AS a
              WHERE NOT EXISTS (SELECT 1 FROM media AS m WHERE m.id = a.media_id)",
        place: "assets",
        expected: "a row for its medium",
    },
    Question {
        sql: "SELECT o.endpoint || '/' || o.id, 'no row in `contents`' FROM owed_bodies AS o
              WHERE NOT EXISTS (SELECT 1 FROM contents AS c WHERE c.endpoint = o.endpoint AND c.id = o.id)",
        place: "owed_bodies",
        expected: "a row for its content",
    },
    Question {
        sql: concat!(
            "SELECT c.endpoint || '/' || c.id, 'neither a body nor a note that it is owed' FROM contents AS c
              WHERE c.deleted_at IS NULL AND c.published_body IS NULL AND ",
            status_words!("c."),
            " IN ('PUBLISH', 'PUBLISH_AND_DRAFT', 'PUBLISH,DRAFT', 'DRAFT,PUBLISH', 'CLOSED')
                  AND NOT EXISTS (SELECT 1 FROM owed_bodies AS o
                      WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'published')",
            not_redacted!()
        ),
        place: "contents",
        expected: "`published_body`, or a row in `owed_bodies`",
    },
    Question {
        sql: concat!(
            "SELECT c.endpoint || '/' || c.id, 'neither a body nor a note that it is owed' FROM contents AS c
              WHERE c.deleted_at IS NULL AND c.draft_body IS NULL AND ",
            status_words!("c."),
            " IN ('DRAFT', 'PUBLISH_AND_DRAFT', 'PUBLISH,DRAFT', 'DRAFT,PUBLISH')
                  AND NOT EXISTS (SELECT 1 FROM owed_bodies AS o
                      WHERE o.endpoint = c.endpoint AND o.id = c.id AND o.side = 'draft')",
            not_redacted!()
        ),
        place: "contents",
        expected: "`draft_body`, or a row in `owed_bodies`",
    },
];

const RUNS: [Question; 3] = [
    Question {
        sql: "SELECT 'run ' || id, 'it says `running`, and later ones have begun' FROM runs
              WHERE outcome = 'running' AND id < (SELECT max(id) FROM runs)",
        place: "runs",
        expected: "only the newest run may be under way",
    },
    Question {
        sql: "SELECT 'run ' || r.id, 'it says `complete`, and the walk of ' || w.scope || ' is ' || w.verdict
              FROM runs AS r JOIN walks AS w ON w.run_id = r.id
              WHERE r.outcome = 'complete' AND w.verdict <> 'proven'",
        place: "runs",
        expected: "all walks of a complete run are proven",
    },
    Question {
        sql: "SELECT 'run ' || id, 'it says `complete` with exit code ' || coalesce(exit_code, 'none') FROM runs
              WHERE outcome = 'complete' AND exit_code IS NOT 0",
        place: "runs",
        expected: "a complete run has exit code 0",
    },
];

pub(super) fn rows(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    ask(conn, &ROWS, DifferenceKind::Row, flaws)
}

pub(super) fn runs(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    ask(conn, &RUNS, DifferenceKind::Runs, flaws)
}

fn ask(
    conn: &Connection,
    questions: &[Question],
    kind: DifferenceKind,
    flaws: &mut Flaws,
) -> rusqlite::Result<()> {
    for question in questions {
        let mut query = conn.prepare(question.sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            let text = |index| lenient(row, index).unwrap_or_default();
            flaws.add(kind, text(0), question.place, question.expected, text(1));
        }
    }
    Ok(())
}
