use super::*;
use crate::allocation::{Allocation, Variant};
use crate::analysis_definition::AnalysisDefinition;
use crate::experiment::NewExperiment;
use crate::ids::{ExperimentId, VariantKey};
use crate::schedule::Schedule;

fn experiment(status: Status) -> Experiment {
    let variant = |key, percent| Variant {
        key: VariantKey::parse(key).unwrap(),
        percent,
        name: None,
    };
    let variants = Variants::new(vec![variant("control", 50.0), variant("green", 50.0)]).unwrap();
    let new = NewExperiment {
        id: ExperimentId::parse("e").unwrap(),
        name: "E".to_owned(),
        description: None,
        status: Status::Draft,
        allocation: Allocation::new(variants, 100.0, "seed".to_owned()),
        exclusion: None,
        schedule: Schedule::default(),
        analysis: AnalysisDefinition::default(),
        documentation: crate::documentation::Documentation::default(),
        shards: 1,
    };
    Experiment {
        status,
        ..new.create(Timestamp::MIN)
    }
}

#[test]
fn only_legal_transitions_are_made() {
    for (_, from) in Status::ALL {
        for (_, to) in Status::ALL {
            let change = Change {
                status: Some(to),
                ..Change::default()
            };
            let made = change.apply(&experiment(from), Timestamp::from_micros(5));
            let legal = from != Status::Archived && (from == to || from.next().contains(&to));
            assert_eq!(made.is_ok(), legal, "{from:?} to {to:?}");
        }
    }
}

#[test]
fn a_change_of_traffic_begins_a_phase_and_keeps_the_earlier_ones() {
    let start = Change {
        status: Some(Status::Running),
        ..Change::default()
    };
    let running = start
        .apply(&experiment(Status::Draft), Timestamp::from_micros(1))
        .unwrap();
    let less = Change {
        allocation: AllocationChange {
            traffic_percent: Some(10.0),
            ..AllocationChange::default()
        },
        ..Change::default()
    };
    let changed = less.apply(&running, Timestamp::from_micros(2)).unwrap();
    let traffic: Vec<_> = changed
        .allocation
        .phases
        .iter()
        .map(|phase| (phase.since.micros(), phase.traffic_percent))
        .collect();
    assert_eq!(traffic, [(1, 100.0), (2, 10.0)]);
    let renamed = Change {
        name: Some("F".to_owned()),
        ..Change::default()
    };
    assert_eq!(
        renamed
            .apply(&changed, Timestamp::from_micros(3))
            .unwrap()
            .allocation
            .phases,
        changed.allocation.phases
    );
}

#[test]
fn an_experiment_has_at_most_as_many_phases_as_its_item_can_hold() {
    let mut current = experiment(Status::Running);
    let change = |number: usize| Change {
        allocation: AllocationChange {
            traffic_percent: Some(if number.is_multiple_of(2) { 40.0 } else { 60.0 }),
            ..AllocationChange::default()
        },
        ..Change::default()
    };
    let now = Timestamp::from_micros;
    for number in 0..MAX_PHASES {
        let at = now(i64::try_from(number).unwrap() + 1);
        current = change(number).apply(&current, at).unwrap();
    }
    assert_eq!(current.allocation.phases.len(), MAX_PHASES);
    let refused = change(MAX_PHASES).apply(&current, now(1_000)).unwrap_err();
    assert_eq!(refused[0].why.code, "too_many_phases");
    assert_eq!(refused[0].field, "traffic_percent");
    let renamed = Change {
        name: Some("still possible".to_owned()),
        ..Change::default()
    };
    assert!(renamed.apply(&current, now(1_001)).is_ok());
}

#[test]
fn a_change_by_a_process_whose_clock_is_behind_keeps_the_phases_that_have_begun() {
    let weights = |control: f64| {
        let variant = |key, percent| Variant {
            key: VariantKey::parse(key).unwrap(),
            percent,
            name: None,
        };
        let variants = vec![
            variant("control", control),
            variant("green", 100.0 - control),
        ];
        Change {
            allocation: AllocationChange {
                variants: Some(Variants::new(variants).unwrap()),
                ..AllocationChange::default()
            },
            ..Change::default()
        }
    };
    let at = Timestamp::from_micros;
    let start = Change {
        status: Some(Status::Running),
        ..Change::default()
    };
    let mut experiment = start.apply(&experiment(Status::Draft), at(1)).unwrap();
    for (control, now) in [(10.0, 10), (50.0, 5), (10.0, 9)] {
        experiment = weights(control).apply(&experiment, at(now)).unwrap();
    }
    let phases = &experiment.allocation.phases;
    let begun: Vec<_> = phases
        .iter()
        .map(|one| (one.since, one.percents[0]))
        .collect();
    let expected = [
        (at(1), 50.0),
        (at(10), 10.0),
        (at(11), 50.0),
        (at(12), 10.0),
    ];
    assert_eq!(begun, expected);
    // Users who were assigned in a phase stay in a phase with its weights.
    assert_eq!(experiment.allocation.phase_at(at(7)), 0);
    assert_eq!(experiment.allocation.phase_at(at(12)), 3);
}

#[test]
fn no_two_versions_have_the_same_time() {
    let at = Timestamp::from_micros;
    let change = |name: &str| Change {
        name: Some(name.to_owned()),
        ..Change::default()
    };
    let mut experiment = experiment(Status::Running);
    // The number of a generation of aggregates is this time.
    for (name, now) in [("a", 7), ("b", 7), ("c", 3), ("d", 7), ("e", 8)] {
        let after = change(name).apply(&experiment, at(now)).unwrap();
        assert!(after.updated_at > experiment.updated_at, "{name}");
        experiment = after;
    }
}
