//! The long life: the real binary with its schedule, its signals and a service manager's socket.

mod disks;
mod obstacles;
mod signals;

use crate::support::{Program, Running, Sandbox, assert_holds, assert_sound, now};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A tick that no test lives to see.
const NEVER: &str = "0 0 0 1 1 *";
const EACH_SECOND: &str = "* * * * * *";

/// A small service: a run of it asks the Management API three times.
async fn small_service() -> Sim {
    Sim::builder().media(3).object_api("about").start().await
}

/// A daemon under test, with what it said and what it told the service manager.
struct Daemon {
    running: Running,
    /// Its configuration and its log, apart from the backup.
    desk: tempfile::TempDir,
    manager: UnixDatagram,
    told: Vec<String>,
}

impl Daemon {
    /// Starts it with the configuration `schedule` (the lines of that section).
    fn start(home: &Sandbox, sim: &Sim, schedule: &str) -> Self {
        Self::start_with(home, sim, schedule, |program| program)
    }

    fn start_with(
        home: &Sandbox,
        sim: &Sim,
        schedule: &str,
        change: impl FnOnce(Program) -> Program,
    ) -> Self {
        let desk = tempfile::tempdir().expect("a temporary folder");
        let config = configure(&desk, schedule);
        let socket = desk.path().join("notify");
        let manager = UnixDatagram::bind(&socket).expect("a socket");
        manager
            .set_read_timeout(Some(Duration::from_millis(20)))
            .expect("a timeout");
        let mut program =
            Program::daemon(home, sim, &config).set("LIMITS__MANAGEMENT_PER_10S", "10");
        program.0.env("NOTIFY_SOCKET", socket);
        Self {
            running: change(program).start_logged(desk.path().join("log")),
            desk,
            manager,
            told: Vec::new(),
        }
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.desk.path().join("log")).unwrap_or_default()
    }

    /// Takes in what the service manager was told since.
    fn listen(&mut self) {
        let mut buffer = [0; 4096];
        while let Ok(length) = self.manager.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            self.told.extend(text.lines().map(str::to_owned));
        }
    }

    /// Waits, listening all the while, until `holds`.
    #[track_caller]
    fn until(&mut self, what: &str, mut holds: impl FnMut(&Self) -> bool) {
        let begun = Instant::now();
        loop {
            self.listen();
            if holds(self) {
                return;
            }
            assert!(
                begun.elapsed() < Duration::from_secs(40),
                "{what}\n{:?}\n{}",
                self.told,
                self.said()
            );
        }
    }

    #[track_caller]
    fn until_told(&mut self, words: &str) {
        self.until(words, |daemon| {
            daemon.told.iter().any(|line| line.starts_with(words))
        });
    }

    #[track_caller]
    fn until_said(&mut self, words: &str) {
        self.until(words, |daemon| daemon.said().contains(words));
    }

    /// Waits until so many runs ended.
    #[track_caller]
    fn until_ended(&mut self, home: &Sandbox, runs: u64) {
        self.until("runs end", |_| ended(home) >= runs);
    }

    fn count_told(&mut self, words: &str) -> usize {
        self.listen();
        self.told
            .iter()
            .filter(|line| line.starts_with(words))
            .count()
    }

    /// SIGTERM; it must end in time, with 0.
    #[track_caller]
    fn terminate(&mut self) -> Duration {
        let begun = Instant::now();
        self.running.signal("TERM");
        // Read all the while: the socket holds ten messages, and whoever sends the next one waits.
        while self.running.ended().is_none() && begun.elapsed() < Duration::from_secs(10) {
            self.listen();
        }
        let status = self.running.wait(Duration::ZERO);
        assert_eq!(status.code(), Some(0), "{}", self.said());
        self.listen();
        assert!(self.told.iter().any(|line| line == "STOPPING=1"));
        begun.elapsed()
    }
}

fn configure(desk: &tempfile::TempDir, schedule: &str) -> PathBuf {
    let file = desk.path().join("config.toml");
    std::fs::write(&file, format!("[schedule]\n{schedule}\n")).expect("a file");
    file
}

fn cron(line: &str) -> String {
    format!("cron = \"{line}\"")
}

/// How many runs ended; 0 before there is a database.
fn ended(home: &Sandbox) -> u64 {
    if !home.database().exists() {
        return 0;
    }
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let count = rusqlite::Connection::open_with_flags(home.database(), flags).and_then(|conn| {
        conn.query_row(
            "SELECT count(*) FROM runs WHERE outcome <> 'running'",
            [],
            |row| row.get::<_, i64>(0),
        )
    });
    // It may just be made.
    count.map_or(0, |count| u64::try_from(count).expect("a count"))
}

fn triggers(home: &Sandbox) -> Vec<String> {
    home.texts("SELECT trigger FROM runs ORDER BY id")
}

#[tokio::test(flavor = "multi_thread")]
async fn it_runs_at_the_start_and_at_each_tick_and_ends_with_zero() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let mut daemon = Daemon::start(&home, &sim, &cron(EACH_SECOND));
    daemon.until_ended(&home, 2);
    sim.edit(Edit::AddMedium {
        name: "new.png".into(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    })
    .expect("a medium");
    let so_far = ended(&home);
    daemon.until_ended(&home, so_far + 2);
    daemon.terminate();
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
    let triggers = triggers(&home);
    assert_eq!(triggers[0], "start");
    assert!(
        triggers[1..].iter().all(|trigger| trigger == "schedule"),
        "{triggers:?}"
    );
    // One after the other, and nothing is left open.
    let overlaps = "SELECT count(*) FROM runs a JOIN runs b ON b.id = a.id + 1
                    WHERE a.finished_at IS NULL OR b.started_at < a.finished_at";
    assert_eq!(home.count(overlaps), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_manager_that_does_not_read_keeps_nobody() {
    let sim = small_service().await;
    let home = Sandbox::new();
    // A word each hundredth of a second: the socket, which nobody reads, is full in no time.
    let mut daemon = Daemon::start_with(&home, &sim, &cron(NEVER), |mut program| {
        program.0.env("WATCHDOG_USEC", "20000");
        program
    });
    let begun = Instant::now();
    while ended(&home) == 0 && begun.elapsed() < Duration::from_secs(40) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(ended(&home) > 0, "{}", daemon.said());
    tokio::time::sleep(Duration::from_secs(6)).await;
    daemon.running.signal("TERM");
    let status = daemon.running.wait(Duration::from_secs(10));
    assert_eq!(status.code(), Some(0), "{}", daemon.said());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_run_at_the_start_only_a_missed_tick_or_a_cut_off_run_is_made_up_for() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let schedule = format!("{}\nrun_at_start = false", cron(NEVER));
    // Nothing was ever saved.
    let mut daemon = Daemon::start(&home, &sim, &schedule);
    daemon.until_ended(&home, 1);
    daemon.terminate();
    // All is well.
    sim.forget_requests();
    let mut daemon = Daemon::start(&home, &sim, &schedule);
    daemon.until_told("READY=1");
    daemon.until_told("STATUS=no run yet; next run at ");
    daemon.terminate();
    assert_eq!(triggers(&home), ["catch-up"]);
    assert_eq!(sim.request_lines(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_before_its_first_run_and_alive_while_a_run_takes_long() {
    let sim = small_service().await;
    sim.fault(Route::Media, Occasion::Every, Fault::Stall { after: None });
    let home = Sandbox::new();
    let mut daemon = Daemon::start_with(&home, &sim, &cron(NEVER), |mut program| {
        program.0.env("WATCHDOG_USEC", "600000");
        program
    });
    daemon.until_told("READY=1");
    daemon.until_told("STATUS=run (start): ");
    // Twice in each 600 ms, with a run that does not move.
    let before = daemon.count_told("WATCHDOG=1");
    let begun = Instant::now();
    daemon.until("signs of life", |daemon| {
        let alive = daemon.told.iter().filter(|line| *line == "WATCHDOG=1");
        alive.count() >= before + 6
    });
    let span = begun.elapsed();
    assert!(
        (Duration::from_millis(1400)..Duration::from_secs(4)).contains(&span),
        "{span:?}"
    );
    // What cannot work is not alive.
    daemon.running.signal("STOP");
    daemon.listen();
    let before = daemon.count_told("WATCHDOG=1");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(daemon.count_told("WATCHDOG=1"), before);
    daemon.running.signal("CONT");
    daemon.until("a sign of life", |daemon| {
        daemon
            .told
            .iter()
            .filter(|line| *line == "WATCHDOG=1")
            .count()
            > before
    });
    let took = daemon.terminate();
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(
        daemon
            .told
            .iter()
            .any(|line| line.starts_with("EXTEND_TIMEOUT_USEC="))
    );
    assert_eq!(home.texts("SELECT outcome FROM runs"), ["interrupted"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_suspended_over_three_ticks_runs_once() {
    let sim = small_service().await;
    let home = Sandbox::new();
    let schedule = format!("{}\nrun_at_start = false", cron(NEVER));
    let mut daemon = Daemon::start(&home, &sim, &schedule);
    daemon.until_ended(&home, 1);
    // Three ticks in a few seconds, and none for the rest of the minute.
    let now = now().unix_millis() / 1000;
    let ticks = [8, 9, 10].map(|ahead| ((now + ahead) % 60).to_string());
    let line = format!("{} * * * * *", ticks.join(","));
    configure(&daemon.desk, &cron(&line));
    daemon.running.signal("HUP");
    daemon.until_said("the configuration was read again");
    daemon.until("a reload ends", |daemon| {
        daemon.told.iter().filter(|line| *line == "READY=1").count() == 2
    });
    daemon.running.signal("STOP");
    tokio::time::sleep(Duration::from_secs(12)).await;
    daemon.running.signal("CONT");
    daemon.until_ended(&home, 2);
    daemon.running.signal("USR1");
    daemon.until_ended(&home, 3);
    daemon.terminate();
    assert_eq!(triggers(&home), ["catch-up", "schedule", "signal"]);
    assert_sound(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_that_is_killed_in_a_run_heals_at_its_next_start() {
    let sim = Sim::builder().media(60).list_api("blog", 20).start().await;
    sim.fault(Route::Image, Occasion::Every, Fault::Delay { ms: 30 });
    let home = Sandbox::new();
    let schedule = format!("{}\nrun_at_start = false", cron(NEVER));
    for files in [5, 20] {
        let mut daemon = Daemon::start(&home, &sim, &schedule);
        let from = sim.counters().assets();
        daemon.until("a run is under way", |_| {
            sim.counters().assets() >= from + files
        });
        daemon.running.signal("KILL");
        daemon.running.wait(Duration::from_secs(5));
    }
    let mut daemon = Daemon::start(&home, &sim, &schedule);
    daemon.until_ended(&home, 3);
    daemon.terminate();
    assert_holds(&home, &sim.truth());
    assert_sound(&home);
    assert_eq!(
        home.texts("SELECT outcome FROM runs ORDER BY id"),
        ["interrupted", "interrupted", "complete"]
    );
    assert_eq!(triggers(&home), ["catch-up", "catch-up", "catch-up"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_tried_again_before_the_next_tick() {
    let sim = small_service().await;
    sim.fault(
        Route::Image,
        Occasion::Nth(1),
        Fault::status(404, "not there yet"),
    );
    let home = Sandbox::new();
    let schedule = format!("{}\nretry = \"1s\"", cron(NEVER));
    let mut daemon = Daemon::start(&home, &sim, &schedule);
    daemon.until_ended(&home, 2);
    daemon.until_told("STATUS=SAFE as of ");
    daemon.terminate();
    assert_eq!(triggers(&home), ["start", "retry"]);
    assert_eq!(
        home.texts("SELECT outcome FROM runs ORDER BY id"),
        ["partial", "complete"]
    );
}
