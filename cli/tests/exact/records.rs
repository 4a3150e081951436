//! The streams' records of what is stored for some users.

use super::world::World;
use aws_lambda_events::dynamodb::{EventRecord, StreamRecord};
use aws_sdk_dynamodb::types::AttributeValue;
use shared::domain::ids::UserId;
use shared::store::keys;
use std::collections::{HashMap, HashSet};

type Item = HashMap<String, AttributeValue>;

/// Of every item that was found one record, in the order in which they were found.
#[derive(Default)]
pub(crate) struct Records {
    pub(crate) all: Vec<EventRecord>,
    known: HashSet<[String; 2]>,
}

impl Records {
    /// Looks for items that were stored since.
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
                for item in items_of(world, table, user).await {
                    let values = key.map(|name| item[name].as_s().unwrap().clone());
                    if self.known.insert(values) {
                        let number = self.all.len();
                        self.all.push(inserted(item, key, number));
                    }
                }
            }
        }
    }
}

async fn items_of(world: &World, table: &str, user: &UserId) -> Vec<Item> {
    let query = world
        .client
        .query()
        .table_name(table)
        .key_condition_expression("user_id = :user")
        .expression_attribute_values(":user", AttributeValue::S(user.to_string()))
        .consistent_read(true);
    let pages = query.into_paginator().items().send();
    pages.try_collect().await.unwrap()
}

/// The record of an insertion.
pub(crate) fn inserted(item: Item, key: [&str; 2], number: usize) -> EventRecord {
    let keys = key.map(|name| (name.to_owned(), item[name].clone()));
    // Neither can be built by its fields outside its crate.
    let mut change = StreamRecord::default();
    change.keys = HashMap::from(keys).into();
    change.new_image = item.into();
    change.sequence_number = Some(format!("{number:021}"));
    let mut record = EventRecord::default();
    record.event_name = "INSERT".to_owned();
    record.change = change;
    record
}
