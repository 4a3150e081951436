//! The body of `POST /experiments`, and the parts that it shares with a change.

use super::allocation::{ramp, variants};
use super::text::{description, name};
use super::{metric, plan, targeting};
use crate::http::body::{Faults, Node, prose};
use crate::http::problem::Problem;
use domain::allocation::{self, Allocation};
use domain::analysis_definition::AnalysisDefinition;
use domain::experiment::{NewExperiment, Status};
use domain::ids::{DimensionKey, ExperimentId};
use domain::metric::Metric;
use domain::ramp::Ramp;
use domain::schedule::Schedule;
use domain::time::Timestamp;
use domain::{Invalid, limits};

const FIELDS: &str = "name, description, id, status, variants, traffic_percent, ramp, targeting, overrides, dimensions, metrics, plan, starts_at, ends_at, hash_seed, shards";

/// Values that are drawn at random unless the caller gives them.
pub struct Drawn {
    /// The id, unless one is given.
    pub id: ExperimentId,
    /// The seed of the hash, unless one is given.
    pub hash_seed: String,
}

/// Reads a new experiment.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str, drawn: Drawn) -> Result<NewExperiment, Problem> {
    let mut faults = Faults::default();
    let new = fields(&Node::root(text), drawn, &mut faults);
    faults.check(new)
}

fn fields(body: &Node<'_>, drawn: Drawn, faults: &mut Faults) -> Option<NewExperiment> {
    let mut body = body.object(faults)?;
    let name = body
        .required("name", faults)
        .and_then(|node| name(&node, faults));
    let description = body
        .optional("description")
        .and_then(|node| description(&node, faults));
    let id = body
        .optional("id")
        .map(|node| node.text(faults, ExperimentId::parse_new));
    let status = body.optional("status").map(|node| {
        node.choice(
            faults,
            &[("draft", Status::Draft), ("running", Status::Running)],
        )
    });
    let variants = body
        .required("variants", faults)
        .and_then(|node| variants(&node, faults));
    let traffic_percent = body
        .optional("traffic_percent")
        .map(|node| node.number(faults, allocation::percent));
    let ramp = body.optional("ramp").map(|node| ramp(&node, faults));
    let targeting = body
        .optional("targeting")
        .map(|node| targeting::condition(&node, faults));
    let overrides_node = body.optional("overrides");
    let overrides_pointer = overrides_node
        .as_ref()
        .map(|node| node.pointer().to_owned());
    let overrides = overrides_node.map(|node| targeting::overrides(&node, faults));
    let dimensions = body
        .optional("dimensions")
        .map(|node| dimensions(&node, faults));
    let metrics = body.optional("metrics").map(|node| metrics(&node, faults));
    let plan_node = body.optional("plan");
    let plan_pointer = plan_node.as_ref().map(|node| node.pointer().to_owned());
    let plan = plan_node.map(|node| plan::plan(&node, faults));
    let starts_at = body
        .optional("starts_at")
        .map(|node| node.text(faults, Timestamp::parse));
    let ends_node = body.optional("ends_at");
    let ends_pointer = ends_node.as_ref().map(|node| node.pointer().to_owned());
    let ends_at = ends_node.map(|node| node.text(faults, Timestamp::parse));
    let hash_seed = body
        .optional("hash_seed")
        .map(|node| node.text(faults, |text| prose(text, limits::MAX_NAME_CHARS)));
    let shards = body
        .optional("shards")
        .map(|node| node.number(faults, shards));
    body.finish(faults, FIELDS);
    let declared = metrics.as_ref().map_or(Some(&[][..]), Option::as_deref);
    if let (Some(Some(plan)), Some(metrics), Some(pointer)) = (&plan, declared, plan_pointer)
        && let Err(invalid) = plan.fits(metrics)
    {
        faults.push(format!("{pointer}/metric"), invalid);
    }
    if let (Some(Some(overrides)), Some(variants), Some(pointer)) =
        (&overrides, &variants, overrides_pointer)
    {
        for (index, invalid) in variants.unknown_in(overrides) {
            faults.push(format!("{pointer}/{index}/variant"), invalid);
        }
    }
    if let (Some(Some(start)), Some(Some(end)), Some(pointer)) = (starts_at, ends_at, ends_pointer)
        && end <= start
    {
        faults.push(
            pointer,
            Invalid::new(
                "ends_before_start",
                format!("Must be after the start, {start}."),
            ),
        );
    }
    Some(NewExperiment {
        id: id.unwrap_or(Some(drawn.id))?,
        name: name?,
        description,
        status: status.unwrap_or(Some(Status::Running))?,
        allocation: Allocation {
            ramp: ramp.unwrap_or_else(|| Some(Ramp::default()))?,
            targeting: targeting.map_or(Some(None), |condition| condition.map(Some))?,
            overrides: overrides.unwrap_or(Some(Vec::new()))?,
            ..Allocation::new(
                variants?,
                traffic_percent.unwrap_or(Some(100.0))?,
                hash_seed.unwrap_or(Some(drawn.hash_seed))?,
            )
        },
        schedule: Schedule::new(
            starts_at.map_or(Some(None), |time| time.map(Some))?,
            ends_at.map_or(Some(None), |time| time.map(Some))?,
        ),
        analysis: AnalysisDefinition {
            dimensions: dimensions.unwrap_or(Some(Vec::new()))?,
            metrics: metrics.unwrap_or(Some(Vec::new()))?,
            plan: plan.map_or(Some(None), |plan| plan.map(Some))?,
        },
        shards: shards.unwrap_or(Some(limits::DEFAULT_SHARDS))?,
    })
}

pub(super) fn dimensions(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<DimensionKey>> {
    let elements = node.array(faults, limits::MAX_DIMENSIONS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| element.text(faults, DimensionKey::parse))
        .collect();
    for (index, (element, key)) in elements.iter().zip(&read).enumerate() {
        if let Some(key) = key
            && read[..index].iter().flatten().any(|earlier| earlier == key)
        {
            let detail = format!("The dimension `{key}` is listed more than once.");
            faults.push(element.pointer(), Invalid::new("duplicate_key", detail));
        }
    }
    read.into_iter().collect()
}

pub(super) fn metrics(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<Metric>> {
    let elements = node.array(faults, limits::MAX_METRICS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| metric::read(element, faults))
        .collect();
    for (index, element) in elements.iter().enumerate() {
        let Some(Some(metric)) = read.get(index) else {
            continue;
        };
        if read[..index]
            .iter()
            .flatten()
            .any(|earlier| earlier.key == metric.key)
        {
            let detail = format!(
                "The key `{}` is used more than once; keys must be unique.",
                metric.key
            );
            faults.push(
                format!("{}/key", element.pointer()),
                Invalid::new("duplicate_key", detail),
            );
        }
    }
    read.into_iter().collect()
}

fn shards(text: &str) -> Result<u16, Invalid> {
    text.parse()
        .ok()
        .filter(|shards| (1..=limits::MAX_SHARDS).contains(shards))
        .ok_or_else(|| {
            Invalid::new(
                "out_of_range",
                format!("Must be a whole number from 1 to {}.", limits::MAX_SHARDS),
            )
        })
}
