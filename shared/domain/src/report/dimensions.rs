//! Results by dimension: whether the effect differs between groups of users.

use super::arm::Arm;
use super::effects::{Bounds, Effects};
use super::fixed::{self, RelativeDifference};
use super::inputs::AnalysisInputs;
use super::pair::Pair;
use super::request::Breakdown;
use crate::aggregates::{
    AggregateCell, DimensionValue, ExperimentAggregates, VariantAggregates, sum_of,
};
use crate::experiment::Experiment;
use crate::ids::{DimensionKey, DimensionLabel, VariantKey};
use crate::metric::Metric;
use crate::sums::Overflow;
use serde::Serialize;
use stats::{
    Effect, MissingReason, Moments, PValue, heterogeneity, holm, post_stratify, usable_strata,
};
use std::collections::{BTreeMap, BTreeSet};

/// Values of a dimension that are shown, the largest groups. Users with other values form one group,
/// [`DimensionLabel::OTHERS`], which also has the values without aggregates of their own. The users without a value,
/// [`DimensionLabel::NONE`], are a group beside them.
const MAX_VALUES: usize = 50;

/// The results of one comparison by one dimension.
#[derive(Debug, Clone, Serialize)]
pub struct DimensionReport {
    /// The dimension.
    pub by: String,
    /// The variant.
    pub variant: VariantKey,
    /// The variant that it is compared with.
    pub baseline: VariantKey,
    /// Whether the lifts differ at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub heterogeneity: Option<HeterogeneityReport>,
    /// The values whose effect differs from the others: the test of heterogeneity rejects, and the value's own test
    /// rejects after the correction.
    pub different: Vec<String>,
    /// The post-stratified difference: each group weighted by its share of all users.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stratified: Option<Bounds>,
    /// The results per value, the largest group first.
    pub values: Vec<DimensionComparison>,
}

/// Cochran's test of heterogeneity.
#[derive(Debug, Clone, Serialize)]
pub struct HeterogeneityReport {
    /// Weighted squared distances from the common lift.
    pub q: f64,
    /// Number of groups less one.
    pub degrees_of_freedom: u32,
    /// The p-value of Q.
    pub p_value: f64,
    /// Share of the variation between groups that is not chance, 0 to 1.
    pub i_squared: f64,
}

/// The results of one group, by the fixed method.
#[derive(Debug, Clone, Serialize)]
pub struct DimensionComparison {
    /// The value of the dimension.
    pub value: String,
    /// Users in the baseline and in the variant.
    pub users: [u64; 2],
    /// The metric's value in the baseline and in the variant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub means: Option<[f64; 2]>,
    /// The lift with its interval, for this group alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relative: Option<RelativeDifference>,
    /// Two-sided p-value of the fixed method, for this group alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The p-value corrected for the number of groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjusted_p_value: Option<f64>,
    /// The p-value of the difference from all other groups, corrected for their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub different_p_value: Option<f64>,
    /// Why something is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

/// For each dimension its values, the largest first, with the sums of each variant.
pub(super) type Breakdowns = Vec<(String, Vec<(String, Vec<AggregateCell>)>)>;

pub(super) fn reports(
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    breakdowns: &Breakdowns,
) -> Vec<DimensionReport> {
    let mut reports = Vec::new();
    for (by, values) in breakdowns {
        for variant in inputs.others() {
            reports.extend(report(inputs, metric, by, values, variant));
        }
    }
    reports
}

/// The groups of the requested dimensions. They are the same for every metric.
pub(super) fn breakdowns(
    experiment: &Experiment,
    aggregates: &ExperimentAggregates,
    breakdown: &Breakdown,
) -> Result<Breakdowns, Overflow> {
    let variants = &aggregates.variants;
    let wanted = |by: &str| match breakdown {
        Breakdown::All => true,
        Breakdown::None => false,
        Breakdown::By(wanted) => *wanted == *by,
    };
    let known: BTreeSet<&DimensionValue> = variants
        .iter()
        .flat_map(|variant| variant.dimensions.keys())
        .filter(|dimension| wanted(&dimension.by))
        .collect();
    let mut parts = BTreeMap::<String, BTreeMap<String, Vec<AggregateCell>>>::new();
    for dimension in known {
        let cell = |variant: &VariantAggregates| {
            let days = variant.dimensions.get(dimension);
            sum_of(days.iter().flat_map(|days| days.values()))
        };
        let cells = variants.iter().map(cell).collect::<Result<_, _>>()?;
        let values = parts.entry(dimension.by.clone()).or_default();
        values.insert(dimension.value.clone(), cells);
    }
    if experiment.allocation.weights_changed() && wanted(DimensionKey::PHASE) {
        let values = parts.entry(DimensionKey::PHASE.to_owned()).or_default();
        for phase in 0..experiment.allocation.phases.len() {
            if variants
                .iter()
                .any(|variant| variant.users_in_phase(phase) > 0)
            {
                let cell = |variant: &VariantAggregates| {
                    let cells = variant.days.iter().filter(|((_, of), _)| *of == phase);
                    sum_of(cells.map(|(_, cell)| cell))
                };
                let cells = variants.iter().map(cell).collect::<Result<_, _>>()?;
                values.insert((phase + 1).to_string(), cells);
            }
        }
    }
    let largest_first = |(by, values)| Ok((by, largest(values)?));
    parts.into_iter().map(largest_first).collect()
}

fn largest(
    values: BTreeMap<String, Vec<AggregateCell>>,
) -> Result<Vec<(String, Vec<AggregateCell>)>, Overflow> {
    let users = |cells: &Vec<AggregateCell>| cells.iter().map(|cell| cell.users).sum::<u64>();
    let (mut rest, mut values): (Vec<_>, Vec<_>) = values
        .into_iter()
        .partition(|(value, _)| value == DimensionLabel::OTHERS);
    values.sort_by(|a, b| users(&b.1).cmp(&users(&a.1)).then_with(|| a.0.cmp(&b.0)));
    let mut own = 0;
    let (mut values, small): (Vec<_>, Vec<_>) = values.into_iter().partition(|(value, _)| {
        let is_own = value != DimensionLabel::NONE;
        own += usize::from(is_own);
        !is_own || own <= MAX_VALUES
    });
    rest.extend(small);
    if !rest.is_empty() {
        let mut others: Vec<AggregateCell> = Vec::new();
        for (_, cells) in rest {
            others.resize_with(cells.len().max(others.len()), AggregateCell::default);
            for (sum, cell) in others.iter_mut().zip(&cells) {
                sum.add(cell)?;
            }
        }
        values.push((DimensionLabel::OTHERS.to_owned(), others));
    }
    Ok(values)
}

fn report(
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    by: &str,
    values: &[(String, Vec<AggregateCell>)],
    variant: usize,
) -> Option<DimensionReport> {
    let mut compared = Vec::new();
    let mut effects = Vec::new();
    let mut strata = Vec::new();
    let mut keys = None;
    for (value, cells) in values {
        let arms = inputs.arms(metric, |index| cells.get(index));
        let (control, treatment) = (arms.get(inputs.baseline)?, arms.get(variant)?);
        keys = Some((treatment.key.clone(), control.key.clone()));
        let (comparison, effect) = compare(inputs, metric, value, control, treatment);
        effects.extend(effect.map(|effect| (compared.len(), effect)));
        compared.push(comparison);
        strata.push((moments(control), moments(treatment)));
    }
    let (variant, baseline) = keys?;
    correct(&mut compared);
    let plain: Vec<Effect> = effects.iter().map(|(_, effect)| *effect).collect();
    let found = heterogeneity(&plain).ok();
    let mut different = Vec::new();
    if let Some(found) = &found {
        for ((place, _), deviation) in effects.iter().zip(&found.subgroups) {
            if let Some(part) = compared.get_mut(*place) {
                part.different_p_value = Some(deviation.adjusted_p_value.value());
            }
        }
        for index in found.different_subgroups(inputs.settings.alpha) {
            let part = effects
                .get(index)
                .and_then(|(place, _)| compared.get(*place));
            different.extend(part.map(|part| part.value.clone()));
        }
    }
    Some(DimensionReport {
        by: by.to_owned(),
        variant,
        baseline,
        heterogeneity: found.map(|found| HeterogeneityReport {
            q: found.q,
            degrees_of_freedom: found.degrees_of_freedom,
            p_value: found.p_value.value(),
            i_squared: found.i_squared,
        }),
        different,
        stratified: stratified(metric, &strata, inputs.settings.alpha),
        values: compared,
    })
}

fn moments(arm: &Arm<'_>) -> Moments {
    arm.sums.moments(0, arm.users)
}

/// Ratios and quantiles are no means over users, so they cannot be post-stratified.
fn stratified(
    metric: &Metric,
    strata: &[(Moments, Moments)],
    alpha: stats::Alpha,
) -> Option<Bounds> {
    use crate::metric::MetricKind::{Quantile, Ratio};
    if matches!(metric.kind, Ratio { .. } | Quantile { .. }) || strata.len() < 2 {
        return None;
    }
    let combined = post_stratify(&usable_strata(strata).ok()?).ok()?;
    let interval = combined.absolute.interval(alpha).ok()?;
    Some(Bounds::new(combined.absolute.value(), interval))
}

fn compare(
    inputs: &AnalysisInputs<'_>,
    metric: &Metric,
    value: &str,
    control: &Arm<'_>,
    treatment: &Arm<'_>,
) -> (DimensionComparison, Option<Effect>) {
    let alpha = inputs.settings.alpha;
    let pair = Pair {
        metric,
        control,
        treatment,
        alpha,
    };
    let mut part = DimensionComparison {
        value: value.to_owned(),
        users: [control.users, treatment.users],
        means: pair.values().ok(),
        relative: None,
        p_value: None,
        adjusted_p_value: None,
        different_p_value: None,
        missing: None,
    };
    let effects = match Effects::of(&pair) {
        Ok(effects) => effects,
        Err(why) => {
            part.missing = Some(why);
            return (part, None);
        }
    };
    match fixed::lift(&pair, alpha) {
        Ok(relative) => part.relative = Some(relative),
        Err(why) => part.missing = Some(why),
    }
    match fixed::absolute(&pair, alpha) {
        Ok(test) => part.p_value = Some(test.p_value),
        Err(why) => part.missing = Some(why),
    }
    (part, effects.relative.ok())
}

fn correct(parts: &mut [DimensionComparison]) {
    let p_values: Vec<Option<PValue>> = parts
        .iter()
        .map(|part| part.p_value.and_then(PValue::new))
        .collect();
    for (part, adjusted) in parts.iter_mut().zip(holm(&p_values)) {
        part.adjusted_p_value = adjusted.map(PValue::value);
    }
}
