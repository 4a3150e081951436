//! The query of `GET /sticky/{client_key}`, and the body of `POST /sticky/{client_key}`: a document as the sticky-bucket services
//! of GrowthBook's SDKs have it.

use super::attributes;
use crate::http::Request;
use crate::http::body::{Faults, Node};
use crate::http::params::Query;
use crate::http::problem::Problem;
use domain::ids::{UserId, VariantKey};
use domain::limits::MAX_STICKY_ASSIGNMENTS;
use domain::prose::grouped_size;
use domain::{Invalid, segment};
use serde_json::{Map, Value};

/// Names of parameters begin with it if they are attributes: `attributes.id=ann`.
const PREFIX: &str = "attributes.";

/// What an SDK asks the server to keep.
#[derive(Debug)]
pub struct StickyBuckets {
    /// The attribute that the SDK has assigned by.
    pub attribute: String,
    /// Its value: the unit.
    pub unit: UserId,
    /// The claimed variants by the names of experiments in documents, each once. A text that is no key of a variant is none.
    pub claims: Vec<(String, Option<VariantKey>)>,
    /// The attributes of the user, for the rules of experiments.
    pub attributes: Map<String, Value>,
}

/// Reads the units of the query: attributes with their values, each once.
///
/// # Errors
/// 400 with all faults.
pub fn units(request: &Request) -> Result<Vec<(String, UserId)>, Problem> {
    let mut query = Query::read_with_prefix(request, &[], PREFIX);
    let mut units = Vec::new();
    for (name, value) in query.prefixed(PREFIX) {
        match UserId::parse(&value) {
            Ok(unit) => units.push((name, unit)),
            Err(invalid) => query.fault(&format!("{PREFIX}{name}"), invalid),
        }
    }
    query.finish().map(|()| units)
}

/// Reads a document.
///
/// # Errors
/// 422 with all faults.
pub fn read(text: &str) -> Result<StickyBuckets, Problem> {
    let mut faults = Faults::default();
    let read = document(&Node::root(text), &mut faults);
    faults.check(read)
}

fn document(body: &Node<'_>, faults: &mut Faults) -> Option<StickyBuckets> {
    let mut fields = body.object(faults)?;
    let attribute = fields
        .required("attributeName", faults)
        .and_then(|node| node.text(faults, segment::attribute_name));
    let unit = fields
        .required("attributeValue", faults)
        .and_then(|node| node.text(faults, UserId::parse));
    let claims = fields
        .required("assignments", faults)
        .and_then(|node| claims(&node, faults));
    let sent = attributes::read(fields.optional("attributes"), "/attributes", None, faults);
    // Newer SDKs may have more fields in a document.
    let (attribute, unit, mut attributes) = (attribute?, unit?, sent?);
    attributes.insert(attribute.clone(), unit.as_str().into());
    Some(StickyBuckets {
        attribute,
        unit,
        claims: claims?,
        attributes,
    })
}

fn claims(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<(String, Option<VariantKey>)>> {
    let fields: Vec<_> = node.object(faults)?.into_fields().collect();
    if fields.len() > MAX_STICKY_ASSIGNMENTS {
        let detail = format!(
            "May have at most {} assignments; this has {}.",
            grouped_size(MAX_STICKY_ASSIGNMENTS),
            grouped_size(fields.len())
        );
        faults.push(node.pointer(), Invalid::new("too_many", detail));
        return None;
    }
    let claims = fields.into_iter().map(|(name, node)| {
        let variant = node.text(faults, |text| Ok(VariantKey::parse(text).ok()))?;
        Some((name, variant))
    });
    let claims: Vec<_> = claims.collect();
    claims.into_iter().collect()
}
