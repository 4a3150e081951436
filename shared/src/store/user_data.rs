//! A user's items in the assignments table: assignments with the number of stored events, or the tombstone of an erased
//! user.

use super::batch::MAX_KEYS;
use super::event_counts::{event_count_of, is_event_count};
use super::item::{Item, text};
use super::keys::assignments as key;
use super::stored_records::IndexPlace;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::assignment::Assignment;
use domain::event_count::EventCount;
use domain::ids::{ExperimentId, UserId};
use domain::limits::ERASED_DAYS;
use domain::time::Timestamp;
use futures::TryStreamExt;
use futures::future::BoxFuture;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};

/// Batches of keys that are read at once.
const BATCHES_AT_ONCE: usize = 10;
const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What remains of an erased user for [`ERASED_DAYS`] days. While it exists, no data of the user is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// When the user was erased.
    pub erased_at: Timestamp,
    /// When the tombstone expires. DynamoDB deletes it within days after that.
    pub until: Timestamp,
}

impl Tombstone {
    /// The tombstone of a user that is erased at this instant. Its end is a whole second, as DynamoDB requires.
    pub fn new(erased_at: Timestamp) -> Self {
        let end = erased_at.plus_micros(ERASED_DAYS * DAY_MICROS);
        Self {
            erased_at,
            until: Timestamp::from_micros(end.epoch_seconds() * 1_000_000),
        }
    }
}

/// A user's items in the assignments table.
#[derive(Debug, Clone, Default)]
pub struct UserData {
    /// The user's assignments. An erased user has none, except late ones that are about to be deleted.
    pub assignments: Vec<Assignment>,
    /// Where each assignment is in the index of its experiment.
    pub(super) index_places: BTreeMap<ExperimentId, IndexPlace>,
    /// The tombstone, if the user was erased.
    pub tombstone: Option<Tombstone>,
    /// The number of stored events; none if no event was stored since the user became known.
    pub event_count: Option<EventCount>,
}

impl Store {
    /// A user's assignments, read consistently: an event may follow its assignment within milliseconds.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn user_data<'a>(
        &'a self,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<UserData, StoreError>> {
        Box::pin(async move {
            let pages = self.items_of(&self.tables.assignments, key::USER_ID, user);
            let mut user_data = UserData::default();
            for item in pages.try_concat().await? {
                if is_tombstone(&item) {
                    user_data.tombstone = Some(tombstone_of(&item)?);
                } else if is_event_count(&item) {
                    user_data.event_count = Some(event_count_of(&item)?);
                } else {
                    let place = IndexPlace::of(&item, key::EXPERIMENT_SHARD, key::STORED_AT_HASH);
                    let place = place.ok_or_else(|| {
                        StoreError::Corrupt("an assignment is in no index".to_owned())
                    })?;
                    let assignment: Assignment = serde_dynamo::from_item(item)?;
                    let experiment = assignment.experiment_id.clone();
                    user_data.index_places.insert(experiment, place);
                    user_data.assignments.push(assignment);
                }
            }
            Ok(user_data)
        })
    }

    /// The user's tombstone, by an eventually consistent read at half the price. A record that is stored because a
    /// recent tombstone was not visible yet is deleted by the next refresh.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn tombstone(&self, user: &UserId) -> Result<Option<Tombstone>, StoreError> {
        let get = self.get_of_user(user, key::ERASED);
        self.read(get).await?.as_ref().map(tombstone_of).transpose()
    }

    /// The users among these that have a tombstone, with one call for a hundred users. The reads are eventually consistent,
    /// as those of [`Self::tombstone`].
    ///
    /// # Errors
    /// If the database fails, does not keep up, or an item is damaged.
    pub fn erased_among<'a>(
        &'a self,
        users: BTreeSet<&'a UserId>,
    ) -> BoxFuture<'a, Result<BTreeSet<UserId>, StoreError>> {
        Box::pin(self.erased_users(users, false))
    }

    /// As [`Self::erased_among`], with consistent reads: a tombstone that was written before this call is seen.
    ///
    /// # Errors
    /// If the database fails, does not keep up, or an item is damaged.
    pub async fn erased_for_certain<'u>(
        &self,
        users: impl Iterator<Item = &'u UserId>,
    ) -> Result<BTreeSet<UserId>, StoreError> {
        let users: Vec<&UserId> = users.collect();
        let batches = users.chunks(MAX_KEYS * BATCHES_AT_ONCE);
        let mut erased = BTreeSet::new();
        for users in batches {
            let batches = users.chunks(MAX_KEYS);
            let calls =
                batches.map(|users| self.erased_users(users.iter().copied().collect(), true));
            for found in try_join_all(calls).await? {
                erased.extend(found);
            }
        }
        Ok(erased)
    }

    async fn erased_users(
        &self,
        users: BTreeSet<&UserId>,
        consistent: bool,
    ) -> Result<BTreeSet<UserId>, StoreError> {
        let mut erased = BTreeSet::new();
        let users: Vec<&UserId> = users.into_iter().collect();
        for users in users.chunks(MAX_KEYS) {
            let keys = users.iter().map(|user| {
                Item::from([
                    (key::USER_ID.to_owned(), AttributeValue::S(user.to_string())),
                    (
                        key::EXPERIMENT_ID.to_owned(),
                        AttributeValue::S(key::ERASED.to_owned()),
                    ),
                ])
            });
            let table = &self.tables.assignments;
            for item in self.read_batch(table, keys.collect(), consistent).await? {
                let user = UserId::stored(text(&item, key::USER_ID)?);
                erased.insert(user.map_err(|error| StoreError::Corrupt(error.detail))?);
            }
        }
        Ok(erased)
    }

    /// Puts a tombstone, unless one exists that has not expired. Returns the valid one.
    ///
    /// # Errors
    /// If the database fails; a repeat is safe.
    pub(super) async fn put_tombstone(
        &self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Tombstone, StoreError> {
        let tombstone = Tombstone::new(now);
        let end = tombstone.until.epoch_seconds().to_string();
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.assignments)
            .item(key::USER_ID, AttributeValue::S(user.to_string()))
            .item(
                key::EXPERIMENT_ID,
                AttributeValue::S(key::ERASED.to_owned()),
            )
            .item(key::ERASED_AT, AttributeValue::S(now.to_string()))
            .item(key::EXPIRES_AT, AttributeValue::N(end))
            .condition_expression("attribute_not_exists(#user) OR #end < :now")
            .expression_attribute_names("#user", key::USER_ID)
            .expression_attribute_names("#end", key::EXPIRES_AT)
            .expression_attribute_values(
                ":now",
                AttributeValue::N(now.epoch_seconds().to_string()),
            );
        match self.put(put).await? {
            FirstWrite::Stored => Ok(tombstone),
            FirstWrite::Existing(item) => tombstone_of(&item),
        }
    }
}

fn is_tombstone(item: &Item) -> bool {
    let name = item.get(key::EXPERIMENT_ID);
    name.and_then(|name| name.as_s().ok())
        .is_some_and(|name| name == key::ERASED)
}

fn tombstone_of(item: &Item) -> Result<Tombstone, StoreError> {
    let erased_at = item.get(key::ERASED_AT).and_then(|at| at.as_s().ok());
    let erased_at = erased_at.and_then(|at| Timestamp::parse(at).ok());
    let until = item.get(key::EXPIRES_AT).and_then(|end| end.as_n().ok());
    let until = until.and_then(|end| end.parse::<i64>().ok());
    Ok(Tombstone {
        erased_at: erased_at.ok_or_else(damaged)?,
        until: Timestamp::from_micros(until.ok_or_else(damaged)?.saturating_mul(1_000_000)),
    })
}

fn damaged() -> StoreError {
    StoreError::Corrupt("a tombstone cannot be read".to_owned())
}
