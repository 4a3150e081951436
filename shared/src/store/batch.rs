//! Reading many items of a table in one call.

use super::item::{Backoff, Item};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{KeysAndAttributes, ReturnConsumedCapacity};
use futures::FutureExt;

/// Keys of one batch: DynamoDB's limit.
pub(super) const MAX_KEYS: usize = 100;
/// How often a batch is sent until DynamoDB has processed all of it.
const TRIES: usize = 5;

impl Store {
    /// The items with these keys, at most [`MAX_KEYS`], in any order. A key without an item is left out.
    ///
    /// # Errors
    /// If the database fails or does not keep up.
    pub(super) async fn read_batch(
        &self,
        table: &str,
        keys: Vec<Item>,
        consistent: bool,
    ) -> Result<Vec<Item>, StoreError> {
        let mut open = keys;
        let (mut items, mut backoff) = (Vec::new(), Backoff::new());
        for attempt in 0..TRIES {
            if attempt > 0 {
                backoff.pause().await;
            }
            let asked = KeysAndAttributes::builder()
                .set_keys(Some(open))
                .consistent_read(consistent)
                .build();
            let asked = asked.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            let mut answer = self
                .client
                .batch_get_item()
                .request_items(table, asked)
                .return_consumed_capacity(ReturnConsumedCapacity::Total)
                .send()
                .boxed()
                .await?;
            for capacity in answer.consumed_capacity() {
                self.usage.read(Some(capacity));
            }
            let found = answer.responses.as_mut().and_then(|all| all.remove(table));
            items.extend(found.unwrap_or_default());
            let rest = answer
                .unprocessed_keys
                .and_then(|mut all| all.remove(table));
            open = rest.map(|rest| rest.keys).unwrap_or_default();
            if open.is_empty() {
                return Ok(items);
            }
        }
        let text = "not all items of a batch could be read".to_owned();
        Err(StoreError::Throttled(text))
    }
}
