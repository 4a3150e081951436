//! Users that cannot be counted, set aside so that all other users are counted.
//!
//! A user is quarantined in one generation, where the contribution stays as it was last written and so do the
//! aggregates. Every later refresh of the user tries again, and the write that succeeds releases the user.

use super::chunk::ContributionKey;
use crate::clock;
use crate::store::keys::aggregates as key;
use crate::store::{Store, StoreError, transaction};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};

/// The reason as it is stored, in characters.
const MAX_REASON_CHARS: usize = 500;

impl Store {
    /// Sets a user aside. The mark at the contribution tells the next refresh; the item beside the aggregates tells
    /// results and audits.
    pub(super) async fn quarantine(
        &self,
        (user, (experiment, generation)): &ContributionKey,
        why: &StoreError,
    ) -> Result<(), StoreError> {
        let reason: String = why.to_string().chars().take(MAX_REASON_CHARS).collect();
        let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, *generation);
        // A later refusal changes the reason, and not when the quarantine began.
        let listed = Update::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(key::ITEM, AttributeValue::S(key::quarantined(user)))
            .update_expression("SET #quarantined = :reason, #since = if_not_exists(#since, :now)")
            .expression_attribute_names("#quarantined", key::QUARANTINED)
            .expression_attribute_names("#since", key::SINCE)
            .expression_attribute_values(":reason", AttributeValue::S(reason.clone()))
            .expression_attribute_values(":now", AttributeValue::S(clock::now().to_string()));
        let marked = Update::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(key::of_user(user)))
            .key(
                key::ITEM,
                AttributeValue::S(key::generation(experiment, *generation)),
            )
            .update_expression("SET #quarantined = :reason")
            .expression_attribute_names("#quarantined", key::QUARANTINED)
            .expression_attribute_values(":reason", AttributeValue::S(reason.clone()));
        let actions = [transaction::update(listed)?, transaction::update(marked)?];
        self.transact(&actions).await?;
        // A metric filter of the template counts these lines. The line has no user: an audit lists the users.
        tracing::error!(experiment_id = %experiment, generation, reason, quarantined_user = 1, "a user cannot be counted");
        Ok(())
    }

    /// The end of a quarantine, as an action of the transaction that writes the contribution.
    pub(super) fn release(
        &self,
        (user, (experiment, generation)): &ContributionKey,
    ) -> Result<TransactWriteItem, StoreError> {
        let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, *generation);
        let delete = Delete::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(key::ITEM, AttributeValue::S(key::quarantined(user)));
        transaction::delete(delete)
    }
}
