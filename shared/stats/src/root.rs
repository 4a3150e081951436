//! Where a rising function reaches a level: bracketed, so that it always ends.

use super::missing::MissingReason;

/// Doublings of the bracket before the level counts as out of reach.
const DOUBLINGS: u32 = 200;

/// The x > 0 at which `f`, which rises with x, reaches `level`; the search begins at `start` > 0.
///
/// [`MissingReason::Unreachable`] when it never does.
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
        // An error below means that x is too small for the function to have a value.
        while above(low).unwrap_or(false) {
            high = low;
            low *= 0.5;
            steps += 1;
            if steps > DOUBLINGS {
                return Err(MissingReason::Unreachable);
            }
        }
    } else {
        let mut steps = 0;
        while !above(high)? {
            low = high;
            high *= 2.0;
            steps += 1;
            if steps > DOUBLINGS || !high.is_finite() {
                return Err(MissingReason::Unreachable);
            }
        }
    }
    Ok(narrow(low, high, |x| {
        f(x).map_or(f64::NEG_INFINITY, |y| y - level)
    }))
}

/// The zero of a rising function between two ends, by false position with halved weights (the
/// Illinois rule) and a plain halving wherever that is slower.
fn narrow(mut low: f64, mut high: f64, f: impl Fn(f64) -> f64) -> f64 {
    let (mut below, mut above) = (f(low), f(high));
    let mut rose = None;
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
        // The weight of an end that stays put for the second time is halved: it holds the search up.
        let stays = if rose == Some(y > 0.0) { 0.5 } else { 1.0 };
        rose = Some(y > 0.0);
        if y > 0.0 {
            (high, above, below) = (x, y, stays * below);
        } else {
            (low, below, above) = (x, y, stays * above);
        }
    }
    0.5 * (low + high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_found_from_either_side_to_the_last_digits() {
        for start in [1e-9, 1.0, 3.0, 1e12] {
            let root = rising_root(start, 9.0, |x| Ok(x * x)).unwrap();
            assert!((root - 3.0).abs() < 1e-14);
        }
    }

    #[test]
    fn a_level_that_is_never_reached_is_said_so() {
        let bounded = rising_root(1.0, 2.0, |x| Ok(x / (1.0 + x)));
        assert_eq!(bounded, Err(MissingReason::Unreachable));
    }
}
