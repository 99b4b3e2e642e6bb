//! How the asset hosts are doing in this run, so that one that is down is not asked for everything.

use crate::remote::RemoteError;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Tries per file and run.
const ATTEMPTS: u32 = 4;
/// Files that fail one after the other before their host counts as ill.
const ILL: u32 = 16;

/// The health of each asset host.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    // A std mutex: a look-up under it, never held across an await.
    health: Mutex<HashMap<String, Health>>,
}

/// Files that failed since the last one that did not.
#[derive(Clone, Copy, Debug, Default)]
struct Health {
    unreachable: u32,
    failed: u32,
}

impl Hosts {
    /// Returns how often a file may be asked for: as usual; once, at a host that fails file after
    /// file (some of its files may be well: a bad run of others must not starve them); or not at all,
    /// at a host that no connection leads to.
    pub(super) fn attempts(&self, host: &str) -> u32 {
        let health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        match health.get(host) {
            Some(health) if health.unreachable >= ILL => 0,
            Some(health) if health.failed >= ILL => 1,
            Some(_) | None => ATTEMPTS,
        }
    }

    /// Notes that a host answered for a file in a definite way, a definite no included.
    pub(super) fn answered(&self, host: &str) {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(host);
    }

    /// Notes what a file finally failed of.
    pub(super) fn failed(&self, host: &str, err: &RemoteError) {
        match err {
            RemoteError::Unreachable { .. } | RemoteError::Untrusted { .. } => {
                self.count(host, true);
            }
            RemoteError::Lost { .. }
            | RemoteError::TimedOut { .. }
            | RemoteError::Busy { .. }
            | RemoteError::Broken { .. } => self.count(host, false),
            RemoteError::Unreadable { .. } | RemoteError::Refused { .. } => self.answered(host),
            // Nobody was asked, or not this host.
            RemoteError::Setup(_)
            | RemoteError::Redirected { .. }
            | RemoteError::HostNotAllowed { .. }
            | RemoteError::NoAddress { .. }
            | RemoteError::RedirectLoop { .. } => {}
        }
    }

    fn count(&self, host: &str, is_unreachable: bool) {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        let health = health.entry(host.to_owned()).or_default();
        health.failed += 1;
        health.unreachable = if is_unreachable {
            health.unreachable + 1
        } else {
            0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> RemoteError {
        RemoteError::Broken {
            api: "asset host",
            status: 503,
            what: "a file".to_owned(),
        }
    }

    #[test]
    fn a_host_that_fails_file_after_file_is_asked_once_each_until_one_is_had() {
        let hosts = Hosts::default();
        for _ in 0..ILL {
            assert_eq!(hosts.attempts("a"), ATTEMPTS);
            hosts.failed("a", &broken());
        }
        assert_eq!((hosts.attempts("a"), hosts.attempts("b")), (1, ATTEMPTS));
        hosts.answered("a");
        assert_eq!(hosts.attempts("a"), ATTEMPTS);
    }

    #[test]
    fn what_says_nothing_about_a_host_does_not_count() {
        let hosts = Hosts::default();
        let refused = RemoteError::HostNotAllowed {
            host: "x".to_owned(),
        };
        for _ in 0..2 * ILL {
            hosts.failed("a", &refused);
        }
        assert_eq!(hosts.attempts("a"), ATTEMPTS);
    }
}
