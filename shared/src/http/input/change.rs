//! The body of `PATCH /experiments/{id}`.

use super::{
    allocation, documentation, exclusion, experiment, layer, plan, removable, targeting, text,
};
use crate::http::body::{Faults, Node};
use crate::http::problem::{Fault, Problem};
use domain::Invalid;
use domain::change::{AllocationChange, AnalysisChange, Change, ScheduleChange};
use domain::documentation::DocumentationChange;
use domain::experiment::{Experiment, Status};
use domain::ids::VariantKey;
use domain::segment_graph::SegmentGraph;
use domain::time::Timestamp;

const FIELDS: &str = "name, description, status, variants, traffic_percent, ramp, layer, targeting, overrides, exclude, dimensions, metrics, plan, starts_at, ends_at, hypothesis, owner, tags, links, conclusion, release, reason";

/// Fields with a value that cannot be removed.
const NOT_REMOVABLE: [&str; 10] = [
    "name",
    "status",
    "variants",
    "traffic_percent",
    "overrides",
    "tags",
    "links",
    "reason",
    "dimensions",
    "metrics",
];

/// Reads a change. `segments` has all segments, if the body names any.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str, segments: &SegmentGraph) -> Result<Change, Problem> {
    let mut faults = Faults::default();
    let change = fields(&Node::root(text), segments, &mut faults);
    faults.check(change)
}

/// Checks that the conditions of a changed experiment together do not name too many segments.
///
/// # Errors
/// 422.
pub fn check_names(after: &Experiment) -> Result<(), Problem> {
    let mut faults = Faults::default();
    targeting::check_names(after.conditions(), &mut faults);
    faults.check(Some(()))
}

/// Checks that a change has at least one field besides its reason. A change of nothing would make a version that is equal to the last one.
///
/// # Errors
/// 422.
pub fn check_not_empty(change: &Change) -> Result<(), Problem> {
    let reason_only = Change {
        reason: change.reason.clone(),
        ..Change::default()
    };
    if *change != reason_only {
        return Ok(());
    }
    let detail = format!(
        "The change is empty. Send at least one of the fields {FIELDS}, and not only a `reason`."
    );
    let invalid = Invalid::new("empty_change", detail);
    Err(Problem::invalid(vec![Fault::at("", invalid)]))
}

fn fields(body: &Node<'_>, segments: &SegmentGraph, faults: &mut Faults) -> Option<Change> {
    let mut body = body.object(faults)?;
    for name in NOT_REMOVABLE {
        if let Some(pointer) = body.pointer_of_null(name) {
            let detail = format!(
                "`{name}` cannot be removed. Send a value, or leave the field out to keep the current one."
            );
            faults.push(pointer, Invalid::new("not_removable", detail));
        }
    }
    let change = Change {
        name: body
            .optional("name")
            .and_then(|node| text::name(&node, faults)),
        description: removable(&mut body, "description", |node| {
            text::description(node, faults)
        }),
        status: body
            .optional("status")
            .and_then(|node| node.choice(faults, &Status::ALL)),
        allocation: AllocationChange {
            variants: body
                .optional("variants")
                .and_then(|node| allocation::variants(&node, faults)),
            traffic_percent: body
                .optional("traffic_percent")
                .and_then(|node| node.number(faults, domain::allocation::percent)),
            ramp: removable(&mut body, "ramp", |node| allocation::ramp(node, faults))
                .map(Option::unwrap_or_default),
            layer: removable(&mut body, "layer", |node| layer::layer(node, faults)),
            targeting: removable(&mut body, "targeting", |node| {
                targeting::condition(node, segments, faults)
            }),
            overrides: body
                .optional("overrides")
                .and_then(|node| targeting::overrides(&node, segments, faults)),
            release: removable(&mut body, "release", |node| {
                node.text(faults, VariantKey::parse)
            }),
        },
        exclusion: removable(&mut body, "exclude", |node| {
            exclusion::exclusion(node, segments, faults)
        }),
        schedule: ScheduleChange {
            starts_at: removable(&mut body, "starts_at", |node| {
                node.text(faults, Timestamp::parse)
            }),
            ends_at: removable(&mut body, "ends_at", |node| {
                node.text(faults, Timestamp::parse)
            }),
        },
        analysis: AnalysisChange {
            dimensions: body
                .optional("dimensions")
                .and_then(|node| experiment::dimensions(&node, faults)),
            metrics: body
                .optional("metrics")
                .and_then(|node| experiment::metrics(&node, faults)),
            plan: removable(&mut body, "plan", |node| plan::plan(node, faults)),
        },
        documentation: DocumentationChange {
            hypothesis: removable(&mut body, "hypothesis", |node| {
                text::description(node, faults)
            }),
            owner: removable(&mut body, "owner", |node| text::name(node, faults)),
            tags: body
                .optional("tags")
                .and_then(|node| documentation::tags(&node, faults)),
            links: body
                .optional("links")
                .and_then(|node| documentation::links(&node, faults)),
            conclusion: removable(&mut body, "conclusion", |node| {
                documentation::conclusion(node, faults)
            }),
        },
        reason: body
            .optional("reason")
            .and_then(|node| text::description(&node, faults)),
    };
    body.finish(faults, FIELDS);
    Some(change)
}
