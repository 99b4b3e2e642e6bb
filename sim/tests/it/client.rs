//! A plain HTTP client that knows the key.

use std::sync::OnceLock;

use microcms_sim::Sim;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use serde_json::Value;

/// Status, headers and body of one answer.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Got {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("the answer is JSON")
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The status and the message of an error.
    pub(crate) fn refusal(&self) -> (u16, String) {
        (self.status, self.message())
    }
}

/// Begins a client. The cryptography under TLS is set once for a process.
pub(crate) fn builder() -> reqwest::ClientBuilder {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
}

/// One client for all tests: reading the system's certificates takes longer than
/// most tests. It keeps no connections, for each test has a runtime of its own.
pub(crate) fn client() -> &'static reqwest::Client {
    static CLIENT: OnceLock<reqwest::Client> = OnceLock::new();
    CLIENT.get_or_init(|| {
        let builder = builder()
            .redirect(Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0);
        builder.build().unwrap()
    })
}

/// A GET with these headers; an error when the answer is not whole.
pub(crate) async fn try_get(url: &str, headers: &[(&str, &str)]) -> Result<Got, reqwest::Error> {
    send("GET", url, headers).await
}

pub(crate) async fn send(
    method: &str,
    url: &str,
    headers: &[(&str, &str)],
) -> Result<Got, reqwest::Error> {
    let mut request = client().request(method.parse().unwrap(), url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await?;
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    Ok(Got {
        status,
        headers,
        body: answer.bytes().await?.to_vec(),
    })
}

pub(crate) async fn get(url: &str, headers: &[(&str, &str)]) -> Got {
    try_get(url, headers).await.expect("an answer arrives")
}

/// A GET at the Management API with the main key.
pub(crate) async fn management(sim: &Sim, path: &str) -> Got {
    get(
        &format!("{}{path}", sim.management_url()),
        &[("x-microcms-api-key", &sim.api_key())],
    )
    .await
}

/// A GET at the Content API with the main key.
pub(crate) async fn content(sim: &Sim, path: &str) -> Got {
    get(
        &format!("{}{path}", sim.content_url()),
        &[("x-microcms-api-key", &sim.api_key())],
    )
    .await
}

/// The path of the next media page.
pub(crate) fn next(token: &str) -> String {
    let token: String = token.bytes().map(|byte| format!("%{byte:02X}")).collect();
    format!("/api/v2/media?token={token}")
}

/// The ids of a list's items.
pub(crate) fn ids(items: &Value) -> Vec<String> {
    items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}
