//! The bodies of `POST /segments` and `PATCH /segments/{id}`, and the segments that a body names.

use super::text::{description, name};
use crate::http::body::{Faults, Node};
use crate::http::problem::{Fault, Problem};
use domain::condition::{Condition, ConditionFault, SegmentUse};
use domain::evaluation_context::EvaluationContext;
use domain::ids::SegmentId;
use domain::prose::grouped_size;
use domain::segment::{self, IdsChange, SegmentChange};
use domain::{Invalid, limits};
use serde_json::Value;
use std::collections::BTreeSet;

const FIELDS: &str = "id, name, description, condition, attribute, ids";
const CHANGE_FIELDS: &str = "name, description, condition, ids, reason";

/// A new segment.
#[derive(Debug)]
pub struct NewSegment {
    /// Chosen by the caller.
    pub id: SegmentId,
    /// A name for readers.
    pub name: String,
    /// A description for readers.
    pub description: Option<String>,
    /// Which users are in it.
    pub rule: NewRule,
}

/// Which users are in a new segment.
#[derive(Debug)]
pub enum NewRule {
    /// Users whose attributes match.
    Condition(Condition),
    /// Users for whom an attribute is in a list.
    List {
        /// The attribute.
        attribute: String,
        /// The first ids.
        ids: Vec<String>,
    },
}

/// Whether a body names segments in conditions.
pub fn names_segments(text: &str) -> bool {
    serde_json::from_str(text).is_ok_and(|body: Value| has_name(&body))
}

/// The recursion is bounded, because the depth of a body is.
fn has_name(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| SegmentUse::OPERATORS.contains(&name.as_str()) || has_name(value)),
        Value::Array(elements) => elements.iter().any(has_name),
        _ => false,
    }
}

/// Reads a new segment.
///
/// # Errors
/// 422 with all faults.
pub fn read_new(text: &str) -> Result<NewSegment, Problem> {
    let mut faults = Faults::default();
    let new = new_fields(&Node::root(text), &mut faults);
    faults.check(new)
}

fn new_fields(body: &Node<'_>, faults: &mut Faults) -> Option<NewSegment> {
    let mut body = body.object(faults)?;
    let id = body
        .required("id", faults)
        .and_then(|node| node.text(faults, SegmentId::parse));
    let name = body
        .required("name", faults)
        .and_then(|node| name(&node, faults));
    let description = body
        .optional("description")
        .map(|node| description(&node, faults));
    let condition_node = body.optional("condition");
    let ids_node = body.optional("ids");
    if condition_node.is_some() == ids_node.is_some() {
        let detail = "A segment has either a `condition`, or `ids`, which may be empty.";
        faults.push("", Invalid::new("condition_or_ids", detail));
    }
    let attribute_node = body.optional("attribute");
    if let (Some(node), Some(_)) = (&attribute_node, &condition_node) {
        let detail = "Only a segment with `ids` has an `attribute`.";
        faults.push(node.pointer(), Invalid::new("condition_or_ids", detail));
    }
    let attribute = attribute_node.map_or_else(
        || Some(EvaluationContext::USER_ID_ATTRIBUTE.to_owned()),
        |node| node.text(faults, segment::attribute_name),
    );
    let ids = ids_node.map(|node| listed_ids(&node, faults));
    let condition = condition_node.map(|node| condition(&node, faults));
    body.finish(faults, FIELDS);
    let rule = match condition {
        Some(condition) => NewRule::Condition(condition?),
        None => NewRule::List {
            attribute: attribute?,
            ids: ids??,
        },
    };
    Some(NewSegment {
        id: id?,
        name: name?,
        description: description.map_or(Some(None), |text| text.map(Some))?,
        rule,
    })
}

/// Reads a change.
///
/// # Errors
/// 422 with all faults.
pub fn read_change(text: &str) -> Result<SegmentChange, Problem> {
    let mut faults = Faults::default();
    let change = change_fields(&Node::root(text), &mut faults);
    faults.check(change)
}

fn change_fields(body: &Node<'_>, faults: &mut Faults) -> Option<SegmentChange> {
    let mut body = body.object(faults)?;
    for name in ["name", "condition", "ids", "reason"] {
        if let Some(pointer) = body.pointer_of_null(name) {
            let detail = format!(
                "`{name}` cannot be removed. Send a value, or leave the field out to keep the current one."
            );
            faults.push(pointer, Invalid::new("not_removable", detail));
        }
    }
    let change = SegmentChange {
        name: body.optional("name").and_then(|node| name(&node, faults)),
        description: body.nullable("description").and_then(|node| {
            if node.is_null() {
                Some(None)
            } else {
                description(&node, faults).map(Some)
            }
        }),
        condition: body
            .optional("condition")
            .and_then(|node| condition(&node, faults)),
        ids: body
            .optional("ids")
            .and_then(|node| ids_change(&node, faults)),
        reason: body
            .optional("reason")
            .and_then(|node| description(&node, faults)),
    };
    let changes_nothing = SegmentChange {
        reason: change.reason.clone(),
        ..SegmentChange::default()
    } == change;
    body.finish(faults, CHANGE_FIELDS);
    if changes_nothing && faults.is_empty() {
        let detail = format!(
            "The change is empty. Send at least one of the fields {CHANGE_FIELDS}, and not only a `reason`."
        );
        faults.push("", Invalid::new("empty_change", detail));
    }
    Some(change)
}

pub(super) fn condition(node: &Node<'_>, faults: &mut Faults) -> Option<Condition> {
    match Condition::compile(node.value(faults)?) {
        Ok(condition) => Some(condition),
        Err(found) => {
            faults.extend(located(node.pointer(), found));
            None
        }
    }
}

/// The faults of a condition at a place of the body.
pub fn located(pointer: &str, faults: Vec<ConditionFault>) -> Vec<Fault> {
    let fault = |fault: ConditionFault| Fault::at(format!("{pointer}{}", fault.pointer), fault.why);
    faults.into_iter().map(fault).collect()
}

fn ids_change(node: &Node<'_>, faults: &mut Faults) -> Option<IdsChange> {
    let mut fields = node.object(faults)?;
    let add = fields.optional("add");
    let remove = fields.optional("remove");
    fields.finish(faults, "add, remove");
    let add_pointer = add.as_ref().map(|node| node.pointer().to_owned());
    let add = add.map_or_else(|| Some(Vec::new()), |node| listed_ids(&node, faults));
    let remove = remove.map_or_else(|| Some(Vec::new()), |node| listed_ids(&node, faults));
    let (add, remove) = (add?, remove?);
    let all = add.len() + remove.len();
    if all == 0 {
        let detail = "Send ids to `add` or to `remove`.";
        faults.push(node.pointer(), Invalid::new("empty", detail));
    }
    if all > limits::MAX_IDS_PER_REQUEST {
        let detail = format!(
            "A request may have at most {} ids; this has {}. Send several requests.",
            grouped_size(limits::MAX_IDS_PER_REQUEST),
            grouped_size(all)
        );
        faults.push(node.pointer(), Invalid::new("too_many", detail));
    }
    let removed: BTreeSet<&String> = remove.iter().collect();
    for (index, _) in add
        .iter()
        .enumerate()
        .filter(|(_, id)| removed.contains(id))
    {
        let pointer = add_pointer.as_deref().unwrap_or_default();
        let detail = "This id is in `add` and in `remove`.";
        faults.push(
            format!("{pointer}/{index}"),
            Invalid::new("add_and_remove", detail),
        );
    }
    Some(IdsChange { add, remove })
}

fn listed_ids(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<String>> {
    let repeated = |_: &String| "This id is listed more than once.".to_owned();
    let most = limits::MAX_IDS_PER_REQUEST;
    node.unique_texts(faults, most, segment::listed_id, repeated)
}
