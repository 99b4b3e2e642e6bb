//! Whether the database is sound: its structure, its schema, its texts, its rows among each other.
//!
//! Everything is read leniently and only read. What a check finds is a list, for a check may be done
//! again where a run began or ended meanwhile; very long ones are cut and say so.

mod derived;
mod rows;
mod timelines;

use super::migrate::{self, MIGRATIONS};
use super::open::connect;
use super::values::lenient;
use super::{Store, StoreError};
use crate::model::{DifferenceKind, Timestamp};
use rusqlite::Connection;
use serde::de::IgnoredAny;
use std::collections::BTreeMap;

/// The most that one check names.
const NAMED: usize = 20_000;

/// A question to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseCheck {
    /// Pages, indexes and constraints, by SQLite itself.
    Structure,
    /// References between tables, by SQLite itself.
    References,
    /// Tables, indexes, triggers and views against those that the migrations make.
    Schema,
    /// JSON that can be read.
    Texts,
    /// Rows that need each other.
    Rows,
    /// Texts, references and paths that follow from bodies and URLs.
    Derived,
    /// Versions without gaps, overlaps and impossible times.
    Timelines,
    /// Runs and walks that agree with each other.
    Runs,
}

impl DatabaseCheck {
    /// All of them, in an order in which the first ones explain the later ones.
    pub const ALL: [Self; 8] = [
        Self::Structure,
        Self::References,
        Self::Schema,
        Self::Texts,
        Self::Rows,
        Self::Derived,
        Self::Timelines,
        Self::Runs,
    ];

    /// Returns what it looks at, in words.
    pub fn what(self) -> &'static str {
        match self {
            Self::Structure => "the structure of the database",
            Self::References => "references between tables",
            Self::Schema => "the schema",
            Self::Texts => "the recorded JSON",
            Self::Rows => "rows that need each other",
            Self::Derived => "what follows from bodies and URLs",
            Self::Timelines => "the timelines",
            Self::Runs => "runs and walks",
        }
    }
}

/// Something in the database that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// In which way.
    pub kind: DifferenceKind,
    /// What it is about.
    pub thing: String,
    /// The table.
    pub place: String,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

/// The flaws found so far.
#[derive(Debug, Default)]
struct Flaws {
    list: Vec<Flaw>,
    more: u64,
}

impl Flaws {
    fn add(
        &mut self,
        kind: DifferenceKind,
        thing: impl Into<String>,
        place: &str,
        expected: &str,
        found: impl Into<String>,
    ) {
        if self.list.len() >= NAMED {
            self.more += 1;
            return;
        }
        self.list.push(Flaw {
            kind,
            thing: thing.into(),
            place: place.to_owned(),
            expected: expected.to_owned(),
            found: found.into(),
        });
    }

    fn into_list(mut self, check: DatabaseCheck) -> Vec<Flaw> {
        if let (more @ 1.., Some(last)) = (self.more, self.list.last().cloned()) {
            self.list.push(Flaw {
                thing: check.what().to_owned(),
                found: format!("{more} more of the kind"),
                ..last
            });
        }
        self.list
    }
}

impl Store {
    /// Does one check. Returns what it found; nothing: all is well. Reads whole tables: seconds for
    /// hundreds of megabytes.
    ///
    /// Damage that keeps SQLite from reading on is a finding as well.
    ///
    /// # Errors
    /// When the check could not be done for another reason.
    pub fn check_soundness(
        &self,
        check: DatabaseCheck,
        now: Timestamp,
    ) -> Result<Vec<Flaw>, StoreError> {
        let mut flaws = Flaws::default();
        let done = self.read("look whether the database is sound", |conn| {
            match check {
                DatabaseCheck::Structure => structure(conn, &mut flaws),
                DatabaseCheck::References => references(conn, &mut flaws),
                DatabaseCheck::Schema => return schema(conn, now, &mut flaws),
                DatabaseCheck::Texts => texts(conn, &mut flaws),
                DatabaseCheck::Rows => rows::rows(conn, &mut flaws),
                DatabaseCheck::Derived => derived::derived(conn, &mut flaws),
                DatabaseCheck::Timelines => timelines::timelines(conn, now, &mut flaws),
                DatabaseCheck::Runs => rows::runs(conn, &mut flaws),
            }
            .map(Ok)
        });
        match done {
            Ok(Ok(())) => {}
            Ok(Err(err)) => return Err(err),
            Err(StoreError::Corrupt { source, .. }) => flaws.add(
                DifferenceKind::Structure,
                check.what(),
                "database",
                "readable to the end",
                source.to_string(),
            ),
            Err(err) => return Err(err),
        }
        Ok(flaws.into_list(check))
    }
}

fn structure(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    let mut query = conn.prepare(&format!("PRAGMA integrity_check({NAMED})"))?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let told = lenient(row, 0).unwrap_or_default();
        if told != "ok" {
            flaws.add(
                DifferenceKind::Structure,
                "the structure of the database",
                "database",
                "what SQLite calls ok",
                told,
            );
        }
    }
    Ok(())
}

fn references(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    let mut query = conn.prepare("PRAGMA foreign_key_check")?;
    let mut rows = query.query([])?;
    while let Some(row) = rows.next()? {
        let table = lenient(row, 0).unwrap_or_default();
        let parent = lenient(row, 2).unwrap_or_default();
        let rowid = lenient(row, 1).unwrap_or_else(|| "without a number".to_owned());
        flaws.add(
            DifferenceKind::Row,
            format!("row {rowid}"),
            &table,
            &format!("its row in `{parent}`"),
            "none",
        );
    }
    Ok(())
}

/// Compares the schema with that of a new database, made in memory by the same migrations. What people
/// added is theirs, but for triggers: those change what the program writes.
fn schema(
    conn: &Connection,
    now: Timestamp,
    flaws: &mut Flaws,
) -> rusqlite::Result<Result<(), StoreError>> {
    let made = connect(None).and_then(|mut fresh| {
        migrate::migrate(&mut fresh, None, 0, MIGRATIONS, now)?;
        Ok(fresh)
    });
    let fresh = match made {
        Ok(fresh) => fresh,
        Err(err) => return Ok(Err(err)),
    };
    let expected = objects(&fresh)?;
    let mut found = objects(conn)?;
    for ((kind, name), sql) in expected {
        let is = match found.remove(&(kind.clone(), name.clone())) {
            Some(is) if is == sql => continue,
            Some(_) => "another definition",
            None => "none",
        };
        let thing = format!("{kind} `{name}`");
        flaws.add(
            DifferenceKind::Schema,
            thing,
            "schema",
            "as the migrations make it",
            is,
        );
    }
    for ((kind, name), _) in found.into_iter().filter(|((kind, _), _)| kind == "trigger") {
        let thing = format!("{kind} `{name}`");
        flaws.add(
            DifferenceKind::Schema,
            thing,
            "schema",
            "no such trigger",
            "one of unknown origin",
        );
    }
    Ok(Ok(()))
}

type Objects = BTreeMap<(String, String), String>;

fn objects(conn: &Connection) -> rusqlite::Result<Objects> {
    conn.prepare("SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'sqlite!_%' ESCAPE '!'")?
        .query_map([], |row| {
            let text = |index| lenient(row, index).unwrap_or_default();
            Ok(((text(0), text(1)), text(2)))
        })?
        .collect()
}

/// Where JSON is recorded: the table, what names a row, the columns.
const TEXTS: [(&str, &str, &[&str]); 8] = [
    ("endpoints", "endpoint", &["schema"]),
    (
        "endpoints_history",
        "endpoint || ' as of ' || valid_from",
        &["schema"],
    ),
    (
        "contents",
        "endpoint || '/' || id",
        &["metadata", "published_body", "draft_body"],
    ),
    (
        "contents_history",
        "endpoint || '/' || id || ' as of ' || valid_from",
        &["metadata", "published_body", "draft_body"],
    ),
    ("media", "id", &["metadata"]),
    (
        "media_history",
        "id || ' as of ' || valid_from",
        &["metadata"],
    ),
    ("runs", "id", &["recent_requests"]),
    ("verifications", "id", &["kinds"]),
];

fn texts(conn: &Connection, flaws: &mut Flaws) -> rusqlite::Result<()> {
    for (table, key, columns) in TEXTS {
        // In the order of the file: the index would make a jump of every row.
        let sql = format!(
            "SELECT {key}, {} FROM {table} NOT INDEXED",
            columns.join(", ")
        );
        let mut query = conn.prepare(&sql)?;
        let mut rows = query.query([])?;
        while let Some(row) = rows.next()? {
            for (index, column) in columns.iter().enumerate() {
                let Some(why) = no_json(row, index + 1) else {
                    continue;
                };
                flaws.add(
                    DifferenceKind::Row,
                    format!("`{column}` of {}", lenient(row, 0).unwrap_or_default()),
                    table,
                    "JSON as it was served",
                    why,
                );
            }
        }
    }
    Ok(())
}

/// Returns why a column is no JSON, though it should be. NULL is none, and need not be.
fn no_json(row: &rusqlite::Row<'_>, index: usize) -> Option<String> {
    let bytes = match row.get_ref(index) {
        Ok(value) => value.as_bytes_or_null().ok()??,
        Err(err) => return Some(err.to_string()),
    };
    let parsed = std::str::from_utf8(bytes)
        .map_err(|err| err.to_string())
        .and_then(|text| {
            serde_json::from_str::<IgnoredAny>(text).map_err(|err| format!("no JSON: {err}"))
        });
    parsed.err()
}
