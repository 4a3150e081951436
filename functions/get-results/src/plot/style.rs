//! Type, colours, marks and dashes.

use plotters::style::{FontStyle, RGBColor};

pub(super) const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
pub(super) const INK: RGBColor = RGBColor(0x22, 0x22, 0x22);
/// The lightest grey in which small text is legible.
pub(super) const GREY: RGBColor = RGBColor(0x55, 0x55, 0x55);
pub(super) const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);

// Colours that can be distinguished with any kind of colour vision (Okabe and Ito 2008).
pub(super) const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xb2);
pub(super) const VERMILION: RGBColor = RGBColor(0xd5, 0x5e, 0x00);
const GREEN: RGBColor = RGBColor(0x00, 0x9e, 0x73);
const PURPLE: RGBColor = RGBColor(0xcc, 0x79, 0xa7);
const ORANGE: RGBColor = RGBColor(0xe6, 0x9f, 0x00);
const SKY: RGBColor = RGBColor(0x56, 0xb4, 0xe9);
const BLACK: RGBColor = RGBColor(0x00, 0x00, 0x00);
/// Replaces the palette's yellow, which is hard to see on white.
const MIDDLE_GREY: RGBColor = RGBColor(0x80, 0x80, 0x80);

/// The style of a text. Sizes are in pixels.
#[derive(Clone, Copy)]
pub(super) struct Face {
    pub(super) size: f64,
    pub(super) style: FontStyle,
    pub(super) colour: RGBColor,
}

impl Face {
    pub(super) const TITLE: Self = Self::new(18.0, FontStyle::Bold, INK);
    pub(super) const SUBTITLE: Self = Self::new(14.0, FontStyle::Normal, INK);
    pub(super) const HEADING: Self = Self::new(13.0, FontStyle::Bold, INK);
    pub(super) const LABEL: Self = Self::new(13.0, FontStyle::Normal, INK);
    pub(super) const REASON: Self = Self::new(12.0, FontStyle::Italic, GREY);
    pub(super) const SMALL: Self = Self::new(11.0, FontStyle::Normal, GREY);

    const fn new(size: f64, style: FontStyle, colour: RGBColor) -> Self {
        Self {
            size,
            style,
            colour,
        }
    }

    /// The size for estimating the width of a text: bold letters are wider.
    pub(super) fn measure(&self) -> f64 {
        match self.style {
            FontStyle::Bold => self.size * 1.1,
            _ => self.size,
        }
    }

    /// The distance between lines, in pixels.
    pub(super) fn line_height(&self) -> f64 {
        self.size * 1.4
    }
}

/// The shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    Circle,
    Square,
    Up,
    Down,
    Left,
    Right,
    Diamond,
    Hourglass,
    Bow,
}

impl Shape {
    /// The corners relative to the centre, or `None` for a circle.
    pub(super) fn corners(self, radius: i32) -> Option<Vec<(i32, i32)>> {
        let r = radius;
        match self {
            Self::Circle => None,
            Self::Square => Some(vec![(-r, -r), (r, -r), (r, r), (-r, r)]),
            Self::Up => Some(vec![(0, -r), (r, r), (-r, r)]),
            Self::Down => Some(vec![(0, r), (-r, -r), (r, -r)]),
            Self::Left => Some(vec![(-r, 0), (r, -r), (r, r)]),
            Self::Right => Some(vec![(r, 0), (-r, r), (-r, -r)]),
            Self::Diamond => Some(vec![(0, -r), (r, 0), (0, r), (-r, 0)]),
            Self::Hourglass => Some(vec![(-r, -r), (r, -r), (-r, r), (r, r)]),
            Self::Bow => Some(vec![(-r, -r), (r, r), (r, -r), (-r, r)]),
        }
    }
}

/// The style of a mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Mark {
    pub(super) shape: Shape,
    pub(super) hollow: bool,
    pub(super) colour: RGBColor,
}

impl Mark {
    /// The arrow for an interval that continues.
    pub(super) fn arrow(shape: Shape, colour: RGBColor) -> Self {
        Self {
            shape,
            hollow: false,
            colour,
        }
    }
}

/// The style of a line in a series.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    pub(super) mark: Mark,
    /// Lengths of a dash and of the following gap in pixels; `None` is a solid line.
    pub(super) dash: Option<(f64, f64)>,
}

/// No triangles, which are used for arrows.
const MARKS: [(RGBColor, Shape, bool); 8] = [
    (BLUE, Shape::Circle, false),
    (VERMILION, Shape::Square, false),
    (GREEN, Shape::Diamond, false),
    (PURPLE, Shape::Hourglass, false),
    (ORANGE, Shape::Circle, true),
    (SKY, Shape::Square, true),
    (BLACK, Shape::Bow, false),
    (MIDDLE_GREY, Shape::Diamond, true),
];

const DASHES: [Option<(f64, f64)>; 8] = [
    None,
    Some((8.0, 4.0)),
    Some((3.0, 3.0)),
    Some((16.0, 4.0)),
    Some((6.0, 6.0)),
    Some((24.0, 5.0)),
    Some((3.0, 7.0)),
    Some((12.0, 8.0)),
];

/// The style of the line with this index. From the ninth line on, marks and colours repeat with other dashes.
pub(super) fn look(place: usize) -> Look {
    let (round, place) = (place / MARKS.len(), place % MARKS.len());
    let (colour, shape, hollow) = MARKS[place];
    Look {
        mark: Mark {
            shape,
            hollow,
            colour,
        },
        dash: DASHES[(place + 3 * round) % DASHES.len()],
    }
}
