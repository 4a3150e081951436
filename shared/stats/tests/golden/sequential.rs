//! Adapters of the sequential and the group sequential methods.

use serde_json::{Value, json};
use stats::{
    self, ConfidenceSequence, Effect, Interval, MissingReason, PValue, Sample, SequentialSplit,
    Spending,
};

use super::inputs::{
    alpha, both_samples, count, counts, interval, list, number, p_value, put, real, reals, sample,
};

pub(crate) fn sequential_srm(inputs: &Value) -> Result<Value, MissingReason> {
    let test = SequentialSplit::new(&reals(&inputs["weights"]), real(&inputs["concentration"]))?;
    let mut smallest = PValue::ONE;
    let looks: Result<Vec<Value>, MissingReason> = list(&inputs["looks"])
        .iter()
        .map(|look| {
            let evidence = test.evidence(&counts(look))?;
            smallest = smallest.min(evidence.p_value);
            let mut block = json!({
                "log_bayes_factor": number(evidence.ln_bayes_factor),
                "p_always_valid": number(smallest.value()),
            });
            p_value(&mut block, evidence.p_value);
            Ok(block)
        })
        .collect();
    Ok(json!({"looks": looks?}))
}

/// The effect at one look: a mean relative to zero, or treatment relative to control.
fn effect_of(look: &Value) -> Result<Effect, MissingReason> {
    if look.get("control").is_some() {
        let (c, t) = both_samples(look)?;
        return stats::difference(&c, &t);
    }
    one_sample(&sample(look)?)
}

fn one_sample(arm: &Sample) -> Result<Effect, MissingReason> {
    Effect::new(arm.mean(), arm.mean_variance().sqrt(), None, arm.n())
}

/// The estimate at one look, which exists also if no unit varies.
fn estimate_of(look: &Value) -> Result<f64, MissingReason> {
    if look.get("control").is_some() {
        let (c, t) = both_samples(look)?;
        return Ok(t.mean() - c.mean());
    }
    Ok(sample(look)?.mean())
}

/// The intersection of all intervals so far. It may be empty, which the vectors allow.
struct IntervalIntersection(Option<(f64, f64)>);

impl IntervalIntersection {
    fn add(&mut self, block: &mut Value, interval: Interval) {
        let (lower, upper) = self.0.unwrap_or((f64::MIN, f64::MAX));
        let both = (lower.max(interval.lower), upper.min(interval.upper));
        self.0 = Some(both);
        put(block, "running_lower", number(both.0));
        put(block, "running_upper", number(both.1));
    }
}

pub(crate) fn asymptotic_confidence_sequence(inputs: &Value) -> Result<Value, MissingReason> {
    let alpha = alpha(inputs)?;
    let sequence = match inputs.get("t_star").and_then(Value::as_f64) {
        Some(t_star) => ConfidenceSequence::new(alpha, t_star)?,
        None => ConfidenceSequence::with_rho_squared(alpha, real(&inputs["rho_squared"]))?,
    };
    let mut intersection = IntervalIntersection(None);
    let looks: Vec<Value> = list(&inputs["looks"])
        .iter()
        .map(|look| {
            let mut block = json!({"estimate": estimate_of(look).map_or(Value::Null, number)});
            if let Ok((effect, result)) =
                effect_of(look).and_then(|effect| Ok((effect, sequence.at(&effect)?)))
            {
                let bounds = sequence.one_sided_bounds(&effect).expect("bounds");
                put(&mut block, "half_width", number(result.half_width));
                put(&mut block, "one_sided_lower", number(bounds.lower));
                put(&mut block, "one_sided_upper", number(bounds.upper));
                interval(&mut block, result.interval);
                intersection.add(&mut block, result.interval);
                p_value(&mut block, result.p_value);
            }
            block
        })
        .collect();
    Ok(json!({"rho_squared": number(sequence.rho_squared()), "looks": looks}))
}

pub(crate) fn gbstats_sequential(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = both_samples(inputs)?;
    let (alpha, units) = (alpha(inputs)?, real(&inputs["tuning_parameter"]));
    let effect = match inputs["difference_type"].as_str() {
        Some("relative") => stats::relative_difference(&c, &t)?,
        _ => stats::difference(&c, &t)?,
    };
    let sequence = ConfidenceSequence::new(alpha, units)?;
    let result = sequence.at(&effect)?;
    let one_sided = ConfidenceSequence::one_sided(alpha, units)?;
    let bounds = one_sided.one_sided_bounds(&effect)?;
    let n = effect.units() as f64;
    let mut answer = json!({
        "effect": number(effect.value()),
        "se": number(effect.standard_error()),
        "rho": number(sequence.rho_squared().sqrt()),
        "half_width": number(result.half_width),
        "one_sided": {
            "rho": number(one_sided.rho_squared().sqrt()),
            "half_width": number(one_sided.one_sided_half_width(effect.standard_error(), n)?),
            "greater_lower_bound": number(bounds.lower),
            "less_upper_bound": number(bounds.upper),
        },
    });
    interval(&mut answer, result.interval);
    p_value(&mut answer, result.p_value);
    Ok(answer)
}

pub(crate) fn msprt(inputs: &Value) -> Result<Value, MissingReason> {
    let alpha = alpha(inputs)?;
    let mut intersection = IntervalIntersection(None);
    let mut smallest = PValue::ONE;
    let looks: Vec<Value> = list(&inputs["looks"])
        .iter()
        .map(|look| {
            let mut block = Value::Null;
            let tested = effect_of(look).and_then(|effect| {
                let (theta_0, tau) = (real(&inputs["theta_0"]), real(&inputs["tau_squared"]));
                Ok((effect, stats::mixture_test(&effect, theta_0, tau, alpha)?))
            });
            if let Ok((effect, test)) = tested {
                smallest = smallest.min(test.p_value);
                put(&mut block, "diff", number(effect.value()));
                put(
                    &mut block,
                    "variance",
                    number(effect.standard_error().powi(2)),
                );
                put(&mut block, "log_lambda", number(test.ln_likelihood_ratio));
                put(&mut block, "p_always_valid", number(smallest.value()));
                interval(&mut block, test.interval);
                intersection.add(&mut block, test.interval);
                p_value(&mut block, test.p_value);
            }
            block
        })
        .collect();
    Ok(json!({"looks": looks}))
}

pub(crate) fn group_sequential(inputs: &Value) -> Result<Value, MissingReason> {
    let spending = match inputs["spending"].as_str() {
        Some("obrien_fleming") => Spending::OBrienFleming,
        Some("pocock") => Spending::Pocock,
        _ => Spending::Power(real(&inputs["phi"])),
    };
    let two_sided = count(&inputs["sides"]) == 2;
    let information = reals(&inputs["information"]);
    let boundaries =
        stats::group_sequential_boundaries(&information, alpha(inputs)?, two_sided, spending)?;
    let column = |f: &dyn Fn(&stats::Boundary) -> Value| -> Vec<Value> {
        boundaries.iter().map(f).collect()
    };
    Ok(json!({
        "z_bounds": column(&|b| b.z.map_or(Value::Null, number)),
        "cumulative_alpha": column(&|b| number(b.cumulative_alpha)),
        "nominal_p": column(&|b| number(b.nominal_p.value())),
    }))
}
