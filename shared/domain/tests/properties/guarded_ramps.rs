//! Guarded ramps in random histories of guardrails, changes and time.

use domain::allocation::{Allocation, Variant, Variants};
use domain::analysis_definition::AnalysisDefinition;
use domain::change::{AllocationChange, Change};
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::ids::{ExperimentId, MetricKey, VariantKey};
use domain::metric::Metric;
use domain::ramp::{OnWorseGuardrail, Ramp, RampStep};
use domain::schedule::Schedule;
use domain::time::Timestamp;
use proptest::prelude::*;
use proptest::sample::select;

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000)
}

/// Something that happens to an experiment.
#[derive(Debug, Clone)]
enum Moment {
    /// A look at the guardrails.
    Look { is_worse: bool },
    /// The caller sets the traffic.
    Traffic(f64),
    /// The caller sets another ramp, with steps so many seconds later.
    Ramp(Vec<RampStep>),
    /// The caller changes something else.
    Name,
}

fn traffic() -> impl Strategy<Value = f64> {
    select(vec![1.0, 5.0, 25.0, 50.0, 100.0])
}

fn guard() -> impl Strategy<Value = Option<OnWorseGuardrail>> {
    select(vec![
        None,
        Some(OnWorseGuardrail::Hold),
        Some(OnWorseGuardrail::RollBack),
    ])
}

/// Steps in seconds from now.
fn steps() -> impl Strategy<Value = Vec<RampStep>> {
    prop::collection::btree_map(1_i64..60, (traffic(), guard()), 0..5).prop_map(|steps| {
        let step = |(second, (traffic_percent, on_worse_guardrail))| RampStep {
            at: at(second),
            traffic_percent,
            on_worse_guardrail,
        };
        steps.into_iter().map(step).collect()
    })
}

fn moment() -> impl Strategy<Value = Moment> {
    prop_oneof![
        6 => any::<bool>().prop_map(|is_worse| Moment::Look { is_worse }),
        1 => traffic().prop_map(Moment::Traffic),
        1 => steps().prop_map(Moment::Ramp),
        1 => Just(Moment::Name),
    ]
}

/// Moments, each some seconds after the one before.
fn history() -> impl Strategy<Value = Vec<(i64, Moment)>> {
    prop::collection::vec((1_i64..15, moment()), 1..25)
}

fn later(steps: &[RampStep], by: i64) -> Ramp {
    let step = |step: &RampStep| RampStep {
        at: step.at.plus_micros(by * 1_000_000),
        ..*step
    };
    Ramp::new(steps.iter().map(step).collect()).unwrap()
}

fn experiment(steps: &[RampStep]) -> Experiment {
    let variant = |key| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent: 50.0,
        name: None,
    };
    let variants = Variants::new(vec![variant("control"), variant("green")]).unwrap();
    let guardrail: Metric = serde_json::from_value(serde_json::json!({
        "key": "errors", "kind": "conversion", "event_type": "error", "role": "guardrail", "direction": "decrease",
    }))
    .unwrap();
    let new = NewExperiment {
        id: ExperimentId::parse("e").unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Running,
        allocation: Allocation {
            ramp: Ramp::new(steps.to_vec()).unwrap(),
            ..Allocation::new(variants, 10.0, "seed".to_owned())
        },
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition {
            metrics: vec![guardrail],
            ..AnalysisDefinition::default()
        },
        documentation: Default::default(),
        shards: 1,
    };
    new.create(at(0))
}

fn change(moment: &Moment, now: i64) -> Change {
    let (traffic_percent, ramp) = match moment {
        Moment::Traffic(percent) => (Some(*percent), None),
        Moment::Ramp(steps) => (None, Some(later(steps, now))),
        Moment::Look { .. } | Moment::Name => (None, None),
    };
    Change {
        name: Some("F".to_owned()),
        allocation: AllocationChange {
            traffic_percent,
            ramp,
            ..AllocationChange::default()
        },
        ..Change::default()
    }
}

/// The experiment after a moment.
fn after(before: &Experiment, moment: &Moment, now: i64) -> Experiment {
    let worse = match moment {
        Moment::Look { is_worse: true } => vec![MetricKey::parse("errors").unwrap()],
        Moment::Look { is_worse: false } => Vec::new(),
        _ => return change(moment, now).apply(before, at(now)).unwrap(),
    };
    let changed = before.guard_ramp(&worse, at(now));
    changed.map_or_else(|| before.clone(), |change| change.experiment)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_phases_say_which_traffic_held_at_every_second(first in steps(), history in history()) {
        let mut experiment = experiment(&first);
        let mut now = 0;
        let mut held = Vec::new();
        for (seconds, moment) in history {
            held.extend((now..now + seconds).map(|second| experiment.allocation.traffic_at(at(second))));
            now += seconds;
            experiment = after(&experiment, &moment, now);
        }
        let phases = &experiment.allocation.phases;
        for (second, traffic) in held.into_iter().enumerate() {
            let index = experiment.allocation.phase_at(at(i64::try_from(second).unwrap()));
            prop_assert_eq!(phases[index].traffic_percent, traffic, "second {} of {:?}", second, phases);
        }
    }

    #[test]
    fn a_hold_keeps_the_traffic_and_moves_the_steps_by_its_length(
        first in steps(),
        begins in 0_i64..40,
        lasts in 1_i64..1_000,
    ) {
        let before = experiment(&first);
        let held = after(&before, &Moment::Look { is_worse: true }, begins);
        let Some(hold) = &held.allocation.ramp_hold else {
            // Neither the next step nor the current one depends on guardrails.
            prop_assert_eq!(&held, &before);
            let next = before.allocation.ramp.after(at(begins)).next();
            prop_assert!(next.is_none_or(|step| step.on_worse_guardrail.is_none()));
            return Ok(());
        };
        let ends = begins + lasts;
        for second in begins..ends {
            prop_assert_eq!(held.allocation.traffic_at(at(second)), hold.traffic_percent);
        }
        let again = after(&held, &Moment::Look { is_worse: true }, ends);
        prop_assert_eq!(&again, &held);
        let resumed = after(&held, &Moment::Look { is_worse: false }, ends);
        prop_assert_eq!(&resumed.allocation.ramp_hold, &None);
        for second in 0..100 {
            prop_assert_eq!(
                resumed.allocation.traffic_at(at(ends + second)),
                before.allocation.traffic_at(at(begins + second))
            );
        }
    }

    #[test]
    fn a_hold_lowers_the_traffic_only_to_that_of_before_a_step_that_asks_for_it(
        first in steps(),
        begins in 0_i64..70,
    ) {
        let before = experiment(&first);
        let held = after(&before, &Moment::Look { is_worse: true }, begins);
        let Some(hold) = &held.allocation.ramp_hold else {
            return Ok(());
        };
        let begun: Vec<_> = first.iter().filter(|step| step.at <= at(begins)).collect();
        let rolls_back = begun
            .last()
            .is_some_and(|step| step.on_worse_guardrail == Some(OnWorseGuardrail::RollBack));
        let expected = match (rolls_back, begun.as_slice()) {
            (true, [.., previous, _]) => previous.traffic_percent,
            (true, _) => 10.0,
            (false, _) => before.allocation.traffic_at(at(begins)),
        };
        prop_assert_eq!(hold.traffic_percent, expected);
    }
}
