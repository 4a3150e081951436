//! From a record of the stream to what follows from it.

use aws_lambda_events::dynamodb::EventRecord;
use domain::experiment::Experiment;
use domain::ids::ExperimentId;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_dynamo::{AttributeValue, Item};
use shared::store::aggregates::GenerationNumber;
use shared::store::backfill::Work;
use shared::store::generations::Generations;
use shared::store::keys::experiments as key;

/// What follows from a record.
pub(crate) enum Step {
    /// Another definition.
    Definition {
        before: Box<Experiment>,
        after: Box<Experiment>,
    },
    /// Other sums are asked for, or have been built.
    Generations {
        id: ExperimentId,
        before: Generations,
        after: Generations,
    },
    /// Work that has begun or come further.
    Work(Work),
    /// A build of which no shard remains.
    Built {
        id: ExperimentId,
        generation: GenerationNumber,
    },
    /// A retired generation whose time is over.
    Retired {
        id: ExperimentId,
        generation: GenerationNumber,
    },
    /// Nothing.
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

/// The definition's item, as far as it is of interest.
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
        // Nobody has been counted by a definition that is new.
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
            before: image(before)?,
            after: image(after)?,
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

/// A build's item, as far as it is of interest.
#[derive(Deserialize)]
struct BuildImage {
    /// The shards; a set that is empty is not there.
    remaining: Option<Vec<u16>>,
    /// There once what follows has been done.
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
