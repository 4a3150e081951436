//! Tests of the pictures, which are read back as XML.

use roxmltree::{Document, Node};

use super::{Bounds, EffectRow, EffectsGroup, EffectsPlot, SeriesLine, SeriesPlot, text};

mod effects;
mod every;
mod series;

fn bounds(estimate: f64, lower: f64, upper: f64) -> Bounds {
    Bounds {
        estimate,
        lower,
        upper,
    }
}

fn row(label: &str, bounds: Bounds) -> EffectRow {
    let Bounds {
        estimate,
        lower,
        upper,
    } = bounds;
    let text = format!(
        "{:+.1}% ({:+.1} to {:+.1})",
        estimate * 100.0,
        lower * 100.0,
        upper * 100.0
    );
    EffectRow {
        label: label.to_owned(),
        effect: Ok(bounds),
        text,
    }
}

fn group(heading: &str, higher_is_better: bool, rows: Vec<EffectRow>) -> EffectsGroup {
    EffectsGroup {
        heading: heading.to_owned(),
        higher_is_better,
        rows,
    }
}

fn effects(groups: Vec<EffectsGroup>) -> EffectsPlot {
    EffectsPlot {
        title: "Checkout".to_owned(),
        subtitle: "Nothing is certain yet.".to_owned(),
        note: "Welch, 95%".to_owned(),
        groups,
    }
}

fn effects_of(rows: &[Bounds]) -> EffectsPlot {
    let rows = rows
        .iter()
        .enumerate()
        .map(|(n, bounds)| row(&format!("v{n}"), *bounds));
    effects(vec![group("conversion", true, rows.collect())])
}

fn series(days: usize, lines: Vec<SeriesLine>) -> SeriesPlot {
    let first = chrono::NaiveDate::from_ymd_opt(2025, 12, 30).unwrap();
    let days = first
        .iter_days()
        .take(days)
        .map(|day| day.to_string())
        .collect();
    SeriesPlot {
        title: "Checkout: conversion".to_owned(),
        subtitle: "Nothing is certain yet.".to_owned(),
        note: "Welch, 95%".to_owned(),
        days,
        lines,
    }
}

/// A line that settles at `effect`, with intervals that get narrower.
fn settling(label: &str, days: usize, effect: f64) -> SeriesLine {
    let point = |day: usize| {
        let half = 0.3 / ((day + 1) as f64).sqrt();
        let estimate = effect + half * 0.3 * (day as f64).sin();
        Some(bounds(estimate, estimate - half, estimate + half))
    };
    SeriesLine {
        label: label.to_owned(),
        points: (0..days).map(point).collect(),
    }
}

fn settling_lines(count: usize, days: usize) -> Vec<SeriesLine> {
    (0..count)
        .map(|n| settling(&format!("variant {n}"), days, 0.02 * n as f64))
        .collect()
}

fn number(node: Node<'_, '_>, name: &str) -> f64 {
    let text = node
        .attribute(name)
        .unwrap_or_else(|| panic!("{name} of {node:?}"));
    text.parse().unwrap_or_else(|_| panic!("{name}={text}"))
}

fn points(node: Node<'_, '_>) -> Vec<(f64, f64)> {
    let pair = |pair: &str| {
        let (x, y) = pair.split_once(',').unwrap();
        (x.parse().unwrap(), y.parse().unwrap())
    };
    node.attribute("points")
        .unwrap()
        .split_whitespace()
        .map(pair)
        .collect()
}

/// Every position that an element draws at.
fn places(node: Node<'_, '_>) -> Vec<(f64, f64)> {
    let n = |name| number(node, name);
    match node.tag_name().name() {
        "polyline" | "polygon" => points(node),
        "circle" => vec![
            (n("cx") - n("r"), n("cy") - n("r")),
            (n("cx") + n("r"), n("cy") + n("r")),
        ],
        "rect" => {
            let (x, y) = (
                node.attribute("x").unwrap_or("0"),
                node.attribute("y").unwrap_or("0"),
            );
            let (x, y): (f64, f64) = (x.parse().unwrap(), y.parse().unwrap());
            vec![(x, y), (x + n("width"), y + n("height"))]
        }
        "text" => vec![(n("x"), n("y"))],
        "svg" | "title" | "desc" => vec![],
        other => panic!("unexpected element {other}"),
    }
}

/// Fails unless the text is SVG that any program can draw. Returns its texts.
fn assert_sound(svg: &str) -> Vec<String> {
    let document = Document::parse(svg).unwrap_or_else(|error| panic!("{error}: {svg}"));
    let root = document.root_element();
    assert_eq!(
        (root.tag_name().name(), root.attribute("role")),
        ("svg", Some("img"))
    );
    let view: Vec<f64> = root
        .attribute("viewBox")
        .unwrap()
        .split(' ')
        .map(|n| n.parse().unwrap())
        .collect();
    let (across, down) = (view[2], view[3]);
    for node in root.descendants().filter(Node::is_element) {
        for attribute in node.attributes() {
            let value = attribute.value();
            assert!(!value.contains("NaN") && !value.contains("inf"), "{node:?}");
        }
        for (x, y) in places(node) {
            let on_page = (0.0..=across).contains(&x) && (0.0..=down).contains(&y);
            assert!(
                on_page,
                "{x},{y} is not on the page of {across} by {down}: {node:?}"
            );
        }
        if node.tag_name().name() == "text" {
            assert_eq!(node.attribute("font-family"), Some("sans-serif"));
            let words = node.text().unwrap_or_default().trim();
            let width = text::width(words, number(node, "font-size"));
            let left = match node.attribute("text-anchor") {
                Some("start") => number(node, "x"),
                Some("middle") => number(node, "x") - width / 2.0,
                _ => number(node, "x") - width,
            };
            assert!(
                left >= 0.0 && left + width <= across,
                "`{words}` runs off the page"
            );
        }
    }
    texts(&document)
        .into_iter()
        .map(|text| text.words)
        .collect()
}

struct Placed {
    words: String,
    x: f64,
    y: f64,
}

fn texts(document: &Document<'_>) -> Vec<Placed> {
    let nodes = document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")));
    nodes
        .map(|node| Placed {
            words: node.text().unwrap_or_default().trim().to_owned(),
            x: number(node, "x"),
            y: number(node, "y"),
        })
        .collect()
}

/// The centres of all round and square marks.
fn marks(document: &Document<'_>) -> Vec<(f64, f64)> {
    let mut marks = Vec::new();
    for node in document.descendants() {
        match node.tag_name().name() {
            "circle" => marks.push((number(node, "cx"), number(node, "cy"))),
            "polygon" if points(node).len() == 4 => {
                let corners = points(node);
                marks.push((
                    f64::midpoint(corners[0].0, corners[2].0),
                    f64::midpoint(corners[0].1, corners[2].1),
                ));
            }
            _ => {}
        }
    }
    marks
}

/// The position of effects by the labels of the axis: pairs of effect and position.
fn percent_labels(document: &Document<'_>) -> Vec<(f64, f64, f64)> {
    let label = |text: &Placed| {
        let percent: f64 = text.words.strip_suffix("%")?.parse().ok()?;
        Some((percent / 100.0, text.x, text.y))
    };
    texts(document).iter().filter_map(label).collect()
}
