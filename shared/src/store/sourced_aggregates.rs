//! The aggregates that a request needs, from the source that can answer it.

use super::aggregates::AggregateSections;
use super::keys::{self, events as key};
use super::raw::RawError;
use super::{Store, StoreError};
use crate::store::generations::Generation;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::aggregate_items::AggregateLayout;
use domain::aggregates::ExperimentAggregates;
use domain::coverage::{CoverageGap, DataSource, Provenance, days_asked};
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};

/// Pending events that are counted per shard: a larger number makes no difference to readers.
const MOST_PENDING: i32 = 1_000;
/// How often aggregates are read again that are inconsistent because they were being written.
const ATTEMPTS: usize = 3;

/// Aggregates with their provenance.
#[derive(Debug)]
pub struct SourcedAggregates {
    /// The aggregates.
    pub aggregates: ExperimentAggregates,
    /// The source.
    pub provenance: Provenance,
}

impl Store {
    /// The aggregates of all users that the filter selects: the stored ones, or computed from the raw records if those
    /// cannot answer. `wanted` is the source that the caller chooses.
    ///
    /// # Errors
    /// If the database fails, a sum is too large, there are too many records, or the caller chooses aggregates that
    /// cannot answer the request.
    pub async fn sourced_aggregates(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
        sections: AggregateSections,
        wanted: Option<DataSource>,
    ) -> Result<SourcedAggregates, RawError> {
        let because = match wanted {
            Some(DataSource::Raw) => None,
            Some(DataSource::Aggregates) | None => {
                match self.stored_aggregates(experiment, filter, sections).await? {
                    Ok(sourced) => return Ok(sourced),
                    Err(why) if wanted.is_some() => return Err(RawError::CoverageGap(why)),
                    Err(why) => Some(why.reason()),
                }
            }
        };
        Ok(SourcedAggregates {
            aggregates: self.aggregates_from_records(experiment, filter).await?,
            provenance: Provenance {
                source: DataSource::Raw,
                because,
                ..Provenance::default()
            },
        })
    }

    async fn stored_aggregates(
        &self,
        experiment: &Experiment,
        filter: &RecordFilter,
        sections: AggregateSections,
    ) -> Result<Result<SourcedAggregates, CoverageGap>, RawError> {
        let generations = self.generations(&experiment.id).await?;
        let spec = generations.current.as_ref().map(|current| &current.spec);
        let before = match days_asked(experiment, spec, filter) {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        let Some(generation) = &generations.current else {
            return Ok(Err(CoverageGap::NoAggregates));
        };
        let mut attempt = 1;
        let (aggregates, quarantined) = loop {
            let stored = self
                .aggregate_items(&experiment.id, generation.number, sections)
                .await?;
            let layout = AggregateLayout::new(&generation.spec, &stored.registry);
            let aggregates =
                stored
                    .aggregate_items
                    .aggregates(experiment, &layout, before, filter.pre_exposure);
            match aggregates {
                Ok(aggregates) => {
                    let aggregates = ExperimentAggregates {
                        data_range: stored.data_range,
                        ..aggregates
                    };
                    break (aggregates, stored.quarantined_users);
                }
                Err(damaged) if attempt == ATTEMPTS => {
                    return Err(StoreError::Corrupt(damaged.to_string()).into());
                }
                Err(_) => attempt += 1,
            }
        };
        let sourced = self.with_provenance(experiment, generation, aggregates, quarantined, filter);
        Ok(sourced.await?)
    }

    async fn with_provenance(
        &self,
        experiment: &Experiment,
        generation: &Generation,
        aggregates: ExperimentAggregates,
        quarantined: usize,
        filter: &RecordFilter,
    ) -> Result<Result<SourcedAggregates, CoverageGap>, StoreError> {
        let outlier_users = aggregates
            .variants
            .iter()
            .any(|variant| variant.outlier_users > 0);
        if outlier_users && filter.window.to.is_some() {
            return Ok(Err(CoverageGap::OutlierUsersChanged));
        }
        let last = aggregates.data_range.counted.map(|(_, last)| last);
        let pending = self.pending_records(experiment, last).await?;
        Ok(Ok(SourcedAggregates {
            aggregates,
            provenance: Provenance {
                source: DataSource::Aggregates,
                because: None,
                generation: Some(generation.number),
                pending_records: Some(pending),
                quarantined_users: u64::try_from(quarantined).unwrap_or(u64::MAX),
            },
        }))
    }

    /// Events stored for an experiment after an instant, at most 1,000 per shard.
    async fn pending_records(
        &self,
        experiment: &Experiment,
        last: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        // The first sort key after all events of that instant.
        let after = last.map_or_else(String::new, |last| format!("{last}$"));
        let shards = (0..experiment.shards).map(|shard| {
            let after = if after.is_empty() { "0" } else { &after };
            let query = self
                .client
                .query()
                .table_name(&self.tables.events)
                .index_name(key::BY_EXPERIMENT)
                .select(Select::Count)
                .limit(MOST_PENDING)
                .key_condition_expression("#shard = :shard AND #at > :after")
                .expression_attribute_names("#shard", key::EXPERIMENT_SHARD)
                .expression_attribute_names("#at", key::COUNTED_AT_EVENT)
                .expression_attribute_values(
                    ":shard",
                    AttributeValue::S(keys::experiment_shard(&experiment.id, shard)),
                )
                .expression_attribute_values(":after", AttributeValue::S(after.to_owned()));
            async move {
                let answer = self.page(query).await?;
                Ok::<u64, StoreError>(u64::try_from(answer.count()).unwrap_or(0))
            }
        });
        let counts: Vec<u64> = stream::iter(shards)
            .buffer_unordered(super::raw::AT_ONCE)
            .try_collect()
            .await?;
        Ok(counts.iter().sum())
    }
}

impl AggregateSections {
    /// All sections.
    pub const ALL: Self = Self {
        hours: true,
        dimensions: true,
    };
}
