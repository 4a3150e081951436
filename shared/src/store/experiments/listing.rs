//! Lists of experiments.

use super::{DefinitionItem, key};
use crate::store::item::Item;
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::search::SearchTexts;
use futures::future::BoxFuture;
use serde::Deserialize;

/// An experiment as the index for searches has it.
#[derive(Debug, Deserialize)]
pub struct SearchEntry {
    /// Its id.
    #[serde(rename = "experiment_id")]
    pub id: ExperimentId,
    /// Its place in lists, newest first.
    #[serde(rename = "created_at_id")]
    pub position: String,
    /// Its texts. Definitions that were stored before the index existed have none.
    #[serde(default)]
    pub texts: Option<SearchTexts>,
}

/// A page of a list.
#[derive(Debug)]
pub struct Page {
    /// Newest first.
    pub experiments: Vec<Experiment>,
    /// The start of the next page, if there may be one.
    pub next: Option<String>,
}

impl Store {
    /// The running experiments, read until there are more than `most`.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub async fn running_experiments(&self, most: usize) -> Result<Vec<Experiment>, StoreError> {
        let mut all = Vec::new();
        let mut before: Option<String> = None;
        loop {
            let limit = most + 1 - all.len();
            let page = self.experiments_by_status(Status::Running, limit, before.as_deref());
            let page = page.await?;
            all.extend(page.experiments);
            before = page.next;
            if before.is_none() || all.len() > most {
                return Ok(all);
            }
        }
    }

    /// Experiments of one status, newest first, before a sort key if one is given.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn experiments_by_status<'a>(
        &'a self,
        status: Status,
        limit: usize,
        before: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        Box::pin(async move {
            let listed = self.listed(key::BY_STATUS, status.name(), limit, before);
            let (items, more) = listed.await?;
            let items: Vec<DefinitionItem> = serde_dynamo::from_items(items)?;
            let next = items
                .last()
                .filter(|_| more)
                .map(|item| item.created_at_id.clone());
            Ok(Page {
                experiments: items.into_iter().map(|item| item.definition).collect(),
                next,
            })
        })
    }

    /// Entries of one status in the index for searches, newest first, before a position if one is given, and whether there
    /// are more. A page has at most 1 MB, so it can have fewer than `limit`.
    ///
    /// # Errors
    /// If the database fails or an item is damaged.
    pub fn search_entries<'a>(
        &'a self,
        status: Status,
        limit: usize,
        before: Option<&'a str>,
    ) -> BoxFuture<'a, Result<(Vec<SearchEntry>, bool), StoreError>> {
        Box::pin(async move {
            let listed = self.listed(key::SEARCH_BY_STATUS, status.name(), limit, before);
            let (items, more) = listed.await?;
            Ok((serde_dynamo::from_items(items)?, more))
        })
    }

    /// Items of one status in an index, newest first, before a sort key if one is given, and whether there are more.
    pub(in crate::store) async fn listed(
        &self,
        index: &str,
        status: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<(Vec<Item>, bool), StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.tables.experiments)
            .index_name(index)
            .expression_attribute_names("#status", key::STATUS)
            .expression_attribute_values(":status", AttributeValue::S(status.to_owned()))
            .scan_index_forward(false)
            .limit(i32::try_from(limit).unwrap_or(i32::MAX));
        query = match before {
            None => query.key_condition_expression("#status = :status"),
            Some(before) => query
                .key_condition_expression("#status = :status AND #created < :before")
                .expression_attribute_names("#created", key::CREATED_AT_ID)
                .expression_attribute_values(":before", AttributeValue::S(before.to_owned())),
        };
        let answer = self.page(query).await?;
        let more = answer.last_evaluated_key.is_some();
        Ok((answer.items.unwrap_or_default(), more))
    }
}
