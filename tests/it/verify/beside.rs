//! `verify` beside a run, and beside a prune that was cut off: what is under way is no difference.

use super::{assert_adds_up, backed_up, meddle, named, replace, verify};
use crate::support::Program;
use microcms_sim::{Edit, Fault, Occasion, Route};
use serde_json::Value;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_run_beside_it_makes_no_difference() {
    let (sim, home) = backed_up(60).await;
    sim.fault(Route::Image, Occasion::Every, Fault::Delay { ms: 80 });
    for round in 0..2 {
        for (n, id) in sim.media_ids().iter().enumerate() {
            match n % 3 {
                0 => replace(&sim, id),
                1 => drop(sim.edit(Edit::RenameMedium {
                    id: id.clone(),
                    name: format!("renamed-{round}-{n}.png"),
                    touch: true,
                })),
                _ => {}
            }
        }
        for n in 0..20 {
            sim.edit(Edit::AddMedium {
                name: format!("new-{round}-{n}.png"),
                bytes: None,
                path: None,
                alt: None,
                tags: Vec::new(),
            })
            .expect("edited");
        }
        // The program itself, which holds the lock: so it is known that somebody is at work.
        let run = Program::sync(&home, &sim).set("LIMITS__DOWNLOADS", "2");
        let mut run = run.start();
        let mut looks = 0;
        while run.ended().is_none() {
            let (code, json) = tokio::task::block_in_place(|| verify(&home, &sim, &[]));
            assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");
            assert_adds_up(&json);
            looks += 1;
        }
        assert!(looks > 2, "{looks} looks are none to speak of");
        let ended = run.wait(Duration::from_secs(60));
        assert_eq!(ended.code(), Some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_prune_or_a_run_left_halfway_is_no_stranger() {
    let (sim, home) = backed_up(3).await;
    let id = sim.media_ids()[0].clone();
    let path = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"))[0].clone();
    // Rows are gone, the file waits for the next prune.
    meddle(
        &home,
        &format!(
            "INSERT INTO doomed_files (sha256, path, doomed_at)
             SELECT sha256, path, '2026-01-01T00:00:00.000Z' FROM assets WHERE media_id = '{id}';
             DELETE FROM assets WHERE media_id = '{id}'; DELETE FROM media WHERE id = '{id}';
             DELETE FROM assets_history; DELETE FROM media_history"
        ),
    );
    assert!(home.path("mirror").join(path).exists());
    let (_, json) = verify(&home, &sim, &[]);
    assert_eq!(named_of_files(&json), [""; 0]);
    // In place, and its first row was never written.
    let other = sim.media_ids()[1].clone();
    meddle(
        &home,
        &format!(
            "DELETE FROM assets WHERE media_id = '{other}'; DELETE FROM assets_history;
             INSERT INTO assets (media_id, url, state, why, owed_at, valid_from)
             SELECT id, url, 'owed', 'new', valid_from, valid_from FROM media WHERE id = '{other}'"
        ),
    );
    let (_, json) = verify(&home, &sim, &[]);
    assert_eq!(named_of_files(&json), [""; 0]);
    assert_eq!(json["mirror"]["skipped"], 1);
}

/// What is named but for the rows, which this test edits behind the program's back.
fn named_of_files(json: &Value) -> Vec<String> {
    let mut named = named(json);
    named.retain(|name| name != "tampered database");
    named
}
