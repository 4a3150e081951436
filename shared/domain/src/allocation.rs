//! The allocation of users to variants: traffic, weights and phases.

use super::bucketing::{self, HashVersion};
use super::condition::Condition;
use super::holdout::Holdout;
use super::ids::{ExperimentId, UnitKind, UserId, VariantKey};
use super::layer::LayerShare;
use super::overrides::Override;
use super::ramp::{Ramp, RampHold};
use super::time::Timestamp;
use super::{Invalid, limits};
use serde::{Deserialize, Serialize};

/// A variant of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique within the experiment.
    pub key: VariantKey,
    /// Its weight: the percentage of enrolled users that get it. With 0 no new user gets it.
    pub percent: f64,
    /// A name for readers.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// The variants of an experiment: at least two, with unique keys and weights that add up to 100.
/// The first is the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Variant>", into = "Vec<Variant>")]
pub struct Variants(Vec<Variant>);

/// How far the weights may miss 100: three thirds are written 33.33.
const SUM_TOLERANCE: f64 = 0.01 + 1e-9;
/// A smaller gap is a rounding error of binary fractions: 10,000 bucket values are much further apart.
const LEAST_GAP: f64 = 1e-9;

impl Variants {
    /// The variants, if they are valid together.
    ///
    /// # Errors
    /// Every fault with the index of its variant; `None` for a fault of the set.
    pub fn new(variants: Vec<Variant>) -> Result<Self, Vec<(Option<usize>, Invalid)>> {
        let mut faults = Vec::new();
        if variants.len() < 2 || variants.len() > limits::MAX_VARIANTS {
            faults.push((
                None,
                Invalid::new(
                    "wrong_number",
                    format!(
                        "An experiment has 2 to {} variants; the first is the control.",
                        limits::MAX_VARIANTS
                    ),
                ),
            ));
        }
        for (index, variant) in variants.iter().enumerate() {
            if variants[..index]
                .iter()
                .any(|earlier| earlier.key == variant.key)
            {
                let detail = format!(
                    "The key `{}` is used more than once; keys must be unique.",
                    variant.key
                );
                faults.push((Some(index), Invalid::new("duplicate_key", detail)));
            }
        }
        let percents = variants.iter().map(|variant| variant.percent);
        faults.extend(fault_of_sum(percents).map(|why| (None, why)));
        if faults.is_empty() {
            Ok(Self(variants))
        } else {
            Err(faults)
        }
    }

    /// The control, which the others are compared with.
    pub fn control(&self) -> &Variant {
        &self.0[0]
    }

    /// All of them, the control first.
    pub fn as_slice(&self) -> &[Variant] {
        &self.0
    }

    /// The weights in percent, in the order of the variants.
    pub fn percents(&self) -> Vec<f64> {
        self.0.iter().map(|variant| variant.percent).collect()
    }

    /// The weights as fractions of 1, as GrowthBook's SDKs take them. They cover all bucket values: if the percentages add
    /// up to less than 100, the last variant with a share also gets the rest.
    pub fn weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.0.len()];
        self.write_weights(&mut weights);
        weights
    }

    fn write_weights(&self, weights: &mut [f64]) {
        for (weight, variant) in weights.iter_mut().zip(&self.0) {
            *weight = variant.percent / 100.0;
        }
        let gap = 1.0 - weights.iter().sum::<f64>();
        if let Some(last) = weights.iter_mut().rev().find(|weight| **weight > 0.0)
            && gap > LEAST_GAP
        {
            *last += gap;
        }
    }

    /// The keys in a sentence.
    pub fn listed(&self) -> String {
        let keys = self.0.iter().map(|variant| format!("`{}`", variant.key));
        keys.collect::<Vec<_>>().join(", ")
    }

    /// The overrides that name none of these variants, by index.
    pub fn unknown_in(&self, overrides: &[Override]) -> Vec<(usize, Invalid)> {
        let all = overrides.iter().enumerate();
        let unknown = all.filter(|(_, each)| self.position(&each.variant).is_none());
        let fault = |(index, each): (usize, &Override)| {
            let detail = format!(
                "There is no variant `{}`; the variants are {}.",
                each.variant,
                self.listed()
            );
            (index, Invalid::new("unknown_variant", detail))
        };
        unknown.map(fault).collect()
    }

    /// The index of a key.
    pub fn position(&self, key: &VariantKey) -> Option<usize> {
        self.0.iter().position(|variant| variant.key == *key)
    }

    /// The variant whose range contains the user's bucket value; none if the user is outside the traffic.
    ///
    /// `traffic_percent` is the percentage of all users that take part.
    pub fn choose(&self, seed: &str, user: &UserId, traffic_percent: f64) -> Option<&Variant> {
        let coverage = traffic_percent / 100.0;
        let mut weights = [0.0; limits::MAX_VARIANTS];
        let weights = weights.get_mut(..self.0.len())?;
        self.write_weights(weights);
        let value = bucketing::bucket_value(seed, user.as_str(), HashVersion::V2);
        let ranges = bucketing::ranges_of(coverage, weights);
        bucketing::choose_among(value, ranges).and_then(|index| self.0.get(index))
    }
}

/// The fault of weights in percent that do not add up to 100.
pub(crate) fn fault_of_sum(percents: impl Iterator<Item = f64> + Clone) -> Option<Invalid> {
    let sum: f64 = percents.clone().sum();
    ((sum - 100.0).abs() > SUM_TOLERANCE).then(|| {
        let detail = format!(
            "The percentages add up to {}; they must add up to 100 (to 0.01).",
            decimal_sum(percents)
        );
        Invalid::new("wrong_sum", detail)
    })
}

/// The sum of the percentages as decimals, without the errors of binary fractions. Digits beyond the twelfth after the
/// point are left out.
fn decimal_sum(percents: impl Iterator<Item = f64>) -> String {
    const SCALE: i128 = 1_000_000_000_000;
    let scaled = |percent: f64| -> i128 {
        let text = format!("{percent:.12}").replace('.', "");
        text.parse().unwrap_or_default()
    };
    let sum: i128 = percents.map(scaled).sum();
    let text = format!("{}.{:012}", sum / SCALE, sum % SCALE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl TryFrom<Vec<Variant>> for Variants {
    type Error = Invalid;
    fn try_from(variants: Vec<Variant>) -> Result<Self, Invalid> {
        Self::new(variants).map_err(|mut faults| faults.remove(0).1)
    }
}

impl From<Variants> for Vec<Variant> {
    fn from(variants: Variants) -> Self {
        variants.0
    }
}

/// Which users take part in an experiment, and which variant each of them gets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allocation {
    /// What is assigned: users, or units of another kind.
    #[serde(skip_serializing_if = "UnitKind::is_user", default)]
    pub unit: UnitKind,
    /// The variants, the control first.
    pub variants: Variants,
    /// Percentage of all users that take part, until the first step of the ramp. Raising it moves no user to another
    /// variant.
    pub traffic_percent: f64,
    /// Scheduled changes of the traffic.
    #[serde(skip_serializing_if = "Ramp::is_empty", default)]
    pub ramp: Ramp,
    /// Why no step of the ramp begins at present.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub ramp_hold: Option<RampHold>,
    /// The traffic from before the current step, if a worse guardrail brings it back.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub roll_back_percent: Option<f64>,
    /// Seed of the hash. Another seed assigns users anew.
    pub hash_seed: String,
    /// Which users take part: those in a part of a layer. Without a layer, all do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layer: Option<LayerShare>,
    /// The holdouts that were running at the first start. Their users do not take part.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub holdouts: Vec<ExperimentId>,
    /// The scope of an experiment that is a holdout itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub holdout: Option<Holdout>,
    /// Which users take part: those whose attributes match. Without a condition, all do.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub targeting: Option<Condition>,
    /// Variants for testers. The first that applies holds.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub overrides: Vec<Override>,
    /// The variant that all users get since the experiment was stopped.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub release: Option<Release>,
    /// The allocations of the past, the current one, and those of the ramp's steps to come, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phases: Vec<Phase>,
}

/// The release of a variant to all users. They are not enrolled, so results keep the users from before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// The variant.
    pub variant: VariantKey,
    /// When it was released.
    pub released_at: Timestamp,
}

/// A period with constant traffic and weights. An experiment keeps all of them, because the sample ratio check compares
/// each period with the weights that held in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// When it began.
    pub since: Timestamp,
    /// Percentage of all users that take part.
    pub traffic_percent: f64,
    /// Weight of each variant in percent, in the order of the variants.
    pub percents: Vec<f64>,
}

impl Allocation {
    /// An allocation that has not been used yet.
    pub fn new(variants: Variants, traffic_percent: f64, hash_seed: String) -> Self {
        Self {
            unit: UnitKind::default(),
            variants,
            traffic_percent,
            ramp: Ramp::default(),
            ramp_hold: None,
            roll_back_percent: None,
            hash_seed,
            layer: None,
            holdouts: Vec::new(),
            holdout: None,
            targeting: None,
            overrides: Vec::new(),
            release: None,
            phases: Vec::new(),
        }
    }

    /// The allocation of an experiment that is a holdout.
    ///
    /// # Errors
    /// If the percentage is not valid.
    pub fn of_holdout(holdout: Holdout, hash_seed: String) -> Result<Self, Invalid> {
        let variant = |key, percent| {
            VariantKey::parse(key).map(|key| Variant {
                key,
                percent,
                name: None,
            })
        };
        let variants = vec![
            variant(Holdout::HELD_OUT, holdout.percent)?,
            variant(Holdout::NOT_HELD_OUT, 100.0 - holdout.percent)?,
        ];
        let variants = Variants::try_from(variants)?;
        Ok(Self {
            holdout: Some(holdout),
            ..Self::new(variants, 100.0, hash_seed)
        })
    }

    /// All its conditions: of the targeting, and of overrides.
    pub fn conditions(&self) -> impl Iterator<Item = &Condition> {
        let overrides = self.overrides.iter();
        let overridden = overrides.filter_map(|each| each.condition.as_ref());
        self.targeting.iter().chain(overridden)
    }

    /// The percentage of all users that take part at an instant.
    pub fn traffic_at(&self, at: Timestamp) -> f64 {
        if let Some(hold) = &self.ramp_hold {
            return hold.traffic_percent;
        }
        self.ramp.traffic_at(at).unwrap_or(self.traffic_percent)
    }

    /// The variant that the hash chooses for a user at an instant; none if the user is outside the traffic.
    pub fn choose(&self, user: &UserId, at: Timestamp) -> Option<&Variant> {
        self.variants
            .choose(&self.hash_seed, user, self.traffic_at(at))
    }

    /// The index of the phase in which a user was assigned. Imported assignments from before the first phase belong to
    /// it.
    pub fn phase_at(&self, assigned_at: Timestamp) -> usize {
        let later = self.phases.iter().skip(1);
        later.take_while(|phase| phase.since <= assigned_at).count()
    }

    /// Whether the weights of the variants ever changed, and not only the traffic. Users of different phases must then
    /// not be compared with one another.
    pub fn weights_changed(&self) -> bool {
        self.phases
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.percents != b.percents))
    }

    /// Makes the traffic of an instant the traffic before the first step, and removes the steps that have begun: they
    /// remain as phases. While the ramp is on hold, no step begins.
    pub(crate) fn pass_ramp_steps(&mut self, now: Timestamp) {
        if self.ramp_hold.is_some() {
            return;
        }
        if let Some((begun, before)) = self.ramp.last_begun(now) {
            let before = before.map_or(self.traffic_percent, |step| step.traffic_percent);
            self.roll_back_percent = begun.rolls_back().then_some(before);
            self.traffic_percent = begun.traffic_percent;
        }
        self.ramp.remove_begun(now);
    }

    /// Lets the steps begin again, each later by as much as the hold has lasted.
    pub(crate) fn end_hold(&mut self, now: Timestamp) {
        if let Some(hold) = self.ramp_hold.take() {
            self.ramp = self.ramp.delayed(now.micros() - hold.since.micros());
        }
    }

    /// Ends a hold because a caller decides about the traffic, which stays as it is. A worse guardrail brings no earlier
    /// traffic back.
    pub(crate) fn take_over_ramp(&mut self, now: Timestamp) {
        if let Some(hold) = &self.ramp_hold {
            self.traffic_percent = hold.traffic_percent;
        }
        self.end_hold(now);
        self.roll_back_percent = None;
    }

    /// Removes the phases of steps that have not begun.
    pub(crate) fn cancel_later_phases(&mut self, now: Timestamp) {
        self.phases.retain(|phase| phase.since <= now);
    }

    /// Notes the current traffic and weights as a phase, and each step of the ramp that is to come as another one. A phase
    /// with the traffic and the weights of the one before is left out.
    pub(crate) fn begin_phases(&mut self, now: Timestamp) {
        self.cancel_later_phases(now);
        let later = self
            .ramp
            .after(now)
            .filter(|_| self.ramp_hold.is_none())
            .map(|step| (step.at, step.traffic_percent));
        let all = std::iter::once((now, self.traffic_at(now))).chain(later);
        let percents = self.variants.percents();
        for (since, traffic_percent) in all {
            let same = self.phases.last().is_some_and(|last| {
                last.percents == percents && last.traffic_percent == traffic_percent
            });
            if !same {
                self.phases.push(Phase {
                    since,
                    traffic_percent,
                    percents: percents.clone(),
                });
            }
        }
    }
}

/// A smaller percentage is 0: the hash has 10,000 bucket values. DynamoDB refuses numbers other than 0 below 1e-130.
const LEAST_PERCENT: f64 = 1e-9;

/// A percentage: a finite number from 0 to 100.
///
/// # Errors
/// If it is anything else.
pub fn percent(text: &str) -> Result<f64, Invalid> {
    match text.parse::<f64>() {
        Ok(value) if (0.0..LEAST_PERCENT).contains(&value) => Ok(0.0),
        Ok(value) if (0.0..=100.0).contains(&value) => Ok(value),
        _ => Err(Invalid::new(
            "not_a_percentage",
            "Must be a number from 0 to 100.",
        )),
    }
}

#[cfg(test)]
mod tests;
