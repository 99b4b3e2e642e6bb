//! What a client did: every request, and the sums that tests ask for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::routes::{Route, Site};
use crate::state::edits::EditError;

/// More requests than this are counted, but not listed.
const LISTED: usize = 200_000;

/// One request as the simulator saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RequestRecord {
    /// Milliseconds since the simulator started.
    pub at_ms: u64,
    /// Which route it was.
    pub route: Route,
    /// The method.
    pub method: String,
    /// Path and query. A key never stands there.
    pub path: String,
    /// The `Host` header.
    pub host: String,
    /// The answer's status; 0 while there is none, and for ever when the connection was dropped.
    pub status: u16,
    /// Body bytes that were written to the socket (after compression); 0 for HEAD.
    pub bytes: u64,
    /// Milliseconds since the page token's last use, for requests that carried one that was known.
    pub token_age_ms: Option<u64>,
    /// The `Range` header.
    pub range: Option<String>,
    /// The `If-Range` header.
    pub if_range: Option<String>,
    /// The `If-None-Match` header.
    pub if_none_match: Option<String>,
    /// The `If-Modified-Since` header.
    pub if_modified_since: Option<String>,
}

impl RequestRecord {
    /// Whether it asked for the bytes only if they changed.
    #[must_use]
    pub const fn is_conditional(&self) -> bool {
        self.if_none_match.is_some() || self.if_modified_since.is_some()
    }

    /// Method and path without the query: `GET /api/v2/media`.
    #[must_use]
    pub fn line(&self) -> String {
        let path = self
            .path
            .split_once('?')
            .map_or(self.path.as_str(), |(path, _)| path);
        format!("{} {path}", self.method)
    }
}

/// The sums of one host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct HostCounters {
    /// All requests.
    pub requests: u64,
    /// Those with `If-None-Match` or `If-Modified-Since`.
    pub conditional: u64,
    /// Those with `Range`.
    pub ranged: u64,
    /// Body bytes written.
    pub bytes: u64,
}

/// The sums since the start, or since requests were last forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Counters {
    /// All requests at microCMS's hosts.
    pub total: u64,
    /// Requests per route.
    pub requests: BTreeMap<Route, u64>,
    /// Body bytes written, per route.
    pub bytes: BTreeMap<Route, u64>,
    /// The sums per host, by the `Host` header: `127.0.0.1:40123`.
    pub hosts: BTreeMap<String, HostCounters>,
    /// All body bytes written.
    pub bytes_total: u64,
    /// Answers per status.
    pub statuses: BTreeMap<u16, u64>,
    /// Most Management requests within any 10 seconds.
    pub management_max_in_10s: u64,
    /// Most Content requests within any second.
    pub content_max_in_1s: u64,
    /// Most requests to the asset hosts that were open at the same time.
    pub assets_max_open: u64,
    /// Age of each page token at its use, in milliseconds, in order.
    pub token_ages_ms: Vec<u64>,
    /// Requests with an API key at the asset hosts: must stay 0.
    pub keys_at_asset_hosts: u64,
    /// Requests with an API key at any host that is neither of the two APIs: must stay 0.
    pub keys_at_wrong_hosts: u64,
    /// Edits that waited for a request and then did not fit the service. A test
    /// that relies on such an edit should see this empty.
    pub failed_edits: Vec<String>,
}

impl Counters {
    /// Requests of one route.
    #[must_use]
    pub fn of(&self, route: Route) -> u64 {
        self.requests.get(&route).copied().unwrap_or(0)
    }

    /// The sums of one host, named as `Sim::image_host` names it.
    #[must_use]
    pub fn at(&self, host: &str) -> HostCounters {
        self.hosts.get(host).copied().unwrap_or_default()
    }

    /// Requests of both asset hosts.
    #[must_use]
    pub fn assets(&self) -> u64 {
        self.of(Route::Image) + self.of(Route::File)
    }
}

/// A sliding window that remembers its fullest moment.
#[derive(Debug)]
struct Peak {
    window: Duration,
    recent: VecDeque<Instant>,
    most: u64,
}

impl Peak {
    const fn new(window: Duration) -> Self {
        Self {
            window,
            recent: VecDeque::new(),
            most: 0,
        }
    }

    fn arrived(&mut self, now: Instant) {
        while self
            .recent
            .front()
            .is_some_and(|first| now.duration_since(*first) >= self.window)
        {
            self.recent.pop_front();
        }
        self.recent.push_back(now);
        self.most = self.most.max(self.recent.len() as u64);
    }
}

/// The running account behind [`Counters`].
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    sums: Counters,
    records: Vec<(RequestRecord, Arc<AtomicU64>)>,
    bytes: BTreeMap<Route, Arc<AtomicU64>>,
    host_bytes: BTreeMap<String, Arc<AtomicU64>>,
    management: Peak,
    content: Peak,
    open_assets: u64,
    /// Grows when requests are forgotten, so that late answers are not booked to a new account.
    generation: u64,
}

/// Where the outcome of a request is booked.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    place: Option<usize>,
    generation: u64,
    is_asset: bool,
    /// The body bytes of this request, of its route and of its host.
    bytes: [Arc<AtomicU64>; 3],
}

impl Entry {
    /// The body bytes of this request.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> u64 {
        let [bytes, ..] = &self.bytes;
        bytes.load(Ordering::Relaxed)
    }

    /// An entry of no ledger.
    #[cfg(test)]
    pub(crate) fn alone() -> Self {
        Self {
            place: None,
            generation: 0,
            is_asset: false,
            bytes: Default::default(),
        }
    }

    /// Books body bytes that were sent.
    pub(crate) fn sent(&self, bytes: u64) {
        for sum in &self.bytes {
            sum.fetch_add(bytes, Ordering::Relaxed);
        }
    }
}

/// What is known of a request when it arrives.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) site: Site,
    pub(crate) route: Route,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) has_key: bool,
    pub(crate) range: Option<String>,
    pub(crate) if_range: Option<String>,
    pub(crate) if_none_match: Option<String>,
    pub(crate) if_modified_since: Option<String>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            sums: Counters::default(),
            records: Vec::new(),
            bytes: BTreeMap::new(),
            host_bytes: BTreeMap::new(),
            management: Peak::new(Duration::from_secs(10)),
            content: Peak::new(Duration::from_secs(1)),
            open_assets: 0,
            generation: 0,
        }
    }

    pub(crate) fn arrived(&mut self, arrival: Arrival) -> Entry {
        let now = Instant::now();
        self.sums.total += 1;
        *self.sums.requests.entry(arrival.route).or_default() += 1;
        match arrival.site {
            Site::Management => self.management.arrived(now),
            Site::Content => self.content.arrived(now),
            Site::Images | Site::Files | Site::CustomImages | Site::CustomFiles => {
                self.open_assets += 1;
                self.sums.assets_max_open = self.sums.assets_max_open.max(self.open_assets);
                self.sums.keys_at_asset_hosts += u64::from(arrival.has_key);
                self.sums.keys_at_wrong_hosts += u64::from(arrival.has_key);
            }
            Site::Foreign => self.sums.keys_at_wrong_hosts += u64::from(arrival.has_key),
            Site::ByHost | Site::Admin => {}
        }
        let is_conditional = arrival.if_none_match.is_some() || arrival.if_modified_since.is_some();
        let host = self.sums.hosts.entry(arrival.host.clone()).or_default();
        host.requests += 1;
        host.conditional += u64::from(is_conditional);
        host.ranged += u64::from(arrival.range.is_some());
        let host_bytes = self.host_bytes.entry(arrival.host.clone()).or_default();
        let host_bytes = Arc::clone(host_bytes);
        let bytes = Arc::new(AtomicU64::new(0));
        let place = (self.records.len() < LISTED).then_some(self.records.len());
        if place.is_some() {
            let record = RequestRecord {
                at_ms: ms(now.duration_since(self.started)),
                route: arrival.route,
                method: arrival.method,
                path: arrival.path,
                host: arrival.host,
                status: 0,
                bytes: 0,
                token_age_ms: None,
                range: arrival.range,
                if_range: arrival.if_range,
                if_none_match: arrival.if_none_match,
                if_modified_since: arrival.if_modified_since,
            };
            self.records.push((record, Arc::clone(&bytes)));
        }
        let route_bytes = Arc::clone(self.bytes.entry(arrival.route).or_default());
        let is_asset = matches!(
            arrival.site,
            Site::Images | Site::Files | Site::CustomImages | Site::CustomFiles
        );
        Entry {
            place,
            generation: self.generation,
            is_asset,
            bytes: [bytes, route_bytes, host_bytes],
        }
    }

    pub(crate) fn answered(&mut self, entry: &Entry, status: u16) {
        if entry.generation == self.generation {
            *self.sums.statuses.entry(status).or_default() += 1;
            if let Some((record, _)) = entry.place.and_then(|place| self.records.get_mut(place)) {
                record.status = status;
            }
        }
    }

    /// Books that a request is over, answered or not.
    pub(crate) fn closed(&mut self, entry: &Entry) {
        if entry.is_asset {
            self.open_assets = self.open_assets.saturating_sub(1);
        }
    }

    pub(crate) fn token_used(&mut self, entry: &Entry, age: Duration) {
        if entry.generation == self.generation {
            self.sums.token_ages_ms.push(ms(age));
            if let Some((record, _)) = entry.place.and_then(|place| self.records.get_mut(place)) {
                record.token_age_ms = Some(ms(age));
            }
        }
    }

    pub(crate) fn edit_failed(&mut self, error: &EditError) {
        self.sums.failed_edits.push(error.to_string());
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut sums = self.sums.clone();
        sums.bytes = self
            .bytes
            .iter()
            .map(|(route, bytes)| (*route, bytes.load(Ordering::Relaxed)))
            .collect();
        for (host, bytes) in &self.host_bytes {
            if let Some(sums) = sums.hosts.get_mut(host) {
                sums.bytes = bytes.load(Ordering::Relaxed);
            }
        }
        sums.bytes_total = sums.bytes.values().sum();
        sums.management_max_in_10s = self.management.most;
        sums.content_max_in_1s = self.content.most;
        sums
    }

    pub(crate) fn records(&self) -> Vec<RequestRecord> {
        self.records
            .iter()
            .map(|(record, bytes)| RequestRecord {
                bytes: bytes.load(Ordering::Relaxed),
                ..record.clone()
            })
            .collect()
    }

    pub(crate) fn forget(&mut self) {
        self.sums = Counters::default();
        self.records.clear();
        self.bytes.clear();
        self.host_bytes.clear();
        self.management = Peak::new(self.management.window);
        self.content = Peak::new(self.content.window);
        self.generation += 1;
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_fullest_window() {
        let mut peak = Peak::new(Duration::from_secs(10));
        let start = Instant::now();
        for s in [0, 1, 2, 15, 16] {
            peak.arrived(start + Duration::from_secs(s));
        }
        assert_eq!(peak.most, 3);
    }
}
