//! Generators of inputs up to the limits of the types, and the check that results are finite.

#![expect(
    clippy::unwrap_used,
    reason = "a generator that creates an invalid input is a fault of the test"
)]

use std::fmt::Debug;

use proptest::prelude::*;
use stats::{Alpha, Effect, MissingReason, Moments, Proportion, Sample};

/// The configuration with `count` cases per property, times `ASSAY_PROPERTY_FACTOR` if it is set.
pub(crate) fn cases(count: u32) -> ProptestConfig {
    let factor = std::env::var("ASSAY_PROPERTY_FACTOR")
        .ok()
        .and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: count.saturating_mul(factor.unwrap_or(1)),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// Returns the result after it checks that no number in it is NaN or infinite.
pub(crate) fn finite<T: Debug>(result: Result<T, MissingReason>) -> Result<T, MissingReason> {
    let text = format!("{result:?}");
    let mut words = text.split(|c: char| !c.is_alphanumeric());
    assert!(!words.any(|word| word == "NaN" || word == "inf"), "{text}");
    result
}

/// Zero, ordinary numbers, and numbers of any magnitude.
pub(crate) fn any_real() -> impl Strategy<Value = f64> {
    prop_oneof![
        Just(0.0),
        Just(1.0),
        -10.0..10.0_f64,
        -1e6..1e6_f64,
        (-300_i32..300, -10.0..10.0_f64).prop_map(|(power, x)| x * 10.0_f64.powi(power)),
    ]
}

fn any_size() -> impl Strategy<Value = u64> {
    prop_oneof![
        2_u64..6,
        2_u64..10_000,
        2_u64..10_000_000_000,
        Just(u64::MAX),
        Just(u64::MAX / 2 + 1),
    ]
}

pub(crate) fn any_sample() -> impl Strategy<Value = Sample> {
    let variance = prop_oneof![Just(0.0), any_real().prop_map(f64::abs)];
    (any_size(), any_real(), variance)
        .prop_map(|(n, mean, variance)| Sample::new(n, mean, variance).unwrap())
}

pub(crate) fn any_effect() -> impl Strategy<Value = Effect> {
    let error = any_real().prop_map(|x| x.abs().max(1e-300));
    let df = prop::option::of((0.0..45.0_f64).prop_map(f64::exp));
    (any_real(), error, df, any_size())
        .prop_map(|(value, error, df, units)| Effect::new(value, error, df, units).unwrap())
}

pub(crate) fn proportion() -> impl Strategy<Value = Proportion> {
    let share = prop_oneof![Just(0.0), Just(1.0), 0.0..1.0_f64, 0.0..1e-6_f64];
    prop_oneof![1_u64..5, any_size()].prop_flat_map(move |n| {
        (Just(n), share.clone())
            .prop_map(|(n, share)| Proportion::new(n, ((n as f64 * share) as u64).min(n)).unwrap())
    })
}

/// Exact moments of fewer than 20 users with values up to the limits of the type.
pub(crate) fn moments() -> impl Strategy<Value = Moments> {
    let value = prop_oneof![
        Just(0_i128),
        -1_000_000_i128..1_000_000,
        (-1_000_000_000_000_000_000_i128)..1_000_000_000_000_000_000,
    ];
    prop::collection::vec(value, 0..20).prop_map(|values| {
        values.into_iter().fold(Moments::default(), |sum, value| {
            sum.checked_add(Moments::of_user(value).unwrap()).unwrap()
        })
    })
}

/// Users with `k` values each, in millionths. The values of a user are independent or all equal.
pub(crate) fn users(k: usize) -> impl Strategy<Value = Vec<Vec<i128>>> {
    let value = prop_oneof![Just(0_i128), Just(3_000_000), -50_000_000_i128..50_000_000];
    let user = prop_oneof![
        prop::collection::vec(value.clone(), k),
        value.prop_map(move |v| vec![v; k]),
    ];
    prop::collection::vec(user, 0..25)
}

pub(crate) fn alpha() -> impl Strategy<Value = Alpha> {
    prop_oneof![
        Just(Alpha::FIVE_PERCENT),
        (-27.6..-0.01_f64).prop_map(|ln| Alpha::new(ln.exp()).unwrap()),
    ]
}
