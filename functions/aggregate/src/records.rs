//! From the records of a batch to the users who must be looked at.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use serde_dynamo::{AttributeValue, Item};
use shared::store::keys;
use shared::store::refresh::DirtyUser;
use std::collections::{BTreeMap, HashMap};

/// A batch, read.
pub(crate) struct Read {
    pub(crate) dirty: BTreeMap<UserId, DirtyUser>,
    /// The sequence number of each record.
    numbers: Vec<Option<String>>,
    /// The first record of each user, by its place.
    first: HashMap<UserId, usize>,
    /// Records that make no sense, by their places, and why.
    pub(crate) unreadable: Vec<(usize, String)>,
}

impl Read {
    pub(crate) fn place_of(&self, user: &UserId) -> Option<usize> {
        self.first.get(user).copied()
    }

    pub(crate) fn records(&self) -> usize {
        self.numbers.len()
    }

    pub(crate) fn sequence_number(&self, place: usize) -> Option<String> {
        self.numbers.get(place).cloned().flatten()
    }
}

pub(crate) fn read(event: &Event) -> Read {
    let mut read = Read {
        dirty: BTreeMap::new(),
        numbers: Vec::new(),
        first: HashMap::new(),
        unreadable: Vec::new(),
    };
    for (place, record) in event.records.iter().enumerate() {
        read.numbers.push(record.change.sequence_number.clone());
        // The mapping lets only inserts through. What is taken away, by whom ever, is not for us.
        if record.event_name != "INSERT" {
            continue;
        }
        match inserted(record) {
            Err(why) => read.unreadable.push((place, why)),
            Ok((user, inserted)) => {
                read.first.entry(user.clone()).or_insert(place);
                let dirty = read.dirty.entry(user).or_default();
                match inserted {
                    Inserted::Assignment(experiment) => {
                        dirty.assignments.insert(experiment);
                    }
                    Inserted::Event(experiment, id, counted_at) => {
                        dirty.events.insert((experiment, id, counted_at));
                    }
                    // An erased user is looked at everywhere, so that the erasure is brought to its end.
                    Inserted::Tombstone => {}
                }
            }
        }
    }
    read
}

enum Inserted {
    Assignment(ExperimentId),
    Event(Option<ExperimentId>, EventId, Timestamp),
    Tombstone,
}

/// What was written. The two tables are told apart by their keys.
fn inserted(record: &EventRecord) -> Result<(UserId, Inserted), String> {
    let keys = &record.change.keys;
    let user = text(keys, keys::events::USER_ID)?;
    let user = UserId::parse(user).map_err(|error| error.detail)?;
    if let Ok(experiment) = text(keys, keys::assignments::EXPERIMENT_ID) {
        if experiment == keys::assignments::ERASED {
            return Ok((user, Inserted::Tombstone));
        }
        let experiment = ExperimentId::parse(experiment).map_err(|error| error.detail)?;
        return Ok((user, Inserted::Assignment(experiment)));
    }
    let name = text(keys, keys::events::EXPERIMENT_EVENT)?;
    let experiment = keys::experiment_of(name).ok_or("an event without an experiment")?;
    let id = name.split_once('#').map_or("", |(_, id)| id);
    let id = EventId::parse(id).map_err(|error| error.detail)?;
    let counted_at = text(&record.change.new_image, "counted_at")?;
    let counted_at = Timestamp::parse(counted_at).map_err(|error| error.detail)?;
    Ok((user, Inserted::Event(experiment, id, counted_at)))
}

fn text<'i>(item: &'i Item, name: &str) -> Result<&'i str, String> {
    match item.get(name) {
        Some(AttributeValue::S(text)) => Ok(text),
        _ => Err(format!("`{name}` is missing or no text")),
    }
}
