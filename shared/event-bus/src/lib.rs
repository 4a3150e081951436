//! Sends notifications to EventBridge.
//!
//! It is a crate of its own, so that only the functions that notify contain the client of EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::config::Builder;
use aws_sdk_eventbridge::config::retry::RetryConfig;
use aws_sdk_eventbridge::config::timeout::TimeoutConfig;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use domain::notification::Notification;
use futures::FutureExt;
use futures::future::BoxFuture;
use shared::config::{BadSetting, sdk_config};
use shared::notifications::{BUS_VARIABLE, NotificationSink, Notifier, SendError};
use std::time::Duration;

/// The source of the events. The rule and the roles in the template name it.
pub const SOURCE: &str = "assay";

/// Notifies by events on a bus of EventBridge.
pub struct EventBus {
    client: Client,
    bus: String,
}

impl EventBus {
    /// Sends with this client to the bus of this name.
    pub fn new(client: Client, bus: String) -> Self {
        Self { client, bus }
    }

    async fn put(&self, notifications: Vec<Notification>) -> Result<(), SendError> {
        let failed = |reason: String| SendError(reason);
        let mut request = self.client.put_events();
        for notification in notifications {
            let detail = serde_json::to_string(&notification);
            let entry = PutEventsRequestEntry::builder()
                .event_bus_name(&self.bus)
                .source(SOURCE)
                .detail_type(notification.kind.name())
                .detail(detail.map_err(|error| failed(error.to_string()))?);
            request = request.entries(entry.build());
        }
        // The client retries what can be retried.
        let answer = request.send().await;
        let answer = answer.map_err(|error| failed(error.into_service_error().to_string()))?;
        let mut entries = answer.entries().iter();
        match entries.find_map(|entry| entry.error_code()) {
            Some(code) => Err(failed(format!("EventBridge refused an event: {code}"))),
            None => Ok(()),
        }
    }
}

impl NotificationSink for EventBus {
    fn send(&self, notifications: Vec<Notification>) -> BoxFuture<'_, Result<(), SendError>> {
        self.put(notifications).boxed()
    }
}

/// Notifies by the bus that the environment names.
///
/// # Errors
/// Names an environment variable that is missing.
pub fn notifier_from_environment() -> Result<Notifier, BadSetting> {
    let variable = |name: &str| std::env::var(name).ok();
    let bus = variable(BUS_VARIABLE).filter(|name| !name.is_empty());
    let bus = bus.ok_or(BadSetting::missing(BUS_VARIABLE))?;
    // Only DynamoDB has an endpoint of its own there.
    let mut config = sdk_config(variable)?.into_builder();
    config.set_endpoint_url(variable("AWS_ENDPOINT_URL_EVENTBRIDGE"));
    let config = Builder::from(&config.build())
        .retry_config(RetryConfig::standard().with_max_attempts(3))
        // Shorter than the time that the functions reserve after their deadline.
        .timeout_config(
            TimeoutConfig::builder()
                .connect_timeout(Duration::from_millis(500))
                .operation_attempt_timeout(Duration::from_secs(2))
                .operation_timeout(Duration::from_secs(6))
                .build(),
        )
        .build();
    Ok(Notifier::new(EventBus::new(Client::from_conf(config), bus)))
}
