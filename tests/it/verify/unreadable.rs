//! Files that the disk does not give out: their names and lengths are as they should be.

use super::{assert_verified, backed_up, file_of, named, place, replace, status};
use crate::support::{Expect as _, Program, Sandbox, assert_holds, digest};
use microcms_sim::Sim;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

/// Runs the program on a disk that answers each attempt to read a file so. `None` without `strace`.
fn run(words: &[&str], home: &Sandbox, sim: &Sim, file: &Path, error: &str) -> Option<Output> {
    let can_trace = Command::new("strace")
        .args(["-qq", "-o", "/dev/null", "true"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !can_trace {
        eprintln!("skipped: this test needs strace");
        return None;
    }
    let inject = format!("inject=read,pread64:error={error}");
    let file = file.to_str().expect("UTF-8");
    let before = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", file];
    let before = [&before[..], &["-e", "trace=read,pread64", "-e", &inject]].concat();
    let hosts = [
        sim.image_host(),
        sim.file_host(),
        sim.custom_image_host(),
        sim.custom_file_host(),
    ];
    let program = Program::of(&before, words, home, sim);
    Some(program.set("ASSETS__HOSTS", hosts.join(",")).run())
}

fn verified(output: &Output) -> (Option<i32>, Value) {
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text).unwrap_or_else(|err| panic!("{err}: {text}"));
    (output.status.code(), json)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_the_disk_cannot_read_gives_way_to_a_new_copy_of_its_bytes() {
    let (sim, home) = backed_up(4).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    let before = fs::metadata(&file).expect("there").ino();
    let Some(output) = run(&["verify", "--json"], &home, &sim, &file, "EIO") else {
        return;
    };
    let (code, json) = verified(&output);
    let found = vec![format!("unreadable {}", place(&home, &file))];
    assert_eq!((code, named(&json)), (Some(6), found), "{json:#}");
    let remedy = json["differences"][0]["remedy"].as_str().expect("a text");
    assert!(remedy.contains("the next `sync`"), "{remedy}");
    assert_eq!(status(&home, &sim).0, 6);

    sim.forget_requests();
    let output = run(&["sync"], &home, &sim, &file, "EIO").expect("strace");
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(sim.counters().assets(), 1, "only that one is fetched");
    assert_ne!(fs::metadata(&file).expect("there").ino(), before);
    assert_holds(&home, &sim.truth());
    assert_eq!(status(&home, &sim).0, 0);
    assert_verified(&home, &sim);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_can_be_read_again_is_not_fetched() {
    let (sim, home) = backed_up(3).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    let Some(output) = run(&["verify"], &home, &sim, &file, "EIO") else {
        return;
    };
    assert_eq!(output.status.code(), Some(6));
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);
    assert_eq!(status(&home, &sim).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_leaves_alone_what_cannot_be_read_and_holds_no_other_file_up() {
    let (sim, home) = backed_up(4).await;
    let ids = sim.media_ids();
    let file = file_of(&home, &ids[0]);
    let old = fs::read(&file).expect("read");
    for id in &ids[..3] {
        replace(&sim, id);
    }
    let Some(output) = run(&["sync"], &home, &sim, &file, "EIO") else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_holds(&home, &sim.truth());
    assert_ne!(file_of(&home, &ids[0]), file);
    // Nobody else has those bytes: whoever can rescue them finds them where they were.
    assert_eq!(digest(&fs::read(&file).expect("read")), digest(&old));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moved_to_another_host_and_cannot_be_read_is_fetched_to_its_new_place() {
    let (sim, home) = backed_up(4).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    sim.edit(microcms_sim::Edit::SwitchAssetHosts { touch: false })
        .expect("switched");
    sim.forget_requests();
    let Some(output) = run(&["sync"], &home, &sim, &file, "EIO") else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(sim.counters().assets(), 1, "the others are moved");
    for medium in &sim.truth().media {
        let held = home.saved_bytes(&medium.id).expect("saved");
        assert_eq!(digest(&held), medium.sha256());
        assert_ne!(home.saved_path(&medium.id).expect("saved"), file);
    }
    assert!(file.exists(), "it stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_not_be_read_is_for_a_person() {
    let (sim, home) = backed_up(3).await;
    let file = file_of(&home, &sim.media_ids()[0]);
    let Some(output) = run(&["verify", "--json"], &home, &sim, &file, "EACCES") else {
        return;
    };
    let (code, json) = verified(&output);
    assert_eq!(code, Some(6), "{json:#}");
    let remedy = json["differences"][0]["remedy"].as_str().expect("a text");
    assert!(remedy.contains("make it readable"), "{remedy}");
    assert_eq!(home.count("SELECT count(*) FROM wrong_files"), 0);
    assert_eq!(status(&home, &sim).0, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_copies_over_it_what_the_archive_has_and_accepts_nothing_as_lost() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[0].clone();
    let file = file_of(&home, &id);
    sim.edit(microcms_sim::Edit::DeleteMedium { id })
        .expect("deleted");
    for _ in 0..2 {
        home.sync(&sim).await;
    }
    let words = ["verify", "--json", "--repair", "--accept-lost", "1"];
    let Some(output) = run(&words, &home, &sim, &file, "EIO") else {
        return;
    };
    let (code, json) = verified(&output);
    assert_eq!((code, &json["accepted"]), (Some(6), &0.into()), "{json:#}");
    let bytes = fs::read(&file).expect("read");
    let name = digest(&bytes);
    let (first, rest) = name.split_at(2);
    let (second, _) = rest.split_at(2);
    let kept = home.path("archive").join(first).join(second);
    fs::create_dir_all(&kept).expect("made");
    fs::write(kept.join(&name), &bytes).expect("written");
    let output = run(&words, &home, &sim, &file, "EIO").expect("strace");
    let (code, json) = verified(&output);
    assert_eq!(code, Some(0), "{json:#}");
    assert_eq!(json["differences"][0]["repair"], "restored", "{json:#}");
    assert_verified(&home, &sim);
}
