//! A metric in the body of an experiment.

use super::text::name;
use crate::http::body::{Faults, Node, Object};
use domain::ids::{EventType, MetricKey};
use domain::metric::{Denominator, Direction, Measure, Metric, MetricKind, MetricRole};
use domain::{Invalid, limits};

/// Fields of every metric.
const COMMON: &str = "key, kind, event_type, name, role, direction, margin";

/// A kind by name, before its own fields are read.
#[derive(Clone, Copy)]
enum Kind {
    Conversion,
    Count,
    Sum,
    Ratio,
    Quantile,
}

const KINDS: [(&str, Kind); 5] = [
    ("conversion", Kind::Conversion),
    ("count", Kind::Count),
    ("sum", Kind::Sum),
    ("ratio", Kind::Ratio),
    ("quantile", Kind::Quantile),
];

/// Reads a metric and notes its faults.
pub(super) fn read(node: &Node<'_>, faults: &mut Faults) -> Option<Metric> {
    let mut fields = node.object(faults)?;
    let key = fields
        .required("key", faults)
        .and_then(|node| node.text(faults, MetricKey::parse));
    let named = fields
        .required("kind", faults)
        .and_then(|node| node.choice(faults, &KINDS));
    let event_type = fields
        .required("event_type", faults)
        .and_then(|node| node.text(faults, EventType::parse_new));
    let name = fields.optional("name").and_then(|node| name(&node, faults));
    let role = fields
        .optional("role")
        .map(|node| node.choice(faults, &MetricRole::ALL));
    let direction = fields
        .optional("direction")
        .map(|node| node.choice(faults, &Direction::ALL));
    let margin_node = fields.optional("margin");
    let margin = margin_node
        .as_ref()
        .map(|node| node.number(faults, fraction));
    let (kind, own) = kind(named, &mut fields, faults);
    // For other kinds it is an unknown field.
    let cap = matches!(named, Some(Kind::Count | Kind::Sum))
        .then(|| fields.optional("cap_percentile"))
        .flatten()
        .map(|node| node.number(faults, |text| between(text, 0.5, 1.0)));
    fields.finish(faults, &format!("{COMMON}{own}"));
    let role = role.unwrap_or(Some(MetricRole::default()));
    if let (Some(node), Some(role)) = (margin_node, role)
        && role != MetricRole::Guardrail
    {
        let detail =
            "Only a guardrail has a margin: give it the role `guardrail`, or leave the margin out.";
        faults.push(node.pointer(), Invalid::new("not_a_guardrail", detail));
    }
    Some(Metric {
        key: key?,
        kind: kind?,
        event_type: event_type?,
        name,
        role: role?,
        direction: direction.unwrap_or(Some(Direction::default()))?,
        cap_percentile: cap.map_or(Some(None), |cap| cap.map(Some))?,
        margin: margin.map_or(Some(None), |margin| margin.map(Some))?,
    })
}

/// The kind with its own fields, and their names.
fn kind(
    named: Option<Kind>,
    fields: &mut Object<'_>,
    faults: &mut Faults,
) -> (Option<MetricKind>, &'static str) {
    match named {
        None => {
            // Without a kind, neither the required fields nor their faults are known.
            for name in ["measure", "denominator", "quantile", "cap_percentile"] {
                fields.optional(name);
            }
            (None, ", measure, denominator, quantile, cap_percentile")
        }
        Some(Kind::Conversion) => (Some(MetricKind::Conversion), ""),
        Some(Kind::Count) => (Some(MetricKind::Count), ", cap_percentile"),
        Some(Kind::Sum) => (Some(MetricKind::Sum), ", cap_percentile"),
        Some(Kind::Ratio) => {
            let measure = measure(fields, faults);
            let denominator = fields
                .required("denominator", faults)
                .and_then(|node| denominator(&node, faults));
            let ratio = measure.zip(denominator);
            let ratio = ratio.map(|(measure, denominator)| MetricKind::Ratio {
                measure,
                denominator,
            });
            (ratio, ", measure, denominator")
        }
        Some(Kind::Quantile) => {
            let measure = measure(fields, faults);
            let quantile = fields
                .required("quantile", faults)
                .and_then(|node| node.number(faults, fraction));
            let quantile = measure.zip(quantile);
            let quantile =
                quantile.map(|(measure, quantile)| MetricKind::Quantile { measure, quantile });
            (quantile, ", measure, quantile")
        }
    }
}

/// The measure; the sum of the values by default.
fn measure(fields: &mut Object<'_>, faults: &mut Faults) -> Option<Measure> {
    fields
        .optional("measure")
        .map_or(Some(Measure::Sum), |node| {
            node.choice(faults, &Measure::ALL)
        })
}

fn denominator(node: &Node<'_>, faults: &mut Faults) -> Option<Denominator> {
    let mut fields = node.object(faults)?;
    let event_type = fields
        .required("event_type", faults)
        .and_then(|node| node.text(faults, EventType::parse_new));
    let measure = fields
        .optional("measure")
        .map_or(Some(Measure::Count), |node| {
            node.choice(faults, &Measure::ALL)
        });
    fields.finish(faults, "event_type, measure");
    Some(Denominator {
        event_type: event_type?,
        measure: measure?,
    })
}

/// A number below 1 that is not too small to be stored.
fn fraction(text: &str) -> Result<f64, Invalid> {
    let number = text.parse().ok();
    number
        .filter(|number| (limits::MIN_FRACTION..1.0).contains(number))
        .ok_or_else(|| {
            let detail = "Must be a number from 0.000001, and below 1.";
            Invalid::new("out_of_range", detail)
        })
}

/// A number strictly between two others.
fn between(text: &str, lower: f64, upper: f64) -> Result<f64, Invalid> {
    text.parse()
        .ok()
        .filter(|number: &f64| *number > lower && *number < upper)
        .ok_or_else(|| {
            Invalid::new(
                "out_of_range",
                format!("Must be a number above {lower} and below {upper}."),
            )
        })
}
