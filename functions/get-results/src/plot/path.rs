//! Lines that leave the axis.

use super::axis::Axis;

/// A day and an effect.
pub(super) type Point = (f64, f64);

/// The line, along the edges of the axis where it would leave it.
pub(super) fn cut(path: &[Point], axis: Axis) -> Vec<Point> {
    with_crossings(path, axis)
        .into_iter()
        .map(|(day, effect)| (day, axis.clamp(effect)))
        .collect()
}

/// The parts of the line inside the axis.
pub(super) fn inside(path: &[Point], axis: Axis) -> Vec<Vec<Point>> {
    with_crossings(path, axis)
        .split(|(_, effect)| !axis.holds(*effect))
        .filter(|piece| piece.len() > 1)
        .map(<[_]>::to_vec)
        .collect()
}

/// The line with an additional point wherever it crosses an edge of the axis.
fn with_crossings(path: &[Point], axis: Axis) -> Vec<Point> {
    let mut all: Vec<Point> = path.first().copied().into_iter().collect();
    for pair in path.windows(2) {
        let ((day, effect), (next_day, next_effect)) = (pair[0], pair[1]);
        let mut edges = [axis.lower, axis.upper];
        if next_effect < effect {
            edges.reverse();
        }
        for edge in edges {
            if (effect < edge) != (next_effect < edge) {
                let share = (edge - effect) / (next_effect - effect);
                all.push((day + share * (next_day - day), edge));
            }
        }
        all.push((next_day, next_effect));
    }
    all
}
