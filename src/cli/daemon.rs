//! `daemon`: runs by a schedule until it is asked to end.

use std::sync::Arc;

use tokio::runtime;
use tracing::info;

use super::assemble::Site;
use super::drive::{self, Ended};
use super::exit;
use super::failure::Failure;
use super::health::{self, Desk};
use super::order::Order;
use super::progress::Progress;
use super::seen::Seen;
use super::sync::{Edge, announce};
use super::told::{Audience, DAEMON_LINGER, Wanted};
use crate::config::{self, Config, Sources};
use crate::daemon::{Ask, Call, Calls, Daemon, Ending, Facts, Running, Schedule, Trouble, Work};
use crate::model::{ExitCode, RunReport};
use crate::notify::Teller;
use crate::store::LockError;

const SIGNALS: &str = "\
Signals:
  SIGTERM, SIGINT  end tidily, with exit code 0; once more: at once
  SIGHUP           read the configuration again; if it cannot be used, the old one stays
  SIGUSR1          run now, or once more after the run under way

A run by hand (`microcms-backup sync`) may come at any time, as the same user: the lock is held
during runs only, and a run of the daemon waits for it.";

const EXITS: &[(ExitCode, &str)] = &[
    (
        ExitCode::Complete,
        "a signal ended it, and the run under way tidily",
    ),
    (
        ExitCode::Failed,
        "it could not begin, or could not end tidily",
    ),
    (
        ExitCode::Usage,
        "wrong usage or configuration; systemd does not start it again",
    ),
];

/// Run by a schedule, for years
///
/// Runs as the section `[schedule]` of the configuration says, by default at the start, too. Runs never
/// overlap; ticks that were missed become one run; what failed is tried again sooner. Tells systemd
/// when it is ready, what it does, and that it is alive.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Signals and exit codes: --help",
    after_long_help = exit::with_own(SIGNALS, EXITS)
)]
pub(crate) struct Args {}

/// Lives until a signal ends it. Returns the number for the shell.
pub(crate) fn run(_args: &Args, edge: Edge) -> Result<u8, Failure> {
    let tail = edge.tail.clone();
    let (sources, site) = load(edge)?;
    let daemon = Daemon::new(schedule(&site.config)?, site.clock);
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let ending = runtime.block_on(async {
        let mut calls = Calls::open().map_err(|err| Failure::new(ExitCode::Failed, err))?;
        let calls = async || -> Call { calls.next().await };
        let (teller, delivery) = Teller::start();
        let mut backup = Backup {
            sources,
            site: Arc::new(site),
            audience: Audience::new(teller, tail),
            desk: None,
        };
        backup.open_desk(&daemon)?;
        let ending = daemon.serve(backup, calls).await;
        if matches!(ending, Ok(Ending::Tidy)) {
            delivery.finish(DAEMON_LINGER).await;
        }
        ending.map_err(Failure::from)
    });
    // Whoever says "at once" does not wait for a thread that is writing.
    runtime.shutdown_background();
    let text = match ending? {
        Ending::Tidy => return Ok(ExitCode::Complete.code()),
        Ending::AtOnce(signal) => {
            let text = format!("stopped at once by a second signal ({})", signal.name());
            Failure::new(signal.exit(), text)
        }
        Ending::GaveUp => Failure::new(ExitCode::Failed, "the run under way could not be stopped"),
    };
    Err(text.with_hint("what was saved is safe; the next run goes on from there"))
}

fn schedule(config: &Config) -> Result<Schedule, Failure> {
    let written = &config.schedule;
    // The configuration has read this line before.
    let mut schedule = Schedule::new(&written.cron, written.timezone)
        .map_err(|err| Failure::new(ExitCode::Usage, err))?;
    schedule.run_at_start = written.run_at_start;
    schedule.jitter = written.jitter;
    schedule.retry = written.retry;
    Ok(schedule)
}

/// The work of the daemon: a configuration, and where it came from.
struct Backup {
    sources: Sources,
    site: Arc<Site>,
    audience: Audience,
    /// Where monitors ask.
    desk: Option<Desk>,
}

fn load(edge: Edge) -> Result<(Sources, Site), Failure> {
    let (config, key) = config::load_with_key(&edge.sources)?;
    announce(&config, &key);
    let site = Site {
        config,
        key,
        clock: edge.clock,
        traffic: Arc::default(),
        seen: Seen::default(),
    };
    Ok((edge.sources, site))
}

impl Backup {
    /// Opens the desk that the configuration asks for.
    fn open_desk(&mut self, daemon: &Daemon) -> Result<(), Failure> {
        let desk = self.desk.insert(Desk::of(daemon, &self.site));
        desk.follow(&self.site)
    }
}

impl Work for Backup {
    fn check(&self) -> Running<Facts> {
        let site = Arc::clone(&self.site);
        Box::pin(async move { Ok(site.check().await?) })
    }

    fn run(&self, ask: Ask) -> Running<RunReport> {
        let site = Arc::clone(&self.site);
        let audience = self.audience.clone();
        let tally = Arc::clone(&ask.tally);
        Box::pin(async move {
            // A line now and then while it works; the signals are heard by the loop.
            let lines = Progress::new(false);
            let no_signal = async || std::future::pending().await;
            match drive::drive(
                once(site, audience, ask),
                |_signal| {},
                tally,
                lines,
                no_signal,
            )
            .await
            {
                Ended::ByItself(report) => Ok(*report?),
                Ended::AtOnce(signal) => Err(Failure::new(signal.exit(), signal.name()).into()),
            }
        })
    }

    fn reload(&mut self) -> Result<Schedule, Trouble> {
        let (config, key) = config::load_with_key(&self.sources).map_err(Failure::from)?;
        let schedule = schedule(&config)?;
        announce(&config, &key);
        let site = Arc::new(Site {
            config,
            key,
            clock: self.site.clock,
            traffic: Arc::clone(&self.site.traffic),
            seen: self.site.seen.clone(),
        });
        // The last that can fail: then the old address stays, and with it everything else.
        if let Some(desk) = &mut self.desk {
            desk.follow(&site)?;
        }
        // The run under way keeps its own.
        self.site = site;
        info!("the configuration was read again; it counts from the next run on");
        Ok(schedule)
    }
}

/// One run, after however long somebody else holds the lock.
async fn once(site: Arc<Site>, audience: Audience, ask: Ask) -> Result<RunReport, Failure> {
    let voice = ask.voice.clone();
    let say = move |held: &LockError| {
        info!("{held}; waiting for it to end");
        voice.waiting(held.to_string());
    };
    let lock = site.lock(std::time::Duration::MAX, say, &ask.stop).await;
    ask.voice.working();
    let wanted = Wanted {
        order: Order::of_daemon(&site.config, ask.trigger),
        lock,
        tally: ask.tally,
        stop: ask.stop,
        report: None,
    };
    let done = audience.run(&site, wanted).await;
    health::write_textfile(&site).await;
    done
}
