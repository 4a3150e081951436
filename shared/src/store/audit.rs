//! Compares an experiment's aggregates with its records, and requests repairs.

use super::aggregates::{AggregateSections, AggregatesError};
use super::generations::{Generation, GenerationNumber};
use super::keys::experiments as key;
use super::raw::RawError;
use super::transaction::{self, Transaction};
use super::{Store, StoreError};
use crate::clock;
use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure,
    Select,
};
use domain::aggregate_items::{AggregateItems, AggregateLayout, AggregateSpec, DamagedAggregates};
use domain::aggregates::{ExperimentAggregates, VariantAggregates};
use domain::audit::{Audit, Differences};
use domain::coverage::CoverageGap;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::ids::ExperimentId;
use domain::reason::StatedReason;
use domain::registry::Registry;
use futures::FutureExt;
use futures::future::BoxFuture;
use std::time::{Duration, Instant};

/// The least number of comparisons before numbers count as different.
const COMPARISONS: usize = 3;
/// The pause between two comparisons.
const PAUSE: Duration = Duration::from_secs(1);

/// A pass that began earlier than this has been given up.
const SWEPT_WITHIN_MICROS: i64 = 6 * 3_600_000_000;

const TOO_MANY_RECORDS: StatedReason = StatedReason {
    reason: "too_many_records",
    message: "There are more records than one call can read. The daily audit reads no more either; a repair, which \
              works at any size, builds new aggregates without comparing them.",
};
const PRE_EXPOSURE_LEFT_OUT: StatedReason = StatedReason {
    reason: "pre_exposure_left_out",
    message: "There are more users than one request can read the pre-exposure events of, so the numbers of `cuped` were not compared.",
};
const COMPARED_ONCE: StatedReason = StatedReason {
    reason: "compared_once",
    message: "Some numbers differ, but there was no time to compare them again, and records may have been on their way. \
              The daily audit takes more time; a repair builds new aggregates.",
};
const COUNTED_AGAIN: StatedReason = StatedReason {
    reason: "backfill_running",
    message: "The definition or the aggregates changed a moment ago, and users are being refreshed. Repeat the audit once that is done.",
};

const UNREADABLE: StatedReason = StatedReason {
    reason: "unreadable",
    message: "A stored item cannot be read, or a sum has more than 38 digits; the log of the function names it. \
              A repair builds new aggregates without what cannot be read.",
};

/// How long differing numbers are compared again.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The least time even if no record seems to be pending: imported assignments may be older than those in the
    /// aggregates.
    pub least: Duration,
    /// The time if records are pending.
    pub most: Duration,
}

/// The result of reading the records.
struct Recomputed {
    aggregates: ExperimentAggregates,
    records: usize,
    pre_exposure: bool,
}

impl Store {
    /// Compares the aggregates of an experiment with its records. Differing numbers are compared again until they stay
    /// the same and no record is pending, or until the time is over. The result is logged.
    ///
    /// # Errors
    /// If the database fails or a sum of the records is too large.
    pub fn audit<'a>(
        &'a self,
        experiment: &'a Experiment,
        patience: Patience,
    ) -> BoxFuture<'a, Result<Audit, RawError>> {
        Box::pin(async move {
            let mut audit = Audit::new(&experiment.id, None);
            match self.compare(experiment, patience, &mut audit).await {
                Err(RawError::Store(error)) if error.concerns_one_item() => {
                    unreadable(&mut audit, &error);
                }
                Err(RawError::Overflow(error)) => unreadable(&mut audit, &error),
                compared => compared?,
            }
            log(&audit);
            Ok(audit)
        })
    }

    /// Fills the audit in. After an error it has what was found before.
    async fn compare(
        &self,
        experiment: &Experiment,
        patience: Patience,
        audit: &mut Audit,
    ) -> Result<(), RawError> {
        let begun = Instant::now();
        let id = &experiment.id;
        let current = self.generations(id).await?.current;
        audit.generation = current.as_ref().map(|current| current.number);
        let Some(current) = current else {
            audit.not_compared = Some(CoverageGap::NoAggregates.reason());
            return Ok(());
        };
        if current.spec != AggregateSpec::of(experiment) {
            audit.not_compared = Some(CoverageGap::BackfillRunning.reason());
            return Ok(());
        }
        let mut steady: Option<Differences> = None;
        loop {
            let this_one = Instant::now();
            let stored = self.aggregate_items(id, current.number, AggregateSections::ALL, false);
            let stored = match stored.await {
                Ok(stored) => stored,
                Err(AggregatesError::TooManyNumbers) => {
                    audit.not_compared = Some(TOO_MANY_RECORDS);
                    return Ok(());
                }
                Err(AggregatesError::Store(error)) => return Err(error.into()),
            };
            audit.quarantined_users = stored.quarantined_users;
            audit.quarantined = stored.quarantined;
            let found = match self.recomputed(experiment, &stored.registry).await {
                Ok(found) => found,
                Err(RawError::TooManyRecords | RawError::TooManyUndecided) => {
                    audit.not_compared = Some(TOO_MANY_RECORDS);
                    return Ok(());
                }
                Err(error) => return Err(error),
            };
            let layout = AggregateLayout::new(&current.spec, &stored.registry);
            let sums = AggregateItems::from_aggregates(&found.aggregates, &layout);
            let (differences, numbers) = if found.pre_exposure {
                Differences::between(&stored.aggregate_items, &sums)
            } else {
                audit.left_out = Some(PRE_EXPOSURE_LEFT_OUT);
                between_without_pre_exposure(&stored.aggregate_items, &sums, experiment, &layout)
            };
            let differences = match &steady {
                None => differences,
                Some(before) => differences.steady_since(before),
            };
            audit.records = found.records;
            let variants = found.aggregates.variants.iter();
            audit.users = variants.map(VariantAggregates::users).sum();
            audit.numbers = numbers;
            audit.comparisons += 1;
            let all_counted = stored.data_range == found.aggregates.data_range;
            let long_enough = audit.comparisons >= COMPARISONS && begun.elapsed() >= patience.least;
            let sure = long_enough && all_counted;
            if differences.is_empty() || sure {
                audit.drifted(&differences);
                break;
            }
            if begun.elapsed() + PAUSE + this_one.elapsed() > patience.most {
                if audit.comparisons > 1 {
                    audit.drifted(&differences);
                } else {
                    audit.not_compared = Some(COMPARED_ONCE);
                }
                break;
            }
            steady = Some(differences);
            tokio::time::sleep(PAUSE).await;
        }
        if audit.differing_numbers > 0 && self.is_in_flux(experiment, &current).await? {
            audit.drifted(&Differences::default());
            audit.not_compared = Some(COUNTED_AGAIN);
        }
        Ok(())
    }

    /// With pre-exposure data, unless there are too many users.
    async fn recomputed(
        &self,
        experiment: &Experiment,
        registry: &Registry,
    ) -> Result<Recomputed, RawError> {
        let mut pre_exposure = true;
        loop {
            let filter = RecordFilter {
                pre_exposure,
                ..RecordFilter::default()
            };
            let recomputed = self.aggregates_of_records(experiment, &filter, registry.clone());
            match recomputed.await {
                Err(RawError::TooManyPreExposures) if pre_exposure => pre_exposure = false,
                Err(error) => return Err(error),
                Ok((aggregates, records)) => {
                    return Ok(Recomputed {
                        aggregates,
                        records,
                        pre_exposure,
                    });
                }
            }
        }
    }

    /// Whether the compared generation was replaced, or is being changed for another definition.
    async fn is_in_flux(
        &self,
        experiment: &Experiment,
        compared: &Generation,
    ) -> Result<bool, StoreError> {
        let id = &experiment.id;
        let now = self.experiment(id, true).await?;
        let current = self.generations(id).await?.current;
        Ok(now.is_none_or(|now| now.version != experiment.version)
            || current.is_none_or(|current| current.number != compared.number)
            || self.has_sweeps(id).await?)
    }

    /// Whether users are being refreshed because of a change of the definition.
    async fn has_sweeps(&self, id: &ExperimentId) -> Result<bool, StoreError> {
        let recent = clock::now().plus_micros(-SWEPT_WITHIN_MICROS);
        let passes = AttributeValue::S(format!("{}pass-", key::WORK));
        let answer = self
            .client
            .query()
            .table_name(&self.tables.experiments)
            .select(Select::Count)
            .consistent_read(true)
            .key_condition_expression("#id = :id AND begins_with(#record, :passes)")
            .filter_expression("attribute_not_exists(#expires_at) AND #asked_at > :recent")
            .expression_attribute_names("#asked_at", "asked_at")
            .expression_attribute_values(":recent", AttributeValue::S(recent.to_string()))
            .expression_attribute_names("#id", key::EXPERIMENT_ID)
            .expression_attribute_names("#record", key::RECORD)
            .expression_attribute_names("#expires_at", key::EXPIRES_AT)
            .expression_attribute_values(":id", AttributeValue::S(id.to_string()))
            .expression_attribute_values(":passes", passes)
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .send()
            .boxed()
            .await?;
        self.usage.read(answer.consumed_capacity());
        Ok(answer.count() > 0)
    }

    /// Requests a new generation with the current definition. None if the definition was changed at the same moment.
    ///
    /// # Errors
    /// If the database fails.
    pub fn ask_for_sums<'a>(
        &'a self,
        experiment: &'a Experiment,
    ) -> BoxFuture<'a, Result<Option<GenerationNumber>, StoreError>> {
        Box::pin(async move {
            let id = AttributeValue::S(experiment.id.to_string());
            let generation = Generation::new(AggregateSpec::of(experiment), clock::now());
            let version = AttributeValue::N(experiment.version.to_string());
            let unchanged = ConditionCheck::builder()
                .table_name(&self.tables.experiments)
                .key(key::EXPERIMENT_ID, id)
                .key(key::RECORD, AttributeValue::S(key::DEFINITION.to_owned()))
                .condition_expression("version = :version")
                .expression_attribute_values(":version", version)
                .return_values_on_condition_check_failure(
                    ReturnValuesOnConditionCheckFailure::AllOld,
                );
            let next = self.next_generation(&experiment.id, &generation)?;
            let actions = [transaction::check(unchanged)?, next];
            Ok(match self.transact(&actions).await? {
                Transaction::Done => Some(generation.number),
                Transaction::FirstRefused => None,
            })
        })
    }
}

/// Without pre-exposure data.
fn between_without_pre_exposure(
    stored: &AggregateItems,
    recomputed: &AggregateItems,
    experiment: &Experiment,
    layout: &AggregateLayout,
) -> (Differences, usize) {
    match stored.aggregates(experiment, layout, None, false) {
        Ok(aggregates) => Differences::between(
            &AggregateItems::from_aggregates(&aggregates, layout),
            recomputed,
        ),
        Err(DamagedAggregates { item, name, number }) => {
            let one = Differences::of_one(&item, &name, number, recomputed);
            (one, 1)
        }
    }
}

/// Notes that the comparison failed because of what is stored. The caller can still request a repair.
fn unreadable(audit: &mut Audit, error: &dyn std::error::Error) {
    tracing::error!(experiment_id = %audit.experiment_id, %error, "the aggregates could not be compared");
    audit.not_compared = Some(UNREADABLE);
}

fn log(audit: &Audit) {
    let drift = serde_json::to_string(&audit.drift).unwrap_or_default();
    let not_compared = audit.not_compared.as_ref().map(|why| why.reason);
    let (id, numbers) = (&audit.experiment_id, audit.numbers);
    // The metric filters of the template use this field.
    let differing_numbers = audit.differing_numbers;
    if differing_numbers > 0 {
        tracing::error!(experiment_id = %id, differing_numbers, numbers, drift, "aggregates differ from the raw records");
    } else {
        tracing::info!(experiment_id = %id, differing_numbers, numbers, not_compared, "aggregates audited");
    }
}
