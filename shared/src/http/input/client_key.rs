//! The body of `POST /client-keys`.

use super::documentation::tags;
use super::text::name;
use crate::http::body::{Faults, Node};
use crate::http::problem::Problem;
use domain::Invalid;
use domain::client_key::{DecryptionKey, NewClientKey, Origin, SecureAttributes};
use domain::decimal;
use domain::environment::Environments;
use domain::ids::EventType;
use domain::limits::{
    DEFAULT_CLIENT_EVENTS_PER_SECOND, MAX_CLIENT_EVENT_TYPES, MAX_CLIENT_EVENTS_PER_SECOND,
    MAX_ORIGINS, MAX_SECURE_ATTRIBUTES,
};
use domain::prose::grouped;

const FIELDS: &str = "name, environment, origins, flag_tags, event_types, events_per_second, secure_attributes, encrypted";

/// Random bits, for what the caller leaves to the server.
#[derive(Debug)]
pub struct NewSecrets {
    /// The salt of secure attributes.
    pub salt: String,
    /// The key that encrypts the payload.
    pub decryption_key: DecryptionKey,
}

/// Reads a new client key. Without an `environment`, it is in the default one.
///
/// # Errors
/// 422 with all faults.
pub fn read_new(
    text: &str,
    environments: &Environments,
    secrets: NewSecrets,
) -> Result<NewClientKey, Problem> {
    let mut faults = Faults::default();
    let new = new_fields(&Node::root(text), environments, secrets, &mut faults);
    faults.check(new)
}

fn new_fields(
    body: &Node<'_>,
    environments: &Environments,
    secrets: NewSecrets,
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
    let secure_attributes = body
        .optional("secure_attributes")
        .map_or(Some(None), |node| {
            secure_attributes(&node, secrets.salt, faults).map(Some)
        });
    let encrypted = body
        .optional("encrypted")
        .map_or(Some(false), |node| node.boolean(faults));
    body.finish(faults, FIELDS);
    Some(NewClientKey {
        name: name?,
        environment: environment?,
        origins: origins?,
        flag_tags: flag_tags?,
        event_types: event_types?,
        events_per_second: events_per_second?,
        secure_attributes: secure_attributes?,
        decryption_key: encrypted?.then_some(secrets.decryption_key),
    })
}

/// Reads the secure attributes, with a random salt unless the caller has one.
fn secure_attributes(
    node: &Node<'_>,
    random_salt: String,
    faults: &mut Faults,
) -> Option<SecureAttributes> {
    let mut fields = node.object(faults)?;
    let names = fields.required("names", faults).and_then(|node| {
        let repeated = |name: &String| format!("The attribute `{name}` is listed more than once.");
        let names = node.unique_texts(
            faults,
            MAX_SECURE_ATTRIBUTES,
            SecureAttributes::name,
            repeated,
        )?;
        if names.is_empty() {
            let detail = "Name at least one attribute, or leave `secure_attributes` out.";
            faults.push(node.pointer(), Invalid::new("empty", detail));
        }
        Some(names)
    });
    let salt = fields.optional("salt").map_or(Some(random_salt), |node| {
        node.text(faults, SecureAttributes::salt)
    });
    fields.finish(faults, "names, salt");
    Some(SecureAttributes {
        names: names?,
        salt: salt?,
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
