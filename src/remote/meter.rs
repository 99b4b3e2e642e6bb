//! Requests and bytes, host by host: what the plan's transfer quota is spent on.

use crate::model::report::HostTransfer;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Counts requests and body bytes by host. Cheap to clone; clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    // A std mutex: two additions under it, never held across an await.
    hosts: Arc<Mutex<BTreeMap<String, (u64, u64)>>>,
}

impl Meter {
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
