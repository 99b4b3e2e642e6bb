//! `export`: which files are touched, and the past as it was exported then.

mod forms;

use crate::support::{Expect as _, Program, Sandbox, now};
use microcms_sim::{Edit, Sim, Status};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
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
