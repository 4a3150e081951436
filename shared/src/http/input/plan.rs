//! The body of `POST /experiments/plan`, and the plan of an experiment.

mod earlier;

pub use earlier::EarlierExperimentRequest;

use super::allocation::variants;
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::Problem;
use domain::Invalid;
use domain::allocation::{self, Variant, Variants};
use domain::ids::{MetricKey, VariantKey};
use domain::plan::{self, Baseline, Design, Plan, PlanRequest, PlannedKind, PlannedMetric};
use earlier::EarlierMetric;
use stats::MissingReason;

/// The JSON pointer of the minimum detectable effect.
const MINIMUM_DETECTABLE_EFFECT: &str = "/minimum_detectable_effect";
const FIELDS: &str =
    "metric, minimum_detectable_effect, variants, traffic_percent, users_per_day, alpha, power";

/// A plan request, as far as the body is enough for it.
#[derive(Debug)]
pub enum Asked {
    /// The body has all numbers.
    Given(PlanRequest),
    /// The baseline is a metric of an earlier experiment.
    Earlier(EarlierExperimentRequest),
}

/// Reads a plan request.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str) -> Result<Asked, Problem> {
    let mut faults = Faults::default();
    let asked = asked(&Node::root(text), &mut faults);
    faults.check(asked)
}

fn asked(body: &Node<'_>, faults: &mut Faults) -> Option<Asked> {
    let mut body = body.object(faults)?;
    let metric = body
        .required("metric", faults)
        .and_then(|node| metric(&node, faults));
    let aim = Aim::read(&mut body, "", faults);
    let variants = match body.optional("variants") {
        Some(node) => served_variants(&node, faults),
        None => two_equal(),
    };
    let traffic_percent = body
        .optional("traffic_percent")
        .map(|node| node.number(faults, traffic));
    let users_per_day = body
        .optional("users_per_day")
        .map(|node| node.number(faults, |text| plan::users(text, 1)));
    body.finish(faults, FIELDS);
    if let (Some(Metric::Given(metric)), Some(lift)) = (&metric, aim.minimum_detectable_effect)
        && let Err(invalid) = metric.baseline.can_change(lift)
    {
        faults.push(MINIMUM_DETECTABLE_EFFECT, invalid);
    }
    let design = Design {
        minimum_detectable_effect: aim.minimum_detectable_effect?,
        variants: variants?,
        traffic_percent: traffic_percent.unwrap_or(Some(100.0))?,
        users_per_day: users_per_day.map_or(Some(None), |users| users.map(Some))?,
        alpha: aim.alpha?,
        power: aim.power?,
    };
    Some(match metric? {
        Metric::Given(metric) => Asked::Given(PlanRequest { metric, design }),
        Metric::Earlier(metric) => Asked::Earlier(EarlierExperimentRequest { metric, design }),
    })
}

/// Reads the plan of an experiment.
pub(super) fn plan(node: &Node<'_>, faults: &mut Faults) -> Option<Plan> {
    let mut fields = node.object(faults)?;
    let metric = fields
        .optional("metric")
        .map(|node| node.text(faults, MetricKey::parse));
    let aim = Aim::read(&mut fields, node.pointer(), faults);
    let users = fields
        .required("users", faults)
        .and_then(|node| node.number(faults, |text| plan::users(text, 2)));
    fields.finish(
        faults,
        "metric, minimum_detectable_effect, alpha, power, users",
    );
    Some(Plan {
        metric: metric.map_or(Some(None), |metric| metric.map(Some))?,
        minimum_detectable_effect: aim.minimum_detectable_effect?,
        alpha: aim.alpha?,
        power: aim.power?,
        users: users?,
    })
}

/// The fields that plan requests and plans have in common.
struct Aim {
    minimum_detectable_effect: Option<f64>,
    alpha: Option<f64>,
    power: Option<f64>,
}

impl Aim {
    /// Takes the fields from the object at `pointer`.
    fn read(fields: &mut Object<'_>, pointer: &str, faults: &mut Faults) -> Self {
        let minimum_detectable_effect = fields
            .required("minimum_detectable_effect", faults)
            .and_then(|node| node.number(faults, plan::minimum_detectable_effect));
        let alpha = fields
            .optional("alpha")
            .map_or(Some(plan::USUAL_ALPHA), |node| {
                node.number(faults, plan::alpha)
            });
        let power = fields
            .optional("power")
            .map_or(Some(plan::USUAL_POWER), |node| {
                node.number(faults, plan::power)
            });
        if let (Some(alpha), Some(power)) = (alpha, power)
            && let Err(invalid) = plan::power_exceeds(alpha, power)
        {
            faults.push(format!("{pointer}/power"), invalid);
        }
        Self {
            minimum_detectable_effect,
            alpha,
            power,
        }
    }
}

enum Metric {
    Given(PlannedMetric),
    Earlier(EarlierMetric),
}

fn metric(node: &Node<'_>, faults: &mut Faults) -> Option<Metric> {
    let mut fields = node.object(faults)?;
    let experiment = fields.optional("experiment_id");
    // Without an experiment a `metric` beside a `kind` is a misspelt `key`.
    if experiment.is_some() || (fields.has("metric") && !fields.has("kind")) {
        return earlier::metric(experiment, fields, faults).map(Metric::Earlier);
    }
    let kind = fields
        .required("kind", faults)
        .and_then(|node| node.choice(faults, &PlannedKind::ALL));
    let key = fields
        .optional("key")
        .map(|node| node.text(faults, MetricKey::parse));
    let mut value = |name, faults: &mut Faults, read: fn(&str) -> Result<f64, Invalid>| {
        let node = fields.required(name, faults);
        node.and_then(|node| node.number(faults, read))
    };
    let (baseline, known) = match kind {
        None => {
            // Without a kind, neither the required fields nor their faults are known.
            for name in ["rate", "mean", "standard_deviation"] {
                fields.optional(name);
            }
            fields.finish(faults, "kind, key, rate, mean, standard_deviation");
            return None;
        }
        Some(PlannedKind::Conversion) => {
            let rate = value("rate", faults, plan::rate);
            (rate.map(Baseline::of_rate), "kind, key, rate")
        }
        Some(_) => {
            let mean = value("mean", faults, plan::mean);
            let deviation = value("standard_deviation", faults, plan::standard_deviation);
            let both = mean.zip(deviation);
            let baseline = both.map(|(mean, deviation)| Baseline::of_moments(mean, deviation));
            (baseline, "kind, key, mean, standard_deviation")
        }
    };
    fields.finish(faults, known);
    let refused = |why: MissingReason| Invalid::new("out_of_range", why.to_string());
    Some(Metric::Given(PlannedMetric {
        kind: kind?,
        key: key.map_or(Some(None), |key| key.map(Some))?,
        baseline: baseline?
            .map_err(|why| faults.push(node.pointer(), refused(why)))
            .ok()?,
        source: None,
    }))
}

/// Variants with weights above 0: a variant without users is never compared.
fn served_variants(node: &Node<'_>, faults: &mut Faults) -> Option<Variants> {
    let variants = variants(node, faults)?;
    let mut served = true;
    for (index, variant) in variants.as_slice().iter().enumerate() {
        if variant.percent == 0.0 {
            let detail = "Must be above 0 in a plan: leave out variants without users.";
            let pointer = format!("{}/{index}/percent", node.pointer());
            faults.push(pointer, Invalid::new("out_of_range", detail));
            served = false;
        }
    }
    served.then_some(variants)
}

/// The default variants of a plan request.
fn two_equal() -> Option<Variants> {
    let variant = |key| {
        Some(Variant {
            key: VariantKey::parse(key).ok()?,
            percent: 50.0,
            name: None,
        })
    };
    Variants::new(vec![variant("control")?, variant("treatment")?]).ok()
}

fn traffic(text: &str) -> Result<f64, Invalid> {
    match allocation::percent(text)? {
        0.0 => Err(Invalid::new(
            "out_of_range",
            "Must be above 0, otherwise no user takes part.",
        )),
        percent => Ok(percent),
    }
}
