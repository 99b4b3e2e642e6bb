//! `export`: what is in the files, which files are touched, and what a folder survives.

use crate::support::{Expect as _, Program, Sandbox, now};
use microcms_sim::{Edit, Sim, Status};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Output;

pub(crate) const LIST: &str = ".microcms-backup-export.json";

/// `microcms-backup export` to `out` in the home, without an API key.
pub(crate) fn program(home: &Sandbox, sim: &Sim, flags: &[&str]) -> Program {
    program_to(home, sim, &home.path("out"), flags)
}

pub(crate) fn program_to(home: &Sandbox, sim: &Sim, folder: &Path, flags: &[&str]) -> Program {
    let mut program = Program::command(&["export"], home, sim);
    program
        .0
        .arg(folder)
        .args(flags)
        .env_remove("MICROCMS_API_KEY");
    // `git` is looked for there.
    program.0.env("PATH", "/usr/local/bin:/usr/bin:/bin");
    program
}

pub(crate) fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[track_caller]
pub(crate) fn expect(output: &Output, code: i32) -> String {
    let said = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

#[track_caller]
pub(crate) fn export(home: &Sandbox, sim: &Sim, flags: &[&str]) -> Value {
    let flags: Vec<&str> = flags.iter().copied().chain(["--json"]).collect();
    let output = program(home, sim, &flags).run();
    expect(&output, 0);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["version"], 1);
    report
}

/// Every file below a folder but Git's own.
pub(crate) fn tree(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    fn walk(root: &Path, folder: &Path, found: &mut BTreeMap<String, Vec<u8>>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            let name = path
                .strip_prefix(root)
                .expect("below")
                .to_str()
                .expect("UTF-8");
            if path.is_dir() && name != ".git" {
                walk(root, &path, found);
            } else if path.is_file() {
                found.insert(name.to_owned(), fs::read(&path).expect("bytes"));
            }
        }
    }
    let mut found = BTreeMap::new();
    walk(folder, folder, &mut found);
    found
}

/// The same without the list of what was written.
pub(crate) fn contents_of(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut tree = tree(folder);
    tree.remove(LIST);
    tree
}

/// Which file is which, and when it was written.
fn stamps(folder: &Path) -> BTreeMap<String, (u64, i64, i64)> {
    let names = tree(folder).into_keys();
    names
        .map(|name| {
            let about = fs::metadata(folder.join(&name)).expect("a file");
            (name, (about.ino(), about.mtime(), about.mtime_nsec()))
        })
        .collect()
}

fn fields(pairs: Value) -> Map<String, Value> {
    pairs.as_object().expect("an object").clone()
}

fn add(sim: &Sim, id: &str, status: Status, pairs: Value) {
    sim.edit(Edit::AddContent {
        endpoint: "blog".into(),
        id: Some(id.into()),
        status,
        fields: Some(fields(pairs)),
        place: 0,
    })
    .expect("added");
}

pub(crate) fn write(sim: &Sim, id: &str, title: &str) {
    sim.edit(Edit::EditBody {
        endpoint: "blog".into(),
        id: id.into(),
        fields: fields(json!({ "title": title })),
    })
    .expect("edited");
}

/// A service with everything that is awkward, and its backup.
pub(crate) async fn world() -> (Sim, Sandbox) {
    let sim = Sim::builder()
        .media(4)
        .media_size(500..=900)
        .list_api("blog", 12)
        .published_list_api("news", 3)
        .object_api("about")
        .start()
        .await;
    let path = "/assets/sim/m/%E5%86%99%E7%9C%9F%20(1).png";
    sim.edit(Edit::AddMedium {
        name: "写真 (1).png".into(),
        bytes: None,
        path: Some(path.into()),
        alt: None,
        tags: vec![],
    })
    .expect("added");
    let truth = sim.truth();
    let photo = truth
        .media
        .iter()
        .find(|medium| medium.url.ends_with("(1).png"));
    let url = &photo.expect("the photo").url;
    add(
        &sim,
        "Upper",
        Status::Publish,
        json!({
            "title": "=1+1 \"引用\",\r\n絵文字 👨‍👩‍👧 \u{2028}",
            "body": format!("<h2 id=\"h\">見出し</h2><p>本文 <img src=\"{url}?w=100&amp;h=1\" alt=\"絵\"></p>"),
            "price": 18_446_744_073_709_551_615_u64,
        }),
    );
    add(
        &sim,
        "upper",
        Status::Publish,
        json!({ "title": format!("see {url}") }),
    );
    add(
        &sim,
        "con",
        Status::Publish,
        json!({ "title": "---\nkey: value" }),
    );
    add(
        &sim,
        "_schema",
        Status::Publish,
        json!({ "title": "schema" }),
    );
    add(
        &sim,
        "hidden",
        Status::Draft,
        json!({ "title": "SECRET-DRAFT" }),
    );
    add(
        &sim,
        "shut",
        Status::Publish,
        json!({ "title": "SECRET-CLOSED" }),
    );
    sim.edit(Edit::Close {
        endpoint: "blog".into(),
        id: "shut".into(),
    })
    .expect("closed");
    sim.edit(Edit::AddDraft {
        endpoint: "blog".into(),
        id: "con".into(),
        fields: fields(json!({ "title": "SECRET-NEXT" })),
    })
    .expect("a draft");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    (sim, home)
}

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
async fn twice_is_once_and_one_edit_is_one_file() {
    let (sim, home) = world().await;
    let flags = ["--format", "json,markdown,csv", "--drafts"];
    export(&home, &sim, &flags);
    let out = home.path("out");
    let (before, stamped) = (tree(&out), stamps(&out));
    let report = export(&home, &sim, &flags);
    assert_eq!(
        (&report["files"]["written"], &report["files"]["removed"]),
        (&0.into(), &0.into())
    );
    assert_eq!(report["files"]["unchanged"], before.len() - 1);
    assert_eq!(stamps(&out), stamped);

    write(&sim, "upper", "new");
    home.sync(&sim).await.expect_complete();
    export(&home, &sim, &flags);
    let after = stamps(&out);
    let moved: Vec<&String> = after
        .keys()
        .filter(|name| after.get(*name) != stamped.get(*name))
        .collect();
    assert_eq!(
        moved,
        [LIST, "blog.csv", "blog/upper.json", "blog/upper.md"]
    );

    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "upper".into(),
    })
    .expect("deleted");
    sim.edit(Edit::DeleteApi {
        endpoint: "news".into(),
    })
    .expect("deleted");
    home.sync(&sim).await.expect_complete();
    export(&home, &sim, &flags);
    let left = tree(&out);
    assert!(!left.contains_key("blog/upper.json"));
    assert!(left.keys().any(|name| name.starts_with("blog/con~")));
    assert!(!left.keys().any(|name| name.starts_with("news")) && !out.join("news").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_exported_as_it_was_exported_then() {
    let (sim, home) = world().await;
    let flags = ["--format", "json,ndjson,csv,markdown", "--drafts"];
    let mut then = Vec::new();
    for round in 0..4 {
        write(&sim, "upper", &format!("round {round}"));
        let id = sim.content_ids("blog")[6 + round].clone();
        sim.edit(Edit::DeleteContent {
            endpoint: "blog".into(),
            id,
        })
        .expect("deleted");
        add(
            &sim,
            &format!("new-{round}"),
            Status::Publish,
            json!({ "title": "x" }),
        );
        sim.edit(Edit::AddField {
            endpoint: "blog".into(),
            field: format!("f{round}"),
        })
        .expect("a field");
        home.sync(&sim).await.expect_complete();
        let at = now().to_string();
        export(&home, &sim, &flags);
        then.push((
            at,
            home.count("SELECT max(id) FROM runs"),
            contents_of(&home.path("out")),
        ));
        // The next version begins at a later millisecond.
        while now().to_string() <= then[round].0 {
            std::thread::yield_now();
        }
    }
    for (at, run, expected) in &then {
        for at in [at.clone(), run.to_string()] {
            let flags: Vec<&str> = flags.iter().copied().chain(["--at", &at]).collect();
            export(&home, &sim, &flags);
            assert_eq!(&contents_of(&home.path("out")), expected, "{at}");
        }
    }
    for (at, said) in [
        ("2001-01-01", "the first run began"),
        ("9999", "there was no run 9999"),
        ("2199-01-01", "has not come yet"),
        ("soon", "`soon` is no time"),
    ] {
        let before = tree(&home.path("out"));
        let said_it = expect(&program(&home, &sim, &["--at", at]).run(), 2);
        assert!(said_it.contains(said), "{said_it}");
        assert_eq!(tree(&home.path("out")), before);
    }
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
