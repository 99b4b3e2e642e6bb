//! The asset hosts.

use microcms_sim::{AssetOptions, Edit, Sim, TruthMedium};

use crate::client::{get, send};

async fn sim() -> (Sim, TruthMedium) {
    let sim = Sim::builder().media(60).start().await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|medium| medium.name == "logo.png")
        .unwrap();
    (sim, medium)
}

#[tokio::test]
async fn every_listed_url_serves_the_true_bytes() {
    let (sim, _) = sim().await;
    for medium in sim.truth().media {
        let got = get(&medium.url, &[]).await;
        assert_eq!(got.status, 200, "{}", medium.url);
        assert_eq!(got.body, medium.bytes(), "{}", medium.url);
        assert_eq!(
            got.header("content-length"),
            Some(medium.size.to_string().as_str())
        );
        assert_eq!(got.header("content-type"), Some(medium.content_type));
    }
    let urls: Vec<String> = sim.truth().media.into_iter().map(|m| m.url).collect();
    for hard in [
        "%E3%82%B9",
        "%402x",
        "%20",
        "a+b.jpg",
        "%E2%80%AF",
        "/protected/ap-northeast-1:",
        "/README",
        "%E3%82%99",
    ] {
        assert!(urls.iter().any(|url| url.contains(hard)), "{hard}");
    }
}

#[tokio::test]
async fn images_and_files_have_hosts_of_their_own() {
    let (sim, image) = sim().await;
    let file = sim
        .truth()
        .media
        .into_iter()
        .find(|medium| medium.name == "movie.mp4")
        .unwrap();
    assert!(image.url.contains(&sim.image_host()) && file.url.contains(&sim.file_host()));
    let elsewhere = |url: &str, from: String, to: String| url.replace(&from, &to);
    let file_at_images = elsewhere(&file.url, sim.file_host(), sim.image_host());
    assert_eq!(get(&file_at_images, &[]).await.status, 404);
    // A picture in a file field is delivered from the file host.
    let image_at_files = elsewhere(&image.url, sim.image_host(), sim.file_host());
    assert_eq!(get(&image_at_files, &[]).await.status, 200);
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let (_sim, medium) = sim().await;
    let got = send("HEAD", &medium.url, &[]).await.unwrap();
    assert_eq!((got.status, got.body.len()), (200, 0));
    assert_eq!(
        got.header("content-length"),
        Some(medium.size.to_string().as_str())
    );
    assert_eq!(send("POST", &medium.url, &[]).await.unwrap().status, 405);
}

#[tokio::test]
async fn conditional_requests_are_answered_304_until_the_bytes_change() {
    let (sim, medium) = sim().await;
    let first = get(&medium.url, &[]).await;
    let (etag, date) = (
        first.header("etag").unwrap(),
        first.header("last-modified").unwrap(),
    );
    let weak = format!("W/{etag}");
    for headers in [
        [("if-none-match", etag)],
        [("if-none-match", &weak)],
        [("if-modified-since", date)],
    ] {
        let got = get(&medium.url, &headers).await;
        assert_eq!((got.status, got.body.len()), (304, 0), "{headers:?}");
        assert_eq!(got.header("etag"), Some(etag));
    }
    // If-None-Match decides alone when both are there.
    let both = [("if-none-match", "\"other\""), ("if-modified-since", date)];
    assert_eq!(get(&medium.url, &both).await.status, 200);
    sim.edit(Edit::ReplaceBytes {
        id: medium.id,
        bytes: None,
        touch: false,
        stale_requests: 0,
    })
    .unwrap();
    for headers in [[("if-none-match", etag)], [("if-modified-since", date)]] {
        assert_eq!(get(&medium.url, &headers).await.status, 200, "{headers:?}");
    }
}

#[tokio::test]
async fn ranges_are_served_refused_and_guarded() {
    let (_sim, medium) = sim().await;
    let (bytes, total) = (medium.bytes(), medium.size);
    let part = get(&medium.url, &[("range", "bytes=10-19")]).await;
    assert_eq!((part.status, part.body.as_slice()), (206, &bytes[10..20]));
    assert_eq!(
        part.header("content-range"),
        Some(format!("bytes 10-19/{total}").as_str())
    );
    let rest = get(&medium.url, &[("range", "bytes=50-")]).await;
    assert_eq!((rest.status, rest.body.as_slice()), (206, &bytes[50..]));
    let beyond = get(&medium.url, &[("range", "bytes=999999-")]).await;
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(format!("bytes */{total}").as_str()))
    );
    let (etag, date) = (
        part.header("etag").unwrap(),
        part.header("last-modified").unwrap(),
    );
    for (guard, status) in [
        (etag, 206),
        (date, 206),
        ("\"other\"", 200),
        ("Mon, 01 Jan 2001 00:00:00 GMT", 200),
    ] {
        let got = get(
            &medium.url,
            &[("range", "bytes=10-19"), ("if-range", guard)],
        )
        .await;
        assert_eq!(got.status, status, "{guard}");
    }
}

#[tokio::test]
async fn each_feature_can_be_switched_off() {
    let (sim, medium) = sim().await;
    let with = |options: AssetOptions| {
        sim.edit(Edit::SetAssetOptions { options }).unwrap();
    };
    let all = AssetOptions::default();
    with(AssetOptions {
        etag: false,
        last_modified: false,
        content_length: false,
        ..all
    });
    let got = get(&medium.url, &[]).await;
    assert_eq!(
        (got.header("etag"), got.header("last-modified")),
        (None, None)
    );
    assert_eq!(
        (
            got.header("content-length"),
            got.header("transfer-encoding")
        ),
        (None, Some("chunked"))
    );
    assert_eq!(got.body, medium.bytes());
    with(AssetOptions {
        range: false,
        ..all
    });
    let got = get(&medium.url, &[("range", "bytes=1-2")]).await;
    assert_eq!((got.status, got.header("accept-ranges")), (200, None));
    with(AssetOptions { head: false, ..all });
    assert_eq!(send("HEAD", &medium.url, &[]).await.unwrap().status, 405);
    with(AssetOptions {
        conditional: false,
        ..all
    });
    let etag = got.header("etag").unwrap();
    assert_eq!(
        get(&medium.url, &[("if-none-match", etag)]).await.status,
        200
    );
}

#[tokio::test]
async fn the_image_api_probes_sizes() {
    let (_sim, medium) = sim().await;
    let probe = get(&format!("{}?fm=json", medium.url), &[]).await.json();
    assert_eq!(probe["Content-Length"], medium.size.to_string());
    assert_eq!(probe["Content-Type"], "image/png");
}

#[tokio::test]
async fn unknown_urls_are_404_and_assets_are_never_compressed() {
    let (sim, medium) = sim().await;
    let other = format!(
        "http://{}/assets/nowhere/{}",
        sim.image_host(),
        "0".repeat(32)
    );
    assert_eq!(get(&other, &[]).await.status, 404);
    let got = get(&medium.url, &[("accept-encoding", "gzip")]).await;
    assert_eq!(
        (got.header("content-encoding"), got.body.as_slice()),
        (None, medium.bytes().as_ref())
    );
}
