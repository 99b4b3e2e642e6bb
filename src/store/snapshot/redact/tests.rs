use super::*;
use crate::store::Store;
use crate::store::tests::{at, options};

#[test]
fn every_table_and_every_column_is_decided_about_and_no_rule_is_about_nothing() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(&options(&folder), at(0)).unwrap());
    let conn = Connection::open(options(&folder).path).unwrap();
    assert_eq!(undecided(&conn).unwrap(), Vec::<String>::new());
    let mut idle = Vec::new();
    for rule in &RULES {
        let columns = stored_columns(&conn, rule.table).unwrap();
        if columns.is_empty() {
            idle.push(rule.table.to_owned());
            continue;
        }
        let ruled = rule
            .kept
            .split_whitespace()
            .chain(rule.changed.iter().map(|(column, _)| *column));
        idle.extend(
            ruled
                .filter(|ruled| !columns.iter().any(|column| column == ruled))
                .map(|ruled| format!("{}.{ruled}", rule.table)),
        );
    }
    assert_eq!(idle, Vec::<String>::new());
}

#[test]
fn a_new_table_a_new_column_and_a_full_text_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    drop(Store::open(&options(&folder), at(0)).unwrap());
    let conn = Connection::open(options(&folder).path).unwrap();
    conn.execute_batch(
        "CREATE TABLE extra (a TEXT); ALTER TABLE runs ADD COLUMN who TEXT;
         CREATE VIRTUAL TABLE words USING fts5(a, tokenize = 'trigram');",
    )
    .unwrap();
    assert_eq!(
        undecided(&conn).unwrap(),
        ["table `extra`", "column `runs.who`", "table `words`"]
    );
    assert!(matches!(redact(&conn), Err(StoreError::Undecided { .. })));
}
