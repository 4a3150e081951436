//! Adapters of the quantile methods: order statistics, logarithmic histograms, and the difference
//! between arms.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stats::{
    self, Interval, LogBuckets, LogHistogram, MissingReason, QuantileKind, QuantileSummary,
};

use super::inputs::{alpha, count, effect_block, number, put, real, reals};

pub(crate) fn quantile_ci(inputs: &Value) -> Result<Value, MissingReason> {
    let (n, q, alpha) = (
        count(&inputs["n"]),
        real(&inputs["quantile"]),
        alpha(inputs)?,
    );
    let exact = stats::exact_ranks(n, q, alpha)?;
    let (lower, upper) = stats::normal_ranks(n, q, alpha)?;
    let mut answer = json!({
        "n": n,
        "exact": {
            "lower_rank": exact.lower,
            "upper_rank": exact.upper,
            "coverage": exact.coverage.map(number),
        },
        "normal_ranks": {"lower_rank": lower, "upper_rank": upper},
    });
    if inputs["values"].is_array() {
        let mut values = reals(&inputs["values"]);
        values.sort_by(f64::total_cmp);
        let at = |rank: Option<u64>| rank.map(|rank| number(values[rank as usize - 1]));
        put(&mut answer["exact"], "lower_value", json!(at(exact.lower)));
        put(&mut answer["exact"], "upper_value", json!(at(exact.upper)));
        let read = |kind| stats::sorted_quantile(&values, q, kind).map(number);
        put(&mut answer, "estimate_linear", read(QuantileKind::Linear)?);
        put(
            &mut answer,
            "estimate_inverted_cdf",
            read(QuantileKind::InvertedCdf)?,
        );
    }
    Ok(answer)
}

pub(crate) fn quantile_histogram(inputs: &Value) -> Result<Value, MissingReason> {
    let buckets = LogBuckets::new(real(&inputs["relative_accuracy"]))?;
    let mut histogram = LogHistogram::new(buckets);
    let mut values = reals(&inputs["values"]);
    values.iter().for_each(|value| histogram.record(*value));
    values.sort_by(f64::total_cmp);
    let quantiles = reals(&inputs["quantiles"]);
    let estimates: Result<Vec<Value>, MissingReason> = quantiles
        .iter()
        .map(|q| histogram.quantile(*q).map(number))
        .collect();
    let truth = quantiles
        .iter()
        .map(|q| values[(q * (values.len() - 1) as f64) as usize]);
    let named = |counts: &BTreeMap<i32, u64>| -> Map<String, Value> {
        counts
            .iter()
            .map(|(key, n)| (key.to_string(), json!(n)))
            .collect()
    };
    Ok(json!({
        "gamma": number(buckets.gamma()),
        "count": histogram.count(),
        "zero_count": histogram.zero,
        "positive": named(&histogram.positive),
        "negative": named(&histogram.negative),
        "quantiles": estimates?,
        "true_quantiles": truth.collect::<Vec<_>>(),
    }))
}

pub(crate) fn quantile_test(inputs: &Value) -> Result<Value, MissingReason> {
    let arm = |arm: &Value| {
        QuantileSummary {
            n: count(&arm["n"]),
            n_star: count(&arm["n_star"]),
            quantile: real(&arm["quantile"]),
            estimate: real(&arm["estimate"]),
            interval: Interval {
                lower: real(&arm["lower"]),
                upper: real(&arm["upper"]),
            },
        }
        .sample()
    };
    let (c, t) = (arm(&inputs["control"])?, arm(&inputs["treatment"])?);
    let alpha = alpha(inputs)?;
    let absolute = stats::difference(&c, &t)?;
    let relative = stats::relative_difference(&c, &t)?;
    Ok(json!({
        "var_control": number(c.variance()),
        "var_treatment": number(t.variance()),
        "df": absolute.degrees_of_freedom().map_or(Value::Null, number),
        "absolute": effect_block(&absolute, alpha)?,
        "relative": effect_block(&relative, alpha)?,
    }))
}
