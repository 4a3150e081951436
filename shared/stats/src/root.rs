//! The root of an increasing function, by a bracketed search, which always terminates.

use super::missing::MissingReason;

/// Doublings or halvings of the bracket after which the level counts as unreachable.
const MAX_DOUBLINGS: u32 = 200;

/// The x > 0 at which the increasing function `f` reaches `level`. The search starts at `start` > 0.
///
/// # Errors
/// [`MissingReason::Unreachable`] if `f` does not reach the level within 2^200 times `start`;
/// [`MissingReason::OutOfRange`] if `start` is not positive and finite.
pub(crate) fn rising_root(
    start: f64,
    level: f64,
    f: impl Fn(f64) -> Result<f64, MissingReason>,
) -> Result<f64, MissingReason> {
    if !(start > 0.0 && start.is_finite()) {
        return Err(MissingReason::OutOfRange("start"));
    }
    let above = |x: f64| f(x).map(|y| y >= level);
    let (mut low, mut high) = (start, start);
    if above(start)? {
        let mut steps = 0;
        // An error means that the function is not defined for an x this small.
        while above(low).unwrap_or(false) {
            high = low;
            low *= 0.5;
            steps += 1;
            if steps > MAX_DOUBLINGS {
                return Err(MissingReason::Unreachable);
            }
        }
    } else {
        let mut steps = 0;
        while !above(high)? {
            low = high;
            high *= 2.0;
            steps += 1;
            if steps > MAX_DOUBLINGS || !high.is_finite() {
                return Err(MissingReason::Unreachable);
            }
        }
    }
    Ok(narrow(low, high, |x| {
        f(x).map_or(f64::NEG_INFINITY, |y| y - level)
    }))
}

/// The zero of an increasing function between two ends, by false position with halved weights (the
/// Illinois rule). Every fourth step is a bisection, which bounds the number of steps.
fn narrow(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut below, mut above) = (f(low), f(high));
    let mut moved_high = None;
    for step in 0..200 {
        let width = high - low;
        if width <= 4.0 * f64::EPSILON * high {
            break;
        }
        let guess = low + width * (below / (below - above));
        let x = if step % 4 == 3 || !(guess > low && guess < high) {
            0.5 * (low + high)
        } else {
            guess
        };
        let y = f(x);
        if y == 0.0 {
            return x;
        }
        // An end that does not move for the second time slows the search down, so its weight is
        // halved.
        let weight = if moved_high == Some(y > 0.0) {
            0.5
        } else {
            1.0
        };
        moved_high = Some(y > 0.0);
        if y > 0.0 {
            (high, above, below) = (x, y, weight * below);
        } else {
            (low, below, above) = (x, y, weight * above);
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_exact_from_starts_below_and_above_it() {
        for start in [1e-9, 1.0, 3.0, 1e12] {
            let root = rising_root(start, 9.0, |x| Ok(x * x)).unwrap();
            assert!((root - 3.0).abs() < 1e-14);
        }
    }

    #[test]
    fn a_level_that_is_never_reached_returns_unreachable() {
        let bounded = rising_root(1.0, 2.0, |x| Ok(x / (1.0 + x)));
        assert_eq!(bounded, Err(MissingReason::Unreachable));
    }
}
