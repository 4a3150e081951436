//! What is stored of events that are sent again: the first record of an event id holds, for every experiment.
//!
//! A repeat may have another time, type or value, and its user may be in other experiments by then. Its key therefore
//! differs from that of the first record, and a conditional put does not find it. So a request looks for its events under
//! all keys that they can have before it stores them.

use super::batch::MAX_KEYS;
use super::events::{UserEvent, user_event_of};
use super::item::Item;
use super::keys::{self, events as key};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::event::Event;
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};
use std::collections::{BTreeSet, HashMap};

/// Batches under way at once.
const AT_ONCE: usize = 8;

/// A place where an event may be stored: its user, its id, and the experiment or none.
pub type EventPlace = (UserId, EventId, Option<ExperimentId>);

/// An event that was stored earlier.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierEvent {
    /// The event as its first record has it.
    pub event: Event,
    /// When the request that stored the first record was received.
    pub received_at: Timestamp,
    /// The experiments that it is stored for; none if it was stored for no experiment.
    pub stored_for: BTreeSet<Option<ExperimentId>>,
    /// What the first record is stored for.
    first: Option<ExperimentId>,
}

impl EarlierEvent {
    fn of(stored: UserEvent) -> Self {
        Self {
            event: stored.event,
            received_at: stored.received_at,
            stored_for: BTreeSet::from([stored.experiment.clone()]),
            first: stored.experiment,
        }
    }

    /// Adds another record of the event. Records differ only if requests with the same id were under way at the same
    /// time; then the one that was received first holds, in any order of reading.
    fn join(&mut self, stored: UserEvent) {
        self.stored_for.insert(stored.experiment.clone());
        if (stored.received_at, &stored.experiment) < (self.received_at, &self.first) {
            self.event = stored.event;
            self.received_at = stored.received_at;
            self.first = stored.experiment;
        }
    }
}

impl Store {
    /// The events that are stored in any of these places, read consistently. Each place occurs once. Places are taken
    /// when they are needed: events of users in many experiments have many.
    ///
    /// # Errors
    /// If the database fails, does not keep up, or an item is damaged.
    pub async fn earlier_events(
        &self,
        places: impl Iterator<Item = EventPlace> + Send,
    ) -> Result<HashMap<(UserId, EventId), EarlierEvent>, StoreError> {
        let mut places = places;
        let batches = std::iter::from_fn(move || {
            let batch: Vec<EventPlace> = places.by_ref().take(MAX_KEYS).collect();
            (!batch.is_empty()).then_some(batch)
        });
        let reads = stream::iter(batches).map(|batch| self.read_places(batch));
        let mut read = reads.buffer_unordered(AT_ONCE);
        let mut earlier = HashMap::<_, EarlierEvent>::new();
        // One record of each event is kept, because a user may be in many experiments.
        while let Some(items) = read.try_next().await? {
            for item in items {
                let stored = user_event_of(&item)?;
                let name = (stored.event.user_id.clone(), stored.event.id.clone());
                match earlier.get_mut(&name) {
                    Some(known) => known.join(stored),
                    None => drop(earlier.insert(name, EarlierEvent::of(stored))),
                }
            }
        }
        Ok(earlier)
    }

    async fn read_places(&self, places: Vec<EventPlace>) -> Result<Vec<Item>, StoreError> {
        let keys = places.into_iter().map(|(user, event, experiment)| {
            let name = keys::experiment_event(experiment.as_ref(), &event);
            Item::from([
                (key::USER_ID.to_owned(), AttributeValue::S(user.to_string())),
                (key::EXPERIMENT_EVENT.to_owned(), AttributeValue::S(name)),
            ])
        });
        self.read_batch(&self.tables.events, keys.collect(), true)
            .await
    }
}
