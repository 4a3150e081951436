//! Bucketing: the bucket value of a user, and the variant whose range contains it.
//!
//! The hash is GrowthBook's, so that its client SDKs and this service assign each user to the same variant. The
//! published test cases of those SDKs cover every function here. Text is hashed by UTF-16 code units, as in JavaScript.
//! All arithmetic is in `f64` and in this order, because the bounds of ranges must agree to the last bit.

/// Which hash a definition uses. New experiments use [`HashVersion::V2`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashVersion {
    /// 1,000 bucket values, biased between experiments with similar names. Only for definitions of other systems.
    V1,
    /// 10,000 bucket values, hashed twice.
    V2,
}

/// The bucket value of a user in `[0, 1)`, for an experiment's seed.
pub fn bucket_value(seed: &str, user: &str, version: HashVersion) -> f64 {
    match version {
        HashVersion::V1 => {
            f64::from(fnv1a_32(user.encode_utf16().chain(seed.encode_utf16())) % 1000) / 1000.0
        }
        HashVersion::V2 => f64::from(bucket(seed, user)) / 10_000.0,
    }
}

/// The bucket value of [`HashVersion::V2`] in ten-thousandths.
pub fn bucket(seed: &str, user: &str) -> u16 {
    let inner = fnv1a_32(seed.encode_utf16().chain(user.encode_utf16()));
    let outer = fnv1a_32(decimal_digits(inner, &mut [0; 10]));
    u16::try_from(outer % 10_000).unwrap_or_default()
}

/// FNV-1a with 32 bits, one step per UTF-16 code unit.
fn fnv1a_32(units: impl Iterator<Item = u16>) -> u32 {
    units.fold(0x811C_9DC5, |hash, unit| {
        (hash ^ u32::from(unit)).wrapping_mul(0x0100_0193)
    })
}

/// The decimal digits of a number as UTF-16 code units, the first digit first.
fn decimal_digits(mut number: u32, units: &mut [u16; 10]) -> impl Iterator<Item = u16> {
    let mut first = units.len();
    loop {
        first -= 1;
        let digit = u16::try_from(number % 10).unwrap_or_default();
        units[first] = u16::from(b'0') + digit;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    units[first..].iter().copied()
}

/// `n` equal weights.
pub fn equal_weights(n: usize) -> Vec<f64> {
    #[expect(clippy::cast_precision_loss, reason = "a number of variants")]
    let weight = 1.0 / n.max(1) as f64;
    vec![weight; n]
}

/// The half-open range `[start, end)` of bucket values of each variant.
///
/// A range starts at a fixed value and grows with the coverage, so raising the traffic adds users and moves none.
/// Weights are replaced by equal ones if their number is wrong or they do not add up to 1 within 0.01.
pub fn ranges(n: usize, coverage: f64, weights: &[f64]) -> Vec<(f64, f64)> {
    if weights.len() == n && add_up(weights) {
        ranges_of(coverage, weights).collect()
    } else {
        ranges_of(coverage, &equal_weights(n)).collect()
    }
}

/// Whether weights add up to 1 within 0.01.
fn add_up(weights: &[f64]) -> bool {
    let sum: f64 = weights.iter().sum();
    (0.99..=1.01).contains(&sum)
}

/// As [`ranges`], for weights that add up to 1.
pub fn ranges_of(coverage: f64, weights: &[f64]) -> impl Iterator<Item = (f64, f64)> {
    let coverage = coverage.clamp(0.0, 1.0);
    let mut start = 0.0;
    weights.iter().map(move |weight| {
        let from = start;
        start += weight;
        (from, from + coverage * weight)
    })
}

/// The index of the first range that contains the bucket value; none if the user is outside the traffic.
pub fn choose(bucket_value: f64, ranges: &[(f64, f64)]) -> Option<usize> {
    choose_among(bucket_value, ranges.iter().copied())
}

/// As [`choose`], for ranges that are computed one by one.
pub fn choose_among(
    bucket_value: f64,
    mut ranges: impl Iterator<Item = (f64, f64)>,
) -> Option<usize> {
    ranges.position(|(start, end)| start <= bucket_value && bucket_value < end)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bucket values computed with the published JavaScript SDK. Implementations that hash UTF-8 bytes or code points
    /// fail here.
    #[test]
    fn text_beyond_ascii_is_hashed_by_utf16_units() {
        let long = "a".repeat(300);
        for (seed, user, v1, v2) in [
            ("exp-1", "u1", 0.412, 0.8658),
            ("exp-1", "é", 0.633, 0.2789),
            ("exp-1", "日本", 0.513, 0.9682),
            ("exp-1", "😀x", 0.709, 0.6564),
            ("exp-1", "Ünïcødé-42", 0.314, 0.3135),
            ("exp-1", "0", 0.456, 0.3113),
            (
                "00000000-0000-4000-8000-000000000001",
                "user-123",
                0.144,
                0.1391,
            ),
            ("exp-1", &long, 0.206, 0.7110),
        ] {
            assert_eq!(
                bucket_value(seed, user, HashVersion::V1).to_bits(),
                f64::to_bits(v1),
                "{user}"
            );
            assert_eq!(
                bucket_value(seed, user, HashVersion::V2).to_bits(),
                f64::to_bits(v2),
                "{user}"
            );
        }
    }
}
