//! The body of `POST /client-keys`.

use super::documentation::tags;
use super::text::name;
use crate::http::body::{Faults, Node};
use crate::http::problem::Problem;
use domain::Invalid;
use domain::client_key::{NewClientKey, Origin};
use domain::decimal;
use domain::environment::Environments;
use domain::ids::EventType;
use domain::limits::{
    DEFAULT_CLIENT_EVENTS_PER_SECOND, MAX_CLIENT_EVENT_TYPES, MAX_CLIENT_EVENTS_PER_SECOND,
    MAX_ORIGINS,
};
use domain::prose::grouped;

const FIELDS: &str = "name, environment, origins, flag_tags, event_types, events_per_second";

/// Reads a new client key. Without an `environment`, it is in the default one.
///
/// # Errors
/// 422 with all faults.
pub fn read_new(text: &str, environments: &Environments) -> Result<NewClientKey, Problem> {
    let mut faults = Faults::default();
    let new = new_fields(&Node::root(text), environments, &mut faults);
    faults.check(new)
}

fn new_fields(
    body: &Node<'_>,
    environments: &Environments,
    faults: &mut Faults,
) -> Option<NewClientKey> {
    let mut body = body.object(faults)?;
    let name = body
        .required("name", faults)
        .and_then(|node| name(&node, faults));
    let environment = body.optional("environment").map_or_else(
        || Some(environments.default_name().clone()),
        |node| node.text(faults, |text| environments.find(text)),
    );
    let origins = body.optional("origins").map_or_else(
        || Some(Vec::new()),
        |node| {
            let repeated =
                |origin: &Origin| format!("The origin `{origin}` is listed more than once.");
            node.unique_texts(faults, MAX_ORIGINS, Origin::parse, repeated)
        },
    );
    let flag_tags = body
        .optional("flag_tags")
        .map_or_else(|| Some(Vec::new()), |node| tags(&node, faults));
    let event_types = body.optional("event_types").map_or_else(
        || Some(Vec::new()),
        |node| {
            let repeated = |one: &EventType| format!("The type `{one}` is listed more than once.");
            node.unique_texts(
                faults,
                MAX_CLIENT_EVENT_TYPES,
                EventType::parse_new,
                repeated,
            )
        },
    );
    let events_per_second = body
        .optional("events_per_second")
        .map_or(Some(DEFAULT_CLIENT_EVENTS_PER_SECOND), |node| {
            node.number(faults, events_per_second)
        });
    body.finish(faults, FIELDS);
    Some(NewClientKey {
        name: name?,
        environment: environment?,
        origins: origins?,
        flag_tags: flag_tags?,
        event_types: event_types?,
        events_per_second: events_per_second?,
    })
}

fn events_per_second(text: &str) -> Result<u32, Invalid> {
    let number = decimal::whole(text).and_then(|number| u32::try_from(number).ok());
    number
        .filter(|number| (1..=MAX_CLIENT_EVENTS_PER_SECOND).contains(number))
        .ok_or_else(|| {
            let most = grouped(u64::from(MAX_CLIENT_EVENTS_PER_SECOND));
            let detail = format!("Must be a whole number from 1 to {most}.");
            Invalid::new("out_of_range", detail)
        })
}
