//! What is counted by indexes is what a look at each row would count.

use super::{Sandbox, at, options};
use crate::store::{Mode, Options, Store, counts};

/// Files of every kind that rows can tell of, each kind a different number of times; tombstones among the rest.
fn fill(home: &mut Sandbox) {
    let sql = format!(
        "WITH state(state) AS (VALUES ('owed'), ('saved'), ('failed'), ('gone')),
              sha(sha) AS (VALUES (NULL), ('aa'), ('bb')),
              why(why) AS (VALUES (NULL), ('new'), ('missing'), ('damaged')),
              look(look) AS (VALUES (NULL), ('{later}')),
              next(next) AS (VALUES (NULL), ('{before}'), ('{later}'), ('9999-01-01T00:00:00.000Z')),
              announced(announced) AS (VALUES (NULL), (7)),
              kinds AS (
                  SELECT row_number() OVER () AS n, * FROM state, sha, why, look, next, announced
                  WHERE state <> 'saved' OR sha IS NOT NULL)
         INSERT INTO assets (media_id, url, path, bytes, sha256, state, why, recheck_at, next_attempt_at,
             announced_bytes, last_error, valid_from)
         SELECT 'm-' || n, 'u', iif(sha IS NULL, NULL, 'h.io/' || n), iif(sha IS NULL, NULL, 1000 + n * n), sha, state,
             why, look, next, announced, iif(state = 'failed', 'x', NULL), '{before}'
         FROM kinds;
         INSERT INTO accepted_losses (sha256, accepted_at) VALUES ('bb', '{before}');
         INSERT INTO media (id, file_name, metadata, valid_from, deleted_at)
         SELECT media_id, 'f', '{{}}', '{before}', iif(rowid % 3 = 0, '{before}', NULL)
         FROM assets WHERE rowid % 2 = 0;
         INSERT INTO endpoints (endpoint, kind, name, valid_from, deleted_at)
         VALUES ('a', 'list', '', '{before}', NULL), ('b', 'list', '', '{before}', NULL), ('c', 'list', '', '{before}', '{before}');
         INSERT INTO contents (endpoint, id, metadata, valid_from, deleted_at)
         SELECT e.endpoint, m.id, '{{}}', '{before}',
             iif(e.endpoint = 'c' OR e.endpoint = 'a' AND m.rowid % 5 = 0, '{before}', NULL)
         FROM endpoints AS e, media AS m WHERE e.endpoint <> 'b' OR m.rowid % 7 = 0",
        before = at(1),
        later = at(20),
    );
    let filled = home.store.write("test", |tx| tx.execute_batch(&sql));
    filled.unwrap();
}

/// The same by reading every row.
const BY_ROWS: &str = "SELECT count(*) FILTER (WHERE state = 'saved'), count(*) FILTER (WHERE state = 'owed'),
     coalesce(sum(announced_bytes) FILTER (WHERE state = 'owed'), 0), count(*) FILTER (WHERE state = 'failed'),
     count(*) FILTER (WHERE state IN ('owed', 'failed') AND why IN ('missing', 'damaged')),
     count(*) FILTER (WHERE state = 'gone'),
     count(*) FILTER (WHERE state = 'gone' AND sha256 = 'aa' AND why IN ('missing', 'damaged')),
     count(*) FILTER (WHERE state = 'failed' AND next_attempt_at > :now AND next_attempt_at < '9'),
     count(*) FILTER (WHERE sha256 IS NOT NULL AND state <> 'gone'),
     coalesce(sum(bytes) FILTER (WHERE sha256 IS NOT NULL AND state <> 'gone'), 0)
 FROM assets NOT INDEXED";

#[test]
fn files_are_counted_by_indexes_as_their_rows_would_have_it() {
    let mut home = Sandbox::new();
    fill(&mut home);
    for now in [at(0), at(5), at(30)] {
        let (counted, by_rows) = home
            .store
            .read("test", |conn| {
                let files = counts::files(conn, now)?;
                let state = &files.state;
                let counted = [
                    state.saved,
                    state.owed,
                    state.owed_bytes,
                    state.failed,
                    state.lost,
                    state.gone,
                    state.gone_from_here,
                    files.waiting,
                    files.held,
                    files.held_bytes,
                ];
                let by_rows: Vec<u64> =
                    conn.prepare(BY_ROWS)?.query_row(&[(":now", &now)], |row| {
                        (0..10)
                            .map(|i| row.get::<_, i64>(i))
                            .map(|n| Ok(n?.cast_unsigned()))
                            .collect()
                    })?;
                Ok((counted.to_vec(), by_rows))
            })
            .unwrap();
        assert_eq!(counted, by_rows, "{now}");
        // Of each some, but for those that wait: whether they do depends on the moment.
        let none = counted.iter().filter(|count| **count == 0).count();
        assert_eq!(none, usize::from(now == at(30)), "{counted:?}");
    }
}

#[test]
fn what_is_live_is_what_there_is_less_the_tombstones() {
    let mut home = Sandbox::new();
    fill(&mut home);
    let by_rows = |what: &str| {
        let live = home.ask(&format!(
            "SELECT count(*) FROM {what} AND deleted_at IS NULL"
        ));
        let deleted = home.ask(&format!(
            "SELECT count(*) FROM {what} AND deleted_at IS NOT NULL"
        ));
        (live, deleted)
    };
    let condition = home.store.condition(&[], at(5)).unwrap();
    let tell =
        |rows: crate::model::condition::Rows| (rows.live.to_string(), rows.deleted.to_string());
    assert_eq!(
        tell(condition.media),
        by_rows("media NOT INDEXED WHERE TRUE")
    );
    assert_eq!(
        tell(condition.contents),
        by_rows("contents NOT INDEXED WHERE TRUE")
    );
    let each = home.store.read("test", counts::live_contents).unwrap();
    assert_eq!(each.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    for (endpoint, live) in &each {
        let rows = by_rows(&format!(
            "contents NOT INDEXED WHERE endpoint = '{endpoint}'"
        ));
        assert_eq!(live.to_string(), rows.0, "{endpoint}");
    }
    assert_eq!(each["c"], 0);
    assert!(each["a"] > 0 && each["b"] > 0);
    let holdings = home.store.holdings(at(5)).unwrap();
    let state = home.store.backup_state(&[], at(5)).unwrap();
    assert_eq!(holdings, state.holdings);
    assert_eq!(
        (holdings.endpoints, holdings.contents),
        (2, each["a"] + each["b"])
    );
}

/// What a monitor asks every quarter of a minute reads no table whose rows are as many as files or contents.
#[test]
fn the_state_of_a_large_backup_is_told_without_reading_its_rows() {
    let mut home = Sandbox::new();
    let rows = |table: &str, columns: &str, values: &str| {
        format!(
            "INSERT INTO {table} ({columns}, valid_from)
             WITH n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 3000) SELECT {values}, '1' FROM n;"
        )
    };
    let long = format!("'\"{}\"'", "x".repeat(3000));
    let sql = [
        rows("endpoints", "endpoint, kind, name", "'a' || n, 'list', ''").replace("3000", "1"),
        rows(
            "media",
            "id, file_name, metadata",
            &format!("n, 'f', {long}"),
        ),
        rows(
            "contents",
            "endpoint, id, metadata",
            &format!("'a1', n, {long}"),
        ),
        rows(
            "assets",
            "media_id, url, path, bytes, sha256, state, etag",
            &format!("n, 'u', 'h.io/' || n, n, 'aa' || n, 'saved', {long}"),
        ),
    ];
    home.store
        .write("test", |tx| tx.execute_batch(&sql.concat()))
        .unwrap();
    let read_only = Options {
        mode: Mode::DryRun,
        ..options(&home._folder)
    };
    let store = Store::open(&read_only, at(5)).unwrap();
    let before = read_so_far();
    assert_eq!(store.condition(&[], at(5)).unwrap().files.saved, 3000);
    let state = store.backup_state(&[], at(5)).unwrap();
    let holdings = state.holdings;
    assert_eq!((holdings.media, holdings.contents), (3000, 3000));
    let read = read_so_far() - before;
    assert!(
        read < 2_000_000,
        "{read} bytes, where the rows have 27,000,000"
    );
}

/// Returns how many bytes this thread read from files and the like.
fn read_so_far() -> u64 {
    let io = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}
