//! Memory that does not grow, and a database that is not much larger than what it holds.

use super::files::mib;
use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::measure::{run, to_f64};
use crate::service::{Plan, Service};
use crate::table::Line;

const MOST_MIB: f64 = 64.0;

fn peak(media: u32, parts: &[&str], code: i32, what: &str) -> Fallible<Line> {
    let service = Service::start(&Plan {
        media,
        media_bytes: 300,
        ..Plan::default()
    })?;
    let home = Home::new()?;
    let cost = run(&mut home.unlimited(&service.address, parts)?)?.expect(code, "the run")?;
    if home.number("SELECT count(*) FROM media")? != u64::from(media) {
        return Err("not everything was recorded".into());
    }
    Ok(line(&format!("{media} media{what}"), cost.peak_mib))
}

/// A line about the most memory of a run.
pub(super) fn line(what: &str, peak_mib: f64) -> Line {
    Line::value(
        &format!("peak memory, {what}"),
        format!("{peak_mib:.0} MiB"),
        &format!("≤ {MOST_MIB} MiB"),
        peak_mib <= MOST_MIB,
    )
}

pub(crate) fn memory(args: &Args) -> Fallible<Vec<Line>> {
    Ok(vec![
        peak(args.many(10_000), &["media", "assets"], 0, " with files")?,
        peak(args.many(100_000), &["media"], 3, " listed")?,
    ])
}

pub(crate) fn million(args: &Args) -> Fallible<Vec<Line>> {
    Ok(vec![peak(args.many(1_000_000), &["media"], 3, " listed")?])
}

pub(crate) fn database(args: &Args) -> Fallible<Vec<Line>> {
    let (media, contents) = (args.many(50_000), args.many(20_000));
    Ok(vec![
        ratio(
            &Plan {
                media,
                media_bytes: 300,
                ..Plan::default()
            },
            &["media"],
            3,
            &format!("database bytes a medium, of {media}, its file's row included"),
            "SELECT count(*), sum(length(cast(metadata AS BLOB))) FROM media",
        )?,
        ratio(
            &Plan {
                contents,
                body_bytes: 2_000,
                ..Plan::default()
            },
            &["contents"],
            0,
            &format!("database bytes a content of 2 KB, of {contents}, with its body"),
            "SELECT count(*), sum(length(cast(metadata AS BLOB)) + length(cast(published_body AS BLOB))) FROM contents",
        )?,
    ])
}

fn ratio(plan: &Plan, parts: &[&str], code: i32, what: &str, json: &str) -> Fallible<Line> {
    let service = Service::start(plan)?;
    let home = Home::new()?;
    run(&mut home.unlimited(&service.address, parts)?)?.expect(code, "the run")?;
    let (count, json): (u32, i64) = home
        .sql()?
        .query_row(json, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (bytes, json) = (to_f64(home.database_bytes()?), to_f64(json.unsigned_abs()));
    let each = |all: f64| format!("{:.0} B", all / f64::from(count));
    let line = Line::value(what, each(bytes), "≤ 1.8 ×", bytes / json <= 1.8);
    Ok(line
        .with_other(format!("its JSON {}", each(json)))
        .with_ratio(format!(
            "{:.2} (whole file {:.1} MiB)",
            bytes / json,
            mib(home.database_bytes()?)
        )))
}
