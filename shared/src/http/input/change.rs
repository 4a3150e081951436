//! The body of `PATCH /experiments/{id}`.

use super::{allocation, experiment, plan, text};
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::Problem;
use domain::change::{AllocationChange, AnalysisChange, Change, ScheduleChange};
use domain::experiment::Status;
use domain::time::Timestamp;

const FIELDS: &str = "name, description, status, variants, traffic_percent, dimensions, metrics, plan, starts_at, ends_at";

/// Reads a change.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str) -> Result<Change, Problem> {
    let mut faults = Faults::default();
    let change = fields(&Node::root(text), &mut faults);
    faults.check(change)
}

fn fields(body: &Node<'_>, faults: &mut Faults) -> Option<Change> {
    let mut body = body.object(faults)?;
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
        },
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
    };
    body.finish(faults, FIELDS);
    Some(change)
}

/// `null` removes an optional value; a missing field keeps it.
fn removable<T>(
    body: &mut Object<'_>,
    name: &str,
    read: impl FnOnce(&Node<'_>) -> Option<T>,
) -> Option<Option<T>> {
    let node = body.nullable(name)?;
    if node.is_null() {
        Some(None)
    } else {
        read(&node).map(Some)
    }
}
