//! What can go wrong before anybody asks.

use std::io;
use std::net::SocketAddr;

/// Why nobody can ask.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// The address cannot be had.
    #[error("cannot listen at `{address}`, which `health.listen` names")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl HealthError {
    /// What the operator can do about it.
    pub fn hint(&self) -> Option<String> {
        let Self::Listen { address, source } = self;
        let port = address.port();
        if source.kind() == io::ErrorKind::AddrInUse {
            Some(format!(
                "another program has port {port} (`ss -ltnp 'sport = :{port}'` names it): end it, or set another \
                 port. Another address on the port that this daemon has already needs a restart"
            ))
        } else if source.kind() == io::ErrorKind::PermissionDenied {
            Some("ports below 1024 are reserved; set a higher one".to_owned())
        } else if source.kind() == io::ErrorKind::AddrNotAvailable {
            Some(format!(
                "this machine does not have the address {}; `ip address` lists those that it has",
                address.ip()
            ))
        } else {
            None
        }
    }
}
