//! Effects with their intervals, one row each.

use std::fmt::Write as _;

use plotters::style::text_anchor::HPos;

use super::axis::{Axis, Tick};
use super::page::{self, INNER, MARGIN, Page, Plane, units};
use super::style::{BLUE, Face, GREY, GRID, INK, Mark, Shape, VERMILION};
use super::{Bounds, EffectRow, EffectsGroup, EffectsPlot, PlotError, text};

/// Pixels, as all lengths.
const ROW: f64 = 24.0;
const GAP: f64 = 16.0;
/// Effects up to this many times the usual reach are shown whole.
const PROPORTION: f64 = 5.0;
/// The smallest share of the axis on either side of 0, so that `worse` and `better` have room.
const BESIDE_ZERO: f64 = 0.2;
/// Rows of a picture: the axis stays visible without scrolling.
const ROWS_PER_AXIS: usize = 20;
/// Rows that the description for screen readers lists.
const ROWS_DESCRIBED: usize = 40;

/// The position of an interval relative to 0.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Finding {
    Better,
    Worse,
    Open,
}

impl Finding {
    const ALL: [(Self, &str); 3] = [
        (Self::Better, "the whole interval is better"),
        (Self::Worse, "the whole interval is worse"),
        (Self::Open, "the interval includes zero"),
    ];

    fn of(bounds: &Bounds, higher_is_better: bool) -> Self {
        if bounds.lower <= 0.0 && bounds.upper >= 0.0 {
            Self::Open
        } else if (bounds.lower > 0.0) == higher_is_better {
            Self::Better
        } else {
            Self::Worse
        }
    }

    fn mark(self) -> Mark {
        let (shape, hollow, colour) = match self {
            Self::Better => (Shape::Circle, false, BLUE),
            Self::Worse => (Shape::Square, false, VERMILION),
            Self::Open => (Shape::Circle, true, INK),
        };
        Mark {
            shape,
            hollow,
            colour,
        }
    }
}

impl EffectsPlot {
    /// Draws the picture: 800 pixels wide, and as high as its rows need.
    ///
    /// # Errors
    /// [`PlotError::NotFinite`]. Any other error is a fault of the drawing library.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        let effects = self.effects()?;
        let any_rows = self.groups.iter().any(|group| !group.rows.is_empty());
        page::draw(&self.title, &self.description(), |page| {
            page.head(&self.title, &self.subtitle)?;
            if any_rows {
                let columns = Columns::of(self);
                let axis = Axis::of_bulk(&effects, PROPORTION, BESIDE_ZERO);
                let ticks = axis.ticks(7);
                let mut sheet = Sheet {
                    page,
                    columns,
                    axis,
                    ticks,
                    cut: false,
                };
                sheet.groups(&self.groups)?;
            } else {
                page.nothing_yet()?;
            }
            page.paragraph(&self.note, Face::SMALL, 6)
        })
    }

    fn effects(&self) -> Result<Vec<Bounds>, PlotError> {
        let rows = self.groups.iter().flat_map(|group| &group.rows);
        rows.filter_map(|row| Some((row, row.effect.as_ref().ok()?)))
            .map(|(row, bounds)| {
                let not_finite = || PlotError::NotFinite(row.label.clone());
                bounds.drawable().ok_or_else(not_finite)
            })
            .collect()
    }

    /// The effects in words.
    fn description(&self) -> String {
        let mut description = self.subtitle.clone();
        let mut rows = 0;
        for group in &self.groups {
            for row in &group.rows {
                rows += 1;
                if rows > ROWS_DESCRIBED {
                    continue;
                }
                let said = match &row.effect {
                    Err(why) if row.text.is_empty() => why,
                    _ => &row.text,
                };
                // Writing to a string does not fail.
                let _ = write!(description, " {}, {}: {said};", group.heading, row.label);
            }
        }
        if rows > ROWS_DESCRIBED {
            let _ = write!(description, " and {} more.", rows - ROWS_DESCRIBED);
        }
        description
    }
}

/// The horizontal bounds of the columns.
struct Columns {
    label: f64,
    plot: (f64, f64),
    text: f64,
}

impl Columns {
    /// Names and figures get the width that they need, within bounds; the drawing gets the rest.
    fn of(plot: &EffectsPlot) -> Self {
        let rows = || plot.groups.iter().flat_map(|group| &group.rows);
        let widest = |texts: &mut dyn Iterator<Item = &String>| {
            let widths = texts.map(|text| text::width(text, Face::LABEL.measure()));
            // One pixel more than the widest text, because of rounding.
            widths.fold(0.0, f64::max).ceil() + 1.0
        };
        let label = widest(&mut rows().map(|row| &row.label)).clamp(80.0, 180.0);
        let text = widest(&mut rows().map(|row| &row.text)).clamp(60.0, 210.0);
        let right = MARGIN + INNER - text;
        Self {
            label: MARGIN,
            plot: (MARGIN + label + GAP, right - GAP),
            text: right,
        }
    }
}

struct Sheet<'p, 'a> {
    page: &'p mut Page<'a>,
    columns: Columns,
    axis: Axis,
    ticks: Vec<Tick>,
    /// Whether an interval continues beyond the axis.
    cut: bool,
}

impl Sheet<'_, '_> {
    fn groups(&mut self, groups: &[EffectsGroup]) -> Result<(), PlotError> {
        let mut findings = Vec::new();
        let mut rows_without_axis = 0;
        for group in groups {
            self.group(group)?;
            findings.extend(found(group));
            rows_without_axis += group.rows.len();
            if rows_without_axis >= ROWS_PER_AXIS {
                self.tick_labels()?;
                rows_without_axis = 0;
            }
            self.page.y += 10.0;
        }
        if findings.is_empty() {
            return Ok(());
        }
        if rows_without_axis > 0 {
            self.page.y -= 10.0;
            self.tick_labels()?;
        }
        let middle = f64::midpoint(self.columns.plot.0, self.columns.plot.1);
        let at = (middle, self.page.y + 8.0);
        self.page.text(
            "relative difference from the control",
            at,
            Face::SMALL,
            HPos::Center,
            INNER,
        )?;
        self.page.y += 24.0;
        self.legend(&findings)
    }

    fn group(&mut self, group: &EffectsGroup) -> Result<(), PlotError> {
        let has_effects = found(group).next().is_some();
        let zero = self.across(0.0);
        let (before, after) = match group.higher_is_better {
            true => ("worse ←", "→ better"),
            false => ("better ←", "→ worse"),
        };
        let face = Face::HEADING;
        let beside_words = zero - text::width(before, Face::SMALL.measure()) - GAP - MARGIN;
        let fits = text::width(&text::clean(&group.heading), face.measure()) <= beside_words;
        if fits || !has_effects {
            let at = (MARGIN, self.page.y + 10.0);
            self.page
                .text(&group.heading, at, face, HPos::Left, INNER)?;
        } else {
            self.page.paragraph(&group.heading, face, 2)?;
        }

        let top = self.page.y;
        self.page.y += 20.0;
        let bottom = self.page.y + ROW * group.rows.len() as f64;
        if has_effects {
            for (x, words, side) in [
                (zero - 6.0, before, HPos::Right),
                (zero + 6.0, after, HPos::Left),
            ] {
                self.page
                    .text(words, (x, top + 10.0), Face::SMALL, side, 80.0)?;
            }
            for tick in self.ticks.iter().filter(|tick| tick.at != 0.0) {
                let x = self.across(tick.at);
                self.page
                    .line(&[(x, self.page.y), (x, bottom)], GRID, 1.0)?;
            }
            self.page
                .line(&[(zero, top + 4.0), (zero, bottom)], GREY, 1.25)?;
        }
        self.rows(group, bottom)
    }

    fn rows(&mut self, group: &EffectsGroup, bottom: f64) -> Result<(), PlotError> {
        let count = group.rows.len().max(1) as f64;
        let range = self.axis.lower..self.axis.upper;
        let top = self.page.y;
        let plane = self
            .page
            .plane(range, 0.0..count, self.columns.plot, (top, bottom));
        for (index, row) in group.rows.iter().enumerate() {
            let middle = index as f64 + 0.5;
            let y = top + ROW * middle;
            let room = self.columns.plot.0 - GAP - self.columns.label;
            let at = (self.columns.label, y);
            self.page
                .text(&row.label, at, Face::LABEL, HPos::Left, room)?;
            let at = (self.columns.text, y);
            let room = MARGIN + INNER - self.columns.text;
            self.page
                .text(&row.text, at, Face::LABEL, HPos::Left, room)?;
            match row.effect.as_ref().map(|bounds| bounds.drawable()) {
                Ok(Some(bounds)) => {
                    let finding = Finding::of(&bounds, group.higher_is_better);
                    self.interval(&plane, middle, &bounds, finding)?;
                }
                Ok(None) => return Err(PlotError::NotFinite(row.label.clone())),
                Err(why) => self.reason(why, row, y)?,
            }
        }
        self.page.y = bottom;
        Ok(())
    }

    /// The interval with its caps, arrows where it continues beyond the axis, and the estimate.
    fn interval(
        &mut self,
        plane: &Plane<'_>,
        row: f64,
        bounds: &Bounds,
        finding: Finding,
    ) -> Result<(), PlotError> {
        let mark = finding.mark();
        let at = |value: f64| plane.map_coordinate(&(self.axis.clamp(value), row));
        let ends = (
            bounds.lower.min(bounds.upper),
            bounds.lower.max(bounds.upper),
        );
        let (left, right) = (at(ends.0), at(ends.1));
        let cap = units(4.5);
        let mut places = Vec::new();
        if self.axis.holds(ends.0) {
            places.extend([(left.0, left.1 - cap), (left.0, left.1 + cap)]);
        }
        places.extend([left, right]);
        if self.axis.holds(ends.1) {
            places.extend([(right.0, right.1 - cap), (right.0, right.1 + cap)]);
        }
        self.page.path(places, mark.colour.into(), 2.0, None)?;
        for (beyond, place, shape) in [
            (ends.0 < self.axis.lower, at(self.axis.lower), Shape::Left),
            (ends.1 > self.axis.upper, at(self.axis.upper), Shape::Right),
        ] {
            if beyond {
                let arrow = Mark::arrow(shape, mark.colour);
                self.page.mark(place, arrow, 5.0)?;
                self.cut = true;
            }
        }
        if self.axis.holds(bounds.estimate) {
            self.page.mark(at(bounds.estimate), mark, 4.5)?;
        }
        Ok(())
    }

    fn reason(&mut self, why: &str, row: &EffectRow, y: f64) -> Result<(), PlotError> {
        let (left, right) = self.columns.plot;
        let right = if row.text.is_empty() {
            MARGIN + INNER
        } else {
            right
        };
        self.page
            .text_on_paper(why, (left, y), Face::REASON, right - left)
    }

    fn tick_labels(&mut self) -> Result<(), PlotError> {
        for tick in &self.ticks {
            let at = (self.across(tick.at), self.page.y + 10.0);
            self.page
                .text(&tick.label, at, Face::SMALL, HPos::Center, 100.0)?;
        }
        self.page.y += 20.0;
        Ok(())
    }

    /// The legend of the marks.
    fn legend(&mut self, findings: &[Finding]) -> Result<(), PlotError> {
        let mut x = MARGIN + 5.0;
        let y = self.page.y + 8.0;
        for (finding, words) in Finding::ALL
            .iter()
            .filter(|(finding, _)| findings.contains(finding))
        {
            self.page.mark(page::place((x, y)), finding.mark(), 4.5)?;
            x += 10.0;
            x += self
                .page
                .text(words, (x, y), Face::SMALL, HPos::Left, INNER)?
                + GAP;
        }
        self.page.y += 20.0;
        if self.cut {
            let words =
                "An arrow: the interval continues beyond the axis. Its figures are on the right.";
            self.page.paragraph(words, Face::SMALL, 2)?;
        }
        self.page.y += 4.0;
        Ok(())
    }

    /// The position of an effect, in pixels from the left.
    fn across(&self, effect: f64) -> f64 {
        let (left, right) = self.columns.plot;
        left + (effect - self.axis.lower) / (self.axis.upper - self.axis.lower) * (right - left)
    }
}

fn found(group: &EffectsGroup) -> impl Iterator<Item = Finding> {
    let effects = group.rows.iter().filter_map(|row| row.effect.as_ref().ok());
    effects.map(|bounds| Finding::of(bounds, group.higher_is_better))
}
