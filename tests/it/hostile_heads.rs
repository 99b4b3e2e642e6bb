//! Heads of asset hosts' answers: codings that nobody asked for, validators, and questions that a host refuses.

use crate::hostile::add;
use crate::hostile_hosts::{host_that_answers, http, png, run_against, run_against_host, zipped};
use crate::support::{Expect as _, Sandbox, Setup, assert_sound_and_tidy, digest, files};
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn codings_that_were_not_asked_for_are_named_and_nothing_is_saved() {
    let plain = png(5_000);
    let twice = zipped(&zipped(&plain));
    let packed = zipped(&plain);
    let mut chunked = format!("{:x}\r\n", packed.len()).into_bytes();
    chunked.extend(&packed);
    chunked.extend(b"\r\n0\r\n\r\n");
    let codings = [
        ("transfer-encoding: gzip", &packed, "encoded as `gzip`"),
        (
            "transfer-encoding: gzip, chunked",
            &chunked,
            "encoded as `gzip, chunked`",
        ),
        (
            "transfer-encoding: gzip\ntransfer-encoding: Chunked",
            &chunked,
            "encoded as `gzip, chunked`",
        ),
        (
            "transfer-encoding: chunked, identity",
            &chunked,
            "encoded as `chunked, identity`",
        ),
        (
            "content-encoding: gzip\ncontent-encoding: gzip",
            &twice,
            "encoded as `gzip, gzip`",
        ),
    ];
    for (head, body, named) in codings {
        let (home, code, error) = run_against(http(&format!("200 OK\n{head}"), body)).await;
        assert_eq!(code, ExitCode::Partial, "{head}");
        assert!(error.contains(named), "{head}: {error}");
        assert_eq!(files(&home.path("mirror")).len(), 0, "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_last_chunk_or_a_length_tells_the_end() {
    let plain = png(5_000);
    let (sent, is_first) = (plain.clone(), AtomicBool::new(true));
    let host = host_that_answers(move |_| {
        if is_first.swap(false, Relaxed) {
            let head = "200 OK\ntransfer-encoding: identity\ncontent-length: 5000";
            return http(head, &sent[..2_500]);
        }
        http("200 OK\ncontent-length: 5000", &sent)
    });
    let (home, code, error) = run_against_host(host).await;
    assert_eq!(code, ExitCode::Complete, "{error}");
    assert_eq!(home.texts("SELECT sha256 FROM assets"), [digest(&plain)]);
}

/// A service with five images, each redirected to its name at another host, and their ids.
async fn service_at(host: &str) -> (Sim, Vec<String>) {
    let sim = Sim::builder().start().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let name = format!("{n}.png");
        let path = format!("/assets/s/{name}");
        ids.push(add(&sim, &name, &path));
        let elsewhere = Fault::Redirect {
            status: 302,
            location: format!("http://{host}/{name}"),
        };
        sim.fault(Route::Image.containing(&path), Occasion::Every, elsewhere);
    }
    (sim, ids)
}

/// One file after the other, and nobody is too late: questions are counted.
fn setup_at(host: &str) -> Setup {
    Setup {
        downloads: 1,
        extra_hosts: vec![host.to_owned()],
        read_timeout: Duration::from_secs(30),
        ..Setup::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_refuses_to_be_asked_whether_bytes_still_hold_is_asked_plainly() {
    for refusal in [
        "403 Forbidden",
        "431 Request Header Fields Too Large",
        "400 Bad Request",
        "412 Precondition Failed",
        "500 Internal Server Error",
        "206 Partial Content\ncontent-range: bytes 0-4999/5000",
    ] {
        let plain = png(5_000);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&heard);
        let host = host_that_answers(move |request| {
            let is_conditional = request.contains("if-none-match");
            noted.lock().unwrap().push(is_conditional);
            let status = if is_conditional { refusal } else { "200 OK" };
            http(
                &format!("{status}\netag: \"1\"\ncontent-length: 5000"),
                &plain,
            )
        });
        let (sim, ids) = service_at(&host).await;
        let home = Sandbox::new();
        home.sync_with(&sim, setup_at(&host))
            .await
            .expect_complete();
        for _ in 0..2 {
            for id in &ids {
                sim.edit(Edit::TouchMedium { id: id.clone() })
                    .expect("edited");
            }
            let report = home.sync_with(&sim, setup_at(&host)).await;
            assert_eq!(report.expect_complete().assets.saved, 5, "{refusal}");
        }
        assert_eq!(
            home.texts("SELECT etag FROM asset_hosts"),
            ["withdrawn"],
            "{refusal}"
        );
        let heard = heard.lock().unwrap().clone();
        let one: &[bool] = if refusal.starts_with('5') {
            // A second time: it may have been the moment's trouble.
            &[true, true, false]
        } else {
            &[true, false]
        };
        // One file's refusal is not the host's, and thousands need not be refused.
        let asked = [&[false; 5], &one.repeat(3)[..], &[false; 2], &[false; 5]].concat();
        assert_eq!(heard, asked, "{refusal}");
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_refuses_to_send_a_part_is_asked_for_the_whole() {
    for refusal in [
        "403 Forbidden",
        "431 Request Header Fields Too Large",
        "500 Internal Server Error",
    ] {
        // Also a host that sent a part before.
        for sends_first in [false, true] {
            let plain = png(5_000);
            let (sent, cut) = (plain.clone(), Mutex::new(HashSet::new()));
            let refused = Arc::new(AtomicU32::new(0));
            let counted = Arc::clone(&refused);
            let host = host_that_answers(move |request| {
                let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
                let is_first_file = cut.lock().unwrap().len() == 1;
                let known = "etag: \"1\"\naccept-ranges: bytes";
                let from = request.split_once("\nrange: bytes=");
                let from = from.and_then(|(_, rest)| rest.split('-').next()?.parse().ok());
                let from: Option<usize> = from.filter(|_| sends_first && is_first_file);
                if let Some(from) = from {
                    let length = 5_000 - from;
                    let part =
                        format!("content-length: {length}\ncontent-range: bytes {from}-4999/5000");
                    let head = format!("206 Partial Content\n{known}\n{part}");
                    return http(&head, &sent[from..]);
                }
                if request.contains("\nrange:") {
                    counted.fetch_add(1, Relaxed);
                    return http(&format!("{refusal}\ncontent-length: 0"), b"");
                }
                let is_first = cut.lock().unwrap().insert(path);
                let end = if is_first { 2_500 } else { 5_000 };
                http(
                    &format!("200 OK\n{known}\ncontent-length: 5000"),
                    &sent[..end],
                )
            });
            let (sim, _) = service_at(&host).await;
            let home = Sandbox::new();
            let report = home.sync_with(&sim, setup_at(&host)).await;
            assert_eq!(report.expect_complete().assets.saved, 5, "{refusal}");
            let saved = home.texts("SELECT DISTINCT sha256 FROM assets");
            assert_eq!(saved, [digest(&plain)], "{refusal}");
            assert_eq!(home.texts("SELECT range FROM asset_hosts"), ["withdrawn"]);
            let times = match (refusal.starts_with('5'), sends_first) {
                (false, _) => 3,
                (true, false) => 6,
                (true, true) => 9,
            };
            assert_eq!(refused.load(Relaxed), times, "{refusal}, {sends_first}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_that_no_request_could_carry_is_not_kept() {
    let plain = png(5_000);
    let tag = "a".repeat(1_100);
    let head = format!("200 OK\netag: \"{tag}\"\ncontent-length: 5000");
    let (home, code, error) = run_against(http(&head, &plain)).await;
    assert_eq!(code, ExitCode::Complete, "{error}");
    assert_eq!(home.count("SELECT count(etag) FROM assets"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_too_long_for_a_request_is_said_to_be_none_and_asked_once() {
    let asked = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&asked);
    let host = host_that_answers(move |_| {
        counted.fetch_add(1, Relaxed);
        let long = "a".repeat(70_000);
        http(&format!("302 Found\nlocation: /{long}"), b"")
    });
    let (_home, code, error) = run_against_host(host).await;
    assert_eq!(code, ExitCode::Partial);
    assert!(error.contains("no address can stand for"), "{error}");
    assert_eq!(asked.load(Relaxed), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_part_that_does_not_name_the_version_that_began_is_never_joined_to_it() {
    let (old_tag, new_tag) = ("etag: \"1\"", "etag: \"2\"");
    let old_date = "last-modified: Mon, 02 Mar 2026 00:00:00 GMT";
    let new_date = "last-modified: Tue, 03 Mar 2026 00:00:00 GMT";
    let both = format!("{old_tag}\n{old_date}");
    let heads = [
        ("another date", old_date, new_date),
        ("no date any more", old_date, "x: y"),
        ("another tag", old_tag, new_tag),
        ("no tag any more", old_tag, "x: y"),
        ("neither any more", both.as_str(), "x: y"),
        ("a tag no more, the date still", both.as_str(), old_date),
    ];
    for (name, first, part) in heads {
        // Both are as long, and the same where the one was cut: nothing but the head tells them apart.
        let (mut old, mut new) = (png(9_000), png(9_000));
        (old[100], new[100]) = (1, 2);
        new[8_000] = 2;
        let sent = new.clone();
        let is_first = AtomicBool::new(true);
        let (first, part) = (first.to_owned(), part.to_owned());
        let host = host_that_answers(move |request| {
            if is_first.swap(false, Relaxed) {
                let head = format!("200 OK\naccept-ranges: bytes\ncontent-length: 9000\n{first}");
                return http(&head, &old[..5_000]);
            }
            let range = request.split_once("range: bytes=");
            let Some((_, range)) = range else {
                return http("200 OK\ncontent-length: 9000", &new);
            };
            let from: usize = range.split('-').next().unwrap().parse().unwrap();
            let head = format!(
                "206 Partial Content\ncontent-range: bytes {from}-8999/9000\ncontent-length: {}\n{part}",
                9_000 - from
            );
            http(&head, &new[from..])
        });
        let (home, code, error) = run_against_host(host).await;
        assert_eq!(code, ExitCode::Complete, "{name}: {error}");
        assert_eq!(
            home.texts("SELECT sha256 FROM assets"),
            [digest(&sent)],
            "{name}"
        );
        assert_eq!(
            home.texts("SELECT range FROM asset_hosts"),
            ["withdrawn"],
            "{name}"
        );
    }
}
