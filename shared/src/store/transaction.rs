//! Writes that happen together or not at all.

use super::item::{Backoff, Item};
use super::{Store, StoreError};
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::builders::{
    ConditionCheckBuilder, DeleteBuilder, PutBuilder, UpdateBuilder,
};
use aws_sdk_dynamodb::types::{CancellationReason, ReturnConsumedCapacity, TransactWriteItem};
use futures::FutureExt;

/// How often two writers may conflict before a transaction is given up. The SDK does not repeat a cancelled
/// transaction.
const ATTEMPTS: u32 = 4;

/// The outcome of a transaction.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Transaction {
    /// Everything was written.
    Done,
    /// Nothing was written, because the condition of the first action failed.
    FirstRefused,
}

/// The outcome of a transaction with several conditions.
#[derive(Debug)]
pub(super) enum Conditional {
    /// Everything was written.
    Written,
    /// Nothing was written, because conditions failed, or because of a conflict. One for each action.
    Refused(Vec<Refusal>),
}

/// An action of a transaction that was not written.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Whether its own condition failed.
    pub(super) is_refused: bool,
    /// The stored item, if its condition failed and it returns the item.
    pub(super) item: Option<Item>,
}

/// A put as an action of a transaction.
pub(super) fn put(put: PutBuilder) -> Result<TransactWriteItem, StoreError> {
    let put = put.build().map_err(incomplete)?;
    Ok(TransactWriteItem::builder().put(put).build())
}

/// An update as an action of a transaction.
pub(super) fn update(update: UpdateBuilder) -> Result<TransactWriteItem, StoreError> {
    let update = update.build().map_err(incomplete)?;
    Ok(TransactWriteItem::builder().update(update).build())
}

/// A condition on an item that is not written, as an action of a transaction.
pub(super) fn check(check: ConditionCheckBuilder) -> Result<TransactWriteItem, StoreError> {
    let check = check.build().map_err(incomplete)?;
    Ok(TransactWriteItem::builder().condition_check(check).build())
}

/// A deletion as an action of a transaction.
pub(super) fn delete(delete: DeleteBuilder) -> Result<TransactWriteItem, StoreError> {
    let delete = delete.build().map_err(incomplete)?;
    Ok(TransactWriteItem::builder().delete(delete).build())
}

fn incomplete(error: BuildError) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

impl Store {
    /// Writes all actions or none. A conflict with another writer is repeated after a pause.
    pub(super) async fn transact(
        &self,
        actions: &[TransactWriteItem],
    ) -> Result<Transaction, StoreError> {
        let mut backoff = Backoff::new();
        for _ in 1..ATTEMPTS {
            match self.transact_once(actions).await {
                Err(StoreError::Contended(_)) => backoff.pause().await,
                outcome => return outcome,
            }
        }
        self.transact_once(actions).await
    }

    async fn transact_once(
        &self,
        actions: &[TransactWriteItem],
    ) -> Result<Transaction, StoreError> {
        match self.send_transaction(actions.to_vec()).await? {
            None => Ok(Transaction::Done),
            Some(reasons) if reasons.first().is_some_and(is_refused) => {
                Ok(Transaction::FirstRefused)
            }
            Some(reasons) => Err(cancelled(&reasons)),
        }
    }

    /// Writes all actions or none. A conflict with another writer counts as a refusal: what the other writer has written
    /// may concern a condition.
    pub(super) async fn transact_conditional(
        &self,
        actions: &[TransactWriteItem],
    ) -> Result<Conditional, StoreError> {
        let Some(reasons) = self.send_transaction(actions.to_vec()).await? else {
            return Ok(Conditional::Written);
        };
        let conflicts = |reason: &CancellationReason| reason.code() == Some("TransactionConflict");
        if !reasons.iter().any(|one| is_refused(one) || conflicts(one)) {
            return Err(cancelled(&reasons));
        }
        let refused = reasons.iter().map(|reason| {
            let item = reason.item().filter(|_| is_refused(reason));
            Refusal {
                is_refused: is_refused(reason),
                item: item.cloned(),
            }
        });
        Ok(Conditional::Refused(refused.collect()))
    }

    /// Sends a transaction once. None: it is written. Otherwise the reasons of its cancellation, one per action.
    pub(super) async fn send_transaction(
        &self,
        actions: Vec<TransactWriteItem>,
    ) -> Result<Option<Vec<CancellationReason>>, StoreError> {
        let answer = self
            .client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await;
        let error = match answer {
            Ok(answer) => {
                for capacity in answer.consumed_capacity() {
                    self.usage.wrote(Some(capacity));
                }
                return Ok(None);
            }
            Err(error) => error,
        };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancel)) => {
                Ok(Some(cancel.cancellation_reasons().to_vec()))
            }
            _ => Err(error.into()),
        }
    }
}

/// Whether the condition of this action failed.
pub(super) fn is_refused(reason: &CancellationReason) -> bool {
    reason.code() == Some("ConditionalCheckFailed")
}

/// The reasons of a cancelled transaction as an error.
pub(super) fn cancelled(reasons: &[CancellationReason]) -> StoreError {
    let codes: Vec<&str> = reasons.iter().filter_map(|reason| reason.code()).collect();
    let text = format!("transaction cancelled: {}", codes.join(", "));
    let any = |code: &str| codes.contains(&code);
    if any("ThrottlingError") || any("ProvisionedThroughputExceeded") {
        StoreError::Throttled(text)
    } else if any("TransactionConflict") {
        StoreError::Contended(text)
    } else if any("ValidationError") || any("ItemCollectionSizeLimitExceeded") {
        StoreError::Unstorable(with_messages(text, reasons))
    } else {
        StoreError::Refused(text)
    }
}

fn with_messages(text: String, reasons: &[CancellationReason]) -> String {
    let messages = reasons.iter().filter_map(|reason| reason.message());
    messages.fold(text, |text, message| format!("{text}; {message}"))
}
