//! A custom domain for the asset hosts.

use microcms_sim::{Edit, Fault, Route, Sim, TruthMedium};
use serde_json::Value;

use crate::client::{content, get, management, send};

async fn sim() -> Sim {
    Sim::builder()
        .media(40)
        .published_list_api("blog", 30)
        .start()
        .await
}

fn switch(sim: &Sim, touch: bool) {
    sim.edit(Edit::SwitchAssetHosts { touch }).unwrap();
}

fn times(media: &[TruthMedium]) -> Vec<Value> {
    let of = |listing: &str| serde_json::from_str::<Value>(listing).unwrap()["updatedAt"].clone();
    media.iter().map(|medium| of(&medium.listing)).collect()
}

#[tokio::test]
async fn the_switch_moves_every_url_and_nothing_else() {
    let sim = sim().await;
    let before = sim.truth().media;
    switch(&sim, false);
    let after = sim.truth().media;
    assert_eq!(times(&before), times(&after));
    for (was, is) in before.iter().zip(&after) {
        let moved = was
            .url
            .replace(&sim.image_host(), &sim.custom_image_host())
            .replace(&sim.file_host(), &sim.custom_file_host());
        assert_ne!(was.url, is.url);
        assert_eq!((&moved, &was.id), (&is.url, &is.id));
        assert_eq!(get(&is.url, &[]).await.body, was.bytes());
        let old = get(&was.url, &[]).await;
        assert_eq!((old.status, old.body.len()), (302, 0));
        assert_eq!(old.header("location"), Some(is.url.as_str()));
    }
    let listed = management(&sim, "/api/v2/media?limit=40").await.json();
    assert_eq!(listed["media"][7]["url"], after[7].url.as_str());
    let head = send("HEAD", &format!("{}?w=10", before[0].url), &[]).await;
    let to = format!("{}?w=10", after[0].url);
    assert_eq!(head.unwrap().header("location"), Some(to.as_str()));
}

#[tokio::test]
async fn generated_bodies_show_the_custom_hosts() {
    let sim = sim().await;
    let (own, custom) = (sim.image_host(), sim.custom_image_host());
    let text = async || content(&sim, "/api/v1/blog?limit=30").await.text();
    let before = text().await;
    assert!(before.contains(&own) && !before.contains(&custom));
    switch(&sim, false);
    assert_eq!(
        text().await,
        before
            .replace(&own, &custom)
            .replace(&sim.file_host(), &sim.custom_file_host())
    );
}

#[tokio::test]
async fn a_switch_can_touch_all_and_later_edits_count_on() {
    let sim = sim().await;
    let before = times(&sim.truth().media);
    switch(&sim, true);
    let touched = times(&sim.truth().media);
    assert!(touched.iter().all(|time| *time == touched[0]));
    assert!(
        before
            .iter()
            .all(|time| time.as_str() < touched[0].as_str())
    );
    let id = sim.media_ids().remove(3);
    sim.edit(Edit::TouchMedium { id }).unwrap();
    let edited = times(&sim.truth().media);
    assert!(edited[3].as_str() > touched[3].as_str());
    assert_eq!(edited[4], touched[4]);
}

#[tokio::test]
async fn the_custom_hosts_are_there_only_while_they_are_switched_to() {
    let sim = sim().await;
    let own = sim.truth().media.remove(0);
    switch(&sim, false);
    let custom = sim.truth().media.remove(0);
    switch(&sim, false);
    assert_eq!(sim.truth().media.remove(0).url, own.url);
    assert_eq!(get(&own.url, &[]).await.status, 200);
    assert_eq!(get(&custom.url, &[]).await.status, 404);
}

#[tokio::test]
async fn the_custom_hosts_are_asset_hosts_to_faults_and_counters() {
    let sim = sim().await;
    switch(&sim, false);
    let medium = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.url.contains(&sim.custom_image_host()))
        .unwrap();
    sim.fault(Route::Image, 1, Fault::status(503, ""));
    assert_eq!(get(&medium.url, &[]).await.status, 503);
    get(&medium.url, &[("x-microcms-api-key", "secret")]).await;
    let counters = sim.counters();
    assert_eq!((counters.assets(), counters.keys_at_asset_hosts), (2, 1));
    assert_eq!(counters.at(&sim.custom_image_host()).requests, 2);
    assert_eq!(counters.at(&sim.image_host()).requests, 0);
}

#[tokio::test]
async fn host_mode_has_names_for_the_custom_hosts() {
    let sim = Sim::builder()
        .media(3)
        .host_mode("127.0.0.1:0".parse().unwrap())
        .start()
        .await;
    switch(&sim, false);
    let base = format!("http://{}", sim.address());
    for medium in sim.truth().media {
        let rest = medium.url.strip_prefix("https://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        assert!([sim.custom_image_host(), sim.custom_file_host()].contains(&host.to_owned()));
        let got = get(&format!("{base}/{path}"), &[("host", host)]).await;
        assert_eq!(got.body, medium.bytes());
    }
}
