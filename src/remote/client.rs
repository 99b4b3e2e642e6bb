//! What every HTTP client here has in common: who it says it is, whom it trusts, what it never does.

/// Begins a client that trusts the system's certificates (`SSL_CERT_FILE` names others), follows no
/// redirect and sends no referer.
pub(super) fn builder() -> reqwest::ClientBuilder {
    // The cryptography under TLS is set once for a process. That it was set before is no failure.
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder()
        .user_agent(concat!("microcms-backup/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
}
