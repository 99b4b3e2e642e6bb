//! Downloads that fill the line must not make the page token old.

use crate::Fallible;
use crate::args::Args;
use crate::home::Home;
use crate::library::TokenAges;
use crate::listing::{self, Kind};
use crate::measure::{run, to_f64};
use crate::netns::{SERVER, SlowLine};
use crate::nginx::Nginx;
use crate::peers::need;
use crate::service::Address;
use crate::table::Line;
use rustix::process::geteuid;

const WHAT: &str = "oldest page token on a line of 10 Mbit/s full of downloads";

pub(crate) fn link(args: &Args) -> Fallible<Vec<Line>> {
    for (tool, package) in [("ip", "iproute2"), ("tc", "iproute2")] {
        if let Err(missing) = need(tool, package) {
            return Ok(vec![Line::skipped(WHAT, &missing.0)]);
        }
    }
    if !geteuid().is_root() {
        return Ok(vec![Line::skipped(WHAT, "a network namespace needs root")]);
    }
    let line = match SlowLine::open()? {
        Ok(line) => line,
        Err(why) => return Ok(vec![Line::skipped(WHAT, &why)]),
    };
    let server = Home::new()?;
    let enter = ["ip", "netns", "exec", &line.name];
    let nginx = match Nginx::start(&server.path("nginx"), SERVER, &enter)? {
        Ok(nginx) => nginx,
        Err(missing) => return Ok(vec![Line::skipped(WHAT, &missing.0)]),
    };
    let mut lines = Vec::new();
    for (protocol, port) in [("HTTP/1.1", nginx.http1), ("HTTP/2", nginx.http2)] {
        let base = format!("https://{SERVER}:{port}");
        // Thirty pages take half a minute within the limits; so do 48 MB on this line.
        let kinds = [
            Kind {
                count: 40,
                bytes: 1024 * 1024,
            },
            Kind {
                count: if args.is_quick { 960 } else { 2_960 },
                bytes: 2 * 1024,
            },
        ];
        let root = server.path("nginx/root");
        let paths = listing::write(&root, &base, &kinds)?;
        let at = Address {
            service_id: "bench".to_owned(),
            key: "bench-key".to_owned(),
            management: base.clone(),
            // Nobody asks there: contents are not wanted.
            content: format!("https://{SERVER}:1"),
            hosts: vec![base.trim_start_matches("https://").to_owned()],
        };
        let home = Home::new()?;
        let mut command = home.within_limits(&at, &["media", "assets"])?;
        command.env("SSL_CERT_FILE", &nginx.authority);
        let ours = run(&mut command)?.expect(0, "the program")?;
        let walk = "FROM walks WHERE scope = 'media' AND verdict = 'proven'";
        if home.number(&format!("SELECT unique_ids {walk}"))? != u64::try_from(paths.len())? {
            return Err("the walk does not have all media".into());
        }
        let age = home.number(&format!("SELECT max_token_age_ms {walk}"))?;
        let restarts = home.number(&format!("SELECT restarts {walk}"))?;
        let bytes = home.number("SELECT sum(bytes) FROM assets")?;
        let rate = super::files::mib(bytes) * 8.388_608 / ours.wall;
        lines.push(Line::value(
            &format!(
                "{WHAT} ({}), {protocol} ({restarts} restarts; {rate:.1} Mbit/s of files over the whole run)",
                line.shaper
            ),
            format!("{age} ms"),
            "< 5000 ms",
            age < 5_000,
        )
        .with_other(histogram(&serde_json::from_str(ours.out.trim())?)));
    }
    drop(nginx);
    drop(line);
    Ok(lines)
}

/// The classes that have tokens, and how many each has.
fn histogram(ages: &TokenAges) -> String {
    let mut from = 0.0;
    let mut told = Vec::new();
    for (limit, count) in ages {
        let seconds = |millis: &u64| to_f64(*millis) / 1000.0;
        let class = match limit.as_ref().map(seconds) {
            Some(to) => format!("{from}–{to} s"),
            None => format!("over {from} s"),
        };
        if *count > 0 {
            told.push(format!("{class}: {count}"));
        }
        from = limit.as_ref().map_or(from, seconds);
    }
    format!("tokens by age: {}", told.join(", "))
}
