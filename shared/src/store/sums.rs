//! The sums that a question asks for, from where they can be had.

use super::keys::{self, events as key};
use super::raw::RawError;
use super::statistics::Parts;
use super::{Store, StoreError};
use crate::store::generations::Generation;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::experiment::Experiment;
use domain::fold::Lens;
use domain::report::{NotInSums, Provenance, Source, days_asked};
use domain::tally::Tally;
use domain::time::Timestamp;
use futures::{StreamExt, TryStreamExt, stream};

/// Waiting events that are counted in each shard: whether it is a thousand or more makes no difference to anybody.
const MOST_PENDING: i32 = 1_000;
/// How often sums are read again that do not fit together, because they were being written.
const ATTEMPTS: usize = 3;

/// Sums, and where they come from.
#[derive(Debug)]
pub struct Sums {
    /// The sums.
    pub tally: Tally,
    /// Where they come from.
    pub provenance: Provenance,
}

impl Store {
    /// The sums over all users that the lens shows: from running sums, or from the records where those can't tell.
    /// `wanted` is what the caller asks for; none: the first of the two that can.
    ///
    /// # Errors
    /// If the database fails, a sum is too large, the records are too many, or running sums are asked for what they
    /// can't tell.
    pub async fn sums(
        &self,
        experiment: &Experiment,
        lens: &Lens,
        parts: Parts,
        wanted: Option<Source>,
    ) -> Result<Sums, RawError> {
        let because = match wanted {
            Some(Source::Raw) => None,
            Some(Source::Aggregates) | None => {
                match self.aggregated(experiment, lens, parts).await? {
                    Ok(sums) => return Ok(sums),
                    Err(why) if wanted.is_some() => return Err(RawError::NotInSums(why)),
                    Err(why) => Some(why.reason()),
                }
            }
        };
        Ok(Sums {
            tally: self.tally(experiment, lens).await?,
            provenance: Provenance {
                source: Source::Raw,
                because,
                ..Provenance::default()
            },
        })
    }

    async fn aggregated(
        &self,
        experiment: &Experiment,
        lens: &Lens,
        parts: Parts,
    ) -> Result<Result<Sums, NotInSums>, StoreError> {
        let generations = self.generations(&experiment.id).await?;
        let spec = generations.current.as_ref().map(|current| &current.spec);
        let before = match days_asked(experiment, spec, lens) {
            Ok(before) => before,
            Err(why) => return Ok(Err(why)),
        };
        let Some(generation) = &generations.current else {
            return Ok(Err(NotInSums::None));
        };
        let mut attempt = 1;
        let tally = loop {
            let stored = self
                .totals(&experiment.id, generation.number, parts)
                .await?;
            let tally = stored
                .totals
                .tally(experiment, &generation.spec, before, lens.past);
            match tally {
                Ok(tally) => {
                    break Tally {
                        reach: stored.reach,
                        ..tally
                    };
                }
                Err(damaged) if attempt == ATTEMPTS => {
                    return Err(StoreError::Corrupt(damaged.to_string()));
                }
                Err(_) => attempt += 1,
            }
        };
        self.fresh(experiment, generation, tally, lens).await
    }

    async fn fresh(
        &self,
        experiment: &Experiment,
        generation: &Generation,
        tally: Tally,
        lens: &Lens,
    ) -> Result<Result<Sums, NotInSums>, StoreError> {
        let robots = tally.variants.iter().any(|variant| variant.robots > 0);
        if robots && lens.window.to.is_some() {
            return Ok(Err(NotInSums::Robots));
        }
        let last = tally.reach.counted.map(|(_, last)| last);
        let pending = self.pending_events(experiment, last).await?;
        Ok(Ok(Sums {
            tally,
            provenance: Provenance {
                source: Source::Aggregates,
                because: None,
                generation: Some(generation.number),
                pending_events: Some(pending),
            },
        }))
    }

    /// Events stored for an experiment after an instant, a thousand of each shard at most.
    async fn pending_events(
        &self,
        experiment: &Experiment,
        last: Option<Timestamp>,
    ) -> Result<u64, StoreError> {
        // The next sort key after all events of that instant.
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

impl Parts {
    /// Everything.
    pub const ALL: Self = Self {
        hours: true,
        segments: true,
    };
}
