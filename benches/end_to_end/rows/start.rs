//! Small commands, and the program itself.

use super::files::mib;
use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::library::now;
use crate::measure::run;
use crate::service::{Plan, Service};
use crate::stats::{Samples, Spread};
use crate::table::Line;
use microcms_backup::store::Lock;
use std::path::Path;
use std::process::Command;

const MOST_MS: f64 = 20.0;
const TIMES: usize = 25;

pub(crate) fn start(args: &Args) -> Fallible<Vec<Line>> {
    let service = Service::start(&Plan {
        media: 1_000,
        media_bytes: 300,
        contents: 1_000,
        body_bytes: 400,
        ..Plan::default()
    })?;
    let home = Home::new()?;
    run(&mut home.unlimited(&service.address, &[])?)?.expect(0, "the run")?;
    let time = |words: &[&str], code: i32| -> Fallible<Line> {
        let mut times = Samples::default();
        for _ in 0..TIMES {
            let mut command = home.program(args, &service.address, words);
            times.add(run(&mut command)?.expect(code, "the program")?.wall * 1000.0);
        }
        let what = format!("`{}`, exit code {code}", words.join(" "));
        Ok(Line::value(
            &what,
            format!("{} ms", Spread(&times)),
            &format!("≤ {MOST_MS} ms"),
            times.median() <= MOST_MS,
        ))
    };
    let mut lines = vec![time(&["--help"], 0)?, time(&["status"], 0)?];
    let lock =
        Lock::acquire(&home.database(), None, now(), |_| {}).map_err(|why| why.to_string())?;
    lines.push(time(&["sync"], 11)?);
    drop(lock);
    Ok(lines)
}

pub(crate) fn binary(args: &Args) -> Fallible<Vec<Line>> {
    let bytes = args.program.metadata()?.len();
    Ok(vec![Line::value(
        "stripped binary",
        format!("{:.2} MiB", mib(bytes)),
        "≤ 15 MiB",
        mib(bytes) <= 15.0,
    )])
}

/// Builds into a new folder; the sources of the dependencies must be there.
pub(crate) fn build(_args: &Args) -> Fallible<Vec<Line>> {
    let home = Home::new()?;
    let cargo = option_env!("CARGO").unwrap_or("cargo");
    let mut command = Command::new(cargo);
    command
        .args([
            "build",
            "--release",
            "--locked",
            "--offline",
            "--bin",
            "microcms-backup",
            "--target-dir",
        ])
        .arg(home.path("target"))
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    let cost = run(&mut command)?.expect(0, "cargo")?;
    let minutes = cost.wall / 60.0;
    Ok(vec![Line::value(
        "release build from nothing",
        format!("{minutes:.1} min"),
        "≤ 4 min on 2 cores",
        minutes <= 4.0,
    )])
}
