//! The variants of an experiment with their shares, known to add up.

use super::bucketing::{self, HashVersion};
use super::ids::{UserId, VariantKey};
use super::{Invalid, limits};
use serde::{Deserialize, Serialize};

/// One way to treat a user.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variant {
    /// Unique within the experiment.
    pub key: VariantKey,
    /// Its share of the enrolled users, in percent. Zero: nobody new.
    pub percent: f64,
    /// For user data.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub name: Option<String>,
}

/// The variants of one experiment: two or more, keys unique, percentages adding up to 100.
/// The first is the control.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Variant>", into = "Vec<Variant>")]
pub struct Variants(Vec<Variant>);

/// How far the percentages may miss 100: three thirds are written 33.33.
const SUM_TOLERANCE: f64 = 0.01 + 1e-9;

impl Variants {
    /// The variants, if they make an experiment together.
    ///
    /// # Errors
    /// Every fault with the index of the variant it belongs to (`None`: the set as a whole).
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
            let detail =
                format!("The percentages add up to {sum}; they must add up to 100 (to 0.01).");
            faults.push((None, Invalid::new("wrong_sum", detail)));
        }
        if faults.is_empty() {
            Ok(Self(variants))
        } else {
            Err(faults)
        }
    }

    /// The one that the others are compared with.
    pub fn control(&self) -> &Variant {
        &self.0[0]
    }

    /// All of them, the control first.
    pub fn as_slice(&self) -> &[Variant] {
        &self.0
    }

    /// The share of each in percent, in their order.
    pub fn percents(&self) -> Vec<f64> {
        self.0.iter().map(|variant| variant.percent).collect()
    }

    /// The place of a key in the list.
    pub fn position(&self, key: &VariantKey) -> Option<usize> {
        self.0.iter().position(|variant| variant.key == *key)
    }

    /// The variant whose part of the traffic the user falls into, or none.
    ///
    /// `traffic_percent` is the share of all users that take part at all.
    pub fn choose(&self, seed: &str, user: &UserId, traffic_percent: f64) -> Option<&Variant> {
        let weights: Vec<f64> = self
            .0
            .iter()
            .map(|variant| variant.percent / 100.0)
            .collect();
        let ranges = bucketing::ranges(self.0.len(), traffic_percent / 100.0, &weights);
        let place = bucketing::place(seed, user.as_str(), HashVersion::V2);
        bucketing::choose(place, &ranges).and_then(|index| self.0.get(index))
    }
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

/// A share below this is none at all: the hash has 10,000 places. The database holds no number near zero
/// (below 1e-130), and takes none.
const LEAST_PERCENT: f64 = 1e-9;

/// A share in percent: a finite number from 0 to 100.
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
