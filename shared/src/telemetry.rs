//! Logs: one JSON object per line, with ids and numbers only. No body, token or property is logged.

use tracing_subscriber::EnvFilter;

/// Writes logs to standard output in the form that Lambda's JSON logging reads.
///
/// `timestamp` and `level` are at the top level: Lambda treats a line without them as INFO, and drops it if the
/// function's log level is higher.
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
