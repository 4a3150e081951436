//! Running sums: what is kept of each user's part in them, and the sums themselves.
//!
//! A *subject* item holds what a user has added to the sums, with a revision. A *totals* item holds numbers of many
//! users. Both change together or not at all; [`super::recount`] is the only writer.

use super::item::Item;
use super::keys::statistics as key;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::ids::{ExperimentId, UserId};
use domain::subject::Subject;
use domain::tally::Reach;
use domain::totals::{self, Totals};
use futures::TryStreamExt;
use std::collections::HashMap;
use std::pin::pin;
use std::str::FromStr;

/// A set of sums of an experiment, numbered by the instant at which it was asked for, in microseconds since 1970. No
/// number is used twice.
pub type GenerationNumber = u64;

/// A user's part in the sums of one generation, as it was last added.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredSubject {
    /// Counts its changes; 0: there is no item.
    pub revision: u64,
    /// What is in the sums.
    pub subject: Subject,
    /// When nothing of it is kept any more, in epoch seconds: only the part of an erased user has an end.
    pub expires_at: Option<i64>,
}

/// A user's parts in all sums.
pub type Subjects = HashMap<(ExperimentId, GenerationNumber), StoredSubject>;

/// Which of the sums are needed; the days of all users always are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Parts {
    /// What happened hour by hour.
    pub hours: bool,
    /// The days by segment.
    pub segments: bool,
}

/// The sums as they are stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredTotals {
    /// All lanes together.
    pub totals: Totals,
    /// How far the records reach that were added.
    pub reach: Reach,
}

impl Store {
    /// A user's part in the sums of every experiment and generation, the newest.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn subjects_of(&self, user: &UserId) -> Result<Subjects, StoreError> {
        let mut subjects = Subjects::new();
        let partition = key::of_user(user);
        let mut pages = pin!(self.statistics(&partition, true));
        while let Some(items) = pages.try_next().await? {
            for item in items {
                let name = text(&item, key::ITEM)?;
                let of = key::read_generation(name).ok_or_else(|| damaged(key::ITEM))?;
                subjects.insert(of, stored_subject(&item)?);
            }
        }
        Ok(subjects)
    }

    /// The sums of a generation, those of all lanes added up. What is being written at this moment may be in some of
    /// them and not yet in others.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn totals(
        &self,
        experiment: &ExperimentId,
        generation: GenerationNumber,
        parts: Parts,
    ) -> Result<StoredTotals, StoreError> {
        let mut stored = StoredTotals::default();
        let wanted = [
            (key::TOTALS, true),
            (key::HOURS, parts.hours),
            (key::SEGMENTS, parts.segments),
        ];
        for (kind, _) in wanted.into_iter().filter(|(_, wanted)| *wanted) {
            let partition = key::of_generation(kind, experiment, generation);
            let mut pages = pin!(self.statistics(&partition, false));
            while let Some(items) = pages.try_next().await? {
                for item in items {
                    take(&mut stored, item)?;
                }
            }
        }
        Ok(stored)
    }

    fn statistics(
        &self,
        partition: &str,
        consistent: bool,
    ) -> impl futures::Stream<Item = Result<Vec<Item>, StoreError>> + use<'_> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.statistics)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", key::PARTITION)
            .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
            .consistent_read(consistent);
        self.pages(query)
    }

    /// Notes how far the records reach that are in the sums. It is told and never computed with, so whoever meets
    /// others again and again gives way: the next batch notes it anew.
    ///
    /// # Errors
    /// If the database fails.
    pub(super) async fn note_reach(
        &self,
        experiment: &ExperimentId,
        generation: GenerationNumber,
        reach: Reach,
    ) -> Result<(), StoreError> {
        const ATTEMPTS: usize = 3;
        let partition = key::of_generation(key::TOTALS, experiment, generation);
        let item = Item::from([
            (key::PARTITION.to_owned(), AttributeValue::S(partition)),
            (
                key::ITEM.to_owned(),
                AttributeValue::S(key::REACH.to_owned()),
            ),
        ]);
        for _ in 0..ATTEMPTS {
            let get = self
                .client
                .get_item()
                .table_name(&self.tables.statistics)
                .set_key(Some(item.clone()));
            let stored = self.read(get).await?;
            let before = stored
                .as_ref()
                .map(|item| text(item, key::REACH))
                .transpose()?;
            let after = match before {
                None => reach,
                Some(before) => read_reach(before)?.join(reach),
            };
            let after = serde_json::to_string(&after)
                .map_err(|error| StoreError::Corrupt(error.to_string()))?;
            if before == Some(after.as_str()) || self.put_reach(&item, before, after).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// False if somebody else noted something meanwhile.
    async fn put_reach(
        &self,
        at: &Item,
        before: Option<&str>,
        after: String,
    ) -> Result<bool, StoreError> {
        let mut item = at.clone();
        item.insert(key::REACH.to_owned(), AttributeValue::S(after));
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.statistics)
            .set_item(Some(item))
            .expression_attribute_names("#reach", key::REACH);
        let put = match before {
            None => put.condition_expression("attribute_not_exists(#reach)"),
            Some(before) => put
                .condition_expression("#reach = :before")
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
        };
        Ok(self.put(put).await? == FirstWrite::Stored)
    }
}

fn stored_subject(item: &Item) -> Result<StoredSubject, StoreError> {
    let revision = number(item, key::REVISION)?;
    let subject = Subject::from_text(text(item, key::SUBJECT)?).map_err(StoreError::Corrupt)?;
    let expires_at = item
        .contains_key(key::EXPIRES_AT)
        .then(|| number(item, key::EXPIRES_AT));
    Ok(StoredSubject {
        revision,
        subject,
        expires_at: expires_at.transpose()?,
    })
}

fn number<N: FromStr>(item: &Item, name: &str) -> Result<N, StoreError> {
    item.get(name)
        .and_then(|number| number.as_n().ok())
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| damaged(name))
}

fn read_reach(text: &str) -> Result<Reach, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::Corrupt(error.to_string()))
}

fn take(stored: &mut StoredTotals, item: Item) -> Result<(), StoreError> {
    let name = text(&item, key::ITEM)?;
    if name == key::REACH {
        stored.reach = read_reach(text(&item, key::REACH)?)?;
        return Ok(());
    }
    let place = name
        .split_once('#')
        .and_then(|(_, name)| totals::Item::parse(name))
        .ok_or_else(|| damaged(key::ITEM))?;
    let numbers = item
        .keys()
        .filter(|name| !key::ALL.contains(&name.as_str()))
        .map(|name| Ok((name.clone(), number(&item, name)?)))
        .collect::<Result<totals::Numbers, StoreError>>()?;
    let lane = Totals([(place, numbers)].into());
    stored
        .totals
        .plus(&lane)
        .map_err(|overflow| StoreError::Corrupt(overflow.to_string()))
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str, StoreError> {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map(String::as_str)
        .ok_or_else(|| damaged(name))
}

fn damaged(name: &str) -> StoreError {
    StoreError::Corrupt(format!("an item of the statistics lacks {name}"))
}
