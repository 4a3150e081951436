//! Sessions of the dashboard and start codes, in the tokens table: one item each, which expires.

use super::item::Item;
use super::keys::tokens as key;
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity, ReturnValue};
use domain::session::{Secret, Session};
use domain::time::Timestamp;
use futures::FutureExt;
use std::collections::HashMap;

/// The attribute with the exact time. DynamoDB's own has seconds.
const ENDS_AT: &str = "ends_at";

impl Store {
    /// Stores a session under the hash of its secret.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store_session(
        &self,
        secret: &Secret,
        session: &Session,
    ) -> Result<(), StoreError> {
        self.store_sign_in(key::session(&secret.sha256()), session)
            .await
    }

    /// Stores a start code under its hash.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store_start_code(
        &self,
        code: &Secret,
        session: &Session,
    ) -> Result<(), StoreError> {
        self.store_sign_in(key::start_code(&code.sha256()), session)
            .await
    }

    /// The session with this secret, also if it has expired. The read is consistent, so a session that was ended is not found.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn session(&self, secret: &Secret) -> Result<Option<Session>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.tokens).key(
            key::TOKEN_SHA256,
            AttributeValue::S(key::session(&secret.sha256())),
        );
        let item = self.read(get.consistent_read(true)).await?;
        item.map(|item| read(&item)).transpose()
    }

    /// Ends a session. A session that has ended is no error.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn end_session(&self, secret: &Secret) -> Result<(), StoreError> {
        self.take(key::session(&secret.sha256())).await.map(drop)
    }

    /// Uses a start code up. Of several requests with one code, one gets the session.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn use_start_code(&self, code: &Secret) -> Result<Option<Session>, StoreError> {
        let item = self.take(key::start_code(&code.sha256())).await?;
        item.map(|item| read(&item)).transpose()
    }

    async fn store_sign_in(&self, item_key: String, session: &Session) -> Result<(), StoreError> {
        let seconds = session.expires_at.epoch_seconds().to_string();
        let item = HashMap::from([
            (key::TOKEN_SHA256.to_owned(), AttributeValue::S(item_key)),
            (
                key::OF_TOKEN.to_owned(),
                AttributeValue::S(session.of_token.clone()),
            ),
            (
                ENDS_AT.to_owned(),
                AttributeValue::S(session.expires_at.to_string()),
            ),
            (key::EXPIRES_AT.to_owned(), AttributeValue::N(seconds)),
        ]);
        let answer = self
            .client
            .put_item()
            .table_name(&self.tables.tokens)
            .set_item(Some(item))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await?;
        self.usage.wrote(answer.consumed_capacity());
        Ok(())
    }

    /// Deletes an item and returns it.
    async fn take(&self, item_key: String) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.tables.tokens)
            .key(key::TOKEN_SHA256, AttributeValue::S(item_key))
            .return_values(ReturnValue::AllOld)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await?;
        self.usage.wrote(answer.consumed_capacity());
        Ok(answer.attributes)
    }
}

fn read(item: &Item) -> Result<Session, StoreError> {
    let text = |name: &str| {
        let value = item.get(name).and_then(|value| value.as_s().ok());
        value.ok_or_else(|| StoreError::Corrupt(format!("a session has no {name}")))
    };
    let expires_at = Timestamp::parse(text(ENDS_AT)?);
    Ok(Session {
        of_token: text(key::OF_TOKEN)?.clone(),
        expires_at: expires_at
            .map_err(|_| StoreError::Corrupt("a session has no time of its end".to_owned()))?,
    })
}
