//! A backup from beginning to end, without an account: `cargo run --release --example demo`.
//!
//! Starts the simulator, backs it up with the program's own `sync`, edits the service as people
//! do, syncs again, and asks the database what happened. Nothing leaves this machine.

mod home;
mod questions;
mod service;
mod table;

use std::error::Error;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use microcms_backup::cli;
use microcms_backup::config::Sources;
use microcms_backup::model::Timestamp;

use home::Home;
use service::Service;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments
        .next()
        .map_or_else(|| PathBuf::from("demo-backup"), PathBuf::from);
    let done = if arguments.next().is_some() {
        Err("usage: cargo run --release --example demo -- [FOLDER]".into())
    } else {
        demo(&folder, &mut io::stdout())
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_left_alone(error.as_ref()) => ExitCode::SUCCESS,
        Err(error) => {
            // Without stderr there is nobody left to tell.
            drop(writeln!(io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Whether the reader (`| head`) had seen enough.
fn is_left_alone(error: &(dyn Error + 'static)) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn demo(folder: &Path, out: &mut impl Write) -> Outcome {
    let home = Home::prepare(folder)?;
    let service = Service::start()?;

    heading(out, "The service")?;
    service.introduce(out)?;

    heading(out, "The first sync: everything")?;
    sync(&service, &home, "first.json", out)?;

    heading(out, "Somebody works in the admin screen")?;
    service.edit(out)?;

    heading(out, "The second sync: what changed")?;
    sync(&service, &home, "second.json", out)?;

    heading(out, "What you can ask now")?;
    writeln!(
        out,
        "Any SQLite tool opens {}, also while a sync runs.",
        home.path("backup.sqlite3").display()
    )?;
    questions::ask(&home, out)?;

    heading(out, "Where everything is")?;
    home.show(out)?;
    writeln!(
        out,
        "\nA file keeps the path of its URL:\n  {}\n",
        shortened(&questions::path_of(&home, service::PRICES)?)
    )?;
    writeln!(out, "{}", verdict(&home.path("second.json"))?)?;
    Ok(())
}

/// Returns a path in the mirror so that it fits a terminal: ids are cut.
fn shortened(path: &str) -> String {
    let is_id = |part: &str| part.len() == 32 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let cut = |part: &str| part.chars().take(6).chain(['…']).collect();
    let parts: Vec<String> = path
        .split('/')
        .map(|part| {
            if is_id(part) {
                cut(part)
            } else {
                part.to_owned()
            }
        })
        .collect();
    format!("mirror/{}", parts.join("/"))
}

fn heading(out: &mut impl Write, text: &str) -> io::Result<()> {
    writeln!(out, "\n=== {text} ===\n")
}

/// Runs what `microcms-backup sync` runs, with the environment as a value.
fn sync(service: &Service, home: &Home, report: &str, out: &mut impl Write) -> Outcome {
    let report = home.path(report);
    writeln!(
        out,
        "$ microcms-backup sync --report {}\n",
        report.display()
    )?;
    out.flush()?;
    let mut env = service.environment();
    for (key, name) in [
        ("DATABASE", "backup.sqlite3"),
        ("MIRROR", "mirror"),
        ("ARCHIVE", "archive"),
    ] {
        let path = home.path(name).display().to_string();
        env.insert(format!("MICROCMS_BACKUP__STORAGE__{key}"), path);
    }
    let sources = Sources {
        env,
        ..Sources::default()
    };
    let arguments = ["microcms-backup", "sync", "--report"].map(OsString::from);
    let arguments = arguments.into_iter().chain([report.into_os_string()]);
    match cli::run_with(arguments, sources, now) {
        0 => Ok(()),
        code => Err(format!("the sync ended with exit code {code}").into()),
    }
}

/// The verdict of a saved report, as a monitor would read it.
fn verdict(report: &Path) -> Result<String, Box<dyn Error>> {
    let report: serde_json::Value = serde_json::from_slice(&fs::read(report)?)?;
    let line = report
        .pointer("/verdict/line")
        .and_then(|line| line.as_str());
    Ok(line.ok_or("the report has no verdict")?.to_owned())
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
