//! Media of gigabytes: made while they are sent.

use microcms_sim::{Edit, Fault, Route, Sim, TruthMedium};
use sha2::{Digest, Sha256};

use crate::client::{client, get, send};

async fn video(size: u64) -> (Sim, TruthMedium) {
    let sim = Sim::builder().start().await;
    let add = Edit::AddMedium {
        name: "film.mp4".into(),
        bytes: None,
        path: None,
        alt: None,
        tags: Vec::new(),
    };
    let id = sim.edit(add).unwrap();
    let resize = Edit::ResizeMedium {
        id: id.clone(),
        size,
        touch: true,
    };
    sim.edit(resize).unwrap();
    let medium = sim.truth().medium(&id).unwrap().clone();
    assert_eq!(medium.size, size);
    (sim, medium)
}

/// The most memory that this process ever had, in KiB.
#[cfg(target_os = "linux")]
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn three_gigabytes_are_served_in_parts_and_cost_no_memory() {
    const SIZE: u64 = 3 << 30;
    let (sim, film) = video(SIZE).await;
    let head = send("HEAD", &film.url, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some("3221225472"));
    let etag = head.header("etag").unwrap();
    for start in [0, 5 << 20, (2 << 30) + 77, SIZE - 100] {
        let range = format!("bytes={start}-{}", start + 99);
        let got = get(&film.url, &[("range", &range), ("if-range", etag)]).await;
        assert_eq!((got.status, got.body.len()), (206, 100), "{start}");
        assert_eq!(got.body, film.part(start..start + 100), "{start}");
    }
    // A download that breaks off shortly before its end, begun far behind the start.
    let after = 3_000_000;
    sim.fault(
        Route::File,
        1,
        Fault::Cut {
            after,
            chunked: false,
        },
    );
    let request = client().get(&film.url).header("range", "bytes=2000000000-");
    let mut answer = request.send().await.unwrap();
    let mut got = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        got.extend(chunk);
    }
    assert!(got == film.part(2_000_000_000..2_003_000_000));
    assert_eq!(sim.requests().last().unwrap().bytes, after);
    #[cfg(target_os = "linux")]
    assert!(peak_kib() < 1 << 20, "{} KiB", peak_kib());
}

#[tokio::test]
async fn a_long_file_is_the_same_whole_and_in_parts() {
    let (_sim, film) = video(40_000_001).await;
    let whole = get(&film.url, &[]).await.body;
    assert_eq!(hex::encode(Sha256::digest(&whole)), film.sha256());
    let rest = get(&film.url, &[("range", "bytes=12345678-")]).await;
    assert!(rest.body == whole[12_345_678..]);
}

#[tokio::test]
async fn a_resized_medium_has_other_bytes_under_its_url() {
    let (sim, film) = video(50_000).await;
    let before = get(&film.url, &[]).await;
    let etag = before.header("etag").unwrap();
    let id = film.id.clone();
    let resize = r#"{"edit":"resize_medium","id":"…","size":50000,"touch":false}"#;
    sim.edit(serde_json::from_str(&resize.replace('…', &id)).unwrap())
        .unwrap();
    let after = get(&film.url, &[("if-none-match", etag)]).await;
    assert_eq!((after.status, after.body.len()), (200, 50_000));
    assert_ne!(after.body, before.body);
    let listing = |medium: &TruthMedium| medium.listing.clone();
    assert_eq!(listing(sim.truth().medium(&id).unwrap()), listing(&film));
}

#[tokio::test]
async fn a_spoilt_body_is_spoilt_the_same_in_every_piece() {
    let (sim, film) = video(1_000_000).await;
    sim.fault(Route::File, 1, Fault::Corrupt);
    let got = get(&film.url, &[("range", "bytes=10-")]).await.body;
    let bytes = film.part(10..film.size);
    assert_eq!(got.len(), bytes.len());
    for (at, (is, was)) in got.iter().zip(&bytes).enumerate() {
        assert_eq!(is != was, at % 97 == 0, "{at}");
    }
}
