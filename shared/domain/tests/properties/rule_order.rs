//! A second implementation of the rules, written without regard to speed: it reads a definition as JSON and goes through
//! the rules as the API guide lists them. Both give the same variant and reason for random definitions and users. And a
//! third one: the features that a flag with the experiment becomes.

mod compiled;
mod generate;
mod naive;
mod segments;

use domain::allocation::Allocation;
use domain::evaluation::{
    EvaluationInput, EvaluationReason, RuleOutcome, evaluate_traced, restrict_traced,
};
use domain::evaluation_context::EvaluationContext;
use domain::experiment::Experiment;
use domain::ids::UserId;
use domain::ramp::{Ramp, RampStep};
use domain::segment_lookup::SegmentLookup;
use generate::{USERS, allocation, at, attributes, config, experiment, holdouts, stored_user};
use naive::{User, naive};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestRunner;
use serde_json::Value;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Users of each definition.
const CONTEXTS: usize = 5;

#[test]
fn two_implementations_of_the_rules_agree_and_every_reason_occurs() {
    compare(4_000);
}

#[test]
#[ignore = "100,000 evaluations; `scripts/check soak` runs it"]
fn two_implementations_agree_for_a_hundred_thousand_users() {
    compare(20_000);
}

/// Compares both implementations for users of random definitions.
fn compare(definitions: u32) {
    let seen = RefCell::new(BTreeMap::<String, u32>::new());
    let context = (
        select(USERS.to_vec()),
        attributes(),
        -1_i64..11,
        stored_user(),
    );
    let contexts = prop::collection::vec(context, CONTEXTS);
    let cases = (experiment(), holdouts(), contexts);
    let (segments, loaded) = segments::evaluated();
    let segments_json = segments::segments_json();
    TestRunner::new(config(definitions))
        .run(&cases, |(experiment, holdouts, contexts)| {
            let definition = serde_json::to_value(&experiment).unwrap();
            let holdouts: Vec<&Experiment> = holdouts.iter().collect();
            let json = |holdout| serde_json::to_value(holdout).unwrap();
            let holdouts_json: Vec<Value> = holdouts.iter().map(json).collect();
            for (user, attributes, now, stored) in contexts {
                let context = EvaluationContext::new(UserId::parse(user).unwrap(), attributes);
                let input = EvaluationInput {
                    definition: &experiment,
                    holdouts: &holdouts,
                    context: &context,
                    now: at(now),
                };
                let mut trace = Vec::new();
                let lookup = SegmentLookup::new(&segments, &loaded);
                let mut evaluation = evaluate_traced(&input, &lookup, &mut trace);
                if evaluation.reason == EvaluationReason::Split {
                    evaluation = restrict_traced(&input, &stored, &mut trace).unwrap_or(evaluation);
                }
                let deciding = trace
                    .iter()
                    .filter(|step| step.outcome == RuleOutcome::Decided);
                prop_assert_eq!(deciding.count(), 1);
                prop_assert_eq!(trace.last().unwrap().outcome, RuleOutcome::Decided);
                let reason = serde_json::to_value(evaluation.reason).unwrap();
                let reason = reason.as_str().unwrap().to_owned();
                let now = at(now).to_string();
                let who = User {
                    id: user,
                    attributes: context.attributes(),
                    segments: &segments_json,
                    stored: &stored,
                };
                let naive = naive(&definition, &who, &now, &holdouts_json);
                prop_assert!(lookup.into_missing().is_empty());
                let own = (evaluation.variant.to_string(), reason.clone());
                prop_assert_eq!(own, naive, "{} at {}", definition, now);
                *seen.borrow_mut().entry(reason).or_default() += 1;
            }
            Ok(())
        })
        .unwrap();
    let seen = seen.into_inner();
    let often = seen.iter().filter(|(_, cases)| **cases > definitions / 40);
    let often: Vec<_> = often.map(|(reason, _)| reason.as_str()).collect();
    let reasons = [
        "ended",
        "erased",
        "excluded",
        "holdout",
        "layer",
        "not_running",
        "not_started",
        "override",
        "paused",
        "released",
        "split",
        "stopped",
        "targeting",
        "traffic",
    ];
    assert_eq!(often, reasons, "{seen:?}");
}

#[test]
fn a_ramp_up_never_changes_an_assigned_variant() {
    let steps = prop::collection::btree_map(1_i64..1_000, 0_u32..=100, 1..20);
    let cases = (allocation(), steps, "\\PC{1,20}", 0_u32..=100);
    TestRunner::new(config(2_000))
        .run(&cases, |(allocation, steps, user, first)| {
            let mut traffic: Vec<f64> = steps.values().copied().map(f64::from).collect();
            traffic.push(first.into());
            traffic.sort_by(f64::total_cmp);
            let step = |(second, traffic): (&i64, &f64)| RampStep {
                at: at(*second),
                traffic_percent: *traffic,
                on_worse_guardrail: None,
            };
            let ramp = steps.keys().zip(&traffic[1..]).map(step).collect();
            let allocation = Allocation {
                traffic_percent: traffic[0],
                ramp: Ramp::new(ramp).unwrap(),
                ..allocation
            };
            let user = UserId::parse(&user).map_err(|_| TestCaseError::reject("no user id"))?;
            let mut assigned = None;
            for (second, pair) in steps.keys().zip(traffic.windows(2)) {
                // The last instant before the step, and its first.
                for (instant, traffic) in [at(*second).plus_micros(-1), at(*second)]
                    .into_iter()
                    .zip(pair)
                {
                    prop_assert_eq!(allocation.traffic_at(instant), *traffic);
                    let variant = allocation
                        .choose(&user, instant)
                        .map(|variant| &variant.key);
                    prop_assert!(assigned.is_none() || assigned == variant);
                    assigned = variant;
                }
            }
            Ok(())
        })
        .unwrap();
}
