//! The API client that `import`, `results`, `audit`, `repair`, `simulate`, `key` and `flags` share.

use crate::http_client::http_client_builder;
use crate::serve::DEFAULT_DATA_FILE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, IF_MATCH, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// URL and token of the API.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// URL of the API. For a deployment, the URL in the outputs of the stack, which includes the stage.
    #[arg(
        long,
        value_name = "URL",
        env = "ASSAY_URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub url: String,
    /// Token. The variable ASSAY_TOKEN is safer than the command line. The token of a local server is found by default if
    /// the server was started in this folder.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "ASSAY_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no token.
    #[error("no token: give one in ASSAY_TOKEN or with --token (`assay serve` prints one)")]
    NoToken,
    /// The token contains characters that a header cannot contain.
    #[error("the token contains invalid characters")]
    BadToken,
    /// The URL is invalid.
    #[error("`{0}` is not the URL of an API; an example is http://127.0.0.1:3000")]
    BadUrl(String),
    /// The HTTP client could not be created.
    #[error("cannot create an HTTP client: {0}")]
    Setup(String),
    /// No attempt received a response.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// URL of the API.
        url: String,
        /// Error of the last attempt.
        reason: String,
    },
    /// The API refused the request.
    #[error("{0}")]
    Refused(ApiProblem),
    /// The response does not have the form of this API.
    #[error("{url} sent a response that is not from this API: {reason}")]
    UnexpectedResponse {
        /// URL of the API.
        url: String,
        /// What is wrong with the response.
        reason: String,
    },
}

/// An error response of the API.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiProblem {
    /// HTTP status. It is not part of the body, because the gateway's own responses do not contain it.
    #[serde(skip)]
    pub status: u16,
    /// Stable error code.
    pub code: String,
    /// Description of the error.
    pub detail: String,
    /// Request id, which the logs contain, too.
    #[serde(default)]
    pub request_id: String,
    /// Errors in the input.
    #[serde(default)]
    pub errors: Vec<InputError>,
}

impl ClientError {
    /// The error response of the API with this status.
    pub fn refused_with(&self, status: u16) -> Option<&ApiProblem> {
        match self {
            Self::Refused(problem) if problem.status == status => Some(problem),
            _ => None,
        }
    }
}

/// An error in the input.
#[derive(Debug, Clone, Deserialize)]
pub struct InputError {
    /// JSON pointer to the value.
    pub pointer: String,
    /// Description of the error.
    pub detail: String,
}

impl std::fmt::Display for ApiProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (HTTP {}, {}", self.detail, self.status, self.code)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id)?;
        }
        f.write_str(")")?;
        for error in &self.errors {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}

/// How often a call is attempted. An interactive command should fail soon; an import should survive a restart of the
/// server.
#[derive(Debug, Clone, Copy)]
pub enum RetryPolicy {
    /// Three attempts within a second.
    Interactive,
    /// Ten attempts within about a minute.
    Import,
}

impl RetryPolicy {
    fn attempts(self) -> u32 {
        match self {
            Self::Interactive => 3,
            Self::Import => 10,
        }
    }
}

/// The first pause between attempts. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// The longest pause, even if `Retry-After` asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Timeout of an attempt. It is longer than the gateway's 29 seconds, so that the gateway's own response arrives.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(35);

/// Characters to encode in a path segment: all except the unreserved characters of RFC 3986.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// Creates an HTTP client with the TLS provider of this process and the default settings of `reqwest`.
pub fn http_client() -> reqwest::Client {
    // This fails only if the TLS provider does not work.
    http_client_builder().build().unwrap_or_default()
}

/// A client of one API. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    authorization: HeaderValue,
    retry_policy: RetryPolicy,
}

impl Client {
    /// Creates a client for this URL and token.
    ///
    /// # Errors
    /// If there is no token, or the token or the URL is invalid.
    pub fn new(connection: &Connection, retry_policy: RetryPolicy) -> Result<Self, ClientError> {
        let bad_url = || ClientError::BadUrl(connection.url.clone());
        let url = reqwest::Url::parse(&connection.url).map_err(|_| bad_url())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad_url());
        }
        let token = match &connection.token {
            Some(token) if !token.trim().is_empty() => token.trim().to_owned(),
            _ => local_server_token(&url).ok_or(ClientError::NoToken)?,
        };
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::BadToken)?;
        authorization.set_sensitive(true);
        let http = http_client_builder()
            .timeout(ATTEMPT_TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            // A redirect would send the token to another server.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Self {
            http,
            url: connection.url.trim_end_matches('/').to_owned(),
            authorization,
            retry_policy,
        })
    }

    /// Sends a GET request and parses the response.
    ///
    /// # Errors
    /// If the API refuses the request or cannot be reached.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.get_text(path).await?)
    }

    /// Sends a GET request and returns the response body.
    ///
    /// # Errors
    /// If the API refuses the request or cannot be reached.
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        self.call(self.request(Method::GET, path)).await
    }

    /// Sends a POST request with a JSON body. It is sent again after a failure, so the call must be idempotent.
    ///
    /// # Errors
    /// If the API refuses the request or cannot be reached.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: impl Into<reqwest::Body>,
        idempotency_key: Option<&str>,
    ) -> Result<T, ClientError> {
        let mut request = self
            .request(Method::POST, path)
            .header(CONTENT_TYPE, "application/json");
        if let Some(key) = idempotency_key {
            request = request.header("idempotency-key", key);
        }
        self.read(&self.call(request.body(body)).await?)
    }

    /// Sends a DELETE request. It is sent again after a failure, so the call must be idempotent.
    ///
    /// # Errors
    /// If the API refuses the request or cannot be reached.
    pub async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.call(self.request(Method::DELETE, path)).await?)
    }

    /// Sends a change of a definition with a JSON body. The API refuses it with 412 if the definition is in another version.
    /// It is sent again after a failure, so a repeat of a change that was made must be refused or change nothing.
    ///
    /// # Errors
    /// If the API refuses the request or cannot be reached.
    pub async fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
        version: u64,
    ) -> Result<T, ClientError> {
        let request = self
            .request(method, path)
            .header(CONTENT_TYPE, "application/json")
            .header(IF_MATCH, format!("\"{version}\""));
        self.read(&self.call(request.body(body.to_string())).await?)
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .header(AUTHORIZATION, self.authorization.clone())
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, ClientError> {
        serde_json::from_str(text).map_err(|error| ClientError::UnexpectedResponse {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }

    /// Sends the request until it succeeds, fails permanently, or has no attempts left.
    async fn call(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let mut attempt = 1;
        loop {
            // Only a request with a stream as its body cannot be cloned.
            let Some(this_time) = request.try_clone() else {
                return Err(ClientError::Setup("the body is a stream".to_owned()));
            };
            let (error, pause) = match this_time.send().await {
                Err(error) => (self.unreachable(error), None),
                Ok(response) => {
                    let status = response.status();
                    let pause = retry_after(&response);
                    match response.text().await {
                        Err(error) => (self.unreachable(error), None),
                        Ok(text) if status.is_success() => return Ok(text),
                        Ok(text) => {
                            let refused = self.refused(status, &text);
                            let may_pass =
                                status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error();
                            if !may_pass {
                                return Err(refused);
                            }
                            (refused, pause)
                        }
                    }
                }
            };
            if attempt >= self.retry_policy.attempts() {
                return Err(error);
            }
            tracing::debug!(attempt, %error, "retrying");
            tokio::time::sleep(pause_before(attempt, pause)).await;
            attempt += 1;
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        // The path is removed because it may contain a user id. The innermost cause is the most useful.
        let error = error.without_url();
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        ClientError::Unreachable {
            url: self.url.clone(),
            reason: cause.to_string(),
        }
    }

    fn refused(&self, status: StatusCode, text: &str) -> ClientError {
        match serde_json::from_str::<ApiProblem>(text) {
            Ok(refusal) => ClientError::Refused(ApiProblem {
                status: status.as_u16(),
                ..refusal
            }),
            Err(_) => ClientError::UnexpectedResponse {
                url: self.url.clone(),
                reason: format!("HTTP {status} without a problem document"),
            },
        }
    }
}

/// Encodes an id as a path segment.
pub fn path_segment(text: &str) -> String {
    utf8_percent_encode(text, PATH_SEGMENT).to_string()
}

/// The token that `assay serve` stores beside its data. It is sent only to a server on the local machine.
fn local_server_token(url: &reqwest::Url) -> Option<String> {
    let host = url.host_str()?;
    let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
    if host != "localhost" && !address.is_ok_and(|address| address.is_loopback()) {
        return None;
    }
    let file = Path::new(DEFAULT_DATA_FILE).with_extension("token");
    let text = std::fs::read_to_string(file).ok()?;
    Some(text.trim().to_owned()).filter(|token| !token.is_empty())
}

fn retry_after(response: &Response) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// A random time between half and all of the pause, so that clients that failed together do not retry together.
fn pause_before(attempt: u32, asked: Option<Duration>) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << (attempt - 1).min(16));
    let pause = asked
        .map_or(doubled, |asked| asked.max(doubled))
        .min(LONGEST_PAUSE);
    pause.mul_f64(0.5 + 0.5 * rand::random::<f64>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        for attempt in 1..40 {
            let pause = pause_before(attempt, None);
            assert!(
                pause >= FIRST_PAUSE / 2 && pause <= LONGEST_PAUSE,
                "{pause:?}"
            );
        }
        assert!(pause_before(1, Some(Duration::from_secs(4))) >= Duration::from_secs(2));
        assert!(pause_before(1, Some(Duration::from_secs(3600))) <= LONGEST_PAUSE);
    }

    #[test]
    fn the_stored_token_is_not_sent_to_another_host() {
        let connection = Connection {
            url: "https://example.com/Prod".to_owned(),
            token: None,
        };
        let made = Client::new(&connection, RetryPolicy::Interactive);
        assert!(matches!(made, Err(ClientError::NoToken)));
    }

    #[test]
    fn a_path_segment_can_contain_any_id() {
        assert_eq!(path_segment("a/b #%ü.~"), "a%2Fb%20%23%25%C3%BC.~");
    }
}
