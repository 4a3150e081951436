//! A received request: its parts, its body, and the ids that logs contain.

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Version, header};
use futures::StreamExt;
use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

/// Maximum bytes of a body that API Gateway accepts.
pub(super) const MAX_BODY_BYTES: usize = 10 * 1024 * 1024;

/// How much of a body that is too large is still read. If the gateway closed the connection while the client was still
/// sending, the client would not see the status 413.
const MAX_DRAINED_BYTES: usize = 64 * 1024 * 1024;

/// A request without its body.
#[derive(Debug)]
pub(super) struct IncomingRequest {
    pub(super) method: Method,
    /// Percent-encoded, as the client sent it.
    pub(super) path: String,
    pub(super) query: Option<String>,
    pub(super) headers: HeaderMap,
    /// The header `accept`, also after the other headers were given to a function.
    accept: Option<HeaderValue>,
    /// The address of the caller.
    pub(super) peer_ip: String,
    pub(super) protocol: &'static str,
    pub(super) id: String,
    pub(super) extended_id: String,
    /// Value of the X-Ray trace header.
    pub(super) trace: String,
    pub(super) received: SystemTime,
}

impl IncomingRequest {
    pub(super) fn new(request: Parts, peer: SocketAddr) -> Self {
        let received = SystemTime::now();
        let random = uuid::Uuid::new_v4();
        let sent_trace = request.headers.get("x-amzn-trace-id");
        let trace = sent_trace.and_then(|trace| trace.to_str().ok());
        Self {
            trace: trace.map_or_else(new_trace, str::to_owned),
            method: request.method,
            path: request.uri.path().to_owned(),
            query: request.uri.query().map(str::to_owned),
            accept: request.headers.get(header::ACCEPT).cloned(),
            headers: request.headers,
            peer_ip: peer.ip().to_string(),
            protocol: match request.version {
                Version::HTTP_10 => "HTTP/1.0",
                _ => "HTTP/1.1",
            },
            id: uuid::Uuid::new_v4().to_string(),
            extended_id: data_encoding::BASE64.encode(&random.as_bytes()[..11]),
            received,
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The header `accept`.
    pub(super) fn accept(&self) -> Option<&str> {
        self.accept.as_ref()?.to_str().ok()
    }
}

/// Why the body of a request could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum BodyError {
    #[error("the body is larger than {MAX_BODY_BYTES} bytes")]
    TooLarge,
    #[error("the body is incomplete: {0}")]
    Broken(#[from] axum::Error),
    #[error("the body is not gzip: {0}")]
    NotGzip(std::io::Error),
}

/// Reads the whole body.
pub(super) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Vec<u8>, BodyError> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut bytes = Vec::with_capacity(announced.unwrap_or(0).min(MAX_BODY_BYTES));
    let mut received = 0_usize;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk?;
        received = received.saturating_add(chunk.len());
        if received > MAX_DRAINED_BYTES {
            break;
        }
        if received <= MAX_BODY_BYTES {
            bytes.extend_from_slice(&chunk);
        }
    }
    if received > MAX_BODY_BYTES {
        return Err(BodyError::TooLarge);
    }
    Ok(bytes)
}

/// Creates an X-Ray trace header for a call that has none.
pub(crate) fn new_trace() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = now.unwrap_or_default().as_secs();
    let random = uuid::Uuid::new_v4().simple().to_string();
    format!("Root=1-{seconds:08x}-{}", &random[..24])
}
