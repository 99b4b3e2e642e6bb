//! What the binary says and with which number it ends.

mod last_report;
mod signals;

use std::fs::File;
use std::io::Read;
use std::process::{Command, Output, Stdio};

/// The binary with nothing of ours in its environment, in a folder without a configuration.
fn program(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_microcms-backup"));
    command
        .args(arguments)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    for name in [
        "MICROCMS_API_KEY",
        "MICROCMS_SERVICE_ID",
        "MICROCMS_SERVICE_DOMAIN",
        "NO_COLOR",
    ] {
        command.env_remove(name);
    }
    command
}

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    program(&folder, arguments)
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn help_goes_to_stdout_and_says_what_every_exit_code_means() {
    let codes = [
        "  0  ", "  1  ", "  2  ", "  3  ", "  4  ", "  5  ", "  6  ", " 11  ", "130  ", "143  ",
    ];
    let without = |left_out: &[&str]| -> Vec<&str> {
        codes
            .into_iter()
            .filter(|code| !left_out.contains(code))
            .collect()
    };
    for (arguments, codes) in [
        (vec!["--help"], without(&[])),
        (vec!["sync", "--help"], without(&["  6  "])),
        (
            vec!["prune", "--help"],
            without(&["  4  ", "  5  ", "  6  "]),
        ),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        assert!(output.stderr.is_empty());
        let help = text(&output.stdout);
        assert!(help.contains("Examples:"), "{help}");
        for code in codes {
            assert!(
                help.lines()
                    .any(|line| line.starts_with(&format!("  {code}"))),
                "{code}\n{help}"
            );
        }
        assert!(
            help.lines().all(|line| line.chars().count() <= 100),
            "{help}"
        );
    }
}

#[test]
fn the_short_help_names_the_commands_that_exist() {
    let help = text(&run(&["-h"]).stdout);
    for command in [
        "sync",
        "daemon",
        "status",
        "doctor",
        "verify",
        "prune",
        "init",
        "completions",
        "man",
    ] {
        assert!(
            help.lines()
                .any(|line| line.trim_start().starts_with(command)),
            "{help}"
        );
    }
    assert!(!help.contains("restore"), "{help}");
}

#[test]
fn every_flag_of_sync_is_explained() {
    let help = text(&run(&["sync", "--help"]).stdout);
    for flag in [
        "--only <PART>",
        "--endpoint <ENDPOINT>",
        "--dry-run",
        "--full",
        "--allow-deletes <N>",
        "--json",
        "--report <FILE>",
        "--wait-lock <DURATION>",
        "--config <FILE>",
        "--log-format <FORMAT>",
        "--verbose",
        "--quiet",
    ] {
        assert!(help.contains(flag), "{flag}\n{help}");
    }
}

#[test]
fn a_wrong_usage_is_two_and_says_what_was_wrong_on_stderr() {
    for (arguments, words) in [
        (vec![], "Usage: microcms-backup"),
        (vec!["backup"], "unrecognized subcommand 'backup'"),
        (
            vec!["sync", "--dryrun"],
            "a similar argument exists: '--dry-run'",
        ),
        (
            vec!["sync", "--only", "bodies"],
            "[possible values: media, contents, assets]",
        ),
        (
            vec!["sync", "--endpoint", "a/b"],
            "only letters, digits, `-` and `_`",
        ),
        (vec!["sync", "--allow-deletes", "all"], "--allow-deletes"),
        (vec!["sync", "--wait-lock", "30"], "--wait-lock"),
        (vec!["-q", "-v", "sync"], "cannot be used with"),
        (
            vec!["--api-key", "x", "sync"],
            "unexpected argument '--api-key'",
        ),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let said = text(&output.stderr);
        assert!(said.contains(words), "{arguments:?}: {said}");
    }
}

#[test]
fn flags_that_together_mean_nothing_are_refused_with_a_hint() {
    let output = run(&["sync", "--only", "media", "--endpoint", "blog"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: `--endpoint` has no meaning here: `--only` leaves out `contents`\n\
         hint: add `--only contents`\n"
    );
}

#[test]
fn a_report_that_cannot_be_saved_stops_the_run_before_it_starts() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = program(&folder, &["sync", "--report", "missing/report.json"])
        .envs([
            ("MICROCMS_SERVICE_ID", "my-service"),
            ("MICROCMS_API_KEY", "key"),
        ])
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("error: cannot save a report as `missing/report.json`: "),
        "{said}"
    );
    assert!(said.ends_with("hint: its folder must exist\n"), "{said}");
}

#[test]
fn what_is_no_file_for_a_report_is_named_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("dir")).expect("a folder");
    let pipe = Command::new("mkfifo")
        .arg(folder.path().join("pipe"))
        .status();
    assert!(pipe.expect("mkfifo").success());
    for (place, why, hint) in [
        ("dir", "is a directory", "name a file in it"),
        ("pipe", "it is a named pipe", "name a file"),
    ] {
        for flag in ["--report", "--metrics-file"] {
            let output = program(&folder, &["sync", flag, place])
                .envs([
                    ("MICROCMS_SERVICE_ID", "my-service"),
                    ("MICROCMS_API_KEY", "key"),
                ])
                .output()
                .expect("the binary starts");
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{place}: {said}");
            assert!(said.contains(&format!("as `{place}`: ")), "{said}");
            assert!(said.contains(why), "{said}");
            assert!(said.contains(&format!("hint: {hint}")), "{said}");
        }
    }
}

#[test]
fn version_is_the_package_s() {
    let output = run(&["--version"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        format!("microcms-backup {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn completions_and_the_manual_come_out_of_the_flags() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run(&["completions", shell]);
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("allow-deletes"), "{shell}");
    }
    for (arguments, words) in [
        (
            vec!["man"],
            [".TH microcms-backup 1", "microcms\\-backup\\-sync(1)"],
        ),
        (
            vec!["man", "sync"],
            [".TH microcms-backup-sync 1", "\\-\\-allow\\-deletes"],
        ),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(0));
        let page = text(&output.stdout);
        for words in words.into_iter().chain(["another run holds the lock"]) {
            assert!(page.contains(words), "{words}\n{page}");
        }
    }
    assert_eq!(run(&["man", "nope"]).status.code(), Some(2));
}

/// `microcms-backup man | head -c 10`: the reader is gone before the writer is done.
#[test]
fn a_reader_that_leaves_early_causes_no_panic() {
    for arguments in [vec!["man"], vec!["--help"], vec!["completions", "bash"]] {
        let folder = tempfile::tempdir().expect("a folder");
        let mut child = program(&folder, &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // Closed before the first byte, so that every write meets a closed pipe.
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(text(&output.stderr), "", "{arguments:?}");
    }
}

#[test]
fn a_stdout_that_is_full_is_an_error_and_not_a_success() {
    let folder = tempfile::tempdir().expect("a folder");
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = program(&folder, &["man"])
        .stdout(full)
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("error: stdout could not be written: "));
}

#[test]
fn nobody_on_stderr_is_no_reason_to_panic() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = program(&folder, &["sync"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stderr.take());
    let mut said = String::new();
    child
        .stdout
        .take()
        .expect("piped")
        .read_to_string(&mut said)
        .expect("text");
    // Without a configuration; a panic would be 101.
    assert_eq!(child.wait().expect("it ends").code(), Some(2));
    assert_eq!(said, "");
}

#[test]
fn init_writes_a_configuration_that_works_and_leaves_one_that_exists() {
    let folder = tempfile::tempdir().expect("a folder");
    let init = |words: &[&str]| {
        let words = [&["init"], words].concat();
        program(&folder, &words)
            .output()
            .expect("the binary starts")
    };
    let output = init(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        text(&output.stdout),
        "wrote `config.toml`: every key with its default\n\
         next:\n  \
         set `service.id` in it, the first part of your `….microcms.io` address\n  \
         write the API key to a file of its own (chmod 600) and name it in `service.api_key_file`\n  \
         microcms-backup --config 'config.toml' doctor\n"
    );
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).expect("a file");
    let example = include_str!("../../config.example.toml");
    assert_eq!(read("config.toml"), example);

    let output = init(&["--service-id", "another"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: `config.toml` exists and was left as it is\n\
         hint: name another file, or move that one away\n"
    );
    assert_eq!(read("config.toml"), example);

    for (words, file) in [
        (&["--service-id", "another", "a.toml"][..], "a.toml"),
        (&["--config", "b.toml", "--service-id", "another"], "b.toml"),
    ] {
        assert_eq!(init(words).status.code(), Some(0));
        assert!(read(file).contains("\nid = \"another\"\n"));
        // The configuration is read: what is missing is a backup, not a key of it.
        let output = program(&folder, &["status", "--config", file])
            .output()
            .expect("the binary starts");
        assert_eq!(output.status.code(), Some(6), "{}", text(&output.stderr));
    }
    let output = init(&["--service-id", "not an id", "c.toml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!folder.path().join("c.toml").exists());
    let output = init(&["missing/deep/config.toml"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(
        said.ends_with("hint: make its folder first: mkdir -p 'missing/deep'\n"),
        "{said}"
    );
    assert!(!folder.path().join("missing").exists());
}

/// Holds the lock of the backup in `folder`, as a run would.
fn hold_lock(folder: &tempfile::TempDir) -> File {
    let path = folder.path().join("backup/backup.sqlite3.lock");
    std::fs::create_dir(folder.path().join("backup")).expect("a folder");
    let file = File::create(path).expect("a file");
    file.try_lock().expect("it is free");
    file
}

fn sync_in(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = program(folder, &[&["sync"], arguments].concat());
    command.envs([
        ("MICROCMS_SERVICE_ID", "my-service"),
        ("MICROCMS_API_KEY", "key"),
    ]);
    command
}

#[test]
fn a_run_beside_another_one_is_eleven() {
    let folder = tempfile::tempdir().expect("a folder");
    let _lock = hold_lock(&folder);
    let output = sync_in(&folder, &[]).output().expect("the binary starts");
    assert_eq!(output.status.code(), Some(11));
    assert_eq!(
        text(&output.stderr),
        "error: another run holds `backup/backup.sqlite3.lock`\n\
         hint: wait for it with `--wait-lock 5m`; the lock ends with its process, so never delete \
         the file\n"
    );
}

#[test]
fn a_report_is_never_written_over_the_backups_own_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(folder.path().join("backup/mirror/host")).expect("folders");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("written");
    };
    write("key", "a-key-of-some-length-0123456789abcdef");
    std::os::unix::fs::symlink("backup/mirror", folder.path().join("link")).expect("a link");
    write(
        "config.toml",
        "[service]\nid = \"my-service\"\napi_key_file = \"key\"\n",
    );
    for (place, own) in [
        ("backup/backup.sqlite3", "the database (`storage.database`)"),
        ("backup/backup.sqlite3-wal", "the database"),
        ("backup/../backup/backup.sqlite3.lock", "the database"),
        ("backup/backup.before-v9-2.sqlite3", "before an upgrade"),
        ("backup/mirror/host/a.png", "inside of `storage.mirror`"),
        ("link/report.json", "inside of `storage.mirror`"),
        ("config.toml", "the configuration"),
        ("key", "the file with the API key"),
    ] {
        for flag in ["--report", "--metrics-file"] {
            let output = program(&folder, &["sync", flag, place])
                .env_remove("MICROCMS_API_KEY")
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{place}: {said}");
            assert!(said.contains(own), "{place}: {said}");
        }
    }
    assert_eq!(
        std::fs::read_to_string(folder.path().join("key")).expect("it is there"),
        "a-key-of-some-length-0123456789abcdef"
    );
}
