//! Requests and bytes, host by host: what the plan's transfer quota is spent on. And what was answered.

use crate::model::report::HostTransfer;
use crate::model::{ApiName, Traffic};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts requests and body bytes by host. Cheap to clone; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    // A std mutex: two additions under it, never held across an await.
    hosts: Arc<Mutex<BTreeMap<String, (u64, u64)>>>,
    /// Counts on across runs, where the hosts' counts are this run's.
    traffic: Arc<Traffic>,
}

/// A request under way. It counts when it is dropped, with the status that came until then: a
/// time-out, which drops everything, counts too.
#[derive(Debug)]
pub(crate) struct Asking<'a> {
    traffic: &'a Traffic,
    api: ApiName,
    host: &'a str,
    status: Option<u16>,
}

impl Asking<'_> {
    /// Notes what was answered.
    pub(crate) fn answered(&mut self, status: u16) {
        self.status = Some(status);
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.traffic.asked(self.api, self.host, self.status);
    }
}

impl Meter {
    /// Creates a meter that begins at zero and adds what is answered to `traffic`, too.
    pub(crate) fn new(traffic: Arc<Traffic>) -> Self {
        Self {
            hosts: Arc::default(),
            traffic,
        }
    }

    /// Begins a request whose answer is to be counted.
    pub(crate) fn asking<'a>(&'a self, api: ApiName, host: &'a str) -> Asking<'a> {
        Asking {
            traffic: &self.traffic,
            api,
            host,
            status: None,
        }
    }

    /// Returns the counts that go on across runs.
    pub(crate) fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Counts one request to `host`.
    pub fn request(&self, host: &str) {
        self.add(host, 1, 0);
    }

    /// Counts body bytes from `host`, as they came over the wire.
    pub fn bytes(&self, host: &str, bytes: usize) {
        self.add(host, 0, bytes as u64);
    }

    fn add(&self, host: &str, requests: u64, bytes: u64) {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = hosts.get_mut(host) {
            entry.0 += requests;
            entry.1 += bytes;
        } else {
            hosts.insert(host.to_owned(), (requests, bytes));
        }
    }

    /// Returns the counts so far, in the order of the hosts' names.
    pub fn read(&self) -> Vec<HostTransfer> {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts
            .iter()
            .map(|(host, (requests, bytes))| HostTransfer {
                host: host.clone(),
                requests: *requests,
                bytes: *bytes,
            })
            .collect()
    }
}
