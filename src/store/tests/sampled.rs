//! Some of the files, from all over the tables.

use super::{Sandbox, at};
use crate::store::SAMPLE;

/// Files with so many versions, one after the other, of which `archived` alone have bytes that no current file has.
fn versions(home: &mut Sandbox, rows: u32, archived: &[u32]) {
    let archived: Vec<String> = archived.iter().map(u32::to_string).collect();
    let sql = format!(
        "INSERT INTO media (id, file_name, metadata, valid_from) VALUES ('m', 'f', '{{}}', '{now}');
         INSERT INTO assets (media_id, url, path, bytes, sha256, state, valid_from)
         VALUES ('m', 'u', 'h.io/m', 1, 'aa', 'saved', '{now}');
         INSERT INTO assets_history (media_id, url, path, bytes, sha256, state, attempts, rechecks, valid_from, valid_to)
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
         SELECT 'm', 'u' || i, 'h.io/m', 1, iif(i IN ({}), 'archived-' || i, 'aa'), 'saved', 0, 0, '{now}', '{now}' FROM n;",
        archived.join(", "),
        now = at(1),
    );
    let filled = home.store.write("test", |tx| tx.execute_batch(&sql));
    filled.unwrap();
}

#[test]
fn bytes_in_the_archive_are_found_however_rare_they_are() {
    for archived in [3_100, 777, 1, 5_000] {
        let mut home = Sandbox::new();
        versions(&mut home, 5_000, &[archived]);
        let sample = home.store.sampled_archived(SAMPLE).unwrap();
        assert_eq!(sample, [format!("archived-{archived}")]);
    }
    let mut home = Sandbox::new();
    versions(&mut home, 5_000, &[0]);
    assert!(home.store.sampled_archived(SAMPLE).unwrap().is_empty());
    assert!(home.store.oldest_archived(SAMPLE).unwrap().is_empty());
}

#[test]
fn a_sample_is_from_all_over_the_history() {
    let mut home = Sandbox::new();
    let all: Vec<u32> = (1..=5_000).collect();
    versions(&mut home, 5_000, &all);
    let sample = home.store.sampled_archived(SAMPLE).unwrap();
    assert_eq!(sample.len(), SAMPLE);
    let number = |name: &String| name.trim_start_matches("archived-").parse().unwrap();
    let numbers: Vec<u32> = sample.iter().map(number).collect();
    assert!(numbers.is_sorted() && numbers[0] < 300 && numbers[SAMPLE - 1] > 4_700);
}
