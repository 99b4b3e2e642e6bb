//! Being told: who hears what of a run, and that nobody who is told can hold one up.

use crate::support::{Answer, Heard, Listener, Program, Sandbox, assert_sound};
use microcms_sim::Sim;
use std::fs::File;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// What stands in the URLs and nowhere else.
const TOKEN: &str = "t0ken-0123456789";

async fn small_service() -> Sim {
    Sim::builder().media(3).object_api("about").start().await
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn warnings(output: &Output) -> Vec<String> {
    said(output)
        .lines()
        .filter(|line| line.contains(" WARN ") || line.contains("ERROR"))
        .map(str::to_owned)
        .collect()
}

#[track_caller]
fn assert_code(output: &Output, code: i32) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
}

fn with_heartbeat(home: &Sandbox, sim: &Sim, at: &Listener) -> Program {
    Program::sync(home, sim).set("NOTIFY__HEARTBEAT", at.url(&format!("/{TOKEN}")))
}

fn with_webhook(home: &Sandbox, sim: &Sim, at: &Listener, on: &str) -> Program {
    Program::sync(home, sim)
        .set("NOTIFY__WEBHOOK", at.url(&format!("/{TOKEN}")))
        .set("NOTIFY__WEBHOOK_ON", on)
}

fn with_wrong_key(mut program: Program) -> Program {
    program.0.env("MICROCMS_API_KEY", "wrong");
    program
}

fn paths(heard: &[Heard]) -> Vec<&str> {
    heard.iter().map(Heard::path).collect()
}

/// Whether so many runs ended; no before there is a database.
fn ended(home: &Sandbox) -> u64 {
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = rusqlite::Connection::open_with_flags(home.database(), flags).and_then(|conn| {
        let sql = "SELECT count(*) FROM runs WHERE finished_at IS NOT NULL";
        conn.query_row(sql, [], |row| row.get::<_, i64>(0))
    });
    // It may just be made.
    count.map_or(0, |count| u64::try_from(count).expect("a count"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_framed_by_two_pings_of_one_id() {
    let (sim, home, check) = (small_service().await, Sandbox::new(), Listener::start());
    for _ in 0..2 {
        assert_code(&with_heartbeat(&home, &sim, &check).run(), 0);
    }
    let heard = check.heard();
    let (start, end) = (format!("/{TOKEN}/start"), format!("/{TOKEN}"));
    assert_eq!(paths(&heard), [&start, &end, &start, &end]);
    assert!(heard.iter().all(|ping| ping.line.starts_with("POST ")));
    assert_eq!(heard[0].rid(), heard[1].rid());
    assert_eq!(heard[2].rid(), heard[3].rid());
    assert_ne!(heard[0].rid(), heard[2].rid());
    assert_eq!(heard[0].rid().len(), 36, "{}", heard[0].rid());
    assert_eq!(heard[0].body, "");
    let body = &heard[1].body;
    assert!(body.contains(": complete, exit code 0\n"), "{body}");
    assert!(body.contains("\nSAFE as of "), "{body}");
    assert!(body.contains(" INFO "), "the last log lines: {body}");
    // The key is sent to the service alone.
    for ping in &heard {
        let key = sim.api_key();
        assert!(!ping.headers.contains(&key) && !ping.body.contains(&key));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_not_complete_is_told_as_a_failure_with_its_reason() {
    let (sim, home, check) = (small_service().await, Sandbox::new(), Listener::start());
    assert_code(
        &with_wrong_key(with_heartbeat(&home, &sim, &check)).run(),
        4,
    );
    let heard = check.heard();
    assert_eq!(
        paths(&heard),
        [format!("/{TOKEN}/start"), format!("/{TOKEN}/fail")]
    );
    let body = &heard[1].body;
    for words in ["exit code 4", "\nUNSAFE: ", "\nhint: "] {
        assert!(body.contains(words), "{words}: {body}");
    }

    // One that could not even open what it needs.
    let check = Listener::start();
    let broken = with_heartbeat(&home, &sim, &check).path("STORAGE__MIRROR", "/dev/null/x".into());
    assert_code(&broken.run(), 1);
    let heard = check.heard();
    assert_eq!(
        paths(&heard),
        [format!("/{TOKEN}/start"), format!("/{TOKEN}/fail")]
    );
    assert!(heard[1].body.contains("failed, exit code 1\n\nerror: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_cannot_be_saved_is_told_as_the_failure_that_the_shell_sees() {
    let (sim, home, check) = (small_service().await, Sandbox::new(), Listener::start());
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("report.json");
    // A name that is just short enough for itself and too long for its temporary neighbour.
    let path = path.with_file_name("r".repeat(250));
    let mut program = with_heartbeat(&home, &sim, &check);
    program.0.arg("--report").arg(&path);
    assert_code(&program.run(), 1);
    assert_eq!(check.heard()[1].path(), format!("/{TOKEN}/fail"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_and_a_run_that_found_the_lock_taken_tell_nobody() {
    let (sim, home, check) = (small_service().await, Sandbox::new(), Listener::start());
    let mut dry = with_heartbeat(&home, &sim, &check);
    dry.0.arg("--dry-run");
    dry.run();
    let held = File::create(home.path("backup.sqlite3.lock")).expect("a file");
    held.try_lock().expect("it is free");
    assert_code(&with_heartbeat(&home, &sim, &check).run(), 11);
    assert_eq!(paths(&check.heard()), Vec::<&str>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_gets_a_document_that_a_chat_can_show() {
    let (sim, home, hook) = (small_service().await, Sandbox::new(), Listener::start());
    assert_code(&with_webhook(&home, &sim, &hook, "always").run(), 0);
    assert_code(
        &with_wrong_key(with_webhook(&home, &sim, &hook, "always")).run(),
        4,
    );
    let heard = hook.heard();
    assert_eq!(paths(&heard), [format!("/{TOKEN}"), format!("/{TOKEN}")]);
    assert!(
        heard[0]
            .headers
            .to_lowercase()
            .contains("content-type: application/json")
    );

    let good = heard[0].json();
    let text = good["text"].as_str().expect("a text");
    assert!(
        text.contains("complete (exit code 0)\nSAFE as of "),
        "{text}"
    );
    assert_eq!(good["event"], "run_ended");
    assert_eq!(good["service"], sim.service_id());
    assert_eq!(good["outcome"], "complete");
    assert_eq!(good["previous_outcome"], serde_json::Value::Null);
    assert_eq!(good["exit_code"], 0);
    assert_eq!(good["safe"], true);
    assert_eq!(good["report_version"], 1);
    assert_eq!(good["media"]["seen"], 3);
    assert_eq!(good["assets"]["saved"], 3);
    assert_eq!(good["problems_total"], 0);

    let bad = heard[1].json();
    assert_eq!(bad["previous_outcome"], "complete");
    assert_eq!(bad["exit_code"], 4);
    assert_eq!(bad["safe"], false);
    assert_eq!(bad["problems"][0]["kind"], "refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_hears_by_default_of_what_changes() {
    let (sim, home, hook) = (small_service().await, Sandbox::new(), Listener::start());
    for (is_good, heard) in [(true, 1), (true, 1), (false, 2), (false, 2), (true, 3)] {
        let program = Program::sync(&home, &sim)
            .set("LIMITS__MANAGEMENT_PER_10S", "10")
            .set("NOTIFY__WEBHOOK", hook.url("/"));
        let (program, code) = match is_good {
            true => (program, 0),
            false => (with_wrong_key(program), 4),
        };
        assert_code(&program.run(), code);
        let last = hook.heard().last().expect("it was told").json();
        assert_eq!(hook.heard().len(), heard, "{last}");
        assert_eq!(last["exit_code"], code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_does_not_wait_for_the_answer_to_its_first_ping() {
    let (sim, home) = (small_service().await, Arc::new(Sandbox::new()));
    let (watched, was_first) = (Arc::clone(&home), Arc::new(AtomicBool::new(false)));
    let noted = Arc::clone(&was_first);
    let check = Listener::answering(move |ping, connection| {
        if ping.path().ends_with("/start") {
            // Answers only after the run, unless the program gives up before.
            let pause = Some(Duration::from_millis(5));
            connection.set_read_timeout(pause).expect("a pause");
            let is_there = || {
                let peeked = connection.peek(&mut [0; 1]);
                peeked.is_err_and(|err| err.kind() == std::io::ErrorKind::WouldBlock)
            };
            while is_there() {
                if ended(&watched) == 1 {
                    noted.store(true, Ordering::SeqCst);
                    break;
                }
            }
        }
        Answer::Status(200)
    });
    let output = with_heartbeat(&home, &sim, &check).run();
    assert_code(&output, 0);
    assert!(was_first.load(Ordering::SeqCst), "the ping was given up");
    assert_eq!(
        paths(&check.heard()),
        [format!("/{TOKEN}/start"), format!("/{TOKEN}")]
    );
    assert_eq!(warnings(&output), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_that_hang_refuse_or_do_not_exist_cost_a_line_and_change_nothing() {
    let (sim, elsewhere) = (small_service().await, Listener::start());
    let somewhere_else = elsewhere.url("/");
    for (answer, tries, words) in [
        (Answer::Nothing, None, "did not answer within 5s"),
        (Answer::Status(500), Some(3), "its host answered 500"),
        (Answer::Status(404), Some(1), "its host answered 404"),
        (
            Answer::Redirect(somewhere_else),
            Some(1),
            "its host answered 302",
        ),
    ] {
        let home = Sandbox::new();
        let answered = answer.clone();
        let host = Listener::answering(move |_, _| answered.clone());
        let output = with_heartbeat(&home, &sim, &host).run();
        assert_code(&output, 0);
        let lines = warnings(&output);
        assert_eq!(lines.len(), 1, "{}", said(&output));
        assert!(lines[0].contains("heartbeat"), "{}", lines[0]);
        assert!(lines[0].contains(words), "{}", lines[0]);
        if let Some(tries) = tries {
            let ends = host
                .heard()
                .into_iter()
                .filter(|ping| !ping.path().ends_with("/start"));
            assert_eq!(ends.count(), tries, "{words}");
        }
        assert_sound(&home);
    }
    assert_eq!(paths(&elsewhere.heard()), Vec::<&str>::new());

    // A name that no name server knows, and a port where nobody listens.
    for url in ["https://host.invalid", "http://127.0.0.1:1"] {
        let home = Sandbox::new();
        let program = Program::sync(&home, &sim).set("NOTIFY__WEBHOOK", format!("{url}/{TOKEN}"));
        let output = program.run();
        assert_code(&output, 0);
        let lines = warnings(&output);
        assert_eq!(lines.len(), 1, "{}", said(&output));
        assert!(lines[0].contains("webhook"), "{}", lines[0]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_urls_stand_in_no_log_no_report_and_no_database() {
    let sim = small_service().await;
    for answer in [
        Answer::Status(200),
        Answer::Status(503),
        Answer::Redirect(format!("/{TOKEN}/away")),
    ] {
        let (home, desk) = (Sandbox::new(), tempfile::tempdir().expect("a folder"));
        let host = Listener::answering(move |_, _| answer.clone());
        let report = desk.path().join("report.json");
        let mut program = with_heartbeat(&home, &sim, &host)
            .set(
                "NOTIFY__WEBHOOK",
                host.url(&format!("/hook/{TOKEN}?key={TOKEN}")),
            )
            .set("NOTIFY__WEBHOOK_ON", "always");
        program.0.args(["-vv", "--json", "--report"]).arg(&report);
        let output = program.run();
        assert_code(&output, 0);
        assert!(host.heard().len() >= 3, "it was told");
        let written = std::fs::read(&report).expect("a report");
        let database = std::fs::read(home.database()).expect("a database");
        for (what, bytes) in [
            ("stderr", &output.stderr),
            ("stdout", &output.stdout),
            ("report", &written),
            ("database", &database),
        ] {
            assert!(!bytes.is_empty(), "{what}");
            let text = String::from_utf8_lossy(bytes);
            assert!(!text.contains(TOKEN), "{what}: {text}");
            assert!(!text.contains(&sim.api_key()), "{what}: {text}");
        }
        for ping in host.heard() {
            assert!(!ping.body.contains(TOKEN), "{}", ping.body);
        }
    }
}

/// A daemon that runs each second and tells a listener.
fn daemon(home: &Sandbox, sim: &Sim, desk: &tempfile::TempDir, url: &str) -> Program {
    let config = desk.path().join("config.toml");
    std::fs::write(&config, "[schedule]\ncron = \"* * * * * *\"\n").expect("a file");
    Program::daemon(home, sim, &config)
        .set("LIMITS__MANAGEMENT_PER_10S", "10")
        .set("NOTIFY__HEARTBEAT", url)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_tells_of_each_run_one_after_the_other() {
    let (sim, home, check) = (small_service().await, Sandbox::new(), Listener::start());
    let desk = tempfile::tempdir().expect("a folder");
    let program = daemon(&home, &sim, &desk, &check.url("/check"));
    let mut running = program.start_logged(desk.path().join("log"));
    let heard = check.until("three runs are told", |heard| heard.len() >= 6);
    running.signal("TERM");
    assert_eq!(running.wait(Duration::from_secs(10)).code(), Some(0));
    for run in heard[..6].chunks(2) {
        assert_eq!(paths(run), ["/check/start", "/check"]);
        assert_eq!(run[0].rid(), run[1].rid());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_goes_on_running_while_a_host_hangs_and_ends_in_time() {
    let (sim, home) = (small_service().await, Sandbox::new());
    let check = Listener::answering(|_, _| Answer::Nothing);
    let desk = tempfile::tempdir().expect("a folder");
    let program = daemon(&home, &sim, &desk, &check.url("/check"));
    let mut running = program.start_logged(desk.path().join("log"));
    check.until("the first ping came", |heard| !heard.is_empty());
    let begun = Instant::now();
    while ended(&home) < 3 {
        assert!(begun.elapsed() < Duration::from_secs(40), "runs go on");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(check.heard().len() < 6, "the host was not waited for");
    running.signal("TERM");
    assert_eq!(running.wait(Duration::from_secs(10)).code(), Some(0));
    let log = std::fs::read_to_string(desk.path().join("log")).expect("a log");
    assert!(!log.contains("/check"), "{log}");
}
