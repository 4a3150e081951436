//! The body of `POST /experiments/{id}/assignments`. Each row is accepted or rejected separately.

use crate::http::body::{Faults, Node, listed};
use crate::http::problem::{Fault, Problem};
use domain::assignment::{Assignment, AssignmentSource, Attributes};
use domain::experiment::Experiment;
use domain::ids::{DimensionKey, DimensionLabel, UserId, VariantKey};
use domain::time::Timestamp;
use domain::{Invalid, limits};

/// Rows in the order of the request, each valid or with its faults.
pub type Read = Vec<Result<Assignment, Vec<Fault>>>;

/// The list of rows in a body, before they are read: that needs no experiment.
///
/// # Errors
/// 422 if what is around the rows has faults.
pub fn list(text: &str) -> Result<Vec<Node<'_>>, Problem> {
    let mut faults = Faults::default();
    let rows = Node::root(text).object(&mut faults).and_then(|mut body| {
        let rows = body
            .required("assignments", &mut faults)
            .and_then(|node| node.array(&mut faults, limits::MAX_ASSIGNMENTS_PER_REQUEST));
        body.finish(&mut faults, "assignments");
        rows
    });
    faults.check(rows)
}

/// Reads the rows. The faults of a row are at its index in the list.
pub fn read(list: &[Node<'_>], experiment: &Experiment, now: Timestamp) -> Read {
    list.iter().map(|row| one(row, experiment, now)).collect()
}

fn one(node: &Node<'_>, experiment: &Experiment, now: Timestamp) -> Result<Assignment, Vec<Fault>> {
    let mut faults = Faults::default();
    let row = fields(node, experiment, now, &mut faults);
    match row {
        Some(row) if faults.is_empty() => Ok(row),
        _ => Err(faults.into_vec()),
    }
}

fn fields(
    node: &Node<'_>,
    experiment: &Experiment,
    now: Timestamp,
    faults: &mut Faults,
) -> Option<Assignment> {
    let mut fields = node.object(faults)?;
    let user_id = fields
        .required("user_id", faults)
        .and_then(|node| node.text(faults, UserId::parse));
    let variant = fields
        .required("variant", faults)
        .and_then(|node| node.text(faults, |text| known(text, experiment)));
    let assigned_at = fields.required("assigned_at", faults).and_then(|node| {
        node.text(faults, |text| {
            let time = Timestamp::parse(text)?;
            if time > now {
                return Err(Invalid::new("in_the_future", "Must not be in the future."));
            }
            Ok(time)
        })
    });
    let attributes = fields
        .optional("attributes")
        .map(|node| attributes(&node, &experiment.analysis.dimensions, faults));
    fields.finish(faults, "user_id, variant, assigned_at, attributes");
    Some(Assignment {
        user_id: UserId::of_unit(&experiment.allocation.unit, &user_id?),
        experiment_id: experiment.id.clone(),
        variant: variant?,
        assigned_at: assigned_at?,
        source: AssignmentSource::Import,
        experiment_version: experiment.version,
        layer: None,
        attributes: attributes.unwrap_or(Some(Attributes::new()))?,
    })
}

/// An empty value counts as missing. A fault of one attribute does not stop the reading of the others. A row with a
/// fault is not stored.
fn attributes(
    node: &Node<'_>,
    dimensions: &[DimensionKey],
    faults: &mut Faults,
) -> Option<Attributes> {
    let mut fields = node.object(faults)?;
    let attributes = dimensions
        .iter()
        .filter_map(|key| {
            let node = fields.optional(key.as_str())?;
            let node = (!node.is_empty_text()).then_some(node)?;
            let value = node.text(faults, DimensionLabel::parse)?;
            Some((key.clone(), value))
        })
        .collect();
    fields.finish(faults, &listed(dimensions.iter().map(DimensionKey::as_str)));
    Some(attributes)
}

fn known(text: &str, experiment: &Experiment) -> Result<VariantKey, Invalid> {
    let key = VariantKey::parse(text)?;
    if experiment.allocation.variants.position(&key).is_some() {
        return Ok(key);
    }
    let keys: Vec<_> = experiment
        .allocation
        .variants
        .as_slice()
        .iter()
        .map(|variant| format!("`{}`", variant.key))
        .collect();
    Err(Invalid::new(
        "unknown_variant",
        format!(
            "There is no variant `{text}`; the variants are {}.",
            keys.join(", ")
        ),
    ))
}
