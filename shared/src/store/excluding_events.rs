//! Events whose properties leave their users out of the results.
//!
//! Properties are in no index, and counting does not read them otherwise. Only an experiment that excludes by properties
//! reads them, and only for users with an event of a type that its exclusion names.

use super::events::parsed;
use super::item::Item;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::exclusion::ExcludedUsers;
use domain::ids::{EventType, ExperimentId, UserId};
use domain::time::Timestamp;
use futures::TryStreamExt;
use std::pin::pin;

/// A time span: after the first time, and before the second one if there is one.
pub(super) type Between = (Timestamp, Option<Timestamp>);

impl Store {
    /// Whether a user has an event of an experiment within this time whose properties exclude the user, read consistently.
    /// Reading stops at the first one.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub(super) async fn has_excluding_event(
        &self,
        user: &UserId,
        experiment: &ExperimentId,
        between: Between,
        excluded: &ExcludedUsers,
    ) -> Result<bool, StoreError> {
        let types = excluded.types_with_properties();
        if types.is_empty() {
            return Ok(false);
        }
        let types: Vec<_> = types
            .into_iter()
            .enumerate()
            .map(|(place, event_type)| (format!(":type{place}"), event_type.to_string()))
            .collect();
        let names: Vec<&str> = types.iter().map(|(name, _)| name.as_str()).collect();
        let mut query = self
            .query_of_events(user, experiment)
            .filter_expression(format!("event_type IN ({})", names.join(", ")))
            .projection_expression("event_type, #properties, counted_at")
            .expression_attribute_names("#properties", "properties");
        for (name, event_type) in types {
            query = query.expression_attribute_values(name, AttributeValue::S(event_type));
        }
        let mut pages = pin!(self.pages(query));
        while let Some(page) = pages.try_next().await? {
            for item in &page {
                if excludes(item, between, excluded)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn excludes(
    item: &Item,
    (after, before): Between,
    excluded: &ExcludedUsers,
) -> Result<bool, StoreError> {
    let counted_at = parsed(item, "counted_at", Timestamp::parse)?;
    let event_type = parsed(item, "event_type", EventType::parse)?;
    let properties = item.get("properties").and_then(|text| text.as_s().ok());
    let is_within = after < counted_at && before.is_none_or(|before| counted_at < before);
    Ok(is_within && excluded.has_properties(&event_type, properties.map(String::as_str)))
}
