//! Health, assembled: what the rooms know, as facts for monitors.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};

use super::assemble::Site;
use super::failure::Failure;
use super::places;
use super::report_file::ReportFile;
use crate::daemon::{CurrentRun, Daemon, Heart, Phase, State};
use crate::health::{self, Disk, Facts, Finding, HealthError, Life, Listener, RunNow, Source};
use crate::model::condition::Condition;
use crate::model::report::Budget;
use crate::model::{ExitCode, Flow, Timestamp};

/// For how long a look is good. Monitors ask every few seconds, and several of them.
const FRESH: Duration = Duration::from_secs(3);
/// A look that took long is good for so many times longer: whoever asks all the time costs a
/// twentieth of one processor at most, however large the database is.
const SHARE: u32 = 20;
/// But no look is good for longer.
const STALE: Duration = Duration::from_secs(60);
/// How long somebody who asks waits for a look.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a look at the database and the disk brought.
#[derive(Debug, Clone)]
struct Look {
    backup: Result<Condition, String>,
    is_safe: Option<bool>,
    budget: Option<Budget>,
    disk: Option<Disk>,
    ended: Instant,
    took: Duration,
}

impl Look {
    /// Looks. Blocks, on a large database for a second or so.
    fn at(site: &Site, is_locked: Option<bool>) -> Self {
        let begun = Instant::now();
        let found = site.condition(is_locked);
        let (backup, is_safe) = match found {
            Ok((backup, is_safe)) => (Ok(backup), Some(is_safe)),
            Err(failure) => (Err(failure.line()), None),
        };
        let budget = backup.as_ref().ok().and_then(|found| site.budget(found));
        let disk = site.disk();
        Self {
            backup,
            is_safe,
            budget,
            disk,
            ended: Instant::now(),
            took: begun.elapsed(),
        }
    }

    fn failed(why: &str) -> Self {
        Self {
            backup: Err(why.to_owned()),
            is_safe: None,
            budget: None,
            disk: None,
            ended: Instant::now(),
            took: Duration::ZERO,
        }
    }

    fn is_fresh(&self) -> bool {
        let good_for = (self.took * SHARE).clamp(FRESH, STALE);
        self.ended.elapsed() < good_for
    }

    fn facts(self, site: &Site, flow: Flow, life: Option<Life>) -> Facts {
        Facts {
            now: (site.clock)(),
            version: env!("CARGO_PKG_VERSION"),
            service: site.config.service.id.clone(),
            max_age: site.config.health.max_age,
            backup: self.backup,
            is_safe: self.is_safe,
            budget: self.budget,
            disk: self.disk,
            flow,
            life,
        }
    }
}

/// Saves the metrics after the run of a one-shot: as `file`, which a person named, or as the
/// configuration says. Blocks.
///
/// # Errors
/// If `file` could not be saved. Trouble with the configured one is logged, as for a daemon.
pub(crate) fn save_metrics(site: &Site, file: Option<ReportFile>) -> Result<(), Failure> {
    let flow = site.traffic.read();
    match (file, &site.config.health.textfile) {
        (Some(file), _) => {
            let place = file.place();
            save(site, flow, file).map_err(|err| {
                let text = format!("the metrics could not be saved as `{place}`: {err}");
                Failure::new(ExitCode::Failed, text)
            })
        }
        (None, Some(path)) => {
            say(
                path,
                textfile(site, path).and_then(|file| save(site, flow, file)),
            );
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

fn save(site: &Site, flow: Flow, file: ReportFile) -> io::Result<()> {
    // The lock was given up with the run.
    let facts = Look::at(site, Some(false)).facts(site, flow, None);
    file.readable_by_all().save(&health::metrics(&facts))
}

/// The file that the configuration names, unless that is one of the backup's own.
fn textfile(site: &Site, path: &Path) -> io::Result<ReportFile> {
    match places::own(&site.config, site.key.source.file(), path) {
        Some(own) => Err(io::Error::other(format!("it is {own}"))),
        None => ReportFile::at(path),
    }
}

fn say(path: &Path, saved: io::Result<()>) {
    if let Err(err) = saved {
        warn!(
            "the metrics could not be saved as `{}`: {err}",
            path.display()
        );
    }
}

/// Writes the file for node_exporter after a run of the daemon, if the configuration names one.
/// Trouble with it is no trouble of the run: who reads the file sees how old its times are.
pub(crate) async fn write_textfile(site: &Arc<Site>) {
    let Some(path) = site.config.health.textfile.clone() else {
        return;
    };
    let site = Arc::clone(site);
    let saving = crate::blocking::run(move || {
        // This process's counters go on over many runs, so they are not the last run's.
        let saved = textfile(&site, &path).and_then(|file| save(&site, Flow::default(), file));
        say(&path, saved);
    });
    if let Err(err) = saving.await {
        warn!("the metrics could not be saved: {err}");
    }
}

/// Where monitors ask a daemon.
#[derive(Debug)]
pub(crate) struct Desk {
    site: watch::Sender<Arc<Site>>,
    source: Arc<Watcher>,
    /// The configured address and what answers there.
    open_at: Option<(SocketAddr, AbortOnDropHandle<()>)>,
}

impl Desk {
    /// Makes a desk for a daemon, not open yet.
    pub(crate) fn of(daemon: &Daemon, site: &Arc<Site>) -> Self {
        let (sender, receiver) = watch::channel(Arc::clone(site));
        let watcher = Watcher {
            site: receiver,
            state: daemon.state(),
            heart: daemon.heart(),
            started_at: (site.clock)(),
            looks: Looks::default(),
        };
        Self {
            site: sender,
            source: Arc::new(watcher),
            open_at: None,
        }
    }

    /// Goes where the configuration says, or closes. If the new address cannot be had, all stays as
    /// it was. To be called inside the runtime.
    ///
    /// # Errors
    /// That of the address. Exit code 1, not 2: the port may be free again at the next start.
    pub(crate) fn follow(&mut self, site: &Arc<Site>) -> Result<(), Failure> {
        let wanted = site.config.health.listen;
        if self.open_at.as_ref().map(|(address, _)| *address) != wanted {
            self.open_at = match wanted {
                Some(address) => Some((address, self.open(address)?)),
                None => None,
            };
        }
        self.site.send_replace(Arc::clone(site));
        Ok(())
    }

    fn open(&self, address: SocketAddr) -> Result<AbortOnDropHandle<()>, Failure> {
        let failed = |source| {
            let err = HealthError::Listen { address, source };
            let hint = err.hint();
            Failure {
                hint,
                ..Failure::new(ExitCode::Failed, err)
            }
        };
        let listener = Listener::bind(address).map_err(failed)?;
        let taken = listener.address().map_err(failed)?;
        info!("health is told at http://{taken}: /livez, /readyz, /healthz, /metrics");
        let source = Arc::clone(&self.source);
        Ok(AbortOnDropHandle::new(tokio::spawn(health::serve(
            listener, source,
        ))))
    }
}

/// Gathers the facts of a daemon.
#[derive(Debug)]
struct Watcher {
    site: watch::Receiver<Arc<Site>>,
    state: watch::Receiver<State>,
    heart: Heart,
    started_at: Timestamp,
    looks: Looks,
}

/// One look at a time, whoever asks. An async mutex: held while the look is waited for.
#[derive(Debug, Default)]
struct Looks(Mutex<LastLooks>);

#[derive(Debug, Default)]
struct LastLooks {
    last: Option<Look>,
    /// A look that nobody had the patience to wait for. It is not begun again beside itself: a disk
    /// that does not answer would collect threads.
    under_way: Option<JoinHandle<Look>>,
}

impl Looks {
    /// Returns what a fresh look brought, or what one that `begin` begins brings. Each who asks waits for [`PATIENCE`] and no
    /// longer, however many wait before.
    async fn look(&self, begin: impl FnOnce() -> JoinHandle<Look>) -> Look {
        let until = Instant::now() + PATIENCE;
        let late = || Look::failed(&format!("no answer within {PATIENCE:?}"));
        let Ok(mut looks) = timeout_at(until, self.0.lock()).await else {
            return late();
        };
        if let Some(last) = looks.last.as_ref().filter(|last| last.is_fresh()) {
            return last.clone();
        }
        let under_way = looks.under_way.get_or_insert_with(begin);
        let Ok(ended) = timeout_at(until, under_way).await else {
            return late();
        };
        looks.under_way = None;
        let look = ended.unwrap_or_else(|err| Look::failed(&err.to_string()));
        looks.last = Some(look.clone());
        look
    }
}

impl Watcher {
    async fn look(&self, site: &Arc<Site>) -> Look {
        let begin = || {
            let site = Arc::clone(site);
            // Somebody else's run is possible, too.
            let is_locked = self.state.borrow().run.as_ref().map(|_run| true);
            tokio::task::spawn_blocking(move || Look::at(&site, is_locked))
        };
        self.looks.look(begin).await
    }
}

impl Source for Watcher {
    fn alive(&self) -> Finding {
        health::alive(self.heart.silence())
    }

    async fn facts(&self) -> Facts {
        let site = Arc::clone(&self.site.borrow());
        let look = self.look(&site).await;
        let took = look.took;
        let state = self.state.borrow().clone();
        let life = life(&state, self.started_at, took);
        look.facts(&site, site.traffic.read(), Some(life))
    }
}

fn life(state: &State, started_at: Timestamp, look: Duration) -> Life {
    Life {
        started_at,
        phase: match state.phase {
            Phase::Starting => health::Phase::Starting,
            Phase::Idle | Phase::Waiting(_) | Phase::Running => health::Phase::Ready,
            Phase::Stopping => health::Phase::Stopping,
        },
        run: state.run.as_ref().map(run_now),
        last_exit_code: state.last.as_ref().map(|ended| ended.exit_code()),
        next_run: state.next_run,
        tries: state.tries,
        look,
    }
}

fn run_now(
    CurrentRun {
        began_at, tally, ..
    }: &CurrentRun,
) -> RunNow {
    RunNow {
        began_at: *began_at,
        pages: tally.pages.get(),
        bodies: tally.bodies.get(),
        files: tally.files.get(),
        bytes: tally.bytes.get(),
        restarts: tally.restarts.get(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_longer_for_a_disk_because_others_wait_too() {
        let looks = Looks::default();
        let never = || tokio::spawn(std::future::pending());
        let asked = async || {
            let begun = Instant::now();
            let look = looks.look(never).await;
            assert!(look.backup.is_err());
            begun.elapsed()
        };
        let (first, second, third) = tokio::join!(asked(), asked(), asked());
        for took in [first, second, third, asked().await] {
            assert!(took < PATIENCE + Duration::from_millis(100), "{took:?}");
        }
    }
}
