//! Files: what a transfer may go through, and what a change upstream means for the copy on disk.

use crate::support::{Expect as _, NOBODY, Sandbox, Setup, assert_holds, assert_sound_and_tidy};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Adds an image at a path of its own and returns its id.
pub(crate) fn add(sim: &Sim, name: &str, bytes: Option<&[u8]>) -> String {
    sim.edit(Edit::AddMedium {
        name: name.to_owned(),
        bytes: bytes.map(<[u8]>::to_vec),
        path: Some(format!("/assets/s/{name}")),
        alt: Some("before".to_owned()),
        tags: Vec::new(),
    })
    .expect("a new medium")
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    let headers: BTreeMap<String, String> = headers
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Fault::Status {
        status,
        headers,
        body: body.to_owned(),
        consumed: false,
    }
}

fn quick() -> Setup {
    Setup {
        read_timeout: Duration::from_millis(400),
        downloads: 32,
        ..Setup::default()
    }
}

fn redirect(location: impl Into<String>) -> Fault {
    Fault::Redirect {
        status: 302,
        location: location.into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transfer_that_fails_once_is_made_good_in_the_same_run() {
    let sim = Sim::builder().media(20).start().await;
    let faults = [
        (
            "cut.png",
            Fault::Cut {
                after: 90,
                chunked: false,
            },
        ),
        (
            "cut-chunked.png",
            Fault::Cut {
                after: 90,
                chunked: true,
            },
        ),
        (
            "cut-at-once.png",
            Fault::Cut {
                after: 0,
                chunked: false,
            },
        ),
        ("dropped.png", Fault::DropBefore),
        ("dropped-after.png", Fault::DropAfter),
        ("silent.png", Fault::Stall { after: None }),
        ("stalled.png", Fault::Stall { after: Some(50) }),
        ("busy.png", answer(429, &[("retry-after", "1")], "")),
        ("busy-without-a-word.png", answer(429, &[], "")),
        ("broken.png", answer(500, &[], "oops")),
        (
            "away.png",
            answer(503, &[("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT")], ""),
        ),
        (
            "partial.png",
            answer(206, &[("content-range", "bytes 0-3/9")], "\u{89}PN"),
        ),
        ("nothing.png", answer(204, &[], "")),
        ("unmodified.png", answer(304, &[], "")),
    ];
    for (name, fault) in faults {
        add(&sim, name, None);
        sim.fault(Route::Image.containing(name), 1, fault);
    }
    let home = Sandbox::new();
    let begun = Instant::now();
    let report = home.sync_with(&sim, quick()).await.expect_complete();
    assert!(
        begun.elapsed() < Duration::from_secs(6),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!((report.assets.saved, report.assets.failed), (34, 0));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_had_stays_owed_holds_up_nobody_and_comes_with_the_next_run() {
    let sim = Sim::builder().media(60).start().await;
    let foreign = sim.foreign_url();
    let html = "<!DOCTYPE html><html><body>Please log in</body></html>";
    let faults = [
        ("missing.png", answer(404, &[], "")),
        (
            "forbidden.png",
            answer(403, &[], "<Error>AccessDenied</Error>"),
        ),
        ("unauthorised.png", answer(401, &[], "")),
        ("gone.png", answer(410, &[], "")),
        ("busy.png", answer(429, &[("retry-after", "0")], "")),
        ("broken.png", answer(503, &[], "")),
        (
            "cut.png",
            Fault::Cut {
                after: 90,
                chunked: false,
            },
        ),
        (
            "cut-chunked.png",
            Fault::Cut {
                after: 90,
                chunked: true,
            },
        ),
        ("stalled.png", Fault::Stall { after: Some(50) }),
        ("page.png", Fault::Html),
        ("json.png", Fault::Garbage),
        (
            "page-in-disguise.png",
            answer(200, &[("content-type", "image/png")], html),
        ),
        ("page-of-no-type.pdf", answer(200, &[], html)),
        (
            "json-in-disguise.png",
            answer(
                200,
                &[("content-type", "image/png")],
                "{\"message\":\"no\"}",
            ),
        ),
        (
            "empty.png",
            answer(200, &[("content-type", "image/png")], ""),
        ),
        (
            "unknown-coding.png",
            answer(200, &[("content-encoding", "br")], "x"),
        ),
        (
            "damaged-coding.png",
            answer(200, &[("content-encoding", "gzip")], "no gzip at all"),
        ),
        ("to-a-stranger.png", redirect(format!("{foreign}{{path}}"))),
        ("to-itself.png", redirect("{path}")),
        ("to-nowhere.png", answer(302, &[], "")),
        ("to-no-url.png", redirect("http://[::1")),
        (
            "to-plain-http.png",
            redirect("http://images.microcms-assets.io{path}"),
        ),
        ("to-a-file.png", redirect("file:///etc/passwd")),
        (
            "with-credentials.png",
            redirect(format!("http://user:secret@{}{{path}}", sim.image_host())),
        ),
    ];
    for (name, fault) in &faults {
        let id = add(&sim, name, None);
        let route = if name.ends_with(".pdf") {
            Route::File
        } else {
            Route::Image
        };
        sim.fault(route.containing(name), Occasion::Every, fault.clone());
        assert!(!id.is_empty());
    }
    let home = Sandbox::new();
    let report = home
        .sync_with(&sim, quick())
        .await
        .expect_code(ExitCode::Partial);
    let count = faults.len() as u64;
    assert_eq!(
        (
            report.assets.saved,
            report.assets.failed,
            report.assets.owed
        ),
        (60, count, count),
        "{:#?}",
        report.failed
    );
    assert!(!report.verdict.safe);
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'failed' AND last_error <> '' AND path IS NULL"),
        count
    );
    assert!(
        report.problems.iter().all(|problem| !problem
            .hint
            .as_deref()
            .unwrap_or_default()
            .contains("key")),
        "{:#?}",
        report.problems
    );
    let told = home
        .texts("SELECT last_error FROM assets WHERE state = 'failed'")
        .join("\n");
    assert!(!told.contains("secret"), "{told}");
    assert_sound_and_tidy(&home);
    let counters = sim.counters();
    assert_eq!(counters.of(Route::Foreign), 0, "the stranger was asked");
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
    for name in [
        "missing.png",
        "page.png",
        "to-a-stranger.png",
        "to-plain-http.png",
    ] {
        let asked = sim
            .requests()
            .iter()
            .filter(|request| request.path.ends_with(name))
            .count();
        assert_eq!(asked, 1, "{name}: asking again changes nothing");
    }

    sim.clear_faults();
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_complete();
    assert_eq!(report.assets.saved, count);
    assert_eq!(
        sim.counters().assets(),
        count,
        "what was saved is not asked for again"
    );
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_among_the_allowed_hosts_is_followed_without_the_key() {
    let sim = Sim::builder().start().await;
    let foreign = sim.foreign_url();
    let id = add(&sim, "moved.png", None);
    for status in [301, 302, 303, 307, 308] {
        let home = Sandbox::new();
        sim.clear_faults();
        sim.fault(
            Route::Image.containing("moved"),
            1,
            Fault::Redirect {
                status,
                location: format!("{foreign}{{path}}"),
            },
        );
        let setup = Setup {
            extra_hosts: vec![foreign.trim_start_matches("http://").to_owned()],
            ..quick()
        };
        home.sync_with(&sim, setup).await.expect_complete();
        assert_holds(&home, &sim.truth());
        let path = home.texts("SELECT path FROM assets");
        let host = sim.image_host().replace(':', "_");
        assert_eq!(
            path,
            [format!("{host}/assets/s/moved.png")],
            "the listed URL decides"
        );
    }
    assert_eq!(sim.counters().of(Route::Foreign), 5);
    let counters = sim.counters();
    assert_eq!(
        (counters.keys_at_asset_hosts, counters.keys_at_wrong_hosts),
        (0, 0)
    );
    assert!(!id.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_drip_is_waited_for_as_long_as_it_drips() {
    let sim = Sim::builder().start().await;
    add(&sim, "slow.png", Some(&png(1_500)));
    sim.fault(
        Route::Image,
        Occasion::Every,
        Fault::Drip {
            bytes_per_second: 1_000,
        },
    );
    let home = Sandbox::new();
    home.sync_with(&sim, quick()).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(sim.counters().assets(), 1);
}

/// The last chunk of a PNG.
pub(crate) const PNG_END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// Bytes that pass for a PNG.
pub(crate) fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length.max(20) - 12, 0x5a);
    bytes.extend(PNG_END);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_is_down_is_not_hammered_and_the_other_host_is_not_affected() {
    let sim = Sim::builder().media(600).start().await;
    sim.fault(Route::Image, Occasion::Every, answer(503, &[], ""));
    let home = Sandbox::new();
    let begun = Instant::now();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    let images = sim
        .truth()
        .media
        .iter()
        .filter(|medium| medium.url.contains(&sim.image_host()))
        .count() as u64;
    assert!(images > 300);
    assert_eq!(
        (report.assets.saved, report.assets.failed),
        (600 - images, images)
    );
    // A few files are tried as usual, the rest once each: some of them might have been well.
    let asked = sim.counters().of(Route::Image);
    assert!(
        asked <= images + 24 * 3,
        "{asked} requests for {images} files"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );

    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_nothing_leads_to_or_that_is_not_allowed_is_said_once_with_what_to_do() {
    let sim = Sim::builder().media(200).start().await;
    let foreign = sim.foreign_url();
    let dead = NOBODY.to_owned();
    sim.fault(
        Route::Image,
        Occasion::Every,
        redirect(format!("http://{dead}{{path}}")),
    );
    sim.fault(
        Route::File,
        Occasion::Every,
        redirect(format!("{foreign}{{path}}")),
    );
    let home = Sandbox::new();
    let setup = Setup {
        extra_hosts: vec![dead.clone()],
        ..quick()
    };
    let report = home
        .sync_with(&sim, setup)
        .await
        .expect_code(ExitCode::Partial);
    assert_eq!(report.assets.failed, 200);
    let hints: Vec<&str> = report
        .problems
        .iter()
        .filter(|problem| problem.scope == "assets")
        .filter_map(|problem| problem.hint.as_deref())
        .collect();
    assert_eq!(hints.len(), 2, "{:#?}", report.problems);
    assert!(
        hints.iter().any(|hint| hint.contains("assets.hosts")),
        "{hints:?}"
    );
    assert!(
        sim.counters().of(Route::Image) < 200,
        "a host that nothing leads to is given up"
    );

    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_at_a_url_that_the_walk_then_replaces_is_not_the_run_s_last_word() {
    let sim = Sim::builder().media(40).start().await;
    let home = Sandbox::new();
    let only = microcms_backup::sync::Only {
        media: true,
        contents: false,
        assets: false,
    };
    // Owed, as an interrupted run leaves it; then renamed, so that the old URLs are dead.
    home.sync_with(
        &sim,
        Setup {
            only,
            ..Setup::default()
        },
    )
    .await;
    for (n, id) in sim.media_ids().into_iter().enumerate() {
        sim.edit(Edit::RenameMedium {
            id,
            name: format!("{n}.png"),
            touch: true,
        })
        .expect("edited");
    }
    sim.fault(Route::Media, 1, Fault::Delay { ms: 500 });
    let report = home.sync(&sim).await.expect_complete();
    assert!(
        sim.counters().statuses.contains_key(&404),
        "the old URLs were not tried"
    );
    assert_eq!(
        (
            report.assets.saved,
            report.assets.failed,
            report.failed.len()
        ),
        (40, 0, 0)
    );
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}
