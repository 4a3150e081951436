//! Users that cannot be counted, set aside so that all other users are counted.
//!
//! A user is quarantined in one generation, where the contribution stays as it was last written and so do the
//! aggregates. Every later refresh of the user tries again, and the write that succeeds releases the user.

use super::chunk::ContributionKey;
use crate::clock;
use crate::store::generations::GenerationNumber;
use crate::store::keys::aggregates as key;
use crate::store::{Store, StoreError, transaction};
use aws_sdk_dynamodb::types::{AttributeValue, Delete, TransactWriteItem, Update};
use domain::ids::{ExperimentId, UserId};

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
        let not_counted = self
            .records_not_counted(user, experiment, *generation)
            .await?;
        let reason: String = why.to_string().chars().take(MAX_REASON_CHARS).collect();
        let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, *generation, 0);
        // A later refusal changes the reason, and not when the quarantine began.
        let listed = Update::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(key::ITEM, AttributeValue::S(key::quarantined(user)))
            .update_expression(
                "SET #quarantined = :reason, #not_counted = :records, #since = if_not_exists(#since, :now)",
            )
            .expression_attribute_names("#not_counted", key::NOT_COUNTED)
            .expression_attribute_values(":records", AttributeValue::N(not_counted.to_string()))
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

    /// The number of a user's stored records that are not in the aggregates. If the stored contribution cannot be read, all
    /// of them count.
    async fn records_not_counted(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
        generation: GenerationNumber,
    ) -> Result<i64, StoreError> {
        let events = self.number_of_events(user, experiment).await?;
        let assigned = self.assignment_is_stored(user, experiment).await?;
        let counted = self
            .contribution_records(user, experiment, generation)
            .await?;
        let stored = events + u64::from(assigned);
        let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        Ok(number(stored) - number(counted))
    }

    /// The end of a quarantine, as an action of the transaction that writes the contribution.
    pub(super) fn release(
        &self,
        (user, (experiment, generation)): &ContributionKey,
    ) -> Result<TransactWriteItem, StoreError> {
        let partition = key::of_generation(key::AGGREGATE_ITEMS, experiment, *generation, 0);
        let delete = Delete::builder()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, AttributeValue::S(partition))
            .key(key::ITEM, AttributeValue::S(key::quarantined(user)));
        transaction::delete(delete)
    }
}
