//! What changes from one state of a path to another is the difference of both states, computed as a whole.

use domain::aggregate_items::{AggregateItems, AggregateLayout, AggregateSpec};
use domain::aggregates::DimensionValue;
use domain::contribution::{
    ContributionEntry, Disposition, Enrolment, Path, PreExposure, UserContribution,
};
use domain::ids::{EventType, MetricKey};
use domain::metric::{Denominator, Measure, MetricSpec};
use domain::registry::Registry;
use domain::time::Timestamp;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

const VARIANTS: usize = 2;
const HOUR_MICROS: i64 = 3_600_000_000;

fn event_type(number: usize) -> EventType {
    EventType::parse(&format!("t{number}")).unwrap()
}

fn entry() -> impl Strategy<Value = ContributionEntry> {
    let dispositions = [
        Disposition::CountedEarly,
        Disposition::Counted,
        Disposition::ExcludedByEnd,
        Disposition::OutsideWindow,
        Disposition::NotAssigned,
    ];
    let disposition = prop::sample::select(dispositions.to_vec());
    (0..96_i64, 0..3_usize, disposition, 1..4_u32, -50..50_i64).prop_map(
        |(hour, number, disposition, events, value)| ContributionEntry {
            hour,
            event_type: Arc::new(event_type(number)),
            disposition,
            events,
            value: i128::from(value) * 1_000_000,
        },
    )
}

fn enrolment() -> impl Strategy<Value = Enrolment> {
    let past = vec((0..3_usize, 1..4_u32, -9..9_i64), 0..3);
    (0..VARIANTS, 0..2_usize, 0..48_i64, any::<bool>(), past).prop_map(
        |(variant, phase, hour, with_dimension, past)| Enrolment {
            variant,
            phase,
            assigned_at: Timestamp::from_micros(hour * HOUR_MICROS),
            dimensions: Vec::from_iter(with_dimension.then(|| DimensionValue {
                by: "country".to_owned(),
                value: "DE".to_owned(),
            })),
            pre_exposure: past
                .into_iter()
                .map(|(number, events, value)| PreExposure {
                    event_type: Arc::new(event_type(number)),
                    events,
                    value: i128::from(value),
                })
                .collect(),
        },
    )
}

/// A contribution as it is stored: sorted, and without entries if the user is an outlier.
fn contribution(
    enrolment: Option<Enrolment>,
    mut entries: Vec<ContributionEntry>,
    outlier: bool,
) -> UserContribution {
    entries.sort_by(|a, b| {
        (a.hour, &a.event_type, a.disposition).cmp(&(b.hour, &b.event_type, b.disposition))
    });
    if outlier {
        entries.clear();
    }
    let mut contribution = UserContribution::new(enrolment);
    contribution.outlier = outlier;
    contribution.records = 1 + entries
        .iter()
        .map(|entry| u64::from(entry.events))
        .sum::<u64>();
    contribution.entries = entries;
    contribution
}

/// Two contributions of one user, which often begin with the same entries.
fn pair() -> impl Strategy<Value = (UserContribution, UserContribution)> {
    let side = || {
        (
            option::weighted(0.8, enrolment()),
            vec(entry(), 0..12),
            prop::bool::weighted(0.1),
        )
    };
    (side(), side(), any::<bool>(), any::<bool>()).prop_map(
        |((one, events, outlier), (other, more, other_outlier), alike, longer)| {
            let second = match longer {
                true => events.iter().cloned().chain(more).collect(),
                false => more,
            };
            let other = if alike { one.clone() } else { other };
            (
                contribution(one, events, outlier),
                contribution(other, second, other_outlier),
            )
        },
    )
}

fn layout(declared: bool) -> AggregateLayout {
    let metric = |number: usize, measure, ratio: bool| MetricSpec {
        key: MetricKey::parse(&format!("m{number}")).unwrap(),
        event_type: event_type(number),
        measure,
        denominator: ratio.then(|| Denominator {
            event_type: event_type(0),
            measure: Measure::Count,
        }),
        buckets: number == 1,
    };
    let metrics = match declared {
        true => vec![
            metric(0, Measure::Conversion, false),
            metric(1, Measure::Sum, false),
            metric(2, Measure::Sum, true),
        ],
        false => Vec::new(),
    };
    let spec = AggregateSpec {
        metrics,
        ..AggregateSpec::default()
    };
    let registry = Registry {
        event_types: (0..3).map(event_type).collect(),
        ..Registry::default()
    };
    AggregateLayout::new(&spec, &registry)
}

proptest! {
    #[test]
    fn a_difference_is_that_of_both_states((from, to) in pair(), declared in any::<bool>()) {
        let layout = layout(declared);
        let path = Path::new(&from, &to).unwrap();
        for steps in 0..=path.len() {
            for later in steps..=path.len() {
                let of = |steps| {
                    AggregateItems::of(&path.contribution(steps), &layout, VARIANTS).unwrap()
                };
                let mut expected = of(later);
                expected.minus(&of(steps)).unwrap();
                let found =
                    AggregateItems::difference(&path, (steps, later), &layout, VARIANTS).unwrap();
                prop_assert_eq!(&found, &expected, "{} to {}", steps, later);
            }
        }
    }
}
