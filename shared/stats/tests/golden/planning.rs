//! Adapters of the planning methods: power, sample size, minimum detectable effect and power to date.

use serde_json::{Value, json};
use stats::{
    self, Alpha, Alternative, Capacity, ConfidenceSequence, Goal, MissingReason, Progress,
    RateFormula, Rates, SampleSize,
};

use super::inputs::{alpha, alternative, number, put, real};

fn rates(inputs: &Value) -> Result<Rates, MissingReason> {
    Rates::new(
        real(&inputs["rate_control"]),
        real(&inputs["rate_treatment"]),
    )
}

fn units(inputs: &Value) -> (f64, f64) {
    (real(&inputs["n_control"]), real(&inputs["n_treatment"]))
}

pub(crate) fn power_proportion(inputs: &Value) -> Result<Value, MissingReason> {
    let rates = rates(inputs)?;
    let (alpha, alternative) = (alpha(inputs)?, alternative(inputs));
    let power = |formula| -> Result<Value, MissingReason> {
        let power = stats::power_of_rates(rates, units(inputs), alpha, alternative, formula)?;
        Ok(json!({"power": number(power)}))
    };
    Ok(json!({
        "effect_size_h": number(rates.arcsine_difference()),
        "arcsine": power(RateFormula::Arcsine)?,
        "unpooled": power(RateFormula::Unpooled)?,
        "pooled_null": power(RateFormula::PooledNull)?,
    }))
}

pub(crate) fn power_mean(inputs: &Value) -> Result<Value, MissingReason> {
    let (effect, units) = (real(&inputs["effect"]), units(inputs));
    let sds = (real(&inputs["sd_control"]), real(&inputs["sd_treatment"]));
    let (alpha, alternative) = (alpha(inputs)?, alternative(inputs));
    let z = stats::power_of_means(effect, sds, units, alpha, alternative)?;
    let mut answer = json!({"z": {"power": number(z)}});
    if sds.0 == sds.1 {
        let t = stats::power_of_means_t(effect, sds.0, units, alpha, alternative)?;
        put(
            &mut answer,
            "t",
            json!({"power": number(t), "df": units.0 + units.1 - 2.0}),
        );
    }
    Ok(answer)
}

fn size(size: SampleSize) -> Value {
    json!({
        "n_control": number(size.control_exact),
        "n_control_ceil": size.control(),
        "n_treatment_ceil": size.treatment(),
    })
}

pub(crate) fn sample_size(inputs: &Value) -> Result<Value, MissingReason> {
    let goal = Goal {
        alpha: alpha(inputs)?,
        power: real(&inputs["power"]),
        ratio: real(&inputs["ratio"]),
        one_sided: inputs["alternative"] == "one-sided",
    };
    if inputs["metric_type"] == "proportion" {
        let of = |formula| stats::sample_size_of_rates(rates(inputs)?, &goal, formula).map(size);
        return Ok(json!({
            "arcsine": of(RateFormula::Arcsine)?,
            "unpooled": of(RateFormula::Unpooled)?,
            "pooled_null": of(RateFormula::PooledNull)?,
        }));
    }
    let (effect, sd) = (real(&inputs["effect"]), real(&inputs["sd"]));
    Ok(json!({
        "z": size(stats::sample_size(effect, (sd * sd, sd * sd), &goal)?),
        "t": size(stats::sample_size_t(effect, sd, &goal)?),
    }))
}

pub(crate) fn mde(inputs: &Value) -> Result<Value, MissingReason> {
    let (control, treatment) = units(inputs);
    let capacity = Capacity {
        control,
        treatment,
        alpha: alpha(inputs)?,
        power: real(&inputs["power"]),
    };
    let optional = |x: Option<f64>| x.map_or(Value::Null, number);
    if inputs["metric_type"] == "proportion" {
        let rate = real(&inputs["rate_control"]);
        let h = stats::detectable_arcsine(&capacity)?;
        let by_h = stats::rates_at_arcsine(rate, h);
        let unit = (1.0 / control + 1.0 / treatment).sqrt();
        let plain = stats::detectable_rates(rate, &capacity)?;
        return Ok(json!({
            "arcsine": {
                "effect_size_h": number(h),
                "rate_up": optional(by_h.up),
                "rate_down": optional(by_h.down),
                "power_at_mde": number(two_sided_power(h, unit, capacity.alpha)?),
            },
            "unpooled": {
                "rate_up": optional(plain.up),
                "rate_down": optional(plain.down),
                "relative_up": optional(plain.up.map(|up| (up - rate) / rate)),
            },
        }));
    }
    let sd = real(&inputs["sd"]);
    let z = stats::detectable_mean(sd, &capacity)?;
    let t = stats::detectable_mean_t(sd, &capacity)?;
    let power = stats::power_of_means_t(
        t,
        sd,
        (control, treatment),
        capacity.alpha,
        Alternative::TwoSided,
    )?;
    Ok(json!({
        "z": {"effect": number(z), "effect_size_d": number(z / sd)},
        "t": {
            "effect": number(t),
            "effect_size_d": number(t / sd),
            "power_at_mde": number(power),
        },
    }))
}

fn two_sided_power(effect: f64, error: f64, alpha: Alpha) -> Result<f64, MissingReason> {
    stats::power(effect, error, alpha, Alternative::TwoSided)
}

pub(crate) fn mid_experiment_power(inputs: &Value) -> Result<Value, MissingReason> {
    let alpha = alpha(inputs)?;
    let sequence = match inputs["sequential"] == true {
        true => Some(ConfidenceSequence::new(
            alpha,
            real(&inputs["tuning_parameter"]),
        )?),
        false => None,
    };
    let progress = Progress {
        standard_error: real(&inputs["standard_error"]),
        units: real(&inputs["n"]),
        planned_effect: real(&inputs["mde"]),
        alpha,
        sequence,
    };
    let remaining = progress.remaining(real(&inputs["target_power"]));
    Ok(json!({
        "power_now": number(progress.power_at(0.0)?),
        "power_at": number(progress.power_at(real(&inputs["probe_scaling_factor"]))?),
        "scaling_factor": remaining.map_or(Value::Null, |r| number(r.growth)),
        "additional_units": remaining.map_or(Value::Null, |r| number(r.units)),
    }))
}
