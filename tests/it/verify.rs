//! `verify`: what is not as it should be is named, what is as it should be is not.

mod beside;
mod database;
mod files;
mod lost;
mod remote;
mod repair;
mod sync;
mod unreadable;

use crate::support::{Expect as _, Program, Sandbox, replace_bytes};
use microcms_sim::Sim;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A service with media, contents and a second version of some, backed up.
async fn backed_up(media: u32) -> (Sim, Sandbox) {
    let sim = Sim::builder()
        .media(media)
        .list_api("blog", 5)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    (sim, home)
}

/// Runs `verify --json` with more flags, and returns the exit code and what it printed.
fn verify(home: &Sandbox, sim: &Sim, flags: &[&str]) -> (i32, Value) {
    let words: Vec<&str> = ["verify", "--json"].iter().chain(flags).copied().collect();
    let output = Program::command(&words, home, sim).run();
    let text = String::from_utf8_lossy(&output.stdout);
    let json = serde_json::from_str(&text)
        .unwrap_or_else(|err| panic!("{err}: {text}\n{}", stderr(&output)));
    (output.status.code().expect("no signal"), json)
}

/// Runs `verify` for a person, and returns the exit code and what it printed.
fn told(home: &Sandbox, sim: &Sim, flags: &[&str]) -> (i32, String) {
    let words: Vec<&str> = ["verify"].iter().chain(flags).copied().collect();
    let output = Program::command(&words, home, sim).run();
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    (
        output.status.code().expect("no signal"),
        text + &stderr(&output),
    )
}

/// Runs `status`, and returns the exit code and what it printed.
fn status(home: &Sandbox, sim: &Sim) -> (i32, String) {
    let output = Program::command(&["status"], home, sim).run();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code().expect("no signal"), text)
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The differences as `kind place`, sorted.
fn named(json: &Value) -> Vec<String> {
    let list = json["differences"].as_array().expect("a list");
    let mut named: Vec<String> = list
        .iter()
        .map(|one| {
            let text = |key: &str| one[key].as_str().expect(key).to_owned();
            format!("{} {}", text("kind"), text("place"))
        })
        .collect();
    named.sort();
    named
}

#[track_caller]
fn assert_adds_up(json: &Value) {
    for area in ["mirror", "archive", "database"] {
        let count = |key: &str| json[area][key].as_u64().unwrap_or(0);
        assert_eq!(
            count("checked"),
            count("good") + count("different") + count("skipped"),
            "{json:#}"
        );
    }
}

#[track_caller]
fn assert_verified(home: &Sandbox, sim: &Sim) {
    let (code, json) = verify(home, sim, &[]);
    assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");
    assert_adds_up(&json);
}

/// The path of a medium's file, on the disk.
fn file_of(home: &Sandbox, id: &str) -> PathBuf {
    let path = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
    home.path("mirror").join(&path[0])
}

/// A place as `verify` tells it.
fn place(home: &Sandbox, path: &Path) -> String {
    let home = home.path("");
    let below = path.strip_prefix(home).expect("below the home");
    below.to_str().expect("UTF-8").to_owned()
}

/// Writes to the database as a person would.
fn meddle(home: &Sandbox, sql: &str) {
    rusqlite::Connection::open(home.database())
        .and_then(|conn| conn.execute_batch(sql))
        .expect(sql);
}

/// Changes one bit in the middle.
fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

/// A new version of a medium's file, upstream.
fn replace(sim: &Sim, id: &str) {
    replace_bytes(sim, id);
}
