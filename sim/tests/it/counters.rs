//! The account of what a client did, and the admin listener that shows it.

use microcms_sim::{Fault, HostCounters, Route, Sim};
use serde_json::json;

use crate::client::{client, content, get, management, send};

#[tokio::test]
async fn every_request_is_booked_without_its_key() {
    let sim = Sim::builder().media(5).list_api("blog", 3).start().await;
    let body = management(&sim, "/api/v2/media?limit=2").await.body;
    content(&sim, "/api/v1/blog").await;
    content(&sim, "/api/v1/blog/nowhere").await;
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.url.contains(&sim.image_host()))
        .unwrap();
    get(&medium.url, &[("range", "bytes=0-9")]).await;
    let requests = sim.requests();
    let path = medium.url.splitn(4, '/').nth(3).unwrap();
    let lines = sim.request_lines();
    assert_eq!(
        lines[..3],
        [
            "GET /api/v2/media",
            "GET /api/v1/blog",
            "GET /api/v1/blog/nowhere"
        ]
    );
    assert_eq!(lines[3], format!("GET /{path}"));
    assert_eq!(requests[0].path, "/api/v2/media?limit=2");
    assert_eq!(
        (requests[0].route, requests[0].bytes),
        (Route::Media, body.len() as u64)
    );
    assert_eq!(
        (requests[2].status, requests[3].status, requests[3].bytes),
        (404, 206, 10)
    );
    assert_eq!(requests[3].range.as_deref(), Some("bytes=0-9"));
    assert!(!format!("{requests:?}").contains(&sim.api_key()));
    let counters = sim.counters();
    assert_eq!(
        (
            counters.total,
            counters.of(Route::ContentList),
            counters.assets()
        ),
        (4, 1, 1)
    );
    assert_eq!(
        counters.bytes_total,
        requests.iter().map(|request| request.bytes).sum::<u64>()
    );
    assert_eq!(
        (counters.management_max_in_10s, counters.content_max_in_1s),
        (1, 2)
    );
    assert_eq!((counters.statuses[&200], counters.statuses[&404]), (2, 1));
    sim.forget_requests();
    assert_eq!((sim.counters().total, sim.requests().len()), (0, 0));
}

#[tokio::test]
async fn transfer_is_booked_per_request_and_per_host() {
    let sim = Sim::builder().media(40).start().await;
    let media = sim.truth().media;
    let at = |host: String| media.iter().find(move |m| m.url.contains(&host)).unwrap();
    let (image, file) = (at(sim.image_host()), at(sim.file_host()));
    let whole = get(&image.url, &[]).await;
    let etag = whole.header("etag").unwrap();
    let date = whole.header("last-modified").unwrap();
    send("HEAD", &image.url, &[]).await.unwrap();
    get(&image.url, &[("if-none-match", etag)]).await;
    get(&image.url, &[("if-modified-since", date)]).await;
    get(&image.url, &[("range", "bytes=10-"), ("if-range", etag)]).await;
    get(&file.url, &[("range", "bytes=0-4")]).await;
    let requests = sim.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|r| (r.method.as_str(), r.status, r.bytes, r.is_conditional()))
        .collect();
    let size = image.size;
    assert_eq!(
        seen,
        [
            ("GET", 200, size, false),
            ("HEAD", 200, 0, false),
            ("GET", 304, 0, true),
            ("GET", 304, 0, true),
            ("GET", 206, size - 10, false),
            ("GET", 206, 5, false),
        ]
    );
    assert_eq!(requests[2].if_none_match.as_deref(), Some(etag));
    assert_eq!(requests[3].if_modified_since.as_deref(), Some(date));
    assert_eq!(requests[4].if_range.as_deref(), Some(etag));
    let counters = sim.counters();
    let images = HostCounters {
        requests: 5,
        conditional: 2,
        ranged: 1,
        bytes: 2 * size - 10,
    };
    assert_eq!(counters.at(&sim.image_host()), images);
    assert_eq!(counters.at(&sim.file_host()).bytes, 5);
    sim.forget_requests();
    assert_eq!(
        sim.counters().at(&sim.image_host()),
        HostCounters::default()
    );
}

#[tokio::test]
async fn a_key_at_an_asset_host_is_noticed() {
    let sim = Sim::builder().media(1).start().await;
    let url = sim.truth().media[0].url.clone();
    get(&url, &[]).await;
    assert_eq!(sim.counters().keys_at_asset_hosts, 0);
    get(&url, &[("x-microcms-api-key", &sim.api_key())]).await;
    assert_eq!(
        (
            sim.counters().keys_at_asset_hosts,
            sim.counters().keys_at_wrong_hosts
        ),
        (1, 1)
    );
}

#[tokio::test]
async fn requests_that_are_open_together_are_counted() {
    let sim = Sim::builder().media(20).start().await;
    let urls: Vec<String> = sim
        .truth()
        .media
        .into_iter()
        .map(|m| m.url)
        .take(8)
        .collect();
    for route in [Route::Image, Route::File] {
        sim.fault(
            route,
            microcms_sim::Occasion::Every,
            Fault::Delay { ms: 200 },
        );
    }
    futures_util::future::join_all(urls.iter().map(|url| get(url, &[]))).await;
    assert_eq!(sim.counters().assets_max_open, 8);
}

#[tokio::test]
async fn the_admin_listener_does_what_the_library_does() {
    let sim = Sim::builder().media(3).list_api("blog", 3).start().await;
    let admin = |method: &str, path: &str, body: serde_json::Value| {
        let request = client().request(
            method.parse().unwrap(),
            format!("{}{path}", sim.admin_url()),
        );
        async move {
            let answer = request.body(body.to_string()).send().await.unwrap();
            let status = answer.status().as_u16();
            let value: serde_json::Value =
                serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
            (status, value)
        }
    };
    let rule = json!({"route": "service", "occasion": "every", "fault": "status", "status": 503});
    assert_eq!(admin("POST", "/faults", rule).await.0, 200);
    assert_eq!(management(&sim, "/api/v1/service").await.status, 503);
    assert_eq!(admin("DELETE", "/faults", json!({})).await.0, 200);
    assert_eq!(management(&sim, "/api/v1/service").await.status, 200);
    let (status, added) = admin(
        "POST",
        "/edits",
        json!({"edit": "add_medium", "name": "a.png", "bytes": "x"}),
    )
    .await;
    assert_eq!(status, 200);
    assert_eq!(
        sim.truth()
            .medium(added["id"].as_str().unwrap())
            .unwrap()
            .bytes()
            .as_ref(),
        b"x"
    );
    assert_eq!(
        admin(
            "POST",
            "/edits",
            json!({"edit": "delete_medium", "id": "none"})
        )
        .await
        .0,
        409
    );
    assert_eq!(
        admin("POST", "/edits", json!({"edit": "no_such"})).await.0,
        400
    );
    let trigger = json!({"route": "media", "nth": 1, "when": "before", "edit": "delete_all_media"});
    assert_eq!(admin("POST", "/triggers", trigger).await.0, 200);
    assert_eq!(
        management(&sim, "/api/v2/media").await.json()["totalCount"],
        0
    );
    let (_, counters) = admin("GET", "/counters", json!({})).await;
    assert_eq!(
        (&counters["total"], &counters["requests"]["service"]),
        (&3.into(), &2.into())
    );
    assert_eq!(
        admin("GET", "/requests", json!({}))
            .await
            .1
            .as_array()
            .unwrap()
            .len(),
        3
    );
    let options = json!({"edit": "set_asset_options", "options": {"frozen_validators": true}});
    assert_eq!(admin("POST", "/edits", options).await.0, 200);
    let switch = json!({"edit": "switch_asset_hosts", "touch": false});
    assert_eq!(admin("POST", "/edits", switch).await.0, 200);
    let (_, truth) = admin("GET", "/truth", json!({})).await;
    assert_eq!(truth["contents"].as_array().unwrap().len(), 3);
    assert_eq!(admin("POST", "/forget", json!({})).await.0, 200);
    assert_eq!(sim.counters().total, 0);
    assert_eq!(admin("GET", "/nowhere", json!({})).await.0, 404);
}

#[tokio::test]
async fn a_stopped_simulator_serves_no_more() {
    let sim = Sim::builder().start().await;
    let url = format!("{}/api/v1/service", sim.management_url());
    assert_eq!(get(&url, &[]).await.status, 403);
    sim.stop();
    // The listener closes in the background.
    let mut is_gone = false;
    for _ in 0..200 {
        if crate::client::try_get(&url, &[]).await.is_err() {
            is_gone = true;
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(is_gone);
}
