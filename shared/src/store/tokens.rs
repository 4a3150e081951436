//! Tokens by their hash. One further item lists all of them, so that listing needs no scan.

use super::keys::tokens as key;
use super::transaction::{self, Transaction};
use super::{Store, StoreError};
use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, Delete, Put, ReturnConsumedCapacity, TransactWriteItem, Update,
};
use domain::access::Grant;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// An entry of the list of tokens.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Listed {
    token_sha256: String,
    /// The permissions of the token.
    pub grant: Grant,
}

/// The item that lists tokens by token id.
#[derive(Debug, Default, Deserialize)]
struct Registry {
    #[serde(default)]
    tokens: HashMap<String, Listed>,
}

impl Store {
    /// The permissions of the token with this hash, also if it has expired.
    ///
    /// # Errors
    /// If the database fails or the item is damaged.
    pub async fn grant(&self, token_sha256: &str) -> Result<Option<Grant>, StoreError> {
        let get = self.client.get_item().table_name(&self.tables.tokens).key(
            key::TOKEN_SHA256,
            AttributeValue::S(token_sha256.to_owned()),
        );
        let Some(mut item) = self.read(get).await? else {
            return Ok(None);
        };
        let grant = item
            .remove("grant")
            .ok_or_else(|| StoreError::Corrupt("a token has no grant".to_owned()))?;
        Ok(Some(serde_dynamo::from_attribute_value(grant)?))
    }

    /// Stores a token and its entry in the list, both or neither. A token that is stored again gets the new grant.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn store_token(&self, token_sha256: &str, grant: &Grant) -> Result<(), StoreError> {
        self.ensure_registry().await?;
        let mut item = HashMap::from([
            (
                key::TOKEN_SHA256.to_owned(),
                AttributeValue::S(token_sha256.to_owned()),
            ),
            ("grant".to_owned(), serde_dynamo::to_attribute_value(grant)?),
        ]);
        if let Some(expires_at) = grant.expires_at {
            // DynamoDB deletes expired items within days; until then the authorizer checks the time.
            let seconds = expires_at.epoch_seconds().to_string();
            item.insert(key::EXPIRES_AT.to_owned(), AttributeValue::N(seconds));
        }
        let listed = Listed {
            token_sha256: token_sha256.to_owned(),
            grant: grant.clone(),
        };
        let put = Put::builder()
            .table_name(&self.tables.tokens)
            .set_item(Some(item));
        let list = self
            .registry_update("SET tokens.#id = :listed", &grant.token_id)
            .expression_attribute_values(":listed", serde_dynamo::to_attribute_value(listed)?);
        self.write_both(transaction::put(put)?, transaction::update(list)?)
            .await
    }

    /// All tokens, oldest first.
    ///
    /// # Errors
    /// If the database fails or the list is damaged.
    pub async fn list_tokens(&self) -> Result<Vec<Listed>, StoreError> {
        let get = self
            .client
            .get_item()
            .table_name(&self.tables.tokens)
            .key(
                key::TOKEN_SHA256,
                AttributeValue::S(key::REGISTRY.to_owned()),
            )
            .consistent_read(true);
        let registry: Registry = self
            .read(get)
            .await?
            .map(serde_dynamo::from_item)
            .transpose()?
            .unwrap_or_default();
        let mut tokens: Vec<Listed> = registry.tokens.into_values().collect();
        tokens.sort_by_key(|token| token.grant.created_at);
        Ok(tokens)
    }

    /// Deletes a token and its entry in the list, both or neither. Returns the token, or none if there is no such id.
    ///
    /// # Errors
    /// If the database fails.
    pub async fn revoke_token(&self, token_id: &str) -> Result<Option<Grant>, StoreError> {
        let listed = self.list_tokens().await?;
        let Some(token) = listed
            .into_iter()
            .find(|token| token.grant.token_id == token_id)
        else {
            return Ok(None);
        };
        let delete = Delete::builder()
            .table_name(&self.tables.tokens)
            .key(key::TOKEN_SHA256, AttributeValue::S(token.token_sha256));
        let unlist = self.registry_update("REMOVE tokens.#id", token_id);
        self.write_both(transaction::delete(delete)?, transaction::update(unlist)?)
            .await?;
        Ok(Some(token.grant))
    }

    /// An update of a nested entry needs the map around it.
    async fn ensure_registry(&self) -> Result<(), StoreError> {
        let answer = self
            .client
            .update_item()
            .table_name(&self.tables.tokens)
            .key(
                key::TOKEN_SHA256,
                AttributeValue::S(key::REGISTRY.to_owned()),
            )
            .update_expression("SET tokens = if_not_exists(tokens, :empty)")
            .expression_attribute_values(":empty", AttributeValue::M(HashMap::new()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await?;
        self.usage.wrote(answer.consumed_capacity());
        Ok(())
    }

    fn registry_update(&self, expression: &str, token_id: &str) -> UpdateBuilder {
        Update::builder()
            .table_name(&self.tables.tokens)
            .key(
                key::TOKEN_SHA256,
                AttributeValue::S(key::REGISTRY.to_owned()),
            )
            .update_expression(expression)
            .expression_attribute_names("#id", token_id)
    }

    async fn write_both(
        &self,
        one: TransactWriteItem,
        other: TransactWriteItem,
    ) -> Result<(), StoreError> {
        match self.transact(&[one, other]).await? {
            Transaction::Done => Ok(()),
            // Neither action has a condition.
            Transaction::FirstRefused => Err(StoreError::Contended("a token".to_owned())),
        }
    }
}
