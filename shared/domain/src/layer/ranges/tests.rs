use super::*;
use crate::layer::LayerPercent;
use proptest::prelude::*;

/// Seconds from a change until freed values can be given away.
const DELAY: i64 = 10;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

fn id(number: usize) -> ExperimentId {
    ExperimentId::parse(&format!("e{number}")).unwrap()
}

/// What is known of one bucket value.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Owner {
    Never,
    Experiment(usize),
    Freed(i64),
}

/// The bucket values one by one.
fn owners(ranges: &LayerRanges) -> Vec<Owner> {
    let mut owners = vec![Owner::Never; usize::from(LayerRanges::BUCKETS)];
    for each in ranges.as_slice() {
        let owner = match (&each.experiment, each.free_from) {
            (Some(experiment), None) => {
                Owner::Experiment(experiment.as_str()[1..].parse().unwrap())
            }
            (None, Some(at)) => Owner::Freed(at.micros() / 1_000_000),
            both => panic!("{both:?}"),
        };
        assert!(!each.range.is_empty());
        for bucket in each.range.from..each.range.to {
            let slot = &mut owners[usize::from(bucket)];
            assert_eq!(*slot, Owner::Never, "two ranges have the value {bucket}");
            *slot = owner;
        }
    }
    owners
}

fn resized(
    ranges: &mut LayerRanges,
    number: usize,
    buckets: u16,
    second: i64,
) -> Result<(), Invalid> {
    ranges.resize(&id(number), buckets, at(second), at(second + DELAY))
}

fn own(ranges: &LayerRanges, number: usize) -> Vec<(u16, u16)> {
    let own = ranges.of(&id(number)).into_iter();
    own.map(|range| (range.from, range.to)).collect()
}

#[test]
fn values_that_never_belonged_to_an_experiment_are_given_first() {
    let ranges = &mut LayerRanges::default();
    resized(ranges, 1, 2_000, 0).unwrap();
    resized(ranges, 2, 3_000, 0).unwrap();
    ranges.release(&id(1), at(0), at(DELAY));
    resized(ranges, 3, 4_000, DELAY).unwrap();
    assert_eq!(own(ranges, 3), [(5_000, 9_000)]);
    resized(ranges, 4, 1_500, DELAY).unwrap();
    assert_eq!(own(ranges, 4), [(0, 500), (9_000, 10_000)]);
}

#[test]
fn freed_values_are_given_to_no_other_experiment_too_early() {
    let ranges = &mut LayerRanges::default();
    resized(ranges, 1, 10_000, 0).unwrap();
    ranges.release(&id(1), at(5), at(5 + DELAY));
    let early = resized(ranges, 2, 1, 4 + DELAY).unwrap_err();
    assert_eq!(early.code, "layer_full");
    assert!(
        early.detail.contains("1970-01-01T00:00:15"),
        "{}",
        early.detail
    );
    assert!(ranges.in_use_at(at(4 + DELAY)));
    assert!(!ranges.in_use_at(at(5 + DELAY)));
    resized(ranges, 2, 10_000, 5 + DELAY).unwrap();
}

#[test]
fn an_experiment_that_shrinks_and_grows_keeps_its_first_values() {
    let ranges = &mut LayerRanges::default();
    resized(ranges, 1, 2_000, 0).unwrap();
    resized(ranges, 2, 500, 0).unwrap();
    resized(ranges, 1, 3_000, 0).unwrap();
    assert_eq!(own(ranges, 1), [(0, 2_000), (2_500, 3_500)]);
    resized(ranges, 1, 1_500, 0).unwrap();
    assert_eq!(own(ranges, 1), [(0, 1_500)]);
}

#[test]
fn an_experiment_gets_no_more_ranges_than_a_definition_may_have() {
    let ranges = &mut LayerRanges::default();
    let all = 2 * MAX_RANGES_PER_EXPERIMENT + 2;
    let size = LayerRanges::BUCKETS / u16::try_from(all).unwrap();
    for number in 0..all {
        resized(ranges, number, size, 0).unwrap();
    }
    for number in (0..all).step_by(2) {
        ranges.release(&id(number), at(0), at(0));
    }
    resized(
        ranges,
        99,
        LayerRanges::BUCKETS - u16::try_from(all).unwrap() * size,
        0,
    )
    .unwrap();
    let most = size * u16::try_from(MAX_RANGES_PER_EXPERIMENT).unwrap();
    let refused = resized(ranges, 98, most + 1, 0).unwrap_err();
    assert_eq!(refused.code, "layer_fragmented");
    resized(ranges, 98, most, 0).unwrap();
    assert_eq!(own(ranges, 98).len(), MAX_RANGES_PER_EXPERIMENT);
}

#[test]
fn a_layer_has_a_limited_number_of_experiments_and_of_ranges() {
    let ranges = &mut LayerRanges::default();
    for number in 0..MAX_LAYER_EXPERIMENTS {
        resized(ranges, number, 1, 0).unwrap();
    }
    let refused = resized(ranges, MAX_LAYER_EXPERIMENTS, 1, 0).unwrap_err();
    assert_eq!(refused.code, "layer_full");
    // An experiment of the layer can still grow.
    resized(ranges, 0, 2, 0).unwrap();

    let ranges = &mut LayerRanges::default();
    let freed = |number: usize| {
        let from = u16::try_from(2 * number).unwrap();
        LayerRange::freed(BucketRange { from, to: from + 1 }, at(1_000))
    };
    ranges.0 = (0..MAX_LAYER_RANGES).map(freed).collect();
    let refused = resized(ranges, 1, 1, 0).unwrap_err();
    assert_eq!(refused.code, "layer_fragmented");
    ranges.0.pop();
    resized(ranges, 1, 1, 0).unwrap();
}

#[test]
fn a_percentage_is_rounded_to_two_decimals() {
    for (text, buckets) in [
        ("0.01", 1),
        ("20", 2_000),
        ("33.333", 3_333),
        ("0.29", 29),
        ("100.00", 10_000),
    ] {
        let percent = LayerPercent::parse(text).unwrap();
        assert_eq!(percent.buckets(), buckets);
        let stored: LayerPercent = serde_json::from_value(percent.percent().into()).unwrap();
        assert_eq!(stored, percent);
    }
    for text in ["0", "-1", "100.01", "0.009", "x", "1e3", "NaN"] {
        assert!(LayerPercent::parse(text).is_err(), "{text}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Resize { experiment: usize, buckets: u16 },
    Release { experiment: usize },
    Wait { seconds: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let buckets = prop_oneof![1_u16..50, 1_u16..5_000, Just(LayerRanges::BUCKETS)];
    prop_oneof![
        4 => (0_usize..12, buckets).prop_map(|(experiment, buckets)| Step::Resize { experiment, buckets }),
        2 => (0_usize..12).prop_map(|experiment| Step::Release { experiment }),
        1 => (1_i64..15).prop_map(|seconds| Step::Wait { seconds }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn any_history_of_changes_moves_values_only_as_it_may(steps in prop::collection::vec(step(), 1..60)) {
        let ranges = &mut LayerRanges::default();
        let mut second = 0;
        let mut before = owners(ranges);
        for step in steps {
            let (changed, wanted) = match step {
                Step::Resize { experiment, buckets } => {
                    let outcome = resized(ranges, experiment, buckets, second);
                    let free = before.iter().filter(|owner| match owner {
                        Owner::Never => true,
                        Owner::Freed(from) => *from <= second,
                        Owner::Experiment(own) => *own == experiment,
                    });
                    let enough = free.count() >= usize::from(buckets);
                    let full = outcome.as_ref().is_err_and(|fault| fault.code == "layer_full");
                    prop_assert_eq!(full, !enough);
                    (experiment, outcome.is_ok().then_some(usize::from(buckets)))
                }
                Step::Release { experiment } => {
                    ranges.release(&id(experiment), at(second), at(second + DELAY));
                    (experiment, Some(0))
                }
                Step::Wait { seconds } => {
                    second += seconds;
                    continue;
                }
            };
            let after = owners(ranges);
            let own = |owners: &[Owner]| owners.iter().filter(|owner| **owner == Owner::Experiment(changed)).count();
            prop_assert_eq!(own(&after), wanted.unwrap_or_else(|| own(&before)));
            let grows = own(&after) >= own(&before);
            for (before, after) in before.iter().zip(&after) {
                let is_free = |owner: &Owner| matches!(owner, Owner::Freed(from) if *from <= second);
                let ok = match (before, after) {
                    (Owner::Experiment(own), Owner::Freed(from)) => {
                        *own == changed && !grows && *from == second + DELAY
                    }
                    (Owner::Never, Owner::Experiment(own)) => *own == changed,
                    (Owner::Freed(_), Owner::Experiment(own)) => *own == changed && is_free(before),
                    // The instants of joined ranges can differ, once they have passed.
                    (Owner::Freed(_), Owner::Freed(_)) => before == after || (is_free(before) && is_free(after)),
                    _ => before == after,
                };
                prop_assert!(ok, "{:?} became {:?} at {}", before, after, second);
            }
            prop_assert_eq!(usize::from(ranges.free_at(at(second))), after.iter().filter(|owner| match owner {
                Owner::Never => true,
                Owner::Freed(from) => *from <= second,
                Owner::Experiment(_) => false,
            }).count());
            before = after;
        }
    }
}
