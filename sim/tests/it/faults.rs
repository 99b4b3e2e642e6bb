//! Faults: what a client sees, and whether the request did its work.

use std::time::{Duration, Instant};

use microcms_sim::{Fault, Occasion, Route, Sim};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::client::{content, get, ids, management, next, send, try_get};

async fn sim() -> Sim {
    Sim::builder().media(40).list_api("blog", 20).start().await
}

async fn try_management(sim: &Sim, path: &str) -> Result<crate::client::Got, reqwest::Error> {
    try_get(
        &format!("{}{path}", sim.management_url()),
        &[("x-microcms-api-key", &sim.api_key())],
    )
    .await
}

async fn token(sim: &Sim) -> String {
    management(sim, "/api/v2/media?limit=10").await.json()["token"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What arrives on a bare connection until it closes.
async fn raw(url: &str) -> Vec<u8> {
    let (host, path) = url
        .strip_prefix("http://")
        .unwrap()
        .split_once('/')
        .unwrap();
    let mut stream = TcpStream::connect(host).await.unwrap();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut got = Vec::new();
    // A reset is as good as an end here.
    let _end = timeout(Duration::from_secs(5), stream.read_to_end(&mut got))
        .await
        .unwrap();
    got
}

fn body(raw: &[u8]) -> &[u8] {
    let head = raw.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    &raw[head + 4..]
}

#[tokio::test]
async fn faults_that_lose_the_answer_take_the_page_or_leave_it() {
    for (fault, is_consumed) in [
        (Fault::DropBefore, false),
        (Fault::DropAfter, true),
        (
            Fault::Cut {
                after: 20,
                chunked: false,
            },
            true,
        ),
        (
            Fault::Cut {
                after: 20,
                chunked: true,
            },
            true,
        ),
        (Fault::status(503, "later"), false),
        (Fault::status_consumed(503, "later"), true),
        (Fault::Garbage, true),
        (Fault::Html, true),
    ] {
        let sim = sim().await;
        let token = token(&sim).await;
        sim.fault(Route::Media, 1, fault.clone());
        let spoilt = try_management(&sim, &next(&token)).await;
        let breaks_off = matches!(
            fault,
            Fault::DropBefore | Fault::DropAfter | Fault::Cut { .. }
        );
        if breaks_off {
            assert!(spoilt.is_err(), "{fault:?}");
        } else if matches!(fault, Fault::Status { .. }) {
            assert_eq!(spoilt.unwrap().refusal(), (503, "later".into()));
        } else {
            let got = spoilt.unwrap();
            assert_eq!(got.status, 200);
            assert!(
                serde_json::from_slice::<serde_json::Value>(&got.body).is_err(),
                "{fault:?}"
            );
        }
        let page = ids(&management(&sim, &next(&token)).await.json()["media"]);
        let from = if is_consumed { 20 } else { 10 };
        assert_eq!(page, sim.media_ids()[from..from + 10], "{fault:?}");
    }
}

#[tokio::test]
async fn a_status_carries_its_headers_and_body() {
    let sim = sim().await;
    let headers = [("retry-after".to_owned(), "7".to_owned())].into();
    let fault = Fault::Status {
        status: 429,
        headers,
        body: "slow down".into(),
        consumed: false,
    };
    sim.fault(Route::ContentList, Occasion::Every, fault);
    let got = content(&sim, "/api/v1/blog").await;
    assert_eq!(
        (got.status, got.header("retry-after"), got.text().as_str()),
        (429, Some("7"), "slow down")
    );
    sim.clear_faults();
    assert_eq!(content(&sim, "/api/v1/blog").await.status, 200);
}

#[tokio::test]
async fn a_cut_body_ends_after_the_asked_bytes() {
    let sim = sim().await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.size > 100 && m.url.contains(&sim.image_host()))
        .unwrap();
    sim.fault(
        Route::Image,
        1,
        Fault::Cut {
            after: 60,
            chunked: false,
        },
    );
    let got = raw(&medium.url).await;
    assert_eq!(body(&got), &medium.bytes()[..60]);
    let head = String::from_utf8_lossy(&got[..got.len() - 60]).to_ascii_lowercase();
    assert!(
        head.contains(&format!("content-length: {}", medium.size)),
        "{head}"
    );
    sim.fault(
        Route::Image,
        1,
        Fault::Cut {
            after: 60,
            chunked: true,
        },
    );
    let got = String::from_utf8_lossy(&raw(&medium.url).await).to_ascii_lowercase();
    assert!(
        got.contains("transfer-encoding: chunked") && !got.contains("content-length"),
        "{got}"
    );
    assert!(!got.ends_with("0\r\n\r\n"), "the last chunk is missing");
}

#[tokio::test]
async fn a_ranged_body_is_cut_like_a_whole_one() {
    let sim = sim().await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.size > 300 && m.url.contains(&sim.image_host()))
        .unwrap();
    for chunked in [false, true] {
        sim.forget_requests();
        sim.fault(Route::Image, 1, Fault::Cut { after: 60, chunked });
        let mut answer = crate::client::client()
            .get(&medium.url)
            .header("range", "bytes=100-")
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 206);
        let range = format!("bytes 100-{}/{}", medium.size - 1, medium.size);
        assert_eq!(answer.headers()["content-range"], range.as_str());
        let length = answer.headers().get("content-length");
        let length = length.map(|length| length.to_str().unwrap().to_owned());
        assert_eq!(length, (!chunked).then(|| (medium.size - 100).to_string()));
        let mut got = Vec::new();
        let end = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => got.extend(chunk),
                end => break end,
            }
        };
        assert!(end.is_err(), "the body breaks off");
        assert_eq!(got, medium.bytes()[100..160]);
        assert_eq!(sim.requests()[0].bytes, 60);
        sim.clear_faults();
    }
}

#[tokio::test]
async fn a_corrupt_body_has_the_right_length_and_other_bytes() {
    let sim = sim().await;
    let medium = sim.truth().media.remove(0);
    sim.fault(Route::Image, Occasion::Every, Fault::Corrupt);
    sim.fault(Route::File, Occasion::Every, Fault::Corrupt);
    let got = get(&medium.url, &[]).await;
    assert_eq!((got.status, got.body.len() as u64), (200, medium.size));
    assert_ne!(got.body, medium.bytes());
}

#[tokio::test]
async fn delays_hold_the_request_or_the_answer() {
    for fault in [Fault::Delay { ms: 150 }, Fault::DelayAfter { ms: 150 }] {
        let sim = sim().await;
        sim.fault(Route::Service, 1, fault);
        let start = Instant::now();
        assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
        assert!(start.elapsed() >= Duration::from_millis(150));
    }
    // With an answer delayed after its work, a client that gives up has lost the page.
    let sim = sim().await;
    let token = token(&sim).await;
    sim.fault(Route::Media, 1, Fault::DelayAfter { ms: 60_000 });
    assert!(
        timeout(Duration::from_millis(200), management(&sim, &next(&token)))
            .await
            .is_err()
    );
    assert_eq!(
        ids(&management(&sim, &next(&token)).await.json()["media"]),
        sim.media_ids()[20..30]
    );
}

#[tokio::test]
async fn a_stall_lasts_until_the_client_gives_up() {
    let sim = sim().await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.name == "logo.png")
        .unwrap();
    sim.fault(Route::Image, 1, Fault::Stall { after: None });
    assert!(
        timeout(Duration::from_millis(200), get(&medium.url, &[]))
            .await
            .is_err()
    );
    sim.fault(Route::Image, 1, Fault::Stall { after: Some(33) });
    let mut answer = reqwest::get(&medium.url).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(
        answer.chunk().await.unwrap().unwrap(),
        &medium.bytes()[..33]
    );
    assert!(
        timeout(Duration::from_millis(200), answer.chunk())
            .await
            .is_err()
    );
    assert_eq!(get(&medium.url, &[]).await.body, medium.bytes());
}

#[tokio::test]
async fn a_drip_arrives_whole_but_slowly() {
    let sim = Sim::builder().media(1).media_size(400..=400).start().await;
    let medium = sim.truth().media.remove(0);
    sim.fault(
        Route::Image,
        1,
        Fault::Drip {
            bytes_per_second: 1_000,
        },
    );
    let start = Instant::now();
    assert_eq!(get(&medium.url, &[]).await.body, medium.bytes());
    let took = start.elapsed();
    assert!(
        (Duration::from_millis(300)..Duration::from_secs(3)).contains(&took),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_redirect_leads_where_it_was_told_and_keys_are_counted_there() {
    let sim = sim().await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.name == "logo.png")
        .unwrap();
    let location = format!("{}{{path}}", sim.foreign_url());
    sim.fault(
        Route::Image,
        Occasion::Every,
        Fault::Redirect {
            status: 302,
            location,
        },
    );
    let got = get(&medium.url, &[]).await;
    assert_eq!(got.status, 302);
    let target = got.header("location").unwrap();
    assert!(target.starts_with(&sim.foreign_url()));
    assert_eq!(get(target, &[]).await.body, medium.bytes());
    assert_eq!(sim.counters().keys_at_wrong_hosts, 0);
    send("GET", target, &[("x-microcms-api-key", "secret")])
        .await
        .unwrap();
    assert_eq!(
        (
            sim.counters().keys_at_wrong_hosts,
            sim.counters().keys_at_asset_hosts
        ),
        (1, 0)
    );
}

#[tokio::test]
async fn rules_hit_the_requests_they_name() {
    let sim = sim().await;
    sim.fault(
        Route::ContentList.containing("offset=10"),
        2..=3,
        Fault::status(500, ""),
    );
    let mut statuses = Vec::new();
    for offset in [10, 0, 10, 10, 10] {
        statuses.push(
            content(&sim, &format!("/api/v1/blog?offset={offset}"))
                .await
                .status,
        );
    }
    assert_eq!(statuses, [200, 200, 500, 500, 200]);
    sim.fault(Route::Service, Occasion::EachNth(2), Fault::status(502, ""));
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(management(&sim, "/api/v1/service").await.status);
    }
    assert_eq!(statuses, [200, 502, 200, 502]);
}
