//! The HTTP client of this process.

/// The default settings of a client, with the TLS provider of this process.
pub(crate) fn http_client_builder() -> reqwest::ClientBuilder {
    // An error means that this provider is already installed.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}
