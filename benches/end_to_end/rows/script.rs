//! Beside the script that somebody would write.

use crate::Fallible;
use crate::args::Args;
use crate::home::{Home, settle_disk};
use crate::measure::run;
use crate::peers::need;
use crate::service::{Plan, Service};
use crate::stats::{Pairs, Spread};
use crate::table::Line;
use rusqlite::Connection;
use std::process::Command;

const SCRIPT: &str = include_str!("../script.sh");
/// How many times faster than the script.
const FASTER: f64 = 15.0;

pub(crate) fn script(args: &Args) -> Fallible<Vec<Line>> {
    let (media, contents) = (args.many(10_000), args.many(5_000));
    let what = format!("{media} media + {contents} contents");
    for (tool, package) in [
        ("bash", "bash"),
        ("curl", "curl"),
        ("jq", "jq"),
        ("sqlite3", "sqlite3"),
    ] {
        if let Err(missing) = need(tool, package) {
            return Ok(vec![Line::skipped(&what, &missing.0)]);
        }
    }
    let service = Service::start(&Plan {
        media,
        contents,
        media_bytes: 1_000,
        body_bytes: 400,
        ..Plan::default()
    })?;
    let at = &service.address;
    // Theirs divided by ours.
    let mut pairs = Pairs::default();
    for _ in 0..args.times() {
        let home = Home::new()?;
        settle_disk()?;
        // More than the script does: it has the bodies, but no metadata of contents.
        let mut ours = home.unlimited(at, &["media", "contents"])?;
        let ours = run(&mut ours)?.expect(3, "the run")?;
        settle_disk()?;
        let dir = Home::new()?;
        let mut theirs = Command::new("bash");
        theirs
            .args(["-c", SCRIPT, "script", &at.management, &at.content, &at.key])
            .current_dir(dir.path("."));
        let theirs = run(&mut theirs)?.expect(0, "the script")?;
        let copy = Connection::open(dir.path("copy.sqlite3"))?;
        let count = |table: &str| -> Fallible<u32> {
            Ok(
                copy.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| {
                    row.get(0)
                })?,
            )
        };
        if (count("media")?, count("contents")?) != (media, contents) {
            return Err("the script did not get everything".into());
        }
        pairs.add(theirs.wall, ours.wall);
    }
    let speed = pairs.ratio.median();
    let line = Line::value(
        &what,
        format!("{:.2} s", pairs.other.median()),
        &format!("≥ {FASTER} × faster"),
        speed >= FASTER,
    );
    let line = line.with_other(format!("curl + jq + sqlite3 {:.2} s", pairs.ours.median()));
    Ok(vec![
        line.with_ratio(format!("{} × faster", Spread(&pairs.ratio))),
    ])
}
