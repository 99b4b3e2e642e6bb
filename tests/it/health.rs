//! Health: what monitors are told by the real binary, over TCP and by file.

mod listener;
mod textfile;

use crate::support::{Program, Running, Sandbox};
use microcms_sim::{Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// A tick that no test lives to see.
const NEVER: &str = "[schedule]\ncron = \"0 0 0 1 1 *\"\n";

/// A daemon with a listener.
struct Daemon {
    running: Running,
    desk: tempfile::TempDir,
}

impl Daemon {
    /// Starts it with this section `[health]`.
    fn start(home: &Sandbox, sim: &Sim, health: &str) -> Self {
        Self::start_with(home, sim, health, |program| program)
    }

    fn start_with(
        home: &Sandbox,
        sim: &Sim,
        health: &str,
        change: impl FnOnce(Program) -> Program,
    ) -> Self {
        let desk = tempfile::tempdir().expect("a temporary folder");
        let config = configure(&desk, health);
        let program = change(Program::daemon(home, sim, &config));
        Self {
            running: program.start_logged(desk.path().join("log")),
            desk,
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.desk.path().join("log")).unwrap_or_default()
    }

    #[track_caller]
    #[expect(
        clippy::disallowed_methods,
        reason = "between two looks at another process, which has nothing to wake us with"
    )]
    fn until<T>(&self, what: &str, mut found: impl FnMut(&Self) -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found(self) {
                return found;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "{what}\n{}",
                self.said()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Where it listens, the `count`th time that it said so.
    #[track_caller]
    fn address(&self, count: usize) -> SocketAddr {
        self.until("it listens", |daemon| {
            let said = daemon.said();
            let told = said.split("health is told at http://").nth(count)?;
            told.split(": /").next()?.parse().ok()
        })
    }

    /// Waits until a question is answered so.
    #[track_caller]
    fn until_answered(&self, address: SocketAddr, path: &str, status: u16, words: &str) -> String {
        self.until(words, |_| {
            let (found, text) = get(address, path);
            (found == status && text.contains(words)).then_some(text)
        })
    }

    #[track_caller]
    fn terminate(&mut self) {
        self.running.signal("TERM");
        let status = self.running.wait(Duration::from_secs(10));
        assert_eq!(status.code(), Some(0), "{}", self.said());
    }
}

fn configure(desk: &tempfile::TempDir, health: &str) -> PathBuf {
    let file = desk.path().join("config.toml");
    std::fs::write(&file, format!("{NEVER}[health]\n{health}\n")).expect("a file");
    file
}

/// Asks once. Returns the status and the body; status 0 where nobody answers.
fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let Ok(mut stream) = TcpStream::connect(address) else {
        return (0, String::new());
    };
    let question = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    let mut answer = String::new();
    let asked = stream.write_all(question.as_bytes());
    // A listener that just closes resets what it had not taken yet.
    if asked
        .and_then(|()| stream.read_to_string(&mut answer))
        .is_err()
    {
        return (0, String::new());
    }
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        assert_eq!(answer, "", "no head");
        return (0, String::new());
    };
    let status = head.split(' ').nth(1).expect("a status");
    (status.parse().expect("a number"), body.to_owned())
}

/// Every sample by its name and labels, the common beginning left out.
fn samples(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            let name = name.strip_prefix("microcms_backup_").unwrap_or(name);
            // In a file every sample names the service; here there is one.
            let name = name
                .replace("service=\"demo\",", "")
                .replace("{service=\"demo\"}", "");
            (name, value.parse().expect("a number"))
        })
        .collect()
}

/// Fails if promtool has something to say; content without it.
fn lint(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn();
    let Ok(mut tool) = tool else {
        println!("skipped: there is no promtool here");
        return;
    };
    let mut stdin = tool.stdin.take().expect("it is piped");
    stdin.write_all(text.as_bytes()).expect("it is read");
    drop(stdin);
    let done = tool.wait_with_output().expect("it ends");
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success() && said.is_empty(), "{said}\n{text}");
}

async fn small_service() -> Sim {
    Sim::builder()
        .media(3)
        .list_api("blog", 4)
        .object_api("about")
        .start()
        .await
}

const ANY_PORT: &str = "listen = \"127.0.0.1:0\"";

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_tells_monitors_that_it_lives_is_ready_and_has_a_young_backup() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start_with(&home, &sim, ANY_PORT, |program| {
        program.set("LIMITS__MONTHLY_TRANSFER", "1GiB")
    });
    let address = daemon.address(1);
    assert_eq!(get(address, "/livez"), (200, "alive\n".to_owned()));
    daemon.until_answered(address, "/readyz", 200, "ready");
    daemon.until_answered(address, "/healthz", 200, "OK: complete as of ");
    let text = daemon.until_answered(
        address,
        "/metrics",
        200,
        "microcms_backup_run_in_progress 0",
    );
    lint(&text);
    let found = samples(&text);
    let value = |name: &str| *found.get(name).unwrap_or_else(|| panic!("{name}\n{text}"));
    for (name, count) in [
        (r#"assets{state="saved"}"#, 3.0),
        (r#"assets{state="owed"}"#, 0.0),
        (r#"items{table="contents"}"#, 5.0),
        (r#"runs_total{outcome="complete"}"#, 1.0),
        (r#"last_run_outcome{outcome="complete"}"#, 1.0),
        (r#"last_walk_proven{scope="contents/blog"}"#, 1.0),
        ("database_readable", 1.0),
        ("safe", 1.0),
        ("max_age_seconds", 93_600.0),
        ("daemon_last_exit_code", 0.0),
    ] {
        assert_eq!(value(name), count, "{name}");
    }
    let sql = |query: &str| home.count(query) as f64;
    assert_eq!(
        value("mirror_bytes"),
        sql("SELECT sum(bytes) FROM assets WHERE state = 'saved'")
    );
    // What was asked is what the simulator saw, and every answer was a good one.
    let asked = |api: &str| -> f64 {
        let begin = format!("requests_total{{api=\"{api}\"");
        let good = "code=\"200\"}";
        found
            .iter()
            .filter(|(name, _)| name.starts_with(&begin) && name.ends_with(good))
            .map(|(_, count)| count)
            .sum()
    };
    let all = asked("management") + asked("content") + asked("asset");
    assert_eq!(all, sim.request_lines().len() as f64, "{text}");
    assert_eq!(all, sql("SELECT sum(requests) FROM transfer"));
    let counted = "SELECT sum(bytes) FROM transfer";
    assert!(value("transfer_left_bytes") < 1_073_741_824.0);
    assert!(value("transfer_left_bytes") >= 1_073_741_824.0 - sql(counted));
    assert!(value("disk_free_bytes") > 0.0);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_numbers_move_when_nothing_changes_and_survive_a_restart() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    let runs = |count: u32| format!("runs_total{{outcome=\"complete\"}} {count}\n");
    let first = daemon.until_answered(address, "/metrics", 200, &runs(1));
    daemon.running.signal("USR1");
    let second = daemon.until_answered(address, "/metrics", 200, &runs(2));
    let name = "last_complete_run_timestamp_seconds";
    let proven = r#"last_proven_walk_timestamp_seconds{scope="media"}"#;
    let (first, second) = (samples(&first), samples(&second));
    assert!(first[name] < second[name]);
    assert!(first[proven] < second[proven]);
    daemon.terminate();

    let mut daemon = Daemon::start_with(&home, &sim, ANY_PORT, |program| {
        program.set("SCHEDULE__RUN_AT_START", "false")
    });
    let address = daemon.address(1);
    daemon.until_answered(address, "/readyz", 200, "ready");
    let third = samples(&get(address, "/metrics").1);
    assert_eq!(third[name], second[name]);
    assert_eq!(third[proven], second[proven]);
    assert!(!third.contains_key("daemon_last_exit_code"), "no run yet");
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn too_old_is_503_with_one_line_of_why_and_a_run_under_way_is_told() {
    let sim = small_service().await;
    let home = Sandbox::new();
    sim.fault(Route::Media, Occasion::Nth(1), Fault::Stall { after: None });
    let health = format!("{ANY_PORT}\nmax_age = \"1s\"");
    let mut daemon = Daemon::start(&home, &sim, &health);
    let address = daemon.address(1);
    let never = "NOT OK: no run has been complete yet; the first run is under way\n";
    daemon.until_answered(address, "/healthz", 503, never);
    // A run that hangs is no reason to restart the program.
    assert_eq!(get(address, "/livez").0, 200);
    let live = samples(&get(address, "/metrics").1);
    assert_eq!(live["run_in_progress"], 1.0);
    assert_eq!(live["last_complete_run_timestamp_seconds"], 0.0);
    daemon.terminate();

    let by_hand = Program::sync(&home, &sim).run();
    assert_eq!(by_hand.status.code(), Some(0));
    // A part of the service is not the service.
    let mut part = Program::sync(&home, &sim);
    part.0.args(["--only", "media"]);
    assert_eq!(part.run().status.code(), Some(0));
    let mut daemon = Daemon::start_with(&home, &sim, &health, |program| {
        program.set("SCHEDULE__RUN_AT_START", "false")
    });
    let address = daemon.address(1);
    let why = daemon.until_answered(address, "/healthz", 503, " ago, and 1 s are allowed");
    assert!(
        why.starts_with("NOT OK: the last complete run began at "),
        "{why}"
    );
    assert!(why.contains("; the last run, begun at "), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_none_is_told_and_values_that_stand_still_are_not() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    daemon.until_answered(address, "/healthz", 200, "OK: ");
    for end in ["", "-wal", "-shm"] {
        drop(std::fs::remove_file(
            home.path(&format!("backup.sqlite3{end}")),
        ));
    }
    std::fs::write(home.database(), "this is no database at all").expect("a file");
    let why = daemon.until_answered(address, "/healthz", 503, "the database cannot be read: ");
    assert_eq!(why.lines().count(), 1, "{why}");
    daemon.until_answered(address, "/readyz", 503, "the database cannot be read: ");
    let text = get(address, "/metrics").1;
    let found = samples(&text);
    assert_eq!(found["database_readable"], 0.0);
    assert!(!found.contains_key("safe"));
    assert!(
        !text.contains("last_complete_run"),
        "values that stand still look healthy\n{text}"
    );
    assert_eq!(get(address, "/livez").0, 200);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_whose_volume_went_away_is_not_begun_anew_before_somebody_says_so() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    daemon.until_answered(address, "/healthz", 200, "OK: ");
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let (place, away) = (home.path(""), elsewhere.path().join("volume"));
    let gone = "was there when this daemon began, and is gone";
    // With its folder, and as a folder that nothing is mounted at.
    for leaves_a_folder in [false, true] {
        std::fs::rename(&place, &away).expect("taken away");
        if leaves_a_folder {
            std::fs::create_dir(&place).expect("made");
        }
        let said = daemon.said().matches(gone).count();
        daemon.running.signal("USR1");
        daemon.until("it says so", |daemon| {
            (daemon.said().matches(gone).count() > said).then_some(())
        });
        let why = daemon.until_answered(address, "/readyz", 503, "the database cannot be read: ");
        assert!(why.contains(gone), "{why}");
        let why = daemon.until_answered(address, "/healthz", 503, "NOT OK: ");
        assert!(why.contains(gone), "{why}");
        assert!(!home.database().exists());
        assert_eq!(place.exists(), leaves_a_folder);
        if leaves_a_folder {
            std::fs::remove_dir(&place).expect("nothing was put there");
        }
        std::fs::rename(&away, &place).expect("mounted again");
        daemon.running.signal("USR1");
        daemon.until_answered(address, "/healthz", 200, "OK: ");
        daemon.until_answered(address, "/readyz", 200, "ready");
    }
    std::fs::rename(&place, &away).expect("taken away");
    daemon.terminate();
    // A start is a person's word.
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    daemon.until_answered(address, "/healthz", 200, "OK: ");
    daemon.terminate();
    assert_eq!(home.texts("SELECT trigger FROM runs"), ["start"]);
}
