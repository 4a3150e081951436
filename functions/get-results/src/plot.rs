//! Results as pictures: SVG for mails, reports, wikis and printers.
//!
//! This module is pure, without AWS, clock or fonts: the same input gives the same bytes. [`EffectsPlot`] shows the
//! effect of every variant on every metric, [`SeriesPlot`] the cumulative effect on one metric by day. Neither computes
//! statistics: estimates, intervals and sentences are inputs.
//!
//! | module | holds |
//! | --- | --- |
//! | `effects`, `series` | the two pictures |
//! | `axis`, `calendar` | which range is shown, and what is named on it |
//! | `path` | lines that leave the axis |
//! | `page` | the drawing surface, and the SVG around it |
//! | `style` | type, colours, marks and dashes |
//! | `text` | cleaning and measuring of user-given text |
//!
//! Everything can be distinguished without colour, for black-and-white printers and colour-blind readers.

mod axis;
mod calendar;
mod effects;
mod page;
mod path;
mod series;
mod style;
#[cfg(test)]
mod tests;
mod text;

/// Effects with their intervals, one row each (a forest plot).
#[derive(Debug, Clone, PartialEq)]
pub struct EffectsPlot {
    /// The title, usually the experiment's name.
    pub title: String,
    /// The verdict, in one sentence.
    pub subtitle: String,
    /// Method, confidence level and time of the data.
    pub note: String,
    /// One group per metric, from top to bottom.
    pub groups: Vec<EffectsGroup>,
}

/// A metric with the effects of the variants.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectsGroup {
    /// The metric's name and role.
    pub heading: String,
    /// Whether positive effects are better.
    pub higher_is_better: bool,
    /// One row per variant, from top to bottom.
    pub rows: Vec<EffectRow>,
}

/// The effect of one variant on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectRow {
    /// The variant.
    pub label: String,
    /// The effect, or why it is missing.
    pub effect: Result<Bounds, String>,
    /// The effect in figures, such as `-4.3% (-8.5 to -0.2)`.
    pub text: String,
}

/// An estimate and its interval, relative to the control: 0.05 is +5%. Always finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The point estimate.
    pub estimate: f64,
    /// The interval's lower end.
    pub lower: f64,
    /// The interval's upper end.
    pub upper: f64,
}

/// The cumulative effect on one metric by day: each point is computed from all data up to the end of its day.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPlot {
    /// The title, usually the experiment and the metric.
    pub title: String,
    /// The verdict, in one sentence.
    pub subtitle: String,
    /// Method, confidence level and time of the data.
    pub note: String,
    /// RFC 3339 dates, ascending.
    pub days: Vec<String>,
    /// One line per variant.
    pub lines: Vec<SeriesLine>,
}

/// The effect of one variant by day.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    /// The variant.
    pub label: String,
    /// One value per day; `None` if it is missing.
    pub points: Vec<Option<Bounds>>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlotError {
    /// An estimate or an end of its interval is infinite or not a number.
    #[error("the effect of `{0}` is not finite")]
    NotFinite(String),
    /// A day is no date like `2026-03-01`.
    #[error("`{0}` is not a date such as 2026-03-01")]
    NotADate(String),
    /// The days are not in ascending order.
    #[error("the days must ascend, and {0} does not come after the one before it")]
    NotAscending(String),
    /// A line does not have one point for each day.
    #[error("`{label}` has {points} points for {days} days")]
    Uneven {
        /// The line's label.
        label: String,
        /// How many points it has.
        points: usize,
        /// How many there should be.
        days: usize,
    },
    /// The drawing library refused.
    #[error("the drawing failed: {0}")]
    Draw(String),
}

impl Bounds {
    /// Far beyond every axis, and far below where differences of numbers overflow.
    const FAR: f64 = 1e6;

    /// The value limited to what a picture can show, or `None` if it is no number.
    fn drawable(self) -> Option<Self> {
        let values = [self.estimate, self.lower, self.upper];
        let [estimate, lower, upper] = values.map(|value| value.clamp(-Self::FAR, Self::FAR));
        values.into_iter().all(f64::is_finite).then_some(Self {
            estimate,
            lower,
            upper,
        })
    }
}
