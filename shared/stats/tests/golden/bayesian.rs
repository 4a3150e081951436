//! Adapters of the Bayesian methods: posteriors of effects and of conversion rates, and the best arm.

use serde_json::{Value, json};
use stats::{self, ArmPosterior, BetaDistribution, MissingReason, Posterior, Prior};

use super::inputs::{alpha, both_samples, interval, list, number, put, real};

pub(crate) fn gbstats_bayesian(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = both_samples(inputs)?;
    let prior = if inputs["prior"]["proper"] == true {
        Prior::Normal {
            mean: real(&inputs["prior"]["mean"]),
            standard_deviation: real(&inputs["prior"]["stddev"]),
        }
    } else {
        Prior::Flat
    };
    let (effect, prior) = match inputs["difference_type"].as_str() {
        Some("relative") => (stats::relative_difference(&c, &t)?, prior),
        _ => (stats::difference(&c, &t)?, prior.scaled(c.mean())?),
    };
    let posterior = Posterior::new(&effect, prior)?;
    let decision = posterior.decision(inputs["inverse"] != true)?;
    let mut answer = json!({
        "effect": number(posterior.mean),
        "stddev": number(posterior.standard_deviation),
        "chance_to_win": number(decision.chance_to_win),
        "chance_to_lose": number(decision.chance_to_lose),
        "risk_control": number(decision.loss_if_control_is_kept),
        "risk_treatment": number(decision.loss_if_treatment_ships),
    });
    interval(&mut answer, posterior.interval(alpha(inputs)?)?);
    Ok(answer)
}

pub(crate) fn beta_binomial(inputs: &Value) -> Result<Value, MissingReason> {
    let distribution = |arm: &Value| {
        let (n, conversions) = (real(&arm["n"]), real(&arm["conversions"]));
        BetaDistribution::new(
            real(&inputs["prior_alpha"]) + conversions,
            real(&inputs["prior_beta"]) + (n - conversions),
        )
    };
    let (c, t) = (
        distribution(&inputs["control"])?,
        distribution(&inputs["treatment"])?,
    );
    let comparison = c.compare(&t)?;
    let mut answer = json!({
        "posterior_mean_control": number(c.mean()),
        "posterior_mean_treatment": number(t.mean()),
        "prob_treatment_better": number(comparison.treatment_better),
        "prob_control_better": number(comparison.control_better),
        "expected_loss_control": number(comparison.loss_if_control_is_kept),
        "expected_loss_treatment": number(comparison.loss_if_treatment_ships),
    });
    for (name, distribution) in [("control", c), ("treatment", t)] {
        let mut block = Value::Null;
        interval(&mut block, distribution.interval(alpha(inputs)?)?);
        put(
            &mut answer,
            &format!("{name}_ci_lower"),
            block["ci_lower"].take(),
        );
        put(
            &mut answer,
            &format!("{name}_ci_upper"),
            block["ci_upper"].take(),
        );
    }
    Ok(answer)
}

pub(crate) fn p_best(inputs: &Value) -> Result<Value, MissingReason> {
    let arms: Vec<ArmPosterior> = list(&inputs["arms"])
        .iter()
        .map(|arm| match inputs["family"].as_str() {
            Some("beta") => ArmPosterior::Beta {
                a: real(&arm["a"]),
                b: real(&arm["b"]),
            },
            _ => ArmPosterior::Normal {
                mean: real(&arm["mean"]),
                standard_deviation: real(&arm["sd"]),
            },
        })
        .collect();
    let result = stats::best_arm(&arms)?;
    let numbers = |values: &[f64]| values.iter().map(|x| number(*x)).collect::<Vec<_>>();
    Ok(json!({"p_best": numbers(&result.best), "top_two": numbers(&result.top_two)}))
}
