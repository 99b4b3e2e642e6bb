//! `docs/database.md` and its Japanese twin: every query answers as the page says, and every table, view
//! and column stands there.

mod page;
mod shop;

use crate::support::Sandbox;
use page::{Block, Page};
use rusqlite::types::ValueRef;
use shop::Shop;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

const ENGLISH: &str = include_str!("../../docs/database.md");
const JAPANESE: &str = include_str!("../../docs/database.ja.md");

/// Column names and rows, as texts.
type Answer = (Vec<String>, Vec<Vec<String>>);

fn pages() -> [(&'static str, Page); 2] {
    [
        ("docs/database.md", Page::parse(ENGLISH)),
        ("docs/database.ja.md", Page::parse(JAPANESE)),
    ]
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Blob(_) => panic!("a blob says nothing to a reader"),
    }
}

fn ask(home: &Sandbox, sql: &str) -> Answer {
    let conn = home.sql();
    let mut query = conn
        .prepare(sql)
        .unwrap_or_else(|error| panic!("{error}\n{sql}"));
    let names: Vec<String> = query.column_names().map(Into::into).collect();
    let rows = query.query_map([], |row| {
        (0..names.len())
            .map(|column| row.get_ref(column).map(text))
            .collect()
    });
    let rows = rows
        .expect(sql)
        .map(|row| row.unwrap_or_else(|error| panic!("{error}\n{sql}")))
        .collect();
    (names, rows)
}

/// How many rows the `sqlite3` shell of this machine gives; `None` where there is none.
fn rows_in_the_shell(home: &Sandbox, sql: &str) -> Option<usize> {
    let output = Command::new("sqlite3")
        .args(["-readonly", "-json"])
        .arg(home.database())
        .arg(sql)
        .output()
        .ok()?;
    assert!(
        output.status.success(),
        "{sql}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    if output.stdout.is_empty() {
        return Some(0);
    }
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).expect(sql);
    Some(rows.len())
}

/// The answer as the page has to show it.
fn shown((names, rows): &Answer, shop: &Shop) -> String {
    let cell = |text: &String| {
        let text = shop.with_real_hosts(text).replace('|', "\\|");
        if text.contains(['<', '{', '[', '$']) {
            format!("`{text}`")
        } else {
            text
        }
    };
    let line = |cells: Vec<String>| {
        let joined = cells.join(" | ");
        format!("| {joined} |")
            .replace("|  |", "| |")
            .replace("|  |", "| |")
    };
    let mut lines = vec![
        line(names.clone()),
        format!("|{}", "---|".repeat(names.len())),
    ];
    lines.extend(rows.iter().map(|row| line(row.iter().map(cell).collect())));
    lines.join("\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_the_page_answers_as_the_page_says() {
    let shop = Shop::open().await;
    let mut wrong = Vec::new();
    for (name, page) in pages() {
        for Block { place, sql, answer } in page.blocks {
            let now = Shop::at_that_time(&sql);
            let found = ask(&shop.home, &now);
            assert!(!found.1.is_empty(), "{name}, {place}: no rows\n{sql}");
            // As it stands on the page, too: it only has other days in it.
            let (_, rows) = ask(&shop.home, &sql);
            for (sql, rows) in [(&now, found.1.len()), (&sql, rows.len())] {
                if let Some(count) = rows_in_the_shell(&shop.home, sql) {
                    assert_eq!(count, rows, "{name}, {place}: the shell differs\n{sql}");
                }
            }
            let Some(answer) = answer else {
                assert!(
                    !Page::is_question(&place),
                    "{name}, {place}: no answer is shown"
                );
                continue;
            };
            let expected = shown(&found, &shop);
            let is_same = if sql.contains("FROM transfer") {
                // How many requests and bytes lists and bodies take is the simulator's affair.
                answer.lines().next() == expected.lines().next()
                    && answer.lines().count() == expected.lines().count()
            } else {
                answer == expected
            };
            if !is_same {
                wrong.push(format!("{name}, {place}:\n{expected}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "other answers:\n{}", wrong.join("\n"));
}

#[test]
fn both_languages_ask_the_same_and_ask_enough() {
    let [(_, english), (_, japanese)] = pages();
    assert_eq!(english.blocks.len(), japanese.blocks.len());
    for (one, other) in english.blocks.iter().zip(&japanese.blocks) {
        assert_eq!(one.sql, other.sql, "{} and {}", one.place, other.place);
        assert_eq!(one.answer, other.answer, "{}", one.place);
    }
    let questions: BTreeSet<&String> = english
        .blocks
        .iter()
        .map(|block| &block.place)
        .filter(|place| Page::is_question(place))
        .collect();
    assert!(questions.len() >= 10, "{questions:?}");
}

/// Every table and view that people see, with its columns.
fn schema(home: &Sandbox) -> BTreeMap<String, BTreeSet<String>> {
    let tables = home.texts(
        "SELECT name FROM pragma_table_list
         WHERE schema = 'main' AND type <> 'shadow' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    );
    let columns = |table: &String| {
        let sql = format!("SELECT name FROM pragma_table_xinfo('{table}')");
        home.texts(&sql).into_iter().collect()
    };
    tables
        .into_iter()
        .map(|table| {
            let columns = columns(&table);
            (table, columns)
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_view_and_column_stands_on_the_page_and_nothing_else() {
    let sim = microcms_sim::Sim::builder().start().await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await;
    let schema = schema(&home);
    assert!(schema.len() > 30, "{:?}", schema.keys());
    for (name, page) in pages() {
        let told: BTreeSet<&String> = page.tables.keys().collect();
        let real: BTreeSet<&String> = schema.keys().collect();
        assert_eq!(told, real, "{name}");
        for (table, columns) in &schema {
            assert_eq!(page.tables.get(table), Some(columns), "{name}, `{table}`");
        }
    }
}

/// The tables and views that are named by the first cell of the row that begins so.
fn named_by_row(text: &str, begin: &str) -> BTreeSet<String> {
    let row = text.lines().find(|line| line.starts_with(begin));
    let cell = row.expect(begin).split(" | ").next().unwrap_or_default();
    let words = cell.split('`').skip(1).step_by(2);
    words
        .map(|word| word.split('.').next().unwrap_or_default().to_owned())
        .collect()
}

/// The tables and views in which one of these texts stands.
fn places_of(texts: &BTreeSet<String>, home: &Sandbox) -> BTreeSet<String> {
    let shows_one = |table: &String, columns: &BTreeSet<String>| {
        // Bytes are digests, and no text is in them.
        let texts_of =
            |column: &String| format!("iif(typeof(\"{column}\") = 'blob', '', \"{column}\")");
        let columns: Vec<String> = columns.iter().map(texts_of).collect();
        let sql = format!("SELECT {} FROM \"{table}\"", columns.join(", "));
        let (_, rows) = ask(home, &sql);
        rows.iter()
            .flatten()
            .any(|cell| texts.iter().any(|text| cell.contains(text.as_str())))
    };
    let schema = schema(home).into_iter();
    schema
        .filter(|(table, columns)| shows_one(table, columns))
        .map(|(table, _)| table)
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn secrets_are_where_the_page_says_and_nowhere_else() {
    let shop = Shop::open().await;
    let keys = shop.home.texts(
        "SELECT draft_key FROM contents WHERE draft_key IS NOT NULL
         UNION SELECT draft_key FROM contents_history WHERE draft_key IS NOT NULL",
    );
    assert!(keys.len() >= 2, "{keys:?}");
    let keys = places_of(&keys.into_iter().collect(), &shop.home);
    let drafts = places_of(&Shop::words_of_drafts(), &shop.home);
    assert!(drafts.contains("contents_search"), "{drafts:?}");
    for (name, text) in [
        ("docs/database.md", ENGLISH),
        ("docs/database.ja.md", JAPANESE),
    ] {
        assert_eq!(keys, named_by_row(text, "| `contents.draft_key`"), "{name}");
        let told = named_by_row(text, "| `contents.draft_body`");
        let untold: Vec<_> = drafts.difference(&told).collect();
        assert!(untold.is_empty(), "{name}: {untold:?}");
    }
}

#[test]
fn the_page_names_each_table_and_each_column_once() {
    for (name, page) in pages() {
        assert_eq!(page.twice, Vec::<String>::new(), "{name}");
    }
}
