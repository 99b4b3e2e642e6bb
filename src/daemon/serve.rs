//! The loop that a daemon is.

use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};
use tracing::{debug, error, info, warn};

use super::alarm::Alarm;
use super::bell::{Bell, Trigger, bell};
use super::heart::Heart;
use super::retry::retry_after;
use super::schedule::Schedule;
use super::signals::{Call, Signal};
use super::state::{CurrentRun, Ended, Event, Phase, State, Voice};
use super::systemd::Service;
use super::ticks;
use super::work::{Ask, Facts, Running, Trouble, Work};
use crate::model::{ExitCode, RunReport, Tally, Timestamp};
use crate::sync::Stop;

/// How often the state is shown while something goes on.
const PULSE: Duration = Duration::from_secs(1);
/// How often the loop turns at least, so that others can tell that it does.
const BEAT: Duration = Duration::from_secs(5);
/// For how long a service manager is asked to be patient, from one pulse to the next.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a run may take to end tidily. Its own grace period is far shorter; what takes longer
/// hangs, in a disk that does not answer for example.
const LAST_RESORT: Duration = Duration::from_secs(60);
/// Events that a follower may be behind. One that is further behind loses the oldest and is told
/// how many; it can hold nothing up.
const EVENTS: usize = 64;

/// How a daemon ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// As it was asked to.
    Tidy,
    /// By a second signal: nothing was waited for.
    AtOnce(Signal),
    /// The run under way did not end, long after it was asked to.
    GaveUp,
}

/// A daemon before its life begins.
#[derive(Debug)]
pub struct Daemon {
    schedule: Schedule,
    clock: fn() -> Timestamp,
    state: watch::Sender<State>,
    events: broadcast::Sender<Event>,
    heart: Heart,
    /// This daemon's share of the jitter, 0 to 1: the same for each tick, so that the time between
    /// two runs stays what the schedule says.
    share: f64,
}

impl Daemon {
    /// Makes a daemon. Nothing happens before [`Daemon::serve`].
    pub fn new(schedule: Schedule, clock: fn() -> Timestamp) -> Self {
        Self {
            schedule,
            clock,
            state: watch::Sender::new(State::starting()),
            events: broadcast::Sender::new(EVENTS),
            heart: Heart::new(),
            share: fastrand::f64(),
        }
    }

    /// Returns what the daemon does, to be read or watched.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// Returns the events from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Returns what tells whether the loop turns.
    pub fn heart(&self) -> Heart {
        self.heart.clone()
    }

    /// Lives until a signal ends it: looks whether a run could be done, says that it is ready, and
    /// does runs. `calls` waits for the next signal; it is dropped and called again while it waits.
    ///
    /// # Errors
    /// If no run could be done. After the start, trouble is no reason to end.
    pub async fn serve(
        self,
        work: impl Work,
        calls: impl AsyncFnMut() -> Call,
    ) -> Result<Ending, Trouble> {
        let mut alarm = Alarm::start().await.map_err(|err| Trouble {
            exit: ExitCode::Failed,
            error: format!("the scheduler did not start: {err}").into(),
            hint: None,
        })?;
        let wake = async move |schedule: &Schedule, left| alarm.wait(schedule, left).await;
        self.serve_with(work, calls, wake).await
    }

    /// As [`Daemon::serve`], woken by `wake`.
    pub(super) async fn serve_with(
        self,
        work: impl Work,
        mut calls: impl AsyncFnMut() -> Call,
        wake: impl AsyncFnMut(&Schedule, Duration),
    ) -> Result<Ending, Trouble> {
        let (rope, rings) = bell();
        let (schedule, schedules) = watch::channel(self.schedule.clone());
        let (next, next_tick) = watch::channel(None);
        let ticks = ticks::follow(schedules, self.share, self.clock, rope.clone(), next, wake);
        let life = Life {
            daemon: self,
            work,
            schedule,
            rope,
            next_tick: next_tick.clone(),
            service: Service::default(),
            current: None,
            wanted: None,
            give_up: None,
            tries: 0,
        };
        life.begin_and_live(&mut calls, rings, next_tick, ticks)
            .await
    }
}

/// A run under way.
struct Current {
    run: CurrentRun,
    running: Running<RunReport>,
    stop: Stop,
}

/// A run that is wanted at a time of its own.
#[derive(Clone, Copy)]
struct Wanted {
    at: Instant,
    /// The same by the clock on the wall.
    time: Timestamp,
    trigger: Trigger,
}

struct Life<W> {
    daemon: Daemon,
    work: W,
    schedule: watch::Sender<Schedule>,
    rope: Bell,
    next_tick: watch::Receiver<Option<Timestamp>>,
    service: Service,
    current: Option<Current>,
    wanted: Option<Wanted>,
    /// Set once the end was asked for.
    give_up: Option<Instant>,
    tries: u32,
}

impl<W: Work> Life<W> {
    async fn begin_and_live(
        mut self,
        calls: &mut impl AsyncFnMut() -> Call,
        mut rings: mpsc::Receiver<Trigger>,
        mut next_tick: watch::Receiver<Option<Timestamp>>,
        ticks: impl Future<Output = ()>,
    ) -> Result<Ending, Trouble> {
        let Some(facts) = self.check(calls).await? else {
            return Ok(Ending::Tidy);
        };
        self.be_ready(facts);
        let mut ticks = pin!(ticks);
        let mut beat = Service::watchdog().map(every);
        let mut pulse = every(PULSE);
        let mut turn = every(BEAT);
        loop {
            self.daemon.heart.beat();
            let is_idle = self.current.is_none();
            tokio::select! {
                // A run that is done is not thrown away for a signal of the same moment.
                biased;
                result = finished(&mut self.current) => {
                    self.ended(result);
                    if self.give_up.is_some() {
                        return Ok(Ending::Tidy);
                    }
                }
                call = calls() => if let Some(ending) = self.called(call) {
                    return Ok(ending);
                },
                // Here and nowhere else: a loop that hangs is not alive, a run that is long is.
                () = next(&mut beat) => self.service.alive(),
                _ = turn.tick() => {}
                () = reached(self.give_up) => {
                    error!("the run did not end within {LAST_RESORT:?} of being asked to");
                    return Ok(Ending::GaveUp);
                }
                _ = pulse.tick(), if !is_idle => self.pulse(),
                () = &mut ticks => {}
                Ok(()) = next_tick.changed() => self.show(),
                Some(trigger) = rings.recv(), if is_idle => self.begin(trigger),
                () = reached(self.wanted.map(|wanted| wanted.at)), if is_idle => {
                    if let Some(wanted) = self.wanted {
                        self.begin(wanted.trigger);
                    }
                }
            }
        }
    }

    /// Looks whether a run could be done. `None`: a signal ended that.
    async fn check(
        &mut self,
        calls: &mut impl AsyncFnMut() -> Call,
    ) -> Result<Option<Facts>, Trouble> {
        self.service.status(&State::starting().line());
        let mut checking = self.work.check();
        let mut pulse = every(PULSE);
        loop {
            self.daemon.heart.beat();
            tokio::select! {
                biased;
                facts = &mut checking => return facts.map(Some),
                call = calls() => match call {
                    // A migration is one transaction: what is cut off here has not begun.
                    Call::Stop(signal) => {
                        info!("{}: ended before the start was over", signal.name());
                        return Ok(None);
                    }
                    Call::Reload => warn!("SIGHUP: the configuration has just been read"),
                    Call::RunNow => self.rope.ring(Trigger::Signal),
                },
                // A large database may take minutes to migrate.
                _ = pulse.tick() => self.service.be_patient(PATIENCE),
            }
        }
    }

    /// Says that start-up is over, and decides whether it is a reason to run.
    fn be_ready(&mut self, facts: Facts) {
        let now = (self.daemon.clock)();
        let schedule = self.daemon.schedule.clone();
        let is_due = facts.was_cut_off || schedule.is_missed(facts.last_complete, now);
        let trigger = match (schedule.run_at_start, is_due) {
            (true, _) => Some(Trigger::Start),
            (false, true) => Some(Trigger::CatchUp),
            (false, false) => None,
        };
        self.want(trigger.map(|trigger| (schedule.late_by(self.daemon.share), trigger)));
        self.daemon
            .state
            .send_modify(|state| state.phase = Phase::Idle);
        self.show();
        let line = self.daemon.state.borrow().line();
        self.service.ready(&line);
        info!(
            "ready; schedule `{}` in {}",
            schedule.line(),
            schedule.zone()
        );
    }

    fn begin(&mut self, trigger: Trigger) {
        self.wanted = None;
        let run = CurrentRun {
            trigger,
            began_at: (self.daemon.clock)(),
            tally: Arc::new(Tally::default()),
        };
        let stop = Stop::default();
        self.daemon.state.send_modify(|state| {
            state.phase = Phase::Running;
            state.run = Some(run.clone());
        });
        let running = self.work.run(Ask {
            trigger,
            tally: Arc::clone(&run.tally),
            stop: stop.clone(),
            voice: Voice(self.daemon.state.clone()),
        });
        info!(trigger = %trigger, "a run begins ({trigger})");
        self.tell(Event::Began(run.clone()));
        self.current = Some(Current { run, running, stop });
        self.show();
    }

    fn ended(&mut self, result: Result<RunReport, Trouble>) {
        let Some(Current { run, .. }) = self.current.take() else {
            return;
        };
        let ended = Arc::new(Ended {
            trigger: run.trigger,
            began_at: run.began_at,
            ended_at: (self.daemon.clock)(),
            result,
        });
        say(&ended);
        let first = self.schedule.borrow().retry;
        let wait = retry_after(ended.exit_code(), self.tries + 1, first, fastrand::f64());
        // Who is to end tries nothing again.
        let wait = wait.filter(|_| self.give_up.is_none());
        self.tries = wait.map_or(0, |_| self.tries.saturating_add(1));
        self.want(wait.map(|wait| (wait, Trigger::Retry)));
        self.daemon.state.send_modify(|state| {
            if state.phase != Phase::Stopping {
                state.phase = Phase::Idle;
            }
            state.run = None;
            state.last = Some(Arc::clone(&ended));
            state.tries = self.tries;
        });
        self.tell(Event::Ended(ended));
        self.show();
    }

    /// Does what a signal asks. Returns how that ends the daemon, if it does at once.
    fn called(&mut self, call: Call) -> Option<Ending> {
        match call {
            Call::Stop(signal) if self.give_up.is_some() => {
                warn!("{}: stopping at once", signal.name());
                return Some(Ending::AtOnce(signal));
            }
            Call::Stop(signal) => return self.stop(signal),
            Call::Reload => self.reload(),
            Call::RunNow => {
                info!("SIGUSR1: a run was asked for");
                self.rope.ring(Trigger::Signal);
            }
        }
        None
    }

    fn stop(&mut self, signal: Signal) -> Option<Ending> {
        self.service.stopping();
        let Some(current) = &self.current else {
            info!("{}: ended between two runs", signal.name());
            return Some(Ending::Tidy);
        };
        warn!(
            "{}: stopping tidily; once more to stop at once",
            signal.name()
        );
        current.stop.request(signal.exit());
        self.give_up = Some(Instant::now() + LAST_RESORT);
        self.daemon
            .state
            .send_modify(|state| state.phase = Phase::Stopping);
        self.pulse();
        None
    }

    fn reload(&mut self) {
        info!("SIGHUP: reading the configuration again");
        self.service.reloading();
        match self.work.reload() {
            Ok(schedule) => {
                self.daemon.schedule = schedule.clone();
                self.schedule.send_replace(schedule);
            }
            Err(trouble) => {
                error!("SIGHUP: the configuration stays as it was, for {trouble}");
                if let Some(hint) = &trouble.hint {
                    error!("hint: {hint}");
                }
            }
        }
        let line = self.daemon.state.borrow().line();
        self.service.ready(&line);
    }

    /// Sets, or takes back, what is wanted at a time of its own.
    fn want(&mut self, wanted: Option<(Duration, Trigger)>) {
        self.wanted = wanted.map(|(wait, trigger)| Wanted {
            at: Instant::now() + wait,
            time: (self.daemon.clock)().plus(wait),
            trigger,
        });
    }

    /// While something goes on: shows it, and asks for patience where that is needed.
    fn pulse(&mut self) {
        if self.give_up.is_some() {
            self.service.be_patient(PATIENCE);
        }
        self.show();
    }

    fn show(&mut self) {
        let tick = *self.next_tick.borrow();
        let wanted = self.wanted.map(|wanted| wanted.time);
        let next_run = [tick, wanted].into_iter().flatten().min();
        self.daemon.state.send_if_modified(|state| {
            let is_news = state.next_run != next_run;
            state.next_run = next_run;
            is_news
        });
        let line = self.daemon.state.borrow().line();
        self.service.status(&line);
    }

    fn tell(&self, event: Event) {
        if self.daemon.events.send(event).is_err() {
            debug!("nobody follows the events");
        }
    }
}

/// Logs a run's last word, once.
fn say(ended: &Ended) {
    match &ended.result {
        Ok(report) if report.verdict.safe => info!("{}", report.verdict.line),
        Ok(report) => warn!("{}", report.verdict.line),
        Err(trouble) if matches!(trouble.exit, ExitCode::Interrupted | ExitCode::Terminated) => {
            warn!("{trouble}");
        }
        Err(trouble) => {
            error!(exit_code = trouble.exit.code(), "the run failed: {trouble}");
            if let Some(hint) = &trouble.hint {
                error!("hint: {hint}");
            }
        }
    }
}

/// A timer that does not make up for what it missed.
fn every(period: Duration) -> Interval {
    let mut interval = tokio::time::interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

async fn next(beat: &mut Option<Interval>) {
    match beat {
        Some(beat) => drop(beat.tick().await),
        None => std::future::pending().await,
    }
}

async fn reached(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn finished(current: &mut Option<Current>) -> Result<RunReport, Trouble> {
    let Some(current) = current else {
        return std::future::pending().await;
    };
    // A bug that ends a run is no reason to end the daemon: the next run heals what it left, as
    // after a crash. The future is never touched again.
    let running = AssertUnwindSafe(current.running.as_mut()).catch_unwind();
    running.await.unwrap_or_else(|_panic| {
        Err(Trouble {
            exit: ExitCode::Failed,
            error: "the run ended unexpectedly; this is a bug, please report it".into(),
            hint: None,
        })
    })
}
