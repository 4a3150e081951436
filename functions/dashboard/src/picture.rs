//! Drawings from the numbers of the API, by the drawing code of `format=svg`.

use crate::text::{NONE, list, text};
use domain::prose::percent;
use get_results::plot::{Bounds, EffectRow, EffectsGroup, EffectsPlot, SeriesLine, SeriesPlot};
use maud::{Markup, PreEscaped, html};
use serde_json::Value;

/// A picture that scrolls on narrow screens. `label` says to screen readers what it shows.
fn figure(label: &str, svg: Option<String>) -> Markup {
    html! {
        @if let Some(svg) = svg {
            div.figure tabindex="0" role="group" aria-label=(label) { (PreEscaped(svg)) }
        }
    }
}

/// Estimate and interval, if all three are numbers.
fn bounds(value: &Value) -> Option<Bounds> {
    Some(Bounds {
        estimate: value["estimate"].as_f64()?,
        lower: value["ci_lower"].as_f64()?,
        upper: value["ci_upper"].as_f64()?,
    })
}

/// The lift of a comparison by the deciding method.
pub(crate) fn decisive(comparison: &Value) -> &Value {
    &comparison["decisive"]["relative"]
}

/// The lifts of all metrics of an analysis.
pub(crate) fn effects(report: &Value) -> Markup {
    let row = |comparison: &Value| {
        let found = bounds(decisive(comparison));
        let words = found.map_or_else(String::new, |lift| {
            let [lower, upper] = [lift.lower, lift.upper].map(percent);
            let (lower, upper) = (lower.trim_end_matches('%'), upper.trim_end_matches('%'));
            format!("{} ({lower} to {upper})", percent(lift.estimate))
        });
        let missing = list(&comparison["missing"]).first();
        let why = missing.map_or(NONE, |missing| text(&missing["message"]));
        EffectRow {
            label: text(&comparison["variant"]).to_owned(),
            effect: found.ok_or_else(|| why.to_owned()),
            text: words,
        }
    };
    let group = |metric: &Value| {
        let label = metric["name"].as_str().unwrap_or(text(&metric["key"]));
        EffectsGroup {
            heading: format!("{label} ({})", text(&metric["role"])),
            higher_is_better: text(&metric["direction"]) == "increase",
            rows: list(&metric["comparisons"]).iter().map(row).collect(),
        }
    };
    let plot = EffectsPlot {
        title: "Effect on each metric".to_owned(),
        subtitle: "The lift of each variant compared with the control, and its interval."
            .to_owned(),
        note: String::new(),
        groups: list(&report["metrics"]).iter().map(group).collect(),
    };
    figure("Picture: effect on each metric", plot.to_svg().ok())
}

/// The lift on one metric by day.
pub(crate) fn series(metric: &Value) -> Markup {
    let series = &metric["series"];
    let days = list(&series["days"]).iter().map(|day| text(day).to_owned());
    let line = |column: &Value| {
        let at = |name: &str, place: usize| column[name][place].as_f64();
        let point = |place: usize| {
            Some(Bounds {
                estimate: at("lift", place)?,
                lower: at("ci_lower", place)?,
                upper: at("ci_upper", place)?,
            })
        };
        SeriesLine {
            label: text(&column["variant"]).to_owned(),
            points: (0..list(&column["lift"]).len()).map(point).collect(),
        }
    };
    let plot = SeriesPlot {
        title: "Lift by day".to_owned(),
        subtitle: "Each point is computed from all data up to the end of its day.".to_owned(),
        note: String::new(),
        days: days.collect(),
        lines: list(&series["comparisons"]).iter().map(line).collect(),
    };
    figure("Picture: lift by day", plot.to_svg().ok())
}

/// Pixels of a small picture.
const SMALL: (f64, f64) = (120.0, 22.0);

/// The largest bound of several lifts, which small pictures of one list share as their reach: at least 1%, at most 100%.
pub(crate) fn reach<'v>(lifts: impl Iterator<Item = &'v Value>) -> f64 {
    let all = lifts.filter_map(bounds);
    let ends = all.flat_map(|lift| [lift.lower.abs(), lift.upper.abs()]);
    ends.fold(0.01, f64::max).min(1.0)
}

/// One lift with its interval, around a line at 0. The text beside it says the same.
pub(crate) fn small(lift: &Value, increase_is_better: bool, reach: f64) -> Markup {
    let Some(lift) = bounds(lift) else {
        return html! {};
    };
    let (width, height) = SMALL;
    let x = |share: f64| {
        format!(
            "{:.1}",
            (share / reach)
                .clamp(-1.0, 1.0)
                .mul_add(width / 2.0 - 5.0, width / 2.0)
        )
    };
    let better = |bound: f64| (bound > 0.0) == increase_is_better;
    let tone = match lift.lower <= 0.0 && lift.upper >= 0.0 {
        true => "open",
        false if better(lift.lower) => "good",
        false => "bad",
    };
    let (middle, y) = (
        format!("{:.1}", width / 2.0),
        format!("{:.1}", height / 2.0),
    );
    html! {
        svg class={ "small " (tone) } viewBox=(format!("0 0 {width} {height}")) width=(width) height=(height) aria-hidden="true" {
            line.zero x1=(middle) x2=(middle) y1="1" y2=(height - 1.0) {}
            line.range x1=(x(lift.lower)) x2=(x(lift.upper)) y1=(y) y2=(y) {}
            circle cx=(x(lift.estimate)) cy=(y) r="4" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_small_picture_is_never_wider_than_its_frame_and_has_the_colour_of_its_direction() {
        let lift = json!({"estimate": 7.0, "ci_lower": 0.1, "ci_upper": 1e9});
        let reach = reach([&lift].into_iter());
        assert!((reach - 1.0).abs() < 1e-12);
        let drawn = small(&lift, true, reach).into_string();
        assert!(
            drawn.contains("small good") && drawn.contains(r#"x2="115.0""#),
            "{drawn}"
        );
        assert!(
            small(&lift, false, reach)
                .into_string()
                .contains("small bad")
        );
        let open = json!({"estimate": 0.0, "ci_lower": -0.1, "ci_upper": 0.1});
        assert!(
            small(&open, true, reach)
                .into_string()
                .contains("small open")
        );
        assert_eq!(small(&Value::Null, true, reach).into_string(), "");
    }
}
