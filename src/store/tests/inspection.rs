//! What follows from bodies and URLs, and the views made of it.

mod others;

use super::*;
use crate::model::{
    AssetStep, BodyOutcome, BodySide, BodyStep, ContentStep, Cutoffs, MediumStep, Why,
};
use crate::store::PruneStep;
use std::process::{Command, Stdio};

fn url(name: &str) -> String {
    format!("https://images.microcms-assets.io/assets/aa/bb/{name}")
}

fn list_media(home: &mut Sandbox, media: &[(&str, &str)], seconds: i64) {
    let steps: Vec<_> = media
        .iter()
        .map(|(id, url)| MediumStep::Record {
            medium: medium(id, url, r#","createdAt":"2026-01-02T00:00:00.000Z""#),
            asset: AssetStep::Fetch(Why::New),
        })
        .collect();
    home.store.record_media(&steps, at(seconds)).unwrap();
}

/// Records a content with its bodies as a run does: first the metadata, then what it owes.
fn write(home: &mut Sandbox, id: &str, sides: &[(BodySide, &str)], seconds: i64) {
    write_as(home, id, "PUBLISH", sides, seconds);
}

fn write_as(home: &mut Sandbox, id: &str, status: &str, sides: &[(BodySide, &str)], seconds: i64) {
    let step = |side| {
        if sides.iter().any(|(given, _)| *given == side) {
            BodyStep::Fetch
        } else {
            BodyStep::Clear
        }
    };
    let blog = endpoint("blog");
    let steps = [ContentStep::Record {
        content: content(id, status, &at(seconds).to_string()),
        published: step(BodySide::Published),
        draft: step(BodySide::Draft),
    }];
    home.store
        .record_contents(&blog, &steps, at(seconds))
        .unwrap();
    let outcomes: Vec<_> = sides
        .iter()
        .map(|(side, body)| BodyOutcome::Saved {
            endpoint: blog.clone(),
            id: content_id(id),
            side: *side,
            owed_at: at(seconds),
            body: (*body).to_owned(),
            digest: None,
        })
        .collect();
    let saved = home.store.record_bodies(&outcomes, at(seconds)).unwrap();
    assert_eq!(saved, sides.len() as u64);
}

fn column(home: &Sandbox, sql: &str) -> Vec<String> {
    home.store
        .read("test", |conn| {
            conn.prepare(sql)?
                .query_map([], |row| row.get(0))?
                .collect()
        })
        .unwrap()
}

fn is_looked_through(home: &Sandbox) {
    assert_eq!(home.ask("SELECT count(*) FROM unread"), "0");
    home.store
        .read("test", |conn| {
            conn.execute_batch(
                "INSERT INTO contents_search (contents_search, rank) VALUES ('integrity-check', 1)",
            )
        })
        .unwrap();
}

#[test]
fn what_is_used_follows_every_edit() {
    let mut home = Sandbox::new();
    list_media(
        &mut home,
        &[
            ("m1", &url("one.png")),
            ("m2", &url("%E4%BA%8C.png")),
            ("m3", &url("three.png")),
        ],
        0,
    );
    let unused = "SELECT id FROM media_unused ORDER BY id";
    let missing = "SELECT id || ' ' || side || ' ' || field || ' ' || ifnull(media_id, '-') FROM references_missing ORDER BY 1";
    assert_eq!(column(&home, unused), ["m1", "m2", "m3"]);

    let published = format!(r#"{{"id":"a","image":{{"url":"{}"}}}}"#, url("one.png"));
    // Another host, another way to write the same path, a query: the same file.
    let draft = r#"{"id":"a","body":"<p><img src=\"https://cdn.example.jp/assets/aa/bb/二.png?w=9&amp;h=9\"></p>"}"#;
    write(
        &mut home,
        "a",
        &[(BodySide::Published, &published), (BodySide::Draft, draft)],
        1,
    );
    assert_eq!(column(&home, unused), ["m3"]);
    assert_eq!(column(&home, missing), [""; 0]);
    is_looked_through(&home);

    // The draft is discarded: nobody needs the second one any more.
    write(&mut home, "a", &[(BodySide::Published, &published)], 2);
    assert_eq!(column(&home, unused), ["m2", "m3"]);

    // A rename upstream moves the file away from under the body, which did not change.
    list_media(&mut home, &[("m1", &url("renamed.png"))], 3);
    assert_eq!(column(&home, unused), ["m1", "m2", "m3"]);
    assert_eq!(column(&home, missing), ["a published $.image.url -"]);
    list_media(&mut home, &[("m1", &url("one.png"))], 4);
    assert_eq!(column(&home, missing), [""; 0]);

    // Deleted upstream: the place is named with the medium that stood there.
    home.store.retire_media(&[media_id("m1")], at(5)).unwrap();
    assert_eq!(column(&home, unused), ["m2", "m3"]);
    assert_eq!(column(&home, missing), ["a published $.image.url m1"]);

    // What is deleted names nothing.
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(6))
        .unwrap();
    assert_eq!(column(&home, missing), [""; 0]);
    assert_eq!(home.ask("SELECT count(*) FROM content_texts"), "0");
    is_looked_through(&home);
}

#[test]
fn other_peoples_links_are_not_missing() {
    let mut home = Sandbox::new();
    let s3 = "https://bucket.s3.ap-northeast-1.amazonaws.com/site/photo.jpg";
    list_media(&mut home, &[("m1", s3)], 0);
    let body = r#"{"t":"https://example.com/logo.png https://bucket.s3.ap-northeast-1.amazonaws.com/site/gone.jpg https://bucket.s3.ap-northeast-1.amazonaws.com/site/photo.jpg"}"#;
    write(&mut home, "a", &[(BodySide::Published, body)], 1);
    assert_eq!(
        column(&home, "SELECT url FROM references_missing"),
        ["https://bucket.s3.ap-northeast-1.amazonaws.com/site/gone.jpg"]
    );
    assert_eq!(column(&home, "SELECT id FROM media_unused"), [""; 0]);
    assert_eq!(column(&home, "SELECT media_id FROM media_uses"), ["m1"]);
}

#[test]
fn words_are_found_in_japanese_too() {
    let mut home = Sandbox::new();
    let body = |text: &str| format!(r#"{{"id":"x","body":"<p>{text}</p>"}}"#);
    write(
        &mut home,
        "tower",
        &[(BodySide::Published, &body("東京<b>タワー</b>の夜景"))],
        1,
    );
    write(
        &mut home,
        "secret",
        &[(BodySide::Draft, &body("東京タワーの計画"))],
        2,
    );
    write(
        &mut home,
        "sea",
        &[(BodySide::Published, &body("海の Sunset"))],
        3,
    );
    let found = |words: &str| {
        column(
            &home,
            &format!(
                "SELECT id || ' ' || side FROM contents_search WHERE contents_search MATCH '{words}' ORDER BY 1"
            ),
        )
    };
    assert_eq!(found("東京タワー"), ["secret draft", "tower published"]);
    assert_eq!(found("ワーの夜"), ["tower published"]);
    assert_eq!(found("sunset"), ["sea published"]);
    assert_eq!(found("strong"), [""; 0]);
    let two = "SELECT id FROM contents_search WHERE text LIKE '%夜景%'";
    assert_eq!(column(&home, two), ["tower"]);

    write(
        &mut home,
        "tower",
        &[(BodySide::Published, &body("大阪の城"))],
        4,
    );
    let found = column(
        &home,
        "SELECT id FROM contents_search WHERE contents_search MATCH '東京タワー'",
    );
    assert_eq!(found, ["secret"]);
    is_looked_through(&home);
}

#[test]
fn what_prune_left_first_is_known_and_not_created() {
    let mut home = Sandbox::new();
    for seconds in [10, 20, 30] {
        write(&mut home, "a", &[], seconds);
        list_media(
            &mut home,
            &[("m", &url(&format!("{seconds}.png")))],
            seconds,
        );
    }
    let told = "SELECT kind || ' ' || id || ' ' || change || ' ' || substr(at, 18, 2) FROM changes ORDER BY at, kind";
    let cutoffs = Cutoffs {
        superseded_before: Some(at(25)),
        deleted_before: None,
    };
    let prune = home.store.begin_prune("test", cutoffs, at(40)).unwrap();
    for step in [PruneStep::ContentVersions, PruneStep::MediumVersions] {
        let batch = home
            .store
            .prune_rows(prune, step, 0, cutoffs, at(40))
            .unwrap();
        assert_eq!(batch.rows.versions(), 1);
    }
    write(&mut home, "b", &[], 50);
    let second = |n| at(n).to_string().get(17..19).unwrap().to_owned();
    let expected = [
        format!("content a known {}", second(20)),
        format!("medium m known {}", second(20)),
        format!("content a changed {}", second(30)),
        format!("medium m changed {}", second(30)),
        format!("content b created {}", second(50)),
    ];
    assert_eq!(column(&home, told), expected);
}

#[test]
fn a_change_tells_what_changed() {
    let mut home = Sandbox::new();
    write(
        &mut home,
        "a",
        &[(BodySide::Published, r#"{"title":"one","old":1,"same":[1]}"#)],
        1,
    );
    write(
        &mut home,
        "a",
        &[(
            BodySide::Published,
            r#"{"title":"two","new":true,"same":[1]}"#,
        )],
        2,
    );
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(3))
        .unwrap();
    write(&mut home, "a", &[], 4);
    list_media(&mut home, &[("m", &url("one.png"))], 5);
    assert_eq!(
        column(
            &home,
            "SELECT kind || ' ' || id || ' ' || change || ' ' || ifnull(fields, '-') FROM changes ORDER BY at"
        ),
        [
            "content a created -",
            r#"content a changed ["updatedAt","published.title","published.new","published.old"]"#,
            "content a deleted []",
            r#"content a returned ["updatedAt"]"#,
            "medium m created -",
        ]
    );
    assert_eq!(
        column(&home, "SELECT part || '.' || field || ' ' || ifnull(old, '-') || ' ' || ifnull(new, '-') FROM changed_fields
                       WHERE at = (SELECT min(at) FROM changes WHERE change = 'changed') AND part <> 'metadata' ORDER BY 1"),
        ["published.new - 1", "published.old 1 -", "published.title one two"]
    );
}

#[test]
fn a_body_that_is_not_here_has_lost_no_field_and_gained_none() {
    let mut home = Sandbox::new();
    let body = |title: &str| format!(r#"{{"title":"{title}","same":1}}"#);
    let published = |title| (BodySide::Published, body(title));
    let draft = |title| (BodySide::Draft, body(title));
    // Owed in the second version for ever, and here again in the third.
    for (seconds, status, sides) in [
        (1, "PUBLISH", vec![published("one")]),
        (2, "PUBLISH", vec![]),
        (3, "PUBLISH", vec![published("three")]),
        // A draft comes, and goes; the same for the published body.
        (4, "PUBLISH_AND_DRAFT", vec![published("three"), draft("d")]),
        (5, "PUBLISH", vec![published("three")]),
        (6, "DRAFT", vec![draft("e")]),
        // Of this draft nobody knows how it ended.
        (7, "PUBLISH_AND_DRAFT", vec![published("seven")]),
        (8, "CLOSED", vec![]),
    ] {
        let sides: Vec<_> = sides.iter().map(|(side, body)| (*side, &**body)).collect();
        write_as(&mut home, "a", status, &sides, seconds);
    }
    home.store
        .retire_contents(&endpoint("blog"), &[content_id("a")], at(9))
        .unwrap();
    write(&mut home, "a", &[(BodySide::Published, "{}")], 10);
    let of_bodies = "SELECT group_concat(value, ' ') FROM changes, json_each(fields) WHERE value LIKE '%.%' GROUP BY at";
    let expected = [
        "draft.title draft.same",
        "draft.title draft.same",
        "published.title published.same draft.title draft.same",
        "published.title published.same",
    ];
    assert_eq!(column(&home, of_bodies), expected);
    let the_same =
        "SELECT group_concat(part || '.' || field, ' ') FROM (SELECT * FROM changed_fields
         WHERE part <> 'metadata' ORDER BY at, part DESC, field DESC) GROUP BY at";
    assert_eq!(column(&home, the_same), expected);

    let status =
        "SELECT ifnull(old_status, '-') || ' ' || ifnull(new_status, '-') FROM changes ORDER BY at";
    assert_eq!(
        column(&home, status),
        [
            "- PUBLISH",
            "PUBLISH PUBLISH",
            "PUBLISH PUBLISH",
            "PUBLISH PUBLISH_AND_DRAFT",
            "PUBLISH_AND_DRAFT PUBLISH",
            "PUBLISH DRAFT",
            "DRAFT PUBLISH_AND_DRAFT",
            "PUBLISH_AND_DRAFT CLOSED",
            "CLOSED -",
            "- PUBLISH",
        ]
    );
}

#[test]
fn draft_keys_stand_in_no_view() {
    let mut home = Sandbox::new();
    for (seconds, key) in [(1, "first-secret"), (2, "second-secret")] {
        let mut listed = content("a", "PUBLISH_AND_DRAFT", "2026-01-01T00:00:00.000Z");
        listed.metadata = listed
            .metadata
            .replace('}', &format!(r#","draftKey":"{key}"}}"#));
        let step = ContentStep::Record {
            content: listed,
            published: BodyStep::Keep,
            draft: BodyStep::Keep,
        };
        home.store
            .record_contents(&endpoint("blog"), &[step], at(seconds))
            .unwrap();
    }
    assert_eq!(
        column(&home, "SELECT field FROM changed_fields"),
        ["draftKey"]
    );
    for view in [
        "contents_current",
        "changes",
        "changed_fields",
        "contents_by_status",
    ] {
        let all: Vec<String> = home
            .store
            .read("test", |conn| {
                let mut query = conn.prepare(&format!("SELECT * FROM {view}"))?;
                let columns = query.column_count();
                query
                    .query_map([], |row| {
                        (0..columns)
                            .map(|at| row.get::<_, rusqlite::types::Value>(at))
                            .collect::<rusqlite::Result<Vec<_>>>()
                    })?
                    .map(|row| row.map(|row| format!("{row:?}")))
                    .collect()
            })
            .unwrap();
        assert!(!all.is_empty(), "{view} has rows");
        assert!(!all.concat().contains("-secret"), "{view}");
    }
}

#[test]
fn every_view_answers_in_the_plain_shell_while_the_program_has_the_database_open() {
    if Command::new("sqlite3")
        .arg("--version")
        .stdout(Stdio::null())
        .status()
        .is_err()
    {
        eprintln!("there is no sqlite3 here: not looked at");
        return;
    }
    let mut home = Sandbox::new();
    list_media(&mut home, &[("m1", &url("one.png"))], 0);
    write(
        &mut home,
        "a",
        &[(BodySide::Published, r#"{"title":"東京タワー"}"#)],
        1,
    );
    let views = column(&home, "SELECT name FROM sqlite_schema WHERE type = 'view'");
    assert!(views.len() > 12, "{views:?}");
    let mut script: String = views
        .iter()
        .map(|view| format!("SELECT count(*) FROM {view};\n"))
        .collect();
    script.push_str("SELECT id FROM contents_search WHERE contents_search MATCH '東京タワー';\n");
    let output = Command::new("sqlite3")
        .args(["-bail", "-readonly"])
        .arg(home._folder.path().join("backup.sqlite3"))
        .arg(script)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(text.lines().count(), views.len() + 1);
    assert!(text.ends_with("a\n"), "{text}");
}

#[test]
fn a_file_that_a_body_with_half_an_emoji_names_is_used() {
    let mut home = Sandbox::new();
    list_media(
        &mut home,
        &[("m1", &url("one.png")), ("m2", &url("two.png"))],
        1,
    );
    let body = format!(
        r#"{{"title":"cut \ud83d","image":{{"url":"{}"}}}}"#,
        url("one.png")
    );
    write(&mut home, "a", &[(BodySide::Published, &body)], 2);
    assert_eq!(column(&home, "SELECT id FROM media_unused"), ["m2"]);
    let stored = column(&home, "SELECT published_body FROM contents");
    assert_eq!(stored, [body]);
}
