//! The body of `POST /events`: one event or a batch. Each event is accepted or rejected separately.

use super::units::Units;
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::{Fault, Problem};
use domain::decimal::Decimal;
use domain::event::{self, Event};
use domain::ids::{EventId, EventType, UserId};
use domain::prose::grouped_size;
use domain::time::Timestamp;
use domain::{Invalid, limits};

/// The events of a request.
pub struct ReadEvents {
    /// Events in the order of the request, each valid or with its faults. An event of several units is one for each of
    /// them, with the same id.
    pub events: Vec<Result<Vec<Event>, Vec<Fault>>>,
    /// Whether the request has a list, even with one event.
    batch: bool,
}

impl ReadEvents {
    /// The events of a list, each of one unit.
    pub fn of_list(events: Vec<Event>) -> Self {
        Self {
            events: events.into_iter().map(|event| Ok(vec![event])).collect(),
            batch: true,
        }
    }

    /// The JSON pointer of an event's unit.
    pub fn unit_pointer(&self, index: usize, unit: &UserId) -> String {
        let field = match unit.other_kind() {
            Some(kind) => format!("units/{kind}"),
            None => "user_id".to_owned(),
        };
        if self.batch {
            format!("/events/{index}/{field}")
        } else {
            format!("/{field}")
        }
    }

    /// The number of events, where an event of several units is one for each of them, and an invalid event is one.
    pub fn records(&self) -> usize {
        let records = |event: &Result<Vec<Event>, _>| event.as_ref().map_or(1, Vec::len);
        self.events.iter().map(records).sum()
    }
}

/// Reads one event or a batch.
///
/// # Errors
/// 422 if the envelope or a single event has faults. The faults of an event in a batch are at its index in the list.
pub fn read(text: &str, received_at: Timestamp) -> Result<ReadEvents, Problem> {
    let mut faults = Faults::default();
    let root = Node::root(text);
    let read = match root.object(&mut faults) {
        Some(body) if body.has("events") => batch(body, received_at, &mut faults),
        Some(body) => one(body, "", None, received_at)
            .map(|event| ReadEvents {
                events: vec![Ok(event)],
                batch: false,
            })
            .map_err(|wrong| faults.extend(wrong))
            .ok(),
        None => None,
    };
    faults.check(read)
}

fn batch(mut body: Object<'_>, received_at: Timestamp, faults: &mut Faults) -> Option<ReadEvents> {
    let sent_at = body
        .optional("sent_at")
        .map(|node| node.text(faults, Timestamp::parse));
    let events = body
        .required("events", faults)?
        .array(faults, limits::MAX_EVENTS_PER_REQUEST);
    body.finish(faults, "sent_at, events");
    let sent_at = sent_at.map_or(Some(None), |time| time.map(Some))?;
    let read = |node: Node<'_>| {
        let mut faults = Faults::default();
        match node.object(&mut faults) {
            None => Err(faults.into_vec()),
            Some(fields) if faults.is_empty() => one(fields, node.pointer(), sent_at, received_at),
            Some(_) => Err(faults.into_vec()),
        }
    };
    Some(ReadEvents {
        events: events?.into_iter().map(read).collect(),
        batch: true,
    })
}

fn one(
    mut fields: Object<'_>,
    pointer: &str,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
) -> Result<Vec<Event>, Vec<Fault>> {
    let mut faults = Faults::default();
    let read = event(&mut fields, pointer, sent_at, received_at, &mut faults);
    fields.finish(
        &mut faults,
        "user_id, units, type, timestamp, value, properties, event_id, sent_at",
    );
    match read {
        Some(events) if faults.is_empty() => Ok(events),
        _ => Err(faults.into_vec()),
    }
}

fn event(
    fields: &mut Object<'_>,
    pointer: &str,
    sent_at: Option<Timestamp>,
    received_at: Timestamp,
    faults: &mut Faults,
) -> Option<Vec<Event>> {
    let units = Units::read(fields, faults);
    let event_type = fields
        .required("type", faults)
        .and_then(|node| node.text(faults, EventType::parse_new));
    let value = fields
        .optional("value")
        .map(|node| node.number(faults, Decimal::parse));
    let properties = fields
        .optional("properties")
        .map(|node| properties(&node, faults));
    let id = fields
        .optional("event_id")
        .map(|node| node.text(faults, EventId::parse));
    let own_sent_at = fields
        .optional("sent_at")
        .map(|node| node.text(faults, Timestamp::parse));
    let sent_at = own_sent_at.map_or(Some(sent_at), |time| time.map(Some));
    let time_pointer = format!("{pointer}/timestamp");
    let timestamp = match fields.optional("timestamp") {
        Some(node) => node.text(faults, Timestamp::parse).map(Some),
        None if id.is_some() => Some(None),
        None => {
            let detail = "`timestamp` is required, unless the event has an `event_id`.";
            faults.push(&time_pointer, Invalid::new("required", detail));
            None
        }
    };
    let (timestamp, sent_at) = (timestamp?, sent_at?);
    let counted_at = event::counted_at(timestamp, sent_at, received_at)
        .map_err(|invalid| faults.push(&time_pointer, invalid))
        .ok()?;
    let (units, event_type) = (units?.stored(), event_type?);
    let value = value.map_or(Some(None), |value| value.map(Some))?;
    let properties = properties.map_or(Some(None), |properties| properties.map(Some))?;
    let id = match id {
        Some(id) => id?,
        None => event::derived_id(
            &units,
            &event_type,
            timestamp?,
            value,
            properties.as_deref(),
        ),
    };
    let event = |(place, user_id)| Event {
        id: id.clone(),
        user_id,
        event_type: event_type.clone(),
        value,
        // Properties may be personal data. They are stored once, with the user, and erased with the user.
        properties: properties.clone().filter(|_| place == 0),
        timestamp,
        counted_at,
    };
    Some(units.into_iter().enumerate().map(event).collect())
}

/// Properties as compact JSON of bounded size, checked to be readable.
fn properties(node: &Node<'_>, faults: &mut Faults) -> Option<String> {
    if node.raw().starts_with('{') {
        match serde_json::from_str::<serde_json::Value>(node.raw()) {
            Ok(value) => {
                let compact = value.to_string();
                if compact.len() <= limits::MAX_PROPERTIES_BYTES {
                    return Some(compact);
                }
                let detail = format!(
                    "May have at most {} bytes; these have {}.",
                    grouped_size(limits::MAX_PROPERTIES_BYTES),
                    grouped_size(compact.len())
                );
                faults.push(node.pointer(), Invalid::new("too_large", detail));
            }
            Err(_) => {
                let detail =
                    "Contains a number beyond 1e308 or a text with an invalid escape sequence.";
                faults.push(node.pointer(), Invalid::new("unreadable", detail));
            }
        }
    } else {
        node.object(faults); // notes that it is no object
    }
    None
}
