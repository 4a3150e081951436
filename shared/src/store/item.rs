//! Reading one item, writing one item, and the pauses before a retry.

use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::operation::get_item::builders::GetItemFluentBuilder;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
};
use futures::FutureExt;
use std::collections::HashMap;
use std::str::FromStr;
use std::time::{Duration, Instant};

/// An item, or the key of one.
pub(super) type Item = HashMap<String, AttributeValue>;

impl Store {
    /// Reads an item.
    pub(super) async fn read(&self, get: GetItemFluentBuilder) -> Result<Option<Item>, StoreError> {
        let get = get.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let answer = get.send().boxed().await?;
        self.usage.read(answer.consumed_capacity());
        Ok(answer.item)
    }

    /// Writes an item unless its condition fails. Then it returns the stored item in the same call, empty if there is
    /// none.
    pub(super) async fn put(
        &self,
        put: PutItemFluentBuilder,
    ) -> Result<FirstWrite<Item>, StoreError> {
        let answer = put
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await;
        let error = match answer {
            Ok(answer) => {
                self.usage.wrote(answer.consumed_capacity());
                return Ok(FirstWrite::Stored);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(PutItemError::ConditionalCheckFailedException(failed)) => Ok(
                FirstWrite::Existing(failed.item.clone().unwrap_or_default()),
            ),
            _ => Err(error.into()),
        }
    }

    /// Updates an item. Returns false if its condition fails.
    pub(super) async fn update(&self, update: UpdateItemFluentBuilder) -> Result<bool, StoreError> {
        let answer = update
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await;
        match answer {
            Ok(answer) => {
                self.usage.wrote(answer.consumed_capacity());
                Ok(true)
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(error.into()),
            },
        }
    }
}

/// The pauses between tries, each about twice as long as the one before.
pub(super) struct Backoff(Duration);

impl Backoff {
    const FIRST: Duration = Duration::from_millis(20);
    const LONGEST: Duration = Duration::from_millis(1_000);

    pub(super) fn new() -> Self {
        Self(Self::FIRST)
    }

    /// Whether the next pause would end before the deadline.
    pub(super) fn fits(&self, deadline: Instant) -> bool {
        Instant::now() + self.0 < deadline
    }

    /// Waits between half the pause and all of it, so that writers that met once do not meet again.
    pub(super) async fn pause(&mut self) {
        let [byte] = crate::clock::random_bits::<1>().unwrap_or([128]);
        tokio::time::sleep(self.0 / 2 + self.0 * u32::from(byte) / 512).await;
        self.0 = (self.0 * 2).min(Self::LONGEST);
    }
}

/// A text in an item.
pub(super) fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str, StoreError> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| damaged(name))
}

/// A number in an item.
pub(super) fn number<N: FromStr>(item: &Item, name: &str) -> Result<N, StoreError> {
    item.get(name)
        .and_then(|number| number.as_n().ok())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| damaged(name))
}

/// The failure to read an attribute.
pub(super) fn damaged(name: &str) -> StoreError {
    StoreError::Corrupt(format!("an item has no readable {name}"))
}
