//! The body of `POST /experiments`, and the parts that it shares with a change.

use super::allocation::{ramp, variants};
use super::exclusion::exclusion;
use super::layer::{holdout, layer};
use super::text::{description, name};
use super::{documentation, metric, plan, targeting};
use crate::http::body::{Faults, Node, Object, prose};
use crate::http::problem::Problem;
use domain::allocation::{self, Allocation};
use domain::analysis_definition::AnalysisDefinition;
use domain::condition::Condition;
use domain::decimal;
use domain::documentation::Documentation;
use domain::exclusion::Exclusion;
use domain::experiment::{Experiment, NewExperiment, Status};
use domain::ids::{DimensionKey, ExperimentId, UnitKind};
use domain::layer::LayerShare;
use domain::metric::Metric;
use domain::ramp::Ramp;
use domain::schedule::Schedule;
use domain::segment_graph::SegmentGraph;
use domain::time::Timestamp;
use domain::{Invalid, limits};

const FIELDS: &str = "name, description, id, status, unit, variants, traffic_percent, ramp, layer, holdout, targeting, overrides, exclude, dimensions, metrics, plan, starts_at, ends_at, hash_seed, shards, hypothesis, owner, tags, links, copy_of";

/// Values that are drawn at random unless the caller gives them.
pub struct Drawn {
    /// The id, unless one is given.
    pub id: ExperimentId,
    /// The seed of the hash, unless one is given.
    pub hash_seed: String,
}

/// The experiment that a new one is a copy of, if the body names one.
pub fn copy_of(text: &str) -> Option<ExperimentId> {
    let faults = &mut Faults::default();
    let node = Node::root(text).object(faults)?.optional("copy_of")?;
    node.text(faults, ExperimentId::parse)
}

/// Reads a new experiment. `original` is the experiment that [`copy_of`] names, if it exists. `segments` has all segments,
/// if the body or the original names any.
///
/// # Errors
/// 422 with all faults.
pub fn read(
    text: &str,
    drawn: Drawn,
    original: Option<&Experiment>,
    segments: &SegmentGraph,
) -> Result<NewExperiment, Problem> {
    let mut faults = Faults::default();
    let new = fields(&Node::root(text), drawn, original, segments, &mut faults);
    faults.check(new)
}

fn fields(
    body: &Node<'_>,
    drawn: Drawn,
    original: Option<&Experiment>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<NewExperiment> {
    let mut body = body.object(faults)?;
    let is_copy = asks_for_copy(&mut body, original, faults);
    let name = body
        .required("name", faults)
        .and_then(|node| name(&node, faults));
    let description = body
        .optional("description")
        .and_then(|node| description(&node, faults))
        .or_else(|| original?.description.clone());
    let id = body
        .optional("id")
        .map(|node| node.text(faults, ExperimentId::parse_new));
    let status = body.optional("status").map(|node| {
        node.choice(
            faults,
            &[("draft", Status::Draft), ("running", Status::Running)],
        )
    });
    let hash_seed = body
        .optional("hash_seed")
        .map(|node| node.text(faults, |text| prose(text, limits::MAX_NAME_CHARS)));
    let hash_seed = hash_seed.unwrap_or(Some(drawn.hash_seed));
    let holdout_node = body.optional("holdout");
    let is_holdout = holdout_node.is_some();
    let exclusion = exclusion_of(&mut body, original, segments, faults);
    let excluded = exclusion.as_ref().and_then(Option::as_ref);
    let excluding = excluded.and_then(|exclusion| exclusion.condition.as_ref());
    let allocation = match holdout_node {
        Some(node) => {
            targeting::check_names(excluding, faults);
            holdout(&node, &mut body, hash_seed, faults)
        }
        None => allocation(
            &mut body, original, is_copy, hash_seed, excluding, segments, faults,
        ),
    };
    let mut analysis = analysis(&mut body, original, faults);
    if let Some(analysis) = analysis.as_mut().filter(|_| is_holdout) {
        // Those of the experiment that it is a copy of.
        analysis.dimensions.clear();
    }
    if let (Some(allocation), Some(analysis)) = (&allocation, &analysis)
        && let Err(invalid) = allocation.ramp.fits(&analysis.metrics)
    {
        faults.push("/ramp", invalid);
    }
    if let (Some(exclusion), Some(analysis)) = (excluded, &analysis)
        && let Some(allocation) = &allocation
        && let Err(misfits) = exclusion.fits(&allocation.unit, &analysis.dimensions)
    {
        for misfit in misfits {
            let dimension = misfit.dimension.map(|by| format!("/{by}"));
            let pointer = format!("/{}{}", misfit.field, dimension.unwrap_or_default());
            faults.push(pointer, misfit.why);
        }
    }
    let schedule = schedule(&mut body, faults);
    let documentation = documentation(&mut body, original, faults);
    let shards = body
        .optional("shards")
        .map(|node| node.number(faults, shards));
    body.finish(faults, FIELDS);
    let default_shards = original.map_or(limits::DEFAULT_SHARDS, |original| original.shards);
    Some(NewExperiment {
        id: id.unwrap_or(Some(drawn.id))?,
        name: name?,
        description,
        status: status.unwrap_or(Some(Status::Running))?,
        allocation: allocation?,
        exclusion: exclusion?,
        schedule: schedule?,
        analysis: analysis?,
        documentation: documentation?,
        shards: shards.unwrap_or(Some(default_shards))?,
    })
}

/// Whether the experiment is to be a copy. Then the variants may be those of the original, also if it does not exist.
fn asks_for_copy(
    body: &mut Object<'_>,
    original: Option<&Experiment>,
    faults: &mut Faults,
) -> bool {
    let Some(node) = body.optional("copy_of") else {
        return false;
    };
    let id = node.text(faults, ExperimentId::parse);
    if let (Some(id), None) = (id, original) {
        let detail = format!("There is no experiment `{id}`.");
        faults.push(node.pointer(), Invalid::new("unknown_experiment", detail));
    }
    if original.is_some_and(|original| original.allocation.holdout.is_some()) {
        let detail = "A holdout cannot be copied. Send `holdout` to create another one.";
        faults.push(node.pointer(), Invalid::new("is_holdout", detail));
    }
    true
}

/// A field of the body; the value of the original if it is missing; the default if there is no original.
fn field<T: Clone + Default>(
    body: &mut Object<'_>,
    name: &str,
    original: Option<&T>,
    read: impl FnOnce(&Node<'_>) -> Option<T>,
) -> Option<T> {
    match body.optional(name) {
        Some(node) => read(&node),
        None => Some(original.cloned().unwrap_or_default()),
    }
}

fn allocation(
    body: &mut Object<'_>,
    original: Option<&Experiment>,
    is_copy: bool,
    hash_seed: Option<String>,
    excluding: Option<&Condition>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<Allocation> {
    let original = original.map(|original| &original.allocation);
    let known = original.map(|original| &original.unit);
    let unit = field(body, "unit", known, |node| {
        node.text(faults, UnitKind::parse)
    });
    if let Some(original) = original {
        let targeting = original.targeting.iter();
        let overrides = original.overrides.iter();
        let overridden = overrides.filter_map(|each| each.condition.as_ref());
        let targeting = targeting.filter(|_| !body.has("targeting"));
        let overridden = overridden.filter(|_| !body.has("overrides"));
        targeting::check_copied(targeting.chain(overridden), segments, faults);
    }
    let variants = match (body.optional("variants"), original) {
        (Some(node), _) => variants(&node, faults),
        (None, Some(original)) => Some(original.variants.clone()),
        (None, None) if is_copy => None,
        (None, None) => {
            body.required("variants", faults);
            None
        }
    };
    let traffic_percent = body
        .optional("traffic_percent")
        .map(|node| node.number(faults, allocation::percent));
    let ramp = body.optional("ramp").map(|node| ramp(&node, faults));
    let layer = body.optional("layer").map(|node| layer(&node, faults));
    let condition = original.map(|original| &original.targeting);
    let targeting = field(body, "targeting", condition, |node| {
        targeting::condition(node, segments, faults).map(Some)
    });
    let overrides = field(
        body,
        "overrides",
        original.map(|original| &original.overrides),
        |node| targeting::overrides(node, segments, faults),
    );
    if let (Some(overrides), Some(variants)) = (&overrides, &variants) {
        for (index, invalid) in variants.unknown_in(overrides) {
            faults.push(format!("/overrides/{index}/variant"), invalid);
        }
    }
    if let (Some(targeting), Some(overrides)) = (&targeting, &overrides) {
        let overridden = overrides.iter().filter_map(|each| each.condition.as_ref());
        let all = targeting.iter().chain(overridden).chain(excluding);
        targeting::check_names(all, faults);
    }
    let default_traffic = original.map_or(100.0, |original| original.traffic_percent);
    Some(Allocation {
        unit: unit?,
        ramp: ramp.unwrap_or_else(|| Some(Ramp::default()))?,
        layer: match layer {
            Some(layer) => layer.map(|(id, percent)| Some(LayerShare::requested(id, percent)))?,
            None => None,
        },
        targeting: targeting?,
        overrides: overrides?,
        ..Allocation::new(
            variants?,
            traffic_percent.unwrap_or(Some(default_traffic))?,
            hash_seed?,
        )
    })
}

fn analysis(
    body: &mut Object<'_>,
    original: Option<&Experiment>,
    faults: &mut Faults,
) -> Option<AnalysisDefinition> {
    let original = original.map(|original| &original.analysis);
    let known = original.map(|original| &original.dimensions);
    let dimensions = field(body, "dimensions", known, |node| dimensions(node, faults));
    let known = original.map(|original| &original.metrics);
    let metrics = field(body, "metrics", known, |node| metrics(node, faults));
    let known = original.map(|original| &original.plan);
    let plan = field(body, "plan", known, |node| {
        plan::plan(node, faults).map(Some)
    });
    if let (Some(Some(plan)), Some(metrics)) = (&plan, &metrics)
        && let Err(invalid) = plan.fits(metrics)
    {
        faults.push("/plan/metric", invalid);
    }
    Some(AnalysisDefinition {
        dimensions: dimensions?,
        metrics: metrics?,
        plan: plan?,
    })
}

fn exclusion_of(
    body: &mut Object<'_>,
    original: Option<&Experiment>,
    segments: &SegmentGraph,
    faults: &mut Faults,
) -> Option<Option<Exclusion>> {
    let known = original.map(|original| &original.exclusion);
    if !body.has("exclude") {
        let copied = known.and_then(Option::as_ref);
        let condition = copied.and_then(|copied| copied.condition.as_ref());
        targeting::check_copied(condition, segments, faults);
    }
    field(body, "exclude", known, |node| {
        exclusion(node, segments, faults).map(Some)
    })
}

fn schedule(body: &mut Object<'_>, faults: &mut Faults) -> Option<Schedule> {
    let mut time = |name| {
        field(body, name, None, |node| {
            node.text(faults, Timestamp::parse).map(Some)
        })
    };
    let (starts_at, ends_at) = (time("starts_at"), time("ends_at"));
    if let (Some(Some(start)), Some(Some(end))) = (starts_at, ends_at)
        && end <= start
    {
        let detail = format!("Must be after the start, {start}.");
        faults.push("/ends_at", Invalid::new("ends_before_start", detail));
    }
    Some(Schedule::new(starts_at?, ends_at?))
}

fn documentation(
    body: &mut Object<'_>,
    original: Option<&Experiment>,
    faults: &mut Faults,
) -> Option<Documentation> {
    let original = original.map(|original| &original.documentation);
    let known = original.map(|original| &original.hypothesis);
    let hypothesis = field(body, "hypothesis", known, |node| {
        description(node, faults).map(Some)
    });
    let known = original.map(|original| &original.owner);
    let owner = field(body, "owner", known, |node| name(node, faults).map(Some));
    let known = original.map(|original| &original.tags);
    let tags = field(body, "tags", known, |node| {
        documentation::tags(node, faults)
    });
    let known = original.map(|original| &original.links);
    let links = field(body, "links", known, |node| {
        documentation::links(node, faults)
    });
    Some(Documentation {
        hypothesis: hypothesis?,
        owner: owner?,
        tags: tags?,
        links: links?,
        conclusion: None,
    })
}

pub(super) fn dimensions(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<DimensionKey>> {
    let repeated = |key: &DimensionKey| format!("The dimension `{key}` is listed more than once.");
    node.unique_texts(
        faults,
        limits::MAX_DIMENSIONS,
        DimensionKey::parse,
        repeated,
    )
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
    decimal::whole(text)
        .and_then(|shards| u16::try_from(shards).ok())
        .filter(|shards| (1..=limits::MAX_SHARDS).contains(shards))
        .ok_or_else(|| {
            Invalid::new(
                "out_of_range",
                format!("Must be a whole number from 1 to {}.", limits::MAX_SHARDS),
            )
        })
}
