//! From a stream record to the step that it causes.

use aws_lambda_events::dynamodb::EventRecord;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};
use shared::store::backfill::Work;
use shared::store::generations::GenerationNumber;
use shared::store::generations::Generations;
use shared::store::keys::experiments as key;

/// The step that a record causes.
pub(crate) enum Step {
    /// The definition changed.
    Definition {
        before: Box<Experiment>,
        after: Box<Experiment>,
    },
    /// Another generation was requested or completed.
    Generations {
        id: ExperimentId,
        before: Box<Generations>,
        after: Box<Generations>,
    },
    /// Work started or progressed.
    Work(Work),
    /// No shard of a build remains.
    Built {
        id: ExperimentId,
        generation: GenerationNumber,
    },
    /// The time of a retired generation is over.
    Retired {
        id: ExperimentId,
        generation: GenerationNumber,
    },
    /// No step.
    None,
}

impl Step {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Definition { .. } => "definition",
            Self::Generations { .. } => "generations",
            Self::Work(_) => "work",
            Self::Built { .. } => "built",
            Self::Retired { .. } => "retired",
            Self::None => "none",
        }
    }
}

/// The fields of a definition that matter here.
#[derive(Deserialize)]
struct DefinitionImage {
    definition: Box<Experiment>,
}

pub(crate) fn read(record: &EventRecord) -> Result<Step, String> {
    let (before, after) = (&record.change.old_image, &record.change.new_image);
    let id = || {
        let id = text(&record.change.keys, key::EXPERIMENT_ID)?;
        ExperimentId::parse(id).map_err(|error| error.detail)
    };
    let name = text(&record.change.keys, key::RECORD)?;
    if record.event_name == "REMOVE" {
        return Ok(match name.strip_prefix(key::RETIRED) {
            Some(generation) => Step::Retired {
                id: id()?,
                generation: number(generation)?,
            },
            None => Step::None,
        });
    }
    if name == key::DEFINITION {
        // A new definition has no users yet.
        if before.is_empty() {
            return Ok(Step::None);
        }
        return Ok(Step::Definition {
            before: image::<DefinitionImage>(before)?.definition,
            after: image::<DefinitionImage>(after)?.definition,
        });
    }
    if name == key::GENERATIONS {
        return Ok(Step::Generations {
            id: id()?,
            before: Box::new(image(before)?),
            after: Box::new(image(after)?),
        });
    }
    if name.starts_with(key::WORK) {
        return Ok(Step::Work(image(after)?));
    }
    let build = name.strip_prefix(key::BUILD);
    if let Some(generation) = build
        && image::<BuildImage>(after)?.is_done()
    {
        return Ok(Step::Built {
            id: id()?,
            generation: number(generation)?,
        });
    }
    Ok(Step::None)
}

/// The fields of a build that matter here.
#[derive(Deserialize)]
struct BuildImage {
    /// The remaining shards; an empty set is absent.
    remaining: Option<Vec<u16>>,
    /// Present once the step has been done.
    expires_at: Option<i64>,
}

impl BuildImage {
    fn is_done(&self) -> bool {
        self.remaining.is_none() && self.expires_at.is_none()
    }
}

fn image<T: DeserializeOwned>(item: &Item) -> Result<T, String> {
    serde_dynamo::from_item(item.clone()).map_err(|error| error.to_string())
}

fn number(text: &str) -> Result<GenerationNumber, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is no generation"))
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str, String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(format!("`{name}` is missing or no text")),
    }
}
