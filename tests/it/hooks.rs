//! The operator's own commands around a run: what they are told, and that none of them spoils a run.

use crate::support::{Program, Sandbox, assert_sound};
use microcms_sim::Sim;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

/// A service, a home, and a desk for what the hooks write.
struct Scene {
    sim: Sim,
    home: Sandbox,
    desk: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        Self {
            sim: Sim::builder().media(3).object_api("about").start().await,
            home: Sandbox::new(),
            desk: tempfile::tempdir().expect("a folder"),
        }
    }

    fn desk(&self, name: &str) -> PathBuf {
        self.desk.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.desk(name)).unwrap_or_default()
    }

    /// A run with hooks, each a line for a shell that starts on the desk.
    fn sync(&self, hooks: &[(&str, &str)]) -> Program {
        let mut program = Program::sync(&self.home, &self.sim);
        program
            .0
            .env("PATH", "/usr/bin:/bin")
            .env("DESK", self.desk.path());
        self.with(program, hooks)
    }

    fn with(&self, mut program: Program, hooks: &[(&str, &str)]) -> Program {
        program.0.env("DESK", self.desk.path());
        for (name, line) in hooks {
            // In the environment the words of a command stand between commas.
            assert!(!line.contains(','), "{line}");
            let command = format!("/bin/sh,-c,cd \"$DESK\" || exit 9; {line}");
            program = program.set(&format!("HOOKS__{name}"), command);
        }
        program
    }

    /// Waits for a text in a file on the desk.
    async fn until_written(&self, name: &str) -> String {
        let begun = Instant::now();
        loop {
            let text = self.read(name);
            if text.ends_with('\n') {
                return text.trim().to_owned();
            }
            assert!(begun.elapsed() < Duration::from_secs(40), "`{name}`");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

fn json(text: &[u8]) -> serde_json::Value {
    serde_json::from_slice(text).expect("JSON")
}

fn variables(text: &str) -> BTreeMap<&str, &str> {
    text.lines()
        .filter_map(|line| line.split_once('='))
        .collect()
}

/// Whether a process is there and is not only waiting to be buried.
fn lives(id: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(id).join("stat"));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a process that was killed is gone.
async fn until_gone(id: &str) {
    let begun = Instant::now();
    while lives(id) {
        assert!(begun.elapsed() < Duration::from_secs(10), "{id} lives");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hooks_are_told_of_the_run_and_get_nothing_that_configures_the_program() {
    let scene = Scene::new().await;
    let mut program = scene.sync(&[
        ("BEFORE", "env >before"),
        ("AFTER", "env >after; cp \"$MICROCMS_BACKUP_REPORT\" report"),
        ("FAILED", "env >failed"),
    ]);
    let credentials = tempfile::tempdir().expect("a folder");
    program
        .0
        .env("CREDENTIALS_DIRECTORY", credentials.path())
        .env("NOTIFY_SOCKET", "/run/nobody")
        .env("MY_OWN", "kept");
    assert_code(&program.run(), 0);
    assert!(!scene.desk("failed").exists());

    let (before, after) = (scene.read("before"), scene.read("after"));
    for text in [&before, &after] {
        assert!(!text.contains(&scene.sim.api_key()), "{text}");
        let found = variables(text);
        assert_eq!(found["MY_OWN"], "kept");
        assert_eq!(found["MICROCMS_BACKUP_SERVICE"], scene.sim.service_id());
        for (name, _) in found {
            let is_told = name.starts_with("MICROCMS_BACKUP_") && !name.contains("__");
            let is_ours = name.starts_with("MICROCMS_") && !is_told;
            let is_hidden = is_ours || ["CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET"].contains(&name);
            assert!(!is_hidden, "{name} is in {text}");
        }
    }
    let (before, after) = (variables(&before), variables(&after));
    assert_eq!(before["MICROCMS_BACKUP_HOOK"], "before");
    assert_eq!(before["MICROCMS_BACKUP_OUTCOME"], "running");
    for name in ["EXIT_CODE", "VERDICT", "REPORT"] {
        assert_eq!(before[format!("MICROCMS_BACKUP_{name}").as_str()], "");
    }
    assert_eq!(after["MICROCMS_BACKUP_HOOK"], "after");
    assert_eq!(after["MICROCMS_BACKUP_OUTCOME"], "complete");
    assert_eq!(after["MICROCMS_BACKUP_EXIT_CODE"], "0");
    assert!(after["MICROCMS_BACKUP_VERDICT"].starts_with("SAFE as of "));
    // The report was lent for as long as the hook ran.
    let lent = after["MICROCMS_BACKUP_REPORT"];
    assert!(
        Path::new(lent).is_absolute() && !Path::new(lent).exists(),
        "{lent}"
    );
    assert_eq!(json(scene.read("report").as_bytes())["outcome"], "complete");
    assert_sound(&scene.home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_was_asked_for_is_the_one_that_a_hook_gets() {
    let scene = Scene::new().await;
    let mut program = scene.sync(&[(
        "AFTER",
        "echo \"$MICROCMS_BACKUP_REPORT\" >path; cp \"$MICROCMS_BACKUP_REPORT\" copy; exit 7",
    )]);
    let report = scene.desk("asked.json");
    program.0.arg("--report").arg(&report);
    assert_code(&program.run(), 0);
    assert_eq!(Path::new(scene.read("path").trim()), report);
    assert_eq!(
        json(scene.read("copy").as_bytes())["problems"],
        serde_json::json!([])
    );
    // And in the end it says what came of the hook.
    let report = json(scene.read("asked.json").as_bytes());
    assert_eq!(report["exit_code"], 0);
    assert_eq!(report["problems"][0]["scope"], "hooks/after");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_fails_calls_the_other_hook() {
    let scene = Scene::new().await;
    let mut program = scene.sync(&[("AFTER", "env >after"), ("FAILED", "env >failed")]);
    program.0.env("MICROCMS_API_KEY", "wrong");
    assert_code(&program.run(), 4);
    assert!(!scene.desk("after").exists());
    let text = scene.read("failed");
    let told = variables(&text);
    assert_eq!(told["MICROCMS_BACKUP_HOOK"], "failed");
    assert_eq!(told["MICROCMS_BACKUP_EXIT_CODE"], "4");
    assert!(told["MICROCMS_BACKUP_VERDICT"].starts_with("UNSAFE: "));
    assert_ne!(told["MICROCMS_BACKUP_REPORT"], "");

    // One that came to no report.
    let broken = scene.sync(&[("FAILED", "env >broken")]);
    assert_code(
        &broken.path("STORAGE__MIRROR", "/dev/null/x".into()).run(),
        1,
    );
    let text = scene.read("broken");
    let told = variables(&text);
    assert_eq!(told["MICROCMS_BACKUP_OUTCOME"], "failed");
    assert_eq!(told["MICROCMS_BACKUP_EXIT_CODE"], "1");
    assert_eq!(told["MICROCMS_BACKUP_REPORT"], "");
    assert!(told["MICROCMS_BACKUP_VERDICT"].starts_with("UNSAFE: the run failed: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_hook_comes_before_anything_is_opened_and_holds_the_lock() {
    let scene = Scene::new().await;
    // No run gets past this.
    let mirror = scene.home.path("mirror");
    fs::write(&mirror, "in the way").expect("a file");
    let line = format!(
        "rm '{}'; flock -n '{}' true; echo $? >lock",
        mirror.display(),
        scene.home.path("backup.sqlite3.lock").display()
    );
    assert_code(&scene.sync(&[("BEFORE", &line)]).run(), 0);
    assert_eq!(scene.read("lock"), "1\n");
    assert_sound(&scene.home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_or_does_not_exist_is_a_warning_and_a_problem_and_nothing_else() {
    let scene = Scene::new().await;
    let mut program = scene
        .sync(&[("AFTER", "kill -9 $$")])
        .set("HOOKS__BEFORE", "/nowhere/my-hook");
    program.0.arg("--json");
    let output = program.run();
    assert_code(&output, 0);
    let report = json(&output.stdout);
    assert_eq!(report["outcome"], "complete");
    assert_eq!(report["verdict"]["safe"], true);
    let problems = report["problems"].as_array().expect("a list");
    let words: Vec<String> = problems
        .iter()
        .map(|problem| {
            assert_eq!(problem["kind"], "hook");
            format!("{}: {}", problem["scope"], problem["message"]).replace('"', "")
        })
        .collect();
    assert_eq!(words.len(), 2, "{words:?}");
    assert!(
        words[0].starts_with("hooks/before: the command could not be started: No such file"),
        "{words:?}"
    );
    assert_eq!(words[1], "hooks/after: the command was killed by signal 9");
    let said = said(&output);
    for words in [
        "hook `before` could not be started",
        "hook `after` was killed by signal 9",
    ] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(scene.home.texts("SELECT outcome FROM runs"), ["complete"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_hangs_ends_with_all_that_it_started_and_the_run_is_done() {
    let scene = Scene::new().await;
    // Deaf to SIGTERM, and so is its child.
    let line = "trap '' TERM; sleep 1000 & echo $! >child; echo $$ >parent; wait";
    let mut program = scene.sync(&[("BEFORE", line)]).set("HOOKS__TIMEOUT", "1s");
    program.0.arg("--json");
    let output = program.run();
    assert_code(&output, 0);
    assert_eq!(
        json(&output.stdout)["problems"][0]["message"],
        "the command did not end within 1s and was stopped"
    );
    for name in ["parent", "child"] {
        let id = scene.read(name);
        assert!(!id.is_empty(), "{name}");
        until_gone(id.trim()).await;
    }
    assert_sound(&scene.home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_a_hook_that_hangs() {
    for signals in [1, 2] {
        let scene = Scene::new().await;
        let line = "trap '' TERM; sleep 1000 & echo $! >child; wait";
        let program = scene.sync(&[("BEFORE", line), ("AFTER", "echo >after")]);
        let mut running = program.start();
        let child = scene.until_written("child").await;
        assert!(lives(&child));
        for _ in 0..signals {
            running.signal("TERM");
        }
        let status = running.wait(Duration::from_secs(20));
        assert_eq!(status.code(), Some(143));
        until_gone(&child).await;
        assert!(!scene.desk("after").exists());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_says_is_logged_in_bounded_lines_and_never_holds_it_up() {
    let scene = Scene::new().await;
    let line = "echo to-stdout; echo to-stderr >&2; seq 1 100000; printf '\\033[31mred'";
    let output = scene.sync(&[("AFTER", line)]).run();
    assert_code(&output, 0);
    let said = said(&output);
    for words in [
        "hook `after`: to-stdout",
        "hook `after`: to-stderr",
        "hook `after`: 99",
        "more lines were left out",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert!(
        said.lines().count() < 200 && !said.contains('\u{1b}'),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_hook_leaves_running_does_not_hold_the_run_up() {
    let scene = Scene::new().await;
    let output = scene
        .sync(&[("BEFORE", "sleep 1000 & echo $! >child")])
        .run();
    assert_code(&output, 0);
    let child = scene.read("child");
    assert!(lives(child.trim()), "it was left to itself");
    let killed = std::process::Command::new("kill")
        .arg(child.trim())
        .status();
    assert!(killed.expect("`kill` starts").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_run_that_found_the_lock_taken_call_no_hook() {
    let scene = Scene::new().await;
    let hooks = [
        ("BEFORE", "echo >called"),
        ("AFTER", "echo >called"),
        ("FAILED", "echo >called"),
    ];
    let mut dry = scene.sync(&hooks);
    dry.0.arg("--dry-run");
    dry.run();
    let lock = scene.home.path("backup.sqlite3.lock");
    let held = File::create(lock).expect("a file");
    held.try_lock().expect("it is free");
    assert_code(&scene.sync(&hooks).run(), 11);
    assert!(!scene.desk("called").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_calls_the_hooks_of_each_run() {
    let scene = Scene::new().await;
    let config = scene.desk("config.toml");
    fs::write(&config, "[schedule]\ncron = \"* * * * * *\"\n").expect("a file");
    let program = Program::daemon(&scene.home, &scene.sim, &config);
    let hooks = [
        ("BEFORE", "echo before >>calls"),
        (
            "AFTER",
            "cat \"$MICROCMS_BACKUP_REPORT\" >report; echo after >>calls",
        ),
    ];
    let program = scene.with(program.set("LIMITS__MANAGEMENT_PER_10S", "10"), &hooks);
    let mut running = program.start();
    let begun = Instant::now();
    while scene.read("calls").lines().count() < 4 {
        assert!(begun.elapsed() < Duration::from_secs(40));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    running.signal("TERM");
    assert_eq!(running.wait(Duration::from_secs(10)).code(), Some(0));
    let calls = scene.read("calls");
    assert!(
        calls.starts_with("before\nafter\nbefore\nafter\n"),
        "{calls}"
    );
    assert_eq!(json(scene.read("report").as_bytes())["outcome"], "complete");
}
