//! What may be spent: the month's transfer, the line, the disk.

use crate::support::{
    Expect as _, Program, Sandbox, Setup, Volume, assert_holds, assert_sound_and_tidy, now,
};
use microcms_backup::model::{ExitCode, RunReport, Timestamp};
use microcms_sim::{AssetOptions, Edit, Sim};
use std::time::{Duration, Instant};

const KIB: u64 = 1024;

fn limited(limit: u64) -> Setup {
    Setup {
        monthly_transfer: Some(limit),
        ..Setup::default()
    }
}

async fn images(count: u32, bytes: u64, options: AssetOptions) -> Sim {
    Sim::builder()
        .media(count)
        .media_size(bytes..=bytes)
        .assets(options)
        .start()
        .await
}

fn asset_bytes(sim: &Sim) -> u64 {
    sim.counters().at(&sim.image_host()).bytes + sim.counters().at(&sim.file_host()).bytes
}

fn problem(report: &RunReport, scope: &str) -> String {
    let found = report.problems.iter().find(|it| it.scope == scope);
    let found = found.unwrap_or_else(|| panic!("no problem of {scope}: {:?}", report.problems));
    format!(
        "{} | {}",
        found.message,
        found.hint.clone().unwrap_or_default()
    )
}

/// Not much later: in the last hour of a month an hour later would be another budget.
fn a_little_later() -> Timestamp {
    now().plus(Duration::from_secs(5))
}

fn next_month() -> Timestamp {
    now().plus(Duration::from_secs(32 * 86_400))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_month_s_budget_is_kept_and_the_next_month_goes_on() {
    let no_head = AssetOptions {
        head: false,
        ..AssetOptions::default()
    };
    for options in [AssetOptions::default(), no_head] {
        let sim = images(24, 50 * KIB, options).await;
        let home = Sandbox::in_memory();
        let limit = 500 * KIB;
        let report = home
            .sync_with(&sim, limited(limit))
            .await
            .expect_code(ExitCode::Partial);
        let transferred = home.count(&format!(
            "SELECT sum(bytes) FROM transfer WHERE host IN ('{}', '{}')",
            sim.image_host(),
            sim.file_host()
        ));
        assert!(transferred <= limit, "{transferred}");
        assert!(transferred >= 400 * KIB, "no less than fits: {transferred}");
        let saved = report.assets.saved;
        if options.head {
            // None is begun that does not fit.
            let lines = sim.request_lines();
            let begun = lines.iter().filter(|line| line.starts_with("GET /assets/"));
            assert_eq!(begun.count() as u64, saved);
        }
        assert_eq!(report.assets.withheld, 24 - saved);
        assert_eq!(report.assets.owed, 24 - saved);
        // The report lists them.
        let listed = report.owed_files.iter().filter(|file| {
            file.why.as_deref() == Some("new") && sim.media_ids().contains(&file.media_id)
        });
        assert_eq!(listed.count() as u64, 24 - saved);
        let text = problem(&report, "assets");
        for part in ["500.0 KiB", "stay owed", "limits.monthly_transfer"] {
            assert!(text.contains(part), "{text}");
        }
        let budget = report.budget.clone().expect("a budget");
        assert_eq!(budget.limit, limit);
        assert!(budget.left < 50 * KIB);

        // Sizes that were told are not asked for again, and nothing is broken off again.
        let before = asset_bytes(&sim);
        sim.forget_requests();
        let report = home.sync_with(&sim, limited(limit)).await;
        assert_eq!(report.exit_code, ExitCode::Partial.code());
        assert_eq!((report.assets.saved, sim.counters().assets()), (0, 0));
        assert!(before > 0);

        let later = Setup {
            now: next_month,
            ..limited(4_000 * KIB)
        };
        home.sync_with(&sim, later).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_the_budget_is_begun_in_vain_a_few_times_only() {
    let no_head = AssetOptions {
        head: false,
        ..AssetOptions::default()
    };
    let (count, most) = (120, 300 * KIB);
    let sim = images(count, most, no_head).await;
    let home = Sandbox::in_memory();
    let report = home.sync_with(&sim, limited(5 * most - 1)).await;
    let report = report.expect_code(ExitCode::Partial);
    let (saved, withheld) = (report.assets.saved, report.assets.withheld);
    assert_eq!((withheld, report.assets.owed), (120 - saved, 120 - saved));
    let begun = || {
        let lines = sim.request_lines();
        let begun = lines.iter().filter(|line| line.starts_with("GET /assets/"));
        begun.count() as u64
    };
    // Sixteen, and what was under way beside them.
    assert!(begun() <= saved + 16 + 8, "{}", begun());
    let later = Setup {
        now: next_month,
        ..limited(60_000 * KIB)
    };
    home.sync_with(&sim, later).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_does_not_fit_leaves_the_budget_to_smaller_ones() {
    let sim = images(10, 10 * KIB, AssetOptions::default()).await;
    let id = sim.media_ids().swap_remove(0);
    sim.edit(Edit::ResizeMedium {
        id: id.clone(),
        size: 900 * KIB,
        touch: false,
    })
    .expect("resized");
    let home = Sandbox::in_memory();
    let report = home.sync_with(&sim, limited(500 * KIB)).await;
    assert_eq!((report.assets.saved, report.assets.withheld), (9, 1));
    assert_eq!(report.assets.owed_bytes, 900 * KIB);
    assert_eq!(
        home.texts("SELECT media_id FROM assets WHERE state = 'owed'"),
        [id]
    );
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_count_and_stop_too() {
    let sim = Sim::builder()
        .media(0)
        .list_api("blog", 600)
        .body_bytes(4_000)
        .gzip(false)
        .start()
        .await;
    let home = Sandbox::in_memory();
    let report = home
        .sync_with(&sim, limited(1_000 * KIB))
        .await
        .expect_code(ExitCode::Partial);
    assert!(
        report.bodies.saved > 0 && report.bodies.owed > 0,
        "{:?}",
        report.bodies
    );
    assert!(problem(&report, "bodies").contains("has no room for bodies"));
    // What comes beyond it is a part of one answer.
    let url = sim.content_url();
    let host = url.trim_start_matches("http://").trim_end_matches('/');
    let sent = sim.counters().at(host).bytes;
    assert!((900 * KIB..1_500 * KIB).contains(&sent), "{sent}");
    sim.forget_requests();
    let report = home.sync_with(&sim, limited(1_000 * KIB)).await;
    assert_eq!(report.bodies.saved, 0);
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forecast_comes_before_the_download_and_costs_nothing() {
    let sim = images(300, 20 * KIB, AssetOptions::default()).await;
    let home = Sandbox::in_memory();
    let dry = Setup {
        is_dry_run: true,
        wants_forecast: true,
        ..Setup::default()
    };
    let forecast = home
        .sync_with(&sim, dry)
        .await
        .forecast
        .expect("a forecast");
    let real: u64 = sim
        .truth()
        .media
        .iter()
        .map(|it| it.bytes().len() as u64)
        .sum();
    assert_eq!((forecast.files, forecast.asked), (300, 50));
    assert!(
        forecast.bytes.abs_diff(real) < real / 10,
        "{forecast:?}, {real}"
    );
    assert_eq!(asset_bytes(&sim), 0);

    let report = home
        .sync_with(&sim, limited(100_000 * KIB))
        .await
        .expect_complete();
    assert!(
        report.forecast.is_some(),
        "before a first download under a budget"
    );
    let report = home
        .sync_with(&sim, limited(100_000 * KIB))
        .await
        .expect_complete();
    assert_eq!(report.forecast, None);

    let mute = AssetOptions {
        head: false,
        ..AssetOptions::default()
    };
    let sim = images(10, 20 * KIB, mute).await;
    let home = Sandbox::in_memory();
    let report = home
        .sync_with(&sim, limited(100_000 * KIB))
        .await
        .expect_complete();
    assert_eq!(report.forecast, None, "a host that does not tell");
}

#[tokio::test(flavor = "multi_thread")]
async fn bandwidth_paces_all_downloads_together() {
    let sim = images(20, 50 * KIB, AssetOptions::default()).await;
    let home = Sandbox::in_memory();
    let begun = Instant::now();
    let paced = Setup {
        bandwidth: Some(500 * KIB),
        downloads: 16,
        ..Setup::default()
    };
    home.sync_with(&sim, paced).await.expect_complete();
    // 1,000 KiB: two seconds, less the burst.
    assert!(
        begun.elapsed() >= Duration::from_millis(1_700),
        "{:?}",
        begun.elapsed()
    );
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_is_not_filled_to_the_last_byte() {
    let sim = images(10, 50 * KIB, AssetOptions::default()).await;
    let home = Sandbox::in_memory();
    let greedy = Setup {
        keep_free: Some(u64::MAX / 4),
        ..Setup::default()
    };
    let report = home
        .sync_with(&sim, greedy)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!((report.assets.saved, report.assets.owed), (0, 10));
    assert_eq!(
        sim.counters().assets(),
        0,
        "looked at before anything is asked for"
    );
    let text = problem(&report, "assets");
    assert!(
        text.contains("no room left") && text.contains("storage.keep_free"),
        "{text}"
    );
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'owed'"),
        10,
        "nothing failed"
    );
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    // Where nothing has to be written, a full disk is nobody's trouble.
    let greedy = Setup {
        keep_free: Some(u64::MAX / 4),
        ..Setup::default()
    };
    home.sync_with(&sim, greedy).await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_that_is_used_up_puts_looks_off_and_leaves_a_whole_backup_whole() {
    let sim = images(4, 50 * KIB, AssetOptions::default()).await;
    let home = Sandbox::in_memory();
    home.sync(&sim).await.expect_complete();
    sim.forget_requests();
    let looking = Setup {
        revalidate_every: Some(Duration::from_secs(1)),
        now: a_little_later,
        ..limited(100 * KIB)
    };
    home.sync_with(&sim, looking).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_without_inodes_stops_downloads_cleanly() {
    let sim = images(80, KIB, AssetOptions::default()).await;
    let home = Sandbox::new();
    let Some(disk) = Volume::mount(home.path("mirror"), "size=20m,nr_inodes=100") else {
        return;
    };
    let setup = || Setup {
        downloads: 1,
        ..Setup::default()
    };
    let report = home
        .sync_with(&sim, setup())
        .await
        .expect_code(ExitCode::Partial);
    assert!(
        report.assets.saved > 5 && report.assets.owed > 5,
        "{:?}",
        report.assets
    );
    let text = problem(&report, "assets");
    assert!(text.contains("inodes"), "{text}");
    disk.remount("nr_inodes=1000");
    home.sync_with(&sim, setup()).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_reach_the_run_from_the_configuration_and_the_summary_tells_them() {
    let sim = images(30, 100 * KIB, AssetOptions::default()).await;
    let home = Sandbox::in_memory();
    let output = Program::sync(&home, &sim)
        .set("LIMITS__MONTHLY_TRANSFER", "1MiB")
        .set("LIMITS__BANDWIDTH", "50MiB")
        .set("ASSETS__MAX_SIZE", "10MiB")
        .set("STORAGE__KEEP_FREE", "1MiB")
        .run();
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(3), "{text}");
    for part in [
        "over the month's budget",
        "of 1.0 MiB left in 20",
        "UNSAFE: assets: the budget of 1.0 MiB for 20",
    ] {
        assert!(text.contains(part), "{text}");
    }
}
