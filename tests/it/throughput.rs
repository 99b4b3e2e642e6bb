//! Downloads beside the walk: together, bounded, in nobody's way.

use crate::assets::PNG_END;
use crate::support::{Expect as _, Program, Sandbox, Setup, assert_holds, assert_sound_and_tidy};
use microcms_sim::{Edit, Fault, Occasion, RequestRecord, Route, Sim};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length.max(20) - PNG_END.len(), 9);
    bytes.extend(PNG_END);
    bytes
}

fn add(sim: &Sim, name: &str, bytes: Vec<u8>) -> String {
    let edit = Edit::AddMedium {
        name: name.into(),
        bytes: Some(bytes),
        path: Some(format!("/assets/s/{name}")),
        alt: None,
        tags: Vec::new(),
    };
    sim.edit(edit).expect("a medium")
}

fn is_asset(request: &RequestRecord) -> bool {
    matches!(request.route, Route::Image | Route::File)
}

#[tokio::test(flavor = "multi_thread")]
async fn downloads_run_while_the_listing_is_walked() {
    let sim = Sim::builder().media(600).start().await;
    sim.fault(Route::Media, Occasion::Every, Fault::Delay { ms: 400 });
    for route in [Route::Image, Route::File] {
        sim.fault(route, Occasion::Every, Fault::Delay { ms: 40 });
    }
    let home = Sandbox::in_memory();
    let begun = Instant::now();
    home.sync_with(
        &sim,
        Setup {
            downloads: 16,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    let took = begun.elapsed();
    let requests = sim.requests();
    let pages: Vec<u64> = requests
        .iter()
        .filter(|r| r.route == Route::Media)
        .map(|r| r.at_ms)
        .collect();
    let walk_end = pages.last().expect("pages") + 400;
    let before = requests
        .iter()
        .filter(|r| is_asset(r) && r.at_ms < walk_end)
        .count();
    // The walk takes 2.4 s and the downloads 1.5 s; one after the other, it would be none.
    assert!(
        before >= 60,
        "{before} of 600 files while the walk lasted, {took:?} in all"
    );
    assert!(sim.counters().assets_max_open <= 16);
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_downloads_at_a_time_as_allowed_and_no_more() {
    for downloads in [1, 5] {
        let sim = Sim::builder().media(40).start().await;
        for route in [Route::Image, Route::File] {
            sim.fault(route, Occasion::Every, Fault::DelayAfter { ms: 20 });
        }
        let home = Sandbox::in_memory();
        home.sync_with(
            &sim,
            Setup {
                downloads,
                ..Setup::default()
            },
        )
        .await
        .expect_complete();
        assert_eq!(sim.counters().assets_max_open, downloads as u64);
        assert_eq!(sim.counters().assets(), 40);
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_large_file_takes_one_place_and_holds_up_no_other() {
    let sim = Sim::builder().media(300).start().await;
    add(&sim, "huge.png", png(600_000));
    sim.fault(
        Route::Image.containing("huge"),
        Occasion::Every,
        Fault::Drip {
            bytes_per_second: 150_000,
        },
    );
    let home = Sandbox::in_memory();
    home.sync_with(
        &sim,
        Setup {
            downloads: 2,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    let requests = sim.requests();
    let at = |huge: bool| {
        requests
            .iter()
            .filter(move |r| is_asset(r) && r.path.contains("huge") == huge)
            .map(|r| r.at_ms)
    };
    let begun = at(true).next().expect("asked for");
    let behind = at(false).filter(|ms| *ms > begun + 4_000).count();
    assert_eq!(behind, 0, "files waited for the huge one");
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn five_thousand_files_are_each_asked_for_once() {
    let sim = Sim::builder()
        .media(5_000)
        .media_size(200..=300)
        .workers(2)
        .start()
        .await;
    // Some need a second try, and some cannot be had at all.
    sim.fault(
        Route::Image.containing(".jpg"),
        Occasion::EachNth(200),
        Fault::DropAfter,
    );
    let home = Sandbox::in_memory();
    home.sync_with(
        &sim,
        Setup {
            downloads: 16,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    let requests = sim.requests();
    let asked: Vec<&RequestRecord> = requests.iter().filter(|r| is_asset(r)).collect();
    let failed = asked.iter().filter(|r| r.status == 0).count();
    assert!(failed > 0);
    assert_eq!(asked.len() - failed, 5_000);
    let distinct: BTreeSet<&str> = asked.iter().map(|r| r.path.as_str()).collect();
    assert_eq!(distinct.len(), 5_000);
    assert_sound_and_tidy(&home);
    assert_holds(&home, &sim.truth());
}

/// The most memory that a process ever held, in bytes, while it lives.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

#[tokio::test(flavor = "multi_thread")]
async fn large_files_pass_through_without_being_held_in_memory() {
    let sim = Sim::builder().start().await;
    // 16 at a time: all in memory would be 256 MiB.
    for n in 0..16 {
        add(&sim, &format!("{n}.png"), png(16 << 20));
    }
    let home = Sandbox::in_memory();
    let mut running = Program::sync(&home, &sim)
        .set("LIMITS__DOWNLOADS", "16")
        .start();
    let mut peak = 0;
    let status = loop {
        peak = peak.max(peak_memory(running.id()).unwrap_or(0));
        if let Some(status) = running.ended() {
            break status;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    assert_eq!(status.code(), Some(0));
    assert!(peak > 0 && peak < 96 << 20, "{} MiB", peak >> 20);
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved'"),
        16
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_media_page_is_late_downloads_leave_it_the_line() {
    let sim = Sim::builder()
        .media(120)
        .media_size(40_000..=40_000)
        .start()
        .await;
    for route in [Route::Image, Route::File] {
        sim.fault(
            route,
            Occasion::Every,
            Fault::Drip {
                bytes_per_second: 40_000,
            },
        );
    }
    // The first page comes at once and makes files owed; the second is late.
    sim.fault(Route::Media, 2, Fault::DelayAfter { ms: 4_000 });
    let home = Sandbox::in_memory();
    let (watched, report) = tokio::join!(
        async {
            until_asked(&sim, Route::Media, 2).await;
            tokio::time::sleep(Duration::from_millis(2_000)).await;
            let before = sim.requests().iter().filter(|r| is_asset(r)).count();
            tokio::time::sleep(Duration::from_millis(1_500)).await;
            let after = sim.requests().iter().filter(|r| is_asset(r)).count();
            after - before
        },
        home.sync_with(
            &sim,
            Setup {
                downloads: 32,
                read_timeout: Duration::from_secs(8),
                ..Setup::default()
            }
        )
    );
    report.expect_complete();
    assert_eq!(watched, 0, "files were asked for while the page was late");
    assert_holds(&home, &sim.truth());
}

async fn until_asked(sim: &Sim, route: Route, times: u64) {
    while sim.counters().of(route) < times {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_stay_young_while_every_download_drips() {
    let sim = Sim::builder()
        .media(900)
        .media_size(20_000..=20_000)
        .start()
        .await;
    for route in [Route::Image, Route::File] {
        sim.fault(
            route,
            Occasion::EachNth(3),
            Fault::Drip {
                bytes_per_second: 30_000,
            },
        );
    }
    let home = Sandbox::in_memory();
    home.sync_with(
        &sim,
        Setup {
            downloads: 64,
            ..Setup::default()
        },
    )
    .await
    .expect_complete();
    let oldest = sim
        .counters()
        .token_ages_ms
        .into_iter()
        .max()
        .expect("tokens");
    assert!(oldest < 2_000, "{oldest} ms");
    assert!(sim.counters().assets_max_open <= 64);
}
