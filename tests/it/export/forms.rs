//! `export`: what is in the files, in each form.

use super::{LIST, export, text, tree, world};
use microcms_sim::{Sim, Status};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The published bodies that visitors see, by endpoint and id.
fn visible(sim: &Sim) -> BTreeMap<(String, String), String> {
    let contents = sim.truth().contents.into_iter();
    contents
        .filter(|content| matches!(content.status, Status::Publish | Status::PublishAndDraft))
        .map(|content| {
            (
                (content.endpoint, content.id),
                content.published.expect("a body"),
            )
        })
        .collect()
}

fn without_blanks(json: &[u8]) -> String {
    let value: Box<serde_json::value::RawValue> = serde_json::from_slice(json).expect("JSON");
    // The texts of the simulator have no escapes that a reader would lose; numbers stay as written.
    let mut out = String::new();
    let (mut is_text, mut is_escaped) = (false, false);
    for c in value.get().chars() {
        if is_text || !c.is_whitespace() {
            out.push(c);
        }
        let quotes = c == '"' && !is_escaped;
        is_escaped = is_text && c == '\\' && !is_escaped;
        is_text ^= quotes;
    }
    out
}

/// The file of each id, as the list tells it.
fn file_of(folder: &Path, endpoint: &str, id: &str, ending: &str) -> PathBuf {
    let list: Value =
        serde_json::from_slice(&fs::read(folder.join(LIST)).expect("a list")).expect("JSON");
    let files = list["files"].as_array().expect("files");
    let listed = files.iter().find(|file| {
        let path = file["path"].as_str().expect("a path");
        file["id"] == id && path.starts_with(&format!("{endpoint}/")) && path.ends_with(ending)
    });
    let path = listed.map_or_else(
        || format!("{endpoint}/{id}{ending}"),
        |file| file["path"].as_str().expect("a path").to_owned(),
    );
    folder.join(path)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_holds_what_visitors_see_and_nothing_else() {
    let (sim, home) = world().await;
    let report = export(&home, &sim, &["--format", "json,ndjson,csv,markdown"]);
    let (out, visible) = (home.path("out"), visible(&sim));
    assert_eq!(report["contents"], visible.len());
    assert_eq!(
        (&report["owed"], &report["drafts"], &report["closed"]),
        (&0.into(), &0.into(), &0.into())
    );
    let files = tree(&out);
    for (name, bytes) in &files {
        assert!(!String::from_utf8_lossy(bytes).contains("SECRET"), "{name}");
        assert!(bytes.ends_with(b"\n"), "{name}");
    }
    let lower: std::collections::BTreeSet<String> =
        files.keys().map(|name| name.to_lowercase()).collect();
    assert_eq!(lower.len(), files.len());
    for ending in [".json", ".md"] {
        let found = files.keys().filter(|name| {
            name.contains('/') && name.ends_with(ending) && !name.ends_with("/_schema.json")
        });
        assert_eq!(found.count(), visible.len(), "{files:?}");
    }
    for ((endpoint, id), body) in &visible {
        let bytes = fs::read(file_of(&out, endpoint, id, ".json")).expect(id);
        assert_eq!(without_blanks(&bytes), *body, "{endpoint}/{id}");
    }
    for endpoint in ["blog", "news", "about"] {
        let bodies: Vec<&str> = visible
            .iter()
            .filter(|((found, _), _)| found == endpoint)
            .map(|(_, body)| body.as_str())
            .collect();
        let lines = text(&files[&format!("{endpoint}.ndjson")]);
        assert_eq!(lines.lines().collect::<Vec<_>>(), bodies);
        assert_table(&files[&format!("{endpoint}.csv")], &bodies);
    }
    let media: Value = serde_json::from_slice(&files["_media.json"]).expect("JSON");
    let truth = sim.truth();
    assert_eq!(media.as_array().expect("a list").len(), truth.media.len());
    for medium in media.as_array().expect("a list") {
        let real = truth
            .medium(medium["id"].as_str().expect("an id"))
            .expect("a medium");
        assert_eq!(medium["file"]["sha256"], real.sha256());
        assert!(
            home.path("mirror")
                .join(medium["file"]["path"].as_str().expect("a path"))
                .is_file()
        );
    }
    let schema = &truth
        .endpoints
        .iter()
        .find(|api| api.endpoint == "blog")
        .expect("blog")
        .schema;
    assert_eq!(without_blanks(&files["blog/_schema.json"]), *schema);
}

/// Reads a table back and compares it with the bodies.
#[track_caller]
fn assert_table(bytes: &[u8], bodies: &[&str]) {
    let mut reader = csv::Reader::from_reader(bytes);
    let columns: Vec<String> = reader
        .headers()
        .expect("a header")
        .iter()
        .map(str::to_owned)
        .collect();
    let rows: Vec<csv::StringRecord> = reader.records().map(|row| row.expect("a row")).collect();
    assert_eq!(rows.len(), bodies.len());
    for (row, body) in rows.iter().zip(bodies) {
        let body: Map<String, Value> = serde_json::from_str(body).expect("JSON");
        assert!(body.keys().all(|key| columns.contains(key)), "{columns:?}");
        for (column, cell) in columns.iter().zip(row) {
            match body.get(column) {
                None | Some(Value::Null) if column != "id" => assert_eq!(cell, ""),
                Some(Value::String(text)) => {
                    assert!(!cell.starts_with(['=', '+', '-', '@']), "{cell}");
                    assert_eq!(cell.strip_prefix('\'').unwrap_or(cell), text);
                }
                Some(value) => assert_eq!(&serde_json::from_str::<Value>(cell).expect(cell), value),
                None => assert!(!cell.is_empty()),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn drafts_and_closed_contents_come_in_files_of_their_own_when_asked_for() {
    let (sim, home) = world().await;
    let report = export(&home, &sim, &["--drafts", "--format", "json,ndjson"]);
    let truth = sim.truth();
    let count = |statuses: &[Status]| {
        truth
            .contents
            .iter()
            .filter(|content| statuses.contains(&content.status))
            .count()
    };
    assert_eq!(
        report["drafts"],
        count(&[Status::Draft, Status::PublishAndDraft])
    );
    assert_eq!(report["closed"], count(&[Status::Closed]));
    let out = home.path("out");
    for (id, ending, title) in [
        ("hidden", ".draft.json", "SECRET-DRAFT"),
        ("shut", ".closed.json", "SECRET-CLOSED"),
        ("con", ".draft.json", "SECRET-NEXT"),
    ] {
        let bytes = fs::read(file_of(&out, "blog", id, ending)).expect(id);
        assert!(text(&bytes).contains(title));
    }
    for (name, bytes) in tree(&out) {
        let is_marked = name.contains(".draft.") || name.contains(".closed.");
        assert!(is_marked || !text(&bytes).contains("SECRET"), "{name}");
    }
    // And they go when they are not asked for any more.
    export(&home, &sim, &["--format", "json,ndjson"]);
    assert!(
        tree(&out)
            .values()
            .all(|bytes| !text(bytes).contains("SECRET"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn links_lead_to_files_of_the_mirror() {
    let (sim, home) = world().await;
    export(&home, &sim, &["--format", "markdown,json"]);
    let out = home.path("out");
    let path = file_of(&out, "blog", "Upper", ".md");
    let page = fs::read_to_string(&path).expect("a page");
    let (_, body) = page.rsplit_once("---\n").expect("front matter");
    assert!(
        body.starts_with("\n## 見出し\n\n本文 ![絵](../../mirror/"),
        "{page}"
    );
    let link = body
        .split("](")
        .nth(1)
        .and_then(|rest| rest.split(')').next())
        .expect("a link");
    let decoded = percent_encoding::percent_decode_str(link)
        .decode_utf8()
        .expect("UTF-8");
    assert!(
        path.parent().expect("a folder").join(&*decoded).is_file(),
        "{decoded}"
    );
    let json =
        |name: &str| fs::read_to_string(file_of(&out, "blog", name, ".json")).expect("a file");
    assert!(json("upper").contains("see http"), "{}", json("upper"));
    export(&home, &sim, &["--media-links", "mirror"]);
    assert!(
        json("upper").contains("see ../../mirror/"),
        "{}",
        json("upper")
    );
    export(
        &home,
        &sim,
        &["--media-links", "keep", "--format", "markdown"],
    );
    assert!(fs::read_to_string(path).expect("a page").contains("](http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn excel_gets_its_mark() {
    let (sim, home) = world().await;
    export(&home, &sim, &["--format", "csv", "--bom"]);
    let table = fs::read(home.path("out/blog.csv")).expect("a table");
    assert!(table.starts_with(b"\xef\xbb\xbfid,"), "{}", text(&table));
    assert!(
        text(&table)
            .lines()
            .next()
            .expect("a line")
            .contains(",title,body,category,")
    );
}
