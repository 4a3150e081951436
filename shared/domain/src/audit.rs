//! Audits: aggregates compared with the raw records, number by number.

use super::aggregate_items::{AggregateItemKey, AggregateItems};
use super::ids::ExperimentId;
use super::reason::StatedReason;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Differing numbers that are listed.
const SHOWN: usize = 50;
/// Quarantined users in an answer.
pub const QUARANTINED_SHOWN: usize = 50;

/// The result of an audit.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The generation: when it was requested, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Assignments and events that were read for one comparison.
    pub records: usize,
    /// Users in the comparison, without outlier users.
    pub users: u64,
    /// Numbers compared.
    pub numbers: usize,
    /// Comparisons that were made: more than one only if numbers differed.
    pub comparisons: usize,
    /// Numbers that differed by the same amount in every comparison.
    pub differing_numbers: usize,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// Users that cannot be counted. Their records are in the recomputed numbers only.
    pub quarantined_users: usize,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quarantined: Vec<QuarantinedUser>,
    /// Why nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<StatedReason>,
    /// What was left out of the comparison, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<StatedReason>,
    /// The generation that a repair builds, if a repair was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill_started: Option<u64>,
}

/// A number that differs from the records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The name of its item, without the write shard.
    pub item: String,
    /// The name of the number.
    pub number: String,
    /// The stored number as digits: it may have 38 of them.
    pub stored: String,
    /// The recomputed number.
    pub recomputed: String,
}

/// A user whose records cannot be counted in the aggregates.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct QuarantinedUser {
    /// The user.
    pub user_id: String,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: String,
}

impl Audit {
    /// An audit without a comparison.
    pub fn new(id: &ExperimentId, generation: Option<u64>) -> Self {
        Self {
            experiment_id: id.clone(),
            generation,
            records: 0,
            users: 0,
            numbers: 0,
            comparisons: 0,
            differing_numbers: 0,
            drift: Vec::new(),
            quarantined_users: 0,
            quarantined: Vec::new(),
            not_compared: None,
            left_out: None,
            backfill_started: None,
        }
    }

    /// Notes the differing numbers.
    pub fn drifted(&mut self, differences: &Differences) {
        self.differing_numbers = differences.0.len();
        self.drift = differences.0.iter().take(SHOWN).map(shown).collect();
    }
}

fn shown(
    ((item, number), (stored, recomputed)): (&(AggregateItemKey, String), &(i128, i128)),
) -> Drift {
    Drift {
        item: item.name(),
        number: number.clone(),
        stored: stored.to_string(),
        recomputed: recomputed.to_string(),
    }
}

/// Differing numbers: stored and recomputed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences(BTreeMap<(AggregateItemKey, String), (i128, i128)>);

impl Differences {
    /// One impossible number.
    pub fn of_one(
        item: &AggregateItemKey,
        name: &str,
        stored: i128,
        recomputed: &AggregateItems,
    ) -> Self {
        let numbers = recomputed.numbers(item);
        let should_be = numbers.and_then(|numbers| numbers.get(name)).copied();
        let pair = (stored, should_be.unwrap_or(0));
        Self([((item.clone(), name.to_owned()), pair)].into())
    }

    /// The differences of two sets of numbers, and how many numbers were compared. An absent number is 0.
    pub fn between(stored: &AggregateItems, recomputed: &AggregateItems) -> (Self, usize) {
        let numbers = |aggregate_items: &AggregateItems| {
            let of_item =
                |(item, numbers): (&AggregateItemKey, &super::aggregate_items::ItemNumbers)| {
                    let item = item.clone();
                    let numbers = numbers.clone().into_iter();
                    numbers.map(move |(name, number)| ((item.clone(), name), number))
                };
            aggregate_items
                .0
                .iter()
                .flat_map(of_item)
                .collect::<BTreeMap<_, _>>()
        };
        let (stored, recomputed) = (numbers(stored), numbers(recomputed));
        let names: BTreeSet<_> = stored.keys().chain(recomputed.keys()).collect();
        let number = |of: &BTreeMap<_, i128>, name| of.get(name).copied().unwrap_or(0);
        let differ = names.iter().filter_map(|name| {
            let (stored, recomputed) = (number(&stored, name), number(&recomputed, name));
            (stored != recomputed).then(|| ((*name).clone(), (stored, recomputed)))
        });
        (Self(differ.collect()), names.len())
    }

    /// The differences that were the same in an earlier comparison. Records that are still being aggregated cause
    /// differences that change or disappear.
    #[must_use]
    pub fn steady_since(self, before: &Self) -> Self {
        let steady = |name: &(AggregateItemKey, String), (stored, recomputed): &(i128, i128)| {
            let before = before.0.get(name);
            before.is_some_and(|(s, r)| r.checked_sub(*s) == recomputed.checked_sub(*stored))
        };
        let kept = self.0.into_iter().filter(|(name, pair)| steady(name, pair));
        Self(kept.collect())
    }

    /// Whether there are no differences.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn aggregate_items(numbers: &[(&str, i128)]) -> AggregateItems {
        let numbers = numbers
            .iter()
            .map(|(name, number)| ((*name).to_owned(), *number));
        AggregateItems([(AggregateItemKey::OutlierUsers, numbers.collect())].into())
    }

    fn between(stored: &[(&str, i128)], recomputed: &[(&str, i128)]) -> Differences {
        Differences::between(&aggregate_items(stored), &aggregate_items(recomputed)).0
    }

    #[test]
    fn a_number_that_is_not_there_is_nought() {
        let (found, compared) = Differences::between(
            &aggregate_items(&[("v0", 0), ("v1", 2)]),
            &aggregate_items(&[("v2", 3)]),
        );
        assert_eq!(compared, 3);
        let names: Vec<_> = found.0.keys().map(|(_, name)| name.as_str()).collect();
        assert_eq!(names, ["v1", "v2"]);
    }

    #[test]
    fn only_what_differs_by_the_same_each_time_is_steady() {
        let before = between(
            &[("grows", 5), ("shrinks", 5), ("gone", 1)],
            &[("grows", 7), ("shrinks", 8), ("gone", 2)],
        );
        let now = between(
            &[("grows", 6), ("shrinks", 7), ("gone", 2), ("new", 0)],
            &[("grows", 8), ("shrinks", 8), ("gone", 2), ("new", 1)],
        );
        let steady = now.steady_since(&before);
        assert_eq!(steady, between(&[("grows", 6)], &[("grows", 8)]));
    }
}
