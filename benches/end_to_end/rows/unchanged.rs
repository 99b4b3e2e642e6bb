//! A run in which nothing changed.

use super::footprint;
use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::measure::run;
use crate::service::{Plan, Service};
use crate::stats::{Samples, Spread};
use crate::table::Line;
use rusqlite::Connection;

const MOST_CPU: f64 = 1.5;

pub(crate) fn unchanged(args: &Args) -> Fallible<Vec<Line>> {
    let (media, contents) = (args.many(100_000), args.many(100_000));
    let mut service = Service::start(&Plan {
        media,
        contents,
        media_bytes: 300,
        body_bytes: 400,
        ..Plan::default()
    })?;
    let home = Home::new()?;
    let first = run(&mut home.unlimited(&service.address, &[])?)?.expect(0, "the first run")?;
    count_writes(&home)?;
    service.counted()?;
    let (mut cpu, mut wall) = (Samples::default(), Samples::default());
    let (mut peak, mut assets, mut bodies): (f64, u64, u64) = (0.0, 0, 0);
    for _ in 0..args.times() {
        let again =
            run(&mut home.unlimited(&service.address, &[])?)?.expect(0, "the second run")?;
        let counted = service.counted()?;
        cpu.add(again.cpu);
        wall.add(again.wall);
        peak = peak.max(again.peak_mib);
        assets += counted.assets;
        bodies += counted.content;
    }
    let rows = home.number("SELECT count(*) FROM bench_writes")?;
    let what = format!("unchanged run, {media} media + {contents} contents");
    let zero = |name: &str, count: u64| {
        Line::value(
            &format!("{what}: {name}"),
            count.to_string(),
            "0",
            count == 0,
        )
    };
    Ok(vec![
        Line::value(
            &format!("{what}: user + system"),
            format!("{} s", Spread(&cpu)),
            &format!("≤ {MOST_CPU} s"),
            cpu.median() <= MOST_CPU,
        )
        .with_other(format!("wall {} s", Spread(&wall))),
        zero("rows written outside `runs`, `walks`, `transfer`", rows),
        zero("requests for files", assets),
        zero("requests for bodies", bodies),
        footprint::line(&what, peak),
        footprint::line(
            &format!("first run, {media} media with files + {contents} contents"),
            first.peak_mib,
        )
        .with_other(format!("wall {:.0} s", first.wall)),
    ])
}

/// Lets the database itself count every row that is written from now on.
fn count_writes(home: &Home) -> Fallible<()> {
    let conn = Connection::open(home.database())?;
    conn.execute_batch("CREATE TABLE bench_writes (what TEXT NOT NULL)")?;
    let tables = home.texts(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
         AND sql NOT LIKE 'CREATE VIRTUAL%'
         AND name NOT IN ('runs', 'walks', 'transfer', 'bench_writes')",
    )?;
    for table in tables {
        for verb in ["INSERT", "UPDATE", "DELETE"] {
            conn.execute_batch(&format!(
                "CREATE TRIGGER bench_{verb}_{table} AFTER {verb} ON {table}
                 BEGIN INSERT INTO bench_writes VALUES ('{table}: {verb}'); END"
            ))?;
        }
    }
    Ok(())
}
