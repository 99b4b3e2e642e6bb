//! Host mode: one listener for all hosts.

use microcms_sim::Sim;

use crate::client::{get, ids};

const ANY: &str = "127.0.0.1:0";

#[tokio::test]
async fn the_host_header_decides() {
    let sim = Sim::builder()
        .media(3)
        .list_api("blog", 3)
        .host_mode(ANY.parse().unwrap())
        .start()
        .await;
    let base = format!("http://{}", sim.address());
    let key = sim.api_key();
    let management = [
        ("host", "demo.microcms-management.io"),
        ("x-microcms-api-key", key.as_str()),
    ];
    let page = get(&format!("{base}/api/v2/media"), &management)
        .await
        .json();
    assert_eq!(ids(&page["media"]), sim.media_ids());
    let content = [
        ("host", "demo.microcms.io"),
        ("x-microcms-api-key", key.as_str()),
    ];
    assert_eq!(
        get(&format!("{base}/api/v1/blog"), &content).await.status,
        200
    );
    for medium in sim.truth().media {
        let rest = medium.url.strip_prefix("https://").unwrap();
        let (host, path) = rest.split_once('/').unwrap();
        assert!([sim.image_host(), sim.file_host()].contains(&host.to_owned()));
        assert_eq!(
            get(&format!("{base}/{path}"), &[("host", host)]).await.body,
            medium.bytes()
        );
    }
    get(
        &format!("{base}/api/v1/blog"),
        &[("host", "elsewhere.example"), ("x-microcms-api-key", &key)],
    )
    .await;
    assert_eq!(sim.counters().keys_at_wrong_hosts, 1);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn tls_is_spoken_for_all_names() {
    let folder = tempfile::tempdir().unwrap();
    let builder = Sim::builder()
        .media(2)
        .list_api("blog", 3)
        .host_mode(ANY.parse().unwrap());
    let sim = builder.tls(folder.path()).start().await;
    let authority = std::fs::read(folder.path().join("ca.pem")).unwrap();
    let mut client = crate::client::builder()
        .no_proxy()
        .tls_certs_only([reqwest::Certificate::from_pem(&authority).unwrap()]);
    for name in [
        "demo.microcms-management.io",
        "demo.microcms.io",
        "images.microcms-assets.io",
    ] {
        client = client.resolve(name, sim.address());
    }
    let client = client.build().unwrap();
    for url in [
        format!("{}/api/v2/media", sim.management_url()),
        format!("{}/api/v1/blog", sim.content_url()),
    ] {
        let answer = client
            .get(&url)
            .header("x-microcms-api-key", sim.api_key())
            .send()
            .await
            .unwrap();
        assert_eq!(
            (answer.status().as_u16(), answer.version()),
            (200, reqwest::Version::HTTP_2),
            "{url}"
        );
    }
    let image = sim
        .truth()
        .media
        .into_iter()
        .find(|m| m.url.contains("images."))
        .unwrap();
    let got = client
        .get(&image.url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    assert_eq!(got, image.bytes());
}
