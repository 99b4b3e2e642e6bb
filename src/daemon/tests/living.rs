use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono_tz::Tz;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;

use super::super::{
    Ask, Call, Daemon, Ending, Event, Facts, Phase, Running, Schedule, Signal, State, Trigger,
    Trouble, Work,
};
use super::{MIDNIGHT, clock, elapsed, start_clock};
use crate::model::report::{
    AssetCounts, BodyCounts, Holdings, ListedCounts, REPORT_VERSION, RunReport,
};
use crate::model::{ExitCode, Outcome, Timestamp, Verdict};

const MINUTE: Duration = Duration::from_secs(60);

fn report(exit: ExitCode) -> RunReport {
    let now = clock();
    RunReport {
        version: REPORT_VERSION,
        proof: None,
        notes: Vec::new(),
        owed_files: Vec::new(),
        owed_bodies: Vec::new(),
        program: "test".to_owned(),
        service: "demo".to_owned(),
        run_id: Some(1),
        dry_run: false,
        started_at: now,
        finished_at: now,
        elapsed_ms: 0,
        outcome: Outcome::Complete,
        exit_code: exit.code(),
        verdict: Verdict {
            safe: exit == ExitCode::Complete,
            line: format!("{exit:?}"),
        },
        walks: Vec::new(),
        media: ListedCounts::default(),
        contents: ListedCounts::default(),
        bodies: BodyCounts::default(),
        assets: AssetCounts::default(),
        holdings: Holdings::default(),
        transfer: Vec::new(),
        budget: None,
        forecast: None,
        problems: Vec::new(),
        failed: Vec::new(),
        failed_total: 0,
    }
}

/// A run that began: when, in seconds, and why.
type Began = (u64, Trigger);

/// What runs are like in a test: how long they take, how they end, whether they mind a stop.
#[derive(Clone)]
struct Play {
    takes: Duration,
    ends: Arc<Mutex<Vec<ExitCode>>>,
    minds_stop: bool,
    panics_first: bool,
    began: Arc<Mutex<Vec<Began>>>,
    facts: Facts,
    reload: Result<Schedule, ExitCode>,
}

impl Play {
    fn new(takes: Duration, ends: &[ExitCode]) -> Self {
        Self {
            takes,
            ends: Arc::new(Mutex::new(ends.iter().rev().copied().collect())),
            minds_stop: true,
            panics_first: false,
            began: Arc::default(),
            facts: Facts::default(),
            reload: Err(ExitCode::Usage),
        }
    }

    fn began(&self) -> Vec<Began> {
        self.began.lock().expect("no panic").clone()
    }
}

impl Work for Play {
    fn check(&self) -> Running<Facts> {
        let facts = self.facts;
        Box::pin(async move { Ok(facts) })
    }

    fn run(&self, ask: Ask) -> Running<RunReport> {
        let play = self.clone();
        let second = elapsed().as_secs();
        play.began
            .lock()
            .expect("no panic")
            .push((second, ask.trigger));
        // The thread's clock is read where the run ends: everything is one thread here.
        let panics = play.panics_first && play.began().len() == 1;
        Box::pin(async move {
            assert!(!panics, "a bug");
            let stopped = async {
                match play.minds_stop {
                    true => ask.stop.wait().await,
                    false => std::future::pending().await,
                }
            };
            tokio::select! {
                () = sleep(play.takes) => {}
                () = stopped => return Ok(report(ask.stop.requested().expect("a stop"))),
            }
            let end = play.ends.lock().expect("no panic").pop();
            Ok(report(end.unwrap_or(ExitCode::Complete)))
        })
    }

    fn reload(&mut self) -> Result<Schedule, Trouble> {
        self.reload.clone().map_err(|exit| Trouble {
            exit,
            error: "the configuration has a problem".into(),
            hint: None,
        })
    }
}

fn hourly() -> Schedule {
    let mut schedule = Schedule::new("0 0 * * * *", Tz::UTC).expect("a line");
    schedule.run_at_start = false;
    schedule
}

/// A fact: the last complete run ended just now.
fn up_to_date() -> Facts {
    Facts {
        last_complete: Some(Timestamp::from_unix_millis(MIDNIGHT)),
        was_cut_off: false,
    }
}

/// Lets a daemon live while `test` sends it signals. Returns how it ended, and the test's fruit.
async fn living<T>(
    schedule: Schedule,
    play: Play,
    test: impl AsyncFnOnce(mpsc::Sender<Call>, watch::Receiver<State>) -> T,
) -> (Ending, T) {
    start_clock(MIDNIGHT + 1);
    let daemon = Daemon::new(schedule, clock);
    let state = daemon.state();
    let (send, mut calls) = mpsc::channel(8);
    let calls = async || match calls.recv().await {
        Some(call) => call,
        None => std::future::pending().await,
    };
    let wake = async |_: &Schedule, left: Duration| sleep(left.min(MINUTE)).await;
    let (ending, fruit) = tokio::join!(daemon.serve_with(play, calls, wake), test(send, state));
    (ending.expect("a start"), fruit)
}

/// Lets a daemon live for `span`, then stops it. Returns the runs that began.
async fn runs_within(span: Duration, schedule: Schedule, play: Play) -> Vec<Began> {
    let (ending, ()) = living(schedule, play.clone(), async |send, _state| {
        sleep(span).await;
        send.send(Call::Stop(Signal::Terminate))
            .await
            .expect("it lives");
    })
    .await;
    assert_eq!(ending, Ending::Tidy);
    play.began()
}

#[tokio::test(start_paused = true)]
async fn however_many_ticks_pass_during_a_run_one_run_follows() {
    let play = Play {
        facts: up_to_date(),
        ..Play::new(150 * MINUTE, &[])
    };
    let began = runs_within(400 * MINUTE, hourly(), play).await;
    let hour = |n: u64| n * 3600 - 1;
    let begins: Vec<u64> = began.iter().map(|(second, _)| *second).collect();
    // The first tick; at the end of that run, one for the ticks within; and so on.
    assert_eq!(begins, [hour(1), hour(1) + 9000, hour(1) + 18_000]);
}

#[tokio::test(start_paused = true)]
async fn the_heart_beats_while_the_daemon_idles_and_while_a_run_takes_hours() {
    start_clock(MIDNIGHT + 1);
    let daemon = Daemon::new(hourly(), clock);
    let (heart, state) = (daemon.heart(), daemon.state());
    let play = Play {
        facts: up_to_date(),
        ..Play::new(150 * MINUTE, &[])
    };
    let calls = async || std::future::pending().await;
    let wake = async |_: &Schedule, left: Duration| sleep(left.min(MINUTE)).await;
    let watch = async {
        let mut seen = Vec::new();
        for _ in 0..180 {
            sleep(MINUTE).await;
            assert!(heart.silence() <= Duration::from_secs(5), "{seen:?}");
            seen.push(state.borrow().phase.clone());
        }
        assert!(seen.contains(&Phase::Idle) && seen.contains(&Phase::Running));
    };
    tokio::select! {
        ended = daemon.serve_with(play, calls, wake) => panic!("{ended:?}"),
        () = watch => {}
    }
    // Nobody turns the loop any more.
    sleep(2 * MINUTE).await;
    assert!(heart.silence() >= 2 * MINUTE);
}

#[tokio::test(start_paused = true)]
async fn a_start_runs_if_asked_to_or_if_something_was_missed() {
    let minutes_ago = |minutes: i64| Some(Timestamp::from_unix_millis(MIDNIGHT - minutes * 60_000));
    let facts = |last_complete, was_cut_off| Facts {
        last_complete,
        was_cut_off,
    };
    for (at_start, facts, expected) in [
        (true, up_to_date(), Some(Trigger::Start)),
        (true, facts(None, true), Some(Trigger::Start)),
        (false, up_to_date(), None),
        (false, facts(None, false), Some(Trigger::CatchUp)),
        (false, facts(minutes_ago(61), false), Some(Trigger::CatchUp)),
        (false, facts(minutes_ago(-1), true), Some(Trigger::CatchUp)),
    ] {
        let mut schedule = hourly();
        schedule.run_at_start = at_start;
        let play = Play {
            facts,
            ..Play::new(Duration::from_secs(1), &[])
        };
        let began = runs_within(MINUTE, schedule, play).await;
        let expected: Vec<Began> = expected.map(|trigger| (0, trigger)).into_iter().collect();
        assert_eq!(began, expected, "{at_start} {facts:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_run_is_tried_again_sooner_than_the_next_tick_with_longer_and_longer_waits() {
    use ExitCode::{Complete, Failed, Partial};
    let play = Play {
        facts: up_to_date(),
        ..Play::new(Duration::ZERO, &[Failed, Partial, Failed, Complete])
    };
    let began = runs_within(119 * MINUTE, hourly(), play).await;
    let triggers: Vec<Trigger> = began.iter().map(|(_, trigger)| *trigger).collect();
    assert_eq!(
        triggers,
        [
            Trigger::Schedule,
            Trigger::Retry,
            Trigger::Retry,
            Trigger::Retry
        ]
    );
    for (pair, expected) in began.windows(2).zip([60, 120, 240]) {
        let wait = pair[1].0 - pair[0].0;
        assert!(
            (expected * 4 / 5 - 1..=expected + 1).contains(&wait),
            "{began:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_panics_is_a_failed_run() {
    let play = Play {
        facts: up_to_date(),
        panics_first: true,
        ..Play::new(Duration::ZERO, &[])
    };
    let began = runs_within(62 * MINUTE, hourly(), play).await;
    let triggers: Vec<Trigger> = began.iter().map(|(_, trigger)| *trigger).collect();
    assert_eq!(triggers, [Trigger::Schedule, Trigger::Retry]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_key_and_a_tripped_guard_wait_for_the_tick() {
    for exit in [ExitCode::Refused, ExitCode::Guard, ExitCode::Usage] {
        let play = Play {
            facts: up_to_date(),
            ..Play::new(Duration::ZERO, &[exit, exit])
        };
        let began = runs_within(121 * MINUTE, hourly(), play).await;
        let expected = [(3599, Trigger::Schedule), (7199, Trigger::Schedule)];
        assert_eq!(began, expected, "{exit:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_signal_runs_now_or_once_more_after_the_run_under_way() {
    let play = Play {
        facts: up_to_date(),
        ..Play::new(10 * MINUTE, &[])
    };
    let (_, ()) = living(hourly(), play.clone(), async |send, _state| {
        sleep(MINUTE).await;
        for _ in 0..3 {
            send.send(Call::RunNow).await.expect("it lives");
            sleep(MINUTE).await;
        }
        sleep(30 * MINUTE).await;
        send.send(Call::Stop(Signal::Interrupt))
            .await
            .expect("it lives");
    })
    .await;
    assert_eq!(
        play.began(),
        [(60, Trigger::Signal), (660, Trigger::Signal)]
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_is_tidy_and_the_second_does_not_wait_whichever_pair_it_is() {
    use Signal::{Interrupt, Terminate};
    for first in [Interrupt, Terminate] {
        for second in [Interrupt, Terminate] {
            for minds_stop in [true, false] {
                let mut schedule = hourly();
                schedule.run_at_start = true;
                let play = Play {
                    minds_stop,
                    ..Play::new(30 * MINUTE, &[])
                };
                let (ending, seconds) = living(schedule, play, async |send, mut state| {
                    let is_running = |state: &State| state.phase == Phase::Running;
                    drop(state.wait_for(is_running).await.expect("it lives"));
                    send.send(Call::Stop(first)).await.expect("it lives");
                    sleep(Duration::from_secs(5)).await;
                    // Ended by then, if the run minds.
                    send.send(Call::Stop(second)).await.unwrap_or_default();
                    elapsed().as_secs()
                })
                .await;
                let expected = match minds_stop {
                    true => Ending::Tidy,
                    false => Ending::AtOnce(second),
                };
                assert_eq!((ending, seconds), (expected, 5));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_hangs_does_not_keep_the_daemon_for_ever() {
    let mut schedule = hourly();
    schedule.run_at_start = true;
    let play = Play {
        minds_stop: false,
        ..Play::new(30 * 24 * 60 * MINUTE, &[])
    };
    let (ending, ()) = living(schedule, play, async |send, _state| {
        sleep(MINUTE).await;
        send.send(Call::Stop(Signal::Terminate))
            .await
            .expect("it lives");
    })
    .await;
    assert_eq!(ending, Ending::GaveUp);
    assert_eq!(elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_good_configuration_is_taken_over_and_a_bad_one_changes_nothing() {
    for (reload, expected) in [
        (
            Schedule::new("0 */10 * * * *", Tz::UTC).map_err(|_line| ExitCode::Usage),
            vec![599, 1199, 1799],
        ),
        (Err(ExitCode::Usage), vec![]),
    ] {
        let play = Play {
            facts: up_to_date(),
            reload,
            ..Play::new(Duration::ZERO, &[])
        };
        let (ending, ()) = living(hourly(), play.clone(), async |send, _state| {
            sleep(MINUTE).await;
            send.send(Call::Reload).await.expect("it lives");
            sleep(30 * MINUTE).await;
            send.send(Call::Stop(Signal::Terminate))
                .await
                .expect("it lives");
        })
        .await;
        assert_eq!(ending, Ending::Tidy);
        let begins: Vec<u64> = play.began().iter().map(|(second, _)| *second).collect();
        assert_eq!(begins, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_state_can_be_watched_and_the_events_followed() {
    start_clock(MIDNIGHT + 1);
    let daemon = Daemon::new(hourly(), clock);
    let (mut events, state) = (daemon.events(), daemon.state());
    assert_eq!(state.borrow().phase, Phase::Starting);
    let play = Play {
        facts: up_to_date(),
        ..Play::new(MINUTE, &[ExitCode::Partial])
    };
    let calls = async || std::future::pending().await;
    let wake = async |_: &Schedule, left: Duration| sleep(left.min(MINUTE)).await;
    let watch = async {
        sleep(MINUTE).await;
        let idle = state.borrow().clone();
        assert_eq!(idle.phase, Phase::Idle);
        let next = idle.next_run.expect("a tick").to_string();
        assert_eq!(next, "2026-11-24T01:00:00.000Z");

        let Ok(Event::Began(run)) = events.recv().await else {
            panic!("a run begins");
        };
        assert_eq!(run.trigger, Trigger::Schedule);
        run.tally.pages.add(3);
        let running = state.borrow().clone();
        assert_eq!(running.phase, Phase::Running);
        assert_eq!(running.run.expect("a run").tally.pages.get(), 3);

        let Ok(Event::Ended(ended)) = events.recv().await else {
            panic!("a run ends");
        };
        assert_eq!(ended.exit_code(), ExitCode::Partial.code());
        sleep(Duration::from_secs(1)).await;
        let after = state.borrow().clone();
        assert_eq!((after.phase, after.tries), (Phase::Idle, 1));
        assert!(after.run.is_none() && after.last.is_some());
        let retry = after.next_run.expect("a retry");
        assert!(
            retry < Timestamp::parse("2026-11-24T01:03:00Z").expect("a time"),
            "{retry}"
        );
    };
    tokio::select! {
        ended = daemon.serve_with(play, calls, wake) => panic!("{ended:?}"),
        () = watch => {}
    }
}
