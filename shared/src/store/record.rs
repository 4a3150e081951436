//! Records of the experiments table: single ones, and lists.

use super::item::{self, Item};
use super::keys::experiments as key;
use super::transaction;
use super::{Store, StoreError};
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem};
use futures::TryStreamExt;

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

    /// The query of the records of a partition.
    pub(super) fn records_of(&self, partition: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.tables.experiments)
            .expression_attribute_names("#id", key::EXPERIMENT_ID)
            .expression_attribute_values(":id", AttributeValue::S(partition.to_owned()))
            .key_condition_expression("#id = :id")
    }

    /// The query of those records of a partition whose `#record` satisfies a condition.
    pub(super) fn records_where(&self, partition: &str, condition: &str) -> QueryFluentBuilder {
        self.records_of(partition)
            .expression_attribute_names("#record", key::RECORD)
            .key_condition_expression(format!("#id = :id AND {condition}"))
    }

    /// Elements of a list in the order of their records, at most this many: those whose records have the name `prefix` and an id,
    /// from after an id. `read` gives none for a record that the list does not show. A page of the database has at most 1 MB; the
    /// pages are read until there are enough.
    pub(super) async fn list_after<T>(
        &self,
        partition: &str,
        (prefix, id): (&str, &str),
        limit: usize,
        read: impl Fn(Item) -> Result<Option<T>, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let after = format!("{prefix}{id}");
        // After every record with the prefix: `$` is the character after `#`.
        let end = format!("{}$", prefix.trim_end_matches('#'));
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let query = self
            .records_where(partition, "#record BETWEEN :after AND :end")
            .expression_attribute_values(":after", text(&after))
            .expression_attribute_values(":end", text(&end))
            .consistent_read(true)
            .limit(i32::try_from(limit + 1).unwrap_or(i32::MAX));
        let mut elements = Vec::new();
        let mut pages = std::pin::pin!(self.pages_of(query));
        while elements.len() < limit {
            let Some(items) = pages.try_next().await? else {
                break;
            };
            for item in items {
                if item::text(&item, key::RECORD)? != after {
                    elements.extend(read(item)?);
                }
            }
        }
        elements.truncate(limit);
        Ok(elements)
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
