//! From the records of a batch to dirty users.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use domain::ids::{EventId, ExperimentId, UserId};
use domain::time::Timestamp;
use serde_dynamo::{AttributeValue, Item};
use shared::store::keys;
use shared::store::refresh::DirtyUser;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The records of a batch.
pub(crate) struct Read {
    pub(crate) dirty: BTreeMap<UserId, DirtyUser>,
    /// Users with a new tombstone.
    pub(crate) erased: BTreeSet<UserId>,
    /// Users whose number of stored events is new. Only an erased user must be refreshed because of it.
    pub(crate) event_counts: BTreeSet<UserId>,
    /// The sequence number of each record.
    numbers: Vec<Option<String>>,
    /// The index of each user's first record.
    first: HashMap<UserId, usize>,
    /// Invalid records by index, with the reason.
    pub(crate) unreadable: Vec<(usize, String)>,
}

impl Read {
    pub(crate) fn place_of(&self, user: &UserId) -> Option<usize> {
        self.first.get(user).copied()
    }

    /// The experiments with new records.
    pub(crate) fn experiments(&self) -> BTreeSet<&ExperimentId> {
        let users = || self.dirty.values();
        let assignments = users().flat_map(|user| &user.assignments);
        let events = users().flat_map(|user| &user.events);
        let of_events = events.filter_map(|(experiment, _, _)| experiment.as_ref());
        assignments.chain(of_events).collect()
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
        erased: BTreeSet::new(),
        event_counts: BTreeSet::new(),
        numbers: Vec::new(),
        first: HashMap::new(),
        unreadable: Vec::new(),
    };
    for (place, record) in event.records.iter().enumerate() {
        read.numbers.push(record.change.sequence_number.clone());
        // The event source mapping passes inserts only. Deletions are processed by the erasure itself.
        if record.event_name != "INSERT" {
            continue;
        }
        match inserted(record) {
            Err(why) => read.unreadable.push((place, why)),
            Ok((user, inserted)) => {
                read.first.entry(user.clone()).or_insert(place);
                if let Inserted::EventCount = inserted {
                    read.event_counts.insert(user);
                    continue;
                }
                if let Inserted::Tombstone = inserted {
                    read.erased.insert(user.clone());
                }
                let dirty = read.dirty.entry(user).or_default();
                match inserted {
                    Inserted::Assignment(experiment) => {
                        dirty.assignments.insert(experiment);
                    }
                    Inserted::Event(experiment, id, counted_at) => {
                        dirty.events.insert((experiment, id, counted_at));
                    }
                    // An erased user is refreshed in every experiment, so that the erasure is completed.
                    Inserted::Tombstone | Inserted::EventCount => {}
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
    EventCount,
}

/// The record of an assignment or of an event. Their keys distinguish the two tables.
fn inserted(record: &EventRecord) -> Result<(UserId, Inserted), String> {
    let keys = &record.change.keys;
    let user = text(keys, keys::events::USER_ID)?;
    let user = UserId::stored(user).map_err(|error| error.detail)?;
    if let Ok(experiment) = text(keys, keys::assignments::EXPERIMENT_ID) {
        if experiment == keys::assignments::ERASED {
            return Ok((user, Inserted::Tombstone));
        }
        if experiment == keys::assignments::EVENT_COUNT {
            return Ok((user, Inserted::EventCount));
        }
        let experiment = ExperimentId::parse(experiment).map_err(|error| error.detail)?;
        return Ok((user, Inserted::Assignment(experiment)));
    }
    let name = text(keys, keys::events::EXPERIMENT_EVENT)?;
    let experiment = keys::experiment_of(name).ok_or("an event with an invalid key")?;
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
