//! Whether the numbers can be trusted.

use super::metrics::MetricReport;
use crate::aggregates::{ExperimentAggregates, VariantAggregates};
use crate::experiment::Experiment;
use crate::ids::{MetricKey, VariantKey};
use serde::Serialize;
use stats::{MissingReason, SequentialSplit, chi_squared_against_expected};

/// Below this p-value a split is not chance (Fabijan et al. 2019); GrowthBook and Eppo alarm there too.
const MISMATCH_P_VALUE: f64 = 0.001;
/// The threshold of the sequential test, which rejects in at most 1 % of healthy experiments.
const SEQUENTIAL_MISMATCH_P_VALUE: f64 = 0.01;
/// Below this p-value the variants differed before the experiment began.
const BIAS_P_VALUE: f64 = 0.001;
/// So many users expected and none seen: a variant that nobody gets is broken, not unlucky.
const EXPECTED_AT_LEAST: f64 = 10.0;

/// Checks on the data.
#[derive(Debug, Clone, Serialize)]
pub struct DataQuality {
    /// Whether the variants got the users that they should have got.
    pub sample_ratio: SampleRatio,
    /// Variants with a share of the traffic and without users.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub variants_without_users: Vec<VariantKey>,
    /// Whether the variants' shares changed while users were assigned: sums over all of them then compare different
    /// kinds of users.
    pub weights_changed: bool,
    /// Differences that were there before the experiment; known only where the pre exposure was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub pre_exposure_imbalance: Vec<PreExposureImbalance>,
}

/// A metric that differed before the experiment.
#[derive(Debug, Clone, Serialize)]
pub struct PreExposureImbalance {
    /// Which metric.
    pub metric: MetricKey,
    /// Which variant.
    pub variant: VariantKey,
    /// Two-sided.
    pub p_value: f64,
}

/// The sample-ratio check: users seen against users expected.
#[derive(Debug, Clone, Serialize)]
pub struct SampleRatio {
    /// What to make of it.
    pub verdict: SampleRatioVerdict,
    /// Users of each variant, in the order of the variants.
    pub observed: Vec<u64>,
    /// What they should be, given the shares that held when users were assigned.
    pub expected: Vec<f64>,
    /// Pearson's statistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chi_squared: Option<f64>,
    /// Chance of a split at least as uneven, for one look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// At which p-value it is called a mismatch.
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
    /// Natural logarithm of how much better "the split is wrong" predicts the users than "it is right".
    pub ln_bayes_factor: f64,
    /// At any look at most as small as itself with that probability.
    pub p_value: f64,
    /// At which p-value it is called a mismatch.
    pub threshold: f64,
}

/// What to make of the split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SampleRatioVerdict {
    /// As expected.
    Ok,
    /// Something loses or adds users on one side: the comparison is not to be trusted.
    Mismatch,
    /// Too few users to tell.
    NotEnoughData,
}

impl DataQuality {
    pub(super) fn check(
        experiment: &Experiment,
        aggregates: &ExperimentAggregates,
        metrics: &[MetricReport],
    ) -> Self {
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
            pre_exposure_imbalance: biases(metrics),
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

fn biases(metrics: &[MetricReport]) -> Vec<PreExposureImbalance> {
    let mut biases = Vec::new();
    for metric in metrics {
        for comparison in &metric.comparisons {
            let before = comparison
                .cuped_adjusted
                .iter()
                .flat_map(|adjusted| &adjusted.pre_exposure);
            for covariate in before.filter(|covariate| covariate.p_value < BIAS_P_VALUE) {
                biases.push(PreExposureImbalance {
                    metric: metric.metric.key.clone(),
                    variant: comparison.variant.clone(),
                    p_value: covariate.p_value,
                });
            }
        }
    }
    biases
}

impl SampleRatio {
    /// Checks the split. Users of each phase are expected in the shares of that phase.
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

/// The sequential test knows one set of shares only.
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
