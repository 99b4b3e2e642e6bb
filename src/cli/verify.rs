//! `verify`: holds the backup against its own records, or against the service.

use std::io;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use tokio::runtime;
use tokio::sync::mpsc;
use tracing::{info, warn};

use super::assemble::{failed, lock, mirror_options, remote, store_failed, store_options, tidy};
use super::failure::Failure;
use super::output;
use super::prune::{check_places, heed};
use super::run::Clock;
use super::verify_summary::Printer;
use crate::config::{self, ApiKey, Config, Sources};
use crate::daemon::Signals;
use crate::mirror::{Mirror, MirrorError, Reader};
use crate::model::{Difference, ExitCode, RootPrefix, Share, Timestamp, VerifyReport, VerifyScope};
use crate::store::{self, Lock, LockError, Mode, Store, StoreError, StoreThread};
use crate::sync::{self, Stop, VerifyError, VerifyHand, VerifyOptions, VerifyRooms};

const EXAMPLES: &str = "\
Examples:
  microcms-backup verify                          everything: the database, every file read
  microcms-backup verify --subset 5% --bandwidth 50MiB
                                                  every night a twentieth, all of it in twenty
  microcms-backup verify --repair && microcms-backup sync
  microcms-backup verify --database --since 3f9c2a71
                                                  is it still what that root proved?
  microcms-backup verify --remote --subset 1/30   what is here against the service
  microcms-backup verify --json | jq '.differences[] | select(.kind == \"bytes\")'

Exit codes:
    0  no difference; with --repair: none that is left
    1  it could not be done: no backup, a database that cannot be read, a listing that could not be proven,
       a host that did not answer
    2  wrong usage or configuration
    4  --remote: the key, a permission or the plan is in the way
    6  there are differences, each named on its own line
   11  --repair: another run holds the lock
  130, 143  stopped by a signal";

/// Bytes a second; `None` as fast as it goes.
type Pace = Option<u64>;

/// Hold the backup against its own records: every file, the database, the timelines
///
/// Reads the files of the mirror and the archive and compares them with the recorded lengths and
/// SHA-256, looks for files that nobody knows and rows without files, and checks the database: its
/// structure, its schema, its JSON, the timelines, and every row against the log of what this program wrote.
/// Names each difference with what should be there, what
/// is there and what can be done. Needs no API key and no network, takes no lock and works beside a run.
///
/// With --remote it compares what is here with what the service has instead: ids, metadata, and the
/// lengths of files where their hosts tell them.
#[derive(Debug, Clone, PartialEq, Eq, clap::Args)]
#[command(
    after_help = "Exit codes and examples: --help",
    after_long_help = EXAMPLES
)]
pub(crate) struct Args {
    /// Read this share of the files, another one each time, such as 5% or 1/30. The others are only
    /// looked at: that they exist and are as long as recorded
    #[arg(long, value_name = "SHARE", default_value = "100%")]
    subset: Share,

    /// A root that was kept elsewhere, or its first 8 digits or more: is this the database that it is of, and
    /// is all that it proved as it was?
    #[arg(long, value_name = "ROOT", value_parser = RootPrefix::parse, conflicts_with = "remote")]
    since: Option<RootPrefix>,

    /// Check the database alone
    #[arg(long, conflicts_with_all = ["repair", "remote", "subset"])]
    database: bool,

    /// Put back what is whole elsewhere here, and let the next `sync` fetch again what the service still
    /// has. No bytes are lost: what gives way moves to the archive. Takes the lock
    #[arg(long, conflicts_with = "remote")]
    repair: bool,

    /// What could not be repaired and is not at the service either is lost: take note of that, for at most N of
    /// them, so that it is no difference any more. More than N: none. What is put back counts again
    #[arg(long, value_name = "N", requires = "repair", value_parser = clap::value_parser!(u64).range(1..))]
    accept_lost: Option<u64>,

    /// Compare with the service; asks for no file's bytes and writes nothing but its record
    #[arg(long)]
    remote: bool,

    /// How many files to read at a time [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,

    /// Read at most so many bytes a second, such as 50MiB [default: unlimited]
    #[arg(long, value_name = "SIZE", value_parser = config::bandwidth)]
    bandwidth: Option<Pace>,

    /// Print everything as JSON
    #[arg(long)]
    json: bool,

    /// Wait this long if another run holds the lock, such as 30s: to repair, or to record what was found
    #[arg(
        long,
        value_name = "DURATION",
        value_parser = humantime::parse_duration,
        default_value = "0s"
    )]
    wait_lock: Duration,
}

/// Verifies and prints. Returns the number for the shell.
pub(crate) fn run(args: &Args, sources: &Sources, clock: Clock) -> Result<u8, Failure> {
    let (config, key) = if args.remote {
        let (config, key) = config::load_with_key(sources)?;
        (config, Some(key))
    } else {
        (config::load(sources)?, None)
    };
    for warning in &config.warnings {
        warn!("{warning}");
    }
    let runtime = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|err| Failure::new(ExitCode::Failed, err))?;
    let options = options(args, &config, clock);
    let printer = Printer::new(args.json, options.head(clock()), output::result);
    let ended = runtime.block_on(async {
        let mut signals = Signals::open().map_err(|err| Failure::new(ExitCode::Failed, err))?;
        let stop = Stop::default();
        let work = Work {
            args,
            config: &config,
            clock,
            stop: stop.clone(),
        };
        let at_once = "nothing is half repaired, and nothing was recorded";
        heed(work.all(key, options, printer), stop, at_once, async || {
            signals.next().await
        })
        .await
    });
    // Whoever says "at once" does not wait for a thread that is reading a large file.
    runtime.shutdown_background();
    ended
}

fn options(args: &Args, config: &Config, clock: Clock) -> VerifyOptions {
    let scope = match (args.database, args.remote) {
        (true, _) => VerifyScope::Database,
        (false, true) => VerifyScope::Remote,
        (false, false) => VerifyScope::Everything,
    };
    let processors = || available_parallelism().map_or(1, usize::from);
    VerifyOptions {
        service: config.service.id.clone(),
        database: config.storage.database.clone(),
        scope,
        share: args.subset,
        jobs: args.jobs.map_or_else(processors, usize::from),
        bandwidth: args.bandwidth.flatten(),
        endpoints: config.service.endpoints.clone().unwrap_or_default(),
        is_repair: args.repair,
        accept_lost: args.accept_lost,
        since: args.since.clone(),
        now: clock,
    }
}

/// One call of the command.
struct Work<'a> {
    args: &'a Args,
    config: &'a Config,
    clock: Clock,
    stop: Stop,
}

/// What a repair holds: the right to write, and the database's thread.
struct Held {
    lock: Lock,
    thread: StoreThread,
}

impl Work<'_> {
    /// Opens what is needed, verifies, records, prints.
    async fn all(
        self,
        key: Option<ApiKey>,
        options: VerifyOptions,
        mut printer: Printer<impl FnMut(&str) -> io::Result<()>>,
    ) -> Result<u8, Failure> {
        let started_at = (self.clock)();
        let (rooms, held) = self.open(key, &options).await?;
        let (out, differences) = mpsc::channel(64);
        let begun = options.begun(started_at);
        let hand = rooms.hand.clone();
        let work = sync::verify(options, rooms, out, self.stop.clone());
        let (done, printed) = tokio::join!(work, print(&mut printer, differences));
        let recorded = match &done {
            Ok(report) if report.is_whole() => {
                let report = report.clone();
                match hand {
                    Some(hand) => hand
                        .store
                        .call(move |store| store.record_verify(&begun, &report))
                        .await
                        .map_err(|err| failed(err, StoreError::hint)),
                    None => {
                        self.record(move |store| store.record_verify(&begun, &report))
                            .await
                    }
                }
            }
            Ok(_) | Err(_) => Ok(()),
        };
        let closed = match held {
            Some(held) => {
                let closed = held.thread.join().await;
                drop(held.lock);
                closed
            }
            None => Ok(()),
        };
        let ended = conclude(done, recorded, printer, printed);
        closed.map_err(|err| failed(err, StoreError::hint))?;
        ended
    }

    async fn open(
        &self,
        key: Option<ApiKey>,
        options: &VerifyOptions,
    ) -> Result<(VerifyRooms, Option<Held>), Failure> {
        let mut rooms = VerifyRooms {
            reader: None,
            hand: None,
            remote: None,
        };
        let is_database = options.scope == VerifyScope::Database;
        // A redacted snapshot is no backup, and its database can be checked for what is left in it. Roots are not.
        if !is_database || options.since.is_some() {
            self.look_at_database()?;
        }
        if let Some(key) = key {
            let remote = remote(self.config, &key, Arc::default())?;
            rooms.remote = Some(Arc::new(remote));
            return Ok((rooms, None));
        }
        if is_database {
            return Ok((rooms, None));
        }
        if !self.args.repair {
            let reader = Reader::open(&mirror_options(self.config)).map_err(unusable)?;
            rooms.reader = Some(reader);
            return Ok((rooms, None));
        }
        check_places(self.config)?;
        let say = |held: &LockError| info!("{held}; waiting for it to end");
        let lock = lock(
            self.config,
            self.clock,
            self.args.wait_lock,
            say,
            &self.stop,
        )
        .await?;
        // After the lock: opening the mirror clears away what a cut-off writer left.
        let (config, now) = (self.config.clone(), (self.clock)());
        let opened = crate::blocking::run(move || {
            let store = open_store(&config, now)?;
            let mirror = Mirror::open(&mirror_options(&config)).map_err(unusable)?;
            Ok::<_, Failure>((store, mirror))
        });
        let (store, mirror) = opened
            .await
            .map_err(|err| Failure::new(ExitCode::Failed, err))??;
        let (store, thread) =
            StoreThread::spawn(store).map_err(|err| failed(err, StoreError::hint))?;
        rooms.reader = Some((*mirror).clone());
        rooms.hand = Some(VerifyHand {
            store,
            mirror: Arc::new(mirror),
        });
        Ok((rooms, Some(Held { lock, thread })))
    }

    /// Looks at the database before anything else: without one of ours there is no backup, whatever folders
    /// there are. A repair migrates an older one, and says itself where there is none.
    fn look_at_database(&self) -> Result<(), Failure> {
        let path = &self.config.storage.database;
        let is_repair = self.args.repair;
        let err = match store::view_backup(path, &self.config.service.id, |_store| Ok(())) {
            Ok(Some(())) => return Ok(()),
            Ok(None) | Err(StoreError::Older { .. }) if is_repair => return Ok(()),
            Ok(None) => VerifyError::NoBackup { path: path.clone() },
            Err(err) => VerifyError::Store(err),
        };
        Err(failed(err, VerifyError::hint))
    }

    /// Records what was found: the one thing that is written without `--repair`, with the lock for a
    /// moment, for there is one writer.
    async fn record(
        &self,
        record: impl FnOnce(&mut Store) -> Result<(), StoreError> + Send + 'static,
    ) -> Result<(), Failure> {
        let say =
            |held: &LockError| info!("{held}; waiting for it to end, to record what was found");
        let lock = lock(
            self.config,
            self.clock,
            self.args.wait_lock,
            say,
            &self.stop,
        )
        .await?;
        let (config, now) = (self.config.clone(), (self.clock)());
        let recorded = crate::blocking::run(move || {
            let _lock = lock;
            let mut store = open_store(&config, now)?;
            let recorded = record(&mut store).map_err(|err| failed(err, StoreError::hint));
            tidy(store);
            recorded
        });
        recorded
            .await
            .map_err(|err| Failure::new(ExitCode::Failed, err))?
    }
}

fn open_store(config: &Config, now: Timestamp) -> Result<Store, Failure> {
    Store::open(&store_options(config, Mode::ReadWrite), now)
        .map_err(|err| store_failed(err, &config.storage.database))
}

fn unusable(err: MirrorError) -> Failure {
    failed(err, |err| err.hint().map(str::to_owned))
}

/// Prints differences as they come. Goes on reading where nobody takes them: the work must end.
async fn print(
    printer: &mut Printer<impl FnMut(&str) -> io::Result<()>>,
    mut differences: mpsc::Receiver<Difference>,
) -> io::Result<()> {
    let mut printed = Ok(());
    while let Some(difference) = differences.recv().await {
        if printed.is_ok() {
            printed = printer.put(&difference);
        }
    }
    printed
}

/// Prints what came of it. Returns the number for the shell.
fn conclude(
    done: Result<VerifyReport, VerifyError>,
    recorded: Result<(), Failure>,
    printer: Printer<impl FnMut(&str) -> io::Result<()>>,
    printed: io::Result<()>,
) -> Result<u8, Failure> {
    let mut report = match done {
        Ok(report) => report,
        Err(err) => {
            let is_usage = matches!(err, VerifyError::AmbiguousRoot { .. });
            let mut failure = failed(err, VerifyError::hint);
            if is_usage {
                failure.exit = ExitCode::Usage;
            }
            // JSON that was begun is ended; what it says of the failure is for its reader alone.
            drop(printer.fail(&failure.line(), failure.exit.code()));
            return Err(failure);
        }
    };
    if let Err(failure) = recorded {
        report.notes.push(format!(
            "not recorded ({}): the next `--subset` begins at the same place, and the next `sync` does not know which files \
             are wrong: verify again with `--wait-lock 10m`",
            failure.line()
        ));
    }
    let exit_code = report.exit_code;
    match printed.and_then(|()| printer.finish(&report)) {
        Ok(()) => Ok(exit_code),
        Err(err) => {
            let text = format!("stdout could not be written: {err}");
            Failure::new(ExitCode::Failed, text).report();
            // The trouble of the work itself is worse news, and has the exit code.
            Ok(match exit_code {
                0 => ExitCode::Failed.code(),
                code => code,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::super::args::{Cli, Command};
    use super::super::exit;
    use super::*;

    #[test]
    fn its_exit_codes_are_those_of_the_program() {
        let table = exit::with_table("");
        for code in ["0", "1", "2", "4", "6", "11"] {
            let line = format!("\n  {code:>3}  ");
            assert!(EXAMPLES.contains(&line) && table.contains(&line), "{code}");
        }
    }

    #[test]
    fn a_bandwidth_is_a_size() {
        let bandwidth = |text: &str| {
            let words = ["microcms-backup", "verify", "--bandwidth", text];
            let parsed = Cli::try_parse_from(words).map_err(|err| err.to_string())?;
            let Command::Verify(args) = parsed.command else {
                panic!("{:?}", parsed.command);
            };
            Ok::<_, String>(args.bandwidth)
        };
        assert_eq!(bandwidth("50MiB"), Ok(Some(Some(50 << 20))));
        assert_eq!(bandwidth("unlimited"), Ok(Some(None)));
        assert!(bandwidth("fast").is_err() && bandwidth("0B").is_err());
        // In the words of the configuration.
        let refused = bandwidth("5").expect_err("no unit");
        let words = "`5` is not a size; write `unlimited`, or a number and a unit, such as `20MiB`";
        assert!(refused.contains(words), "{refused}");
    }
}
