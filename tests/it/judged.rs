//! What is taken for a file: answers without a byte, with a text instead, and without their end.

use crate::assets::{add, answer, png};
use crate::hostile_hosts::{http, zipped};
use crate::support::{
    Expect as _, Sandbox, Setup, assert_holds, assert_sound, assert_sound_and_tidy, digest, files,
};
use microcms_backup::model::{ExitCode, RunReport};
use microcms_sim::{Edit, Fault, Occasion, Route, Sim};
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A host that gives one answer after the other, whatever the question was, and hangs up after each.
struct InTurn {
    address: String,
    asked: Arc<AtomicUsize>,
}

impl InTurn {
    /// The last answer is for all questions that follow.
    fn answering(answers: Vec<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        // Ends with the process: it holds nothing but its port.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { continue };
                let mut request = [0; 4096];
                drop(stream.read(&mut request));
                let turn = count.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(turn).or(answers.last());
                drop(stream.write_all(answer.expect("an answer")));
                drop(stream.shutdown(Shutdown::Write));
                drop(stream.read(&mut request));
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

/// A service whose one file is at a host that answers so.
struct World {
    sim: Sim,
    home: Sandbox,
    host: InTurn,
    id: String,
}

impl World {
    async fn with(name: &str, answers: Vec<Vec<u8>>) -> Self {
        let sim = Sim::builder().start().await;
        let id = add(&sim, name, None);
        let host = InTurn::answering(answers);
        for route in [Route::Image, Route::File] {
            let location = format!("http://{}/{name}", host.address);
            let there = Fault::Redirect {
                status: 302,
                location,
            };
            sim.fault(route, Occasion::Every, there);
        }
        Self {
            sim,
            home: Sandbox::new(),
            host,
            id,
        }
    }

    async fn sync(&self) -> RunReport {
        let setup = Setup {
            extra_hosts: vec![self.host.address.clone()],
            read_timeout: Duration::from_millis(500),
            ..Setup::default()
        };
        let report = self.home.sync_with(&self.sim, setup).await;
        assert_sound_and_tidy(&self.home);
        report
    }

    fn saved(&self) -> Vec<String> {
        self.home
            .texts("SELECT sha256 FROM assets WHERE state = 'saved'")
    }
}

/// An answer that is whole as far as HTTP goes.
fn whole(body: &[u8]) -> Vec<u8> {
    http(&format!("200 OK\ncontent-length: {}", body.len()), body)
}

/// An answer that tells neither a length nor chunks: it ends where the connection does.
fn hung_up(body: &[u8]) -> Vec<u8> {
    http("200 OK\nconnection: close", body)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_its_end_is_asked_for_once_more_and_the_whole_one_is_saved() {
    // Once in memory, once by way of the disk.
    for length in [5_000, 700_000] {
        let file = png(length);
        let short = &file[..length / 2];
        let world = World::with("x.png", vec![hung_up(short), whole(&file)]).await;
        world.sync().await.expect_complete();
        assert_eq!(world.saved(), [digest(&file)]);
        assert_eq!(world.host.asked(), 2);
        assert_eq!(
            files(&world.home.path("archive")).len(),
            0,
            "what was cut off was never a version"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_host_calls_whole_is_asked_for_once_whatever_its_end() {
    let mut odd = png(5_000);
    odd.truncate(4_000);
    let chunked = format!("{:x}\r\n", odd.len()).into_bytes();
    let chunked = [&chunked[..], &odd[..], b"\r\n0\r\n\r\n"].concat();
    for answer in [
        whole(&odd),
        http("200 OK\ntransfer-encoding: chunked", &chunked),
    ] {
        let world = World::with("x.png", vec![answer]).await;
        world.sync().await.expect_complete();
        assert_eq!(world.saved(), [digest(&odd)]);
        assert_eq!(world.host.asked(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_odd_file_is_saved_when_it_comes_twice_alike_and_never_fetched_twice_again() {
    for length in [5_000, 700_000] {
        let mut odd = png(length);
        odd.truncate(length - 8);
        let world = World::with("x.png", vec![hung_up(&odd)]).await;
        world.sync().await.expect_complete();
        assert_eq!(world.saved(), [digest(&odd)]);
        assert_eq!(world.host.asked(), 2);
        // What is saved vouches for the same bytes.
        let touched = Edit::TouchMedium {
            id: world.id.clone(),
        };
        world.sim.edit(touched).expect("edited");
        world.sync().await.expect_complete();
        assert_eq!(world.host.asked(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_beginnings_of_different_lengths_are_no_file() {
    let file = png(5_000);
    let world = World::with(
        "x.png",
        vec![hung_up(&file[..1_000]), hung_up(&file[..2_000])],
    )
    .await;
    let report = world.sync().await.expect_code(ExitCode::Partial);
    assert!(
        report.failed[0].error.contains("lacks its end"),
        "{:?}",
        report.failed
    );
    assert_eq!(world.host.asked(), 2, "and no more in this run");
    assert_eq!(world.saved(), [""; 0]);
    assert_eq!(files(&world.home.path("mirror")).len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_a_byte_never_takes_the_place_of_bytes() {
    for name in ["x.pdf", "x.txt", "x.csv", "x.unheard-of", "x.zip", "x.mp4"] {
        let sim = Sim::builder().start().await;
        let id = add(&sim, name, None);
        let home = Sandbox::new();
        home.sync(&sim).await.expect_complete();
        let good = home.saved_bytes(&id).expect("saved");
        sim.edit(Edit::TouchMedium { id: id.clone() })
            .expect("edited");
        sim.fault(Route::File, Occasion::Every, answer(200, &[], ""));
        let report = home.sync(&sim).await.expect_code(ExitCode::Partial);
        assert!(
            report.failed[0].error.contains("empty body"),
            "{name}: {:?}",
            report.failed
        );
        assert_sound(&home);
        assert_eq!(home.count("SELECT bytes FROM assets"), good.len() as u64);
        sim.clear_faults();
        home.sync(&sim).await.expect_complete();
        assert_holds(&home, &sim.truth());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_file_is_saved_where_it_can_be_one_and_its_host_says_where_it_ends() {
    let told = whole(b"");
    let open = http("200 OK\nconnection: close", b"");
    let chunked = http("200 OK\ntransfer-encoding: chunked", b"0\r\n\r\n");
    let cases = [
        ("x.txt", &told, true),
        ("x.csv", &chunked, true),
        ("x.unheard-of", &told, true),
        ("x.txt", &open, false),
        ("x.pdf", &told, false),
        ("x.mp4", &chunked, false),
        ("x.png", &told, false),
    ];
    for (name, answer, is_saved) in cases {
        let world = World::with(name, vec![answer.clone()]).await;
        let code = if is_saved {
            ExitCode::Complete
        } else {
            ExitCode::Partial
        };
        world.sync().await.expect_code(code);
        assert_eq!(world.saved().len(), usize::from(is_saved), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_comes_for_an_image_or_a_document_is_not_saved() {
    let text = b"upstream connect error or disconnect/reset before headers. reset reason: overflow";
    let typed = |kind: &str| {
        http(
            &format!(
                "200 OK\ncontent-type: {kind}\ncontent-length: {}",
                text.len()
            ),
            text,
        )
    };
    for name in ["x.png", "x.jpg", "x.pdf", "x.mp4"] {
        let world = World::with(name, vec![typed("text/plain")]).await;
        let report = world.sync().await.expect_code(ExitCode::Partial);
        assert!(
            report.failed[0].error.contains("a text"),
            "{name}: {:?}",
            report.failed
        );
        assert_eq!(files(&world.home.path("mirror")).len(), 0, "{name}");
    }
    // What its host calls an image is one, however odd.
    let world = World::with("x.jpg", vec![typed("image/jpeg")]).await;
    world.sync().await.expect_complete();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gzip_file_stays_packed_whatever_its_host_calls_the_packing() {
    let packed = zipped(&png(5_000));
    let head = format!(
        "200 OK\ncontent-encoding: gzip\ncontent-length: {}",
        packed.len()
    );
    for name in ["x.gz", "x.tgz", "x.tar.GZ", "x.svgz"] {
        let world = World::with(name, vec![http(&head, &packed)]).await;
        world.sync().await.expect_complete();
        assert_eq!(world.saved(), [digest(&packed)], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_a_thousand_years_is_asked_again_within_a_day() {
    for wait in ["99999999999", "18446744073709551615"] {
        let head = format!("429 Too Many Requests\nretry-after: {wait}\ncontent-length: 0");
        let world = World::with("x.png", vec![http(&head, b"")]).await;
        let report = world.sync().await.expect_code(ExitCode::Partial);
        let day = report.finished_at.plus(Duration::from_secs(24 * 60 * 60));
        assert_eq!(
            world.home.texts(&format!(
                "SELECT 'in time' FROM assets WHERE next_attempt_at <= '{day}'"
            )),
            ["in time"],
            "{wait}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_asks_for_no_wait_is_not_asked_in_a_burst() {
    let busy = http(
        "429 Too Many Requests\nretry-after: 0\ncontent-length: 0",
        b"",
    );
    let world = World::with("x.png", vec![busy]).await;
    let begun = std::time::Instant::now();
    world.sync().await.expect_code(ExitCode::Partial);
    let asked = world.host.asked();
    assert!(asked > 1);
    // Half a second, doubled each time, less a quarter.
    let least = Duration::from_millis(375 * ((1 << (asked - 1)) - 1));
    assert!(begun.elapsed() >= least, "{asked} in {:?}", begun.elapsed());
}
