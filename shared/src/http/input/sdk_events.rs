//! The body of `POST /track`: what the tracking plugin of GrowthBook's JavaScript SDK sends. Each event is accepted or
//! rejected separately. Fields that are not named here are ignored: newer SDKs send more.

use super::attributes;
use crate::http::body::{Faults, Node, Object};
use crate::http::problem::{Fault, Problem};
use domain::condition::javascript_text;
use domain::evaluation_context::EvaluationContext;
use domain::ids::{EventType, ExperimentId, FlagKey, UserId};
use domain::prose::grouped_size;
use domain::{Invalid, limits};
use serde_json::{Map, Value};

/// The event that says that a user saw a variation of an experiment.
const EXPOSURE: &str = "Experiment Viewed";
/// The event that says that a page evaluated a flag.
const EVALUATION: &str = "Feature Evaluated";

/// Attributes that the plugin takes out of the attributes and sends beside them: the field, and the attribute.
const MOVED_ATTRIBUTES: [(&str, &str); 10] = [
    ("user_id", "user_id"),
    (DEVICE, DEVICE),
    ("page_id", "page_id"),
    ("session_id", "session_id"),
    ("page_title", "pageTitle"),
    ("utm_source", "utmSource"),
    ("utm_medium", "utmMedium"),
    ("utm_campaign", "utmCampaign"),
    ("utm_term", "utmTerm"),
    ("utm_content", "utmContent"),
];
/// The attribute `device_id`, or else `anonymous_id`, or else `id`.
const DEVICE: &str = "device_id";

/// An event of a page.
#[derive(Debug)]
pub enum SdkEvent {
    /// A user saw a variation of an experiment.
    Exposure(Exposure),
    /// Any other event.
    Other(PageEvent),
}

/// What a page says about a user and an experiment.
#[derive(Debug)]
pub struct Exposure {
    /// The experiment.
    pub experiment: ExperimentId,
    /// The attribute that the SDK has assigned by.
    pub hash_attribute: String,
    /// Its value: the unit.
    pub unit: UserId,
    /// The variant that the page claims: its key, or its index.
    pub claimed: String,
    /// The attributes of the user, as far as the plugin sends them.
    pub attributes: Map<String, Value>,
}

/// An event of a user on a page.
#[derive(Debug)]
pub struct PageEvent {
    /// The user.
    pub user_id: UserId,
    /// The event type.
    pub event_type: EventType,
    /// Its properties, as compact JSON text; none without properties.
    pub properties: Option<String>,
    /// The flag that the page has evaluated, if the event says so.
    pub evaluated: Option<FlagKey>,
}

/// Reads the events, each valid or with its faults.
///
/// # Errors
/// 422 if the body is no list, or has too many events.
pub fn read(text: &str) -> Result<Vec<Result<SdkEvent, Vec<Fault>>>, Problem> {
    let mut faults = Faults::default();
    let nodes = Node::root(text).array(&mut faults, limits::MAX_EVENTS_PER_REQUEST);
    let nodes = faults.check(nodes)?;
    Ok(nodes.iter().map(one).collect())
}

fn one(node: &Node<'_>) -> Result<SdkEvent, Vec<Fault>> {
    let mut faults = Faults::default();
    let event = node
        .object(&mut faults)
        .and_then(|fields| event(fields, node.pointer(), &mut faults));
    match event {
        Some(event) if faults.is_empty() => Ok(event),
        _ => Err(faults.into_vec()),
    }
}

fn event(mut fields: Object<'_>, pointer: &str, faults: &mut Faults) -> Option<SdkEvent> {
    let name = fields
        .required("event_name", faults)
        .and_then(|node| node.text(faults, EventType::parse_new));
    if name.as_ref().is_some_and(|name| name.as_str() == EXPOSURE) {
        return exposure(fields, pointer, faults).map(SdkEvent::Exposure);
    }
    let user_id = user(&mut fields, pointer, faults);
    let properties = match fields.optional("properties_json") {
        None => Some(Map::new()),
        Some(node) => properties(&node, faults),
    };
    let evaluated = properties.as_ref().zip(name.as_ref());
    let evaluated = evaluated.filter(|(_, name)| name.as_str() == EVALUATION);
    let evaluated = evaluated.and_then(|(properties, _)| {
        let flag = properties.get("feature")?.as_str()?;
        FlagKey::parse(flag).ok()
    });
    let properties =
        properties.map(|all| (!all.is_empty()).then(|| Value::Object(all).to_string()));
    Some(SdkEvent::Other(PageEvent {
        user_id: user_id?,
        event_type: name?,
        properties: properties?,
        evaluated,
    }))
}

/// The user: the plugin sends the attribute `user_id`, and `id` as the device if there is no other id of the device.
fn user(fields: &mut Object<'_>, pointer: &str, faults: &mut Faults) -> Option<UserId> {
    let sent = fields.optional("user_id");
    let sent = sent.filter(|node| !node.is_empty_text());
    match sent.or_else(|| fields.optional(DEVICE)) {
        Some(node) => node.text(faults, UserId::parse),
        None => {
            let detail =
                "The event has no user. Give the SDK the attribute `id` or `user_id` as a text.";
            faults.push(
                format!("{pointer}/user_id"),
                Invalid::new("required", detail),
            );
            None
        }
    }
}

fn properties(node: &Node<'_>, faults: &mut Faults) -> Option<Map<String, Value>> {
    let properties = node.map(faults)?;
    let bytes = serde_json::to_string(&properties).map_or(usize::MAX, |text| text.len());
    if bytes <= limits::MAX_PROPERTIES_BYTES {
        return Some(properties);
    }
    let detail = format!(
        "May have at most {} bytes; these have {}.",
        grouped_size(limits::MAX_PROPERTIES_BYTES),
        grouped_size(bytes)
    );
    faults.push(node.pointer(), Invalid::new("too_large", detail));
    None
}

fn exposure(mut fields: Object<'_>, pointer: &str, faults: &mut Faults) -> Option<Exposure> {
    let properties = fields
        .required("properties_json", faults)
        .and_then(|node| node.object(faults));
    let attributes = attributes(&mut fields, pointer, faults);
    let mut properties = properties?;
    let experiment = properties
        .required("experimentId", faults)
        .and_then(|node| node.text(faults, ExperimentId::parse));
    let hash_attribute = properties
        .required("hashAttribute", faults)
        .and_then(|node| node.text(faults, |text| Ok(text.to_owned())));
    let unit = properties
        .required("hashValue", faults)
        .and_then(|node| plain(&node, faults, UserId::parse));
    let claimed = properties
        .required("variationId", faults)
        .and_then(|node| plain(&node, faults, |text| Ok(text.to_owned())));
    let (mut attributes, hash_attribute, unit) = (attributes?, hash_attribute?, unit?);
    attributes.insert(hash_attribute.clone(), unit.as_str().into());
    Some(Exposure {
        experiment: experiment?,
        hash_attribute,
        unit,
        claimed: claimed?,
        attributes,
    })
}

/// A value that SDKs write as a text or as a number.
fn plain<T>(
    node: &Node<'_>,
    faults: &mut Faults,
    parse: impl Fn(&str) -> Result<T, Invalid>,
) -> Option<T> {
    let value = node.value(faults)?;
    if !(value.is_string() || value.is_number() || value.is_boolean()) {
        let invalid = Invalid::new("wrong_type", "Must be a text or a number.");
        faults.push(node.pointer(), invalid);
        return None;
    }
    let text = javascript_text(&value);
    let parsed = parse(&text);
    parsed
        .map_err(|invalid| faults.push(node.pointer(), invalid))
        .ok()
}

/// The attributes of the user: those that the plugin sends together, and those that it sends beside them. It does not say
/// which attribute the device is.
fn attributes(
    fields: &mut Object<'_>,
    pointer: &str,
    faults: &mut Faults,
) -> Option<Map<String, Value>> {
    let context = fields.optional("context_json");
    let mut sent = match &context {
        None => Map::new(),
        Some(node) => node.map(faults)?,
    };
    for (field, attribute) in MOVED_ATTRIBUTES {
        if let Some(node) = fields.optional(field) {
            let value = node.text(faults, |text| Ok(Value::from(text)))?;
            if field == DEVICE {
                sent.entry(EvaluationContext::USER_ID_ATTRIBUTE)
                    .or_insert_with(|| value.clone());
            }
            sent.insert(attribute.to_owned(), value);
        }
    }
    let pointer = context.map_or_else(|| pointer.to_owned(), |node| node.pointer().to_owned());
    for (_, invalid) in attributes::check(&sent, None) {
        faults.push(&pointer, invalid);
    }
    Some(sent)
}
