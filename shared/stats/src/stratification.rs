//! Post-stratification: comparing like with like when a known trait explains much of the metric.
//!
//! Miratrix, Sekhon & Yu 2013. Each stratum counts with its share of all units. Adjusting by
//! covariates does the same with less bookkeeping and comes first.

use super::effect::Effect;
use super::means::welch_degrees_of_freedom;
use super::missing::MissingReason;
use super::moments::Moments;
use super::proportion::Proportion;
use super::sample::Sample;

/// The two arms within one stratum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratum {
    control: Part,
    treatment: Part,
}

/// One arm within a stratum, with its sum of squared deviations: (n - 1) variances for a mean, n
/// for a rate.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Part {
    sample: Sample,
    deviations: f64,
}

impl Stratum {
    /// From the arms' means within the stratum.
    pub fn of_means(control: Sample, treatment: Sample) -> Self {
        let part = |sample: Sample| Part {
            sample,
            deviations: sample.variance() * (sample.n() - 1) as f64,
        };
        Self {
            control: part(control),
            treatment: part(treatment),
        }
    }

    /// From the arms' conversions within the stratum; none with fewer than two units in an arm.
    pub fn of_rates(control: &Proportion, treatment: &Proportion) -> Result<Self, MissingReason> {
        let part = |arm: &Proportion| {
            let sample = arm.sample()?;
            Ok(Part {
                sample,
                deviations: sample.variance() * sample.n() as f64,
            })
        };
        Ok(Self {
            control: part(control)?,
            treatment: part(treatment)?,
        })
    }
}

/// The stratified effect, absolute and relative.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratified {
    /// Control mean with every stratum at its share of all units.
    pub baseline_mean: f64,
    /// Treatment minus control; its error allows for the shares being random too.
    pub absolute: Effect,
    /// Error of the absolute effect if the strata's shares are taken as given.
    pub absolute_standard_error_fixed_shares: f64,
    /// The effect over |baseline mean|.
    pub relative: Result<Effect, MissingReason>,
    /// Error of the relative effect if the strata's shares are taken as given.
    pub relative_standard_error_fixed_shares: f64,
}

/// Combines the strata; none without strata or without variation.
pub fn post_stratify(strata: &[Stratum]) -> Result<Stratified, MissingReason> {
    let units: f64 = strata.iter().map(stratum_units).sum();
    if units == 0.0 {
        return Err(MissingReason::NoUnits);
    }
    let mut sums = Sums::default();
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

#[derive(Default)]
struct Sums {
    effect: f64,
    baseline: f64,
    variance: f64,
    baseline_variance: f64,
    effect_squares: f64,
    baseline_squares: f64,
    effect_baselines: f64,
}

impl Sums {
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

/// One arm over all strata.
fn pooled(strata: &[Stratum], arm: fn(&Stratum) -> Part) -> Result<Sample, MissingReason> {
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

/// Strata from exact sums; those in which an arm is empty or does not vary join the largest one,
/// so that every stratum has an error. None when nothing usable remains.
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
