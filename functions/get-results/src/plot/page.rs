//! The drawing surface: a page that grows downwards, and the SVG around it.
//!
//! Plotters draws in whole units and needs the height in advance. So the page is drawn at four units per pixel on an
//! unlimited surface, and the root element is written here once the height is known.

use std::fmt::Write as _;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::drawing::{DrawingArea, DrawingAreaErrorKind, IntoDrawingArea};
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Text};
use plotters::prelude::SVGBackend;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontDesc, FontFamily, RGBAColor, RGBColor, ShapeStyle, TextStyle};

use super::style::{Face, Mark, PAPER};
use super::{PlotError, text};

/// Pixels, like all lengths below without another unit.
pub(super) const WIDTH: f64 = 800.0;
pub(super) const MARGIN: f64 = 20.0;
/// The width between the margins.
pub(super) const INNER: f64 = WIDTH - 2.0 * MARGIN;

/// Units per pixel. With one unit per pixel, a line over many days would be a staircase.
const UNITS: f64 = 4.0;
/// The SVG backend writes `size / 1.24` as the font size.
const BACKEND_FONT: f64 = 1.24;

/// A position in units.
pub(super) type Place = (i32, i32);
/// Maps data to positions.
pub(super) type Plane<'a> =
    DrawingArea<SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

pub(super) struct Page<'a> {
    area: DrawingArea<SVGBackend<'a>, Shift>,
    /// SVG titles with the whole text of shortened labels.
    hovers: String,
    /// The vertical position of the next element.
    pub(super) y: f64,
}

/// The SVG that `content` draws. Screen readers read `title` and `description`.
pub(super) fn draw(
    title: &str,
    description: &str,
    content: impl FnOnce(&mut Page<'_>) -> Result<(), PlotError>,
) -> Result<String, PlotError> {
    let mut drawn = String::new();
    let endless = (units(WIDTH).unsigned_abs(), i32::MAX.unsigned_abs());
    let (hovers, y) = {
        let mut page = Page {
            area: SVGBackend::with_string(&mut drawn, endless).into_drawing_area(),
            hovers: String::new(),
            y: MARGIN,
        };
        content(&mut page)?;
        page.area.present()?;
        (page.hovers, page.y)
    };

    let height = (y + MARGIN).ceil();
    let (across, down) = (units(WIDTH), units(height));
    let (title, description) = (text::escaped(title), text::escaped(description));
    // The content between the tags that the backend wrote; `<` and `>` in text are escaped.
    let elements = drawn
        .split_once('>')
        .and_then(|(_, rest)| rest.rsplit_once('<'));
    let elements = elements.map_or("", |(elements, _)| elements.trim());
    Ok(format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {across} {down}" role="img">
<title>{title}</title>
<desc>{description}</desc>
<rect width="{across}" height="{down}" fill="#FFFFFF"/>
{elements}
{hovers}</svg>
"##
    ))
}

impl<'a> Page<'a> {
    /// Title and subtitle.
    pub(super) fn head(&mut self, title: &str, subtitle: &str) -> Result<(), PlotError> {
        self.paragraph(title, Face::TITLE, 2)?;
        self.y += 2.0;
        self.paragraph(subtitle, Face::SUBTITLE, 4)?;
        self.y += 8.0;
        Ok(())
    }

    /// Several lines from margin to margin.
    pub(super) fn paragraph(
        &mut self,
        text: &str,
        face: Face,
        most: usize,
    ) -> Result<(), PlotError> {
        for line in text::wrapped(text, face.measure(), INNER, most) {
            self.y += face.line_height();
            let at = (MARGIN, self.y - face.line_height() / 2.0);
            self.text(&line, at, face, HPos::Left, INNER)?;
        }
        Ok(())
    }

    /// The text that replaces a drawing without data.
    pub(super) fn nothing_yet(&mut self) -> Result<(), PlotError> {
        let at = (WIDTH / 2.0, self.y + 40.0);
        self.text(
            "There are no data yet.",
            at,
            Face::REASON,
            HPos::Center,
            INNER,
        )?;
        self.y += 80.0;
        Ok(())
    }

    /// A line of text, vertically centred, shortened to `room`. Returns its width.
    pub(super) fn text(
        &mut self,
        text: &str,
        at: (f64, f64),
        face: Face,
        side: HPos,
        room: f64,
    ) -> Result<f64, PlotError> {
        let whole = text::clean(text);
        let shown = text::shortened(&whole, face.measure(), room);
        let width = text::width(&shown, face.measure()).min(room);
        if shown != whole {
            let left = match side {
                HPos::Left => at.0,
                HPos::Center => at.0 - width / 2.0,
                HPos::Right => at.0 - width,
            };
            self.hover(&whole, (left, at.1 - face.size / 2.0), (width, face.size));
        }
        let size = face.size * UNITS * BACKEND_FONT;
        let font = FontDesc::new(FontFamily::SansSerif, size, face.style);
        let style = TextStyle::from(font)
            .color(&face.colour)
            .pos(Pos::new(side, VPos::Center));
        self.area.draw(&Text::new(shown, place(at), style))?;
        Ok(width)
    }

    /// The same with a white background, for text on lines.
    pub(super) fn text_on_paper(
        &mut self,
        text: &str,
        (x, y): (f64, f64),
        face: Face,
        room: f64,
    ) -> Result<(), PlotError> {
        let shown = text::shortened(&text::clean(text), face.measure(), room);
        let right = x + text::width(&shown, face.measure()).min(room);
        let (above, below) = (y - face.size * 0.7, y + face.size * 0.7);
        let corners = [(x, above), (right, above), (right, below), (x, below)].map(place);
        self.area.draw(&Polygon::new(corners, PAPER))?;
        self.text(text, (x, y), face, HPos::Left, room)?;
        Ok(())
    }

    /// A straight line in pixels.
    pub(super) fn line(
        &self,
        points: &[(f64, f64)],
        colour: RGBColor,
        thick: f64,
    ) -> Result<(), PlotError> {
        self.path(
            points.iter().copied().map(place).collect(),
            colour.into(),
            thick,
            None,
        )
    }

    /// A line through positions, dashed if requested.
    pub(super) fn path(
        &self,
        mut places: Vec<Place>,
        colour: RGBAColor,
        thick: f64,
        dash: Option<(f64, f64)>,
    ) -> Result<(), PlotError> {
        places.dedup();
        if places.len() < 2 {
            return Ok(());
        }
        let style = ShapeStyle::from(colour).stroke_width(units(thick).unsigned_abs());
        match dash {
            None => self.area.draw(&PathElement::new(places, style))?,
            Some((dash, gap)) => {
                self.area.draw(&DashedPathElement::new(
                    places,
                    units(dash),
                    units(gap),
                    style,
                ))?;
            }
        }
        Ok(())
    }

    /// A filled area.
    pub(super) fn fill(&self, corners: Vec<Place>, colour: RGBAColor) -> Result<(), PlotError> {
        Ok(self.area.draw(&Polygon::new(corners, colour))?)
    }

    /// A mark around a position.
    pub(super) fn mark(&self, (x, y): Place, mark: Mark, radius: f64) -> Result<(), PlotError> {
        let filling = if mark.hollow { PAPER } else { mark.colour };
        let outline = ShapeStyle::from(mark.colour).stroke_width(units(1.5).unsigned_abs());
        let radius = units(radius);
        match mark.shape.corners(radius) {
            None => {
                self.area
                    .draw(&Circle::new((x, y), radius, filling.filled()))?;
                if mark.hollow {
                    self.area.draw(&Circle::new((x, y), radius, outline))?;
                }
            }
            Some(corners) => {
                let mut corners: Vec<Place> = corners
                    .into_iter()
                    .map(|(right, down)| (x + right, y + down))
                    .collect();
                self.area.draw(&Polygon::new(corners.clone(), filling))?;
                if mark.hollow {
                    corners.extend_from_within(..2); // the first corners again, so that the outline is closed
                    self.area.draw(&PathElement::new(corners, outline))?;
                }
            }
        }
        Ok(())
    }

    /// Maps `across` to the pixels from `left` to `right` and `down` to those from `top` to `bottom`.
    pub(super) fn plane(
        &self,
        across: Range<f64>,
        down: Range<f64>,
        (left, right): (f64, f64),
        (top, bottom): (f64, f64),
    ) -> Plane<'a> {
        let pixels = (units(left)..units(right), units(top)..units(bottom));
        self.area
            .apply_coord_spec(Cartesian2d::new(across, down, pixels))
    }

    fn hover(&mut self, whole: &str, (left, top): (f64, f64), (width, height): (f64, f64)) {
        // Writing to a string does not fail.
        let _ = writeln!(
            self.hovers,
            r#"<rect x="{}" y="{}" width="{}" height="{}" fill="none" pointer-events="all"><title>{}</title></rect>"#,
            units(left),
            units(top),
            units(width),
            units(height),
            text::escaped(whole),
        );
    }
}

pub(super) fn units(pixels: f64) -> i32 {
    (pixels * UNITS).round() as i32
}

pub(super) fn place((x, y): (f64, f64)) -> Place {
    (units(x), units(y))
}

impl<E: std::error::Error + Send + Sync> From<DrawingAreaErrorKind<E>> for PlotError {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Draw(error.to_string())
    }
}
