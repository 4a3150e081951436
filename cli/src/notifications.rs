//! Notifications of the local platform: a line in the log, and a request to a webhook if there is one.

use crate::http_client::http_client_builder;
use domain::notification::Notification;
use futures::FutureExt;
use futures::future::BoxFuture;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode, Url};
use shared::notifications::{NotificationSink, SendError};
use std::time::Duration;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinHandle;

/// Notifications that are not posted yet, at most. A receiver that is down for long must not fill the memory.
const MAX_QUEUED: usize = 100;
/// How long a receiver may take to answer.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pauses between the attempts to post a notification.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How long the end of the process waits for notifications that are not posted yet.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(5);
/// The header with the id of a notification. A receiver that gets an id twice can ignore the second request.
pub const ID_HEADER: &str = "webhook-id";

/// Reads the URL of a webhook.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn webhook_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no URL: {error}"))?;
    match (url.scheme(), url.has_host()) {
        ("http" | "https", true) => Ok(url),
        _ => Err("the URL must begin with http:// or https:// and name a host".to_owned()),
    }
}

/// Logs notifications, and queues them for a webhook.
pub struct LocalSink {
    webhook: Option<Sender<Notification>>,
}

/// The task that posts notifications.
pub struct Webhook(JoinHandle<()>);

impl LocalSink {
    /// Only logs.
    pub fn log() -> Self {
        Self { webhook: None }
    }

    /// Logs, and posts to a URL in the background. The task ends after the sink is dropped.
    pub fn posting(url: Url) -> (Self, Webhook) {
        let (sender, queued) = mpsc::channel(MAX_QUEUED);
        let sink = Self {
            webhook: Some(sender),
        };
        (sink, Webhook(tokio::spawn(post_all(url, queued))))
    }

    fn note(&self, notifications: Vec<Notification>) -> Result<(), SendError> {
        let mut outcome = Ok(());
        for notification in notifications {
            let (kind, id) = (notification.kind.name(), &notification.id);
            tracing::info!(id, kind, "notification: {}", notification.message);
            let Some(webhook) = &self.webhook else {
                continue;
            };
            // The others may still find a place.
            if let Err(refused) = webhook.try_send(notification) {
                outcome = Err(SendError(match refused {
                    TrySendError::Full(_) => format!("{MAX_QUEUED} notifications are queued"),
                    TrySendError::Closed(_) => "the webhook is not posted to any more".to_owned(),
                }));
            }
        }
        outcome
    }
}

impl NotificationSink for LocalSink {
    fn send(&self, notifications: Vec<Notification>) -> BoxFuture<'_, Result<(), SendError>> {
        std::future::ready(self.note(notifications)).boxed()
    }
}

impl Webhook {
    /// Returns when all notifications are posted or have failed, or after some seconds.
    pub async fn finish(self) {
        let Self(mut task) = self;
        if tokio::time::timeout(SHUTDOWN_TIMEOUT, &mut task)
            .await
            .is_err()
        {
            tracing::warn!("some notifications were not posted");
            task.abort();
        }
    }
}

/// Posts one notification after the other, so that they arrive in their order.
async fn post_all(url: Url, mut queued: Receiver<Notification>) {
    let client = http_client_builder()
        .timeout(ATTEMPT_TIMEOUT)
        // A webhook that has moved is an error of its settings.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap_or_default();
    while let Some(notification) = queued.recv().await {
        if let Err(reason) = post_with_retries(&client, &url, &notification).await {
            let id = &notification.id;
            tracing::error!(id, reason, "a notification could not be posted");
        }
    }
}

async fn post_with_retries(
    client: &Client,
    url: &Url,
    notification: &Notification,
) -> Result<(), String> {
    let body = serde_json::to_string(notification).map_err(|error| error.to_string())?;
    let mut pauses = PAUSES.iter();
    loop {
        match post(client, url, &notification.id, &body).await {
            Ok(()) => return Ok(()),
            Err(reason) => match pauses.next() {
                Some(pause) => tokio::time::sleep(*pause).await,
                None => return Err(reason),
            },
        }
    }
}

async fn post(client: &Client, url: &Url, id: &str, body: &str) -> Result<(), String> {
    let request = client
        .post(url.clone())
        .header(CONTENT_TYPE, "application/json")
        .header(ID_HEADER, id)
        .body(body.to_owned());
    // The URL of a webhook can be a secret.
    let answer = request.send().await;
    let answer = answer.map_err(|error| error.without_url().to_string())?;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(refusal(status)),
    }
}

fn refusal(status: StatusCode) -> String {
    format!("the receiver answered {status}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_webhook_is_an_http_url_with_a_host() {
        for url in [
            "http://127.0.0.1:9000/hook",
            "https://example.com",
            "https://u:p@example.com/a?b=c",
        ] {
            assert!(webhook_url(url).is_ok(), "{url}");
        }
        for text in [
            "",
            "example.com/hook",
            "ftp://example.com",
            "file:///tmp/x",
            "http://",
            "javascript:alert(1)",
        ] {
            assert!(webhook_url(text).is_err(), "{text}");
        }
    }
}
