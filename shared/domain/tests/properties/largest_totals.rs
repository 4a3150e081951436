//! A hundred million users, each with the largest total that is counted: every number still has at most 38 digits.

use domain::aggregate_items::{AggregateItems, AggregateLayout, AggregateSpec};
use domain::aggregates::{ExperimentAggregates, start_of};
use domain::contribution::{
    AggregateBuilder, ContributionEntry, Disposition, Enrolment, PreExposure, UserContribution,
};
use domain::ids::{EventType, MetricKey};
use domain::limits::MAX_USER_TOTAL_MILLIONTHS;
use domain::metric::{Denominator, Measure, MetricSpec};
use domain::registry::{Labels, Registry};
use std::sync::Arc;

const USERS: u64 = 100_000_000;
/// The largest number that DynamoDB stores exactly.
const LARGEST: i128 = 10_i128.pow(38) - 1;

fn spec() -> AggregateSpec {
    let event_type = |text| EventType::parse(text).unwrap();
    AggregateSpec {
        metrics: vec![MetricSpec {
            key: MetricKey::parse("m").unwrap(),
            event_type: event_type("a"),
            measure: Measure::Sum,
            denominator: Some(Denominator {
                event_type: event_type("b"),
                measure: Measure::Sum,
            }),
            buckets: true,
        }],
        ..AggregateSpec::default()
    }
}

/// A user with the largest total of both types, before the assignment and after it. `sign` is that of all values.
fn contribution(sign: i128, labels: &Labels) -> UserContribution {
    let value = sign * MAX_USER_TOTAL_MILLIONTHS;
    let name = |text: &str| Arc::new(EventType::parse(text).unwrap());
    let entry = |text: &str| ContributionEntry {
        hour: 48,
        event_type: name(text),
        disposition: Disposition::Counted,
        events: 1,
        value,
    };
    let pre_exposure = |text: &str| PreExposure {
        event_type: name(text),
        events: 1,
        value,
    };
    let contribution = UserContribution {
        enrolment: Some(Enrolment {
            variant: 0,
            phase: 0,
            assigned_at: start_of(1),
            dimensions: Vec::new(),
            pre_exposure: vec![pre_exposure("a"), pre_exposure("b")],
        }),
        outlier: false,
        excluded: false,
        entries: vec![entry("a"), entry("b")],
        records: 3,
    };
    contribution.sealed(labels)
}

/// The sum of this many equal aggregates, by doubling.
fn times(mut one: ExperimentAggregates, users: u64) -> ExperimentAggregates {
    let mut all = ExperimentAggregates::empty(1);
    let mut left = users;
    while left > 0 {
        if left % 2 == 1 {
            all = all.merge(one.clone()).unwrap();
        }
        left /= 2;
        if left > 0 {
            one = one.clone().merge(one).unwrap();
        }
    }
    all
}

#[test]
fn a_hundred_million_users_with_the_largest_total_do_not_overflow() {
    let spec = spec();
    let labels = Labels::new(&spec.metrics, Registry::default());
    let layout = AggregateLayout::new(&spec, &labels.registry());
    let largest = |aggregates: &ExperimentAggregates| {
        let items = AggregateItems::from_aggregates(aggregates, &layout);
        let numbers = items.0.values().flat_map(|numbers| numbers.values());
        numbers.map(|number| number.abs()).max().unwrap()
    };
    let [positive, negative] = [1, -1].map(|sign| {
        let user = contribution(sign, &labels);
        assert!(!user.outlier, "the largest total is within the limit");
        let mut one = ExperimentAggregates::empty(1);
        AggregateBuilder::new(&spec.metrics, true)
            .add(&user, &mut one)
            .unwrap();
        one
    });
    let equal = times(positive.clone(), USERS);
    assert!(largest(&equal) <= LARGEST, "more than 38 digits");
    let mixed = times(positive, USERS / 2);
    let mixed = mixed.merge(times(negative, USERS / 2)).unwrap();
    assert!(largest(&mixed) <= LARGEST, "more than 38 digits");
    assert!(
        largest(&mixed) > LARGEST / 2,
        "the limit is not lower than it must be"
    );
    let total = mixed.variants[0].total().unwrap();
    let sums = total.metrics.values().next().unwrap();
    assert_eq!(total.users, USERS);
    let moments = sums.moments(0, total.users);
    assert_eq!(moments.mean().unwrap(), 0.0);
    let deviation = moments.variance().unwrap().sqrt();
    assert!((deviation / 1e9 - 1.0).abs() < 1e-6, "{deviation}");
}

#[test]
fn a_user_with_more_is_an_outlier_user() {
    let spec = spec();
    let labels = Labels::new(&spec.metrics, Registry::default());
    let mut user = contribution(1, &labels);
    user.entries[0].value += 1;
    assert!(user.sealed(&labels).outlier);
}
