//! The aggregates that a request needs, from the source that can answer it.

use super::aggregates::AggregateSections;
use super::raw::RawError;
use super::{Store, StoreError};
use crate::clock;
use crate::store::generations::Generation;
use domain::aggregate_items::AggregateLayout;
use domain::aggregates::ExperimentAggregates;
use domain::coverage::{
    CoverageGap, DataSource, PENDING_SECONDS, PendingRecords, Provenance, days_asked,
};
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use futures::future::BoxFuture;

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
    pub fn sourced_aggregates<'a>(
        &'a self,
        experiment: &'a Experiment,
        filter: &'a RecordFilter,
        sections: AggregateSections,
        wanted: Option<DataSource>,
    ) -> BoxFuture<'a, Result<SourcedAggregates, RawError>> {
        Box::pin(async move {
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
                .aggregate_items(&experiment.id, generation.number, sections, attempt > 1)
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
                    break (aggregates, (stored.quarantined_users, stored.not_counted));
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
        (quarantined_users, not_counted): (usize, i64),
        filter: &RecordFilter,
    ) -> Result<Result<SourcedAggregates, CoverageGap>, StoreError> {
        let left_out = aggregates
            .variants
            .iter()
            .any(|variant| variant.outlier_users + variant.excluded_users > 0);
        if left_out && filter.window.to.is_some() {
            return Ok(Err(CoverageGap::OutlierUsersChanged));
        }
        // After the aggregates: what was counted before this moment was also stored before.
        let pending = self
            .pending_records(experiment, aggregates.records, not_counted)
            .await?;
        Ok(Ok(SourcedAggregates {
            aggregates,
            provenance: Provenance {
                source: DataSource::Aggregates,
                because: None,
                generation: Some(generation.number),
                pending: Some(pending),
                quarantined_users: u64::try_from(quarantined_users).unwrap_or(u64::MAX),
            },
        }))
    }

    /// The records that are stored and not among the counted ones. Those of quarantined users are not pending: nothing counts
    /// them until a repair.
    async fn pending_records(
        &self,
        experiment: &Experiment,
        counted: u64,
        not_counted: i64,
    ) -> Result<PendingRecords, StoreError> {
        let stored = self.stored_records(experiment, None).await?;
        let can_be_counted = stored.records.saturating_add_signed(-not_counted);
        let pending = can_be_counted.saturating_sub(counted);
        let (mut overdue, mut since) = (0, None);
        if pending > 0 {
            let before = clock::now().plus_micros(-PENDING_SECONDS * 1_000_000);
            let times = self.stored_times(experiment, before).await?;
            let older = times.before().saturating_add_signed(-not_counted);
            overdue = older.saturating_sub(counted);
            since = times.pending_since(counted.saturating_add_signed(not_counted));
        }
        Ok(PendingRecords {
            stored: can_be_counted,
            pending,
            overdue,
            since,
            count_incomplete: stored.count_incomplete,
        })
    }
}

impl AggregateSections {
    /// All sections.
    pub const ALL: Self = Self {
        hours: true,
        dimensions: true,
    };
}
