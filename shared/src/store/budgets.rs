//! Budgets of events per token, in the tokens table: one item per token and window of time, which expires.

use super::keys::tokens as key;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;

/// The budget of a token in one window.
pub(crate) struct Budget<'t> {
    /// The token.
    pub(crate) token_id: &'t str,
    /// The number of the window.
    pub(crate) window: i64,
    /// When the item expires, in epoch seconds.
    pub(crate) expires_at: i64,
    /// Events that may be taken.
    pub(crate) events: u64,
}

impl Store {
    /// Takes events from a budget, unless all of it is taken. The last events that are taken may go beyond the budget.
    /// Returns false if nothing was left.
    ///
    /// # Errors
    /// If the database fails.
    pub(crate) async fn take_from_budget(
        &self,
        budget: &Budget<'_>,
        events: u64,
    ) -> Result<bool, StoreError> {
        let number = |number: &dyn ToString| AttributeValue::N(number.to_string());
        let item = key::budget(budget.token_id, budget.window);
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.tokens)
            .key(key::TOKEN_SHA256, AttributeValue::S(item))
            .update_expression("SET #end = :end ADD #taken :events")
            .condition_expression("attribute_not_exists(#taken) OR #taken < :budget")
            .expression_attribute_names("#end", key::EXPIRES_AT)
            .expression_attribute_names("#taken", key::TAKEN)
            .expression_attribute_values(":end", number(&budget.expires_at))
            .expression_attribute_values(":events", number(&events))
            .expression_attribute_values(":budget", number(&budget.events));
        self.update(update).await
    }
}
