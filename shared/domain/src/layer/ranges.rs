//! The ranges of a layer: taking free ones, and giving them back.

use crate::Invalid;
use crate::ids::ExperimentId;
use crate::limits::{MAX_LAYER_EXPERIMENTS, MAX_LAYER_RANGES, MAX_RANGES_PER_EXPERIMENT};
use crate::prose::plain;
use crate::time::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Bucket values of the half-open range from `from` to `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BucketRange {
    /// The first one.
    pub from: u16,
    /// The first one after the range.
    pub to: u16,
}

impl BucketRange {
    /// Whether it contains a bucket value.
    pub fn contains(&self, bucket: u16) -> bool {
        (self.from..self.to).contains(&bucket)
    }

    /// The number of bucket values.
    pub fn len(&self) -> u16 {
        self.to.saturating_sub(self.from)
    }

    /// Whether it has no bucket value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A range that an experiment has, or that was freed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRange {
    /// The bucket values.
    #[serde(flatten)]
    pub range: BucketRange,
    /// The experiment that has it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub experiment: Option<ExperimentId>,
    /// From when on a freed range can be given to another experiment. Until then, a process that does not know the change
    /// yet can still assign users of the range.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub free_from: Option<Timestamp>,
}

impl LayerRange {
    fn held(range: BucketRange, experiment: &ExperimentId) -> Self {
        Self {
            range,
            experiment: Some(experiment.clone()),
            free_from: None,
        }
    }

    fn freed(range: BucketRange, free_from: Timestamp) -> Self {
        Self {
            range,
            experiment: None,
            free_from: Some(free_from),
        }
    }
}

/// The ranges of a layer in their order, without overlaps. Bucket values between them never belonged to an experiment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerRanges(Vec<LayerRange>);

impl LayerRanges {
    /// The number of bucket values of a layer.
    pub const BUCKETS: u16 = 10_000;

    /// All ranges that are or were given to experiments.
    pub fn as_slice(&self) -> &[LayerRange] {
        &self.0
    }

    /// The experiments with ranges.
    pub fn experiments(&self) -> BTreeSet<&ExperimentId> {
        let held = self.0.iter();
        held.filter_map(|range| range.experiment.as_ref()).collect()
    }

    /// The ranges of an experiment.
    pub fn of(&self, experiment: &ExperimentId) -> Vec<BucketRange> {
        let all = self.0.iter();
        let own = all.filter(|range| range.experiment.as_ref() == Some(experiment));
        own.map(|range| range.range).collect()
    }

    /// The number of bucket values that can be given away at an instant.
    pub fn free_at(&self, now: Timestamp) -> u16 {
        let free = self.never_given().into_iter().chain(self.reusable(now));
        free.map(|range| range.len()).sum()
    }

    /// Whether a process can still assign users of a freed range, or an experiment has a range.
    pub fn in_use_at(&self, now: Timestamp) -> bool {
        let mut all = self.0.iter();
        all.any(|range| range.free_from.is_none_or(|free_from| now < free_from))
    }

    /// Gives an experiment as many bucket values as it asks for. It keeps its own as far as possible. Values that never
    /// belonged to an experiment are given before others, because users of earlier experiments do not take part. Values
    /// that the experiment loses are free from `free_from` on.
    ///
    /// # Errors
    /// If not enough bucket values are free, or only in too many ranges.
    pub fn resize(
        &mut self,
        experiment: &ExperimentId,
        buckets: u16,
        now: Timestamp,
        free_from: Timestamp,
    ) -> Result<(), Invalid> {
        let own: u16 = self.of(experiment).iter().map(BucketRange::len).sum();
        if buckets == own {
            return Ok(());
        }
        let mut after = self.clone();
        if buckets > own {
            after.grow(experiment, buckets - own, now)?;
        } else {
            after.shrink(experiment, own - buckets, free_from);
        }
        after.join_neighbors(now);
        if after.0.len() > MAX_LAYER_RANGES {
            return Err(fragmented());
        }
        *self = after;
        Ok(())
    }

    /// Takes all ranges from an experiment. They are free from `free_from` on.
    pub fn release(&mut self, experiment: &ExperimentId, now: Timestamp, free_from: Timestamp) {
        self.shrink(experiment, Self::BUCKETS, free_from);
        self.join_neighbors(now);
    }

    fn grow(
        &mut self,
        experiment: &ExperimentId,
        need: u16,
        now: Timestamp,
    ) -> Result<(), Invalid> {
        let experiments = self.experiments();
        if !experiments.contains(experiment) && experiments.len() >= MAX_LAYER_EXPERIMENTS {
            let detail = format!(
                "A layer has at most {MAX_LAYER_EXPERIMENTS} experiments at a time. Stop one of them."
            );
            return Err(Invalid::new("layer_full", detail));
        }
        let free = self.free_at(now);
        if free < need {
            return Err(self.full(need, free));
        }
        let never_given = self.never_given();
        let reusable = self.reusable(now);
        let all = [never_given.as_slice(), reusable.as_slice()].concat();
        // Values of both kinds together can be in fewer ranges.
        let choices = [taken(&[never_given, reusable], need), taken(&[all], need)];
        for taken in choices {
            let mut after = self.clone();
            for range in taken {
                after.give(range, experiment);
            }
            after.join_neighbors(now);
            if after.of(experiment).len() <= MAX_RANGES_PER_EXPERIMENT {
                *self = after;
                return Ok(());
            }
        }
        Err(fragmented())
    }

    /// Frees the last bucket values of an experiment.
    fn shrink(&mut self, experiment: &ExperimentId, mut surplus: u16, free_from: Timestamp) {
        let mut after = Vec::with_capacity(self.0.len() + 1);
        for each in std::mem::take(&mut self.0).into_iter().rev() {
            let range = each.range;
            if each.experiment.as_ref() != Some(experiment) || surplus == 0 {
                after.push(each);
                continue;
            }
            let from = range.to - surplus.min(range.len());
            surplus -= range.to - from;
            after.push(LayerRange::freed(BucketRange { from, ..range }, free_from));
            let kept = BucketRange { to: from, ..range };
            if !kept.is_empty() {
                after.push(LayerRange::held(kept, experiment));
            }
        }
        after.reverse();
        self.0 = after;
    }

    /// Gives a free range to an experiment. It is in a gap or in one freed range.
    fn give(&mut self, given: BucketRange, experiment: &ExperimentId) {
        let mut after = Vec::with_capacity(self.0.len() + 2);
        for each in std::mem::take(&mut self.0) {
            let range = each.range;
            if !range.contains(given.from) {
                after.push(each);
                continue;
            }
            let before = BucketRange {
                to: given.from,
                ..range
            };
            let behind = BucketRange {
                from: given.to,
                ..range
            };
            for range in [before, behind] {
                if !range.is_empty() {
                    after.push(LayerRange {
                        range,
                        ..each.clone()
                    });
                }
            }
        }
        after.push(LayerRange::held(given, experiment));
        after.sort_by_key(|each| each.range.from);
        self.0 = after;
    }

    /// Joins adjacent ranges of one experiment, and adjacent ranges that are free.
    fn join_neighbors(&mut self, now: Timestamp) {
        let mut joined: Vec<LayerRange> = Vec::with_capacity(self.0.len());
        for each in std::mem::take(&mut self.0) {
            let is_free = |range: &LayerRange| range.free_from.is_some_and(|from| from <= now);
            match joined.last_mut() {
                Some(last)
                    if last.range.to == each.range.from
                        && last.experiment == each.experiment
                        && (last.free_from == each.free_from
                            || (is_free(last) && is_free(&each))) =>
                {
                    last.range.to = each.range.to;
                    last.free_from = last.free_from.max(each.free_from);
                }
                _ => joined.push(each),
            }
        }
        self.0 = joined;
    }

    fn never_given(&self) -> Vec<BucketRange> {
        let mut gaps = Vec::new();
        let mut from = 0;
        for each in &self.0 {
            gaps.push(BucketRange {
                from,
                to: each.range.from,
            });
            from = each.range.to;
        }
        gaps.push(BucketRange {
            from,
            to: Self::BUCKETS,
        });
        gaps.retain(|gap| !gap.is_empty());
        gaps
    }

    fn reusable(&self, now: Timestamp) -> Vec<BucketRange> {
        let freed = self.0.iter();
        let free = freed.filter(|range| range.free_from.is_some_and(|from| from <= now));
        free.map(|range| range.range).collect()
    }

    fn full(&self, need: u16, free: u16) -> Invalid {
        let percent = |buckets| plain(percent_of(buckets));
        let later = self.0.iter().filter_map(|range| range.free_from).max();
        let later = later.map_or_else(String::new, |at| {
            format!(" Ranges that were freed can be given away from {at} on.")
        });
        let detail = format!(
            "The layer has {}% of its users free, and {}% more are asked for.{later} Ask for less, or stop another \
             experiment of the layer.",
            percent(free),
            percent(need)
        );
        Invalid::new("layer_full", detail)
    }
}

/// A number of bucket values as a percentage.
pub fn percent_of(buckets: u16) -> f64 {
    f64::from(buckets) / 100.0
}

/// Ranges with `need` bucket values from classes of free ranges: the classes in their order, and few ranges of each. There
/// are enough.
fn taken(classes: &[Vec<BucketRange>], mut need: u16) -> Vec<BucketRange> {
    let mut taken = Vec::new();
    for class in classes {
        let mut free = class.clone();
        free.sort_by_key(|range| range.len());
        while need > 0 {
            // The smallest that is large enough, or else the largest.
            let fitting = free.iter().position(|range| range.len() >= need);
            let Some(index) = fitting.or_else(|| free.len().checked_sub(1)) else {
                break;
            };
            let range = free.remove(index);
            let to = range.from + range.len().min(need);
            need -= to - range.from;
            taken.push(BucketRange { to, ..range });
        }
    }
    taken
}

fn fragmented() -> Invalid {
    let detail = format!(
        "The free bucket values of the layer are in too many ranges: an experiment has at most \
         {MAX_RANGES_PER_EXPERIMENT}. Ask for less, or use another layer."
    );
    Invalid::new("layer_fragmented", detail)
}

#[cfg(test)]
mod tests;
