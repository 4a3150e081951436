//! Data quality: the sample ratio check, the pre-exposure balance check, and dimensions that no request sends.

use super::inputs::AnalysisInputs;
use super::metrics::MetricReport;
use crate::aggregates::{ExperimentAggregates, VariantAggregates};
use crate::experiment::Experiment;
use crate::ids::{DimensionKey, DimensionLabel, MetricKey, VariantKey};
use serde::Serialize;
use stats::{MissingReason, SequentialSplit, chi_squared_against_expected};

/// The threshold of the sample ratio check (Fabijan et al. 2019), which GrowthBook and Eppo use too.
const MISMATCH_P_VALUE: f64 = 0.001;
/// The threshold of the sequential test, which rejects in at most 1% of healthy experiments.
const SEQUENTIAL_MISMATCH_P_VALUE: f64 = 0.01;
/// The threshold of the pre-exposure balance check.
const IMBALANCE_P_VALUE: f64 = 0.001;
/// A variant with at least this many expected users and none assigned is broken: chance does not explain it.
const EXPECTED_AT_LEAST: f64 = 10.0;
/// With fewer users, a dimension can be rare by chance.
const USERS_FOR_DIMENSIONS: u64 = 100;
/// If fewer users have a value, one in this many, the requests that assign users do not send the dimension: a mistake of
/// the caller and not a property of the users.
const ONE_VALUE_IN: u64 = 100;

/// The checks on the data.
#[derive(Debug, Clone, Serialize)]
pub struct DataQuality {
    /// The sample ratio check.
    pub sample_ratio: SampleRatio,
    /// Variants with traffic and without users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants_without_users: Vec<VariantKey>,
    /// Whether the weights changed while users were assigned. Results over all phases then compare different kinds of
    /// users.
    pub weights_changed: bool,
    /// Metrics that differed before exposure; checked only if the request asks for CUPED.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_exposure_imbalance: Vec<PreExposureImbalance>,
    /// Declared dimensions that almost no user has a value of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dimensions_without_values: Vec<UnsentDimension>,
}

/// A declared dimension that almost no user has a value of.
#[derive(Debug, Clone, Serialize)]
pub struct UnsentDimension {
    /// The dimension.
    pub dimension: DimensionKey,
    /// Users of all variants.
    pub users: u64,
    /// Those of them with a value.
    pub users_with_value: u64,
}

/// A metric that differed before exposure.
#[derive(Debug, Clone, Serialize)]
pub struct PreExposureImbalance {
    /// The metric.
    pub metric: MetricKey,
    /// The variant.
    pub variant: VariantKey,
    /// Two-sided.
    pub p_value: f64,
}

/// The sample ratio check: assigned users against expected users.
#[derive(Debug, Clone, Serialize)]
pub struct SampleRatio {
    /// The result.
    pub verdict: SampleRatioVerdict,
    /// Users of each variant, in the order of the variants.
    pub observed: Vec<u64>,
    /// Expected users by the weights that held when users were assigned.
    pub expected: Vec<f64>,
    /// Pearson's statistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chi_squared: Option<f64>,
    /// P-value of the chi-squared test, valid for one reading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// The p-value below which the result is a mismatch.
    pub threshold: f64,
    /// The sequential test of the split. Missing if the weights changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequential_test: Option<SequentialSampleRatio>,
    /// Why there is no p-value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing: Option<MissingReason>,
}

/// The sequential test of the split.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SequentialSampleRatio {
    /// Natural logarithm of the Bayes factor of "wrong ratio" against "right ratio".
    pub ln_bayes_factor: f64,
    /// Always-valid p-value.
    pub p_value: f64,
    /// The p-value below which the result is a mismatch.
    pub threshold: f64,
}

/// The result of the sample ratio check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleRatioVerdict {
    /// The ratio is as expected.
    Ok,
    /// Users are lost or added in one variant, so comparisons cannot be trusted.
    Mismatch,
    /// There are too few users for the test.
    NotEnoughData,
}

impl DataQuality {
    pub(super) fn check(inputs: &AnalysisInputs<'_>, metrics: &[MetricReport]) -> Self {
        let (experiment, aggregates) = (inputs.experiment, inputs.aggregates);
        let sample_ratio = SampleRatio::check(experiment, aggregates);
        let variants = experiment.allocation.variants.as_slice().iter();
        let counts = sample_ratio.observed.iter().zip(&sample_ratio.expected);
        let variants_without_users = variants
            .zip(counts)
            .filter(|(_, (seen, expected))| **seen == 0 && **expected >= EXPECTED_AT_LEAST)
            .map(|(variant, _)| variant.key.clone())
            .collect();
        Self {
            variants_without_users,
            weights_changed: experiment.allocation.weights_changed()
                && phases_with_users(experiment, aggregates) > 1,
            pre_exposure_imbalance: imbalances(metrics),
            dimensions_without_values: unsent_dimensions(inputs),
            sample_ratio,
        }
    }
}

fn phases_with_users(experiment: &Experiment, aggregates: &ExperimentAggregates) -> usize {
    (0..experiment.allocation.phases.len())
        .filter(|phase| users_in_phase(aggregates, *phase) > 0)
        .count()
}

fn users_in_phase(aggregates: &ExperimentAggregates, phase: usize) -> u64 {
    let users = |variant: &VariantAggregates| variant.users_in_phase(phase);
    aggregates.variants.iter().map(users).sum()
}

/// The dimensions without values. One that the users are filtered by is not checked: its value follows from the request.
fn unsent_dimensions(inputs: &AnalysisInputs<'_>) -> Vec<UnsentDimension> {
    let filtered_by = inputs.request.filter.only.as_ref();
    let declared = inputs.experiment.analysis.dimensions.iter();
    let checked = declared.filter(|key| filtered_by.is_none_or(|only| only.by != key.as_str()));
    let counted = checked.map(|key| {
        let variants = inputs.aggregates.variants.iter();
        let values = variants.flat_map(|variant| &variant.dimensions);
        let values = values.filter(|(value, _)| value.by == key.as_str());
        let (mut users, mut users_with_value) = (0, 0);
        for (value, days) in values {
            let of_value: u64 = days.values().map(|cell| cell.users).sum();
            users += of_value;
            if value.value != DimensionLabel::NONE {
                users_with_value += of_value;
            }
        }
        UnsentDimension {
            dimension: key.clone(),
            users,
            users_with_value,
        }
    });
    let is_unsent = |found: &UnsentDimension| {
        found.users >= USERS_FOR_DIMENSIONS
            && found.users_with_value.saturating_mul(ONE_VALUE_IN) < found.users
    };
    counted.filter(is_unsent).collect()
}

fn imbalances(metrics: &[MetricReport]) -> Vec<PreExposureImbalance> {
    let mut imbalances = Vec::new();
    for metric in metrics {
        for comparison in &metric.comparisons {
            let covariates = comparison
                .cuped_adjusted
                .iter()
                .flat_map(|adjusted| &adjusted.pre_exposure);
            for covariate in covariates.filter(|covariate| covariate.p_value < IMBALANCE_P_VALUE) {
                imbalances.push(PreExposureImbalance {
                    metric: metric.metric.key.clone(),
                    variant: comparison.variant.clone(),
                    p_value: covariate.p_value,
                });
            }
        }
    }
    imbalances
}

impl SampleRatio {
    /// Checks the sample ratio. The weights of each phase give the expected users of that phase.
    pub fn check(experiment: &Experiment, aggregates: &ExperimentAggregates) -> Self {
        let observed: Vec<u64> = aggregates
            .variants
            .iter()
            .map(|variant| variant.users())
            .collect();
        let expected = expected(experiment, aggregates);
        let too_few = expected.iter().any(|users| *users > 0.0 && *users < 5.0);
        let test = if too_few {
            // Pearson's approximation needs five expected units in each cell.
            let fewest = observed.iter().copied().min().unwrap_or(0);
            Err(MissingReason::TooFewUnits {
                needed: 5,
                seen: fewest,
            })
        } else {
            chi_squared_against_expected(&observed, &expected)
        };
        let sequential_test = sequential_test(experiment, &observed);
        let alarm = sequential_test.is_some_and(|test| test.p_value < test.threshold);
        let (verdict, chi_squared, p_value, missing) = match test {
            Err(missing) => (SampleRatioVerdict::NotEnoughData, None, None, Some(missing)),
            Ok(test) => {
                let p = test.p_value.value();
                let verdict = if p < MISMATCH_P_VALUE || alarm {
                    SampleRatioVerdict::Mismatch
                } else {
                    SampleRatioVerdict::Ok
                };
                (verdict, Some(test.chi_squared), Some(p), None)
            }
        };
        Self {
            verdict,
            observed,
            expected,
            chi_squared,
            p_value,
            threshold: MISMATCH_P_VALUE,
            sequential_test,
            missing,
        }
    }
}

/// The sequential test allows one set of weights only.
fn sequential_test(experiment: &Experiment, observed: &[u64]) -> Option<SequentialSampleRatio> {
    if experiment.allocation.weights_changed() {
        return None;
    }
    let split = SequentialSplit::new(
        &experiment.allocation.variants.percents(),
        SequentialSplit::DEFAULT_CONCENTRATION,
    );
    let evidence = split.ok()?.evidence(observed).ok()?;
    Some(SequentialSampleRatio {
        ln_bayes_factor: evidence.ln_bayes_factor,
        p_value: evidence.p_value.value(),
        threshold: SEQUENTIAL_MISMATCH_P_VALUE,
    })
}

fn expected(experiment: &Experiment, aggregates: &ExperimentAggregates) -> Vec<f64> {
    let shares_now = experiment.allocation.variants.percents();
    let mut expected = vec![0.0; aggregates.variants.len()];
    for phase in 0..experiment.allocation.phases.len().max(1) {
        let shares = experiment
            .allocation
            .phases
            .get(phase)
            .map_or(&shares_now, |phase| &phase.percents);
        let total: f64 = shares.iter().sum();
        #[expect(clippy::cast_precision_loss, reason = "a count of users")]
        let users = users_in_phase(aggregates, phase) as f64;
        for (expected, share) in expected.iter_mut().zip(shares) {
            *expected += users * share / total;
        }
    }
    expected
}
