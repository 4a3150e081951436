//! Users, days, power and detectable lifts, for the fixed and the sequential method.

use super::PlanRequest;
use super::baseline::{Baseline, Expected};
use super::result::{Detectable, PowerAt, Size, VariantSize};
use crate::limits;
use stats::distributions::normal_upper_tail;
use stats::{
    self, Alpha, Alternative, Capacity, ConfidenceSequence, Goal, MIN_CONVERSIONS_PER_ARM,
    MIN_UNITS_PER_ARM, Missing, MissingReason,
};

/// Multiples of the minimum detectable effect whose power is reported.
const POWER_AT: [f64; 6] = [0.5, 0.75, 1.0, 1.25, 1.5, 2.0];
/// Weeks for which the detectable lift is reported.
const WEEKS: [u32; 6] = [1, 2, 3, 4, 6, 8];
/// The smallest number of users per variant that has a standard deviation.
const LEAST_USERS: f64 = 2.0;
/// The longest duration that is reported: a century.
const LONGEST_DAYS: f64 = 36_525.0;

/// How often results are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looks {
    /// Once, at the planned end.
    Once,
    /// At any time.
    Always,
}

/// Users of the control and of the smallest treatment, whose comparison has the least power.
#[derive(Debug, Clone, Copy)]
struct Arms {
    control: f64,
    treatment: f64,
}

impl PlanRequest {
    /// The number of treatments.
    pub(super) fn comparisons(&self) -> u32 {
        u32::try_from(self.design.variants.as_slice().len() - 1).unwrap_or(u32::MAX)
    }

    /// The size for this method.
    pub(super) fn size(&self, looks: Looks) -> Size {
        let users = match self.users_by_variant(looks) {
            Ok(users) => users,
            Err(why) => {
                return Size {
                    missing: vec![Missing { what: "users", why }],
                    ..Size::default()
                };
            }
        };
        let total: u64 = users.iter().sum();
        let (days, missing) = match self.days(total) {
            None => (None, Vec::new()),
            Some(Ok(days)) => (Some(days), Vec::new()),
            Some(Err(why)) => (None, vec![Missing { what: "days", why }]),
        };
        let fewest = users[1..].iter().min().map_or(0.0, |users| *users as f64);
        let arms = Arms {
            control: users[0] as f64,
            treatment: fewest,
        };
        let keys = self.design.variants.as_slice().iter();
        let variants = keys.zip(users).map(|(variant, users)| VariantSize {
            key: variant.key.clone(),
            users,
        });
        Size {
            users: Some(total),
            variants: variants.collect(),
            days,
            power: POWER_AT
                .map(|share| {
                    self.power_at(share * self.design.minimum_detectable_effect, arms, looks)
                })
                .to_vec(),
            missing,
        }
    }

    /// Whole users of each variant, so that the smallest treatment has enough.
    fn users_by_variant(&self, looks: Looks) -> Result<Vec<u64>, MissingReason> {
        let ratios = self.ratios();
        let ratio = smallest(&ratios[1..]);
        let expected = self
            .metric
            .baseline
            .with_lift(self.design.minimum_detectable_effect)?;
        let goal = Goal {
            ratio,
            power: self.design.power,
            ..Goal::usual(self.level()?)
        };
        let Expected {
            difference,
            variances,
        } = expected;
        let size = match looks {
            Looks::Once => stats::sample_size(difference, variances, &goal)?,
            Looks::Always => stats::sample_size_sequential(difference, variances, &goal)?,
        };
        let least = self.least(self.design.minimum_detectable_effect, looks);
        let control = size
            .control_exact
            .max(least.control)
            .max(least.treatment / ratio);
        let total = control * ratios.iter().sum::<f64>();
        if total > limits::MAX_PLANNED_USERS as f64 {
            return Err(MissingReason::Unreachable);
        }
        Ok(ratios
            .iter()
            .map(|ratio| (control * ratio).ceil() as u64)
            .collect())
    }

    /// Users of each variant per user of the control.
    fn ratios(&self) -> Vec<f64> {
        let control = self.design.variants.control().percent;
        let variants = self.design.variants.as_slice().iter();
        variants.map(|variant| variant.percent / control).collect()
    }

    /// Alpha of one comparison after Bonferroni's correction. It is valid under any dependence of the comparisons.
    fn level(&self) -> Result<Alpha, MissingReason> {
        Ok(Alpha::new(self.design.alpha)?.divided_by(self.comparisons()))
    }

    /// The level of a fixed test that is as strict as the confidence sequence at the planned end.
    ///
    /// It depends on alpha alone: at the size that a sequence is tuned to, half its interval is a fixed multiple of the
    /// standard error.
    fn level_at_the_end(&self, looks: Looks) -> Result<Alpha, MissingReason> {
        let level = self.level()?;
        if looks == Looks::Once {
            return Ok(level);
        }
        let planned = 1_000.0;
        let z = ConfidenceSequence::new(level, planned)?.half_width(1.0, planned)?;
        Alpha::new(2.0 * normal_upper_tail(z))
    }

    /// The number of users below which results give no finding.
    fn least(&self, lift: f64, looks: Looks) -> Arms {
        let least = match (looks, self.metric.baseline) {
            (Looks::Once, _) => [LEAST_USERS; 2],
            (Looks::Always, Baseline::Moments { .. }) => [MIN_UNITS_PER_ARM as f64; 2],
            (Looks::Always, Baseline::Rate { rate }) => [rate, rate * (1.0 + lift)]
                .map(|rate| MIN_CONVERSIONS_PER_ARM as f64 / rate.min(1.0 - rate)),
        };
        let [control, treatment] = least;
        Arms { control, treatment }
    }

    fn power_at(&self, lift: f64, arms: Arms, looks: Looks) -> PowerAt {
        let power = || {
            let expected = self.metric.baseline.with_lift(lift)?;
            let (control, treatment) = expected.variances;
            let error = (control / arms.control + treatment / arms.treatment).sqrt();
            let level = self.level_at_the_end(looks)?;
            stats::power(expected.difference, error, level, Alternative::TwoSided)
        };
        let (power, missing) = split(power());
        PowerAt {
            lift,
            power,
            missing,
        }
    }

    fn days(&self, users: u64) -> Option<Result<u64, MissingReason>> {
        let days = (users as f64 / self.design.enrolled_per_day()?).ceil();
        Some(if days <= LONGEST_DAYS {
            Ok(days as u64)
        } else {
            Err(MissingReason::Unreachable)
        })
    }

    /// The lifts that are detectable after some weeks; empty if the traffic is unknown.
    pub(super) fn detectable(&self) -> Vec<Detectable> {
        let Some(per_day) = self.design.enrolled_per_day() else {
            return Vec::new();
        };
        let ratios = self.ratios();
        let all: f64 = ratios.iter().sum();
        let after = |weeks: u32| {
            let users = (per_day * 7.0 * f64::from(weeks)).floor();
            let arms = Arms {
                control: users / all,
                treatment: users / all * smallest(&ratios[1..]),
            };
            let (fixed_lift, fixed) = split(self.smallest_lift(arms, Looks::Once));
            let (sequential_lift, sequential) = split(self.smallest_lift(arms, Looks::Always));
            let missing = |what, why: Option<MissingReason>| why.map(|why| Missing { what, why });
            let missing = [
                missing("fixed_lift", fixed),
                missing("sequential_lift", sequential),
            ];
            Detectable {
                weeks,
                users: users as u64,
                fixed_lift,
                sequential_lift,
                missing: missing.into_iter().flatten().collect(),
            }
        };
        WEEKS.map(after).to_vec()
    }

    /// The smallest detectable lift, in the direction of the planned one.
    fn smallest_lift(&self, arms: Arms, looks: Looks) -> Result<f64, MissingReason> {
        enough(arms, self.least(0.0, looks))?;
        let capacity = Capacity {
            control: arms.control,
            treatment: arms.treatment,
            alpha: self.level_at_the_end(looks)?,
            power: self.design.power,
        };
        let rises = self.design.minimum_detectable_effect > 0.0;
        let lift = match self.metric.baseline {
            Baseline::Rate { rate } => {
                let rates = stats::detectable_rates(rate, &capacity)?;
                let found = if rises { rates.up } else { rates.down };
                (found.ok_or(MissingReason::Unreachable)? - rate) / rate
            }
            Baseline::Moments {
                mean,
                standard_deviation,
            } => {
                let lift = stats::detectable_mean(standard_deviation, &capacity)? / mean.abs();
                if rises { lift } else { -lift }
            }
        };
        // The lift of a rate near 0 can be beyond every number.
        if !lift.is_finite() {
            return Err(MissingReason::Overflow);
        }
        // A metric cannot fall by more than 100%.
        if lift <= -1.0 {
            return Err(MissingReason::Unreachable);
        }
        enough(arms, self.least(lift, looks))?;
        Ok(lift)
    }
}

fn smallest(ratios: &[f64]) -> f64 {
    ratios.iter().copied().fold(f64::INFINITY, f64::min)
}

fn enough(arms: Arms, least: Arms) -> Result<(), MissingReason> {
    let checked = [
        (arms.control, least.control),
        (arms.treatment, least.treatment),
    ];
    match checked.into_iter().find(|(users, least)| users < least) {
        None => Ok(()),
        Some((users, least)) => Err(MissingReason::TooFewUnits {
            needed: least.ceil() as u64,
            seen: users as u64,
        }),
    }
}

fn split<T>(result: Result<T, MissingReason>) -> (Option<T>, Option<MissingReason>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(why) => (None, Some(why)),
    }
}
