//! Files: what a transfer may go through, and what a change upstream means for the copy on disk.

use crate::support::{
    Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound, assert_sound_and_tidy,
    digest,
};
use microcms_backup::model::ExitCode;
use microcms_sim::{AssetOptions, Edit, Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Adds an image at a path of its own and returns its id.
fn add(sim: &Sim, name: &str, bytes: Option<&[u8]>) -> String {
    sim.edit(Edit::AddMedium {
        name: name.to_owned(),
        bytes: bytes.map(<[u8]>::to_vec),
        path: Some(format!("/assets/s/{name}")),
        alt: Some("before".to_owned()),
        tags: Vec::new(),
    })
    .expect("a new medium")
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
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

/// Bytes that pass for a PNG.
fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length.max(8), 0x5a);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn new_bytes_under_the_same_url_take_the_place_and_the_old_ones_go_to_the_archive() {
    let sim = Sim::builder().media(3).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    let home = Sandbox::new();
    let first = home.sync(&sim).await.expect_complete();

    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(200)),
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
    sim.forget_requests();
    let second = home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 1);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&png(100))), Some(png(100)));

    // And back again: the archive has those bytes already.
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(100)),
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
    let third = home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(archived(&home, &digest(&png(200))), Some(png(200)));
    for (report, bytes) in [(&first, 100), (&second, 200), (&third, 100)] {
        assert_eq!(
            at_time(&home, &id, &report.finished_at.to_string()),
            [digest(&png(bytes))]
        );
    }
    assert_eq!(at_time(&home, &id, &first.started_at.to_string()), [""; 0]);
}

/// What the timeline says a file's digest was.
fn at_time(home: &Sandbox, id: &str, time: &str) -> Vec<String> {
    home.texts(&format!(
        "SELECT sha256 FROM assets_timeline WHERE media_id = '{id}'
         AND valid_from <= '{time}' AND (valid_to IS NULL OR '{time}' < valid_to)"
    ))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_change_of_bytes_is_found_when_a_full_run_asks() {
    let sim = Sim::builder().media(10).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // Without an `alt` the listing does not show that anything happened.
    sim.edit(Edit::SetAlt {
        id: id.clone(),
        alt: None,
        touch: false,
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(120)),
        touch: false,
        stale_requests: 0,
    })
    .expect("edited");
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);

    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    let report = home.sync_with(&sim, full).await.expect_complete();
    assert_eq!((report.assets.saved, report.assets.unchanged), (1, 10));
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_description_costs_one_conditional_request_and_no_bytes() {
    for options in [
        AssetOptions::default(),
        AssetOptions {
            etag: false,
            ..AssetOptions::default()
        },
        AssetOptions {
            last_modified: false,
            ..AssetOptions::default()
        },
    ] {
        let sim = Sim::builder().media(5).assets(options).start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let ids = sim.media_ids();
        for (id, touch) in ids.iter().zip([true, false]) {
            sim.edit(Edit::SetAlt {
                id: id.clone(),
                alt: Some("new".into()),
                touch,
            })
            .expect("edited");
        }
        sim.edit(Edit::SetTags {
            id: ids[2].clone(),
            tags: vec!["t".into()],
            touch: true,
        })
        .expect("edited");
        sim.forget_requests();
        let report = home.sync(&sim).await.expect_complete();
        assert_eq!(sim.counters().statuses.get(&304), Some(&3));
        assert_eq!(
            (
                sim.counters().assets(),
                report.assets.unchanged,
                report.assets.bytes
            ),
            (3, 3, 0)
        );
        assert_eq!(home.count("SELECT count(*) FROM assets_history"), 0);
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_moves_the_file_and_keeps_one_copy_of_the_bytes() {
    let sim = Sim::builder().media(30).start().await;
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let ids = sim.media_ids();
    for (n, id) in ids.iter().take(6).enumerate() {
        sim.edit(Edit::RenameMedium {
            id: id.clone(),
            name: format!("写真 {n}+@.png"),
            touch: n % 2 == 0,
        })
        .expect("edited");
    }
    for id in ids.iter().skip(6).take(3) {
        sim.edit(Edit::ReplaceUnderNewUrl {
            id: id.clone(),
            bytes: None,
        })
        .expect("edited");
    }
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 9);
    assert_eq!(home.count("SELECT count(*) FROM assets_history"), 9);
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        crate::support::files(&home.path("archive")).len(),
        3,
        "same bytes are no second version"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_flips_back_and_forth_leaves_one_file_and_its_whole_history() {
    let sim = Sim::builder().media(4).start().await;
    let home = Sandbox::new();
    let id = sim.media_ids()[0].clone();
    for round in 0..4 {
        let name = if round % 2 == 0 { "a.png" } else { "b.png" };
        sim.edit(Edit::RenameMedium {
            id: id.clone(),
            name: name.into(),
            touch: true,
        })
        .expect("edited");
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
        let path = home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"));
        assert!(path[0].ends_with(name), "{path:?}");
    }
    assert_eq!(home.count("SELECT count(*) FROM assets_history"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_host_for_every_url_brings_the_files_along() {
    let service = || Sim::builder().seed(11).media(40);
    let (before, after) = (service().start().await, service().start().await);
    let home = Sandbox::new();
    home.sync(&before).await.expect_complete();
    home.sync(&after).await.expect_complete();
    assert_holds(&home, &after.truth());
    assert_sound_and_tidy(&home);
    assert_eq!(
        crate::support::files(&home.path("archive")).len(),
        0,
        "no bytes were superseded"
    );
    home.sync(&before).await.expect_complete();
    assert_holds(&home, &before.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_media_with_one_url_each_keep_a_file() {
    let sim = Sim::builder().media(3).start().await;
    let ids: Vec<String> = (0..3)
        .map(|_| add(&sim, "shared.png", Some(&png(64))))
        .collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    let own = home.count("SELECT count(*) FROM assets WHERE path LIKE '%/assets/s/shared.png'");
    assert_eq!(own, 1, "one of them has the URL's own path");

    for id in &ids {
        sim.edit(Edit::ReplaceBytes {
            id: id.clone(),
            bytes: Some(png(65)),
            touch: true,
            stale_requests: 0,
        })
        .expect("edited");
    }
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    let paths = || home.texts("SELECT path FROM assets ORDER BY media_id");
    let settled = paths();
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    home.sync_with(&sim, full).await.expect_complete();
    assert_eq!(paths(), settled, "a path that is had is kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn urls_that_decode_to_one_path_never_write_one_file() {
    let sim = Sim::builder().start().await;
    for (name, path) in [("A.png", "/assets/s/A.png"), ("A.png", "/assets/s/%41.png")] {
        sim.edit(Edit::AddMedium {
            name: name.into(),
            bytes: Some(png(80)),
            path: Some(path.into()),
            alt: None,
            tags: Vec::new(),
        })
        .expect("a new medium");
    }
    let other = "GIF89a: other bytes";
    sim.fault(
        Route::Image.containing("%41"),
        Occasion::Every,
        answer(200, &[("content-type", "image/gif")], other),
    );
    let home = Sandbox::new();
    for _ in 0..2 {
        home.sync(&sim).await.expect_complete();
        assert_sound_and_tidy(&home);
        assert_eq!(
            home.count("SELECT count(DISTINCT sha256) FROM assets WHERE state = 'saved'"),
            2
        );
        // Both are fetched anew, with both paths taken.
        std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_path_whose_owner_waits_for_its_file_is_not_given_away() {
    let sim = Sim::builder().start().await;
    let first = add(&sim, "A.png", Some(b"GIF87a"));
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    // The file is lost and cannot be had; meanwhile a newcomer's URL decodes to the same path.
    std::fs::remove_dir_all(home.path("mirror")).expect("removed");
    sim.fault(
        Route::Image.containing("/A.png"),
        Occasion::Every,
        answer(404, &[], ""),
    );
    sim.edit(Edit::AddMedium {
        name: "A.png".into(),
        bytes: None,
        path: Some("/assets/s/%41.png".into()),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium");
    sim.fault(
        Route::Image.containing("%41"),
        Occasion::Every,
        answer(200, &[("content-type", "image/png")], "GIF89a"),
    );
    home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert_sound(&home);

    sim.clear_faults();
    sim.fault(
        Route::Image.containing("/A.png"),
        Occasion::Every,
        answer(200, &[("content-type", "image/png")], "GIF87a"),
    );
    home.sync(&sim).await.expect_complete();
    assert_sound(&home);
    let held = home.saved_bytes(&first);
    assert_eq!(held.as_deref(), Some(&b"GIF87a"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn not_modified_never_stands_in_for_a_file_that_is_lost_or_changed_on_disk() {
    // The row is owed for a reason that a conditional request could settle, so nobody looked at the
    // file before: lost, shortened, scrambled.
    let harms: [fn(&std::path::Path); 3] = [
        |file| std::fs::remove_file(file).expect("removed"),
        |file| std::fs::write(file, b"short").expect("written"),
        |file| {
            let mut bytes = std::fs::read(file).expect("read");
            bytes.iter_mut().for_each(|byte| *byte ^= 1);
            std::fs::write(file, bytes).expect("written");
        },
    ];
    for harm in harms {
        let sim = Sim::builder().media(6).start().await;
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let only = microcms_backup::sync::Only {
            media: true,
            contents: false,
            assets: false,
        };
        for id in sim.media_ids() {
            sim.edit(Edit::SetAlt {
                id,
                alt: Some("moved".into()),
                touch: true,
            })
            .expect("edited");
        }
        home.sync_with(
            &sim,
            Setup {
                only,
                ..Setup::default()
            },
        )
        .await
        .expect_code(ExitCode::Partial);
        for file in crate::support::files(&home.path("mirror")) {
            harm(&file);
        }
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stale_cdn_is_not_believed_for_good() {
    let sim = Sim::builder().media(3).start().await;
    let id = add(&sim, "logo.png", Some(&png(100)));
    sim.edit(Edit::SetAlt {
        id: id.clone(),
        alt: None,
        touch: false,
    })
    .expect("edited");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: Some(png(300)),
        touch: true,
        // "Not modified", and then the old bytes: this host has proved nothing yet.
        stale_requests: 2,
    })
    .expect("edited");
    home.sync(&sim).await.expect_complete();
    assert_eq!(
        home.count("SELECT count(*) FROM assets WHERE state = 'saved' AND recheck_at IS NOT NULL"),
        1,
        "the stamp moved and the bytes did not: there will be a second look"
    );
    assert_sound_and_tidy(&home);
    let full = Setup {
        is_full: true,
        ..Setup::default()
    };
    home.sync_with(&sim, full).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
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
    // A port where nobody listens.
    let dead = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a port")
        .to_string();
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
