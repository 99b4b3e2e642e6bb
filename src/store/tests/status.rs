use super::{Sandbox, at, endpoint, options};
use crate::model::Endpoint;
use crate::store::{Store, StoreError, view};
use std::fs;

fn run(store: &mut Store, sql: &str) {
    store.write("test", |tx| tx.execute_batch(sql)).unwrap();
}

#[test]
fn an_empty_database_has_nothing_to_tell() {
    let home = Sandbox::new();
    let before = home.written();
    let state = home.store.backup_state(&[], at(0)).unwrap();
    assert_eq!((state.runs.len(), state.last_complete), (0, None));
    assert_eq!(state.month, "2023-11");
    assert_eq!((state.mirror_bytes, state.archive_bytes), (0, 0));
    assert_eq!(home.written(), before);
}

#[test]
fn the_archive_holds_each_superseded_digest_once_and_no_present_one() {
    let mut home = Sandbox::new();
    let asset = |media: &str, path: &str, sha: &str, bytes: u32, from: u32| {
        format!(
            "INSERT INTO assets (media_id, url, path, bytes, sha256, state, valid_from)
             VALUES ('{media}', 'u', '{path}', {bytes}, '{sha}', 'saved', '{from}')
             ON CONFLICT DO UPDATE SET path = excluded.path, bytes = excluded.bytes,
                 sha256 = excluded.sha256, valid_from = excluded.valid_from;"
        )
    };
    for sql in [
        // Two media had the same bytes, which both lost for others.
        asset("a", "a", "one", 10, 1),
        asset("b", "b", "one", 10, 1),
        asset("a", "a", "two", 300, 2),
        asset("b", "b", "three", 4000, 2),
        // One only moved.
        asset("c", "c", "four", 50_000, 1),
        asset("c", "d", "four", 50_000, 2),
    ] {
        run(&mut home.store, &sql);
    }
    let state = home.store.backup_state(&[], at(0)).unwrap();
    assert_eq!(state.mirror_bytes, 54_300);
    assert_eq!(state.archive_bytes, 10);
    // A file whose replacement is owed is held, one that the mirror lost for good is not; and a run
    // says the same.
    run(
        &mut home.store,
        "UPDATE assets SET state = 'owed', why = 'changed' WHERE media_id = 'a';
         UPDATE assets SET state = 'gone' WHERE media_id = 'b'",
    );
    let state = home.store.backup_state(&[], at(0)).unwrap();
    assert_eq!((state.holdings.files, state.holdings.bytes), (2, 50_300));
    assert_eq!(state.mirror_bytes, 50_300);
    assert_eq!(state.holdings, home.store.holdings(at(0)).unwrap());
}

#[test]
fn the_last_complete_run_is_found_however_long_ago() {
    let mut home = Sandbox::new();
    run(
        &mut home.store,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
         INSERT INTO runs (trigger, program, started_at, outcome)
         SELECT CASE WHEN i > 400 THEN 'command, media only' ELSE 'command' END, 'test',
             strftime('%Y-%m-%dT%H:%M:%fZ', 1700000000 + i, 'unixepoch'),
             CASE WHEN i = 7 OR i > 400 THEN 'complete' ELSE 'failed' END
         FROM n",
    );
    let state = home.store.backup_state(&[], at(0)).unwrap();
    assert_eq!(state.runs.len(), 20);
    assert_eq!(state.runs[0].id, 500);
    assert_eq!(state.last_complete.map(|run| run.id), Some(7));
    assert_eq!(state.last_ended.map(|run| run.id), Some(400));
    assert_eq!(state.needs_person, None);
}

#[test]
fn what_wants_a_person_is_found_behind_later_runs_and_ends_with_a_complete_one() {
    let mut home = Sandbox::new();
    let mut after = |outcome: &str, code: &str| {
        let sql = format!(
            "INSERT INTO runs (trigger, program, started_at, outcome, exit_code)
             VALUES ('command', 'test', '2026-11-01T00:00:00.000Z', '{outcome}', {code})"
        );
        run(&mut home.store, &sql);
        let state = home.store.backup_state(&[], at(0)).unwrap();
        state.needs_person.map(|run| run.id)
    };
    assert_eq!(after("partial", "4"), Some(1));
    assert_eq!(after("interrupted", "NULL"), Some(1));
    assert_eq!(after("failed", "5"), Some(3));
    assert_eq!(after("failed", "1"), Some(3));
    assert_eq!(after("complete", "0"), None);
    assert_eq!(after("partial", "3"), None);
}

#[test]
fn an_api_that_was_deleted_is_not_listed_and_owed_bodies_belong_to_theirs() {
    let mut home = Sandbox::new();
    run(
        &mut home.store,
        "INSERT INTO endpoints (endpoint, name, kind, valid_from, deleted_at, schema)
         VALUES ('blog', 'Blog', 'list', '1', NULL, '{}'), ('old', 'Old', 'list', '1', '2', NULL);
         INSERT INTO contents (endpoint, id, valid_from, deleted_at, metadata)
         VALUES ('blog', 'a', '1', NULL, '{}'), ('blog', 'b', '1', '2', '{}'), ('old', 'c', '1', '2', '{}');
         INSERT INTO owed_bodies (endpoint, id, side, state, last_error, owed_at)
         VALUES ('blog', 'a', 'draft', 'owed', 'lost', '1'), ('blog', 'a', 'published', 'refused', 'closed', '1')",
    );
    let state = home.store.backup_state(&[endpoint("blog")], at(0)).unwrap();
    assert_eq!(state.endpoints.len(), 1);
    let blog = &state.endpoints[0];
    assert_eq!(
        (blog.contents, blog.bodies_owed, blog.bodies_refused),
        (1, 1, 1)
    );
    assert_eq!(blog.bodies_error.as_deref(), Some("closed"));
    let is_left_out = |configured: &[Endpoint]| {
        let state = home.store.backup_state(configured, at(0)).unwrap();
        state.endpoints[0].is_left_out
    };
    assert!(!is_left_out(&[]) && !is_left_out(&[endpoint("blog")]));
    assert!(is_left_out(&[endpoint("news")]));
    assert_eq!(state.holdings.contents, 1);
}

#[test]
fn a_look_sees_what_stands_in_the_log_and_leaves_no_file_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    let runs = || {
        view(&path, "my-service", |store| {
            Ok(store.backup_state(&[], at(0))?.runs.len())
        })
        .unwrap()
    };
    let names = || {
        let mut names: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!((runs(), names().len()), (None, 0));

    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    store.begin_run("test", "test", at(1)).unwrap();
    let before = names();
    assert_eq!((runs(), names()), (Some(1), before));

    store.close().unwrap();
    let before = names();
    assert_eq!((runs(), names()), (Some(1), before));
}

#[test]
fn a_look_during_which_the_database_was_written_to_is_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    Store::open(&options(&folder), at(0))
        .unwrap()
        .close()
        .unwrap();
    let asked = std::cell::Cell::new(0);
    let runs = view(&path, "my-service", |looking| {
        asked.set(asked.get() + 1);
        if asked.get() == 1 {
            let mut store = Store::open(&options(&folder), at(0)).unwrap();
            store.begin_run("test", "test", at(1)).unwrap();
            store.close().unwrap();
        }
        Ok(looking.backup_state(&[], at(0))?.runs.len())
    });
    assert_eq!((runs.unwrap(), asked.get()), (Some(1), 2));
}

#[test]
fn an_older_schema_is_not_guessed_at() {
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    run(&mut store, "PRAGMA user_version = 1");
    store.close().unwrap();
    let error = view(&path, "my-service", |store| store.backup_state(&[], at(0))).unwrap_err();
    assert!(matches!(error, StoreError::Older { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn damage_in_the_structure_is_found_without_reading_everything() {
    let folder = tempfile::tempdir().unwrap();
    let path = options(&folder).path;
    let mut store = Store::open(&options(&folder), at(0)).unwrap();
    assert_eq!(store.check().unwrap().findings, Vec::<String>::new());
    run(
        &mut store,
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO transfer (month, host, requests, bytes) SELECT '2026-11', 'host ' || i, 1, 1 FROM n",
    );
    store.close().unwrap();
    // A page in the middle of the table.
    let mut bytes = fs::read(&path).unwrap();
    let page = bytes.len() - 3 * 4096;
    bytes[page..page + 512].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let found = view(&path, "my-service", Store::check).unwrap().unwrap();
    assert!(found.is_whole);
    assert!(!found.findings.is_empty());
}
