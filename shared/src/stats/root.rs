//! Where a rising function reaches a level: bracketed, so that it always ends.

use super::undefined::Undefined;

/// Doublings of the bracket before the level counts as out of reach.
const DOUBLINGS: u32 = 200;

/// The x > 0 at which `f`, which rises with x, reaches `level`; the search begins at `start` > 0.
///
/// [`Undefined::Unreachable`] when it never does.
pub(crate) fn rising_root(
    start: f64,
    level: f64,
    f: impl Fn(f64) -> Result<f64, Undefined>,
) -> Result<f64, Undefined> {
    if !(start > 0.0 && start.is_finite()) {
        return Err(Undefined::OutOfRange("start"));
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
                return Err(Undefined::Unreachable);
            }
        }
    } else {
        let mut steps = 0;
        while !above(high)? {
            low = high;
            high *= 2.0;
            steps += 1;
            if steps > DOUBLINGS || !high.is_finite() {
                return Err(Undefined::Unreachable);
            }
        }
    }
    // The bracket is one octave: 52 halvings leave one unit in the last place.
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if middle <= low || middle >= high {
            break;
        }
        if above(middle).unwrap_or(false) {
            high = middle;
        } else {
            low = middle;
        }
    }
    Ok(0.5 * (low + high))
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
        assert_eq!(bounded, Err(Undefined::Unreachable));
    }
}
