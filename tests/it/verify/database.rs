//! The database against itself: what somebody or something else wrote into it is named.

use super::{
    assert_adds_up, assert_verified, backed_up, meddle, named, replace, status, told, verify,
};
use crate::support::{Expect as _, Program, Sandbox, Setup, now};
use microcms_sim::{Edit, Sim};
use std::fs;

/// Two versions of some things, a tombstone, an archived file.
async fn with_history() -> (Sim, Sandbox) {
    let (sim, home) = backed_up(6).await;
    let ids = sim.media_ids();
    for round in 0..2 {
        replace(&sim, &ids[round]);
        for id in &ids[2..4] {
            sim.edit(Edit::SetAlt {
                id: id.clone(),
                alt: Some(format!("text {round}")),
                touch: true,
            })
            .expect("edited");
        }
        home.sync(&sim).await.expect_complete();
    }
    sim.edit(Edit::DeleteMedium { id: ids[5].clone() })
        .expect("edited");
    for _ in 0..2 {
        home.sync(&sim).await;
    }
    assert_verified(&home, &sim);
    (sim, home)
}

/// Takes a trigger away, does something, and puts it back: what a person would do who means well.
fn behind_its_back(home: &Sandbox, trigger: &str, sql: &str) {
    let made = home.texts(&format!(
        "SELECT sql FROM sqlite_schema WHERE name = '{trigger}'"
    ));
    meddle(
        home,
        &format!("DROP TRIGGER {trigger}; {sql}; {};", made[0]),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_of_meddling_has_its_name() {
    let (sim, home) = with_history().await;
    let pristine = fs::read(home.database()).expect("read");
    let cases: &[(&str, &[&str])] = &[
        ("DROP TRIGGER media_history_on_update", &["schema schema"]),
        (
            "CREATE TRIGGER spy AFTER UPDATE ON media BEGIN SELECT 1; END",
            &["schema schema"],
        ),
        ("DROP VIEW media_timeline", &["schema schema"]),
        ("DROP INDEX contents_history_by_id", &["schema schema"]),
        ("CREATE VIEW mine AS SELECT 1", &[]),
        (
            "UPDATE contents SET draft_body = '{' WHERE draft_body IS NULL",
            &["row contents"],
        ),
        (
            "UPDATE contents SET draft_body = CAST(x'7b22ff227d' AS TEXT) WHERE draft_body IS NULL",
            &["row contents"],
        ),
        (
            "DELETE FROM assets WHERE media_id = (SELECT min(id) FROM media WHERE deleted_at IS NULL)",
            &["row media", "unknown"],
        ),
        (
            "DELETE FROM media_history WHERE rowid = (SELECT max(rowid) FROM media_history GROUP BY id HAVING count(*) > 1)",
            &["timeline"],
        ),
        (
            "UPDATE media_history SET valid_to = '2099-01-01T00:00:00.000Z' WHERE rowid = 1",
            &["timeline"],
        ),
        (
            "UPDATE media_history SET valid_from = '2020-01-01T00:00:00Z' WHERE rowid = 1",
            &["timeline media_history"],
        ),
        (
            "UPDATE runs SET outcome = 'running' WHERE id = 1",
            &["runs runs"],
        ),
        (
            "UPDATE walks SET verdict = 'unproven' WHERE run_id = 1 AND scope = 'media'",
            &["runs runs"],
        ),
        (
            "PRAGMA foreign_keys = OFF; DELETE FROM runs WHERE id = 1",
            &["row walks"],
        ),
        (
            "UPDATE assets_history SET sha256 = 'no digest' WHERE rowid = 1",
            &["row assets_history"],
        ),
    ];
    for (sql, expected) in cases {
        restore(&home, &pristine);
        meddle(&home, sql);
        let (code, json) = verify(&home, &sim, &[]);
        let found = named(&json);
        assert_adds_up(&json);
        assert_eq!(
            code,
            if expected.is_empty() { 0 } else { 6 },
            "{sql}: {json:#}"
        );
        assert_eq!(found.is_empty(), expected.is_empty(), "{sql}: {found:?}");
        for one in *expected {
            assert!(
                found.iter().any(|found| found.starts_with(one)),
                "{sql}: {found:?} lacks {one}"
            );
        }
    }
    restore(&home, &pristine);
    behind_its_back(
        &home,
        "media_version_moves_forward",
        "UPDATE media SET valid_from = '2199-01-01T00:00:00.000Z' WHERE deleted_at IS NULL",
    );
    let (code, json) = verify(&home, &sim, &["--database"]);
    assert_eq!(code, 6);
    assert!(json["mirror"].is_null());
    let ahead = "2199-01-01T00:00:00.000Z, which is far ahead";
    let list = json["differences"].as_array().expect("a list");
    assert_eq!(list.iter().filter(|one| one["found"] == ahead).count(), 5);
    assert!(list.iter().any(|one| {
        one["found"]
            .as_str()
            .is_some_and(|found| found.starts_with("a gap: "))
    }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_run_dated_by_a_clock_that_was_ahead_is_noted_and_no_difference() {
    let (sim, home) = backed_up(3).await;
    let id = &sim.media_ids()[0];
    replace(&sim, id);
    let ahead = Setup {
        now: || now().plus(std::time::Duration::from_hours(30 * 24)),
        ..Setup::default()
    };
    home.sync_with(&sim, ahead).await.expect_complete();
    // Each version of a thing begins after the one before, by a millisecond where the clock says less.
    for _ in 0..3 {
        replace(&sim, id);
        home.sync(&sim).await.expect_complete();
    }
    let (code, json) = verify(&home, &sim, &[]);
    assert_eq!((code, named(&json)), (0, Vec::new()), "{json:#}");
    let notes = json["notes"].as_array().expect("a list");
    assert_eq!(notes.len(), 1, "{json:#}");
    let note = notes[0].as_str().expect("a text");
    assert!(
        note.contains("clock that was ahead") && note.contains("--at"),
        "{note}"
    );
    assert_eq!(status(&home, &sim).0, 0);
    // What no run can have written stays what it is.
    behind_its_back(
        &home,
        "media_version_moves_forward",
        "UPDATE media SET valid_from = strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '+40 days')",
    );
    let (code, json) = verify(&home, &sim, &["--database"]);
    assert_eq!(code, 6);
    let list = json["differences"].as_array().expect("a list");
    let is_ahead = |one: &&serde_json::Value| {
        one["found"]
            .as_str()
            .is_some_and(|found| found.ends_with("which is far ahead"))
    };
    assert_eq!(list.iter().filter(is_ahead).count(), 3, "{json:#}");
}

fn restore(home: &Sandbox, pristine: &[u8]) {
    for end in ["-wal", "-shm"] {
        drop(fs::remove_file(home.path(&format!("backup.sqlite3{end}"))));
    }
    fs::write(home.database(), pristine).expect("written");
}

/// Everything that `verify` vouches for, as texts.
fn vouched(home: &Sandbox) -> Vec<String> {
    [
        "SELECT concat_ws('|', media_id, path, bytes, sha256, state) FROM assets ORDER BY 1",
        "SELECT concat_ws('|', media_id, bytes, sha256, valid_from, valid_to) FROM assets_history ORDER BY 1",
        "SELECT concat_ws('|', id, valid_from, valid_to) FROM media_history ORDER BY 1",
        "SELECT id FROM media ORDER BY 1",
        "SELECT endpoint || '/' || id FROM contents ORDER BY 1",
        "SELECT type || name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1",
    ]
    .iter()
    .flat_map(|sql| home.texts(sql))
    .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_anywhere_in_the_database_is_named_or_refused_or_in_nothing_that_is_vouched_for()
 {
    let (sim, home) = with_history().await;
    let pristine = fs::read(home.database()).expect("read");
    let before = vouched(&home);
    let mut seed = 0x5eed_u64;
    let (mut named_ones, mut refused) = (0, 0);
    for _ in 0..120 {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let at = usize::try_from(seed >> 33).expect("a number") % pristine.len();
        let mut bytes = pristine.clone();
        bytes[at] ^= 1 << (seed & 7);
        restore(&home, &bytes);
        let output = Program::command(&["verify", "--json"], &home, &sim).run();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(6) => named_ones += 1,
            Some(1) => {
                refused += 1;
                assert!(stderr.contains("error: "), "byte {at}: {stderr}");
            }
            Some(0) => {
                // Its own record aside, which it just wrote.
                restore(&home, &bytes);
                let after = std::panic::catch_unwind(|| vouched(&home));
                assert_eq!(after.ok().as_ref(), Some(&before), "byte {at}");
            }
            code => panic!("byte {at}: {code:?} {stderr}"),
        }
        assert!(!stderr.contains("panicked"), "byte {at}: {stderr}");
    }
    assert!(named_ones > 5, "{named_ones} named, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_database_a_newer_one_and_another_program_s_are_refused_in_words() {
    let sim = Sim::builder().media(1).start().await;
    let home = Sandbox::new();
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 1);
    assert!(text.contains("error: there is no backup yet: `"), "{text}");
    assert!(!home.path("mirror").exists() && !home.database().exists());
    let (code, text) = told(&home, &sim, &["--database"]);
    assert_eq!(code, 1, "{text}");
    let (code, text) = told(&home, &sim, &["--repair"]);
    assert_eq!(code, 1, "{text}");
    home.sync(&sim).await.expect_complete();
    meddle(&home, "PRAGMA user_version = 99");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 1);
    assert!(
        text.contains("newer than this program understands"),
        "{text}"
    );
    fs::write(home.database(), b"no database at all").expect("written");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 1, "{text}");
    for flags in [
        &["--subset", "0%"][..],
        &["--database", "--repair"],
        &["--remote", "--repair"],
    ] {
        let (code, text) = told(&home, &sim, flags);
        assert_eq!(code, 2, "{text}");
    }
}
