//! An experiment's results as pictures: SVG for a mail, a report, a wiki or a printer.
//!
//! Pure code, without AWS, clock or fonts: the same input gives the same bytes. [`EffectsPlot`] shows what every
//! variant did to every metric, [`SeriesPlot`] how one metric's effect settled over the days. Neither computes a
//! statistic; estimates, intervals and sentences come in.
//!
//! | module | holds |
//! | --- | --- |
//! | `effects`, `series` | the two pictures |
//! | `axis`, `calendar` | which range is shown, and what is named on it |
//! | `path` | lines that leave the axis |
//! | `page` | the drawing surface, and the SVG around it |
//! | `style` | type, colours, marks and dashes |
//! | `text` | what user-given text may look like, and how much room it takes |
//!
//! Everything is distinguishable without colour, since results are printed in black and white and read by user data
//! who don't tell red from green.

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
    /// What the picture is about, usually the experiment's name.
    pub title: String,
    /// The verdict, a sentence.
    pub subtitle: String,
    /// Method, confidence level and time of the data.
    pub note: String,
    /// One for each metric, top to bottom.
    pub groups: Vec<EffectsGroup>,
}

/// One metric and what each variant did to it.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectsGroup {
    /// The metric's name and role.
    pub heading: String,
    /// Whether the right-hand side of zero is the better one.
    pub higher_is_better: bool,
    /// One for each variant, top to bottom.
    pub rows: Vec<EffectRow>,
}

/// One variant's effect on one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectRow {
    /// The variant.
    pub label: String,
    /// The effect, or why there is none.
    pub effect: Result<Bounds, String>,
    /// The effect in figures, such as `-4.3 % (-8.5 to -0.2)`.
    pub text: String,
}

/// An estimate and its interval. Relative to the control: 0.05 is +5 %. Always finite.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// The point estimate.
    pub estimate: f64,
    /// The interval's lower end.
    pub lower: f64,
    /// The interval's upper end.
    pub upper: f64,
}

/// One metric's effect over time, cumulative: every point is computed from all data up to the end of its day.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesPlot {
    /// What the picture is about, usually the experiment and the metric.
    pub title: String,
    /// The verdict, a sentence.
    pub subtitle: String,
    /// Method, confidence level and time of the data.
    pub note: String,
    /// RFC 3339 dates, ascending.
    pub days: Vec<String>,
    /// One for each variant.
    pub lines: Vec<SeriesLine>,
}

/// One variant's effect, day by day.
#[derive(Debug, Clone, PartialEq)]
pub struct SeriesLine {
    /// The variant.
    pub label: String,
    /// One for each day; `None` where nothing can be said yet.
    pub points: Vec<Option<Bounds>>,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum PlotError {
    /// An estimate or an end of its interval is infinite or not a number.
    #[error("the effect of `{0}` is not finite")]
    NotFinite(String),
    /// A day is not written as `2026-03-01`.
    #[error("`{0}` is not a date such as 2026-03-01")]
    NotADate(String),
    /// A day does not come after the one before it.
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
    /// Far beyond every axis, and still far from where differences of numbers overflow.
    const FAR: f64 = 1e6;

    /// The same as far as any picture can show, or `None` if there is something that is no number.
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
