//! Health: what monitors are told by the real binary, over TCP and by file.

use crate::support::{Program, Running, Sandbox};
use microcms_sim::{Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
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

/// Seconds since the epoch of a time in the report.
fn seconds(report: &serde_json::Value, pointer: &str) -> f64 {
    let text = report.pointer(pointer).and_then(|time| time.as_str());
    let time = microcms_backup::model::Timestamp::parse(text.expect(pointer)).expect("a time");
    time.unix_millis() as f64 / 1000.0
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
async fn a_port_in_use_is_told_with_address_and_remedy() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let mut daemon = Daemon::start(&home, &sim, &format!("listen = \"{address}\""));
    let status = daemon.running.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(1));
    let said = daemon.said();
    let port = address.port();
    for words in [
        format!("error: cannot listen at `{address}`, which `health.listen` names"),
        "caused by: Address already in use".to_owned(),
        format!("hint: another program has port {port} (`ss -ltnp 'sport = :{port}'` names it)"),
    ] {
        assert!(said.contains(&words), "{words}\n{said}");
    }
    assert_eq!(sim.request_lines(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn sighup_moves_the_listener_and_keeps_the_old_one_where_the_new_one_cannot_be_had() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let old = daemon.address(1);
    daemon.until_answered(old, "/healthz", 200, "OK: ");

    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("an address");
    let elsewhere = format!("listen = \"{address}\"\nmax_age = \"2h\"");
    configure(&daemon.desk, &elsewhere);
    daemon.running.signal("HUP");
    daemon.until("it says so", |daemon| {
        let stays = "the configuration stays as it was, for cannot listen at";
        daemon.said().contains(stays).then_some(())
    });
    daemon.until_answered(old, "/metrics", 200, "max_age_seconds 93600\n");

    drop(taken);
    daemon.running.signal("HUP");
    let new = daemon.address(2);
    assert_eq!(new, address);
    daemon.until_answered(new, "/metrics", 200, "max_age_seconds 7200\n");
    daemon.until("the old one is closed", |_| {
        (get(old, "/livez").0 == 0).then_some(())
    });

    configure(&daemon.desk, "");
    daemon.running.signal("HUP");
    daemon.until("the new one is closed", |_| {
        (get(new, "/livez").0 == 0).then_some(())
    });
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
    assert!(
        !text.contains("last_complete_run"),
        "values that stand still look healthy\n{text}"
    );
    assert_eq!(get(address, "/livez").0, 200);
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_one_shot_writes_the_report_s_numbers_for_node_exporter() {
    let sim = small_service().await;
    sim.fault(
        Route::Image,
        Occasion::Nth(1),
        Fault::status(404, "not there yet"),
    );
    let home = Sandbox::new();
    let (desk, folder) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let (file, report) = (
        folder.path().join("microcms_backup.prom"),
        desk.path().join("report.json"),
    );
    let mut program = Program::sync(&home, &sim);
    program.0.arg("--metrics-file").arg(&file);
    program.0.arg("--report").arg(&report);
    let done = program.run();
    assert_eq!(done.status.code(), Some(3), "{done:?}");
    let text = std::fs::read_to_string(&file).expect("metrics");
    lint(&text);
    let found = samples(&text);
    let report: serde_json::Value =
        serde_json::from_slice(&std::fs::read(report).expect("a report")).expect("JSON");
    let number = |pointer: &str| report.pointer(pointer).and_then(|n| n.as_f64());
    for (name, pointer) in [
        ("mirror_files", "/holdings/files"),
        (r#"assets{state="failed"}"#, "/failed_total"),
        ("mirror_bytes", "/holdings/bytes"),
        (r#"items{table="media"}"#, "/holdings/media"),
        (r#"items{table="contents"}"#, "/holdings/contents"),
        (r#"items{table="endpoints"}"#, "/holdings/endpoints"),
        (r#"bodies{state="owed"}"#, "/bodies/owed"),
        ("last_run_exit_code", "/exit_code"),
        (r#"last_walk_pages{scope="media"}"#, "/walks/0/pages"),
    ] {
        assert_eq!(found.get(name).copied(), number(pointer), "{name}\n{text}");
    }
    assert_eq!(report["walks"][0]["scope"], "media");
    assert_eq!(found[r#"last_run_outcome{outcome="partial"}"#], 1.0);
    assert_eq!(found["last_complete_run_timestamp_seconds"], 0.0);
    let close = |name: &str, expected: f64| (found[name] - expected).abs() < 0.002;
    assert!(close(
        "last_run_start_timestamp_seconds",
        seconds(&report, "/started_at")
    ));
    assert!(close(
        r#"last_proven_walk_timestamp_seconds{scope="media"}"#,
        seconds(&report, "/walks/0/started_at")
    ));
    let lost = format!(
        r#"last_run_requests{{api="asset",host="{}",code="404"}}"#,
        sim.image_host()
    );
    assert_eq!(found.get(&lost), Some(&1.0), "{text}");
    // Another user's program reads it, and finds nothing half-written.
    let mode = std::fs::metadata(&file)
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o644);
    assert_eq!(
        std::fs::read_dir(folder.path()).expect("a folder").count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_configured_file_is_written_by_both_and_its_trouble_is_not_the_run_s() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("microcms_backup.prom");
    let sync = || Program::sync(&home, &sim).path("HEALTH__TEXTFILE", file.clone());
    assert_eq!(sync().run().status.code(), Some(0));
    let first = std::fs::read_to_string(&file).expect("metrics");
    assert_eq!(samples(&first)[r#"runs_total{outcome="complete"}"#], 1.0);

    // Nothing was done, nothing is told.
    let mut dry = sync();
    dry.0.arg("--dry-run");
    assert_eq!(dry.run().status.code(), Some(0));
    assert_eq!(std::fs::read_to_string(&file).expect("metrics"), first);

    let mut daemon = Daemon::start(&home, &sim, &format!("textfile = {file:?}"));
    daemon.until("a second run is told", |_| {
        let text = std::fs::read_to_string(&file).expect("whole, whenever one looks");
        assert!(text.ends_with('\n'));
        lint(&text);
        (samples(&text)[r#"runs_total{outcome="complete"}"#] == 2.0).then_some(())
    });
    daemon.terminate();

    std::fs::remove_dir_all(folder.path()).expect("it is ours");
    let done = sync().run();
    assert_eq!(done.status.code(), Some(0));
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        said.contains("the metrics could not be saved as "),
        "{said}"
    );
    let mut named = Program::sync(&home, &sim);
    named.0.arg("--metrics-file").arg(&file);
    let refused = named.run();
    assert_eq!(
        refused.status.code(),
        Some(2),
        "found before anything is asked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_occupies_the_listener_does_not_hold_up_a_run() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, ANY_PORT);
    let address = daemon.address(1);
    daemon.until_answered(address, "/healthz", 200, "OK: ");
    // Silent ones, and ones that never read their answer.
    let crowd: Vec<TcpStream> = (0..100)
        .map(|count| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            if count % 2 == 0 {
                let question = b"GET /metrics HTTP/1.1\r\nHost: test\r\n\r\n";
                stream.write_all(question).expect("it is taken");
            }
            stream
        })
        .collect();
    daemon.running.signal("USR1");
    daemon.until("the second run", |_| {
        let ended = home.count("SELECT count(*) FROM runs WHERE outcome = 'complete'");
        (ended == 2).then_some(())
    });
    drop(crowd);
    daemon.until_answered(address, "/livez", 200, "alive");
    daemon.terminate();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_others_reach_is_allowed_and_warned_about() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, "listen = \"0.0.0.0:0\"");
    let address = daemon.address(1);
    assert!(
        daemon
            .said()
            .contains("health.listen: everybody who reaches 0.0.0.0:0"),
        "{}",
        daemon.said()
    );
    let here = SocketAddr::from(([127, 0, 0, 1], address.port()));
    assert_eq!(get(here, "/livez").0, 200);
    daemon.terminate();
}
