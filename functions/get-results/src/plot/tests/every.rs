//! Properties of every picture, for any input.

use proptest::prelude::*;
use roxmltree::{Document, Node};

use super::{assert_sound, bounds, effects, effects_of, group, row, series, settling_lines};
use crate::plot::axis::Axis;
use crate::plot::{Bounds, EffectRow, EffectsPlot, PlotError, SeriesLine};

const HOSTILE: &str =
    "<script>alert('x')</script> & \"q\" ]]> 🧪👩‍🔬 مرحبا \u{202e}evil\u{0}\u{1b}\u{fffe}\n\ttab";

#[test]
fn names_are_escaped_and_cannot_turn_the_reading_order_around() {
    let mut plot = effects_of(&[bounds(0.1, 0.0, 0.2)]);
    plot.groups[0].rows.push(EffectRow {
        label: "b".to_owned(),
        effect: Err(HOSTILE.to_owned()),
        text: String::new(),
    });
    plot.groups[0].heading = HOSTILE.to_owned();
    plot.groups[0].rows[0].label = HOSTILE.to_owned();
    plot.groups[0].rows[0].text = HOSTILE.to_owned();
    (plot.title, plot.subtitle, plot.note) =
        (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    let mut lines = series(3, settling_lines(2, 3));
    lines.lines[0].label = HOSTILE.to_owned();
    (lines.title, lines.subtitle, lines.note) =
        (HOSTILE.to_owned(), HOSTILE.to_owned(), HOSTILE.to_owned());
    for svg in [plot.to_svg().unwrap(), lines.to_svg().unwrap()] {
        let texts = assert_sound(&svg);
        let document = Document::parse(&svg).unwrap();
        assert!(
            document
                .descendants()
                .all(|node| node.tag_name().name() != "script")
        );
        assert!(
            !svg.chars()
                .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}')
        );
        let shown =
            "<script>alert('x')</script> & \"q\" ]]> 🧪👩‍🔬 مرحبا evil\u{fffd}\u{fffd}\u{fffd} tab";
        assert!(texts.iter().any(|text| text == shown), "{texts:#?}");
    }
}

#[test]
fn without_data_the_picture_says_that_there_is_nothing_yet() {
    let no_recent_events = SeriesLine {
        label: "b".to_owned(),
        points: vec![None, None],
    };
    for svg in [
        effects(vec![]).to_svg(),
        effects(vec![group("conversion", true, vec![])]).to_svg(),
        series(0, vec![]).to_svg(),
        series(3, vec![]).to_svg(),
        series(2, vec![no_recent_events]).to_svg(),
    ] {
        let texts = assert_sound(&svg.unwrap());
        assert!(texts.iter().any(|text| text == "There are no data yet."));
    }
}

#[test]
fn who_listens_hears_the_figures() {
    let svg = effects_of(&[bounds(0.1, 0.05, 0.15)]).to_svg().unwrap();
    let document = Document::parse(&svg).unwrap();
    let children: Vec<_> = document
        .root_element()
        .children()
        .filter(Node::is_element)
        .take(2)
        .collect();
    assert_eq!(children[0].tag_name().name(), "title");
    assert_eq!(children[0].text(), Some("Checkout"));
    assert_eq!(children[1].tag_name().name(), "desc");
    assert!(
        children[1]
            .text()
            .unwrap()
            .contains("conversion, v0: +10.0% (+5.0 to +15.0)")
    );
    let svg = series(2, settling_lines(1, 2)).to_svg().unwrap();
    assert!(svg.contains("variant 0, 2025-12-31: "));
}

#[test]
fn what_is_no_number_or_no_date_is_refused_and_not_drawn() {
    let point = Some(bounds(0.0, -0.1, 0.1));
    let line = |points| SeriesLine {
        label: "b".to_owned(),
        points,
    };
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = Err(PlotError::NotFinite("v0".to_owned()));
        assert_eq!(effects_of(&[bounds(0.0, value, 0.0)]).to_svg(), refused);
        let plot = series(1, vec![line(vec![Some(bounds(0.0, 0.0, value))])]);
        assert_eq!(plot.to_svg(), Err(PlotError::NotFinite("b".to_owned())));
    }
    let mut plot = series(2, vec![line(vec![point])]);
    let uneven = PlotError::Uneven {
        label: "b".to_owned(),
        points: 1,
        days: 2,
    };
    assert_eq!(plot.to_svg(), Err(uneven));
    plot.lines[0].points.push(point);
    plot.days = vec!["2026-03-02".to_owned(), "2026-03-02".to_owned()];
    assert_eq!(
        plot.to_svg(),
        Err(PlotError::NotAscending("2026-03-02".to_owned()))
    );
    plot.days[1] = "3 March".to_owned();
    assert_eq!(
        plot.to_svg(),
        Err(PlotError::NotADate("3 March".to_owned()))
    );
}

#[test]
fn ordinary_pictures_are_of_moderate_size() {
    let rows = |n: usize| {
        (0..3)
            .map(|v| row(&format!("variant {v}"), bounds(0.01 * n as f64, -0.2, 0.3)))
            .collect()
    };
    let groups = (0..20)
        .map(|n| group(&format!("metric {n}"), true, rows(n)))
        .collect();
    for svg in [
        effects(groups).to_svg().unwrap(),
        series(120, settling_lines(4, 120)).to_svg().unwrap(),
        series(400, settling_lines(8, 400)).to_svg().unwrap(),
    ] {
        assert!(svg.len() < 200_000, "{} bytes", svg.len());
    }
}

/// Numbers of every size, small ones more often.
fn any_finite() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => -0.5..0.5,
        1 => -1e4..1e4,
        1 => any::<f64>().prop_filter("finite", |value| value.is_finite()),
        1 => Just(0.0),
    ]
}

fn any_bounds() -> impl Strategy<Value = Bounds> {
    (any_finite(), any_finite(), any_finite())
        .prop_map(|(estimate, lower, upper)| bounds(estimate, lower, upper))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn any_effects_and_names_make_a_sound_picture_and_always_the_same(
        groups in prop::collection::vec(
            (any::<String>(), any::<bool>(), prop::collection::vec((any::<String>(), any_bounds(), any::<bool>()), 0..6)),
            0..5,
        ),
        title in any::<String>(),
    ) {
        let groups = groups.into_iter().map(|(heading, higher_is_better, rows)| {
            let rows = rows.into_iter().map(|(name, bounds, known)| match known {
                true => row(&name, bounds),
                false => EffectRow { label: name.clone(), effect: Err(name), text: String::new() },
            });
            group(&heading, higher_is_better, rows.collect())
        });
        let plot = EffectsPlot { title: title.clone(), subtitle: title.clone(), note: title, groups: groups.collect() };
        let svg = plot.to_svg().unwrap();
        assert_sound(&svg);
        prop_assert_eq!(svg, plot.to_svg().unwrap());
    }

    #[test]
    fn any_series_makes_a_sound_picture_and_always_the_same(
        (days, lines) in (0_usize..30).prop_flat_map(|days| {
            let points = prop::collection::vec(prop::option::weighted(0.9, any_bounds()), days);
            (Just(days), prop::collection::vec((any::<String>(), points), 0..7))
        }),
    ) {
        let lines = lines.into_iter().map(|(label, points)| SeriesLine { label, points });
        let plot = series(days, lines.collect());
        let svg = plot.to_svg().unwrap();
        assert_sound(&svg);
        prop_assert_eq!(svg, plot.to_svg().unwrap());
    }

    #[test]
    fn the_axis_has_zero_among_few_ticks_and_all_of_what_is_usual(effects in prop::collection::vec(any_bounds(), 1..20)) {
        let effects: Vec<Bounds> = effects.into_iter().filter_map(Bounds::drawable).collect();
        let axis = Axis::of_bulk(&effects, 5.0, 0.2);
        let ticks = axis.ticks(7);
        prop_assert!((2..=7).contains(&ticks.len()), "{:?}", ticks);
        prop_assert!(ticks.iter().all(|tick| axis.holds(tick.at)));
        prop_assert!(ticks.iter().any(|tick| tick.at == 0.0));
        prop_assert!(axis.lower < 0.0 && axis.upper > 0.0);
        // At least half of the intervals are whole, unless they are beyond every axis.
        let whole = |effect: &&Bounds| [effect.lower, effect.estimate, effect.upper].into_iter().all(|value| axis.holds(value));
        let sensible = effects.iter().filter(|effect| [effect.lower, effect.estimate, effect.upper].iter().all(|value| value.abs() <= 20.0));
        if 2 * sensible.count() > effects.len() {
            prop_assert!(2 * effects.iter().filter(whole).count() >= effects.len());
        }
    }
}
