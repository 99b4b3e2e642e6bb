//! `export --drafts`: what visitors do not see is for the owner alone.

use crate::export::{LIST, export, tree, world};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path)
        .expect("it is there")
        .permissions()
        .mode()
        & 0o777
}

/// Everything below a folder that others can use, Git's own things included.
fn open_to_others(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if mode(&path) & 0o077 != 0 {
            found.push(format!("{:04o} {}", mode(&path), path.display()));
        }
        if path.is_dir() {
            found.extend(open_to_others(&path));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_with_drafts_is_for_its_owner_alone() {
    let (sim, home) = world().await;
    export(
        &home,
        &sim,
        &["--format", "json,ndjson,csv,markdown", "--drafts"],
    );
    let out = home.path("out");
    assert_eq!(mode(&out), 0o700);
    assert_eq!(open_to_others(&out), Vec::<String>::new());
    assert!(tree(&out).keys().any(|name| name.ends_with(".draft.json")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_open_to_others_is_closed_by_an_export_with_drafts() {
    let (sim, home) = world().await;
    let out = home.path("out");
    fs::create_dir(&out).expect("a folder");
    fs::set_permissions(&out, Permissions::from_mode(0o755)).expect("a mode");
    export(&home, &sim, &[]);
    for name in [LIST, "_media.json", "blog/_schema.json", "blog/upper.json"] {
        let open = Permissions::from_mode(0o644);
        fs::set_permissions(out.join(name), open).expect("a mode");
    }
    fs::set_permissions(out.join("blog"), Permissions::from_mode(0o755)).expect("a mode");
    // Nothing new is in it, so that each file and the list stay as they are.
    sim.edit(microcms_sim::Edit::DeleteContent {
        endpoint: "blog".into(),
        id: "never".into(),
    })
    .expect_err("there is none");
    export(&home, &sim, &["--drafts"]);
    assert_eq!(open_to_others(&out), Vec::<String>::new());
    // The folder itself is its owner's to open.
    assert_eq!(mode(&out), 0o755);
    let open = Permissions::from_mode(0o644);
    fs::set_permissions(out.join(LIST), open).expect("a mode");
    export(&home, &sim, &["--drafts"]);
    assert_eq!(mode(&out.join(LIST)), 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn git_keeps_drafts_for_their_owner_alone() {
    let (sim, home) = world().await;
    let flags = ["--drafts", "--git", "--media-links", "keep"];
    export(&home, &sim, &flags);
    let out = home.path("out");
    let of_templates =
        |line: &String| line.contains("/.git/hooks/") || line.contains("/.git/info/");
    let mut open = open_to_others(&out);
    open.retain(|line| !of_templates(line));
    assert_eq!(open, Vec::<String>::new());
    // In a repository that was there before, too.
    let other = home.path("other");
    fs::create_dir(&other).expect("a folder");
    fs::set_permissions(&other, Permissions::from_mode(0o755)).expect("a mode");
    let git = std::process::Command::new("git")
        .args(["init", "--quiet"])
        .arg(&other)
        .status();
    assert!(git.expect("git").success());
    let output = crate::export::program_to(&home, &sim, &other, &flags).run();
    crate::export::expect(&output, 0);
    let mut open = open_to_others(&other.join(".git/objects"));
    // These were made with the repository, and are empty.
    open.retain(|line| !line.ends_with("/objects/info") && !line.ends_with("/objects/pack"));
    assert_eq!(open, Vec::<String>::new());
    assert_eq!(mode(&other.join(".git/index")) & 0o077, 0);
}
