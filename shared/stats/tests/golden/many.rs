//! Adapters of the distributions, the sample ratio tests, and the methods for several metrics,
//! subgroups or cohorts.

use serde_json::{Value, json};
use stats::{self, Effect, MissingReason, PValue, distributions as distribution};

use super::inputs::{count, counts, list, number, p_value, real, reals};

pub(crate) fn distributions(inputs: &Value) -> Result<Value, MissingReason> {
    let arguments = list(&inputs["args"]);
    let x = |i: usize| real(&arguments[i]);
    let whole = |i: usize| count(&arguments[i]);
    let degrees = |i: usize| u32::try_from(whole(i)).expect("a small number");
    let log10 = |ln: f64| ln / std::f64::consts::LN_10;
    let value = match inputs["fn"].as_str().unwrap_or_default() {
        "normal_sf" => distribution::normal_upper_tail(x(0)),
        "normal_log10_sf" => log10(distribution::normal_ln_upper_tail(x(0))),
        "normal_isf" => distribution::normal_upper_quantile(x(0)).expect("a probability"),
        "t_sf" => distribution::student_t_upper_tail(x(0), x(1)),
        "t_log10_sf" => log10(distribution::student_t_ln_upper_tail(x(0), x(1))),
        "t_isf" => distribution::student_t_upper_quantile(x(0), x(1)).expect("a probability"),
        "chi2_sf" => distribution::chi_squared_upper_tail(x(0), degrees(1)),
        "chi2_log10_sf" => log10(distribution::chi_squared_ln_upper_tail(x(0), degrees(1))),
        "beta_cdf" => distribution::beta_cdf(x(0), x(1), x(2)),
        "beta_ppf" => distribution::beta_quantile(x(0), x(1), x(2)).expect("a probability"),
        "binomial_cdf" => distribution::binomial_cdf(whole(0), whole(1), x(2)),
        "ln_gamma" => distribution::ln_gamma(x(0)),
        "ln_beta" => distribution::ln_beta(x(0), x(1)),
        other => panic!("unknown distribution function {other}"),
    };
    Ok(json!({"value": number(value)}))
}

pub(crate) fn srm(inputs: &Value) -> Result<Value, MissingReason> {
    let test = stats::split_test(&counts(&inputs["counts"]), &reals(&inputs["weights"]))?;
    let mut answer = json!({
        "chi2": number(test.chi_squared),
        "df": test.degrees_of_freedom,
        "expected_counts": test.expected_counts,
    });
    p_value(&mut answer, test.p_value);
    Ok(answer)
}

fn p_values(inputs: &Value) -> Vec<Option<PValue>> {
    let read = |p: &Value| p.as_f64().map(|p| PValue::new(p).expect("a probability"));
    list(&inputs["p_values"]).iter().map(read).collect()
}

fn adjusted(inputs: &Value, adjusted: &[Option<PValue>]) -> Value {
    let alpha = real(&inputs["alpha"]);
    let values = adjusted.iter().map(|p| p.map(|p| number(p.value())));
    let rejected = adjusted.iter().map(|p| p.map(|p| p.value() <= alpha));
    json!({
        "m": adjusted.iter().flatten().count(),
        "adjusted": values.collect::<Vec<_>>(),
        "rejected": rejected.collect::<Vec<_>>(),
    })
}

pub(crate) fn holm(inputs: &Value) -> Result<Value, MissingReason> {
    Ok(adjusted(inputs, &stats::holm(&p_values(inputs))))
}

pub(crate) fn benjamini_hochberg(inputs: &Value) -> Result<Value, MissingReason> {
    Ok(adjusted(
        inputs,
        &stats::benjamini_hochberg(&p_values(inputs)),
    ))
}

fn effects(inputs: &Value) -> Result<Vec<Effect>, MissingReason> {
    let pairs = reals(&inputs["effects"])
        .into_iter()
        .zip(reals(&inputs["standard_errors"]));
    pairs
        .map(|(value, error)| Effect::new(value, error, None, 0))
        .collect()
}

pub(crate) fn heterogeneity(inputs: &Value) -> Result<Value, MissingReason> {
    let result = stats::heterogeneity(&effects(inputs)?)?;
    let subgroup = |s: &stats::SubgroupDeviation| {
        json!({
            "z": number(s.z),
            "p_value": number(s.p_value.value()),
            "p_holm": number(s.adjusted_p_value.value()),
        })
    };
    let mut answer = json!({
        "pooled_effect": number(result.pooled_effect),
        "pooled_se": number(result.pooled_standard_error),
        "q": number(result.q),
        "df": result.degrees_of_freedom,
        "i_squared": number(result.i_squared),
        // The vectors call the subgroups segments.
        "segments": result.subgroups.iter().map(subgroup).collect::<Vec<_>>(),
    });
    p_value(&mut answer, result.p_value);
    Ok(answer)
}

pub(crate) fn trend(inputs: &Value) -> Result<Value, MissingReason> {
    let cohorts: Vec<(f64, Effect)> = reals(&inputs["periods"])
        .into_iter()
        .zip(effects(inputs)?)
        .collect();
    let trend = stats::trend(&cohorts)?;
    let mut answer = json!({
        "mean_effect": number(trend.mean_effect),
        "slope": number(trend.slope),
        "slope_se": number(trend.slope_standard_error),
        "z": number(trend.z),
        "fitted_last": number(trend.fitted_last),
        "fitted_last_se": number(trend.fitted_last_standard_error),
    });
    p_value(&mut answer, trend.p_value);
    Ok(answer)
}
