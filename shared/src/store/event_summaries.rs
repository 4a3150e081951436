//! A user's events without their properties, as counting needs them.

use super::events::{experiment_of, parsed, value_of};
use super::item::Item;
use super::keys::events as key;
use super::{Store, StoreError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::event::EventSummary;
use domain::ids::{EventId, EventType, ExperimentId, UserId};
use domain::limits;
use domain::time::Timestamp;
use futures::future::BoxFuture;
use futures::{Stream, StreamExt, TryStreamExt};
use std::pin::pin;

/// Events of a user in one experiment. A user with more is an outlier user, however many more there are.
pub(super) const MOST_EVENTS: usize = limits::MAX_EVENTS_PER_USER as usize;

/// An event as it is stored for one experiment or for none, without its properties.
#[derive(Debug, Clone, PartialEq)]
pub struct UserEventSummary {
    /// The experiment.
    pub experiment: Option<ExperimentId>,
    /// The event.
    pub event: EventSummary,
    /// When the request that stored it was received.
    pub received_at: Timestamp,
}

impl Store {
    /// A user's events stored for one experiment, ordered by key, read consistently, without properties. Reading stops
    /// when there are enough to know an outlier user.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn event_summaries_of<'a>(
        &'a self,
        user: &'a UserId,
        experiment: &'a ExperimentId,
    ) -> BoxFuture<'a, Result<Vec<UserEventSummary>, StoreError>> {
        Box::pin(async move {
            let query = self.query_of_events(user, experiment);
            let mut all = Vec::new();
            let mut pages = pin!(self.summary_pages(query));
            while let Some(page) = pages.try_next().await? {
                all.extend(page);
                if all.len() > MOST_EVENTS {
                    break;
                }
            }
            Ok(all)
        })
    }

    /// A query for a user's events stored for one experiment, ordered by key, read consistently.
    pub(super) fn query_of_events(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
    ) -> QueryFluentBuilder {
        self.query_of(&self.tables.events, key::USER_ID, user)
            .key_condition_expression("#user = :user AND begins_with(#event, :experiment)")
            .expression_attribute_names("#event", key::EXPERIMENT_EVENT)
            .expression_attribute_values(":experiment", AttributeValue::S(format!("{experiment}#")))
    }

    /// The number of a user's events stored for one experiment, read consistently.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn number_of_events(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
    ) -> Result<u64, StoreError> {
        let query = self.query_of_events(user, experiment).select(Select::Count);
        let mut events = 0;
        let mut start = None;
        loop {
            let answer = self
                .page(query.clone().set_exclusive_start_key(start))
                .await?;
            events += u64::try_from(answer.count()).unwrap_or(0);
            start = answer.last_evaluated_key;
            if start.is_none() {
                return Ok(events);
            }
        }
    }

    /// All events of a user, for every experiment and for none, ordered by key, read consistently, without properties,
    /// page by page.
    pub fn all_event_summaries_of(
        &self,
        user: &UserId,
    ) -> impl Stream<Item = Result<Vec<UserEventSummary>, StoreError>> + use<'_> {
        let query = self
            .query_of(&self.tables.events, key::USER_ID, user)
            .key_condition_expression("#user = :user");
        self.summary_pages(query)
    }

    fn summary_pages(
        &self,
        query: QueryFluentBuilder,
    ) -> impl Stream<Item = Result<Vec<UserEventSummary>, StoreError>> + use<'_> {
        let query = query
            .projection_expression("#event, event_id, event_type, #value, counted_at, received_at")
            .expression_attribute_names("#event", key::EXPERIMENT_EVENT)
            .expression_attribute_names("#value", "value");
        self.pages(query)
            .map(|page| page?.iter().map(summary_of).collect())
    }
}

fn summary_of(item: &Item) -> Result<UserEventSummary, StoreError> {
    Ok(UserEventSummary {
        experiment: experiment_of(item)?,
        event: EventSummary {
            id: parsed(item, "event_id", EventId::parse)?,
            event_type: parsed(item, "event_type", EventType::parse)?,
            value: value_of(item)?,
            counted_at: parsed(item, "counted_at", Timestamp::parse)?,
        },
        received_at: parsed(item, "received_at", Timestamp::parse)?,
    })
}
