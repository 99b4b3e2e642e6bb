//! The binary: what it says, with which number it ends, and how it is stopped.

use super::world::{World, add, copy_of, dump, files_on_disk, png};
use crate::support::{
    Expect as _, Program, Sandbox, archived, assert_holds, assert_sound, assert_sound_and_tidy,
    digest, files, now, replace_bytes,
};
use microcms_backup::store::Lock;
use microcms_sim::{Edit, Sim};
use serde_json::Value;
use std::process::Output;
use std::time::Duration;

/// `microcms-backup prune` with these flags and ages, and without an API key.
fn program(home: &Sandbox, sim: &Sim, flags: &[&str], ages: [&str; 2]) -> Program {
    let mut program = Program::command(&["prune"], home, sim)
        .set("RETENTION__SUPERSEDED", ages[0])
        .set("RETENTION__DELETED", ages[1]);
    program.0.args(flags).env_remove("MICROCMS_API_KEY");
    program
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[track_caller]
fn said(output: &Output, code: i32) -> String {
    assert_eq!(
        output.status.code(),
        Some(code),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
    text(&output.stdout).to_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Lets everything that is recorded have happened so many days ago.
fn age(home: &Sandbox, days: u32) {
    let conn = rusqlite::Connection::open(home.database()).expect("the database opens");
    // The triggers stand for the order of versions, which moving all of them keeps.
    let triggers: Vec<(String, String)> = conn
        .prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut query| {
            query
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .expect("the triggers");
    for (name, _) in &triggers {
        conn.execute_batch(&format!("DROP TRIGGER {name}"))
            .expect("dropped");
    }
    for table in ["endpoints", "contents", "media", "assets"] {
        let mut columns = vec![(table.to_owned(), "valid_from")];
        columns.push((format!("{table}_history"), "valid_from"));
        columns.push((format!("{table}_history"), "valid_to"));
        if table != "assets" {
            columns.push((table.to_owned(), "deleted_at"));
            columns.push((format!("{table}_history"), "deleted_at"));
        }
        for (table, column) in columns {
            let sql = format!(
                "UPDATE {table} SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, '-{days} days')
                 WHERE {column} IS NOT NULL"
            );
            conn.execute_batch(&sql).expect("aged");
        }
    }
    for (_, sql) in &triggers {
        conn.execute_batch(sql).expect("made again");
    }
    // The log is right to call this tampering.
    conn.execute_batch("INSERT OR IGNORE INTO meta (key, value) VALUES ('test_aged', '1')")
        .expect("noted");
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_it_says_in_one_line_that_everything_is_kept() {
    let world = World::small().await;
    age(&world.home, 4_000);
    let before = (dump(&world.home), files_on_disk(&world.home));
    let forever = ["forever"; 2];
    let output = program(&world.home, &world.sim, &[], forever).run();
    assert_eq!(
        said(&output, 0),
        "nothing to do: `retention.superseded` and `retention.deleted` are \"forever\"\n"
    );
    assert!(output.stderr.is_empty(), "{}", text(&output.stderr));
    let output = program(&world.home, &world.sim, &["--json"], forever).run();
    said(&output, 0);
    assert_eq!(
        (
            json(&output)["version"].clone(),
            json(&output)["superseded_before"].clone()
        ),
        (1.into(), Value::Null)
    );
    assert_eq!((dump(&world.home), files_on_disk(&world.home)), before);
    // It does not even need a backup to say that.
    let nowhere = Sandbox::new();
    said(&program(&nowhere, &world.sim, &[], forever).run(), 0);
    assert!(!nowhere.database().exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_then_removes_then_has_nothing_to_do_and_asks_the_service_nothing() {
    let world = World::small().await;
    let (home, sim) = (&world.home, &world.sim);
    age(home, 40);
    sim.forget_requests();
    let ages = ["30d", "30d"];
    // Whatever is younger stays.
    let young = program(home, sim, &["--json"], ["50d", "50d"]).run();
    said(&young, 0);
    assert_eq!(json(&young)["files"]["bytes"], 0);

    let before = (dump(home), files_on_disk(home));
    let told = program(home, sim, &["--dry-run"], ages).run();
    let lines = said(&told, 0);
    assert!(lines.contains("would go"), "{lines}");
    assert!(lines.ends_with("nothing was removed\n"), "{lines}");
    let told = program(home, sim, &["--dry-run", "--json"], ages).run();
    said(&told, 0);
    assert_eq!((dump(home), files_on_disk(home)), before);

    let done = program(home, sim, &["--json"], ages).run();
    said(&done, 0);
    let (told, done, log) = (json(&told), json(&done), text(&done.stderr).to_owned());
    assert_eq!(told["rows"], done["rows"]);
    assert_eq!(told["files"], done["files"]);
    assert!(done["files"]["bytes"].as_u64() > Some(5_000), "{done}");
    assert_eq!(
        (told["dry_run"].clone(), done["dry_run"].clone()),
        (true.into(), false.into())
    );
    // One line says what goes before it goes.
    let warnings: Vec<&str> = log.lines().filter(|line| line.contains("WARN")).collect();
    assert_eq!(warnings.len(), 1, "{log}");
    assert!(
        warnings[0].contains("removing ") && warnings[0].contains(" earlier versions, and "),
        "{log}"
    );

    let again = said(&program(home, sim, &[], ages).run(), 0);
    assert!(
        again.starts_with("versions  0 removed\ndeleted   0 removed\nfiles     0 removed"),
        "{again}"
    );
    assert_eq!(sim.counters().total, 0);
    home.sync(sim).await.expect_complete();
    assert_holds(home, &sim.truth());
    assert_sound_and_tidy(home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_lost_everything_is_no_safe_backup() {
    let world = World::small().await;
    let (home, sim) = (&world.home, &world.sim);
    home.sync(sim).await.expect_complete();
    let status = || Program::command(&["status"], home, sim).run();
    let line = said(&status(), 0);
    assert!(line.starts_with("SAFE"), "{line}");
    std::fs::rename(home.path("archive"), home.path("test-elsewhere")).expect("moved away");
    for is_there in [false, true] {
        if is_there {
            std::fs::create_dir(home.path("archive")).expect("a folder");
        }
        let line = said(&status(), 6);
        assert!(line.contains("files of earlier versions"), "{line}");
    }
    // A file that is superseded meanwhile makes the folder no better.
    let id = sim.media_ids()[3].clone();
    world.replace(&id, &png(1_400, 9));
    let report = home.sync(sim).await.expect_complete();
    let told = report.notes.concat();
    assert!(
        told.starts_with("the archive (`storage.archive`) lacks "),
        "{told}"
    );
    assert!(said(&status(), 6).contains("files of earlier versions"));
    let output = program(home, sim, &["--dry-run"], ["30d", "30d"]).run();
    said(&output, 1);
    assert!(text(&output.stderr).contains("storage.archive"));
    std::fs::rename(home.path("archive"), home.path("test-newer")).expect("moved away");
    std::fs::rename(home.path("test-elsewhere"), home.path("archive")).expect("moved back");
    let line = said(&status(), 6);
    assert!(line.contains("lacks 1 of "), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_waits_its_turn_and_a_look_does_not_need_one() {
    let world = World::small().await;
    let (home, sim) = (&world.home, &world.sim);
    age(home, 40);
    let ages = ["30d", "30d"];
    let before = dump(home);
    let lock = Lock::acquire(&home.database(), None, now(), |_| ()).expect("the lock");
    let output = program(home, sim, &[], ages).run();
    said(&output, 11);
    assert!(text(&output.stderr).contains("another run"));
    said(
        &program(home, sim, &["--wait-lock", "200ms"], ages).run(),
        11,
    );
    assert_eq!(dump(home), before);
    said(&program(home, sim, &["--dry-run"], ages).run(), 0);
    drop(lock);
    said(&program(home, sim, &["--wait-lock", "10s"], ages).run(), 0);
    assert_ne!(dump(home), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_is_not_there_is_not_begun_by_pruning_it() {
    let world = World::small().await;
    let (home, sim) = (&world.home, &world.sim);
    age(home, 40);
    let ages = ["30d", "forever"];
    for flags in [&[][..], &["--dry-run"]] {
        let nowhere = Sandbox::new();
        let output = program(&nowhere, sim, flags, ages).run();
        said(&output, 1);
        assert!(text(&output.stderr).contains("there is no backup"));
        assert_eq!(
            std::fs::read_dir(nowhere.path("."))
                .expect("a folder")
                .count(),
            0
        );
        // A volume that is not mounted.
        for part in ["mirror", "archive"] {
            let before = dump(home);
            std::fs::rename(home.path(part), home.path("test-elsewhere")).expect("moved away");
            let output = program(home, sim, flags, ages).run();
            said(&output, 1);
            assert!(text(&output.stderr).contains(&format!("storage.{part}")));
            assert!(!home.path(part).exists());
            // The folder below it is mostly there, and empty.
            std::fs::create_dir(home.path(part)).expect("a folder");
            let output = program(home, sim, flags, ages).run();
            said(&output, 1);
            assert!(text(&output.stderr).contains(&format!("storage.{part}")));
            std::fs::remove_dir_all(home.path(part)).expect("removed");
            std::fs::rename(home.path("test-elsewhere"), home.path(part)).expect("moved back");
            assert_eq!(dump(home), before);
        }
    }
    let output = program(home, sim, &[], ["12h", "forever"]).run();
    said(&output, 2);
    assert!(text(&output.stderr).contains("retention.superseded"));
}

/// A service where 120 files were replaced and 60 deleted, all of it 40 days ago.
async fn much_to_do() -> (Sim, Sandbox) {
    let sim = Sim::builder()
        .media(180)
        .media_size(300..=900)
        .start()
        .await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.media_ids();
    for (n, id) in ids.iter().enumerate() {
        let id = id.clone();
        let edit = match n % 3 {
            0 => Edit::DeleteMedium { id },
            1 => Edit::ReplaceUnderNewUrl { id, bytes: None },
            _ => Edit::ReplaceBytes {
                id,
                bytes: None,
                touch: true,
                stale_requests: 0,
            },
        };
        sim.edit(edit).expect("edited");
    }
    let setup = || crate::support::Setup {
        allow_deletes: 60,
        ..crate::support::Setup::default()
    };
    home.sync_with(&sim, setup()).await.expect_complete();
    home.sync_with(&sim, setup()).await.expect_complete();
    age(&home, 40);
    (sim, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_killed_at_any_moment_leaves_nothing_without_its_file() {
    let (sim, home) = much_to_do().await;
    let ages = ["30d", "30d"];
    let mut killed = 0;
    for round in 0..30 {
        let mut running = program(&home, &sim, &[], ages).start();
        // Longer and longer, so that all moments have their turn however slow the machine is.
        tokio::time::sleep(Duration::from_millis(4 + round * 3)).await;
        running.signal("KILL");
        killed += usize::from(running.wait(Duration::from_secs(5)).code().is_none());
        assert_sound(&home);
    }
    assert!(killed > 3, "{killed} of 30");
    said(&program(&home, &sim, &[], ages).run(), 0);
    assert_sound_and_tidy(&home);
    assert_eq!(home.count("SELECT count(*) FROM doomed_files"), 0);
    assert_eq!(files(&home.path("archive")).len(), 0);
    assert_eq!(home.count("SELECT count(*) FROM media"), 120);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_process_ends_with_the_signal_s_number_and_the_next_one_goes_on() {
    let (sim, template) = much_to_do().await;
    let ages = ["30d", "30d"];
    let mut stopped = 0;
    for (signal, code) in [("TERM", 143), ("INT", 130)].into_iter().cycle().take(10) {
        let home = copy_of(&template);
        let mut running = program(&home, &sim, &[], ages).start();
        // It has begun to remove, and listens.
        while home.count("SELECT count(*) FROM prunes") == 0 && running.ended().is_none() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        if running.ended().is_none() {
            running.signal(signal);
        }
        let ended = running.wait(Duration::from_secs(20)).code();
        assert_sound(&home);
        if ended == Some(code) {
            stopped += 1;
            assert_eq!(
                home.count("SELECT count(*) FROM prunes WHERE finished_at IS NULL"),
                1
            );
        } else {
            assert_eq!(ended, Some(0), "it was done before");
        }
        said(&program(&home, &sim, &[], ages).run(), 0);
        assert_sound_and_tidy(&home);
        assert_eq!(home.count("SELECT count(*) FROM assets_history"), 0);
        assert_eq!(files(&home.path("archive")).len(), 0);
    }
    assert!(stopped > 0, "never in time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_removed_is_told_and_tried_again() {
    let sim = Sim::builder().start().await;
    let old = png(900, 1);
    let home = Sandbox::new();
    let ids = ["a.png", "b.png"].map(|name| add(&sim, name, &old));
    let other = add(&sim, "c.png", &png(901, 2));
    home.sync(&sim).await.expect_complete();
    for id in ids.iter().chain([&other]) {
        replace_bytes(&sim, id.clone());
    }
    home.sync(&sim).await.expect_complete();
    age(&home, 40);
    // Something that is no file has the name of the bytes: even root cannot remove that as a file.
    let stuck = home
        .path("archive")
        .join(digest(&old).get(..2).expect("a digest"));
    let kept = home.path("test-kept");
    std::fs::rename(&stuck, &kept).expect("moved away");
    std::os::unix::fs::symlink("loop", home.path("archive").join("loop")).expect("a link");
    std::os::unix::fs::symlink("loop", &stuck).expect("a link to itself");

    let output = program(&home, &sim, &["--json"], ["30d", "forever"]).run();
    said(&output, 3);
    let report = json(&output);
    assert_eq!(
        (report["files"]["failed"].clone(), report["waiting"].clone()),
        (1.into(), 1.into())
    );
    assert_eq!(report["files"]["archive"], 1, "the others go all the same");
    assert_eq!(report["problems"].as_array().map(Vec::len), Some(1));
    let output = program(&home, &sim, &[], ["30d", "forever"]).run();
    assert!(
        said(&output, 3).ends_with("1 file could not be removed and waits for the next `prune`\n")
    );

    std::fs::remove_file(&stuck).expect("removed");
    std::fs::remove_file(home.path("archive").join("loop")).expect("removed");
    std::fs::rename(&kept, &stuck).expect("moved back");
    assert_eq!(archived(&home, &digest(&old)), Some(old.clone()));
    said(&program(&home, &sim, &[], ["30d", "forever"]).run(), 0);
    assert_eq!(archived(&home, &digest(&old)), None);
    assert_sound_and_tidy(&home);
}
