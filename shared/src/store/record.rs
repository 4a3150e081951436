//! Single records of the experiments table.

use super::item::Item;
use super::keys::experiments as key;
use super::transaction;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};

/// The key of a record.
pub(super) fn record_key(partition: &str, record: &str) -> Item {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    Item::from([
        (key::EXPERIMENT_ID.to_owned(), text(partition)),
        (key::RECORD.to_owned(), text(record)),
    ])
}

impl Store {
    /// A record. `fresh` reads consistently, at twice the price.
    pub(super) fn record(
        &self,
        partition: &str,
        record: &str,
        fresh: bool,
    ) -> impl Future<Output = Result<Option<Item>, StoreError>> + use<'_> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.experiments)
            .set_key(Some(record_key(partition, record)))
            .consistent_read(fresh);
        self.read(get)
    }

    /// The deletion of a record, as an action of a transaction.
    pub(super) fn delete_action(
        &self,
        partition: &str,
        record: &str,
    ) -> Result<TransactWriteItem, StoreError> {
        let delete = Delete::builder()
            .table_name(&self.tables.experiments)
            .set_key(Some(record_key(partition, record)));
        transaction::delete(delete)
    }
}
