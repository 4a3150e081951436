//! One page of a piece of work: some hundred users, then the new position.

use super::work::{Place, Task, Work};
use crate::clock;
use crate::store::item::Item;
use crate::store::keys::{self, aggregates as key};
use crate::store::refresh::DirtyUser;
use crate::store::{Store, StoreError};
use aws_sdk_dynamodb::types::{AttributeValue, ReturnConsumedCapacity};
use domain::ids::UserId;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Index records of a page, and so users at most.
const PAGE: i32 = 500;
/// Items deleted at once.
const DELETED_AT_ONCE: usize = 16;

/// The outcome of a page.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// Users that were refreshed.
    pub users: usize,
    /// Transactions that were sent.
    pub transactions: usize,
    /// Whether the work is finished.
    pub done: bool,
}

/// The users of a page.
pub(super) struct Users {
    pub(super) users: BTreeSet<UserId>,
    next: Option<Place>,
}

impl Store {
    /// Does the page that a stream record shows. Nothing, if another process is further.
    ///
    /// # Errors
    /// If the database fails or a user cannot be refreshed by the deadline; a repeat is safe.
    pub fn work_on<'a>(
        &'a self,
        work: &'a Work,
        deadline: Instant,
    ) -> BoxFuture<'a, Result<Worked, StoreError>> {
        Box::pin(async move {
            let over = work.expires_at.is_some();
            if over || self.work_now(work).await?.as_ref() != Some(work) {
                return Ok(Worked::default());
            }
            if !self.is_wanted(work).await? {
                self.advance(work, &work.done()).await?;
                return Ok(Worked::default());
            }
            if work.task.counts() && work.place.is_none() {
                self.index_catches_up(work).await;
            }
            let (mut worked, next) = match work.task {
                Task::CleanSums => {
                    let more = self.clean_sums(work).await?;
                    (Worked::default(), more.then_some(Place::new()))
                }
                Task::CleanUsers => {
                    let page = self.users_of(work, PAGE).await?;
                    self.clean_users(work, &page.users).await?;
                    (Worked::default(), page.next)
                }
                Task::Build | Task::PassActive | Task::PassAssigned | Task::PassAll => {
                    let page = self.users_of(work, PAGE).await?;
                    (
                        self.count_again(work, page.users, deadline).await?,
                        page.next,
                    )
                }
            };
            let next = work.after(next);
            worked.done = next.expires_at.is_some();
            self.advance(work, &next).await?;
            Ok(worked)
        })
    }

    /// Whether the work is obsolete or still needed: its generation may have been replaced.
    async fn is_wanted(&self, work: &Work) -> Result<bool, StoreError> {
        Ok(match work.task {
            Task::Build => {
                let generations = self.generations(&work.experiment_id).await?;
                generations.is_next(work.number)
            }
            Task::CleanUsers | Task::CleanSums => {
                let generations = self.generations(&work.experiment_id).await?;
                !generations.has(work.number)
            }
            Task::PassActive | Task::PassAssigned | Task::PassAll => true,
        })
    }

    /// Waits until the index shows all records from before the work. The refresh of each later record reads the definition
    /// and the generations that caused the work. So one pass over the index misses no user, whatever the times of the
    /// records are.
    async fn index_catches_up(&self, work: &Work) {
        let waited = clock::now().micros() - work.asked_at.micros();
        let waited = Duration::from_micros(u64::try_from(waited).unwrap_or_default());
        tokio::time::sleep(self.index_lag.saturating_sub(waited)).await;
    }

    async fn count_again(
        &self,
        work: &Work,
        users: BTreeSet<UserId>,
        deadline: Instant,
    ) -> Result<Worked, StoreError> {
        let experiment = BTreeSet::from([work.experiment_id.clone()]);
        let dirty = match work.task {
            Task::Build => DirtyUser {
                assignments: experiment,
                ..DirtyUser::default()
            },
            Task::PassAll => DirtyUser {
                assignments: experiment,
                fence: true,
                ..DirtyUser::default()
            },
            _ => DirtyUser {
                again: experiment,
                fence: true,
                ..DirtyUser::default()
            },
        };
        let dirty: BTreeMap<UserId, DirtyUser> = users
            .into_iter()
            .map(|user| (user, dirty.clone()))
            .collect();
        let counted = self.refresh_users(&dirty, deadline).await;
        let failures = counted.failures.len();
        match counted.failures.into_values().next() {
            Some(error) => {
                tracing::error!(work.record, failures, %error, "users could not be refreshed");
                Err(error)
            }
            None => Ok(Worked {
                users: counted.users,
                transactions: counted.transactions,
                done: false,
            }),
        }
    }

    /// The users of a page of index records.
    pub(super) async fn users_of(&self, work: &Work, records: i32) -> Result<Users, StoreError> {
        let (table, index, shard_name, at) = match work.task {
            Task::PassActive => (
                &self.tables.events,
                keys::events::BY_EXPERIMENT,
                keys::events::EXPERIMENT_SHARD,
                keys::events::STORED_AT_EVENT,
            ),
            _ => (
                &self.tables.assignments,
                keys::assignments::BY_EXPERIMENT,
                keys::assignments::EXPERIMENT_SHARD,
                keys::assignments::STORED_AT_HASH,
            ),
        };
        let shard = keys::experiment_shard(&work.experiment_id, work.shard);
        let place = work.place.clone().map(|place| {
            let attribute = |(name, text)| (name, AttributeValue::S(text));
            place.into_iter().map(attribute).collect()
        });
        let query = self
            .client
            .query()
            .table_name(table)
            .index_name(index)
            .key_condition_expression("#shard = :shard AND #at >= :from")
            .expression_attribute_names("#shard", shard_name)
            .expression_attribute_names("#at", at)
            .expression_attribute_names("#user", keys::assignments::USER_ID)
            .expression_attribute_values(":shard", AttributeValue::S(shard))
            .expression_attribute_values(":from", AttributeValue::S(work.from.to_string()))
            .projection_expression("#user")
            .limit(records)
            .set_exclusive_start_key(place);
        let answer = self.page(query).await?;
        let next = answer.last_evaluated_key().map(|last| {
            let text = |(name, value): (&String, &AttributeValue)| {
                value.as_s().ok().map(|text| (name.clone(), text.clone()))
            };
            last.iter().filter_map(text).collect()
        });
        let user = |item: &Item| {
            let user = item.get(keys::assignments::USER_ID)?.as_s().ok()?;
            UserId::stored(user).ok()
        };
        let users = answer.items().iter().map(user).collect::<Option<_>>();
        let users =
            users.ok_or_else(|| StoreError::Corrupt("an index item has no user".to_owned()))?;
        Ok(Users { users, next })
    }

    async fn clean_users(&self, work: &Work, users: &BTreeSet<UserId>) -> Result<(), StoreError> {
        let item = key::generation(&work.experiment_id, work.number);
        let deletions = users.iter().map(|user| {
            let partition = AttributeValue::S(key::of_user(user));
            self.delete_statistic(partition, AttributeValue::S(item.clone()))
        });
        let deletions: Vec<_> = deletions.collect();
        stream::iter(deletions)
            .buffer_unordered(DELETED_AT_ONCE)
            .try_collect()
            .await
    }

    /// Deletes a part of the aggregates. False if there was none. The partition that names the others is the last one.
    async fn clean_sums(&self, work: &Work) -> Result<bool, StoreError> {
        let registry = self.registry(&work.experiment_id, work.number).await?;
        let shards = registry.write_shards.unwrap_or(self.first_write_shards);
        let partitions = shards.partitions().rev().flat_map(|partition| {
            let kinds = [key::HOURS, key::DIMENSIONS, key::AGGREGATE_ITEMS];
            kinds.map(|kind| (kind, partition))
        });
        let mut found = Vec::new();
        for (kind, partition) in partitions {
            let partition = key::of_generation(kind, &work.experiment_id, work.number, partition);
            let query = self
                .client
                .query()
                .table_name(&self.tables.aggregates)
                .key_condition_expression("#partition = :partition")
                .expression_attribute_names("#partition", key::PARTITION)
                .expression_attribute_names("#item", key::ITEM)
                .expression_attribute_values(":partition", AttributeValue::S(partition))
                .projection_expression("#partition, #item")
                .limit(PAGE);
            let answer = self.page(query).await?;
            found = answer.items.unwrap_or_default();
            if !found.is_empty() {
                break;
            }
        }
        let more = !found.is_empty();
        let mut deletions = Vec::new();
        for mut item in found {
            let keys = (item.remove(key::PARTITION), item.remove(key::ITEM));
            if let (Some(partition), Some(item)) = keys {
                deletions.push(self.delete_statistic(partition, item));
            }
        }
        stream::iter(deletions)
            .buffer_unordered(DELETED_AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(more)
    }

    async fn delete_statistic(
        &self,
        partition: AttributeValue,
        item: AttributeValue,
    ) -> Result<(), StoreError> {
        let answer = self
            .client
            .delete_item()
            .table_name(&self.tables.aggregates)
            .key(key::PARTITION, partition)
            .key(key::ITEM, item)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await?;
        self.usage.wrote(answer.consumed_capacity());
        Ok(())
    }
}
