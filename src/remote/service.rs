//! The service as a whole: its two APIs, its asset hosts, and what can be asked of them.

use super::api::{Api, Key, Which};
use super::apis::{self, ApiList, Schema};
use super::assets::AssetClient;
use super::bodies::{self, Batch, BatchAnswer, FoundBody};
use super::budget::Budget;
use super::client;
use super::contents::{self, ContentsPage, ContentsWalkEnd, Lookup};
use super::error::RemoteError;
use super::gate::LineGate;
use super::media::{self, MediaPage, MediaWalkEnd};
use super::meter::Meter;
use super::throttle::Throttle;
use crate::model::path::AssetUrl;
use crate::model::{ContentId, Endpoint, EndpointKind, Tally, Traffic};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use url::Url;

/// The answer of a slow request may take up to about 29 s (microcms-facts 3.1).
const SLOWEST_ANSWER: Duration = Duration::from_secs(30);
/// CDNs close idle connections early; one that was closed while we reach for it costs a failed request.
const POOL_IDLE: Duration = Duration::from_secs(20);

/// How to reach a service.
#[derive(Clone, Debug)]
pub struct Options {
    /// Base of the Management API, with a trailing slash.
    pub management_url: Url,
    /// Base of the Content API, with a trailing slash.
    pub content_url: Url,
    /// The key; sent to those two hosts only.
    pub key: Key,
    /// Hosts that assets may come from: lower case, with the port where it is not the scheme's own.
    pub asset_hosts: Vec<String>,
    /// Requests that the Management API gets in any 10 s.
    pub management_per_10s: usize,
    /// Requests that the Content API gets in any second.
    pub content_per_second: usize,
    /// For opening a connection.
    pub connect_timeout: Duration,
    /// For a pause in an asset's bytes.
    pub read_timeout: Duration,
    /// Bytes per second for assets, all downloads together; `None`: as many as come.
    pub bandwidth: Option<u64>,
    /// Where requests are counted by their answers, on across runs.
    pub traffic: Arc<Traffic>,
}

/// A microCMS service.
#[derive(Debug)]
pub struct Remote {
    pub(super) management: Api,
    pub(super) content: Api,
    assets: AssetClient,
    meter: Meter,
    gate: LineGate,
}

impl Remote {
    /// Sets up the clients; no request is made.
    ///
    /// # Errors
    /// [`RemoteError::Setup`] when there is no certificate store to trust.
    pub fn new(options: &Options) -> Result<Self, RemoteError> {
        let begin = |is_plain| {
            client::builder_for(is_plain)
                .retry(reqwest::retry::never())
                .connect_timeout(options.connect_timeout)
                .pool_idle_timeout(POOL_IDLE)
                .tcp_nodelay(true)
        };
        let build = |is_plain| begin(is_plain).build().map_err(RemoteError::Setup);
        let (management, content) = (
            client::is_plain(&options.management_url),
            client::is_plain(&options.content_url),
        );
        let management_client = build(management)?;
        let content_client = match management == content {
            true => management_client.clone(),
            false => build(content)?,
        };
        // HTTP/1.1 for bytes: one broken connection then costs one download, not all of them.
        let for_assets = |is_plain| {
            let client = begin(is_plain).http1_only().build();
            client.map_err(RemoteError::Setup)
        };
        let may_be_plain = |host: &String| AssetUrl::parse(&format!("http://{host}/")).is_ok();
        let here = match options.asset_hosts.iter().any(may_be_plain) {
            true => Some(for_assets(true)?),
            false => None,
        };
        let asset_client = for_assets(false)?;
        let (meter, gate) = (
            Meter::new(Arc::clone(&options.traffic)),
            LineGate::default(),
        );
        let api = |which, base: &Url, client, budget| {
            Api::new(
                which,
                base.clone(),
                options.key.clone(),
                client,
                budget,
                meter.clone(),
            )
        };
        Ok(Self {
            management: api(
                Which::Management,
                &options.management_url,
                management_client,
                Budget::new(options.management_per_10s, Duration::from_secs(10)),
            ),
            content: api(
                Which::Content,
                &options.content_url,
                content_client,
                Budget::new(options.content_per_second, Duration::from_secs(1)),
            ),
            assets: AssetClient::new(
                asset_client,
                here,
                options.asset_hosts.iter().cloned(),
                meter.clone(),
                gate.clone(),
                Throttle::new(options.bandwidth),
                options.read_timeout,
            ),
            meter,
            gate,
        })
    }

    /// Announces a media walk, so that nothing else takes the first slots of the budget.
    pub fn expect_media_walk(&self) {
        self.management.budget.open_chain();
    }

    /// Walks all media; pages go into `out` as they come.
    pub async fn walk_media(&self, tally: &Tally, out: mpsc::Sender<MediaPage>) -> MediaWalkEnd {
        media::Walk::new(&self.management, &self.gate, tally, out, SLOWEST_ANSWER)
            .run()
            .await
    }

    /// Walks all contents of one API; pages go into `out` as they come.
    pub async fn walk_contents(
        &self,
        endpoint: &Endpoint,
        kind: Option<EndpointKind>,
        tally: &Tally,
        out: mpsc::Sender<ContentsPage>,
    ) -> ContentsWalkEnd {
        contents::Walk::new(&self.management, tally, endpoint, kind, out, SLOWEST_ANSWER)
            .run()
            .await
    }

    /// Lists the APIs of the service.
    ///
    /// # Errors
    /// After retries; a refusal means that the key may not list them.
    pub async fn apis(&self) -> Result<ApiList, RemoteError> {
        apis::list(&self.management, SLOWEST_ANSWER).await
    }

    /// Reads the definition of one API.
    ///
    /// # Errors
    /// After retries.
    pub async fn schema(&self, endpoint: &Endpoint) -> Result<Schema, RemoteError> {
        apis::schema(&self.management, endpoint, SLOWEST_ANSWER).await
    }

    /// Asks whether one content exists.
    ///
    /// # Errors
    /// After retries; an error is no evidence of absence.
    pub async fn look_up(
        &self,
        endpoint: &Endpoint,
        id: &ContentId,
    ) -> Result<Lookup, RemoteError> {
        contents::lookup(&self.management, endpoint, id, SLOWEST_ANSWER).await
    }

    /// Reads published bodies of a list-type API. What concerns the whole endpoint or API is the
    /// answer's trouble; what was read before it is kept.
    pub async fn published_bodies(&self, endpoint: &Endpoint, batch: &Batch) -> BatchAnswer {
        bodies::published(&self.content, endpoint, batch, SLOWEST_ANSWER).await
    }

    /// Reads the published body of an object-type API. `None`: the key sees none.
    ///
    /// # Errors
    /// After retries.
    pub async fn object_body(&self, endpoint: &Endpoint) -> Result<Option<FoundBody>, RemoteError> {
        bodies::object(&self.content, endpoint, None, SLOWEST_ANSWER).await
    }

    /// Reads the draft of one content. `None`: the service shows none.
    ///
    /// # Errors
    /// After retries.
    pub async fn draft(
        &self,
        endpoint: &Endpoint,
        kind: EndpointKind,
        id: &ContentId,
        draft_key: &str,
    ) -> Result<Option<FoundBody>, RemoteError> {
        bodies::draft(&self.content, endpoint, kind, id, draft_key, SLOWEST_ANSWER).await
    }

    /// Returns how long ago the Management API was asked, for each request of the last 10 s.
    pub fn recent_requests(&self) -> Vec<Duration> {
        self.management.budget.recent()
    }

    /// Counts requests of an earlier run against the Management API's budget, which knows no runs.
    pub fn remember_requests(&self, ages: impl IntoIterator<Item = Duration>) {
        self.management.budget.remember(ages);
    }

    /// Returns the client for assets.
    pub fn assets(&self) -> &AssetClient {
        &self.assets
    }

    /// Returns the counts of requests and bytes by host.
    pub fn meter(&self) -> &Meter {
        &self.meter
    }

    /// Returns the bytes so far that the plan's transfer quota counts: all but the Management API's
    /// answers (microcms-facts 3.2).
    pub fn counted_bytes(&self) -> u64 {
        let free = self.management_host();
        let hosts = self.meter.read();
        hosts
            .iter()
            .filter(|entry| entry.host != free)
            .map(|entry| entry.bytes)
            .sum()
    }

    /// Returns the Management API's host as the counts name it.
    pub fn management_host(&self) -> String {
        self.management.host()
    }

    /// Returns the time spent waiting for the budgets: Management API, Content API.
    pub fn waited(&self) -> (Duration, Duration) {
        (
            self.management.budget.waited(),
            self.content.budget.waited(),
        )
    }
}
