//! The days on which applications asked for flags by their keys: an item for each flag and environment.

use super::cursor::collect_pages;
use super::item::{Item, number, text};
use super::keys::{experiments as table_key, flag_evaluations as key};
use super::record::record_key;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::aggregates::{Day, start_of};
use domain::ids::{EnvironmentName, FlagKey};
use domain::limits::FLAG_EVALUATION_DAYS;
use std::collections::BTreeMap;

/// The last day by flag and environment.
pub type EvaluatedDays = BTreeMap<FlagKey, BTreeMap<EnvironmentName, Day>>;

impl Store {
    /// Notes that a flag was evaluated on a day, unless this or a later day is noted.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn note_flag_evaluation(
        &self,
        flag: &FlagKey,
        environment: &EnvironmentName,
        day: Day,
    ) -> Result<(), StoreError> {
        let expires_at = start_of(day + FLAG_EVALUATION_DAYS).epoch_seconds();
        let number = |number: i64| AttributeValue::N(number.to_string());
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.experiments)
            .set_key(Some(record_key(
                key::PARTITION,
                &key::record(flag, environment),
            )))
            .update_expression("SET #day = :day, #expires_at = :expires_at")
            .condition_expression("attribute_not_exists(#day) OR #day < :day")
            .expression_attribute_names("#day", key::DAY)
            .expression_attribute_names("#expires_at", table_key::EXPIRES_AT)
            .expression_attribute_values(":day", number(day))
            .expression_attribute_values(":expires_at", number(expires_at));
        // Refused: another process has noted it.
        self.update(update).await.map(drop)
    }

    /// The days of one flag, or of all flags. A day that was noted a moment ago may be missing.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn flag_evaluations(
        &self,
        flag: Option<&FlagKey>,
    ) -> Result<EvaluatedDays, StoreError> {
        let prefix = flag.map_or_else(|| key::FLAG.to_owned(), key::of_flag);
        let query = self
            .records_where(key::PARTITION, "begins_with(#record, :flag)")
            .expression_attribute_values(":flag", AttributeValue::S(prefix));
        let mut days = EvaluatedDays::new();
        for item in collect_pages(self.pages(query)).await? {
            let (flag, environment, day) = read(&item)?;
            days.entry(flag).or_default().insert(environment, day);
        }
        Ok(days)
    }
}

fn read(item: &Item) -> Result<(FlagKey, EnvironmentName, Day), StoreError> {
    let record = text(item, table_key::RECORD)?;
    let names = record.strip_prefix(key::FLAG);
    let names = names.and_then(|names| names.split_once('#'));
    let parsed = names.and_then(|(flag, environment)| {
        Some((
            FlagKey::parse(flag).ok()?,
            EnvironmentName::parse(environment).ok()?,
        ))
    });
    let (flag, environment) = parsed.ok_or_else(|| super::item::damaged(table_key::RECORD))?;
    Ok((flag, environment, number(item, key::DAY)?))
}
