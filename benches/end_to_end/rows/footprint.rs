//! Memory that does not grow, and a database that is not much larger than what it holds.

use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::measure::{run, to_f64};
use crate::service::{Plan, Service};
use crate::table::Line;
use rusqlite::Connection;

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
    let media = Plan {
        media,
        media_bytes: 300,
        ..Plan::default()
    };
    let contents = Plan {
        contents,
        body_bytes: 2_000,
        ..Plan::default()
    };
    let mut lines = Kept {
        table: "media",
        json: "length(cast(metadata AS BLOB))",
        code: 3,
    }
    .measure(&media, "medium", "its file's row")?;
    lines.push(saved(&media)?);
    lines.extend(
        Kept {
            table: "contents",
            json: "length(cast(metadata AS BLOB)) + length(cast(published_body AS BLOB))",
            code: 0,
        }
        .measure(&contents, "content of 2 KB", "everything else")?,
    );
    Ok(lines)
}

/// The whole file where every medium's file is saved, too.
fn saved(plan: &Plan) -> Fallible<Line> {
    let service = Service::start(plan)?;
    let home = Home::new()?;
    run(&mut home.unlimited(&service.address, &["media", "assets"])?)?.expect(0, "the run")?;
    let (count, json): (u32, i64) = home.sql()?.query_row(
        "SELECT count(*), sum(length(cast(metadata AS BLOB))) FROM media",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    Ok(line_of(
        "database, the whole file for each medium whose file is saved",
        home.database_bytes()?,
        (count, json.unsigned_abs()),
    ))
}

/// What is kept of one kind of things.
struct Kept {
    /// The table, and the part of a run that fills it.
    table: &'static str,
    /// An expression: the bytes of a row's JSON.
    json: &'static str,
    code: i32,
}

impl Kept {
    fn measure(&self, plan: &Plan, one: &str, rest: &str) -> Fallible<Vec<Line>> {
        let service = Service::start(plan)?;
        let home = Home::new()?;
        let mut list = home.unlimited(&service.address, &[self.table])?;
        run(&mut list)?.expect(self.code, "the run")?;
        let whole = home.database_bytes()?;
        let table = self.table;
        let history = format!("{table}_history");
        let json = self.json_bytes(&home, table)?;
        let current = pages_of(&home, table)?;
        // One more version of each; the database itself keeps the one before.
        Connection::open(home.database())?.execute_batch(&format!(
            "UPDATE {table} SET valid_from = '2100-01-01T00:00:00.000Z',
                 metadata = json_set(metadata, '$.updatedAt', '2099-01-01T00:00:00.000Z')"
        ))?;
        let old_json = self.json_bytes(&home, &history)?;
        let old = pages_of(&home, &history)?;
        Ok(vec![
            line_of(&format!("database, a current {one}"), current, json),
            line_of(
                &format!("database, a superseded version of a {one}"),
                old,
                old_json,
            ),
            line_of(
                &format!("database, the whole file for each {one}, with {rest}"),
                whole,
                json,
            ),
        ])
    }

    /// How many rows, and the bytes of their JSON.
    fn json_bytes(&self, home: &Home, table: &str) -> Fallible<(u32, u64)> {
        let sql = format!("SELECT count(*), sum({}) FROM {table}", self.json);
        let (count, json): (u32, i64) = home
            .sql()?
            .query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((count, json.unsigned_abs()))
    }
}

/// The bytes of the pages of a table and its indexes.
fn pages_of(home: &Home, table: &str) -> Fallible<u64> {
    home.number(&format!(
        "SELECT sum(pgsize) FROM dbstat
         WHERE name IN (SELECT name FROM sqlite_schema WHERE tbl_name = '{table}')"
    ))
}

fn line_of(what: &str, bytes: u64, (count, json): (u32, u64)) -> Line {
    let (bytes, json) = (to_f64(bytes), to_f64(json));
    let each = |all: f64| format!("{:.0} B", all / f64::from(count));
    let ratio = bytes / json;
    Line::value(what, each(bytes), "≤ 1.8 ×", ratio <= 1.8)
        .with_other(format!("its JSON {}", each(json)))
        .with_ratio(format!("{ratio:.2}"))
}
