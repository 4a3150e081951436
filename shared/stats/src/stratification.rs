//! Post-stratification: the effect is computed within strata of a known attribute, which reduces the
//! variance (Miratrix, Sekhon & Yu 2013).
//!
//! The weight of a stratum is its share of all units. CUPED has the same purpose and needs fewer
//! aggregates, so it is preferred.

use super::effect::Effect;
use super::means::welch_degrees_of_freedom;
use super::missing::MissingReason;
use super::moments::Moments;
use super::proportion::Proportion;
use super::sample::Sample;

/// The two arms within one stratum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratum {
    control: StratumArm,
    treatment: StratumArm,
}

/// One arm within a stratum, with its sum of squared deviations: the variance times n - 1 for a mean,
/// times n for a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StratumArm {
    sample: Sample,
    deviations: f64,
}

impl Stratum {
    /// The stratum of a mean, from the samples of both arms.
    pub fn of_means(control: Sample, treatment: Sample) -> Self {
        let stratum_arm = |sample: Sample| StratumArm {
            sample,
            deviations: sample.variance() * (sample.n() - 1) as f64,
        };
        Self {
            control: stratum_arm(control),
            treatment: stratum_arm(treatment),
        }
    }

    /// The stratum of a conversion rate, from the proportions of both arms.
    ///
    /// # Errors
    /// [`MissingReason::TooFewUnits`] with fewer than two units in an arm.
    pub fn of_rates(control: &Proportion, treatment: &Proportion) -> Result<Self, MissingReason> {
        let stratum_arm = |arm: &Proportion| {
            let sample = arm.sample()?;
            Ok(StratumArm {
                sample,
                deviations: sample.variance() * sample.n() as f64,
            })
        };
        Ok(Self {
            control: stratum_arm(control)?,
            treatment: stratum_arm(treatment)?,
        })
    }
}

/// The stratified effect, absolute and relative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratified {
    /// Control mean, with each stratum weighted by its share of all units.
    pub baseline_mean: f64,
    /// Treatment minus control, in metric units. Its standard error treats the shares of the strata as
    /// random.
    pub absolute: Effect,
    /// Standard error of the absolute effect if the shares of the strata are fixed.
    pub absolute_standard_error_fixed_shares: f64,
    /// The absolute effect divided by |baseline mean|.
    pub relative: Result<Effect, MissingReason>,
    /// Standard error of the relative effect if the shares of the strata are fixed.
    pub relative_standard_error_fixed_shares: f64,
}

/// The effect over all strata.
///
/// # Errors
/// [`MissingReason::NoUnits`] without strata; [`MissingReason::ZeroVariance`] without variance;
/// [`MissingReason::Overflow`] if a result is not finite.
pub fn post_stratify(strata: &[Stratum]) -> Result<Stratified, MissingReason> {
    let units: f64 = strata.iter().map(stratum_units).sum();
    if units == 0.0 {
        return Err(MissingReason::NoUnits);
    }
    let mut sums = WeightedSums::default();
    for stratum in strata {
        sums.add(stratum, stratum_units(stratum) / units);
    }
    let (effect, baseline) = (sums.effect, sums.baseline);
    let spread = |squares: f64, a: f64, b: f64| (squares - a * b) / units;
    let effect_variance = sums.variance + spread(sums.effect_squares, effect, effect).max(0.0);
    let baseline_variance =
        sums.baseline_variance + spread(sums.baseline_squares, baseline, baseline).max(0.0);
    let covariance = -sums.baseline_variance + spread(sums.effect_baselines, effect, baseline);

    let degrees_of_freedom = Some(welch_degrees_of_freedom(
        &pooled(strata, |s| s.control)?,
        &pooled(strata, |s| s.treatment)?,
    )?);
    let seen = strata
        .iter()
        .map(|s| s.control.sample.n().saturating_add(s.treatment.sample.n()));
    let total = seen.fold(0_u64, u64::saturating_add);
    let relative_error = |effect_variance: f64, baseline_variance: f64, covariance: f64| {
        let lift = effect / baseline;
        (effect_variance + lift * lift * baseline_variance - 2.0 * lift * covariance)
            .max(0.0)
            .sqrt()
            / baseline.abs()
    };
    let relative = if baseline == 0.0 {
        Err(MissingReason::ZeroBaseline)
    } else {
        let error = relative_error(effect_variance, baseline_variance, covariance);
        Effect::new(effect / baseline.abs(), error, degrees_of_freedom, total)
    };
    let relative_standard_error_fixed_shares = if baseline == 0.0 {
        0.0
    } else {
        relative_error(
            sums.variance,
            sums.baseline_variance,
            -sums.baseline_variance,
        )
    };
    Ok(Stratified {
        baseline_mean: baseline,
        absolute: Effect::new(effect, effect_variance.sqrt(), degrees_of_freedom, total)?,
        absolute_standard_error_fixed_shares: sums.variance.sqrt(),
        relative,
        relative_standard_error_fixed_shares,
    })
}

fn stratum_units(stratum: &Stratum) -> f64 {
    stratum.control.sample.n() as f64 + stratum.treatment.sample.n() as f64
}

/// Sums over the strata, weighted by their shares of all units.
#[derive(Default)]
struct WeightedSums {
    effect: f64,
    baseline: f64,
    variance: f64,
    baseline_variance: f64,
    effect_squares: f64,
    baseline_squares: f64,
    effect_baselines: f64,
}

impl WeightedSums {
    fn add(&mut self, stratum: &Stratum, share: f64) {
        let effect = stratum.treatment.sample.mean_minus(&stratum.control.sample);
        let baseline = stratum.control.sample.mean();
        let control_variance = share * share * stratum.control.sample.mean_variance();
        self.effect += share * effect;
        self.baseline += share * baseline;
        self.variance +=
            control_variance + share * share * stratum.treatment.sample.mean_variance();
        self.baseline_variance += control_variance;
        self.effect_squares += share * effect * effect;
        self.baseline_squares += share * baseline * baseline;
        self.effect_baselines += share * effect * baseline;
    }
}

/// One arm over all strata, as one sample.
fn pooled(strata: &[Stratum], arm: fn(&Stratum) -> StratumArm) -> Result<Sample, MissingReason> {
    let samples = || strata.iter().map(|stratum| arm(stratum).sample);
    let n = samples().map(|s| s.n()).fold(0, u64::saturating_add);
    let mean: f64 = samples()
        .map(|s| s.mean() * (s.n() as f64 / n as f64))
        .sum();
    let within: f64 = strata.iter().map(|stratum| arm(stratum).deviations).sum();
    let between: f64 = samples()
        .map(|s| s.n() as f64 * (s.mean() - mean).powi(2))
        .sum();
    Sample::new(n, mean, (within + between) / (n as f64 - 1.0))
}

/// Creates strata from the exact moments (control, treatment) of each stratum.
///
/// A stratum in which an arm is empty or does not vary is merged into the largest stratum, so that
/// every stratum has a standard error.
///
/// # Errors
/// [`MissingReason::ZeroVariance`] if both arms vary in no stratum; [`MissingReason::Overflow`] if the
/// merged moments overflow.
pub fn usable_strata(strata: &[(Moments, Moments)]) -> Result<Vec<Stratum>, MissingReason> {
    let usable = |moments: &Moments| moments.variance().is_ok_and(|variance| variance > 0.0);
    let (mut kept, rest): (Vec<_>, Vec<_>) = strata
        .iter()
        .copied()
        .partition(|(control, treatment)| usable(control) && usable(treatment));
    let largest = kept
        .iter_mut()
        .max_by_key(|(c, t)| u128::from(c.n) + u128::from(t.n));
    let Some(largest) = largest else {
        return Err(MissingReason::ZeroVariance);
    };
    for (control, treatment) in rest {
        largest.0 = largest
            .0
            .checked_add(control)
            .ok_or(MissingReason::Overflow)?;
        largest.1 = largest
            .1
            .checked_add(treatment)
            .ok_or(MissingReason::Overflow)?;
    }
    kept.iter()
        .map(|(control, treatment)| Ok(Stratum::of_means(control.sample()?, treatment.sample()?)))
        .collect()
}
