//! What users find in the database file with a SQLite tool of their own.

use microcms_backup::model::{
    AssetStep, BodyStep, ContentId, ContentStep, Endpoint, ListedContent, ListedMedium, MediaId,
    MediumStep, Status, Timestamp, Why,
};
use microcms_backup::store::{Mode, Options, Store, StoreError};
use rusqlite::Connection;
use std::fs;
use tempfile::TempDir;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_700_000_000_000 + seconds * 1000)
}

fn options(folder: &TempDir) -> Options {
    Options {
        path: folder.path().join("backup.sqlite3"),
        service_id: "my-service".to_owned(),
        mode: Mode::ReadWrite,
    }
}

/// A closed database with one content and one medium.
fn filled() -> (TempDir, Options) {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let mut store = Store::open(&options, at(0)).unwrap();
    let content = ListedContent {
        id: ContentId::parse("hello").unwrap(),
        status: Status::Publish,
        updated_at: None,
        published_at: None,
        revised_at: None,
        draft_key: None,
        metadata:
            r#"{"id":"hello","status":["PUBLISH"],"createdBy":"someone","customStatus":null}"#
                .to_owned(),
    };
    let page = [ContentStep::Record {
        content,
        published: BodyStep::Fetch,
        draft: BodyStep::Clear,
    }];
    let blog = Endpoint::parse("blog").unwrap();
    store.record_contents(&blog, &page, at(1)).unwrap();
    let medium = ListedMedium {
        id: MediaId::parse("m-1").unwrap(),
        url: "https://host/logo.png".to_owned(),
        file_name: "logo.png".to_owned(),
        width: Some(12),
        height: Some(8),
        updated_at: None,
        description: String::new(),
        metadata:
            r#"{"id":"m-1","url":"https://host/logo.png","width":12,"height":8,"tags":["a"]}"#
                .to_owned(),
    };
    let page = [MediumStep::Record {
        medium,
        asset: AssetStep::Fetch(Why::New),
    }];
    store.record_media(&page, at(1)).unwrap();
    store.close().unwrap();
    (folder, options)
}

fn text(conn: &Connection, sql: &str) -> String {
    conn.query_row(sql, [], |row| row.get::<_, Option<String>>(0))
        .unwrap()
        .unwrap_or_else(|| "NULL".to_owned())
}

fn count(conn: &Connection, sql: &str) -> i64 {
    conn.query_row(sql, [], |row| row.get(0)).expect(sql)
}

#[test]
fn the_tables_have_the_columns_that_are_promised() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    let contents = "endpoint id status created_at updated_at published_at revised_at closed_at draft_key created_by \
         updated_by custom_status reservation_time metadata published_body draft_body valid_from deleted_at";
    let media = "id url file_name width height alt tags created_at updated_at metadata valid_from deleted_at";
    let assets = "media_id url path bytes sha256 content_type etag last_modified state attempts last_error fetched_at \
         checked_at valid_from";
    let endpoints = "endpoint name kind schema valid_from deleted_at";
    let with_end = |columns: &str| format!("{columns} valid_to");
    let promised = [
        ("endpoints", endpoints.to_owned()),
        ("endpoints_history", with_end(endpoints)),
        ("contents", contents.to_owned()),
        ("contents_history", with_end(contents)),
        ("contents_timeline", with_end(contents)),
        ("media", media.to_owned()),
        ("media_history", with_end(media)),
        ("media_timeline", with_end(media)),
        ("assets", assets.to_owned()),
        ("assets_history", with_end(assets)),
        ("assets_timeline", "media_id url path bytes sha256 state valid_from valid_to".to_owned()),
        ("runs", "id trigger started_at finished_at outcome error".to_owned()),
        ("walks", "run_id scope pages total_count unique_ids duplicates restarts max_token_age_ms verdict detail".to_owned()),
        ("transfer", "month host requests bytes".to_owned()),
    ];
    for (table, columns) in promised {
        for column in columns.split_whitespace() {
            let sql = format!("SELECT count(*) FROM (SELECT {table}.{column} FROM {table})");
            conn.query_row(&sql, [], |row| row.get::<_, i64>(0))
                .unwrap_or_else(|error| panic!("{table}.{column}: {error}"));
        }
    }
    let lax = "SELECT group_concat(name) FROM pragma_table_list WHERE type = 'table' AND strict = 0
               AND schema = 'main' AND name NOT LIKE 'sqlite_%'";
    assert_eq!(text(&conn, lax), "NULL", "every table is STRICT");
}

#[test]
fn the_parsed_columns_say_what_the_verbatim_json_says() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    let content = "SELECT concat_ws('|', id, status, created_by, ifnull(custom_status, '-'), valid_from) FROM contents";
    assert_eq!(
        text(&conn, content),
        format!("hello|PUBLISH|someone|-|{}", at(1))
    );
    let medium = "SELECT concat_ws('|', id, url, file_name, width, height, tags) FROM media";
    assert_eq!(
        text(&conn, medium),
        r#"m-1|https://host/logo.png|logo.png|12|8|["a"]"#
    );
}

#[test]
fn history_is_written_whoever_makes_the_change() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    let rename = "UPDATE media SET metadata = json_set(metadata, '$.alt', 'new')";
    conn.execute_batch(&format!(
        "INSERT INTO endpoints (endpoint, name, kind, valid_from) VALUES ('blog', 'Blog', 'list', '{0}');
         UPDATE assets SET state = 'saved', path = 'host/logo.png', bytes = 1, sha256 = 'aa'",
        at(1)
    ))
    .unwrap();
    let backwards = format!("{rename}, valid_from = '1999-01-01T00:00:00.000Z'");
    let refused = conn.execute(&backwards, []).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("a new version of a medium needs a later valid_from"),
        "{refused}"
    );
    for table in ["endpoints", "contents", "media", "assets"] {
        let moved = conn.execute(
            &format!("UPDATE {table} SET valid_from = '2030-01-01T00:00:00.000Z'"),
            [],
        );
        assert!(
            moved.is_err(),
            "a version cannot begin elsewhere than it did"
        );
    }

    conn.execute(&format!("{rename}, valid_from = '{}'", at(2)), [])
        .unwrap();
    assert_eq!(
        text(
            &conn,
            "SELECT ifnull(alt, '-') || valid_to FROM media_history"
        ),
        format!("-{}", at(2))
    );
    // Whoever knows nothing of versions makes one all the same, also twice within a millisecond.
    let changes = [
        ("endpoints", "endpoint", "name = name || 'x'"),
        (
            "contents",
            "endpoint, id",
            "metadata = json_set(metadata, '$.updatedBy', ifnull(metadata ->> '$.updatedBy', '') || 'x')",
        ),
        (
            "media",
            "id",
            "metadata = json_set(metadata, '$.alt', metadata ->> '$.alt' || 'x')",
        ),
        ("assets", "media_id", "sha256 = sha256 || 'f'"),
    ];
    for (table, key, change) in changes {
        let before = count(&conn, &format!("SELECT count(*) FROM {table}_history"));
        let rows = count(&conn, &format!("SELECT count(*) FROM {table}"));
        assert!(rows > 0, "{table}");
        for _ in 0..2 {
            conn.execute(&format!("UPDATE {table} SET {change}"), [])
                .unwrap();
        }
        let after = count(&conn, &format!("SELECT count(*) FROM {table}_history"));
        assert_eq!(after, before + 2 * rows, "{table}");
        let gaps = format!(
            "SELECT count(*) FROM (
                 SELECT valid_to, lead(valid_from) OVER (PARTITION BY {key} ORDER BY valid_from) AS next, valid_from
                 FROM (SELECT {key}, valid_from, valid_to FROM {table}_history
                       UNION ALL SELECT {key}, valid_from, NULL FROM {table}))
             WHERE valid_to IS NOT next OR valid_to <= valid_from"
        );
        assert_eq!(count(&conn, &gaps), 0, "{table}");
    }
    // Another key is another thing: the old one has ended, the new one begins as it says.
    let keyed = "UPDATE media SET id = 'm-2'";
    conn.execute(keyed, []).unwrap();
    let ended = "SELECT count(*) FROM media_history WHERE id = 'm-1' AND valid_to <= strftime('%Y-%m-%dT%H:%M:%fZ', 'now')";
    assert!(count(&conn, ended) > 0);
    assert_eq!(
        count(&conn, "SELECT count(*) FROM media_history WHERE id = 'm-2'"),
        0
    );
    conn.execute("DELETE FROM contents", []).unwrap();
    assert_eq!(
        text(
            &conn,
            "SELECT group_concat(DISTINCT id) FROM contents_history WHERE valid_from < valid_to"
        ),
        "hello"
    );
    assert_eq!(
        text(
            &conn,
            "SELECT group_concat(DISTINCT id) FROM contents_timeline"
        ),
        "hello"
    );
}

#[test]
fn opening_again_writes_nothing() {
    let (folder, options) = filled();
    let before = fs::read(&options.path).unwrap();
    for mode in [Mode::ReadWrite, Mode::DryRun] {
        let again = Options {
            mode,
            ..options.clone()
        };
        Store::open(&again, at(9)).unwrap().close().unwrap();
        assert!(fs::read(&options.path).unwrap() == before);
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 1);
}

#[test]
fn each_applied_file_is_recorded_with_its_digest() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    let files = fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/migrations"))
        .unwrap()
        .count();
    let recorded = "SELECT concat_ws(' ', count(*), max(version), min(length(sha256)), min(applied_at)) FROM migrations";
    assert_eq!(
        text(&conn, recorded),
        format!("{files} {files} 64 {}", at(0))
    );
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    conn.pragma_update(None, "user_version", 4711).unwrap();
    drop(conn);
    let before = fs::read(&options.path).unwrap();
    let error = Store::open(&options, at(1)).unwrap_err();
    assert!(
        matches!(error, StoreError::Newer { found: 4711, .. }),
        "{error}"
    );
    assert!(fs::read(&options.path).unwrap() == before);
}

#[test]
fn an_edited_migration_is_refused() {
    let (_folder, options) = filled();
    let conn = Connection::open(&options.path).unwrap();
    conn.execute(
        "UPDATE migrations SET sha256 = 'edited' WHERE version = 1",
        [],
    )
    .unwrap();
    drop(conn);
    let before = fs::read(&options.path).unwrap();
    let error = Store::open(&options, at(1)).unwrap_err();
    assert!(
        matches!(error, StoreError::EditedMigration { version: 1, .. }),
        "{error}"
    );
    assert!(fs::read(&options.path).unwrap() == before);
}
