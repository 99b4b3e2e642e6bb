//! Answers of asset hosts as nobody should send them.

use crate::assets::PNG_END;
use crate::hostile::{add, path_of};
use crate::support::{
    Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound_and_tidy, digest, files,
    replace_bytes,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

/// A host that answers every request with the same bytes, whatever they are, and hangs up.
fn host_that_says(answer: Vec<u8>) -> String {
    host_that_answers(move |_| answer.clone())
}

/// A host that looks at a request's head, in lower case, answers with any bytes and hangs up.
pub(crate) fn host_that_answers(answer: impl Fn(&str) -> Vec<u8> + Send + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // Ends with the process: it holds nothing but its port.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            // The peer may hang up first: that is what some answers are for.
            let read = stream.read(&mut request).unwrap_or(0);
            let head = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
            drop(stream.write_all(&answer(&head)));
            drop(stream.shutdown(std::net::Shutdown::Write));
            drop(stream.read(&mut request));
        }
    });
    address
}

/// An answer that says that its host hangs up, as it does: the next question on that connection would be lost.
pub(crate) fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let head = head.trim().replace('\n', "\r\n");
    let mut answer = format!("HTTP/1.1 {head}\r\nconnection: close\r\n\r\n").into_bytes();
    answer.extend(body);
    answer
}

/// Runs against a service whose one image is redirected to a host that answers so.
pub(crate) async fn run_against(answer: Vec<u8>) -> (Sandbox, ExitCode, String) {
    run_against_host(host_that_says(answer)).await
}

/// Runs against a service whose one image is redirected to this host.
pub(crate) async fn run_against_host(host: String) -> (Sandbox, ExitCode, String) {
    let sim = Sim::builder().start().await;
    add(&sim, "x.png", "/assets/s/x.png");
    sim.fault(
        Route::Image,
        Occasion::Every,
        Fault::Redirect {
            status: 302,
            location: format!("http://{host}/x.png"),
        },
    );
    let home = Sandbox::new();
    let setup = Setup {
        extra_hosts: vec![host],
        read_timeout: Duration::from_millis(300),
        ..Setup::default()
    };
    let report = home.sync_with(&sim, setup).await;
    assert_sound_and_tidy(&home);
    let code = if report.exit_code == 0 {
        ExitCode::Complete
    } else {
        ExitCode::Partial
    };
    let error = report
        .failed
        .first()
        .map(|failed| failed.error.clone())
        .unwrap_or_default();
    (home, code, error)
}

pub(crate) fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length.max(20) - PNG_END.len(), 7);
    bytes.extend(PNG_END);
    bytes
}

pub(crate) fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).expect("in memory");
    packer.finish().expect("in memory")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_arrives_whole_is_saved_in_whatever_dress_it_comes() {
    let plain = png(5_000);
    let packed = zipped(&plain);
    let mut members = zipped(&plain[..2_000]);
    members.extend(zipped(&plain[2_000..]));
    let mut chunked = format!("{:x}\r\n", plain.len()).into_bytes();
    chunked.extend(&plain);
    chunked.extend(b"\r\n0\r\n\r\n");
    let length = |body: &[u8]| format!("content-length: {}", body.len());
    let dresses = [
        (
            "plain",
            http(&format!("200 OK\n{}", length(&plain)), &plain),
        ),
        (
            "without a length",
            http("200 OK\nconnection: close", &plain),
        ),
        (
            "chunked",
            http("200 OK\ntransfer-encoding: chunked", &chunked),
        ),
        (
            "packed",
            http(
                &format!("200 OK\ncontent-encoding: gzip\n{}", length(&packed)),
                &packed,
            ),
        ),
        (
            "packed, in capitals",
            http(
                &format!("200 OK\ncontent-encoding: GZIP\n{}", length(&packed)),
                &packed,
            ),
        ),
        (
            "packed in two members",
            http(
                &format!("200 OK\ncontent-encoding: gzip\n{}", length(&members)),
                &members,
            ),
        ),
        (
            "said to be plain",
            http(
                &format!("200 OK\ncontent-encoding: identity\n{}", length(&plain)),
                &plain,
            ),
        ),
        (
            "of a strange type",
            http(
                &format!("200 OK\ncontent-type: \u{ff}\u{fe};;=\n{}", length(&plain)),
                &plain,
            ),
        ),
        (
            "with tags nobody can repeat",
            http(
                &format!("200 OK\netag: \"\u{e9}\"\n{}", length(&plain)),
                &plain,
            ),
        ),
        (
            "HTTP/1.0",
            [b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), plain.clone()].concat(),
        ),
    ];
    for (dress, answer) in dresses {
        let (home, code, error) = run_against(answer).await;
        assert_eq!(code, ExitCode::Complete, "{dress}: {error}");
        assert_eq!(
            home.texts("SELECT sha256 FROM assets"),
            [digest(&plain)],
            "{dress}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_arrive_whole_is_never_saved() {
    let plain = png(5_000);
    let packed = zipped(&plain);
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let length = |body: &[u8]| format!("content-length: {}", body.len());
    let mut torn_chunks = format!("{:x}\r\n", plain.len()).into_bytes();
    torn_chunks.extend(&plain);
    let wrecks = [
        (
            "shorter than told",
            http(&format!("200 OK\n{}", length(&plain)), &half(&plain)),
        ),
        (
            "no last chunk",
            http("200 OK\ntransfer-encoding: chunked", &torn_chunks),
        ),
        (
            "half a gzip, whole by length",
            http(
                &format!("200 OK\ncontent-encoding: gzip\n{}", length(&half(&packed))),
                &half(&packed),
            ),
        ),
        (
            "half a gzip, no length",
            http(
                "200 OK\ncontent-encoding: gzip\nconnection: close",
                &half(&packed),
            ),
        ),
        ("gzip with a wrong sum", {
            let mut damaged = packed.clone();
            let last = damaged.len() - 6;
            damaged[last] ^= 0xff;
            http(
                &format!("200 OK\ncontent-encoding: gzip\n{}", length(&damaged)),
                &damaged,
            )
        }),
        (
            "two lengths",
            http("200 OK\ncontent-length: 5000\ncontent-length: 4000", &plain),
        ),
        (
            "a length that is none",
            http("200 OK\ncontent-length: many", &plain),
        ),
        (
            "a part that nobody asked for",
            http(
                "206 Partial Content\ncontent-range: bytes 0-4999/9999\ncontent-length: 5000",
                &plain,
            ),
        ),
        ("not HTTP", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec()),
        ("nothing", Vec::new()),
        (
            "an endless head",
            [b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: y\r\n".repeat(200_000)].concat(),
        ),
    ];
    let mut runs = tokio::task::JoinSet::new();
    for (wreck, answer) in wrecks {
        runs.spawn(async move { (wreck, run_against(answer).await) });
    }
    while let Some(run) = runs.join_next().await {
        let (wreck, (home, code, error)) = run.expect("a run");
        assert_eq!(code, ExitCode::Partial, "{wreck}");
        assert!(!error.is_empty(), "{wreck}");
        assert_eq!(files(&home.path("mirror")).len(), 0, "{wreck}");
        assert_eq!(
            home.texts("SELECT state FROM assets"),
            ["failed"],
            "{wreck}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_announces_more_than_it_has_is_found_out_and_never_believed() {
    for head in [
        "200 OK\ncontent-type: image/png\ncontent-length: 1000",
        "200 OK\ncontent-type: image/png\netag: \"1\"\ncontent-length: 1000",
    ] {
        let (home, code, error) = run_against(http(head, &png(900))).await;
        assert_eq!(code, ExitCode::Partial);
        assert!(error.contains("lost on the way"), "{error}");
        assert_eq!(
            home.texts("SELECT content_length FROM asset_hosts"),
            ["withdrawn"]
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_longer_than_announced_ends_where_it_was_announced_to_end() {
    // HTTP has no other end than the announced one; what follows belongs to no file. The row tells of what is
    // on the disk, and the next file does not begin with the rest.
    let plain = png(5_000);
    let answer = http("200 OK\ncontent-length: 4000", &plain);
    let (home, code, error) = run_against(answer).await;
    assert_eq!(code, ExitCode::Complete, "{error}");
    assert_eq!(
        home.texts("SELECT sha256 FROM assets"),
        [digest(&plain[..4_000])]
    );
    assert_eq!(home.count("SELECT bytes FROM assets"), 4_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_end_after_a_few_hops_whichever_way_they_go() {
    let sim = Sim::builder().start().await;
    let id = add(&sim, "x.png", "/assets/s/x.png");
    let foreign = sim.foreign_url();
    let to = |location: String| Fault::Redirect {
        status: 302,
        location,
    };
    let allowed = || Setup {
        extra_hosts: vec![foreign.trim_start_matches("http://").to_owned()],
        ..Setup::default()
    };
    let home = Sandbox::new();
    // In a circle over two hosts: both are allowed, and neither has the file.
    sim.fault(
        Route::Image,
        Occasion::Every,
        to(format!("{foreign}{{path}}")),
    );
    sim.fault(
        Route::Foreign,
        Occasion::Every,
        to(format!("http://{}{{path}}", sim.image_host())),
    );
    let report = home
        .sync_with(&sim, allowed())
        .await
        .expect_code(ExitCode::Partial);
    assert!(
        report.failed[0].error.contains("more than 5 times"),
        "{:?}",
        report.failed
    );
    let asked = sim.counters().assets() + sim.counters().of(Route::Foreign);
    assert_eq!(asked, 5, "once round is enough");
    assert_sound_and_tidy(&home);
    // Four hops are no circle.
    sim.clear_faults();
    sim.fault(Route::Image, 1..=4, to("{path}".to_owned()));
    home.sync_with(&sim, allowed()).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    // The second hop leads out of the allowed hosts: the file that is here stays.
    let good = home.saved_bytes(&id).expect("saved");
    replace_bytes(&sim, id.clone());
    sim.fault(Route::Image, 1, to("{path}".to_owned()));
    sim.fault(Route::Image, 2, to(format!("{foreign}{{path}}")));
    sim.forget_requests();
    let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
    assert!(
        report.failed[0].error.contains("not among"),
        "{:?}",
        report.failed
    );
    assert_eq!(sim.counters().of(Route::Foreign), 0);
    let kept = std::fs::read(home.path("mirror").join(path_of(&home, &id)));
    assert_eq!(kept.expect("the old copy"), good);
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_the_file_never_takes_the_place_of_the_good_copy() {
    let sim = Sim::builder().start().await;
    let id = add(&sim, "x.png", "/assets/s/x.png");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    let good = home.saved_bytes(&id).expect("saved");
    let faults = [
        Fault::Html,
        Fault::Garbage,
        Fault::Cut {
            after: 30,
            chunked: true,
        },
        Fault::Status {
            status: 404,
            headers: BTreeMap::new(),
            body: String::new(),
            consumed: false,
        },
    ];
    for fault in faults {
        sim.clear_faults();
        sim.edit(Edit::TouchMedium { id: id.clone() })
            .expect("edited");
        replace_bytes(&sim, id.clone());
        sim.fault(Route::Image, Occasion::Every, fault);
        home.sync(&sim).await.expect_code(ExitCode::Partial);
        let path = path_of(&home, &id);
        assert_eq!(
            std::fs::read(home.path("mirror").join(path)).expect("the old copy"),
            good
        );
        assert_sound_and_tidy(&home);
    }
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(archived(&home, &digest(&good)), Some(good));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trickle_that_would_take_for_ever_is_given_up() {
    let sim = Sim::builder().media(5).start().await;
    add(&sim, "trickle.png", "/assets/s/trickle.png");
    // A byte or two within every read time-out: by that alone it would be waited for.
    sim.fault(
        Route::Image.containing("trickle"),
        Occasion::Every,
        Fault::Drip {
            bytes_per_second: 20,
        },
    );
    let home = Sandbox::new();
    let setup = Setup {
        read_timeout: Duration::from_millis(200),
        ..Setup::default()
    };
    let report = home.sync_with(&sim, setup).await;
    let report = report.expect_code(ExitCode::Partial);
    assert_eq!((report.assets.saved, report.assets.failed), (5, 1));
    assert!(report.elapsed_ms < 12_000, "{} ms", report.elapsed_ms);
    assert_sound_and_tidy(&home);
    sim.clear_faults();
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
}

/// A host that sends a body in the given pieces, with a pause after each so that they arrive apart.
#[expect(
    clippy::disallowed_methods,
    reason = "a thread of its own, and the pause is what the test is about: pieces arrive apart"
)]
fn host_that_sends(pieces: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            drop(stream.read(&mut request));
            let total: usize = pieces.iter().map(Vec::len).sum();
            drop(stream.write_all(&http(&format!("200 OK\ncontent-length: {total}"), b"")));
            for piece in &pieces {
                drop(stream.write_all(piece));
                std::thread::sleep(Duration::from_millis(60));
            }
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_stay_in_their_order_in_whatever_pieces_they_arrive() {
    let kib = 1024;
    let cuts = [
        // Almost as much as is gathered, then too much, then a little that would still have fitted.
        vec![255 * kib, 8 * kib, 512, 4 * kib, 100, 300 * kib, 7],
        vec![256 * kib, 1, 1, 256 * kib, 1],
        vec![1, 255 * kib, kib, kib, 2 * kib],
        vec![200 * kib, 100 * kib, 10 * kib, 60 * kib, 50 * kib],
    ];
    for cut in cuts {
        let total: usize = cut.iter().sum();
        let mut whole = png(total);
        for (n, byte) in whole.iter_mut().enumerate().skip(8) {
            *byte = u8::try_from(n / 97 % 251).expect("small");
        }
        let mut rest = whole.as_slice();
        let pieces = cut
            .iter()
            .map(|len| {
                let (piece, behind) = rest.split_at(*len);
                rest = behind;
                piece.to_vec()
            })
            .collect();
        let sim = Sim::builder().start().await;
        add(&sim, "x.png", "/assets/s/x.png");
        let host = host_that_sends(pieces);
        let location = format!("http://{host}/x.png");
        sim.fault(
            Route::Image,
            Occasion::Every,
            Fault::Redirect {
                status: 302,
                location,
            },
        );
        let home = Sandbox::new();
        let setup = Setup {
            extra_hosts: vec![host],
            ..Setup::default()
        };
        home.sync_with(&sim, setup).await.expect_complete();
        assert_eq!(
            home.texts("SELECT sha256 FROM assets"),
            [digest(&whole)],
            "{cut:?}"
        );
        assert_sound_and_tidy(&home);
    }
}
