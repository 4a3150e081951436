//! Conversion of the vectors' inputs to the engine's types, and of the engine's results to JSON.

use serde_json::{Map, Value, json};
use stats::{
    Alpha, Alternative, Effect, FixedTest, Interval, JointSample, MissingReason, PValue,
    Proportion, Sample,
};

pub(crate) fn real(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

pub(crate) fn reals(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(real).collect()
}

pub(crate) fn count(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| real(value) as u64)
}

pub(crate) fn counts(value: &Value) -> Vec<u64> {
    value
        .as_array()
        .expect("a list")
        .iter()
        .map(count)
        .collect()
}

pub(crate) fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

pub(crate) fn alpha(inputs: &Value) -> Result<Alpha, MissingReason> {
    Alpha::new(real(&inputs["alpha"]))
}

pub(crate) fn alternative(inputs: &Value) -> Alternative {
    match inputs["alternative"].as_str() {
        Some("greater") => Alternative::Greater,
        Some("less") => Alternative::Less,
        _ => Alternative::TwoSided,
    }
}

pub(crate) fn proportion(arm: &Value) -> Result<Proportion, MissingReason> {
    Proportion::new(count(&arm["n"]), count(&arm["conversions"]))
}

pub(crate) fn mean_sample(arm: &Value) -> Result<Sample, MissingReason> {
    Sample::from_sums(
        count(&arm["n"]),
        real(&arm["sum"]),
        real(&arm["sum_squares"]),
    )
}

/// An arm of a conversion metric or of a mean metric.
pub(crate) fn sample(arm: &Value) -> Result<Sample, MissingReason> {
    if arm.get("conversions").is_some() {
        proportion(arm)?.sample()
    } else {
        mean_sample(arm)
    }
}

pub(crate) fn both_samples(inputs: &Value) -> Result<(Sample, Sample), MissingReason> {
    Ok((sample(&inputs["control"])?, sample(&inputs["treatment"])?))
}

pub(crate) fn ratio_arm(arm: &Value) -> Result<JointSample, MissingReason> {
    JointSample::from_sums(
        count(&arm["n"]),
        &[real(&arm["num_sum"]), real(&arm["den_sum"])],
        &[
            real(&arm["num_sum_squares"]),
            real(&arm["num_den_sum_products"]),
            real(&arm["den_sum_squares"]),
        ],
    )
}

pub(crate) fn covariate_arm(arm: &Value) -> Result<JointSample, MissingReason> {
    JointSample::from_sums(
        count(&arm["n"]),
        &[real(&arm["sum"]), real(&arm["pre_sum"])],
        &[
            real(&arm["sum_squares"]),
            real(&arm["pre_post_sum_products"]),
            real(&arm["pre_sum_squares"]),
        ],
    )
}

/// A number of the result. It must be finite, because JSON represents NaN and infinity as null.
pub(crate) fn number(x: f64) -> Value {
    assert!(x.is_finite(), "the engine returned {x}");
    json!(x)
}

pub(crate) fn interval(block: &mut Value, interval: Interval) {
    put(block, "ci_lower", number(interval.lower));
    put(block, "ci_upper", number(interval.upper));
}

pub(crate) fn p_value(block: &mut Value, p: PValue) {
    put(block, "p_value", number(p.value()));
    put(block, "log10_p_value", number(p.log10()));
}

pub(crate) fn put(block: &mut Value, name: &str, value: Value) {
    if block.is_null() {
        *block = Value::Object(Map::new());
    }
    block[name] = value;
}

/// The fields that many methods share: effect, standard error, interval and p-value.
pub(crate) fn effect_block(effect: &Effect, alpha: Alpha) -> Result<Value, MissingReason> {
    let test = effect.test(0.0, alpha, Alternative::TwoSided)?;
    let mut block = json!({"effect": number(test.effect), "se": number(test.standard_error)});
    interval(&mut block, test.interval);
    p_value(&mut block, test.p_value);
    Ok(block)
}

/// Adds the p-value, the interval and the one-sided bound of a fixed test to a block.
pub(crate) fn fixed_test(block: &mut Value, test: &FixedTest) {
    interval(block, test.interval);
    p_value(block, test.p_value);
    put(
        block,
        "one_sided_bound",
        test.one_sided_bound.map_or(Value::Null, number),
    );
}
