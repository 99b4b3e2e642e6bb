//! Signals to a command that ends by itself.

use super::{hold_lock, sync_in, text};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStderr, Command, Stdio};

#[test]
fn a_signal_ends_the_wait_for_the_lock_and_names_itself() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().expect("a folder");
        let _lock = hold_lock(&folder);
        let mut child = sync_in(&folder, &["--wait-lock", "1h", "-v"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        // By then it listens for signals.
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.contains("waiting for it to end") {
            assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
        }
        send(signal, &child);
        stderr.read_to_string(&mut said).expect("text");
        assert_eq!(child.wait().expect("it ends").code(), Some(code), "{said}");
        let last = "error: stopped while waiting for another run to end; nothing was done\n";
        assert!(said.ends_with(last), "{said}");
    }
}

/// A service that accepts connections and never says a word.
fn mute_service() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, url)
}

#[test]
fn a_signal_ends_a_run_tidily_and_the_exit_code_names_it() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let folder = tempfile::tempdir().expect("a folder");
        let (_listener, url) = mute_service();
        let mut child = sync_in(&folder, &["--report", "report.json"])
            .env("MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL", &url)
            .env("MICROCMS_BACKUP__SERVICE__CONTENT_URL", &url)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
        let mut said = String::new();
        while !said.contains("began a run") {
            assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
        }
        send(signal, &child);
        stderr.read_to_string(&mut said).expect("text");
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(
            said.contains(&format!("SIG{signal}: stopping tidily")),
            "{said}"
        );
        let summary = text(&output.stdout);
        let last = summary.lines().last().expect("a summary");
        assert!(last.starts_with("UNSAFE: "), "{summary}");
        let report = std::fs::read(folder.path().join("report.json")).expect("a report");
        let report: serde_json::Value = serde_json::from_slice(&report).expect("JSON");
        assert_eq!(report["exit_code"], code);
        assert_eq!(report["outcome"], "interrupted");
        assert_eq!(report["verdict"]["line"], last);
    }
}

/// Starts a `sync` that nothing answers, with SIGHUP as `env` is told to leave it. Returns it when it listens for signals, with
/// what it has said so far.
fn sync_with_hangup(
    folder: &tempfile::TempDir,
    url: &str,
    hangup: &str,
) -> (Child, BufReader<ChildStderr>, String) {
    let plain = sync_in(folder, &[]);
    // Whoever runs the tests may have SIGHUP ignored, and that is handed down.
    let mut command = Command::new("env");
    command
        .arg(format!("--{hangup}-signal=HUP"))
        .arg(plain.get_program())
        .args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command
        .current_dir(plain.get_current_dir().expect("a folder"))
        .env("MICROCMS_BACKUP__SERVICE__MANAGEMENT_URL", url)
        .env("MICROCMS_BACKUP__SERVICE__CONTENT_URL", url)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("`env` starts");
    let mut stderr = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    while !said.contains("began a run") {
        assert_ne!(stderr.read_line(&mut said).expect("text"), 0, "{said}");
    }
    (child, stderr, said)
}

fn send(signal: &str, child: &Child) {
    let sent = Command::new("kill")
        .args(["-s", signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("kill starts").success());
}

#[test]
fn a_terminal_that_is_closed_ends_a_run_tidily() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, url) = mute_service();
    let (mut child, mut stderr, mut said) = sync_with_hangup(&folder, &url, "default");
    // The shell sends one, and the system another one.
    send("HUP", &child);
    send("HUP", &child);
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(143), "{said}");
    assert!(said.contains("SIGHUP: stopping tidily"), "{said}");
    assert!(!said.contains("at once by"), "{said}");
}

#[test]
fn a_terminal_that_is_closed_is_nothing_to_a_run_below_nohup() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_listener, url) = mute_service();
    let (mut child, mut stderr, mut said) = sync_with_hangup(&folder, &url, "ignore");
    send("HUP", &child);
    send("TERM", &child);
    stderr.read_to_string(&mut said).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(143), "{said}");
    assert!(said.contains("SIGTERM: stopping tidily"), "{said}");
    assert!(!said.contains("SIGHUP"), "{said}");
}
