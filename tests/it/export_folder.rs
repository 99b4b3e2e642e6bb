//! `export`: whose folder it is, and what it survives.

use crate::export::{
    LIST, contents_of, expect, export, program, program_to, text, tree, world, write,
};
use crate::support::{Expect as _, Sandbox, Volume, now};
use microcms_sim::{Edit, Sim};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_put_there_is_left_alone() {
    let (sim, home) = world().await;
    let out = home.path("out");
    fs::create_dir(&out).expect("a folder");
    fs::write(out.join("thesis.txt"), "mine").expect("a file");
    let said = expect(&program(&home, &sim, &[]).run(), 2);
    assert!(
        said.contains("holds files that no export wrote, such as `thesis.txt`"),
        "{said}"
    );
    assert!(said.contains("hint: name a new or empty folder"), "{said}");
    assert_eq!(tree(&out).len(), 1);
    fs::remove_file(out.join("thesis.txt")).expect("removed");
    export(&home, &sim, &[]);

    // Beside the export's own files anything may lie.
    fs::write(out.join("README.md"), "mine").expect("a file");
    fs::write(out.join("blog/notes.json"), "mine").expect("a file");
    fs::write(out.join("blog/upper.json"), "mine").expect("a file");
    fs::remove_file(out.join("blog/_schema.json")).expect("removed");
    let said = expect(&program(&home, &sim, &[]).run(), 3);
    assert!(
        said.contains("1 file was changed by somebody else"),
        "{said}"
    );
    assert!(out.join("blog/_schema.json").is_file());
    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "upper".into(),
    })
    .expect("deleted");
    home.sync(&sim).await.expect_complete();
    // Since it was told as changed, it is as foreign as the others.
    expect(&program(&home, &sim, &[]).run(), 0);
    for name in ["README.md", "blog/notes.json", "blog/upper.json"] {
        assert_eq!(fs::read(out.join(name)).expect("a file"), b"mine");
    }
    // A damaged list is nobody's leave to remove files.
    fs::write(out.join(LIST), "{\"version\":1").expect("a file");
    let said = expect(&program(&home, &sim, &[]).run(), 2);
    assert!(
        said.contains("is damaged or was written by a newer program"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn overwriting_takes_back_what_somebody_changed() {
    let (sim, home) = world().await;
    export(&home, &sim, &[]);
    let out = home.path("out");
    let before = tree(&out);
    fs::write(out.join("blog/upper.json"), "mine").expect("a file");
    expect(&program(&home, &sim, &[]).run(), 3);
    export(&home, &sim, &["--overwrite"]);
    assert_eq!(tree(&out), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_places_and_unknown_apis_are_named() {
    let (sim, home) = world().await;
    let said = expect(&program(&home, &sim, &["--endpoint", "blag"]).run(), 2);
    assert!(
        said.contains("there is no API `blag`") && said.contains("did you mean `blog`?"),
        "{said}"
    );
    let said = expect(&program(&home, &sim, &["--bom"]).run(), 2);
    assert!(
        said.contains("`--bom` is for CSV") && said.contains("hint: add `--format csv`"),
        "{said}"
    );
    assert!(!home.path("out").exists());
    for own in ["mirror", "mirror/new", "archive/new"] {
        let said = expect(&program_to(&home, &sim, &home.path(own), &[]).run(), 2);
        assert!(said.contains("is part of the backup"), "{said}");
        assert!(!home.path("mirror/new").exists() && !home.path("archive/new").exists());
    }
    let file = home.path("file");
    fs::write(&file, "mine").expect("a file");
    for place in [file.clone(), file.join("new")] {
        let said = expect(&program_to(&home, &sim, &place, &[]).run(), 2);
        assert!(said.contains("hint: name a folder"), "{said}");
    }
    let nowhere = Sandbox::new();
    let said = expect(&program(&nowhere, &sim, &[]).run(), 1);
    assert!(said.contains("there is no backup yet"), "{said}");
    assert!(!nowhere.path("out").exists());
    let said = expect(&program(&home, &sim, &["--endpoint", "news"]).run(), 0);
    assert!(said.contains("contents  3 in 1 API\n"), "{said}");
    assert!(!home.path("out/blog").exists() && home.path("out/news").is_dir());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_whole_files_and_the_next_export_finishes() {
    let sim = Sim::builder().published_list_api("blog", 900).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let (out, other) = (home.path("out"), home.path("other"));
    expect(&program_to(&home, &sim, &other, &[]).run(), 0);
    let whole = tree(&other);
    for wanted in [1, 120, 500] {
        let mut running = program(&home, &sim, &[]).start();
        // Until so many files are there; a fast machine may have ended by then.
        while running.ended().is_none()
            && fs::read_dir(out.join("blog")).map_or(0, Iterator::count) < wanted
        {
            std::thread::yield_now();
        }
        drop(running);
        for (name, bytes) in tree(&out) {
            if !name.starts_with('.') {
                assert_eq!(Some(&bytes), whole.get(&name), "{name}");
            }
        }
    }
    expect(&program(&home, &sim, &[]).run(), 0);
    assert_eq!(tree(&out), whole);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_told_and_leaves_whole_files() {
    let (sim, home) = world().await;
    let out = home.path("out");
    let Some(volume) = Volume::mount(out.clone(), "size=64k") else {
        return;
    };
    let output = program(&home, &sim, &["--format", "json,csv"]).run();
    let left = contents_of(&out);
    drop(volume);
    let said = expect(&output, 1);
    assert!(said.contains("hint: free some space"), "{said}");
    let elsewhere = home.path("elsewhere");
    expect(
        &program_to(&home, &sim, &elsewhere, &["--format", "json,csv"]).run(),
        0,
    );
    let whole = tree(&elsewhere);
    for (name, bytes) in left.iter().filter(|(name, _)| !name.starts_with('.')) {
        assert_eq!(Some(bytes), whole.get(name), "{name}");
    }
}

/// Asks Git something about the folder.
#[track_caller]
fn git(folder: &Path, words: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(words)
        .output()
        .expect("git");
    assert!(
        output.status.success(),
        "{words:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout).to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn git_gets_one_commit_for_each_change_and_nothing_of_others() {
    let (sim, home) = world().await;
    let flags = ["--git", "--media-links", "keep"];
    let first = export(&home, &sim, &flags);
    let out = home.path("out");
    assert_eq!(git(&out, &["rev-parse", "HEAD"]).trim(), first["commit"]);
    let message = git(&out, &["log", "-1", "--format=%an <%ae>%n%B"]);
    assert!(
        message.starts_with("microcms-backup <microcms-backup@localhost>\nExport of "),
        "{message}"
    );
    assert!(message.contains("\nRun: 1 (complete)\n"), "{message}");
    assert_eq!(export(&home, &sim, &flags)["commit"], Value::Null);

    // What somebody else does there stays theirs, and their hooks do not run.
    fs::write(out.join("README.md"), "mine").expect("a file");
    fs::write(out.join("blog/draft.txt"), "mine").expect("a file");
    git(&out, &["add", "README.md"]);
    let hook = out.join(".git/hooks/reference-transaction");
    fs::write(&hook, "#!/bin/sh\nexit 1\n").expect("a hook");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&hook, mode).expect("a mode");
    write(&sim, "upper", "new");
    home.sync(&sim).await.expect_complete();
    export(&home, &sim, &flags);
    fs::remove_file(&hook).expect("removed");
    assert_eq!(
        git(&out, &["show", "--name-status", "--format=", "HEAD"]),
        "M\tblog/upper.json\n"
    );
    let status = git(&out, &["status", "--porcelain"]);
    assert!(
        status.contains("A  README.md\n") && !status.contains("upper"),
        "{status}"
    );

    sim.edit(Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "upper".into(),
    })
    .expect("deleted");
    home.sync(&sim).await.expect_complete();
    export(&home, &sim, &flags);
    assert_eq!(
        git(&out, &["show", "--name-status", "--format=", "HEAD"]),
        "D\tblog/upper.json\n"
    );
    assert_eq!(git(&out, &["log", "--format=%s"]).lines().count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exports_at_once_do_not_meet() {
    let (sim, home) = world().await;
    export(&home, &sim, &[]);
    let lock = fs::File::open(home.path("out")).expect("the folder");
    lock.try_lock().expect("the lock");
    let said = expect(&program(&home, &sim, &[]).run(), 11);
    assert!(said.contains("another export writes to"), "{said}");
    drop(lock);
    export(&home, &sim, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_owed_is_missed_and_its_old_file_stays() {
    let (sim, home) = world().await;
    export(&home, &sim, &[]);
    let file = home.path("out/blog/upper.json");
    let before = fs::read(&file).expect("a file");
    let conn = rusqlite::Connection::open(home.database()).expect("the database opens");
    let later = now().plus(Duration::from_secs(1)).to_string();
    conn.execute(
        "UPDATE contents SET published_body = NULL, valid_from = ?1 WHERE id = 'upper'",
        [later],
    )
    .expect("owed");
    drop(conn);
    let said = expect(&program(&home, &sim, &[]).run(), 3);
    assert!(said.contains("1 body is not saved yet"), "{said}");
    assert_eq!(fs::read(&file).expect("a file"), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_was_pruned_is_told_and_takes_nothing_from_an_earlier_export() {
    let (sim, home) = world().await;
    home.sync(&sim).await.expect_complete();
    export(&home, &sim, &["--at", "1"]);
    let before = tree(&home.path("out"));
    let pruned = format!(
        "INSERT INTO prunes (program, started_at, superseded_before) VALUES ('test', '{0}', '{0}')",
        now()
    );
    let conn = rusqlite::Connection::open(home.database()).expect("the database opens");
    conn.execute_batch(&pruned).expect("written");
    drop(conn);
    let said = expect(&program(&home, &sim, &["--at", "1"]).run(), 2);
    assert!(said.contains("`prune` has removed parts of it"), "{said}");
    assert_eq!(tree(&home.path("out")), before);
    // A new folder takes what is left, and that is not called complete.
    let new = home.path("new");
    let output = program_to(&home, &sim, &new, &["--at", "1", "--json"]).run();
    expect(&output, 3);
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(report["whole_since"].is_string(), "{report}");
    // The present is as whole as ever.
    let report = export(&home, &sim, &[]);
    assert!(report["whole_since"].is_null(), "{report}");
}
