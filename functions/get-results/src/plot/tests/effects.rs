//! Rows of effects.

use roxmltree::{Document, Node};

use super::{
    assert_sound, bounds, effects, effects_of, group, marks, percent_labels, points, row, texts,
};
use crate::plot::{EffectRow, text};

#[test]
fn each_row_has_its_mark_where_the_axis_says_its_number_is() {
    let rows = [
        bounds(-0.043, -0.085, -0.002),
        bounds(0.0, -0.03, 0.03),
        bounds(0.061, 0.02, 0.102),
        bounds(0.0123, 0.001, 0.0236),
    ];
    let svg = effects_of(&rows).to_svg().unwrap();
    assert_sound(&svg);
    let document = Document::parse(&svg).unwrap();
    let labels = percent_labels(&document);
    let (first, last) = (labels[0], labels[labels.len() - 1]);
    let scale = (last.1 - first.1) / (last.0 - first.0);
    for (n, row) in rows.iter().enumerate() {
        let name = format!("v{n}");
        let label = texts(&document)
            .into_iter()
            .find(|text| text.words == name)
            .unwrap();
        let x = first.1 + (row.estimate - first.0) * scale;
        let near = |(mark_x, mark_y): &(f64, f64)| {
            (mark_x - x).abs() <= 3.0 && (mark_y - label.y).abs() <= 2.0
        };
        assert!(
            marks(&document).iter().any(near),
            "no mark of {name} at {x}, {}",
            label.y
        );
        for end in [row.lower, row.upper] {
            let x = first.1 + (end - first.0) * scale;
            let ends_here = |node: Node<'_, '_>| {
                node.has_tag_name(("http://www.w3.org/2000/svg", "polyline"))
                    && points(node)
                        .iter()
                        .any(|(at, y)| (at - x).abs() <= 3.0 && (y - label.y).abs() <= 2.0)
            };
            assert!(
                document.descendants().any(ends_here),
                "no end of {name} at {x}"
            );
        }
    }
}

#[test]
fn a_long_name_is_shortened_and_still_there_in_full() {
    let name = "checkout-with-a-very-long-name-that-a-user-pasted-from-a-ticket".repeat(3);
    let mut plot = effects_of(&[bounds(0.1, 0.0, 0.2)]);
    plot.groups[0].rows[0].label.clone_from(&name);
    let svg = plot.to_svg().unwrap();
    let texts = assert_sound(&svg);
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("checkout-with") && text.ends_with('…'))
    );
    assert!(texts.iter().all(|text| !text.contains(&name)));
    let document = Document::parse(&svg).unwrap();
    let hover = document
        .descendants()
        .find(|node| node.tag_name().name() == "title" && node.text() == Some(&name));
    assert!(hover.is_some());
}

#[test]
fn an_ellipsis_does_not_join_what_is_left_of_an_emoji() {
    let shortened = text::shortened("👩‍🔬👩‍🔬👩‍🔬👩‍🔬", 10.0, 36.0);
    assert_eq!(shortened, "👩‍🔬…");
}

#[test]
fn one_enormous_interval_leaves_the_others_their_room() {
    let mut rows = vec![bounds(0.02, -0.01, 0.05); 5];
    let usual = effects_of(&rows).to_svg().unwrap();
    rows.push(bounds(0.5, -40.0, 900.0));
    let svg = effects_of(&rows).to_svg().unwrap();
    let texts = assert_sound(&svg);
    assert!(
        texts
            .iter()
            .any(|text| text.contains("continues beyond the axis"))
    );
    let span = |svg: &str| {
        let document = Document::parse(svg).unwrap();
        let widest = document
            .descendants()
            .filter(|node| node.tag_name().name() == "polyline")
            .map(|node| {
                let xs = points(node).into_iter().map(|(x, _)| x);
                (
                    xs.clone().fold(f64::MAX, f64::min),
                    xs.fold(f64::MIN, f64::max),
                )
            });
        widest
            .map(|(left, right)| right - left)
            .find(|width| *width > 100.0)
            .unwrap()
    };
    assert!(
        span(&svg) > 0.5 * span(&usual),
        "{} of {}",
        span(&svg),
        span(&usual)
    );
    // An arrow on either side.
    let document = Document::parse(&svg).unwrap();
    let arrows = document
        .descendants()
        .filter(|node| node.tag_name().name() == "polygon" && points(*node).len() == 3);
    assert_eq!(arrows.count(), 2);
}

#[test]
fn the_better_side_is_said_in_words() {
    let rows = || vec![row("b", bounds(0.1, 0.05, 0.15))];
    let plot = effects(vec![
        group("conversion", true, rows()),
        group("latency", false, rows()),
    ]);
    let svg = plot.to_svg().unwrap();
    let texts = assert_sound(&svg);
    for words in [
        "worse ←",
        "→ better",
        "better ←",
        "→ worse",
        "the whole interval is better",
        "the whole interval is worse",
    ] {
        assert!(
            texts.iter().any(|text| text == words),
            "{words} in {texts:?}"
        );
    }
    // The same effect is marked by another shape where it is bad.
    let document = Document::parse(&svg).unwrap();
    let circles = document
        .descendants()
        .filter(|node| node.tag_name().name() == "circle");
    assert_eq!(circles.count(), 2, "one in the row, one in the legend");
}

#[test]
fn a_row_without_an_effect_says_why() {
    let mut plot = effects_of(&[bounds(0.1, 0.0, 0.2)]);
    let why = "The control has no users yet.".to_owned();
    plot.groups[0].rows.push(EffectRow {
        label: "c".to_owned(),
        effect: Err(why.clone()),
        text: String::new(),
    });
    let texts = assert_sound(&plot.to_svg().unwrap());
    assert!(texts.contains(&why) && texts.contains(&"c".to_owned()));
}

#[test]
fn a_hundred_metrics_of_nineteen_variants_keep_their_distance() {
    let rows = |metric: usize| {
        let row = |n: usize| {
            row(
                &format!("v{metric}-{n}"),
                bounds(0.01 * n as f64 - 0.1, -0.2, 0.1),
            )
        };
        (0..19).map(row).collect()
    };
    let groups = (0..100)
        .map(|n| group(&format!("metric {n}"), n % 2 == 0, rows(n)))
        .collect();
    let svg = effects(groups).to_svg().unwrap();
    assert_sound(&svg);
    let document = Document::parse(&svg).unwrap();
    let labels = texts(&document)
        .into_iter()
        .filter(|text| text.words.starts_with('v'));
    let heights: Vec<f64> = labels.map(|text| text.y).collect();
    assert_eq!(heights.len(), 1900);
    assert!(
        heights.windows(2).all(|pair| pair[1] - pair[0] >= 80.0),
        "less than 20 pixels apart"
    );
    assert!(svg.len() < 2_000_000, "{} bytes", svg.len());
}
