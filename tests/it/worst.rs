//! The worst sequences: random edits, lies, faults, stops and wrong keys between runs, against a
//! memory of everything that was ever saved.

mod harm;
mod memory;

use crate::support::{Expect as _, Sandbox, Setup, assert_holds, now};
use fastrand::Rng;
use harm::Service;
use memory::Memory;
use microcms_backup::model::{ExitCode, RunReport, Timestamp};
use microcms_backup::sync::{Only, Stop};
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// How far the clock of these tests is ahead, in milliseconds. It only moves forward, for all of them.
static AHEAD: AtomicI64 = AtomicI64::new(0);

fn clock() -> Timestamp {
    let ahead = AHEAD.load(Ordering::Relaxed).unsigned_abs();
    now().plus(Duration::from_millis(ahead))
}

fn pass(time: Duration) {
    let time = i64::try_from(time.as_millis()).expect("days");
    AHEAD.fetch_add(time, Ordering::Relaxed);
}

/// What happened so far; printed if the test fails.
struct Story {
    seed: u64,
    steps: Vec<String>,
}

impl Drop for Story {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("seed {}:\n  {}", self.seed, self.steps.join("\n  "));
        }
    }
}

/// What the next run is asked to do.
fn some_setup(rng: &mut Rng, service: &Service) -> Setup {
    let mut setup = Setup {
        read_timeout: Duration::from_millis(200),
        grace: Duration::from_millis(rng.u64(0..300)),
        downloads: rng.usize(1..9),
        is_full: rng.u8(..) < 30,
        is_impatient: rng.u8(..) < 60,
        now: clock,
        ..Setup::default()
    };
    if rng.u8(..) < 200 {
        setup.extra_hosts = service.custom_hosts();
    }
    if rng.u8(..) < 40 {
        setup.allow_deletes = rng.u64(0..40);
    }
    if rng.u8(..) < 40 {
        setup.only = Only {
            media: rng.bool(),
            contents: rng.bool(),
            assets: rng.bool(),
        };
    }
    if rng.u8(..) < 25 {
        setup.monthly_transfer = Some(rng.u64(0..3_000_000));
    }
    if rng.u8(..) < 25 {
        setup.longest_asset = Some(rng.u64(500..2_000_000));
    }
    if rng.u8(..) < 60 {
        setup.revalidate_every = Some(Duration::from_secs(rng.u64(1..40) * 86_400));
    }
    setup.is_dry_run = rng.u8(..) < 10;
    setup
}

fn describe(setup: &Setup, report: &RunReport) -> String {
    let mut words = vec![format!("run: exit code {}", report.exit_code)];
    let flags = [
        (setup.is_full, "full"),
        (setup.is_impatient, "impatient"),
        (setup.is_dry_run, "dry"),
        (setup.extra_hosts.is_empty(), "custom hosts not allowed"),
    ];
    words.extend(
        flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, word)| (*word).to_owned()),
    );
    if setup.only != Only::ALL {
        words.push(format!("{:?}", setup.only));
    }
    if setup.allow_deletes > 0 {
        words.push(format!("allowing {} deletes", setup.allow_deletes));
    }
    let assets = &report.assets;
    words.push(format!(
        "saved {}, unchanged {}, moved {}, failed {}, owed {}",
        assets.saved, assets.unchanged, assets.moved, assets.failed, assets.owed
    ));
    words.push(report.verdict.line.clone());
    words.join("; ")
}

/// One run, perhaps stopped in the middle.
async fn run(rng: &mut Rng, home: &Sandbox, service: &Service, setup: Setup) -> RunReport {
    let stop = Stop::default();
    let setup = Setup {
        stop: stop.clone(),
        ..setup
    };
    let after = (rng.u8(..) < 60).then(|| Duration::from_millis(rng.u64(0..400)));
    let stopping = async {
        match after {
            Some(after) => {
                tokio::time::sleep(after).await;
                stop.request(ExitCode::Interrupted);
            }
            None => std::future::pending().await,
        }
    };
    tokio::pin!(stopping);
    let running = home.sync_with(&service.sim, setup);
    tokio::pin!(running);
    tokio::select! {
        report = &mut running => report,
        () = &mut stopping => running.await,
    }
}

/// One life of a service and its backup.
async fn live(seed: u64, rounds: usize) {
    let mut rng = Rng::with_seed(seed);
    let mut story = Story {
        seed,
        steps: Vec::new(),
    };
    let mut service = Service::start(seed, &mut rng).await;
    let home = Sandbox::in_memory();
    let mut memory = Memory::default();
    for _ in 0..rounds {
        for _ in 0..rng.usize(0..8) {
            story.steps.push(service.edit(&mut rng));
        }
        for _ in 0..rng.usize(0..4) {
            story.steps.push(service.harm(&mut rng));
        }
        if rng.u8(..) < 50 {
            let time = Duration::from_secs(rng.u64(60..90_000));
            pass(time);
            story.steps.push(format!("{time:?} pass"));
        }
        let setup = some_setup(&mut rng, &service);
        let is_dry = setup.is_dry_run;
        if is_dry && !home.database().exists() {
            continue;
        }
        let report = run(&mut rng, &home, &service, setup.clone()).await;
        story.steps.push(describe(&setup, &report));
        memory.check(&home, &report);
        if rng.bool() {
            service.relent();
            story.steps.push("the faults end".to_owned());
        }
    }
    quiet(&home, &mut service, &mut memory, &mut story).await;
}

/// The faults end, the rights are back: whatever happened, the backup ends as the service is.
async fn quiet(home: &Sandbox, service: &mut Service, memory: &mut Memory, story: &mut Story) {
    service.heal();
    story.steps.push("all is well".to_owned());
    let quiet = |is_full| Setup {
        extra_hosts: service.custom_hosts(),
        is_impatient: true,
        is_full,
        // What was deleted in the meantime is confirmed.
        allow_deletes: 1_000,
        now: clock,
        ..Setup::default()
    };
    // Two: a medium is deleted after two walks. The third reads what changed without a trace in the
    // listing, and the next ones what stale CDNs hid.
    for (n, is_full) in [false, false, true, true, true].into_iter().enumerate() {
        pass(Duration::from_secs(2 * 86_400));
        let setup = quiet(is_full);
        let report = home.sync_with(&service.sim, setup.clone()).await;
        story.steps.push(describe(&setup, &report));
        memory.check(home, &report);
        if report.exit_code != 0 {
            story.steps.extend(home.texts(
                "SELECT json_array(media_id, url, state, why, owed_at, last_error, recheck_at, checked_at) FROM assets
                 WHERE state <> 'saved'",
            ));
        }
        // The first one may still be owed what was deleted: nobody knows yet that it was.
        if n > 0 {
            report.expect_complete();
        }
    }
    assert_holds(home, &service.sim.truth());
}

/// Several lives side by side: most of each is waiting for what stalls.
async fn live_all(seeds: impl IntoIterator<Item = u64>, rounds: usize) {
    let mut lives = tokio::task::JoinSet::new();
    for seed in seeds {
        lives.spawn(live(seed, rounds));
    }
    while let Some(life) = lives.join_next().await {
        life.expect("a life without a loss");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_happens_nothing_saved_is_lost_and_quiet_runs_end_as_the_service_is() {
    live_all(1..=6, 9).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes: cargo test --test it many_lives -- --ignored --nocapture"]
async fn many_lives_are_survived() {
    let begun = std::time::Instant::now();
    let mut first = fastrand::u64(..1_000_000_000);
    while begun.elapsed() < Duration::from_secs(300) {
        eprintln!("seeds from {first}");
        live_all(first..first + 6, 25).await;
        first += 6;
    }
}
