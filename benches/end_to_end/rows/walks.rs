//! Listings: bound by the slower of reading them and writing them.

use crate::args::Args;
use crate::home::{Home, settle_disk};
use crate::measure::{Cost, run};
use crate::service::{Address, Plan, Service};
use crate::stats::{Pairs, Samples, Spread};
use crate::table::Line;
use crate::{Fallible, children};
use std::process::Command;

pub(crate) fn media(args: &Args) -> Fallible<Vec<Line>> {
    let count = args.many(100_000);
    let service = Service::start(&Plan {
        media: count,
        media_bytes: 1_000,
        ..Plan::default()
    })?;
    let at = &service.address;
    let read = || children::command("read-media", &[&at.management, &at.key]);
    let walk = Walk {
        parts: &["media"],
        tables: &["media", "assets", "leaves"],
        // The files stay owed.
        code: 3,
        count: "SELECT count(*) FROM media",
        expected: u64::from(count),
        most: 1.3,
    };
    walk.measure(args, at, &format!("{count} media"), read)
}

pub(crate) fn contents(args: &Args) -> Fallible<Vec<Line>> {
    let count = args.many(100_000);
    let service = Service::start(&Plan {
        contents: count,
        body_bytes: 2_000,
        ..Plan::default()
    })?;
    let at = &service.address;
    let read = || children::command("read-contents", &[&at.management, &at.content, &at.key]);
    let walk = Walk {
        parts: &["contents"],
        tables: &["contents", "content_texts", "media_references", "leaves"],
        code: 0,
        count: "SELECT count(*) FROM contents WHERE published_body IS NOT NULL",
        expected: u64::from(count),
        most: 1.4,
    };
    walk.measure(args, at, &format!("{count} contents with bodies"), read)
}

struct Walk<'a> {
    parts: &'a [&'a str],
    /// Where its rows go.
    tables: &'a [&'a str],
    code: i32,
    /// Counts what must be there.
    count: &'a str,
    expected: u64,
    /// The target of a first run.
    most: f64,
}

impl Walk<'_> {
    fn measure(
        &self,
        args: &Args,
        at: &Address,
        what: &str,
        read: impl Fn() -> Fallible<Command>,
    ) -> Fallible<Vec<Line>> {
        let (mut first, mut second) = (Pairs::default(), Pairs::default());
        let (mut reads, mut writes) = (Samples::default(), Samples::default());
        let (mut cpu, mut cpu_again) = (Samples::default(), Samples::default());
        for _ in 0..args.times() {
            let home = Home::new()?;
            let reading = told(run(&mut read()?)?.expect(0, "reading alone")?)?;
            settle_disk()?;
            let ours = run(&mut home.unlimited(at, self.parts)?)?.expect(self.code, "the run")?;
            if home.number(self.count)? != self.expected {
                return Err("not everything was recorded".into());
            }
            settle_disk()?;
            let writing = told(run(&mut self.insert(&home)?)?.expect(0, "inserting alone")?)?;
            let again = run(&mut home.unlimited(at, self.parts)?)?.expect(self.code, "the run")?;
            let reading_again = told(run(&mut read()?)?.expect(0, "reading alone")?)?;
            let reading = f64::midpoint(reading, reading_again);
            first.add(ours.wall, reading.max(writing));
            // Of the contents, nothing is read again but the metadata: no floor of the same kind.
            second.add(again.wall, reading);
            reads.add(reading);
            writes.add(writing);
            cpu.add(ours.cpu);
            cpu_again.add(again.cpu);
        }
        let floors = format!("R {} s, W {} s; max", Spread(&reads), Spread(&writes));
        let named = |run: &str, cpu: &Samples| {
            format!("{what}, {run} (user + system {:.2} s)", cpu.median())
        };
        let mut lines = vec![Line::at_most(
            &named("first run", &cpu),
            &first,
            &floors,
            self.most,
            "s",
        )];
        let again = named("second run", &cpu_again);
        lines.push(if self.tables.contains(&"media") {
            Line::at_most(&again, &second, "R", 1.3, "s")
        } else {
            Line::beside(&again, &second, "R of a first run", "s")
        });
        Ok(lines)
    }

    fn insert(&self, home: &Home) -> Fallible<Command> {
        let (from, to) = (home.database(), home.path("floor.sqlite3"));
        let paths = [from.to_str(), to.to_str()].map(Option::unwrap_or_default);
        children::command("insert", &[&paths[..], self.tables].concat())
    }
}

/// The seconds that a floor told.
fn told(cost: Cost) -> Fallible<f64> {
    Ok(cost.out.trim().parse()?)
}
