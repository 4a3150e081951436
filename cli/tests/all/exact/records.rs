//! Builds stream records: of the items of some users, and of any change.

use super::world::World;
use aws_lambda_events::dynamodb::{EventRecord, StreamRecord};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::UserId;
use shared::store::keys;
use std::collections::HashMap;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// One record per item, in the order in which the items were found.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) all: Vec<EventRecord>,
    /// The items that were found last, by key. An item that is deleted and stored again with other content has another record.
    known: HashMap<[String; 2], Item>,
}

impl Records {
    /// Finds items that were stored since the last call.
    pub(crate) async fn collect(&mut self, world: &World, users: &[UserId]) {
        let (assignments, events) = (
            [keys::assignments::USER_ID, keys::assignments::EXPERIMENT_ID],
            [keys::events::USER_ID, keys::events::EXPERIMENT_EVENT],
        );
        for user in users {
            for (table, key) in [
                (&world.config.tables.assignments, assignments),
                (&world.config.tables.events, events),
            ] {
                for item in items_of(world, table, key[0], user.as_str()).await {
                    let values = key.map(|name| item[name].as_s().unwrap().clone());
                    if self.known.insert(values, item.clone()).as_ref() != Some(&item) {
                        let number = self.all.len();
                        self.all.push(inserted(item, key, number));
                    }
                }
            }
        }
    }
}

/// All items of a partition.
pub(crate) async fn items_of(world: &World, table: &str, key: &str, value: &str) -> Vec<Item> {
    let query = world
        .client
        .query()
        .table_name(table)
        .key_condition_expression("#key = :value")
        .expression_attribute_names("#key", key)
        .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
        .consistent_read(true);
    let pages = query.into_paginator().items().send();
    pages.try_collect().await.unwrap()
}

/// The record of an insertion.
pub(crate) fn inserted(item: Item, key: [&str; 2], number: usize) -> EventRecord {
    changed(None, Some(&item), key, number)
}

/// The record of a change of an item. At least one of the two states must be given.
pub(crate) fn changed(
    before: Option<&Item>,
    after: Option<&Item>,
    key: [&str; 2],
    number: usize,
) -> EventRecord {
    let item = after.or(before).unwrap();
    let keys = key.map(|name| (name.to_owned(), item[name].clone()));
    // Both types are non-exhaustive, so they cannot be built with a struct expression here.
    let mut change = StreamRecord::default();
    change.keys = HashMap::from(keys).into();
    change.old_image = before.cloned().unwrap_or_default().into();
    change.new_image = after.cloned().unwrap_or_default().into();
    change.sequence_number = Some(format!("{number:021}"));
    let mut record = EventRecord::default();
    record.event_name = match (before, after) {
        (None, _) => "INSERT",
        (_, None) => "REMOVE",
        _ => "MODIFY",
    }
    .to_owned();
    record.change = change;
    record
}
