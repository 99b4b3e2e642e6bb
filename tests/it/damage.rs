//! What a disk, a person or a full file system did to the backup, and what the next run makes of it.

use crate::support::{
    Expect as _, Program, Sandbox, Setup, archived, assert_holds, assert_sound,
    assert_sound_and_tidy, digest, files, replace_bytes,
};
use microcms_backup::model::ExitCode;
use microcms_backup::sync::Only;
use microcms_sim::{Edit, Sim};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

async fn backed_up(media: u32) -> (Sim, Sandbox) {
    let sim = Sim::builder()
        .media(media)
        .list_api("blog", 3)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.forget_requests();
    (sim, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_shortened_and_lengthened_files_are_fetched_again_and_no_others() {
    let (sim, home) = backed_up(40).await;
    for (n, file) in files(&home.path("mirror")).iter().enumerate() {
        let mut bytes = std::fs::read(file).expect("read");
        match n % 8 {
            0 => std::fs::remove_file(file).expect("removed"),
            1 => bytes.truncate(bytes.len() / 2),
            2 => bytes.clear(),
            3 => bytes.push(0),
            _ => continue,
        }
        if file.exists() {
            std::fs::write(file, bytes).expect("written");
        }
    }
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!((report.assets.saved, sim.counters().assets()), (20, 20));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        home.count("SELECT count(*) FROM assets_history"),
        0,
        "the bytes are the same version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn things_in_the_place_of_files_are_moved_or_gone_round() {
    let (sim, home) = backed_up(12).await;
    let outside = home.path("test-outside");
    std::fs::write(&outside, b"precious").expect("written");
    for (n, file) in files(&home.path("mirror")).iter().enumerate().take(6) {
        std::fs::remove_file(file).expect("removed");
        match n % 3 {
            0 => std::fs::create_dir(file).expect("a folder"),
            1 => std::os::unix::fs::symlink(&outside, file).expect("a link"),
            _ => {
                let made = Command::new("mkfifo").arg(file).status().expect("mkfifo");
                assert!(made.success());
            }
        }
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
    assert_eq!(std::fs::read(&outside).expect("read"), b"precious");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_mirror_comes_back_whole() {
    let (sim, home) = backed_up(50).await;
    std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    std::fs::remove_dir_all(home.path("archive")).expect("removed");
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 50);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_was_away_for_a_run_is_taken_back_without_a_transfer() {
    come_back(false, 2..=2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_comes_back_is_asked_about_where_all_is() {
    // The changed one may be asked about before it is listed as changed, and then again.
    come_back(true, 12..=13).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_lost_everything_is_told_of_in_few_lines() {
    let (sim, home) = backed_up(30).await;
    std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    let output = Program::sync(&home, &sim).run();
    assert_eq!(output.status.code(), Some(0));
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(log.matches("in the mirror is missing").count(), 20, "{log}");
    assert!(
        log.contains("10 more files in the mirror are missing or damaged"),
        "{log}"
    );
    assert!(
        log.contains("none of the 30 files that the mirror (`storage.mirror`) should hold"),
        "{log}"
    );
    assert_holds(&home, &sim.truth());
}

/// Takes a mirror of twelve files away for a run. The next one asks hosts so many times and fetches two.
async fn come_back(is_full: bool, asked: RangeInclusive<u64>) {
    let (sim, home) = backed_up(12).await;
    let (mirror, away) = (home.path("mirror"), home.path("away"));
    let [damaged, changed] = [0, 1].map(|n| sim.media_ids()[n].clone());
    let of_damaged = home.saved_path(&damaged).expect("a path");
    std::fs::rename(&mirror, &away).expect("moved");
    // The run is stopped, or may not fetch: what is missing stays owed.
    let poor = Setup {
        monthly_transfer: Some(1),
        ..Setup::default()
    };
    home.sync_with(&sim, poor)
        .await
        .expect_code(ExitCode::Partial);
    let missing = "SELECT count(*) FROM assets WHERE state = 'owed' AND why = 'missing'";
    assert_eq!(home.count(missing), 12);
    std::fs::remove_dir_all(&mirror).expect("removed");
    std::fs::rename(&away, &mirror).expect("moved");
    // One came back as something else of the same length, and one was changed upstream meanwhile.
    let length = std::fs::metadata(&of_damaged).expect("it is back").len();
    let others = vec![0; usize::try_from(length).expect("a length")];
    std::fs::write(&of_damaged, others).expect("written");
    replace_bytes(&sim, changed);
    sim.forget_requests();
    let setup = Setup {
        is_full,
        ..Setup::default()
    };
    let report = home.sync_with(&sim, setup).await.expect_complete();
    assert!(asked.contains(&sim.counters().assets()), "{report:?}");
    assert_eq!(report.assets.saved, 2);
    assert!((10..=11).contains(&report.assets.unchanged), "{report:?}");
    // Only what a host said something about counts as checked; in a first backup that is as it was fetched.
    let asked_since = home.count("SELECT count(*) FROM assets WHERE checked_at > fetched_at");
    // The changed one, too, if it was asked about again once it was listed as changed.
    let expected = if is_full { 10..=11 } else { 0..=0 };
    assert!(expected.contains(&asked_since), "{asked_since}");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fresh_database_beside_a_full_mirror_costs_the_transfer_and_rewrites_nothing() {
    let (sim, home) = backed_up(60).await;
    replace_bytes(&sim, sim.media_ids()[0].clone());
    home.sync(&sim).await.expect_complete();
    let look = || -> Vec<(PathBuf, u64, i64)> {
        let mut all: Vec<_> = ["mirror", "archive"]
            .iter()
            .flat_map(|root| files(&home.path(root)))
            .map(|file| {
                let about = file.metadata().expect("metadata");
                (file, about.ino(), about.mtime_nsec())
            })
            .collect();
        all.sort();
        all
    };
    let before = look();
    for name in ["backup.sqlite3", "backup.sqlite3-wal", "backup.sqlite3-shm"] {
        // The companions may be gone after a tidy end.
        drop(std::fs::remove_file(home.path(name)));
    }
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    // Without a row nothing tells what a file is, so each is fetched; the same bytes are left alone.
    assert_eq!(sim.counters().assets(), 60);
    assert_eq!(look(), before);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_no_row_knows_are_archived_before_their_place_is_taken() {
    let (sim, home) = backed_up(5).await;
    let id = sim.media_ids()[0].clone();
    let old = home.saved_bytes(&id).expect("saved");
    for name in ["backup.sqlite3", "backup.sqlite3-wal", "backup.sqlite3-shm"] {
        drop(std::fs::remove_file(home.path(name)));
    }
    replace_bytes(&sim, id);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&old)), Some(old));
}

#[tokio::test(flavor = "multi_thread")]
async fn stray_temporary_files_are_cleared_and_other_people_s_are_not() {
    let (sim, home) = backed_up(3).await;
    for root in ["mirror", "archive"] {
        let folder = home.path(root).join(".tmp");
        std::fs::write(folder.join("part-1-0-x"), b"half").expect("written");
        std::fs::write(folder.join("notes.txt"), b"mine").expect("written");
    }
    home.sync(&sim).await.expect_complete();
    for root in ["mirror", "archive"] {
        let folder = home.path(root).join(".tmp");
        let left: Vec<_> = std::fs::read_dir(&folder).expect("a folder").collect();
        assert_eq!(left.len(), 1);
        std::fs::remove_file(folder.join("notes.txt")).expect("it is there");
    }
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_file_of_a_deleted_medium_is_said_to_be_lost() {
    let sim = Sim::builder().media(30).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids: Vec<String> = sim.media_ids().into_iter().take(3).collect();
    for id in &ids {
        sim.edit(Edit::DeleteMedium { id: id.clone() })
            .expect("edited");
    }
    // Two proven walks make a tombstone.
    home.sync(&sim).await.expect_complete();
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        home.count("SELECT count(*) FROM media WHERE deleted_at IS NOT NULL"),
        3
    );
    assert_sound_and_tidy(&home);

    let lost = home.texts(&format!(
        "SELECT path FROM assets WHERE media_id = '{}'",
        ids[0]
    ));
    let kept = home.saved_bytes(&ids[0]).expect("saved");
    std::fs::remove_file(home.path("mirror").join(&lost[0])).expect("removed");
    let cut = home.texts(&format!(
        "SELECT path FROM assets WHERE media_id = '{}'",
        ids[1]
    ));
    std::fs::write(home.path("mirror").join(&cut[0]), b"short").expect("written");
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_sound(&home);
    assert_eq!(
        sim.counters().assets(),
        0,
        "nobody has those bytes any more"
    );
    assert!(
        report
            .problems
            .iter()
            .any(|problem| problem.scope == "assets" && problem.message.contains("2 saved files")),
        "{:#?}",
        report.problems
    );
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'gone'"),
        2
    );
    // Said until a person has seen to it, although no run can do anything.
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    // A person finds one of them in another copy. What has other bytes is not it.
    std::fs::write(home.path("mirror").join(&lost[0]), kept).expect("put back");
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(report.problems[0].message.starts_with("1 saved file"));
    assert_eq!(
        home.texts("SELECT media_id FROM assets WHERE state = 'gone'"),
        [ids[1].clone()]
    );
    assert_sound(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_last_step_fails_says_so_and_is_not_taken_for_dead() {
    let (sim, home) = backed_up(5).await;
    // A trigger of a person's lets no run be called complete.
    let sql = rusqlite::Connection::open(home.database()).expect("open");
    sql.execute_batch(
        "CREATE TRIGGER not_yet BEFORE UPDATE ON runs WHEN NEW.outcome = 'complete'
         BEGIN SELECT RAISE(ABORT, 'not yet'); END",
    )
    .expect("made");
    let ended = home.try_sync(&sim, Setup::default()).await;
    ended.expect_err("its end cannot be recorded");
    let said = home.texts("SELECT outcome || ': ' || error FROM runs ORDER BY id DESC LIMIT 1");
    assert!(
        said[0].starts_with("failed: ") && said[0].contains("not yet"),
        "{said:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_a_file_is_named_and_left_alone() {
    let sim = Sim::builder().media(5).start().await;
    let home = Sandbox::new();
    for name in ["mirror", "archive"] {
        std::fs::write(home.path(name), b"not a folder").expect("written");
        let output = Program::sync(&home, &sim).run();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(name) && said.contains("hint: "), "{said}");
        assert_eq!(
            std::fs::read(home.path(name)).expect("read"),
            b"not a folder"
        );
        std::fs::remove_file(home.path(name)).expect("removed");
    }
    assert_eq!(sim.counters().total, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_survives_a_run_that_only_lists() {
    let sim = Sim::builder().media(15).start().await;
    let home = Sandbox::new();
    let only = Only {
        media: true,
        contents: false,
        assets: false,
    };
    home.sync_with(
        &sim,
        Setup {
            only,
            ..Setup::default()
        },
    )
    .await
    .expect_code(ExitCode::Partial);
    assert_eq!(sim.counters().assets(), 0);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_database_beside_a_mirror_full_of_files_is_told_of() {
    let sim = Sim::builder().media(3).start().await;
    let home = Sandbox::new();
    let said = || {
        let output = Program::sync(&home, &sim).run();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let warning = "a new database was begun";
    assert!(!said().contains(warning), "the first run");
    assert!(!said().contains(warning), "the second one");
    std::fs::remove_file(home.database()).expect("lost");
    let told = said();
    assert!(told.contains(warning), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_in_the_place_of_the_database_is_no_beginning_beside_a_full_mirror() {
    let sim = Sim::builder().media(3).start().await;
    let home = Sandbox::new();
    // What is left of a run that died before it wrote anything.
    std::fs::write(home.database(), "").expect("empty");
    home.sync(&sim).await.expect_complete();
    let copy = std::fs::read(home.database()).expect("a database");
    std::fs::write(home.database(), "").expect("emptied");
    let run = |command: &str| {
        let output = Program::command(&[command], &home, &sim).run();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.code(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    for (command, code) in [("status", 6), ("sync", 1), ("status", 6)] {
        let (ended, said) = run(command);
        assert_eq!(ended, Some(code), "{command}: {said}");
        assert!(said.contains("empty"), "{command}: {said}");
        assert_eq!(std::fs::metadata(home.database()).expect("there").len(), 0);
    }
    assert_eq!(sim.counters().assets(), 3, "nothing is fetched again");
    let (ended, said) = run("doctor");
    assert_eq!(ended, Some(1), "{said}");
    assert!(said.contains("FAIL  database"), "{said}");
    std::fs::write(home.database(), copy).expect("put back");
    assert_eq!(run("sync").0, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beyond_the_limit_of_the_system_holds_no_other_up() {
    let sim = Sim::builder().media(8).start().await;
    let large = sim
        .edit(Edit::AddMedium {
            name: "large.bin".to_owned(),
            bytes: Some(vec![7; 6_000_000]),
            path: None,
            alt: None,
            tags: Vec::new(),
        })
        .expect("uploaded");
    let home = Sandbox::new();
    let limit = ["prlimit", "--fsize=4194304"];
    let output = Program::wrapped(&limit, &home, &sim).run();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("File too large"), "{said}");
    let owed =
        format!("SELECT count(*) FROM assets WHERE state <> 'saved' AND media_id = '{large}'");
    assert_eq!(home.count(&owed), 1);
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
        8
    );
    home.sync(&sim).await.expect_complete();
}
