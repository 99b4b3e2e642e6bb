//! Asset hosts that lie.

use microcms_sim::{AssetOptions, Edit, Sim, TruthMedium, WrongRange};
use std::io::Read;

use crate::client::{Got, get, send};

const HONEST: fn() -> AssetOptions = AssetOptions::default;

async fn sim(options: AssetOptions) -> (Sim, TruthMedium) {
    let sim = Sim::builder().media(60).assets(options).start().await;
    let medium = named(&sim, "logo.png");
    (sim, medium)
}

fn named(sim: &Sim, name: &str) -> TruthMedium {
    let media = sim.truth().media;
    media.into_iter().find(|m| m.name == name).unwrap()
}

fn replace(sim: &Sim, medium: &TruthMedium) {
    sim.edit(Edit::ReplaceBytes {
        id: medium.id.clone(),
        bytes: None,
        touch: true,
        stale_requests: 0,
    })
    .unwrap();
}

fn validators(got: &Got) -> (String, String) {
    let of = |name| got.header(name).unwrap().to_owned();
    (of("etag"), of("last-modified"))
}

#[tokio::test]
async fn a_host_can_confirm_every_version_that_is_named() {
    let (sim, medium) = sim(AssetOptions {
        always_not_modified: true,
        ..HONEST()
    })
    .await;
    let (etag, date) = validators(&get(&medium.url, &[]).await);
    replace(&sim, &medium);
    for headers in [
        [("if-none-match", etag.as_str())],
        [("if-none-match", "\"never heard of\"")],
        [("if-modified-since", &date)],
    ] {
        let got = get(&medium.url, &headers).await;
        assert_eq!((got.status, got.body.len()), (304, 0), "{headers:?}");
    }
    // Only who asks without a condition sees the new bytes.
    let got = get(&medium.url, &[]).await;
    assert_eq!(
        (got.status, got.body.as_slice()),
        (200, named(&sim, "logo.png").bytes().as_ref())
    );
}

#[tokio::test]
async fn validators_can_freeze_from_any_moment_on() {
    let (sim, medium) = sim(HONEST()).await;
    replace(&sim, &medium);
    let before = validators(&get(&medium.url, &[]).await);
    let set = |frozen_validators| {
        let options = AssetOptions {
            frozen_validators,
            ..HONEST()
        };
        sim.edit(Edit::SetAssetOptions { options }).unwrap();
    };
    set(true);
    for _ in 0..2 {
        replace(&sim, &medium);
        let got = get(&medium.url, &[]).await;
        assert_eq!(got.body, named(&sim, "logo.png").bytes());
        assert_eq!(validators(&got), before);
    }
    let again = get(&medium.url, &[("if-none-match", &before.0)]).await;
    assert_eq!(again.status, 304);
    let spliced = [("range", "bytes=10-"), ("if-range", before.0.as_str())];
    assert_eq!(get(&medium.url, &spliced).await.status, 206);
    set(false);
    assert_ne!(validators(&get(&medium.url, &[]).await), before);
}

#[tokio::test]
async fn a_weak_etag_confirms_but_guards_no_range() {
    let (_sim, medium) = sim(AssetOptions {
        weak_etags: true,
        ..HONEST()
    })
    .await;
    let (etag, date) = validators(&get(&medium.url, &[]).await);
    let strong = etag.strip_prefix("W/").unwrap();
    for tag in [etag.as_str(), strong] {
        let got = get(&medium.url, &[("if-none-match", tag)]).await;
        assert_eq!(got.status, 304, "{tag}");
        let guarded = [("range", "bytes=10-19"), ("if-range", tag)];
        assert_eq!(get(&medium.url, &guarded).await.status, 200, "{tag}");
    }
    let guarded = [("range", "bytes=10-19"), ("if-range", date.as_str())];
    assert_eq!(get(&medium.url, &guarded).await.status, 206);
}

#[tokio::test]
async fn a_host_can_boast_of_ranges_and_send_everything() {
    let (_sim, medium) = sim(AssetOptions {
        ignores_ranges: true,
        ..HONEST()
    })
    .await;
    let got = get(&medium.url, &[("range", "bytes=10-19")]).await;
    assert_eq!(
        (
            got.status,
            got.header("accept-ranges"),
            got.header("content-range")
        ),
        (200, Some("bytes"), None)
    );
    assert_eq!(got.body, medium.bytes());
}

#[tokio::test]
async fn a_206_can_be_of_another_part_and_say_so_or_not() {
    for (wrong_range, is_told) in [(WrongRange::Told, true), (WrongRange::Hidden, false)] {
        let (_sim, medium) = sim(AssetOptions {
            wrong_range: Some(wrong_range),
            ..HONEST()
        })
        .await;
        let (bytes, total) = (medium.bytes(), medium.size);
        for (asked, asked_text, sent, sent_text) in [
            ("bytes=10-19", "10-19", 9..19, "9-18"),
            ("bytes=0-9", "0-9", 1..11, "1-10"),
        ] {
            let got = get(&medium.url, &[("range", asked)]).await;
            assert_eq!((got.status, got.body.as_slice()), (206, &bytes[sent]));
            let text = if is_told { sent_text } else { asked_text };
            assert_eq!(
                got.header("content-range"),
                Some(format!("bytes {text}/{total}").as_str())
            );
        }
        let tail = get(&medium.url, &[("range", "bytes=50-")]).await;
        assert_eq!(tail.body.as_slice(), &bytes[49..bytes.len() - 1]);
        assert_eq!(get(&medium.url, &[]).await.body, bytes);
    }
}

#[tokio::test]
async fn head_can_tell_another_length_than_get() {
    let (_sim, medium) = sim(AssetOptions {
        head_length_off: true,
        ..HONEST()
    })
    .await;
    let length = |got: &Got| {
        got.header("content-length")
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let head = send("HEAD", &medium.url, &[]).await.unwrap();
    assert_eq!((head.status, length(&head)), (200, medium.size + 1));
    let got = get(&medium.url, &[]).await;
    assert_eq!(
        (length(&got), got.body.len() as u64),
        (medium.size, medium.size)
    );
}

#[tokio::test]
async fn bodies_can_be_packed_though_nobody_asked() {
    let (_sim, medium) = sim(AssetOptions {
        unasked_gzip: true,
        ..HONEST()
    })
    .await;
    let got = get(&medium.url, &[("accept-encoding", "identity")]).await;
    assert_eq!(
        (got.status, got.header("content-encoding")),
        (200, Some("gzip"))
    );
    assert_eq!(got.header("content-type"), Some("image/png"));
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(got.body.as_slice())
        .read_to_end(&mut unpacked)
        .unwrap();
    assert_eq!(unpacked, medium.bytes());
    let length = got.body.len().to_string();
    assert_eq!(got.header("content-length"), Some(length.as_str()));
    let head = send("HEAD", &medium.url, &[]).await.unwrap();
    assert_eq!(head.header("content-length"), Some(length.as_str()));
    // Ranges are those of what is stored.
    let part = get(&medium.url, &[("range", "bytes=2-9")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &got.body[2..10]));
}

#[test]
fn options_are_short_in_json() {
    let old = r#"{"etag":false,"range":true}"#;
    let options: AssetOptions = serde_json::from_str(old).unwrap();
    assert_eq!(
        options,
        AssetOptions {
            etag: false,
            ..HONEST()
        }
    );
    let edit =
        r#"{"edit":"set_asset_options","options":{"wrong_range":"hidden","weak_etags":true}}"#;
    let options = AssetOptions {
        wrong_range: Some(WrongRange::Hidden),
        weak_etags: true,
        ..HONEST()
    };
    assert_eq!(
        serde_json::from_str::<Edit>(edit).unwrap(),
        Edit::SetAssetOptions { options }
    );
}
