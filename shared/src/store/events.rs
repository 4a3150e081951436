//! Events, stored once for each experiment that they count for. The first write wins.

use super::item::Item;
use super::keys::{self, events as key};
use super::stored_records::IndexPlace;
use super::{FirstWrite, Store, StoreError};
use crate::clock;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::decimal::Decimal;
use domain::event::Event;
use domain::ids::{EventId, EventType, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::{Stream, StreamExt, TryStreamExt};
use std::pin::pin;

/// An event in the index of its experiment.
#[derive(Debug, Clone)]
pub struct IndexedEvent {
    /// The user.
    pub user_id: UserId,
    /// The event type.
    pub event_type: EventType,
    /// Its value, if it has one.
    pub value: Option<Decimal>,
    /// The time at which it is counted.
    pub counted_at: Timestamp,
    /// When it was received, if known.
    pub received_at: Option<Timestamp>,
    /// Its id, which orders events of equal time.
    pub id: EventId,
}

/// An event as it is stored for one experiment or for none.
#[derive(Debug, Clone, PartialEq)]
pub struct UserEvent {
    /// The experiment.
    pub experiment: Option<ExperimentId>,
    /// The event.
    pub event: Event,
    /// When the request that stored it was received.
    pub received_at: Timestamp,
}

impl UserEvent {
    /// Its sort key.
    pub fn key(&self) -> String {
        keys::experiment_event(self.experiment.as_ref(), &self.event.id)
    }
}

/// The experiment that an event is stored for, with its number of index shards; none if it counts for no experiment.
pub type Destination<'a> = Option<(&'a ExperimentId, u16)>;

/// The times of an event that is stored already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTimes {
    /// The time at which it is counted. A corrected time differs from one retry to the next; the first one is kept.
    pub counted_at: Timestamp,
    /// When the request that stored it was received.
    pub received_at: Timestamp,
}

impl Store {
    /// Stores an event for one experiment, or for none, unless it is stored already.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub async fn record_first(
        &self,
        event: &Event,
        destination: Destination<'_>,
        received_at: Timestamp,
    ) -> Result<FirstWrite<StoredTimes>, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.events)
            .set_item(Some(item_of(event, destination, received_at)))
            .condition_expression("attribute_not_exists(#user)")
            .expression_attribute_names("#user", key::USER_ID);
        Ok(match self.put(put).await? {
            FirstWrite::Stored => FirstWrite::Stored,
            FirstWrite::Existing(item) => FirstWrite::Existing(stored_times_of(&item)?),
        })
    }

    /// A user's event as it is stored for an experiment, or for none.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub(super) async fn stored_event(
        &self,
        user: &UserId,
        event: &EventId,
        experiment: Option<&ExperimentId>,
    ) -> Result<Option<UserEvent>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.events)
            .key(key::USER_ID, AttributeValue::S(user.to_string()))
            .key(
                key::EXPERIMENT_EVENT,
                AttributeValue::S(keys::experiment_event(experiment, event)),
            )
            .consistent_read(true);
        self.read(get)
            .await?
            .as_ref()
            .map(user_event_of)
            .transpose()
    }

    /// A user's stored events ordered by key, after a key if one is given, page by page.
    pub fn stored_events_after(
        &self,
        user: &UserId,
        after: Option<&str>,
    ) -> impl Stream<Item = Result<Vec<UserEvent>, StoreError>> + use<'_> {
        let query = self.query_of(&self.tables.events, key::USER_ID, user);
        let query = match after {
            None => query.key_condition_expression("#user = :user"),
            Some(after) => query
                .key_condition_expression("#user = :user AND #event > :after")
                .expression_attribute_names("#event", key::EXPERIMENT_EVENT)
                .expression_attribute_values(":after", AttributeValue::S(after.to_owned())),
        };
        self.pages(query)
            .map(|page| page?.iter().map(user_event_of).collect())
    }

    /// The first sort keys of a user's events with their places in the index, read consistently and without the other
    /// attributes, and whether there may be more. Reading stops after the page that has at least `enough` keys.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub(super) async fn first_event_keys_of(
        &self,
        user: &UserId,
        enough: usize,
    ) -> Result<(Vec<(String, Option<IndexPlace>)>, bool), StoreError> {
        let query = self
            .query_of(&self.tables.events, key::USER_ID, user)
            .key_condition_expression("#user = :user")
            .projection_expression("#event, #shard, #at")
            .expression_attribute_names("#event", key::EXPERIMENT_EVENT)
            .expression_attribute_names("#shard", key::EXPERIMENT_SHARD)
            .expression_attribute_names("#at", key::STORED_AT_EVENT);
        let mut keys = Vec::new();
        let mut pages = pin!(self.pages(query));
        while let Some(items) = pages.try_next().await? {
            for mut item in items {
                let place = IndexPlace::of(&item, key::EXPERIMENT_SHARD, key::STORED_AT_EVENT);
                match item.remove(key::EXPERIMENT_EVENT) {
                    Some(AttributeValue::S(key)) => keys.push((key, place)),
                    _ => return Err(missing(key::EXPERIMENT_EVENT)),
                }
            }
            if keys.len() >= enough {
                return Ok((keys, true));
            }
        }
        Ok((keys, false))
    }

    /// Events of one index shard ordered by the time of storing, from a time on if one is given, page by page. No event is
    /// stored before it happens, so all later events are among them.
    pub fn events_in_shard(
        &self,
        experiment: &ExperimentId,
        shard: u16,
        from: Option<Timestamp>,
    ) -> impl Stream<Item = Result<Vec<IndexedEvent>, StoreError>> + use<'_> {
        let partition = keys::experiment_shard(experiment, shard);
        // The sort key continues with `#` and the event id, so a bare time sorts before all events of that time.
        let from = from.unwrap_or(Timestamp::MIN).to_string();
        let query = self
            .client
            .query()
            .table_name(&self.tables.events)
            .index_name(key::BY_EXPERIMENT)
            .key_condition_expression("#shard = :shard AND #at >= :from")
            .expression_attribute_names("#shard", key::EXPERIMENT_SHARD)
            .expression_attribute_names("#at", key::STORED_AT_EVENT)
            .expression_attribute_names("#value", "value")
            .expression_attribute_values(":shard", AttributeValue::S(partition))
            .expression_attribute_values(":from", AttributeValue::S(from))
            .projection_expression("user_id, event_type, #value, #at, counted_at, received_at");
        self.pages(query)
            .map(|page| page?.iter().map(indexed_event_of).collect())
    }
}

fn item_of(event: &Event, destination: Destination<'_>, received_at: Timestamp) -> Item {
    let text = |text: &dyn ToString| AttributeValue::S(text.to_string());
    let experiment = destination.map(|(experiment, _)| experiment);
    let mut item = Item::from([
        (key::USER_ID.to_owned(), text(&event.user_id)),
        (
            key::EXPERIMENT_EVENT.to_owned(),
            text(&keys::experiment_event(experiment, &event.id)),
        ),
        ("event_id".to_owned(), text(&event.id)),
        ("event_type".to_owned(), text(&event.event_type)),
        ("counted_at".to_owned(), text(&event.counted_at)),
        ("received_at".to_owned(), text(&received_at)),
    ]);
    if let Some((experiment, shards)) = destination {
        let shard = keys::experiment_shard(experiment, keys::shard_of(&event.user_id, shards));
        item.insert(key::EXPERIMENT_SHARD.to_owned(), text(&shard));
        let position = keys::stored_at(clock::now(), event.id.as_str());
        item.insert(key::STORED_AT_EVENT.to_owned(), text(&position));
    }
    if let Some(timestamp) = event.timestamp {
        item.insert("timestamp".to_owned(), text(&timestamp));
    }
    if let Some(value) = event.value {
        item.insert("value".to_owned(), AttributeValue::N(value.to_string()));
    }
    if let Some(properties) = &event.properties {
        item.insert("properties".to_owned(), text(properties));
    }
    item
}

fn stored_times_of(item: &Item) -> Result<StoredTimes, StoreError> {
    Ok(StoredTimes {
        counted_at: parsed(item, "counted_at", Timestamp::parse)?,
        received_at: parsed(item, "received_at", Timestamp::parse)?,
    })
}

fn event_of(item: &Item) -> Result<Event, StoreError> {
    Ok(Event {
        id: parsed(item, "event_id", EventId::parse)?,
        user_id: parsed(item, key::USER_ID, UserId::stored)?,
        event_type: parsed(item, "event_type", EventType::parse)?,
        value: value_of(item)?,
        properties: item
            .get("properties")
            .and_then(|text| text.as_s().ok().cloned()),
        timestamp: item
            .contains_key("timestamp")
            .then(|| parsed(item, "timestamp", Timestamp::parse))
            .transpose()?,
        counted_at: parsed(item, "counted_at", Timestamp::parse)?,
    })
}

pub(super) fn user_event_of(item: &Item) -> Result<UserEvent, StoreError> {
    Ok(UserEvent {
        experiment: experiment_of(item)?,
        event: event_of(item)?,
        received_at: parsed(item, "received_at", Timestamp::parse)?,
    })
}

/// The experiment that an event is stored for; none if it is stored for none.
pub(super) fn experiment_of(item: &Item) -> Result<Option<ExperimentId>, StoreError> {
    item.get(key::EXPERIMENT_EVENT)
        .and_then(|name| name.as_s().ok())
        .and_then(|name| keys::experiment_of(name))
        .ok_or_else(|| missing(key::EXPERIMENT_EVENT))
}

fn indexed_event_of(item: &Item) -> Result<IndexedEvent, StoreError> {
    let position = item
        .get(key::STORED_AT_EVENT)
        .and_then(|position| position.as_s().ok())
        .and_then(|position| position.split_once('#'));
    let Some((_, id)) = position else {
        return Err(missing(key::STORED_AT_EVENT));
    };
    let damaged = |error: domain::Invalid| StoreError::Corrupt(error.detail);
    Ok(IndexedEvent {
        user_id: parsed(item, key::USER_ID, UserId::stored)?,
        event_type: parsed(item, "event_type", EventType::parse)?,
        value: value_of(item)?,
        counted_at: parsed(item, "counted_at", Timestamp::parse)?,
        received_at: item
            .contains_key("received_at")
            .then(|| parsed(item, "received_at", Timestamp::parse))
            .transpose()?,
        id: EventId::parse(id).map_err(damaged)?,
    })
}

pub(super) fn value_of(item: &Item) -> Result<Option<Decimal>, StoreError> {
    let Some(value) = item.get("value") else {
        return Ok(None);
    };
    let text = value.as_n().map_err(|_| missing("a number in value"))?;
    Decimal::parse(text)
        .map(Some)
        .map_err(|error| StoreError::Corrupt(error.detail))
}

pub(super) fn parsed<T>(
    item: &Item,
    name: &str,
    parse: impl Fn(&str) -> Result<T, domain::Invalid>,
) -> Result<T, StoreError> {
    let text = item
        .get(name)
        .and_then(|value| value.as_s().ok())
        .ok_or_else(|| missing(name))?;
    parse(text).map_err(|error| StoreError::Corrupt(format!("{name}: {error}")))
}

fn missing(name: &str) -> StoreError {
    StoreError::Corrupt(format!("an event has no {name}"))
}
