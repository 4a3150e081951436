//! Effects over time.

use roxmltree::Document;

use super::{assert_sound, bounds, marks, percent_labels, series, settling_lines, texts};
use crate::plot::SeriesLine;
use crate::plot::style::{Look, look};

#[test]
fn points_of_a_series_lie_at_the_height_that_the_axis_says() {
    let point = |estimate| Some(bounds(estimate, estimate - 0.01, estimate + 0.01));
    let line = SeriesLine {
        label: "b".to_owned(),
        points: vec![point(0.05), None, point(-0.02), None, point(0.03)],
    };
    let svg = series(5, vec![line]).to_svg().unwrap();
    assert_sound(&svg);
    let document = Document::parse(&svg).unwrap();
    let labels = percent_labels(&document);
    let (first, last) = (labels[0], labels[labels.len() - 1]);
    let scale = (last.2 - first.2) / (last.0 - first.0);
    let days: Vec<f64> = texts(&document)
        .iter()
        .filter(|text| text.words.starts_with("202"))
        .map(|text| text.x)
        .collect();
    for (x, estimate) in [(days[0], 0.05), (days[2], -0.02), (days[4], 0.03)] {
        let y = first.2 + (estimate - first.0) * scale;
        let near =
            |(mark_x, mark_y): &(f64, f64)| (mark_x - x).abs() <= 3.0 && (mark_y - y).abs() <= 3.0;
        assert!(marks(&document).iter().any(near), "no mark at {x}, {y}");
    }
}

#[test]
fn few_days_are_named_however_many_there_are() {
    for days in 1..=400 {
        let svg = series(days, settling_lines(1, days)).to_svg().unwrap();
        let document = Document::parse(&svg).unwrap();
        let named: Vec<f64> = texts(&document)
            .iter()
            .filter(|text| text.words.starts_with("202"))
            .map(|text| text.x)
            .collect();
        assert!(
            (1..=7).contains(&named.len()),
            "{} of {days} days",
            named.len()
        );
        assert!(
            days < 4 || named.len() > 2,
            "{} of {days} days",
            named.len()
        );
        assert!(
            named.windows(2).all(|pair| pair[1] - pair[0] >= 320.0),
            "names touch at {days} days"
        );
    }
}

#[test]
fn the_first_eight_lines_differ_in_mark_and_dash_and_no_two_lines_are_the_same() {
    let looks: Vec<_> = (0..19).map(look).collect();
    for (n, look) in looks.iter().enumerate() {
        assert!(looks[..n].iter().all(|other| other != look), "line {n}");
        let differs = |other: &Look| {
            other.dash != look.dash
                && (other.mark.shape, other.mark.hollow) != (look.mark.shape, look.mark.hollow)
        };
        assert!(n >= 8 || looks[..n].iter().all(differs), "line {n}");
    }
}
