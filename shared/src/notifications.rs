//! Notifications: looking at an experiment, noting what is said, and sending it.
//!
//! What is said is stored before it is sent, on the condition that no other process has stored meanwhile. So a change is sent
//! at most once, however often a batch is delivered and however many processes look
//! (infra/decisions/0038-notifications-are-noted-before-they-are-sent.md).

mod results;

pub use results::ResultsLook;

use crate::app::App;
use crate::store::raw::RawError;
use domain::experiment::Experiment;
use domain::notification::Notification;
use futures::future::BoxFuture;
use std::sync::Arc;

/// The environment variable with the name of the event bus, which the functions have that send notifications.
pub const BUS_VARIABLE: &str = "NOTIFICATION_BUS";

/// How often a look is noted if other processes note theirs at the same moment. After that, the next look finds what is left.
const MAX_TRIES: usize = 5;

/// Why notifications could not be sent.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct SendError(pub String);

/// Where notifications go. It is chosen where a function is wired.
pub trait NotificationSink: Send + Sync {
    /// Sends the notifications of one look, at most one of each kind. It must return within seconds.
    ///
    /// # Errors
    /// If at least one of them may not have been sent.
    fn send(&self, notifications: Vec<Notification>) -> BoxFuture<'_, Result<(), SendError>>;
}

/// Notes what is said about experiments, and sends it.
#[derive(Clone)]
pub struct Notifier {
    sink: Arc<dyn NotificationSink>,
}

impl Notifier {
    /// Sends to this sink.
    pub fn new(sink: impl NotificationSink + 'static) -> Self {
        Self {
            sink: Arc::new(sink),
        }
    }

    /// Looks at the results of an experiment, and notes and sends what is new.
    ///
    /// # Errors
    /// If the database fails, an item is damaged, or a sum grows beyond 38 digits.
    pub fn look<'a>(
        &'a self,
        app: &'a App,
        experiment: &'a Experiment,
    ) -> BoxFuture<'a, Result<(), RawError>> {
        Box::pin(async move {
            let results = ResultsLook::new(app, experiment).await?;
            self.notify(app, experiment, results.as_ref()).await
        })
    }

    /// Notes and sends what is new about an experiment, and about its results if they are known.
    ///
    /// # Errors
    /// If the database fails, or a sum grows beyond 38 digits. A failure to send is logged: the change is noted already, so
    /// it is not sent again.
    pub fn notify<'a>(
        &'a self,
        app: &'a App,
        experiment: &'a Experiment,
        results: Option<&'a ResultsLook<'a>>,
    ) -> BoxFuture<'a, Result<(), RawError>> {
        Box::pin(async move {
            let findings = results.map(ResultsLook::findings).transpose()?.flatten();
            let (store, id) = (app.store(), &experiment.id);
            for _ in 0..MAX_TRIES {
                let read = store.notification_state(id, true).await?;
                let observed = read.state.observe(experiment, findings.as_ref(), app.now());
                if observed.state == read.state {
                    return Ok(());
                }
                let noted = store.replace_notification_state(id, &read, observed.state);
                if noted.await? {
                    if !observed.notifications.is_empty() {
                        self.send(experiment, observed.notifications).await;
                    }
                    return Ok(());
                }
                // Another process has looked at the same moment, and may not have found the same.
            }
            Ok(())
        })
    }

    async fn send(&self, experiment: &Experiment, notifications: Vec<Notification>) {
        // The metric filters of the template use this field.
        let unsent_notifications = notifications.len();
        let kinds: Vec<&str> = notifications.iter().map(|one| one.kind.name()).collect();
        match self.sink.send(notifications).await {
            Ok(()) => tracing::info!(experiment_id = %experiment.id, ?kinds, "notified"),
            Err(error) => {
                tracing::error!(experiment_id = %experiment.id, ?kinds, unsent_notifications, %error, "notifications could not be sent");
            }
        }
    }
}
