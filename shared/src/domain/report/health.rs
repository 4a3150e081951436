//! Whether the variants got the users that they should have got.

use crate::domain::experiment::Experiment;
use crate::domain::fold::Tally;
use crate::stats::{Undefined, chi_squared_against_expected};
use serde::Serialize;

/// Below this p-value a split is not chance (Fabijan et al. 2019); GrowthBook and Eppo alarm there too.
const MISMATCH_P_VALUE: f64 = 0.001;

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
    /// Chance of a split at least as uneven.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// At which p-value it is called a mismatch.
    pub threshold: f64,
    /// Why there is no p-value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undefined: Option<Undefined>,
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

impl SampleRatio {
    /// Checks the split. Users of each phase are expected in the shares of that phase.
    pub fn check(experiment: &Experiment, tally: &Tally) -> Self {
        let observed: Vec<u64> = tally
            .variants
            .iter()
            .map(|variant| variant.users())
            .collect();
        let expected = expected(experiment, tally);
        let too_few = expected.iter().any(|users| *users > 0.0 && *users < 5.0);
        let test = if too_few {
            // Pearson's approximation needs five expected units in each cell.
            let fewest = observed.iter().copied().min().unwrap_or(0);
            Err(Undefined::TooFewUnits {
                needed: 5,
                seen: fewest,
            })
        } else {
            chi_squared_against_expected(&observed, &expected)
        };
        let (verdict, chi_squared, p_value, undefined) = match test {
            Err(undefined) => (
                SampleRatioVerdict::NotEnoughData,
                None,
                None,
                Some(undefined),
            ),
            Ok(test) => {
                let p = test.p_value.value();
                let verdict = if p < MISMATCH_P_VALUE {
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
            undefined,
        }
    }
}

fn expected(experiment: &Experiment, tally: &Tally) -> Vec<f64> {
    let shares_now: Vec<f64> = experiment
        .variants
        .as_slice()
        .iter()
        .map(|variant| variant.percent)
        .collect();
    let mut expected = vec![0.0; tally.variants.len()];
    for phase in 0..experiment.phases.len().max(1) {
        let users: u64 = tally
            .variants
            .iter()
            .filter_map(|variant| variant.users_by_phase.get(phase))
            .sum();
        let shares = experiment
            .phases
            .get(phase)
            .map_or(&shares_now, |phase| &phase.percents);
        let total: f64 = shares.iter().sum();
        for (expected, share) in expected.iter_mut().zip(shares) {
            #[expect(clippy::cast_precision_loss, reason = "a count of users")]
            let users = users as f64;
            *expected += users * share / total;
        }
    }
    expected
}
