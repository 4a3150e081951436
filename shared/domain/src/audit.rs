//! Running sums held against the records that they are sums of, number by number.

use super::aggregate_items::{AggregateItemKey, AggregateItems};
use super::ids::ExperimentId;
use super::reason::StatedReason;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that are shown of those that drifted.
const SHOWN: usize = 50;

/// What the sums of an experiment are worth.
#[derive(Debug, Clone, Serialize)]
pub struct Audit {
    /// Which experiment.
    pub experiment_id: ExperimentId,
    /// Which sums: when they were asked for, in microseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Assignments and events read for one comparison.
    pub records: usize,
    /// Users that they are of, outlier users excepted.
    pub users: u64,
    /// Numbers compared.
    pub numbers: usize,
    /// How often they were compared: more than once only where they differed.
    pub comparisons: usize,
    /// Numbers that differed the same way each time.
    pub differing_numbers: usize,
    /// The first of them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<Drift>,
    /// Why nothing was compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_compared: Option<StatedReason>,
    /// What was left out of the comparison, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<StatedReason>,
    /// The sums that are being made anew, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backfill_started: Option<u64>,
}

/// A number that is not what the records say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Drift {
    /// The item that holds it, as the table names it behind the lane.
    pub item: String,
    /// Its name there.
    pub number: String,
    /// What it is, as digits: there may be 38 of them.
    pub stored: String,
    /// What it should be.
    pub recomputed: String,
}

impl Audit {
    /// An audit that has not compared anything.
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
            not_compared: None,
            left_out: None,
            backfill_started: None,
        }
    }

    /// Notes what drifted.
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

/// Numbers that differ, with what is stored and what was recomputed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Differences(BTreeMap<(AggregateItemKey, String), (i128, i128)>);

impl Differences {
    /// One number that no sum can be.
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

    /// Where two sums differ, and how many numbers were compared. A number that is not there is 0.
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

    /// Those that differed by as much before. What is still on its way makes a difference that changes or ends.
    #[must_use]
    pub fn steady_since(self, before: &Self) -> Self {
        let steady = |name: &(AggregateItemKey, String), (stored, recomputed): &(i128, i128)| {
            let before = before.0.get(name);
            before.is_some_and(|(s, r)| r.checked_sub(*s) == recomputed.checked_sub(*stored))
        };
        let kept = self.0.into_iter().filter(|(name, pair)| steady(name, pair));
        Self(kept.collect())
    }

    /// Whether there are none.
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
