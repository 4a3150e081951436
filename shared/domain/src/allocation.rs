//! The allocation of users to variants: traffic, weights and phases.

use super::bucketing::{self, HashVersion};
use super::ids::{UserId, VariantKey};
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
        let sum: f64 = variants.iter().map(|variant| variant.percent).sum();
        if (sum - 100.0).abs() > SUM_TOLERANCE {
            let detail = format!(
                "The percentages add up to {}; they must add up to 100 (to 0.01).",
                decimal_sum(&variants)
            );
            faults.push((None, Invalid::new("wrong_sum", detail)));
        }
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
        let percents = self.0.iter().map(|variant| variant.percent);
        let mut weights: Vec<f64> = percents.map(|percent| percent / 100.0).collect();
        let gap = 1.0 - weights.iter().sum::<f64>();
        if let Some(last) = weights.iter_mut().rev().find(|weight| **weight > 0.0)
            && gap > LEAST_GAP
        {
            *last += gap;
        }
        weights
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
        let ranges = bucketing::ranges(self.0.len(), coverage, &self.weights());
        let value = bucketing::bucket_value(seed, user.as_str(), HashVersion::V2);
        bucketing::choose(value, &ranges).and_then(|index| self.0.get(index))
    }
}

/// The sum of the percentages as decimals, without the errors of binary fractions. Digits beyond the twelfth after the
/// point are left out.
fn decimal_sum(variants: &[Variant]) -> String {
    const SCALE: i128 = 1_000_000_000_000;
    let scaled = |percent: f64| -> i128 {
        let text = format!("{percent:.12}").replace('.', "");
        text.parse().unwrap_or_default()
    };
    let sum: i128 = variants.iter().map(|variant| scaled(variant.percent)).sum();
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
    /// The variants, the control first.
    pub variants: Variants,
    /// Percentage of all users that take part. Raising it moves no user to another variant.
    pub traffic_percent: f64,
    /// Seed of the hash. Another seed assigns users anew.
    pub hash_seed: String,
    /// The allocations of the past and the current one, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub phases: Vec<Phase>,
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
            variants,
            traffic_percent,
            hash_seed,
            phases: Vec::new(),
        }
    }

    /// The variant that the hash chooses for a user; none if the user is outside the traffic.
    pub fn choose(&self, user: &UserId) -> Option<&Variant> {
        self.variants
            .choose(&self.hash_seed, user, self.traffic_percent)
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

    /// Notes the current traffic and weights as a new phase, unless the last phase has the same.
    pub(crate) fn begin_phase(&mut self, since: Timestamp) {
        let phase = Phase {
            since,
            traffic_percent: self.traffic_percent,
            percents: self.variants.percents(),
        };
        let same = self.phases.last().is_some_and(|last| {
            last.percents == phase.percents && last.traffic_percent == phase.traffic_percent
        });
        if !same {
            self.phases.push(phase);
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variants(percents: &[f64]) -> Variants {
        let variant = |(index, percent): (usize, &f64)| Variant {
            key: VariantKey::parse(&format!("v{index}")).unwrap(),
            percent: *percent,
            name: None,
        };
        Variants::new(percents.iter().enumerate().map(variant).collect()).unwrap()
    }

    #[test]
    fn a_wrong_sum_is_written_as_decimals() {
        for (percents, expected) in [
            (&[33.1, 33.1, 33.1][..], "add up to 99.3;"),
            (&[0.1, 0.2], "add up to 0.3;"),
            (&[50.0, 60.0], "add up to 110;"),
            (&[33.333333, 33.333333, 33.3], "add up to 99.966666;"),
            (&[0.0, 0.0], "add up to 0;"),
            (&[100.0, 0.010_000_01], "add up to 100.01000001;"),
        ] {
            let variant = |(index, percent): (usize, &f64)| Variant {
                key: VariantKey::parse(&format!("v{index}")).unwrap(),
                percent: *percent,
                name: None,
            };
            let faults =
                Variants::new(percents.iter().enumerate().map(variant).collect()).unwrap_err();
            let detail = &faults[0].1.detail;
            assert!(detail.contains(expected), "{detail}");
        }
    }

    #[test]
    fn a_hundred_thousand_users_split_within_four_standard_errors() {
        for (percents, traffic) in [
            (vec![50.0, 50.0], 100.0),
            (vec![10.0, 20.0, 70.0], 100.0),
            (vec![33.33, 33.33, 33.34], 30.0),
            (vec![99.0, 1.0], 50.0),
        ] {
            let set = variants(&percents);
            let n = 100_000_u32;
            let mut seen = vec![0_u32; percents.len()];
            for user in 0..n {
                let user = UserId::parse(&format!("user-{user}")).unwrap();
                if let Some(variant) =
                    set.choose("0f6b5c1e-3f3f-4d0e-9a49-5d1f6ae0b7b5", &user, traffic)
                {
                    seen[set.position(&variant.key).unwrap()] += 1;
                }
            }
            for (count, percent) in seen.iter().zip(&percents) {
                let p = percent / 100.0 * traffic / 100.0;
                let standard_error = (p * (1.0 - p) * f64::from(n)).sqrt();
                let distance = (f64::from(*count) - p * f64::from(n)).abs() / standard_error;
                assert!(
                    distance < 4.0,
                    "{percent} % of {traffic} %: {count}, {distance} standard errors off"
                );
            }
        }
    }

    #[test]
    fn the_last_variant_with_a_share_takes_the_rest_of_the_bucket_values() {
        for percents in [
            vec![33.33, 33.33, 33.33],
            vec![33.33, 33.33, 33.33, 0.0],
            vec![49.995, 49.995, 0.0],
            vec![50.005, 50.005],
            vec![33.33, 33.33, 33.34],
            vec![99.99, 0.0],
            vec![10.0; 10],
        ] {
            let set = variants(&percents);
            let ranges = bucketing::ranges(percents.len(), 1.0, &set.weights());
            for value in 0..10_000 {
                let value = f64::from(value) / 10_000.0;
                let chosen = bucketing::choose(value, &ranges);
                assert!(
                    chosen.is_some_and(|index| percents[index] > 0.0),
                    "{percents:?} {value}"
                );
            }
        }
        assert_eq!(variants(&[10.0, 20.0, 70.0]).weights(), [0.1, 0.2, 0.7]);
    }

    proptest! {
        #[test]
        fn raising_the_traffic_moves_nobody(user in "\\PC{1,40}", low in 0.0..=100.0, more in 0.0..=100.0) {
            let set = variants(&[20.0, 30.0, 50.0]);
            let user = UserId::parse(&user).unwrap();
            let high = low + (100.0 - low) * more / 100.0;
            let before = set.choose("seed", &user, low);
            if before.is_some() {
                prop_assert_eq!(set.choose("seed", &user, high), before);
            }
        }
    }
}
