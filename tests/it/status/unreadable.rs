//! `status` where the mirror, the database or the configuration is not what it should be.

use super::{edit, files, json, line, service, told};
use crate::support::{Expect as _, Program, Sandbox};
use serde_json::Value;
use std::path::Path;

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_not_there_is_unsafe() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    std::fs::rename(home.path("mirror"), home.path("elsewhere")).expect("it moves");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6);
    assert!(line(&text).starts_with("UNSAFE: the mirror `"), "{text}");
    assert!(
        line(&text).contains("` is missing; last complete as of "),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_holds_nothing_of_what_it_should_is_unsafe_until_it_is_back() {
    let sim = service().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let (mirror, elsewhere) = (home.path("mirror"), home.path("elsewhere"));
    std::fs::rename(&mirror, &elsewhere).expect("it moves");
    // As behind a volume that is not mounted.
    std::fs::create_dir(&mirror).expect("a folder");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 6, "{text}");
    let lost = home.count("SELECT count(*) FROM assets").min(24);
    let lacks = format!("` lacks {lost} of {lost} files that were looked at");
    assert!(line(&text).contains(&lacks), "{text}");
    std::fs::remove_dir(&mirror).expect("empty");
    std::fs::rename(&elsewhere, &mirror).expect("it moves back");
    let (code, text) = told(&home, &sim, &[]);
    assert_eq!(code, 0, "{text}");
}

/// What cannot be read is nothing that can be called safe, and is left as it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_cannot_be_read_is_unsafe_and_left_alone() {
    let sim = service().await;
    let good = Sandbox::new();
    good.sync(&sim).await.expect_complete();
    let copy = |home: &Sandbox| {
        std::fs::copy(good.database(), home.database()).expect("a copy");
    };
    let overwrite = |path: &Path, text: &[u8]| std::fs::write(path, text).expect("written");
    type Spoil<'a> = &'a dyn Fn(&Sandbox);
    let cases: [(Spoil<'_>, &str, &str); 6] = [
        (
            &|home| overwrite(&home.database(), b"my notes, which are no database"),
            "is not a SQLite database",
            "hint      choose another path",
        ),
        (
            &|home| {
                edit(
                    home,
                    "CREATE TABLE cats (name TEXT); PRAGMA application_id = 7;",
                );
            },
            "is a database of another program",
            "hint      choose another path",
        ),
        (
            &|home| {
                copy(home);
                edit(home, "PRAGMA user_version = 99;");
            },
            "database schema 99 is newer than this program understands",
            "hint      use the program version",
        ),
        (
            &|home| {
                copy(home);
                edit(
                    home,
                    "UPDATE meta SET value = 'other' WHERE key = 'service_id'",
                );
            },
            "is the backup of service `other`, not of `demo`",
            "hint      give each service its own",
        ),
        (
            &|home| {
                copy(home);
                let mut bytes = std::fs::read(home.database()).expect("it reads");
                for byte in bytes.iter_mut().skip(4096) {
                    *byte = 0x55;
                }
                overwrite(&home.database(), &bytes);
            },
            "the database is damaged",
            "hint      keep the file",
        ),
        (
            &|home| std::fs::create_dir(home.database()).expect("a folder"),
            "is not a regular file",
            "hint      choose another path",
        ),
    ];
    for (spoil, words, hint) in cases {
        let home = Sandbox::new();
        spoil(&home);
        let before = files(&home);
        let (code, text) = told(&home, &sim, &[]);
        assert_eq!(code, 6, "{words}\n{text}");
        assert!(text.starts_with("UNSAFE: it cannot be judged: "), "{text}");
        assert!(line(&text).contains(words), "{words}\n{text}");
        assert!(text.contains(hint), "{hint}\n{text}");
        let (code, value) = json(&home, &sim, &[]);
        assert_eq!((code, &value["safe"]), (6, &Value::Bool(false)));
        assert_eq!(files(&home), before, "{words}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_configuration_is_two_and_goes_to_stderr() {
    let sim = service().await;
    let home = Sandbox::new();
    let program = Program::command(&["status"], &home, &sim);
    let output = program.set("LIMITS__DOWNLOADS", "many").run();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"");
    let program = Program::command(&["status", "--max-age", "soon"], &home, &sim);
    assert_eq!(program.run().status.code(), Some(2));
}
