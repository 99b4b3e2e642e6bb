//! Large services are cheap.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use microcms_sim::{Edit, Sim};

use crate::client::{content, get, ids, management, next};

#[tokio::test]
async fn a_million_media_start_at_once_and_are_served() {
    let start = Instant::now();
    let sim = Sim::builder().media(1_000_000).start().await;
    assert!(
        start.elapsed() < Duration::from_secs(5),
        "{:?}",
        start.elapsed()
    );
    let page = management(&sim, "/api/v2/media?limit=100").await.json();
    assert_eq!(page["totalCount"], 1_000_000);
    let second = management(&sim, &next(page["token"].as_str().unwrap()))
        .await
        .json();
    assert_ne!(ids(&page["media"]), ids(&second["media"]));
    let url = second["media"][99]["url"].as_str().unwrap();
    assert_eq!(get(url, &[]).await.status, 200);
}

#[tokio::test]
async fn a_hundred_thousand_media_move_to_a_custom_domain_at_once() {
    let sim = Sim::builder().media(100_000).start().await;
    let start = Instant::now();
    sim.edit(Edit::SwitchAssetHosts { touch: true }).unwrap();
    assert!(
        start.elapsed() < Duration::from_millis(100),
        "{:?}",
        start.elapsed()
    );
    let page = management(&sim, "/api/v2/media?limit=100").await.json();
    let times: HashSet<String> = page["media"]
        .as_array()
        .unwrap()
        .iter()
        .map(|medium| medium["updatedAt"].to_string())
        .collect();
    assert_eq!(times.len(), 1);
    let url = page["media"][99]["url"].as_str().unwrap();
    assert_eq!(get(url, &[]).await.status, 200);
}

#[tokio::test]
async fn a_hundred_thousand_contents_can_be_walked() {
    let sim = Sim::builder().list_api("blog", 100_000).start().await;
    let last = management(&sim, "/api/v1/contents/blog?limit=100&offset=99900")
        .await
        .json();
    assert_eq!(last["contents"].as_array().unwrap().len(), 100);
    assert_eq!(content(&sim, "/api/v1/blog?limit=1").await.status, 200);
}
