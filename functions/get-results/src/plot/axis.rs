//! The range of effects that a picture shows, and its ticks.

use super::Bounds;

/// A range of relative effects that contains 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    pub(super) lower: f64,
    pub(super) upper: f64,
}

/// A tick with its label.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    pub(super) at: f64,
    pub(super) label: String,
}

/// 10,000%: larger effects are not read off an axis.
const FAR: f64 = 100.0;
/// Smaller effects do not influence the scale.
const TINY: f64 = 1e-6;
/// The narrowest axis, ±0.005%.
const NARROW: f64 = 1e-4;
/// Free space beyond the outermost end, as a share of the range.
const PADDING: f64 = 0.06;

impl Axis {
    /// The range with most effects: parts beyond `proportion` times the median reach are cut off, so that one large
    /// interval does not compress all others. At least the share `beside_zero` of the range is on either side of 0.
    pub(super) fn of_bulk(effects: &[Bounds], proportion: f64, beside_zero: f64) -> Self {
        let fence = fence(effects, proportion);
        let (mut lower, mut upper) = (0.0_f64, 0.0_f64);
        for value in effects.iter().flat_map(values) {
            if value.abs() <= fence {
                lower = lower.min(value);
                upper = upper.max(value);
            }
        }
        let span = (upper - lower).max(NARROW);
        let middle = f64::midpoint(lower, upper);
        // A range that was too narrow grows on both sides.
        lower = lower.min(middle - span / 2.0) - span * PADDING;
        upper = upper.max(middle + span / 2.0) + span * PADDING;
        let least = beside_zero / (1.0 - beside_zero);
        Self {
            lower: lower.min(-upper * least),
            upper: upper.max(-lower * least),
        }
    }

    pub(super) fn holds(&self, value: f64) -> bool {
        (self.lower..=self.upper).contains(&value)
    }

    pub(super) fn clamp(&self, value: f64) -> f64 {
        value.clamp(self.lower, self.upper)
    }

    /// Round percentages inside the range, at most `at_most` (at least two) of them, including 0.
    pub(super) fn ticks(&self, at_most: u32) -> Vec<Tick> {
        let percent = (self.lower * 100.0, self.upper * 100.0);
        let least_step = (percent.1 - percent.0) / f64::from(at_most - 1);
        let magnitude = least_step.log10().floor();
        // The last factor belongs to the next power of ten.
        let (factor, magnitude) = [(1.0, 0.0), (2.0, 0.0), (5.0, 0.0), (1.0, 1.0)]
            .into_iter()
            .map(|(factor, more)| (factor, magnitude + more))
            .find(|(factor, magnitude)| factor * 10_f64.powf(*magnitude) >= least_step)
            .unwrap_or((1.0, magnitude + 1.0));
        let step = factor * 10_f64.powf(magnitude);
        let decimals = (-magnitude).max(0.0) as usize;
        let first = (percent.0 / step).ceil() as i64;
        let last = (percent.1 / step).floor() as i64;
        (first..=last)
            .map(|count| {
                let value = count as f64 * step;
                let label = match count {
                    0 => "0%".to_owned(),
                    _ => format!("{value:+.decimals$}%"),
                };
                Tick {
                    at: value / 100.0,
                    label,
                }
            })
            .collect()
    }
}

fn values(effect: &Bounds) -> [f64; 3] {
    [effect.lower, effect.estimate, effect.upper]
}

/// The largest reach that is in proportion to the median reach of all effects.
fn fence(effects: &[Bounds], proportion: f64) -> f64 {
    let mut reaches: Vec<f64> = effects
        .iter()
        .map(|effect| values(effect).into_iter().map(f64::abs).fold(0.0, f64::max))
        .filter(|reach| *reach > TINY)
        .collect();
    reaches.sort_by(f64::total_cmp);
    // The lower of two middle values: of two rows, the large one must not set the scale.
    match reaches.get(reaches.len().saturating_sub(1) / 2) {
        Some(median) => (median * proportion).min(FAR),
        None => FAR,
    }
}
