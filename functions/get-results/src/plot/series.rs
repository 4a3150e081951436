//! The cumulative effect on one metric by day.

use std::fmt::Write as _;

use plotters::style::Color;
use plotters::style::text_anchor::HPos;

use super::axis::Axis;
use super::page::{self, INNER, MARGIN, Page, Place, Plane, WIDTH, place};
use super::path::Point;
use super::style::{Face, GREY, GRID, Look, Mark, Shape, look};
use super::{Bounds, PlotError, SeriesLine, SeriesPlot, calendar, path, text};

/// Pixels, as all lengths.
const HEIGHT: f64 = 320.0;
const LEFT: f64 = MARGIN + 60.0;
const RIGHT: f64 = WIDTH - MARGIN - 10.0;
/// Free space before the first and after the last day, in addition to half a day.
const BESIDE_DAYS: f64 = 12.0;
/// Effects up to this many times the usual reach are shown whole. It is smaller than for variants, because intervals of
/// the first days are always wide.
const PROPORTION: f64 = 2.5;
/// The smallest share of the axis on either side of 0.
const BESIDE_ZERO: f64 = 0.1;
/// More bands than this overlap too much; each line gets error bars on some days instead.
const BANDS: usize = 4;
/// With fewer days, a band would mostly show interpolation.
const BAND_DAYS: usize = 7;
/// The largest distance between error bars of different lines on one day.
const APART: f64 = 36.0;
const ERROR_BARS: usize = 6;
const MARKS: usize = 8;

impl SeriesPlot {
    /// Draws the picture: 800 pixels wide, and higher with more lines in the legend.
    ///
    /// # Errors
    /// If days are no ascending dates, lines do not have one point per day, or effects are not finite.
    pub fn to_svg(&self) -> Result<String, PlotError> {
        let days = calendar::days_since_first(&self.days)?;
        let lines = self.drawable_lines()?;
        page::draw(&self.title, &self.description(), |page| {
            page.head(&self.title, &self.subtitle)?;
            let effects: Vec<Bounds> = lines.iter().flatten().flatten().copied().collect();
            if effects.is_empty() {
                page.nothing_yet()?;
            } else {
                legend(page, &self.lines)?;
                let axis = Axis::of_bulk(&effects, PROPORTION, BESIDE_ZERO);
                let mut chart = Chart::framed(page, axis, &self.days[0], &days)?;
                chart.lines(&lines)?;
                if chart.cut {
                    let words = "An arrow: the interval continues beyond the axis.";
                    page.paragraph(words, Face::SMALL, 1)?;
                }
            }
            page.paragraph(&self.note, Face::SMALL, 6)
        })
    }

    fn drawable_lines(&self) -> Result<Vec<Vec<Option<Bounds>>>, PlotError> {
        self.lines
            .iter()
            .map(|line| line.drawable(self.days.len()))
            .collect()
    }

    /// The values at the right end, in words.
    fn description(&self) -> String {
        let mut description = self.subtitle.clone();
        for line in &self.lines {
            let known = line.points.iter().zip(&self.days).rev();
            let latest = known
                .filter_map(|(point, day)| Some((point.as_ref()?, day)))
                .next();
            // Writing to a string does not fail.
            let _ = match latest {
                None => write!(description, " {}: no value yet;", line.label),
                Some((bounds, day)) => {
                    let [estimate, lower, upper] =
                        [bounds.estimate, bounds.lower, bounds.upper].map(|value| value * 100.0);
                    let label = &line.label;
                    write!(
                        description,
                        " {label}, {day}: {estimate:+.1}% ({lower:+.1} to {upper:+.1});"
                    )
                }
            };
        }
        description
    }
}

impl SeriesLine {
    fn drawable(&self, days: usize) -> Result<Vec<Option<Bounds>>, PlotError> {
        if self.points.len() != days {
            let (label, points) = (self.label.clone(), self.points.len());
            return Err(PlotError::Uneven {
                label,
                points,
                days,
            });
        }
        let finite = |bounds: Bounds| {
            let not_finite = || PlotError::NotFinite(self.label.clone());
            bounds.drawable().ok_or_else(not_finite)
        };
        self.points
            .iter()
            .map(|point| point.map(finite).transpose())
            .collect()
    }
}

/// The legend in columns above the drawing.
fn legend(page: &mut Page<'_>, lines: &[SeriesLine]) -> Result<(), PlotError> {
    const SAMPLE: f64 = 34.0;
    const ROOM: f64 = 200.0;
    let face = Face::LABEL;
    let widths = lines
        .iter()
        .map(|line| text::width(&text::clean(&line.label), face.measure()));
    let column = SAMPLE + 24.0 + widths.fold(0.0, f64::max).min(ROOM);
    let columns = (INNER / column) as usize;
    let top = page.y + 10.0;
    for (index, line) in lines.iter().enumerate() {
        let x = MARGIN + (index % columns) as f64 * column;
        let y = top + (index / columns) as f64 * 20.0;
        let look = look(index);
        let (from, to) = (place((x, y)), place((x + SAMPLE, y)));
        page.path(vec![from, to], look.mark.colour.into(), 2.0, look.dash)?;
        page.mark(place((x + SAMPLE / 2.0, y)), look.mark, 4.5)?;
        page.text(&line.label, (x + SAMPLE + 6.0, y), face, HPos::Left, ROOM)?;
        page.y = y;
    }
    page.y += 22.0;
    Ok(())
}

struct Chart<'p, 'a> {
    page: &'p mut Page<'a>,
    plane: Plane<'a>,
    axis: Axis,
    /// Days since the first one.
    days: &'p [i64],
    day_width: f64,
    /// Whether an interval continues beyond the axis.
    cut: bool,
}

impl<'p, 'a> Chart<'p, 'a> {
    /// Axes and grid. The page continues below them.
    fn framed(
        page: &'p mut Page<'a>,
        axis: Axis,
        first_day: &str,
        days: &'p [i64],
    ) -> Result<Self, PlotError> {
        let words = "relative difference from the control, cumulative";
        page.text(words, (MARGIN, page.y), Face::SMALL, HPos::Left, INNER)?;
        let (top, bottom) = (page.y + 18.0, page.y + 18.0 + HEIGHT);
        let last = days.last().copied().unwrap_or_default();
        let (from, to) = (-0.5, last as f64 + 0.5);
        let sides = (LEFT + BESIDE_DAYS, RIGHT - BESIDE_DAYS);
        // The lower edge first: effects grow upwards.
        let plane = page.plane(from..to, axis.lower..axis.upper, sides, (bottom, top));

        let height =
            |effect: f64| bottom - (effect - axis.lower) / (axis.upper - axis.lower) * HEIGHT;
        for tick in axis.ticks(8) {
            let y = height(tick.at);
            let (colour, thick) = if tick.at == 0.0 {
                (GREY, 1.25)
            } else {
                (GRID, 1.0)
            };
            page.line(&[(LEFT, y), (RIGHT, y)], colour, thick)?;
            page.text(
                &tick.label,
                (LEFT - 8.0, y),
                Face::SMALL,
                HPos::Right,
                LEFT - 8.0,
            )?;
        }
        for (day, name) in calendar::named(first_day, last) {
            let x = sides.0 + (day as f64 - from) / (to - from) * (sides.1 - sides.0);
            page.line(&[(x, bottom), (x, bottom + 5.0)], GREY, 1.0)?;
            page.text(&name, (x, bottom + 14.0), Face::SMALL, HPos::Center, 100.0)?;
        }
        page.line(&[(LEFT, bottom), (RIGHT, bottom)], GREY, 1.0)?;
        page.y = bottom + 34.0;
        let day_width = (sides.1 - sides.0) / (to - from);
        Ok(Self {
            page,
            plane,
            axis,
            days,
            day_width,
            cut: false,
        })
    }

    fn lines(&mut self, lines: &[Vec<Option<Bounds>>]) -> Result<(), PlotError> {
        let bands = lines.len() <= BANDS && self.days.len() >= BAND_DAYS;
        // All bands first, so that they do not cover a line.
        if bands {
            for (index, points) in lines.iter().enumerate() {
                for run in self.runs(points) {
                    self.band(&run, look(index))?;
                }
            }
        }
        for (index, points) in lines.iter().enumerate() {
            let look = look(index);
            let (skip, step, aside) = self.stagger(index, lines.len(), bands);
            for run in self.runs(points) {
                match run.as_slice() {
                    [(day, bounds)] => self.error_bar(day + aside, bounds, look.mark)?,
                    run if bands => {
                        self.line(run, look, 0.0)?;
                        self.marks(run, look.mark, index)?;
                    }
                    run => {
                        self.line(run, look, aside)?;
                        // From the last day backwards, which matters most.
                        for (day, bounds) in run.iter().rev().skip(skip).step_by(step) {
                            self.error_bar(day + aside, bounds, look.mark)?;
                        }
                    }
                }
            }
        }
        Ok(())
    }

    /// The layout of error bars without overlap: the first day of a line, the days between two bars, and the offset of
    /// the line within a day.
    fn stagger(&self, index: usize, lines: usize, bands: bool) -> (usize, usize, f64) {
        let step = if bands {
            1
        } else {
            self.days.len().div_ceil(ERROR_BARS)
        };
        let lines = lines as f64;
        let shift = index as f64 * step as f64 / lines;
        let spread = (APART * lines / self.day_width).min(0.8);
        let middle = 0.5 - 0.5 / lines;
        (shift as usize, step, (shift.fract() - middle) * spread)
    }

    /// Consecutive days with values.
    fn runs(&self, points: &[Option<Bounds>]) -> Vec<Vec<(f64, Bounds)>> {
        let days = self.days.iter().map(|day| *day as f64);
        let all: Vec<_> = days.zip(points.iter().copied()).collect();
        all.split(|(_, point)| point.is_none())
            .map(|run| {
                run.iter()
                    .filter_map(|(day, point)| Some((*day, (*point)?)))
                    .collect()
            })
            .filter(|run: &Vec<_>| !run.is_empty())
            .collect()
    }

    /// The edges are dashed like the line.
    fn band(&mut self, run: &[(f64, Bounds)], look: Look) -> Result<(), PlotError> {
        if run.len() < 2 {
            return Ok(());
        }
        let edge = |end: fn(f64, f64) -> f64| -> Vec<Point> {
            let effects = run
                .iter()
                .map(|(day, bounds)| (*day, end(bounds.lower, bounds.upper)));
            effects.collect()
        };
        let (axis, colour) = (self.axis, look.mark.colour);
        let (upper, lower) = (edge(f64::max), edge(f64::min));
        let mut corners = self.places(&path::cut(&upper, axis));
        corners.extend(self.places(&path::cut(&lower, axis)).into_iter().rev());
        self.page.fill(corners, colour.mix(0.13))?;
        for edge in [&upper, &lower] {
            for piece in path::inside(edge, axis) {
                self.page
                    .path(self.places(&piece), colour.mix(0.6), 0.75, look.dash)?;
            }
        }
        self.arrows(&upper, axis.upper, Mark::arrow(Shape::Up, colour))?;
        self.arrows(&lower, axis.lower, Mark::arrow(Shape::Down, colour))
    }

    /// One arrow in the middle of each stretch beyond this end of the axis.
    fn arrows(&mut self, edge: &[Point], end: f64, arrow: Mark) -> Result<(), PlotError> {
        let beyond = |effect: f64| !self.axis.holds(effect) && (effect > end) == (end > 0.0);
        let stretches = edge.split(|(_, effect)| !beyond(*effect));
        for stretch in stretches.filter(|stretch| !stretch.is_empty()) {
            let (day, _) = stretch[stretch.len() / 2];
            let at = self.plane.map_coordinate(&(day, end));
            self.page.mark(at, arrow, 4.5)?;
            self.cut = true;
        }
        Ok(())
    }

    fn line(&self, run: &[(f64, Bounds)], look: Look, aside: f64) -> Result<(), PlotError> {
        let estimates: Vec<_> = run
            .iter()
            .map(|(day, bounds)| (day + aside, bounds.estimate))
            .collect();
        for piece in path::inside(&estimates, self.axis) {
            self.page
                .path(self.places(&piece), look.mark.colour.into(), 2.0, look.dash)?;
        }
        Ok(())
    }

    /// Marks on some days and on the last one. Lines that are close to each other have them on different days.
    fn marks(&self, run: &[(f64, Bounds)], mark: Mark, index: usize) -> Result<(), PlotError> {
        let step = run.len().div_ceil(MARKS);
        let some = run.iter().skip(index * step / BANDS).step_by(step);
        for (day, bounds) in some.chain(run.last()) {
            if self.axis.holds(bounds.estimate) {
                let at = self.plane.map_coordinate(&(*day, bounds.estimate));
                self.page.mark(at, mark, 4.0)?;
            }
        }
        Ok(())
    }

    /// An estimate with its interval.
    fn error_bar(&mut self, day: f64, bounds: &Bounds, mark: Mark) -> Result<(), PlotError> {
        let at = |effect: f64| self.plane.map_coordinate(&(day, self.axis.clamp(effect)));
        let (lower, upper) = (
            bounds.lower.min(bounds.upper),
            bounds.lower.max(bounds.upper),
        );
        let cap = page::units(3.5);
        let colour = mark.colour;
        self.page
            .path(vec![at(lower), at(upper)], colour.into(), 1.5, None)?;
        for end in [lower, upper] {
            if self.axis.holds(end) {
                let (x, y) = at(end);
                self.page
                    .path(vec![(x - cap, y), (x + cap, y)], colour.into(), 1.5, None)?;
            }
        }
        for (beyond, place, shape) in [
            (lower < self.axis.lower, at(self.axis.lower), Shape::Down),
            (upper > self.axis.upper, at(self.axis.upper), Shape::Up),
        ] {
            if beyond {
                self.page.mark(place, Mark::arrow(shape, colour), 4.0)?;
                self.cut = true;
            }
        }
        if self.axis.holds(bounds.estimate) {
            self.page.mark(at(bounds.estimate), mark, 4.5)?;
        }
        Ok(())
    }

    fn places(&self, points: &[Point]) -> Vec<Place> {
        points
            .iter()
            .map(|point| self.plane.map_coordinate(point))
            .collect()
    }
}
