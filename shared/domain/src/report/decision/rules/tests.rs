//! The rules, one by one and against one another, and against their table in the documentation.

use super::super::facts::Readiness;
use super::*;

/// A case for each rule, in their order: the least that makes it apply.
fn cases() -> Vec<(Facts, Verdict, Reason)> {
    use PrimaryState::{Better, NotEnoughData, NotMeasurable, Nothing, Undecided, Worse};
    use Verdict::{DoNotTrust, KeepRunning, Ship, Stop};
    let none = Facts::default();
    let a_week = Readiness {
        a_week: true,
        ..Readiness::default()
    };
    let powered = Readiness {
        planned_power: true,
        ..a_week
    };
    let with = |primary| Facts { primary, ..none };
    let ready = |primary| Facts {
        readiness: a_week,
        ..with(primary)
    };
    let facts = [
        Facts {
            variant_without_users: true,
            ..none
        },
        Facts {
            sample_ratio_mismatch: true,
            ..none
        },
        Facts {
            pre_exposure_imbalance: true,
            ..none
        },
        Facts {
            weights_changed: true,
            ..none
        },
        Facts {
            no_recent_events: true,
            ..none
        },
        Facts {
            guardrail_worse: true,
            ..ready(Better)
        },
        with(Nothing),
        with(NotEnoughData),
        with(NotMeasurable),
        with(Worse),
        Facts {
            below_minimum_effect: true,
            ..ready(Better)
        },
        Facts {
            guardrail_undecided: true,
            ..ready(Better)
        },
        with(Better),
        ready(Better),
        Facts {
            equivalent: true,
            ..with(Undecided)
        },
        Facts {
            readiness: powered,
            ..with(Undecided)
        },
        with(Undecided),
    ];
    let rulings = [
        (DoNotTrust, Reason::VariantWithoutUsers),
        (DoNotTrust, Reason::SampleRatioMismatch),
        (DoNotTrust, Reason::PreExposureImbalance),
        (DoNotTrust, Reason::WeightsChanged),
        (DoNotTrust, Reason::NoRecentEvents),
        (Stop, Reason::GuardrailWorse),
        (KeepRunning, Reason::NoData),
        (KeepRunning, Reason::NotEnoughData),
        (KeepRunning, Reason::NotMeasurable),
        (Stop, Reason::PrimaryWorse),
        (Stop, Reason::BelowMinimumEffect),
        (KeepRunning, Reason::GuardrailUndecided),
        (KeepRunning, Reason::FirstWeek),
        (Ship, Reason::PrimaryBetter),
        (Stop, Reason::Equivalent),
        (Stop, Reason::NoEffectFound),
        (KeepRunning, Reason::Undecided),
    ];
    let both = facts.into_iter().zip(rulings);
    both.map(|(facts, (verdict, reason))| (facts, verdict, reason))
        .collect()
}

#[test]
fn each_rule_gives_its_verdict() {
    for (facts, verdict, reason) in cases() {
        assert_eq!(decide(&facts), Ruling { verdict, reason }, "{facts:?}");
    }
}

#[test]
fn doubts_about_the_data_and_harm_go_before_all_that_follows() {
    let cases = cases();
    for (place, (facts, verdict, reason)) in cases.iter().enumerate().take(6) {
        for (later, ..) in &cases[place..] {
            let both = Facts {
                variant_without_users: facts.variant_without_users || later.variant_without_users,
                sample_ratio_mismatch: facts.sample_ratio_mismatch || later.sample_ratio_mismatch,
                pre_exposure_imbalance: facts.pre_exposure_imbalance
                    || later.pre_exposure_imbalance,
                weights_changed: facts.weights_changed || later.weights_changed,
                no_recent_events: facts.no_recent_events || later.no_recent_events,
                guardrail_worse: facts.guardrail_worse || later.guardrail_worse,
                ..*later
            };
            let ruling = Ruling {
                verdict: *verdict,
                reason: *reason,
            };
            assert_eq!(decide(&both), ruling, "{both:?}");
        }
    }
}

#[test]
fn nothing_is_worth_waiting_for_when_it_is_over() {
    for (facts, verdict, reason) in cases() {
        let readiness = Readiness {
            over: true,
            ..facts.readiness
        };
        let after = decide(&Facts { readiness, ..facts });
        match (verdict, reason) {
            (_, Reason::FirstWeek) => assert_eq!(after.verdict, Verdict::Ship),
            (_, Reason::Undecided) => assert_eq!(after.reason, Reason::NoEffectFound),
            (Verdict::KeepRunning, reason) => {
                assert_eq!((after.verdict, after.reason), (Verdict::Stop, reason));
            }
            settled => assert_eq!((after.verdict, after.reason), settled),
        }
    }
}

#[test]
fn the_table_in_the_documentation_is_this_one() {
    let guide = include_str!("../../../../../../docs/statistics.md");
    let table = guide.split("## How a verdict is reached").nth(1).unwrap();
    let table = table.split("\n## ").next().unwrap();
    let cells = |row: &str| -> Option<(String, String)> {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        let [.., verdict, reason] = cells.as_slice() else {
            return None;
        };
        let name = |cell: &str| Some(cell.strip_prefix('`')?.strip_suffix('`')?.to_owned());
        Some((name(verdict)?, name(reason)?))
    };
    let rows = table.lines().filter(|line| line.starts_with('|'));
    let documented: Vec<(String, String)> = rows.filter_map(cells).collect();
    let in_code: Vec<(String, String)> = cases()
        .into_iter()
        .map(|(_, verdict, reason)| {
            let reason = serde_json::to_value(reason).unwrap();
            let reason = reason.as_str().unwrap().to_owned();
            (verdict.name().to_owned(), reason)
        })
        .collect();
    assert_eq!(documented, in_code);
}
