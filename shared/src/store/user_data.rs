//! What the assignments table holds of one user data: the assignments, or the tombstone of whoever was erased.

use super::item::Item;
use super::keys::assignments as key;
use super::{FirstWrite, Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::assignment::Assignment;
use domain::ids::UserId;
use domain::limits::ERASED_DAYS;
use domain::time::Timestamp;
use futures::TryStreamExt;

const DAY_MICROS: i64 = 24 * 3_600 * 1_000_000;

/// What is left of an erased user for [`ERASED_DAYS`]. As long as it is there, nothing is stored of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tombstone {
    /// When the user was erased.
    pub erased_at: Timestamp,
    /// When the database may take the tombstone away, which it does within days.
    pub until: Timestamp,
}

impl Tombstone {
    /// Of a user who is erased now. Its end is a whole second, as the database wants it.
    pub fn new(erased_at: Timestamp) -> Self {
        let end = erased_at.plus_micros(ERASED_DAYS * DAY_MICROS);
        Self {
            erased_at,
            until: Timestamp::from_micros(end.epoch_seconds() * 1_000_000),
        }
    }
}

/// A user as the assignments table shows it.
#[derive(Debug, Clone, Default)]
pub struct UserData {
    /// In every experiment. An erased user has none, unless they were written late and are about to be taken away.
    pub assignments: Vec<Assignment>,
    /// Whether the user was erased.
    pub tombstone: Option<Tombstone>,
}

impl Store {
    /// A user, the newest assignment included: an event may follow its assignment within milliseconds.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn user_data(&self, user: &UserId) -> Result<UserData, StoreError> {
        let pages = self.items_of(&self.tables.assignments, key::USER_ID, user);
        let mut user_data = UserData::default();
        for item in pages.try_concat().await? {
            if is_tombstone(&item) {
                user_data.tombstone = Some(tombstone_of(&item)?);
            } else {
                user_data.assignments.push(serde_dynamo::from_item(item)?);
            }
        }
        Ok(user_data)
    }

    /// Whether the user was erased, read at half the price: what is stored because an erasure of a moment ago was not
    /// seen yet is taken away when it is counted.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn tombstone(&self, user: &UserId) -> Result<Option<Tombstone>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.assignments)
            .key(key::USER_ID, AttributeValue::S(user.to_string()))
            .key(
                key::EXPERIMENT_ID,
                AttributeValue::S(key::ERASED.to_owned()),
            );
        self.read(get).await?.as_ref().map(tombstone_of).transpose()
    }

    /// Puts a tombstone, unless there is one that is not over. The one that holds.
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
    StoreError::Corrupt("a tombstone can't be read".to_owned())
}
