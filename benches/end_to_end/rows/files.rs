//! Files: as fast as those that do nothing but fetch.

use crate::Fallible;
use crate::args::Args;
use crate::home::{Home, settle_disk};
use crate::listing::{self, Kind};
use crate::measure::{Cost, run, to_f64};
use crate::nginx::Nginx;
use crate::peers::{self, need};
use crate::service::{Address, Plan, Service};
use crate::stats::Pairs;
use crate::table::Line;
use std::path::Path;
use std::process::Command;

/// At the same time, as the program's default.
const AT_A_TIME: u32 = 16;

pub(crate) fn mirror_http1(args: &Args) -> Fallible<Vec<Line>> {
    mirror(args, "HTTP/1.1", |nginx| nginx.http1)
}

pub(crate) fn mirror_http2(args: &Args) -> Fallible<Vec<Line>> {
    mirror(args, "HTTP/2", |nginx| nginx.http2)
}

fn mirror(args: &Args, protocol: &str, port: impl Fn(&Nginx) -> u16) -> Fallible<Vec<Line>> {
    let what = format!("cold mirror, {protocol}");
    if let Err(missing) = need("curl", "curl") {
        return Ok(vec![Line::skipped(&what, &missing.0)]);
    }
    let server = Home::new()?;
    let nginx = match Nginx::start(&server.path("nginx"), "127.0.0.1", &[])? {
        Ok(nginx) => nginx,
        Err(missing) => return Ok(vec![Line::skipped(&what, &missing.0)]),
    };
    let base = format!("https://127.0.0.1:{}", port(&nginx));
    let kinds = [
        Kind {
            count: args.many(5_000),
            bytes: 20 * 1024,
        },
        Kind {
            count: args.many(20),
            bytes: 10 * 1024 * 1024,
        },
    ];
    let paths = listing::write(&server.path("nginx/root"), &base, &kinds)?;
    let urls: Vec<String> = paths.iter().map(|path| format!("{base}/{path}")).collect();
    let at = Address {
        service_id: "bench".to_owned(),
        key: "bench-key".to_owned(),
        management: base.clone(),
        // Nobody asks there: contents are not wanted.
        content: "https://127.0.0.1:1".to_owned(),
        hosts: vec![base.trim_start_matches("https://").to_owned()],
    };
    let (mut wall, mut cpu, mut flushed) = (Pairs::default(), Pairs::default(), Pairs::default());
    let mut peak: f64 = 0.0;
    // ext4 looks long for a free inode for half a minute after many were freed: nobody shall pay for the turn before.
    let mut kept = Vec::new();
    for turn in 0..args.times() {
        let trust = |mut command: Command| {
            command.env("SSL_CERT_FILE", &nginx.authority);
            command
        };
        let home = Home::new()?;
        let listed = run(&mut trust(home.unlimited(&at, &["media"])?))?;
        listed.expect(3, "the listing")?;
        let dir = Home::new()?;
        let mut ours = || -> Fallible<Cost> {
            settle_disk()?;
            let words = ["-q", "sync", "--only", "assets"];
            run(&mut trust(home.program(args, &at, &words)))?.expect(0, "the program")
        };
        let mut curl = || -> Fallible<Cost> {
            settle_disk()?;
            let to = dir.path("curl");
            run(&mut peers::curl(
                &to,
                &urls,
                Some(&nginx.authority),
                AT_A_TIME,
            )?)?
            .expect(0, "curl")
        };
        let (ours, curl) = in_turns(turn, &mut ours, &mut curl)?;
        let mut flush = Command::new("sync");
        let flush = run(flush.arg("-f").arg(dir.path("curl")))?;
        same(&home.path("mirror"), &dir.path("curl"), urls.len())?;
        wall.add(ours.wall, curl.wall);
        // Its pages are written behind our run where ours came second; then this says too little, never
        // too much.
        flushed.add(ours.wall, curl.wall + flush.wall);
        cpu.add(ours.cpu, curl.cpu);
        peak = peak.max(ours.peak_mib);
        kept.push((home, dir));
    }
    let what = format!("{what}, {} files", urls.len());
    Ok(vec![
        Line::at_most(&format!("{what}: wall"), &wall, "curl -Z", 1.0, "s"),
        Line::beside(
            &format!("{what}: wall, curl with `sync -f` behind it"),
            &flushed,
            "curl -Z; sync",
            "s",
        ),
        Line::at_most(&format!("{what}: user + system"), &cpu, "curl -Z", 2.0, "s"),
        memory_line(&what, peak),
    ])
}

fn memory_line(what: &str, peak: f64) -> Line {
    let what = format!("{what}: peak memory");
    Line::value(&what, format!("{peak:.0} MiB"), "≤ 64 MiB", peak <= 64.0)
}

/// Does both; who is first changes with each turn.
fn in_turns<T>(
    turn: usize,
    one: &mut dyn FnMut() -> Fallible<T>,
    other: &mut dyn FnMut() -> Fallible<T>,
) -> Fallible<(T, T)> {
    if turn.is_multiple_of(2) {
        let one = one()?;
        Ok((one, other()?))
    } else {
        let other = other()?;
        Ok((one()?, other))
    }
}

fn same(ours: &Path, theirs: &Path, files: usize) -> Fallible<()> {
    let (ours, theirs) = (peers::weigh(ours)?, peers::weigh(theirs)?);
    if ours == theirs && ours.0 == u64::try_from(files)? {
        return Ok(());
    }
    Err(format!(
        "{files} files were to be fetched; ours and theirs (files, bytes): {ours:?}, {theirs:?}"
    )
    .into())
}

pub(crate) fn latency(args: &Args) -> Fallible<Vec<Line>> {
    const DELAY_MS: u32 = 30;
    const WIDE: u32 = 32;
    let files = args.many(1_000);
    let service = Service::start(&Plan {
        media: files,
        media_bytes: 20 * 1024,
        has_plain_names: true,
        asset_delay_ms: u64::from(DELAY_MS),
        ..Plan::default()
    })?;
    let floor = f64::from(files * DELAY_MS) / f64::from(WIDE) / 1000.0;
    let what = format!("{files} files, 30 ms an answer, 32 at a time");
    let mut names = Vec::new();
    let mut lines = Vec::new();
    for (tool, package) in [("curl", "curl"), ("wget2", "wget2")] {
        match need(tool, package) {
            Ok(()) => names.push(tool),
            Err(missing) => lines.push(Line::skipped(&format!("{what}: {tool}"), &missing.0)),
        }
    }
    let mut of_floor = Pairs::default();
    let mut of_peers = vec![Pairs::default(); names.len()];
    for turn in 0..args.times() {
        let home = Home::new()?;
        run(&mut home.unlimited(&service.address, &["media"])?)?.expect(3, "the listing")?;
        let urls = home.texts("SELECT url FROM assets ORDER BY rowid")?;
        let ours = || -> Fallible<Cost> {
            settle_disk()?;
            let words = ["-q", "sync", "--only", "assets"];
            let mut program = home.program(args, &service.address, &words);
            program.env("MICROCMS_BACKUP__LIMITS__DOWNLOADS", WIDE.to_string());
            run(&mut program)?.expect(0, "the program")
        };
        let theirs = || -> Fallible<Vec<f64>> {
            let mut walls = Vec::new();
            for tool in &names {
                settle_disk()?;
                let dir = Home::new()?;
                let to = dir.path(tool);
                let mut command = if *tool == "curl" {
                    peers::curl(&to, &urls, None, WIDE)?
                } else {
                    peers::wget2(&to, &urls, WIDE)?
                };
                walls.push(run(&mut command)?.expect(0, tool)?.wall);
                let (found, _) = peers::weigh(&to)?;
                if found != u64::from(files) {
                    return Err(format!("{tool} fetched {found} of {files} files").into());
                }
            }
            Ok(walls)
        };
        let (ours, theirs) = if turn.is_multiple_of(2) {
            let ours = ours()?;
            (ours, theirs()?)
        } else {
            let theirs = theirs()?;
            (ours()?, theirs)
        };
        if home.number("SELECT count(*) FROM assets WHERE state = 'saved'")? != u64::from(files) {
            return Err("not every file was saved".into());
        }
        of_floor.add(ours.wall, floor);
        for (pairs, wall) in of_peers.iter_mut().zip(theirs) {
            pairs.add(ours.wall, wall);
        }
    }
    let mut all = vec![Line::at_most(&what, &of_floor, "N·RTT/c", 1.05, "s")];
    for (tool, pairs) in names.iter().zip(&of_peers) {
        all.push(Line::beside(
            &format!("{what}, beside {tool}"),
            pairs,
            tool,
            "s",
        ));
    }
    all.extend(lines);
    Ok(all)
}

/// Bytes as MiB.
pub(super) fn mib(bytes: u64) -> f64 {
    to_f64(bytes) / 1_048_576.0
}
