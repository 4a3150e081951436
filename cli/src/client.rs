//! The client of the API that `import`, `results` and `simulate` share.

use crate::serve::DEFAULT_DATA_FILE;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Where the API is, and the token for it.
#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// Address of the API; for a deployment with its stage, as the stack's output says.
    #[arg(
        long,
        value_name = "URL",
        env = "ASSAY_URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub url: String,
    /// Token; safer in ASSAY_TOKEN than on the command line. A server on this machine needs none here if it was
    /// started in this folder.
    #[arg(
        long,
        value_name = "TOKEN",
        env = "ASSAY_TOKEN",
        hide_env_values = true
    )]
    pub token: Option<String>,
}

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no token.
    #[error("no token: give one in ASSAY_TOKEN or with --token (`assay serve` prints one)")]
    NoToken,
    /// The token could not be sent.
    #[error("the token has characters that no token has")]
    BadToken,
    /// The address is none.
    #[error("`{0}` is no address of an API; one looks like http://127.0.0.1:3000")]
    BadUrl(String),
    /// The client could not be made.
    #[error("cannot make an HTTP client: {0}")]
    Setup(String),
    /// Nobody answered, however often it was tried.
    #[error("cannot reach {url}: {reason}")]
    Unreachable {
        /// Where.
        url: String,
        /// What the last attempt met.
        reason: String,
    },
    /// The API said no.
    #[error("{0}")]
    Refused(Refusal),
    /// The answer was not what the API answers.
    #[error("{url} answered something that is not from this API: {reason}")]
    Strange {
        /// Who.
        url: String,
        /// What was wrong.
        reason: String,
    },
}

/// A problem as the API reports it.
#[derive(Debug, Clone, Deserialize)]
pub struct Refusal {
    /// HTTP status, which the gateway's own problems do not repeat.
    #[serde(skip)]
    pub status: u16,
    /// Stable code.
    pub code: String,
    /// A sentence.
    pub detail: String,
    /// Leads to the log.
    #[serde(default)]
    pub request_id: String,
    /// Each fault of the input.
    #[serde(default)]
    pub errors: Vec<Fault>,
}

/// A fault of the input.
#[derive(Debug, Clone, Deserialize)]
pub struct Fault {
    /// Where.
    pub pointer: String,
    /// What.
    pub detail: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} (HTTP {}, {}", self.detail, self.status, self.code)?;
        if !self.request_id.is_empty() {
            write!(f, ", request {}", self.request_id)?;
        }
        f.write_str(")")?;
        for fault in &self.errors {
            write!(f, "\n  {}: {}", fault.pointer, fault.detail)?;
        }
        Ok(())
    }
}

/// How often a call is tried: a user data waits for a table, an import outlasts a restart.
#[derive(Debug, Clone, Copy)]
pub enum Patience {
    /// Three attempts within a second.
    UserData,
    /// Ten attempts within about a minute.
    Import,
}

impl Patience {
    fn attempts(self) -> u32 {
        match self {
            Self::UserData => 3,
            Self::Import => 10,
        }
    }
}

/// The first pause between attempts; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// No pause is longer, whatever `Retry-After` says.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Longer than the 29 seconds of the gateway, so that its own answer arrives.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(35);

/// What RFC 3986 leaves unreserved stays; everything else in a dimension of a path is encoded.
const DIMENSION: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// An HTTP client with the TLS provider of this process and the default settings of `reqwest`.
pub fn http_client() -> reqwest::Client {
    // Only a TLS provider that does not work fails here.
    http_client_builder().build().unwrap_or_default()
}

fn http_client_builder() -> reqwest::ClientBuilder {
    // An error means that the process has a provider already, which is this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// A client of one API. A clone shares its connections.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    authorization: HeaderValue,
    patience: Patience,
}

impl Client {
    /// A client for this address and token.
    ///
    /// # Errors
    /// If there is no token, or either cannot be used.
    pub fn new(connection: &Connection, patience: Patience) -> Result<Self, ClientError> {
        let bad_url = || ClientError::BadUrl(connection.url.clone());
        let url = reqwest::Url::parse(&connection.url).map_err(|_| bad_url())?;
        if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
            return Err(bad_url());
        }
        let token = match &connection.token {
            Some(token) if !token.trim().is_empty() => token.trim().to_owned(),
            _ => kept_token(&url).ok_or(ClientError::NoToken)?,
        };
        let mut authorization =
            HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| ClientError::BadToken)?;
        authorization.set_sensitive(true);
        let http = http_client_builder()
            .timeout(ATTEMPT_TIMEOUT)
            .connect_timeout(Duration::from_secs(5))
            // A redirect would carry the token to whoever it names.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| ClientError::Setup(error.to_string()))?;
        Ok(Self {
            http,
            url: connection.url.trim_end_matches('/').to_owned(),
            authorization,
            patience,
        })
    }

    /// Reads something.
    ///
    /// # Errors
    /// If the API says no or cannot be reached.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        self.read(&self.get_text(path).await?)
    }

    /// Reads something as the text that it is.
    ///
    /// # Errors
    /// If the API says no or cannot be reached.
    pub async fn get_text(&self, path: &str) -> Result<String, ClientError> {
        self.call(self.request(Method::GET, path)).await
    }

    /// Sends a body of JSON. It is sent again when no answer came, so the call must be harmless to repeat.
    ///
    /// # Errors
    /// If the API says no or cannot be reached.
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

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http
            .request(method, format!("{}{path}", self.url))
            .header(AUTHORIZATION, self.authorization.clone())
    }

    fn read<T: DeserializeOwned>(&self, text: &str) -> Result<T, ClientError> {
        serde_json::from_str(text).map_err(|error| ClientError::Strange {
            url: self.url.clone(),
            reason: error.to_string(),
        })
    }

    /// Sends until there is an answer that another attempt would not change.
    async fn call(&self, request: RequestBuilder) -> Result<String, ClientError> {
        let mut attempt = 1;
        loop {
            // A clone is refused for streams only; bodies here are buffers.
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
            if attempt >= self.patience.attempts() {
                return Err(error);
            }
            tracing::debug!(attempt, %error, "trying again");
            tokio::time::sleep(pause_before(attempt, pause)).await;
            attempt += 1;
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> ClientError {
        // Without the path, which may hold a user's id; the innermost cause is the one that helps.
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
        match serde_json::from_str::<Refusal>(text) {
            Ok(refusal) => ClientError::Refused(Refusal {
                status: status.as_u16(),
                ..refusal
            }),
            Err(_) => ClientError::Strange {
                url: self.url.clone(),
                reason: format!("HTTP {status} without a problem document"),
            },
        }
    }
}

/// A dimension of a path: an id as the API reads it, whatever characters it has.
pub fn dimension(text: &str) -> String {
    utf8_percent_encode(text, DIMENSION).to_string()
}

/// The token that `assay serve` keeps beside its data. It opens only the server on this machine and goes
/// nowhere else.
fn kept_token(url: &reqwest::Url) -> Option<String> {
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

/// Between half and all of the pause, so that senders that failed together do not come back together.
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
    fn a_token_goes_nowhere_without_being_told() {
        let connection = Connection {
            url: "https://example.com/Prod".to_owned(),
            token: None,
        };
        let made = Client::new(&connection, Patience::UserData);
        assert!(matches!(made, Err(ClientError::NoToken)));
    }

    #[test]
    fn a_dimension_holds_any_id() {
        assert_eq!(dimension("a/b #%ü.~"), "a%2Fb%20%23%25%C3%BC.~");
    }
}
