//! The number of a user's stored events: an item in the user's partition of the assignments table.
//!
//! A request that records events reads the item with the user's assignments, at no further cost. After the events are
//! stored, one update per user adds their number. The number is therefore exact, except for a request that crashes
//! between the two. Concurrent requests that begin below a limit are all stored.

use super::item::{Item, number};
use super::keys::assignments as key;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::event_count::EventCount;
use domain::ids::UserId;

/// What an update assumes about the stored day.
#[derive(Clone, Copy)]
enum StoredDay {
    /// It is the day of the new events.
    Same,
    /// It is earlier, or there is no item yet.
    Earlier,
}

impl Store {
    /// Adds newly stored events to the number of a user. `known` is the number that was read before.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn add_to_event_count(
        &self,
        user: &UserId,
        known: Option<EventCount>,
        day: i64,
        events: u64,
    ) -> Result<(), StoreError> {
        let is_same = known.is_some_and(|known| known.day >= day);
        let (likely, other) = if is_same {
            (StoredDay::Same, StoredDay::Earlier)
        } else {
            (StoredDay::Earlier, StoredDay::Same)
        };
        // The assumption fails if a concurrent request was the first one of the day. Then the other one holds, and
        // again the first one only if an erasure deleted the item.
        for assumed in [likely, other, likely] {
            if self.try_to_add(user, assumed, day, events).await? {
                return Ok(());
            }
        }
        let text = "the number of a user's stored events".to_owned();
        Err(StoreError::Contended(text))
    }

    /// False if the stored day is not as assumed.
    async fn try_to_add(
        &self,
        user: &UserId,
        assumed: StoredDay,
        day: i64,
        events: u64,
    ) -> Result<bool, StoreError> {
        let (expression, condition) = match assumed {
            // A request from before midnight adds to the next day rather than going back.
            StoredDay::Same => ("ADD #total :events, #on_day :events", "#day >= :day"),
            StoredDay::Earlier => (
                "SET #day = :day, #on_day = :events ADD #total :events",
                "attribute_not_exists(#day) OR #day < :day",
            ),
        };
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.assignments)
            .key(key::USER_ID, AttributeValue::S(user.to_string()))
            .key(
                key::EXPERIMENT_ID,
                AttributeValue::S(key::EVENT_COUNT.to_owned()),
            )
            .update_expression(expression)
            .condition_expression(condition)
            .expression_attribute_names("#total", key::TOTAL)
            .expression_attribute_names("#day", key::DAY)
            .expression_attribute_names("#on_day", key::ON_DAY)
            .expression_attribute_values(":day", AttributeValue::N(day.to_string()))
            .expression_attribute_values(":events", AttributeValue::N(events.to_string()));
        self.update(update).await
    }
}

/// Whether an item of the assignments table is the number of a user's stored events.
pub(super) fn is_event_count(item: &Item) -> bool {
    let name = item.get(key::EXPERIMENT_ID);
    name.and_then(|name| name.as_s().ok())
        .is_some_and(|name| name == key::EVENT_COUNT)
}

/// Reads the number of a user's stored events.
pub(super) fn event_count_of(item: &Item) -> Result<EventCount, StoreError> {
    Ok(EventCount {
        total: number(item, key::TOTAL)?,
        day: number(item, key::DAY)?,
        on_day: number(item, key::ON_DAY)?,
    })
}
