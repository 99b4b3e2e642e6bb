//! The command, as people call it.

use crate::support::{Expect as _, Program, Sandbox};
use microcms_sim::Sim;
use rusqlite::Connection;
use serde_json::Value;

fn told(home: &Sandbox, sim: &Sim, words: &[&str]) -> (i32, String, String) {
    let mut program = Program::command(&[&["verify"], words].concat(), home, sim);
    // It needs no key.
    program.0.env_remove("MICROCMS_API_KEY");
    let output = program.run();
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (
        output.status.code().expect("a number"),
        text(output.stdout),
        text(output.stderr),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_in_one_line_whether_all_is_as_it_was_left() {
    let sim = Sim::builder().media(3).list_api("blog", 3).start().await;
    let home = Sandbox::new();
    let (code, out, err) = told(&home, &sim, &[]);
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(err.contains("there is no backup yet"), "{err}");

    let synced = Program::sync(&home, &sim).run();
    let summary = String::from_utf8(synced.stdout).expect("text");
    let root = summary
        .lines()
        .find_map(|line| line.strip_prefix("root      "))
        .expect("the summary tells the root");
    let log = String::from_utf8(synced.stderr).expect("text");
    assert!(log.contains(&format!(", root {root}")), "{log}");
    let status = Program::command(&["status", "--json"], &home, &sim).run();
    let status: Value = serde_json::from_slice(&status.stdout).expect("JSON");
    assert_eq!(status["backup"]["proof"]["root"], root);

    let begin = root.get(..8).expect("64 digits");
    for words in [
        &[][..],
        &["--since", root],
        &["--since", begin],
        &["--database"],
        &["--database", "--since", begin],
    ] {
        let (code, out, err) = told(&home, &sim, words);
        assert_eq!((code, err.as_str()), (0, ""), "{words:?}: {out}");
        let last = out.lines().last().expect("a line");
        assert!(last.starts_with("VERIFIED: "), "{out}");
        assert!(
            out.contains(&format!("root      {root} of run 1\n")),
            "{out}"
        );
        let is_anchored = out.contains(&format!("since     root {begin}"));
        assert_eq!(is_anchored, words.contains(&"--since"), "{out}");
    }
    let (code, out, _) = told(&home, &sim, &["--since", &"0".repeat(64)]);
    assert_eq!(code, 6);
    assert!(out.contains("no run here has the root `0000"), "{out}");
    assert!(
        out.contains("check the digits; if they are right, this is not the database that they were taken from"),
        "{out}"
    );
    // It says something of those digits, and nothing of what lies here.
    let status = Program::command(&["status"], &home, &sim).run();
    let line = String::from_utf8_lossy(&status.stdout);
    assert_eq!(status.status.code(), Some(0), "{line}");
    let (code, out, _) = told(&home, &sim, &["--since", &"0".repeat(64), "--json"]);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &json["difference_count"]), (6, &1.into()), "{out}");
    for bad in ["", "1234567", "not a root"] {
        let (code, out, err) = told(&home, &sim, &["--since", bad]);
        assert_eq!((code, out.as_str()), (2, ""), "{bad}");
        assert!(err.contains("8 to 64 hexadecimal digits"), "{err}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_stays_on_its_line_and_json_has_all_of_it() {
    let sim = Sim::builder().media(2).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let conn = Connection::open(home.database()).expect("it opens");
    conn.execute_batch(
        "INSERT INTO media (id, file_name, valid_from, metadata)
         VALUES ('x' || char(27) || '[2J' || char(10) || 'UNCHANGED: 写真', 'x', '2026-01-01T00:00:00.000Z', '{}')",
    )
    .expect("inserted");
    drop(conn);
    let (code, out, err) = told(&home, &sim, &["--database"]);
    assert_eq!((code, err.as_str()), (6, ""));
    assert!(!out.contains('\u{1b}'), "{out}");
    let named: Vec<&str> = out
        .lines()
        .filter(|line| line.starts_with("tampered"))
        .collect();
    assert_eq!(named.len(), 1, "{out}");
    assert!(named[0].contains("unrecorded row: medium x"), "{out}");
    let last = out.lines().last().expect("a line");
    assert!(last.starts_with("DIFFERENT: "), "{out}");
    assert!(last.contains("1 tampered"), "{out}");
    let (code, out, _) = told(&home, &sim, &["--database", "--json"]);
    assert_eq!(code, 6);
    let json: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(json["version"], 1);
    assert_eq!(json["log"]["findings"]["counts"]["unrecorded_row"], 1);
    assert_eq!(json["kinds"]["tampered"], 1);
    let named = json["differences"].as_array().expect("a list");
    let named = named
        .iter()
        .find(|named| named["kind"] == "tampered")
        .expect("it");
    let thing = named["thing"].as_str().expect("a text");
    assert!(thing.contains('\n') && thing.contains("写真"), "{thing}");
}
