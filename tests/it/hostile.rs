//! Names and answers as nobody should send them.

use crate::support::{
    Expect as _, Sandbox, Setup, archived, assert_holds, assert_sound_and_tidy, digest, files,
};
use flate2::Compression;
use flate2::write::GzEncoder;
use microcms_backup::model::ExitCode;
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::time::Duration;

fn add(sim: &Sim, name: &str, path: &str) -> String {
    sim.edit(Edit::AddMedium {
        name: name.to_owned(),
        bytes: None,
        path: Some(path.to_owned()),
        alt: None,
        tags: Vec::new(),
    })
    .expect("a new medium")
}

fn path_of(home: &Sandbox, id: &str) -> String {
    home.texts(&format!("SELECT path FROM assets WHERE media_id = '{id}'"))
        .concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_harmless_name_is_the_url_path_decoded_once() {
    let sim = Sim::builder().start().await;
    let names = [
        ("/assets/s/m1/a+b.png", "assets/s/m1/a+b.png"),
        ("/assets/s/m2/icon%402x.png", "assets/s/m2/icon@2x.png"),
        (
            "/assets/s/m3/%E5%86%99%E7%9C%9F.png",
            "assets/s/m3/写真.png",
        ),
        ("/assets/s/m4/README", "assets/s/m4/README"),
        ("/assets/s/m5/100%2525.png", "assets/s/m5/100%25.png"),
        ("/assets/m6/one-segment.png", "assets/m6/one-segment.png"),
        (
            "/protected/ap-northeast-1:1f2e/service/demo/media/old%20one.png",
            "protected/ap-northeast-1:1f2e/service/demo/media/old one.png",
        ),
        // The same name composed and decomposed, as two systems upload it: two files.
        ("/assets/s/m7/%E3%82%AC.png", "assets/s/m7/\u{30ac}.png"),
        (
            "/assets/s/m7/%E3%82%AB%E3%82%99.png",
            "assets/s/m7/\u{30ab}\u{3099}.png",
        ),
        ("/assets/s/m8/.htaccess", "assets/s/m8/.htaccess"),
        ("/assets/s/m9/%2D%2Drf.png", "assets/s/m9/--rf.png"),
        ("/assets/s/m10/a%3Fb%23c.png", "assets/s/m10/a?b#c.png"),
    ];
    let ids = names.map(|(path, _)| {
        add(
            &sim,
            if path.ends_with("png") { "x.png" } else { "x" },
            path,
        )
    });
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (id, (listed, path)) in ids.iter().zip(names) {
        let held = path_of(&home, id);
        let (host, below) = held.split_once('/').expect("a host");
        assert_eq!(below, path, "{listed}");
        assert!(host.starts_with("127.0.0.1_"), "{host}");
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_name_gets_a_safe_one_inside_the_mirror() {
    let sim = Sim::builder().start().await;
    let long = "x".repeat(300);
    let deep = "d/".repeat(40);
    let names = [
        "/assets/s/..%2F..%2F..%2Fetc%2Fpasswd.png".to_owned(),
        "/assets/s/%2Fetc%2Fpasswd.png".to_owned(),
        "/assets/s/a%00b.png".to_owned(),
        "/assets/s/a%0Ab.png".to_owned(),
        "/assets/s/a%1B%5B2Jb.png".to_owned(),
        "/assets/s/%E2%80%AEgnp.png".to_owned(),
        "/assets/s/a%5Cb.png".to_owned(),
        format!("/assets/s/{long}.png"),
        format!("/assets/{deep}x.png"),
        format!("/assets/s/{}.png", "%E5%86%99".repeat(100)),
        "/assets/s//double.png".to_owned(),
        "/.tmp/part-1-1-x.png".to_owned(),
        "/_unsafe/0123456789abcdef/x.png".to_owned(),
        "/assets/s/%FF%FE.png".to_owned(),
        "/assets/s/%C0%AE%C0%AE%2Fx.png".to_owned(),
    ];
    let ids: Vec<String> = names.iter().map(|path| add(&sim, "x.png", path)).collect();
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    for (id, listed) in ids.iter().zip(&names) {
        let held = path_of(&home, id);
        assert_eq!(held.split('/').nth(1), Some("_unsafe"), "{listed}: {held}");
        assert!(held.ends_with(".png"), "{listed}: {held}");
        assert!(
            held.split('/')
                .all(|part| part.len() <= 255 && part != ".."),
            "{held}"
        );
        assert!(!held.chars().any(char::is_control), "{held:?}");
    }
    assert_holds(&home, &sim.truth());
    assert_sound_and_tidy(&home);
    // A second run finds everything where it was put.
    sim.forget_requests();
    home.sync(&sim).await.expect_complete();
    assert_eq!(sim.counters().assets(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn dots_that_a_client_resolves_never_lead_to_another_medium_s_file() {
    let sim = Sim::builder().start().await;
    let honest = add(&sim, "x.png", "/assets/x.png");
    // Every client asks for `/assets/x.png` here, and gets the other's bytes.
    let twisted = add(&sim, "x.png", "/assets/s/%2e%2e/x.png");
    let dotted = add(&sim, "x.png", "/assets/s/../x.png");
    let home = Sandbox::new();
    home.sync(&sim).await.expect_complete();
    assert!(path_of(&home, &honest).ends_with("/assets/x.png"));
    for id in [&twisted, &dotted] {
        assert!(
            path_of(&home, id).contains("/_unsafe/"),
            "{}",
            path_of(&home, id)
        );
    }
    assert_sound_and_tidy(&home);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_where_a_folder_must_be_is_no_obstacle_in_either_order() {
    for file_first in [true, false] {
        let sim = Sim::builder().start().await;
        let home = Sandbox::new();
        let mut paths = ["/assets/s/thing.png", "/assets/s/thing.png/inner.png"];
        if !file_first {
            paths.reverse();
        }
        for path in paths {
            add(&sim, "x.png", path);
            home.sync(&sim).await.expect_complete();
            assert_holds(&home, &sim.truth());
            assert_sound_and_tidy(&home);
        }
        // New bytes for both, from where they are.
        for id in sim.media_ids() {
            sim.edit(Edit::ReplaceBytes {
                id,
                bytes: None,
                touch: true,
                stale_requests: 0,
            })
            .expect("edited");
        }
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
        assert_sound_and_tidy(&home);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn links_planted_in_the_mirror_lead_nowhere() {
    let sim = Sim::builder().media_in_order().start().await;
    let home = Sandbox::new();
    let outside = tempfile::tempdir().expect("a folder");
    std::fs::write(outside.path().join("victim.png"), b"precious").expect("written");
    let host = home.path("mirror").join(sim.image_host().replace(':', "_"));
    std::fs::create_dir_all(host.join("assets")).expect("made");
    // A folder that is a link, and a file that is one.
    std::os::unix::fs::symlink(outside.path(), host.join("assets/linked")).expect("linked");
    std::os::unix::fs::symlink(
        outside.path().join("victim.png"),
        host.join("assets/victim.png"),
    )
    .expect("linked");
    add(&sim, "x.png", "/assets/linked/new.png");
    add(&sim, "x.png", "/assets/linked/victim.png");
    add(&sim, "x.png", "/assets/victim.png");
    home.sync(&sim).await.expect_complete();
    assert_holds(&home, &sim.truth());
    assert_eq!(files(outside.path()).len(), 1);
    assert_eq!(
        std::fs::read(outside.path().join("victim.png")).expect("read"),
        b"precious"
    );
}

/// A listing in these words.
fn listing(body: &str) -> Fault {
    Fault::Status {
        status: 200,
        headers: BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]),
        body: body.to_owned(),
        consumed: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_thing_that_cannot_be_read_is_named_and_the_others_are_backed_up() {
    let sim = Sim::builder().start().await;
    sim.edit(Edit::AddApi {
        endpoint: "news".to_owned(),
        kind: microcms_sim::ApiKind::List,
        contents: 0,
    })
    .expect("a new API");
    let media = r#"{"media":[{"id":"good","url":"https://x.invalid/good.png","width":1},
        {"id":"twice","width":1,"width":2}],"totalCount":2,"token":null}"#;
    let contents = r#"{"contents":[{"id":"good","status":["DRAFT"]},
        {"id":"twice","updatedAt":"a","updatedAt":"b"}],"totalCount":2,"offset":0,"limit":100}"#;
    sim.fault(Route::Media, Occasion::Every, listing(media));
    sim.fault(Route::MetadataList, Occasion::Every, listing(contents));
    let home = Sandbox::new();
    for _run in 0..2 {
        let report = home.sync(&sim).await;
        assert_ne!(report.exit_code, 0, "{report:?}");
        for scope in ["media", "contents/news"] {
            let told = report
                .problems
                .iter()
                .find(|problem| problem.scope == scope && problem.message.contains("`twice`"))
                .unwrap_or_else(|| panic!("{scope}: {:?}", report.problems));
            assert!(told.message.starts_with("1 of what is listed"), "{told:?}");
            assert!(told.message.contains("duplicate field"), "{told:?}");
        }
        assert_eq!(home.texts("SELECT id FROM media"), ["good"]);
        assert_eq!(home.texts("SELECT id FROM contents"), ["good"]);
    }
}

/// A host that answers every request with the same bytes, whatever they are, and hangs up.
fn host_that_says(answer: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    // Ends with the process: it holds nothing but its port.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut request = [0; 4096];
            // The peer may hang up first: that is what some answers are for.
            drop(stream.read(&mut request));
            drop(stream.write_all(&answer));
            drop(stream.shutdown(std::net::Shutdown::Write));
            drop(stream.read(&mut request));
        }
    });
    address
}

fn http(head: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {}\r\n\r\n", head.trim().replace('\n', "\r\n")).into_bytes();
    answer.extend(body);
    answer
}

/// Runs against a service whose one image is redirected to a host that answers so.
async fn run_against(answer: Vec<u8>) -> (Sandbox, ExitCode, String) {
    let sim = Sim::builder().start().await;
    add(&sim, "x.png", "/assets/s/x.png");
    let host = host_that_says(answer);
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

fn png(length: usize) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    bytes.resize(length, 7);
    bytes
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
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
    sim.edit(Edit::ReplaceBytes {
        id: id.clone(),
        bytes: None,
        touch: true,
        stale_requests: 0,
    })
    .expect("edited");
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
        sim.edit(Edit::ReplaceBytes {
            id: id.clone(),
            bytes: None,
            touch: true,
            stale_requests: 0,
        })
        .expect("edited");
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
