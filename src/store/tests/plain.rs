//! Paths that are computed from URLs: the same ones that [`UrlPath::of`] tells, whatever the URL.

use super::{Sandbox, at, media_id, options};
use crate::model::{
    AssetStep, BodyDigest, ListedMedium, MediumStep, Place, UrlPath, Why, path::file_name,
};
use crate::store::migrate::{MIGRATIONS, migrate};
use crate::store::{DatabaseCheck, Store};
use proptest::prelude::*;
use rusqlite::{Connection, named_params};
use std::path::Path;

/// URLs of media, ordinary ones and others.
const URLS: [&str; 22] = [
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543210/photo.jpg",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543211/%E5%9B%B3%201.png",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543212/図.png",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543213/a%2Fb.png",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543214/%E2%80%AEgnp.exe",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543215/%FF.png",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543216/a.png?v=2/3",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543217/a.png#top",
    "https://images.microcms-assets.io/assets/0123456789abcdef/fedcba9876543218/",
    "https://images.microcms-assets.io/assets/%41bc/fedcba9876543219/a.png",
    "https://Images.Example.JP:8443/assets/0123456789abcdef/fedcba987654321a/x",
    "http://127.0.0.1:8080/assets/aa/bb/one.png",
    "http://host/short.png",
    "https://host/sub/short.png",
    "https://host//double//slash.png",
    "//host/assets/aa/bb/two.png",
    "HTTPS://host/assets/aa/bb/three.png",
    "https:///assets/aa/bb/four.png",
    "https://user@host/assets/aa/bb/five.png",
    "https://host?x/assets/aa/bb/six.png",
    "ftp://host/assets/aa/bb/seven.png",
    "nonsense",
];

fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        5 => "[a-zA-Z0-9._-]{0,12}",
        2 => Just("/".to_owned()),
        2 => Just("//".to_owned()),
        1 => Just("https://".to_owned()),
        1 => Just("%E5%9B%B3".to_owned()),
        1 => Just("%2F".to_owned()),
        1 => Just("%".to_owned()),
        1 => Just("?w=600/2".to_owned()),
        1 => Just("#a".to_owned()),
        1 => "[ 図あ@:&']{1,3}",
        1 => "\\PC{0,3}",
    ]
}

fn some_url() -> impl Strategy<Value = String> {
    let start = prop_oneof![
        6 => Just("https://host.example"),
        2 => Just("http://127.0.0.1:8080"),
        1 => Just("//host"),
        1 => Just(""),
    ];
    let middle = prop_oneof![3 => Just("/assets/0123/abcdef/"), 1 => Just("/"), 1 => Just("")];
    (start, middle, prop::collection::vec(piece(), 0..6))
        .prop_map(|(start, middle, rest)| format!("{start}{middle}{}", rest.concat()))
}

fn listed(id: &str, url: &str) -> ListedMedium {
    ListedMedium {
        id: media_id(id),
        url: url.to_owned(),
        file_name: file_name(url),
        width: None,
        height: None,
        updated_at: None,
        description: String::new(),
        metadata: serde_json::json!({ "id": id, "url": url }).to_string(),
    }
}

fn list(home: &mut Sandbox, id: &str, url: &str, seconds: i64) {
    let steps = [MediumStep::Record {
        medium: listed(id, url),
        asset: AssetStep::Fetch(Why::New),
    }];
    home.store.record_media(&steps, at(seconds)).unwrap();
}

/// Where the view says that a medium is.
fn told(home: &Sandbox, id: &str) -> Option<(String, String)> {
    home.store
        .read("test", |conn| {
            let mut query =
                conn.prepare("SELECT host, path FROM media_paths WHERE media_id = :id")?;
            let mut rows = query.query(named_params! { ":id": id })?;
            let told = match rows.next()? {
                Some(row) => Some((row.get(0)?, row.get(1)?)),
                None => None,
            };
            assert!(rows.next()?.is_none());
            Ok(told)
        })
        .unwrap()
}

/// The rows of a query, each as one text.
fn rows(conn: &Connection, sql: &str) -> Vec<String> {
    let mut query = conn.prepare(sql).unwrap();
    let columns = query.column_count();
    let rows = query
        .query_map([], |row| {
            (0..columns)
                .map(|index| Ok(format!("{:?}", row.get_ref(index)?)))
                .collect::<rusqlite::Result<Vec<_>>>()
        })
        .unwrap();
    rows.map(|row| row.unwrap().join(" ")).collect()
}

fn body_with(url: &str) -> String {
    serde_json::json!({ "title": "東京の夜景", "image": { "url": url } }).to_string()
}

fn is_right(home: &mut Sandbox, url: &str, seconds: i64) {
    let of = UrlPath::of(url).map(|at| (at.host, at.path));
    list(home, "m1", url, seconds);
    assert_eq!(told(home, "m1"), of, "{url:?}");
    // The same URL in a body leads there.
    home.store
        .write("test", |tx| {
            tx.execute(
                "INSERT INTO contents (endpoint, id, valid_from, metadata, published_body)
                 VALUES ('blog', 'a', '2026-01-01T00:00:00.000Z', '{}', :body)
                 ON CONFLICT DO UPDATE SET published_body = excluded.published_body,
                     valid_from = strftime('%Y-%m-%dT%H:%M:%fZ', valid_from, '+1 seconds')
                 WHERE published_body <> excluded.published_body",
                named_params! { ":body": body_with(url) },
            )
            .map(drop)
        })
        .unwrap();
    home.store.read_unread().unwrap();
    let mentions = BodyDigest::of(&body_with(url)).mentions;
    let uses = home.ask("SELECT count(*) FROM media_uses WHERE media_id = 'm1'");
    let is_used = mentions.iter().any(|mention| {
        of.as_ref()
            .is_some_and(|(_, path)| *path == mention.at.path)
    });
    assert_eq!(uses == "1", is_used, "{url:?}");
    let unused = home.ask("SELECT count(*) FROM media_unused");
    assert_eq!(unused == "0", is_used, "{url:?}");
    let missing = home.ask("SELECT count(*) FROM references_missing");
    assert!(!is_used || missing == "0", "{url:?}");
    let flaws = home
        .store
        .check_soundness(DatabaseCheck::Derived, at(9))
        .unwrap();
    assert_eq!(flaws, [], "{url:?}");
}

#[test]
fn every_kind_of_url_leads_where_it_points_to() {
    let mut home = Sandbox::new();
    for (url, seconds) in URLS.into_iter().zip(1..) {
        is_right(&mut home, url, seconds);
    }
}

#[test]
fn ordinary_urls_take_no_row_of_their_own() {
    let mut home = Sandbox::new();
    for (url, seconds) in URLS.into_iter().take(3).zip(1..) {
        is_right(&mut home, url, seconds);
        assert_eq!(
            home.ask("SELECT count(*) FROM media_odd_paths"),
            "0",
            "{url}"
        );
        let odd = "SELECT odd_host IS NULL AND odd_path IS NULL FROM media_references";
        assert_eq!(home.ask(odd), "1", "{url}");
    }
    is_right(&mut home, "//host/assets/aa/bb/two.png", 9);
    assert_eq!(home.ask("SELECT count(*) FROM media_odd_paths"), "1");
    // A name that another program writes is not the URL's any more.
    is_right(&mut home, "https://host/assets/aa/bb/two.png", 10);
    assert_eq!(home.ask("SELECT count(*) FROM media_odd_paths"), "0");
    home.store
        .write("test", |tx| {
            tx.execute("UPDATE media SET file_name = 'x.png'", [])
        })
        .unwrap();
    assert_eq!(
        home.ask("SELECT path FROM media_paths"),
        "/assets/aa/bb/two.png"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_computed_of_a_url_is_what_it_says(urls in prop::collection::vec(some_url(), 1..12)) {
        let mut home = Sandbox::new();
        for (url, seconds) in urls.iter().zip(1..) {
            is_right(&mut home, url, seconds);
        }
    }
}

/// A database of the schema before, with what a program of that time wrote.
fn older(path: &Path) -> Connection {
    let mut conn = Connection::open(path).unwrap();
    migrate(&mut conn, None, 0, MIGRATIONS.get(..6).unwrap(), at(0)).unwrap();
    conn.execute_batch("INSERT INTO meta (key, value) VALUES ('service_id', 'my-service')")
        .unwrap();
    for (number, url) in (0_i64..).zip(URLS) {
        let medium = listed(&format!("m{number:02}"), url);
        let id = medium.id.as_str().to_owned();
        let key = format!("c{number:02}");
        conn.execute(
            "INSERT INTO media (id, file_name, valid_from, metadata, deleted_at)
             VALUES (:id, :name, '2026-01-01T00:00:00.000Z', :metadata, iif(:number % 5 = 4, '2026-02-01T00:00:00.000Z', NULL))",
            named_params! { ":id": id, ":name": medium.file_name, ":metadata": medium.metadata, ":number": number },
        )
        .unwrap();
        if let Some(at) = UrlPath::of(url) {
            conn.execute(
                "INSERT INTO media_paths VALUES (:id, :host, :path)",
                named_params! { ":id": id, ":host": at.host, ":path": at.path },
            )
            .unwrap();
        }
        // Every third medium is used by nobody, and its neighbour's file lies nowhere.
        let named = if number % 3 == 0 {
            format!("{url}x")
        } else {
            url.to_owned()
        };
        let body = body_with(&named);
        conn.execute(
            "INSERT INTO contents (endpoint, id, valid_from, metadata, published_body)
             VALUES ('blog', :key, '2026-01-01T00:00:00.000Z', '{}', :body)",
            named_params! { ":key": key, ":body": body },
        )
        .unwrap();
        let digest = BodyDigest::of(&body);
        conn.execute(
            "INSERT INTO content_texts (endpoint, id, side, text) VALUES ('blog', :key, 'published', :text)",
            named_params! { ":key": key, ":text": digest.text },
        )
        .unwrap();
        for mention in digest.mentions {
            assert_eq!(mention.place, Place::Field);
            conn.execute(
                "INSERT INTO media_references VALUES ('blog', :key, 'published', :field, 'field', :url, :host, :path)",
                named_params! {
                    ":key": key, ":field": mention.field, ":url": mention.url,
                    ":host": mention.at.host, ":path": mention.at.path,
                },
            )
            .unwrap();
        }
        conn.execute(
            "INSERT INTO assets (media_id, url, path, bytes, sha256, state, valid_from)
             VALUES (:id, :url, 'host/' || :id || '/photo.jpg', 9, printf('%064x', :number / 2), 'saved', '2026-01-01T00:00:00.000Z')",
            named_params! { ":id": id, ":url": url, ":number": number },
        )
        .unwrap();
    }
    conn.execute_batch(
        "UPDATE media SET valid_from = '2026-03-01T00:00:00.000Z', metadata = json_set(metadata, '$.alt', 'new')
         WHERE id IN ('m01', 'm02');
         DELETE FROM unread;",
    )
    .unwrap();
    conn
}

/// What people ask, and the program; the columns are those that both schemas have.
const ASKED: [&str; 13] = [
    "SELECT * FROM media_uses ORDER BY media_id, id, field, url",
    "SELECT * FROM media_unused ORDER BY id",
    "SELECT * FROM references_missing ORDER BY id, field, url",
    "SELECT media_id, host, path FROM media_paths ORDER BY media_id",
    "SELECT endpoint, id, side, field, place, url, host, path FROM media_references ORDER BY id, field, url",
    "SELECT endpoint, id, side, text FROM content_texts ORDER BY id",
    "SELECT id, side FROM contents_search WHERE contents_search MATCH '\"東京の夜\"' ORDER BY id",
    "SELECT id, snippet(contents_search, -1, '[', ']', '…', 5) FROM contents_search
     WHERE contents_search MATCH '\"の夜景\"' ORDER BY rank, id",
    "SELECT id FROM contents_search WHERE text LIKE '%夜景%' ORDER BY id",
    "SELECT * FROM changes ORDER BY at, kind, id",
    "SELECT * FROM media_timeline ORDER BY id, valid_from",
    "SELECT media_id, url, path, bytes, sha256, content_type, etag, last_modified, state, fetched_at, valid_from, valid_to
     FROM assets_timeline ORDER BY media_id",
    "SELECT * FROM contents_timeline ORDER BY id",
];

#[test]
fn an_upgraded_database_answers_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(&folder);
    let conn = older(&options.path);
    let before = ASKED.map(|sql| rows(&conn, sql));
    drop(conn);
    let store = Store::open(&options, at(5)).unwrap();
    for check in [
        DatabaseCheck::Structure,
        DatabaseCheck::Schema,
        DatabaseCheck::Derived,
    ] {
        assert_eq!(
            store.check_soundness(check, at(6)).unwrap(),
            [],
            "{check:?}"
        );
    }
    store.close().unwrap();
    let conn = Connection::open(&options.path).unwrap();
    for (sql, before) in ASKED.iter().zip(before) {
        assert!(!before.is_empty(), "{sql}");
        assert_eq!(rows(&conn, sql), before, "{sql}");
    }
    let stored = "SELECT count(*) FROM media_odd_paths";
    assert_eq!(rows(&conn, stored), ["Integer(15)"]);
    conn.execute_batch(
        "INSERT INTO contents_search (contents_search, rank) VALUES ('integrity-check', 1)",
    )
    .unwrap();
}
