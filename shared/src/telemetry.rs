//! Logs: one JSON object a line, ids and numbers only, never a body, a token or a property.

use tracing_subscriber::EnvFilter;

/// Sends logs to standard output in the form that Lambda's JSON logging reads.
///
/// `timestamp` and `level` stay at the top: Lambda takes a line without a time for INFO and would drop
/// an error where only errors are kept.
pub fn init() {
    let level = std::env::var("AWS_LAMBDA_LOG_LEVEL")
        .or_else(|_| std::env::var("RUST_LOG"))
        .unwrap_or_else(|_| "info".to_owned());
    let built = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(true)
        .with_span_list(false)
        .with_env_filter(EnvFilter::new(level.to_lowercase()))
        .try_init();
    if built.is_err() {
        tracing::debug!("logging was set up before");
    }
}
