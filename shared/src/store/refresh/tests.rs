//! Adversarial inputs at every limit: whatever is accepted, each item and each transaction fits DynamoDB's limits.
//!
//! `ASSAY_LIMIT_CASES` is the number of inputs; `scripts/exactness` tries 10,000. They are the same in every run, because
//! some take minutes; `PROPTEST_RNG_SEED` draws others.

use super::chunk::Chunk;
use super::definitions::OpenGeneration;
use super::diff::ContributionDiff;
use super::grouping::grouped;
use super::steps::Steps;
use crate::store::aggregates::StoredContribution;
use crate::store::registry::StoredRegistry;
use crate::store::write_shards::WriteShards;
use domain::aggregate_items::{AggregateItems, AggregateSpec};
use domain::allocation::{Allocation, Phase, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::assignment::Attributes;
use domain::contribution::{Enrolment, UserContribution};
use domain::decimal::Decimal;
use domain::event::EventSummary;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::filter::TimeWindow;
use domain::ids::{
    DimensionKey, DimensionLabel, EventId, EventType, ExperimentId, MetricKey, UnitKind, UserId,
    VariantKey,
};
use domain::limits;
use domain::metric::{Denominator, Measure, MetricSpec};
use domain::registry::Labels;
use domain::schedule::Schedule;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use std::collections::BTreeSet;
use std::sync::Arc;

const HOUR: i64 = 3_600_000_000;
const START: i64 = 20_000 * 24 * HOUR;
/// An item's limit in DynamoDB.
const ITEM_BYTES: usize = 400 * 1024;
/// A transaction's limit in DynamoDB.
const TRANSACTION_BYTES: usize = 4 * 1024 * 1024;
/// A number of 38 digits.
const NUMBER_BYTES: usize = 21;

/// Small random choices from one seed.
struct Choices(u64);

impl Choices {
    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(most).unwrap()).unwrap()
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn often(&mut self) -> bool {
        self.below(2) == 0
    }
}

/// A text of this many bytes that ends with a number. Quotation marks double in JSON.
fn long(fill: char, bytes: usize, number: usize) -> String {
    let number = number.to_string();
    let fills = (bytes - number.len()) / fill.len_utf8();
    fill.to_string().repeat(fills) + &number
}

/// The longest id: that of a unit with the longest kind.
fn longest_user(number: usize) -> UserId {
    let kind = UnitKind::parse(&"k".repeat(limits::MAX_UNIT_KIND_CHARS)).unwrap();
    let id = UserId::parse(&long('u', limits::MAX_USER_ID_BYTES, number)).unwrap();
    UserId::of_unit(&kind, &id)
}

fn event_type(choices: &mut Choices, number: usize) -> EventType {
    let fill = choices.of(&['"', '\\', 'x', 'ü', '😀']);
    EventType::parse(&long(fill, limits::MAX_KEY_CHARS, number)).unwrap()
}

struct World {
    experiment: Experiment,
    generation: Arc<OpenGeneration>,
    /// Types of declared metrics.
    declared: Vec<EventType>,
}

fn world(choices: &mut Choices) -> World {
    let variant = |index: usize| Variant {
        key: VariantKey::parse(&long('v', limits::MAX_KEY_CHARS, index)).unwrap(),
        percent: 5.0,
        name: None,
    };
    let variants = Variants::new((0..limits::MAX_VARIANTS).map(variant).collect()).unwrap();
    let mut allocation = Allocation::new(variants, 100.0, "limits".to_owned());
    let phase = |index: i64| Phase {
        since: Timestamp::from_micros(START + index * HOUR),
        traffic_percent: 100.0,
        percents: vec![5.0; limits::MAX_VARIANTS],
    };
    allocation.phases = (0..i64::try_from(choices.of(&[1, limits::MAX_PHASES])).unwrap())
        .map(phase)
        .collect();
    let types = choices.of(&[1, 2, 100]);
    let declared: Vec<EventType> = (0..types)
        .map(|number| event_type(choices, number))
        .collect();
    let metrics = choices.of(&[0, 1, 20, limits::MAX_METRICS]);
    let measures = [Measure::Conversion, Measure::Count, Measure::Sum];
    let metric = |index: usize| MetricSpec {
        key: MetricKey::parse(&long('m', limits::MAX_KEY_CHARS, index)).unwrap(),
        event_type: declared[index % types].clone(),
        measure: choices.of(&measures),
        denominator: choices.often().then(|| Denominator {
            event_type: declared[(index + 1) % types].clone(),
            measure: choices.of(&measures),
        }),
        buckets: choices.often(),
    };
    let metrics: Vec<MetricSpec> = (0..metrics).map(metric).collect();
    let dimension = |index| DimensionKey::parse(&long('d', 32, index)).unwrap();
    let spec = AggregateSpec {
        metrics,
        dimensions: (0..choices.of(&[0, limits::MAX_DIMENSIONS]))
            .map(dimension)
            .collect(),
        ..AggregateSpec::default()
    };
    let new = NewExperiment {
        id: ExperimentId::parse(&"e".repeat(limits::MAX_EXPERIMENT_ID_CHARS)).unwrap(),
        name: "limits".to_owned(),
        description: None,
        status: Status::Running,
        allocation,
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition::default(),
        documentation: domain::documentation::Documentation::default(),
        shards: 1,
    };
    World {
        experiment: new.create(Timestamp::from_micros(START)),
        generation: Arc::new(OpenGeneration::new(
            1,
            spec,
            StoredRegistry::default(),
            WriteShards::FIRST,
        )),
        declared,
    }
}

impl World {
    fn labels(&self) -> &Labels {
        &self.generation.labels
    }

    fn value(choices: &mut Choices) -> i128 {
        let most = limits::MAX_VALUE_UNITS * 1_000_000;
        choices.of(&[0, 1, 19_990_000, most / 3, most - 1, -most / 2, 1 - most])
    }

    fn event_type(&self, choices: &mut Choices) -> EventType {
        if choices.often() {
            return self.declared[choices.below(self.declared.len())].clone();
        }
        let number = choices.below(5_000);
        EventType::parse(&long('"', limits::MAX_KEY_CHARS, number)).unwrap()
    }

    /// A user's contribution with as many events, types and hours as are accepted.
    fn contribution(&self, choices: &mut Choices) -> UserContribution {
        let labels = self.labels();
        let value = |index: usize| {
            DimensionLabel::parse(&long(
                '😀',
                4 * (limits::MAX_DIMENSION_VALUE_CHARS - 3),
                index,
            ))
            .unwrap()
        };
        let attributes: Attributes = self
            .generation
            .spec
            .dimensions
            .iter()
            .map(|by| (by.clone(), value(choices.below(200))))
            .collect();
        let assigned_at = START + i64::try_from(choices.below(400)).unwrap() * HOUR;
        let mut enrolment = Enrolment::new(
            &self.experiment,
            &self.generation.spec.dimensions,
            labels,
            choices.below(limits::MAX_VARIANTS),
            Timestamp::from_micros(assigned_at),
            &attributes,
        );
        let past: Vec<EventSummary> = (0..choices.of(&[0, 3, 300]))
            .map(|number| EventSummary {
                id: EventId::parse(&number.to_string()).unwrap(),
                event_type: self.event_type(choices),
                value: Some(Decimal::from_millionths(Self::value(choices))),
                counted_at: Timestamp::from_micros(assigned_at - HOUR),
            })
            .collect();
        enrolment.pre_exposure_events(labels, &past);
        let mut contribution = UserContribution::new(choices.often().then_some(enrolment));
        let hours = choices.of(&[1, 48, 8_760]);
        // A user whose total is within the limit, or not.
        let modest = choices.often();
        for _ in 0..choices.of(&[1, 40, 400, 4_000]) {
            let at = assigned_at + 1 + i64::try_from(choices.below(hours)).unwrap() * HOUR;
            let name = labels.event_type(&self.event_type(choices));
            let value = if modest {
                1_000_000
            } else {
                Self::value(choices)
            };
            contribution
                .event(
                    &self.experiment,
                    TimeWindow::default(),
                    name,
                    value,
                    Timestamp::from_micros(at),
                )
                .unwrap();
        }
        contribution.sealed(labels)
    }

    fn items_of(&self, contribution: &UserContribution) -> AggregateItems {
        let layout = self.generation.layout();
        AggregateItems::of(contribution, layout, limits::MAX_VARIANTS).unwrap()
    }
}

/// Holds one transaction to the limits of DynamoDB.
fn within_the_limits(chunk: &Chunk) {
    let differences = chunk.differences().unwrap();
    let items = || differences.values().flat_map(|items| &items.0);
    let actions = chunk.writes.len() + items().count();
    assert!(actions <= 100, "{actions} actions");
    let mut bytes = 0;
    for write in &chunk.writes {
        // The keys are the user id and the experiment id.
        let item = write.text.len() + 2_048;
        assert!(item <= ITEM_BYTES, "a contribution of {item} bytes");
        bytes += item;
    }
    for (item, numbers) in items() {
        assert!(
            item.name().len() + 2 <= 1_024,
            "the sort key {}",
            item.name()
        );
        assert!(numbers.len() <= 300, "{} operands", numbers.len());
        let expression = "ADD ".len() + numbers.len() * "#299 :299, ".len();
        assert!(expression <= 4_096, "an expression of {expression} bytes");
        let size = |name: &String| name.len() + NUMBER_BYTES + 20;
        bytes += item.name().len() + expression + numbers.keys().map(size).sum::<usize>();
    }
    assert!(bytes <= TRANSACTION_BYTES, "a transaction of {bytes} bytes");
}

/// The largest of those items of an accumulation that a difference has changed, in bytes.
fn largest_changed(items: &AggregateItems, difference: &AggregateItems) -> usize {
    let changed = difference
        .0
        .keys()
        .filter_map(|item| items.0.get_key_value(item));
    let bytes = changed.map(|(item, numbers)| {
        let numbers = numbers.keys().map(|name| name.len() + NUMBER_BYTES);
        item.name().len() + 256 + numbers.sum::<usize>()
    });
    bytes.max().unwrap_or(0)
}

fn one_input(seed: u64) {
    let mut choices = Choices(seed);
    let world = world(&mut choices);
    let pairs: Vec<(UserContribution, UserContribution)> = (0..4)
        .map(|_| {
            let stored = match choices.often() {
                true => UserContribution::default(),
                false => world.contribution(&mut choices),
            };
            (stored, world.contribution(&mut choices))
        })
        .collect();
    let diff =
        |user: usize, (stored, computed): &(UserContribution, UserContribution)| ContributionDiff {
            user: longest_user(user),
            generation: (world.experiment.id.clone(), 1),
            open: Some(world.generation.clone()),
            variants: limits::MAX_VARIANTS,
            stored: StoredContribution {
                revision: 1,
                contribution: stored.clone(),
                ..StoredContribution::default()
            },
            computed: computed.clone(),
            expires_at: None,
        };
    let diffs = pairs
        .iter()
        .enumerate()
        .map(|(user, pair)| diff(user, pair));
    let groups = grouped(diffs.collect());
    assert!(groups.failed.is_empty(), "a contribution cannot be written");
    let mut all = AggregateItems::default();
    for (stored, _) in &pairs {
        all.plus(&world.items_of(stored)).unwrap();
    }
    let mut largest = 0;
    let mut take = |chunk: &Chunk| {
        within_the_limits(chunk);
        for difference in chunk.differences().unwrap().values() {
            all.plus(difference).unwrap();
            largest = largest.max(largest_changed(&all, difference));
        }
    };
    for chunk in &groups.chunks {
        take(chunk);
    }
    for diff in &groups.long {
        let mut steps = Steps::new(diff).unwrap();
        let mut last = None;
        while let Some(write) = steps.next_write().unwrap() {
            last = Some(write.text.clone());
            take(&Chunk::of(write));
        }
        assert_eq!(last, Some(diff.computed.to_text().unwrap()));
    }
    let mut expected = AggregateItems::default();
    for (_, computed) in &pairs {
        expected.plus(&world.items_of(computed)).unwrap();
    }
    assert_eq!(all, expected, "the steps add up to the difference");
    assert!(largest <= ITEM_BYTES, "an item of {largest} bytes");
    let registry = serde_json::to_string(&world.labels().registry()).unwrap();
    assert!(registry.len() <= 100_000, "{} bytes", registry.len());
    let names: BTreeSet<_> = expected
        .0
        .values()
        .flat_map(|numbers| numbers.keys())
        .collect();
    assert!(names.iter().all(|name| !name.contains('?')), "{names:?}");
}

fn cases() -> u32 {
    let cases = std::env::var("ASSAY_LIMIT_CASES").ok();
    cases.and_then(|cases| cases.parse().ok()).unwrap_or(4)
}

fn config() -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: cases(),
        max_shrink_iters: 0,
        failure_persistence: None,
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            given @ RngSeed::Fixed(_) => given,
        },
        ..default
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn whatever_is_accepted_fits_items_and_transactions(seed in any::<u64>()) {
        one_input(seed);
    }
}
