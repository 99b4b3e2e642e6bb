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

/// The same for a URL of which something is secret. Plain `http` is allowed to this machine alone, because what is sent
/// does not leave it: then no proxy gets it either, whatever the environment says.
pub(super) fn builder_for(is_plain: bool) -> reqwest::ClientBuilder {
    let client = builder();
    if is_plain { client.no_proxy() } else { client }
}

/// Returns whether a URL is of plain `http`.
pub(super) fn is_plain(url: &url::Url) -> bool {
    url.scheme() == "http"
}
