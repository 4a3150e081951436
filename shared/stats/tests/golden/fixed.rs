//! Adapters of the fixed tests: proportions, means, lifts, ratios, CUPED-adjusted and stratified
//! metrics.

use serde_json::{Value, json};
use stats::{self, Alternative, Fieller, MissingReason, Moments, Sample};

use super::inputs::{
    alpha, alternative, both_samples, count, covariate_arm, effect_block, fixed_test, interval,
    list, number, p_value, proportion, put, ratio_arm, real, sample,
};

pub(crate) fn two_proportion_z(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = (
        proportion(&inputs["control"])?,
        proportion(&inputs["treatment"])?,
    );
    let (alpha, alternative) = (alpha(inputs)?, alternative(inputs));
    let mut answer = json!({
        "rate_control": number(c.rate()),
        "rate_treatment": number(t.rate()),
        "diff": number(stats::rate_difference(&c, &t)),
        "newcombe": null, "agresti_caffo": null, "pooled": null, "unpooled": null,
    });
    interval(&mut answer["newcombe"], stats::newcombe(&c, &t, alpha)?);
    interval(
        &mut answer["agresti_caffo"],
        stats::agresti_caffo(&c, &t, alpha)?,
    );
    match stats::two_proportion_z(&c, &t, alpha, alternative) {
        Ok(test) => {
            let mut block = json!({
                "rate": number(test.pooled_rate),
                "se": number(test.pooled_standard_error),
                "z": number(test.z),
            });
            p_value(&mut block, test.p_value);
            put(&mut answer, "pooled", block);
        }
        Err(_) => put(&mut answer, "status", json!("undefined")),
    }
    if let Ok(test) = stats::wald(&c, &t, alpha, alternative) {
        let mut block = json!({"se": number(test.standard_error), "z": number(test.statistic)});
        interval(&mut block, test.interval);
        p_value(&mut block, test.p_value);
        put(&mut answer, "unpooled", block);
    }
    Ok(answer)
}

pub(crate) fn welch_t(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = both_samples(inputs)?;
    let effect = stats::difference(&c, &t)?;
    let test = effect.test(
        real(&inputs["null_value"]),
        alpha(inputs)?,
        alternative(inputs),
    )?;
    let mut answer = arms(&c, &t, "mean", "var");
    put(&mut answer, "diff", number(test.effect));
    put(&mut answer, "se", number(test.standard_error));
    put(&mut answer, "t", number(test.statistic));
    put(
        &mut answer,
        "df",
        test.degrees_of_freedom.map_or(Value::Null, number),
    );
    fixed_test(&mut answer, &test);
    Ok(answer)
}

fn arms(c: &Sample, t: &Sample, mean: &str, variance: &str) -> Value {
    json!({
        format!("{mean}_control"): number(c.mean()),
        format!("{mean}_treatment"): number(t.mean()),
        format!("{variance}_control"): number(c.variance()),
        format!("{variance}_treatment"): number(t.variance()),
    })
}

pub(crate) fn relative_lift(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = both_samples(inputs)?;
    let alpha = alpha(inputs)?;
    let test = stats::relative_difference(&c, &t)?.test(0.0, alpha, Alternative::TwoSided)?;
    let mut answer = arms(&c, &t, "mean", "var");
    put(&mut answer, "lift", number(test.effect));
    let mut delta = json!({
        "se": number(test.standard_error),
        "t": number(test.statistic),
        "df": test.degrees_of_freedom.map_or(Value::Null, number),
    });
    fixed_test(&mut delta, &test);
    put(&mut answer, "delta", delta);
    if let Ok(log) = stats::log_ratio(&c, &t, alpha) {
        let mut block = json!({"se": number(log.log_standard_error)});
        interval(&mut block, log.interval);
        put(&mut answer, "log_ratio", block);
    }
    Ok(answer)
}

pub(crate) fn fieller(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = both_samples(inputs)?;
    let set = stats::fieller(&c, &t, alpha(inputs)?)?;
    let g = stats::fieller_g(&c, alpha(inputs)?).map_or(json!("Infinity"), number);
    Ok(match set {
        Fieller::Bounded { ratio, lift } => json!({
            "g": g, "kind": "bounded",
            "ratio_lower": number(ratio.lower), "ratio_upper": number(ratio.upper),
            "lift_lower": number(lift.lower), "lift_upper": number(lift.upper),
        }),
        Fieller::Exclusive { ruled_out } => json!({
            "g": g, "kind": "exclusive",
            "ratio_lower": number(ruled_out.lower), "ratio_upper": number(ruled_out.upper),
        }),
        Fieller::Everything => json!({"g": g, "kind": "everything"}),
    })
}

pub(crate) fn huge_sums(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = (
        exact_arm(&inputs["control"])?,
        exact_arm(&inputs["treatment"])?,
    );
    let mut answer = json!({"control": arm(&c), "treatment": arm(&t)});
    if let Ok(effect) = stats::difference(&c, &t) {
        let mut block = effect_block(&effect, alpha(inputs)?)?;
        put(
            &mut block,
            "df",
            effect.degrees_of_freedom().map_or(Value::Null, number),
        );
        put(&mut answer, "welch", block);
    }
    Ok(answer)
}

fn arm(sample: &Sample) -> Value {
    json!({"n": sample.n(), "mean": number(sample.mean()), "variance": number(sample.variance())})
}

fn exact_arm(shards: &Value) -> Result<Sample, MissingReason> {
    let mut total = Moments::default();
    for shard in list(shards) {
        let shard = Moments {
            n: count(&shard["n"]),
            sum_micros: fixed_point(&shard["sum"], 6),
            sum_squares_picos: fixed_point(&shard["sum_squares"], 12),
        };
        total = total.checked_add(shard).ok_or(MissingReason::Overflow)?;
    }
    total.sample()
}

/// A decimal string as an integer number of units of its `decimals`-th decimal place.
fn fixed_point(text: &Value, decimals: usize) -> i128 {
    let text = text.as_str().expect("a decimal string");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    assert!(
        fraction.len() <= decimals,
        "{text} has more than {decimals} decimals"
    );
    format!("{whole}{fraction:0<decimals$}")
        .parse()
        .expect("digits")
}

pub(crate) fn ratio_metric(inputs: &Value) -> Result<Value, MissingReason> {
    let c = stats::ratio(&ratio_arm(&inputs["control"])?)?;
    let t = stats::ratio(&ratio_arm(&inputs["treatment"])?)?;
    let effect = stats::difference(&c, &t)?;
    let mut answer = arms(&c, &t, "ratio", "var");
    put(
        &mut answer,
        "df",
        effect.degrees_of_freedom().map_or(Value::Null, number),
    );
    put(
        &mut answer,
        "absolute",
        effect_block(&effect, alpha(inputs)?)?,
    );
    if let Ok(relative) = stats::relative_difference(&c, &t) {
        put(
            &mut answer,
            "relative",
            effect_block(&relative, alpha(inputs)?)?,
        );
    }
    Ok(answer)
}

pub(crate) fn cuped(inputs: &Value) -> Result<Value, MissingReason> {
    let (c, t) = (
        covariate_arm(&inputs["control"])?,
        covariate_arm(&inputs["treatment"])?,
    );
    let adjusted = stats::cuped(&c, &t)?;
    let absolute = adjusted.absolute;
    let mut answer = arms(
        &adjusted.control,
        &adjusted.treatment,
        "adjusted_mean",
        "adjusted_var",
    );
    put(&mut answer, "theta", number(adjusted.coefficients[0]));
    put(&mut answer, "mean_control", number(c.mean(0)));
    put(&mut answer, "mean_treatment", number(t.mean(0)));
    put(
        &mut answer,
        "variance_reduction",
        number(adjusted.variance_reduction),
    );
    put(
        &mut answer,
        "df",
        absolute.degrees_of_freedom().map_or(Value::Null, number),
    );
    put(
        &mut answer,
        "absolute",
        effect_block(&absolute, alpha(inputs)?)?,
    );
    if let Ok(relative) = adjusted.relative {
        put(
            &mut answer,
            "relative",
            effect_block(&relative, alpha(inputs)?)?,
        );
    }
    Ok(answer)
}

pub(crate) fn post_stratification(inputs: &Value) -> Result<Value, MissingReason> {
    let alpha = alpha(inputs)?;
    let strata: Result<Vec<_>, MissingReason> = list(&inputs["strata"])
        .iter()
        .map(|stratum| {
            let (control, treatment) = (&stratum["control"], &stratum["treatment"]);
            if inputs["metric_type"] == "proportion" {
                return stats::Stratum::of_rates(&proportion(control)?, &proportion(treatment)?);
            }
            Ok(stats::Stratum::of_means(
                sample(control)?,
                sample(treatment)?,
            ))
        })
        .collect();
    let result = stats::post_stratify(&strata?)?;
    let block = |(effect, fixed): (stats::Effect, f64)| -> Result<Value, MissingReason> {
        let mut block = effect_block(&effect, alpha)?;
        put(&mut block, "se_fixed_weights", number(fixed));
        Ok(block)
    };
    Ok(json!({
        "df": result.absolute.degrees_of_freedom().map_or(Value::Null, number),
        "baseline_mean": number(result.baseline_mean),
        "absolute": block((result.absolute, result.absolute_standard_error_fixed_shares))?,
        "relative": match result.relative {
            Ok(relative) => block((relative, result.relative_standard_error_fixed_shares))?,
            Err(_) => Value::Null,
        },
    }))
}
