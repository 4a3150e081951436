//! Client keys, and their number.
//!
//! They are in one partition of the experiments table, each in an item of its own. The id of a key follows from its text,
//! so that the same item is found by either of them.

use super::item::{Backoff, Item, damaged, text};
use super::keys::{client_keys as key, experiments as table_key};
use super::record::record_key;
use super::transaction::{self, Conditional};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Update};
use domain::client_key::{ClientKey, ClientKeyText};
use domain::ids::ClientKeyId;
use domain::limits::{MAX_CLIENT_KEYS, REVOKED_CLIENT_KEY_DAYS};
use domain::time::Timestamp;

/// How often creations may meet at the number of keys. A team creates a key at a time.
const ATTEMPTS: u32 = 6;

/// The outcome of the creation of a client key.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientKeyCreation {
    /// It is stored.
    Created,
    /// An earlier request has created it.
    Existing {
        /// The key as it is now.
        client_key: Box<ClientKey>,
        /// The digest of the body that created it.
        creation_digest: String,
    },
    /// There are [`MAX_CLIENT_KEYS`] keys that are not revoked.
    TooMany,
}

impl Store {
    /// The client key with this text, also if it is revoked. A key that was created or revoked less than a second ago may
    /// be read as it was before.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn client_key(&self, text: &ClientKeyText) -> Result<Option<ClientKey>, StoreError> {
        let found = self.client_key_of(&text.id(), false).await?;
        // Another text can have the same id: the id is a part of a hash.
        Ok(found.filter(|found| found.key == *text))
    }

    /// Client keys by id, after an id, those that were revoked in the last [`REVOKED_CLIENT_KEY_DAYS`] days included.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn client_keys_after(
        &self,
        id: &str,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<ClientKey>, StoreError> {
        let read = |item| Ok(Some(read(item)?).filter(|found| is_listed(found, now)));
        self.list_after(key::PARTITION, (key::KEY, id), limit, read)
            .await
    }

    /// Stores a new client key and counts it, both or neither.
    ///
    /// # Errors
    /// If the database fails or the item of an existing key is damaged.
    pub async fn create_client_key(
        &self,
        client_key: &ClientKey,
        creation_digest: &str,
    ) -> Result<ClientKeyCreation, StoreError> {
        let count = self
            .count_update()
            .update_expression("ADD #active :one")
            .condition_expression("attribute_not_exists(#active) OR #active < :most")
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .expression_attribute_values(":most", AttributeValue::N(MAX_CLIENT_KEYS.to_string()));
        let value = serde_dynamo::to_attribute_value(client_key)?;
        let mut item = key_of(&client_key.id);
        item.insert(key::CLIENT_KEY.to_owned(), value);
        let digest = AttributeValue::S(creation_digest.to_owned());
        item.insert(key::CREATION_DIGEST.to_owned(), digest);
        if let Some(decryption_key) = &client_key.decryption_key {
            let text = AttributeValue::S(decryption_key.to_string());
            item.insert(key::DECRYPTION_KEY.to_owned(), text);
        }
        let put = Put::builder()
            .table_name(&self.tables.experiments)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(#record)")
            .expression_attribute_names("#record", table_key::RECORD)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let actions = [transaction::put(put)?, transaction::update(count)?];
        let mut backoff = Backoff::new();
        for _ in 0..ATTEMPTS {
            let refusals = match self.transact_conditional(&actions).await? {
                Conditional::Written => return Ok(ClientKeyCreation::Created),
                Conditional::Refused(refusals) => refusals,
            };
            let mut refusals = refusals.into_iter();
            let existing = refusals.next().and_then(|refusal| refusal.item);
            if let Some(item) = existing {
                return Ok(ClientKeyCreation::Existing {
                    creation_digest: text(&item, key::CREATION_DIGEST)?.to_owned(),
                    client_key: Box::new(read(item)?),
                });
            }
            if refusals.any(|refusal| refusal.is_refused) {
                return Ok(ClientKeyCreation::TooMany);
            }
            backoff.pause().await;
        }
        Err(StoreError::Contended(
            "the number of client keys".to_owned(),
        ))
    }

    /// Revokes a client key. Returns the revoked key, also if it was revoked before; none if there is no such key.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn revoke_client_key(
        &self,
        id: &ClientKeyId,
        now: Timestamp,
    ) -> Result<Option<ClientKey>, StoreError> {
        let revoked_at = serde_dynamo::to_attribute_value(now)?;
        let kept = REVOKED_CLIENT_KEY_DAYS * 86_400;
        let expires_at = (now.epoch_seconds() + kept).to_string();
        let revoke = Update::builder()
            .table_name(&self.tables.experiments)
            .set_key(Some(key_of(id)))
            .update_expression("SET #key.revoked_at = :revoked_at, #expires_at = :expires_at")
            .condition_expression("attribute_exists(#key) AND attribute_not_exists(#expires_at)")
            .expression_attribute_names("#key", key::CLIENT_KEY)
            .expression_attribute_names("#expires_at", table_key::EXPIRES_AT)
            .expression_attribute_values(":revoked_at", revoked_at)
            .expression_attribute_values(":expires_at", AttributeValue::N(expires_at));
        let count = self
            .count_update()
            .update_expression("ADD #active :less")
            .expression_attribute_values(":less", AttributeValue::N("-1".to_owned()));
        let actions = [transaction::update(revoke)?, transaction::update(count)?];
        // Refused: it does not exist, or is revoked already. Both are read from the item.
        self.transact(&actions).await?;
        let found = self.client_key_of(id, true).await?;
        Ok(found.filter(|found| is_listed(found, now)))
    }

    async fn client_key_of(
        &self,
        id: &ClientKeyId,
        fresh: bool,
    ) -> Result<Option<ClientKey>, StoreError> {
        let item = self.record(key::PARTITION, &key::key(id), fresh).await?;
        item.map(read).transpose()
    }

    fn count_update(&self) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.experiments)
            .set_key(Some(record_key(key::PARTITION, key::COUNT)))
            .expression_attribute_names("#active", key::ACTIVE)
    }
}

fn key_of(id: &ClientKeyId) -> Item {
    record_key(key::PARTITION, &key::key(id))
}

fn read(mut item: Item) -> Result<ClientKey, StoreError> {
    let value = item.remove(key::CLIENT_KEY);
    let value = value.ok_or_else(|| damaged(key::CLIENT_KEY))?;
    let decryption_key = item.remove(key::DECRYPTION_KEY);
    let decryption_key = decryption_key.map(serde_dynamo::from_attribute_value);
    let client_key: ClientKey = serde_dynamo::from_attribute_value(value)?;
    if client_key.encrypted != decryption_key.is_some() {
        // Without this, a damaged item would show the payload to everybody.
        return Err(damaged(key::DECRYPTION_KEY));
    }
    Ok(ClientKey {
        decryption_key: decryption_key.transpose()?,
        ..client_key
    })
}

/// DynamoDB deletes an expired item within days, and lists show it no longer.
fn is_listed(client_key: &ClientKey, now: Timestamp) -> bool {
    let shown_for = REVOKED_CLIENT_KEY_DAYS * 86_400 * 1_000_000;
    let revoked_at = client_key.revoked_at;
    revoked_at.is_none_or(|at| now < at.plus_micros(shown_for))
}
