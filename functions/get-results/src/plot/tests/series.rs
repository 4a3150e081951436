//! Pictures of effects by day.

use roxmltree::Document;

use super::{
    assert_sound, bounds, marks, percent_labels, points, series, settling, settling_lines, texts,
};
use crate::plot::SeriesLine;
use crate::plot::axis::Axis;
use crate::plot::path;
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

#[test]
fn a_wide_beginning_leaves_the_later_days_their_room_and_is_marked_by_an_arrow() {
    let mut line = settling("b", 30, 0.02);
    let usual = series(30, vec![line.clone()]).to_svg().unwrap();
    line.points[0] = Some(bounds(3.0, -500.0, 900.0));
    let svg = series(30, vec![line]).to_svg().unwrap();
    let texts_there = assert_sound(&svg);
    assert!(
        texts_there
            .iter()
            .any(|text| text.contains("continues beyond the axis"))
    );
    let step = |svg: &str| {
        let labels = percent_labels(&Document::parse(svg).unwrap());
        labels[1].0 - labels[0].0
    };
    assert_eq!(step(&svg), step(&usual), "the scale is that of the bulk");
    let document = Document::parse(&svg).unwrap();
    let polygons = document
        .descendants()
        .filter(|node| node.tag_name().name() == "polygon");
    assert_eq!(
        polygons.filter(|node| points(*node).len() == 3).count(),
        2,
        "up and down"
    );
}

#[test]
fn a_path_is_cut_where_it_crosses_the_edge_and_not_bent() {
    let axis = Axis {
        lower: -1.0,
        upper: 1.0,
    };
    let path = [(0.0, 3.0), (1.0, -3.0), (2.0, 0.0)];
    let third = 1.0 / 3.0;
    let near = |found: &[(f64, f64)], expected: &[(f64, f64)]| {
        let pairs = found.iter().zip(expected);
        found.len() == expected.len()
            && pairs
                .into_iter()
                .all(|(a, b)| (a.0 - b.0).abs() < 1e-9 && (a.1 - b.1).abs() < 1e-9)
    };
    let inside = path::inside(&path, axis);
    assert_eq!(inside.len(), 2);
    assert!(
        near(&inside[0], &[(third, 1.0), (2.0 * third, -1.0)]),
        "{inside:?}"
    );
    assert!(
        near(&inside[1], &[(1.0 + 2.0 * third, -1.0), (2.0, 0.0)]),
        "{inside:?}"
    );
    let cut = path::cut(&path, axis);
    let edges = [
        (0.0, 1.0),
        (third, 1.0),
        (2.0 * third, -1.0),
        (1.0, -1.0),
        (1.0 + 2.0 * third, -1.0),
        (2.0, 0.0),
    ];
    assert!(near(&cut, &edges), "{cut:?}");
}

#[test]
fn the_names_of_the_lines_stand_above_the_drawing() {
    for count in [1, 3, 8, 19] {
        let svg = series(60, settling_lines(count, 60)).to_svg().unwrap();
        assert_sound(&svg);
        let document = Document::parse(&svg).unwrap();
        let top = percent_labels(&document)
            .iter()
            .map(|label| label.2)
            .fold(f64::MAX, f64::min);
        let names: Vec<_> = texts(&document)
            .into_iter()
            .filter(|text| text.words.starts_with("variant"))
            .collect();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| name.y < top - 40.0));
    }
}

#[test]
fn days_apart_stand_apart_by_the_calendar() {
    let mut plot = series(3, settling_lines(1, 3));
    plot.days = ["2026-02-27", "2026-02-28", "2026-03-05"]
        .map(str::to_owned)
        .to_vec();
    let svg = plot.to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    // Without the one in the legend.
    let mut xs: Vec<f64> = marks(&document).iter().skip(1).map(|mark| mark.0).collect();
    xs.sort_by(f64::total_cmp);
    let (first, second) = (xs[1] - xs[0], xs[2] - xs[1]);
    assert!((second / first - 5.0).abs() < 0.1, "{xs:?}");
}
