//! What the binary says about a configuration it cannot use: before anything is asked or written.

use std::fs;
use std::process::{Command, Output, Stdio};

fn sync(folder: &tempfile::TempDir, env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_microcms-backup"));
    command
        .arg("sync")
        .current_dir(folder.path())
        .stdin(Stdio::null());
    for name in [
        "MICROCMS_API_KEY",
        "MICROCMS_SERVICE_ID",
        "MICROCMS_SERVICE_DOMAIN",
    ] {
        command.env_remove(name);
    }
    command
        .envs(env.iter().copied())
        .output()
        .expect("the binary starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn every_problem_of_the_file_and_the_environment_is_told_in_one_go() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(
        folder.path().join("config.toml"),
        "[limits]\ndownloads = 0\ndownload = 1\n",
    )
    .expect("a file");
    let output = sync(&folder, &[("MICROCMS_BACKUP__SCHEDULE__CRON", "* * *")]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(text(&output.stdout), "");
    assert_eq!(
        text(&output.stderr),
        "error: the configuration has 5 problems\n  \
         limits.download: is not a known key; did you mean `limits.downloads`? [config.toml]\n  \
         service.id: is missing; set it to the first part of your `….microcms.io` address, here or \
         as MICROCMS_SERVICE_ID [config.toml]\n  \
         schedule.cron: `* * *` is not a cron line (expected 6 fields, got 3) \
         [environment variable MICROCMS_BACKUP__SCHEDULE__CRON]\n  \
         limits.downloads: `0` is out of range (1 to 64) [config.toml]\n  \
         API key: is missing; set MICROCMS_API_KEY or `service.api_key_file`, or pass the systemd \
         credential `api-key`\n\
         hint: `microcms-backup init FILE` writes one that explains every key\n"
    );
    assert_eq!(
        fs::read_dir(folder.path()).expect("a folder").count(),
        1,
        "nothing was created"
    );
}

#[test]
fn a_file_given_by_name_must_exist() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_microcms-backup"))
        .args(["--config", "nope.toml", "sync"])
        .current_dir(folder.path())
        .output()
        .expect("the binary starts");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        text(&output.stderr),
        "error: cannot read the configuration file `nope.toml`\n  \
         caused by: No such file or directory (os error 2)\n\
         hint: give the right path with --config; without it `./config.toml` and \
         `/etc/microcms-backup/config.toml` are tried, and the environment alone is enough\n"
    );
}

#[test]
fn the_key_is_never_printed_whatever_goes_wrong() {
    let folder = tempfile::tempdir().expect("a folder");
    let key = "s3cret-s3cret-s3cret-s3cret-s3cret";
    for text_of_file in [
        format!("[service]\napi_key = \"{key}\"\n"),
        format!("[service]\napi_key = {key}\n"),
        format!("[service]\napi_key_file = \"{key}\"\n"),
        format!("api_key = [\"{key}\"]\n"),
    ] {
        fs::write(folder.path().join("config.toml"), &text_of_file).expect("a file");
        for variable in ["MICROCMS_API_KEY", "MICROCMS_BACKUP__SERVICE__API_KEY", "X"] {
            let bad = format!("{key} {key}");
            let output = sync(&folder, &[(variable, &bad)]);
            assert_eq!(output.status.code(), Some(2), "{text_of_file}");
            let said = text(&output.stderr) + &text(&output.stdout);
            assert!(!said.contains("s3cret"), "{text_of_file}: {said}");
        }
    }
}
