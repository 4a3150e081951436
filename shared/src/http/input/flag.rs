//! The bodies of `POST /flags` and `PATCH /flags/{key}`. What a valid flag is, [`domain::flag`] says.

use super::attributes;
use super::flag_rule::rule;
use super::text::{description, name};
use super::{optional, or_default, removable};
use crate::http::body::{Faults, Node};
use crate::http::flag_user::FlagUser;
use crate::http::input::documentation::tags;
use crate::http::problem::{Fault, Problem};
use domain::Invalid;
use domain::environment::Environments;
use domain::flag::{
    FlagChange, FlagEnvironment, FlagFault, FlagVariant, NewFlag, Prerequisite, ValueSchema,
    ValueType,
};
use domain::ids::{EnvironmentName, FlagKey, VariantKey};
use domain::{decimal, limits};
use std::collections::BTreeMap;

const FIELDS: &str = "key, name, description, owner, tags, value_type, variants, schema, environments, prerequisites, requires_approval";
const CHANGE_FIELDS: &str = "name, description, owner, tags, variants, schema, environments, prerequisites, requires_approval, archived, reason";

/// Fields of a change that `null` does not remove.
const NOT_REMOVABLE: [&str; 9] = [
    "name",
    "tags",
    "value_type",
    "variants",
    "environments",
    "prerequisites",
    "requires_approval",
    "archived",
    "reason",
];

/// Reads a new flag. The faults that follow from the whole definition are not among those of this function.
///
/// # Errors
/// 422 with all faults.
pub fn read_new(text: &str) -> Result<NewFlag, Problem> {
    let mut faults = Faults::default();
    let new = new_fields(&Node::root(text), &mut faults);
    faults.check(new)
}

fn new_fields(body: &Node<'_>, faults: &mut Faults) -> Option<NewFlag> {
    let mut body = body.object(faults)?;
    let key = body
        .required("key", faults)
        .and_then(|node| node.text(faults, FlagKey::parse));
    let flag_name = body
        .required("name", faults)
        .and_then(|node| name(&node, faults));
    let value_type = body
        .required("value_type", faults)
        .and_then(|node| node.choice(faults, &ValueType::ALL));
    let variants = body
        .required("variants", faults)
        .and_then(|node| variants(&node, faults));
    let about = body
        .optional("description")
        .map(|node| description(&node, faults));
    let owner = body.optional("owner").map(|node| name(&node, faults));
    let labels = body.optional("tags").map(|node| tags(&node, faults));
    let schema = body.optional("schema").map(|node| schema(&node, faults));
    let seeds = key.as_ref().map(FlagKey::as_str).unwrap_or_default();
    let environments = body.optional("environments");
    let environments = environments.map(|node| environments_of(&node, seeds, faults));
    let needed = body.optional("prerequisites");
    let needed = needed.map(|node| prerequisites(&node, faults));
    let approval = body.optional("requires_approval");
    let approval = approval.map(|node| node.boolean(faults));
    body.finish(faults, FIELDS);
    let environments = or_default(environments)?.into_iter();
    Some(NewFlag {
        key: key?,
        name: flag_name?,
        description: optional(about)?,
        owner: optional(owner)?,
        tags: or_default(labels)?,
        value_type: value_type?,
        variants: variants?,
        schema: optional(schema)?,
        environments: environments
            .filter_map(|(name, environment)| environment.map(|environment| (name, environment)))
            .collect(),
        prerequisites: or_default(needed)?,
        requires_approval: or_default(approval)?,
    })
}

/// Reads a change of the flag with a key.
///
/// # Errors
/// 422 with all faults.
pub fn read_change(text: &str, key: &FlagKey) -> Result<FlagChange, Problem> {
    let mut faults = Faults::default();
    let change = change_fields(&Node::root(text), key, &mut faults);
    faults.check(change)
}

fn change_fields(body: &Node<'_>, key: &FlagKey, faults: &mut Faults) -> Option<FlagChange> {
    let mut body = body.object(faults)?;
    for name in NOT_REMOVABLE {
        if let Some(pointer) = body.pointer_of_null(name) {
            let detail = format!(
                "`{name}` cannot be removed. Send a value, or leave the field out to keep the current one."
            );
            faults.push(pointer, Invalid::new("not_removable", detail));
        }
    }
    if let Some(node) = body.optional("value_type") {
        let detail = "The `value_type` cannot change, because applications read values of this type. Create another flag.";
        faults.push(node.pointer(), Invalid::new("not_changeable", detail));
    }
    let change = FlagChange {
        name: body.optional("name").and_then(|node| name(&node, faults)),
        description: removable(&mut body, "description", |node| description(node, faults)),
        owner: removable(&mut body, "owner", |node| name(node, faults)),
        tags: body.optional("tags").and_then(|node| tags(&node, faults)),
        variants: body
            .optional("variants")
            .and_then(|node| variants(&node, faults)),
        schema: removable(&mut body, "schema", |node| schema(node, faults)),
        environments: body
            .optional("environments")
            .and_then(|node| environments_of(&node, key.as_str(), faults))
            .unwrap_or_default(),
        prerequisites: body
            .optional("prerequisites")
            .and_then(|node| prerequisites(&node, faults)),
        requires_approval: body
            .optional("requires_approval")
            .and_then(|node| node.boolean(faults)),
        archived: body
            .optional("archived")
            .and_then(|node| node.boolean(faults)),
        reason: body
            .optional("reason")
            .and_then(|node| description(&node, faults)),
    };
    body.finish(faults, CHANGE_FIELDS);
    let changes_nothing = FlagChange {
        reason: change.reason.clone(),
        ..FlagChange::default()
    } == change;
    if changes_nothing && faults.is_empty() {
        let detail = format!(
            "The change is empty. Send at least one of the fields {CHANGE_FIELDS}, and not only a `reason`."
        );
        faults.push("", Invalid::new("empty_change", detail));
    }
    Some(change)
}

/// The body of `POST /flags/{key}/revert`.
#[derive(Debug)]
pub struct Revert {
    /// The version whose content the flag gets.
    pub version: u64,
    reason: Option<String>,
}

impl Revert {
    /// Why, in the words of the caller; otherwise which version it is.
    pub fn reason_or_default(&self) -> String {
        let usual = || format!("reverted to version {}", self.version);
        self.reason.clone().unwrap_or_else(usual)
    }
}

/// Reads which version a flag is reverted to.
///
/// # Errors
/// 422 with all faults.
pub fn read_revert(text: &str) -> Result<Revert, Problem> {
    let mut faults = Faults::default();
    let revert = revert_fields(&Node::root(text), &mut faults);
    faults.check(revert)
}

fn revert_fields(body: &Node<'_>, faults: &mut Faults) -> Option<Revert> {
    let mut body = body.object(faults)?;
    let version = body
        .required("version", faults)
        .and_then(|node| node.number(faults, whole_version));
    let reason = body
        .optional("reason")
        .map(|node| description(&node, faults));
    body.finish(faults, "version, reason");
    Some(Revert {
        version: version?,
        reason: optional(reason)?,
    })
}

fn whole_version(text: &str) -> Result<u64, Invalid> {
    let version = decimal::whole(text).filter(|version| *version > 0);
    version.ok_or_else(|| Invalid::new("not_a_version", "Must be a whole number from 1."))
}

/// The body of `POST /flags/{key}/evaluate`.
#[derive(Debug)]
pub struct Explanation {
    /// The environment; none for that of the caller.
    pub environment: Option<EnvironmentName>,
    /// The user.
    pub user: FlagUser,
}

/// Reads for whom a flag is to be evaluated.
///
/// # Errors
/// 422 with all faults.
pub fn read_explanation(text: &str, environments: &Environments) -> Result<Explanation, Problem> {
    let mut faults = Faults::default();
    let explanation = explanation_fields(&Node::root(text), environments, &mut faults);
    faults.check(explanation)
}

fn explanation_fields(
    body: &Node<'_>,
    environments: &Environments,
    faults: &mut Faults,
) -> Option<Explanation> {
    let mut body = body.object(faults)?;
    let environment = body
        .optional("environment")
        .map(|node| node.text(faults, |text| environments.find(text)));
    let sent = body.optional("attributes");
    let sent = attributes::read(sent, "/attributes", None, faults);
    body.finish(faults, "environment, attributes");
    Some(Explanation {
        environment: optional(environment)?,
        user: FlagUser::new(sent?),
    })
}

fn variants(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<FlagVariant>> {
    let elements = node.array(faults, limits::MAX_VARIANTS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| variant(element, faults))
        .collect();
    read.into_iter().collect()
}

fn variant(node: &Node<'_>, faults: &mut Faults) -> Option<FlagVariant> {
    let mut fields = node.object(faults)?;
    let key = fields
        .required("key", faults)
        .and_then(|node| node.text(faults, VariantKey::parse));
    let value = fields
        .required("value", faults)
        .and_then(|node| node.value(faults));
    let label = fields.optional("name").map(|node| name(&node, faults));
    fields.finish(faults, "key, value, name");
    Some(FlagVariant {
        key: key?,
        value: value?,
        name: optional(label)?,
    })
}

fn schema(node: &Node<'_>, faults: &mut Faults) -> Option<ValueSchema> {
    node.value(faults).map(ValueSchema)
}

/// Environments by name; none for one that is to be removed.
fn environments_of(
    node: &Node<'_>,
    flag: &str,
    faults: &mut Faults,
) -> Option<BTreeMap<EnvironmentName, Option<FlagEnvironment>>> {
    let mut environments = BTreeMap::new();
    let mut whole = true;
    for (text, node) in node.object(faults)?.into_fields() {
        let name = EnvironmentName::parse(&text)
            .map_err(|invalid| faults.push(node.pointer(), invalid))
            .ok();
        let environment = if node.is_null() {
            Some(None)
        } else {
            environment(&node, flag, faults).map(Some)
        };
        match (name, environment) {
            (Some(name), Some(environment)) => drop(environments.insert(name, environment)),
            _ => whole = false,
        }
    }
    whole.then_some(environments)
}

fn environment(node: &Node<'_>, flag: &str, faults: &mut Faults) -> Option<FlagEnvironment> {
    let mut fields = node.object(faults)?;
    let enabled = fields
        .required("enabled", faults)
        .and_then(|node| node.boolean(faults));
    let mut variant = |name| {
        let node = fields.required(name, faults)?;
        node.text(faults, VariantKey::parse)
    };
    let off_variant = variant("off_variant");
    let default_variant = variant("default_variant");
    let rules = fields.optional("rules").map(|node| {
        let elements = node.array(faults, limits::MAX_FLAG_RULES)?;
        let read: Vec<_> = elements
            .iter()
            .map(|element| rule(element, flag, faults))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    fields.finish(faults, "enabled, off_variant, default_variant, rules");
    Some(FlagEnvironment {
        enabled: enabled?,
        off_variant: off_variant?,
        default_variant: default_variant?,
        rules: or_default(rules)?,
    })
}

fn prerequisites(node: &Node<'_>, faults: &mut Faults) -> Option<Vec<Prerequisite>> {
    let elements = node.array(faults, limits::MAX_PREREQUISITES)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| prerequisite(element, faults))
        .collect();
    read.into_iter().collect()
}

fn prerequisite(node: &Node<'_>, faults: &mut Faults) -> Option<Prerequisite> {
    let mut fields = node.object(faults)?;
    let flag = fields
        .required("flag", faults)
        .and_then(|node| node.text(faults, FlagKey::parse));
    let variants = fields.required("variants", faults).and_then(|node| {
        let repeated = |key: &VariantKey| format!("The variant `{key}` is listed more than once.");
        node.unique_texts(faults, limits::MAX_VARIANTS, VariantKey::parse, repeated)
    });
    fields.finish(faults, "flag, variants");
    Some(Prerequisite {
        flag: flag?,
        variants: variants?.into_iter().collect(),
    })
}

/// The faults of a definition as those of the body. A change has the same fields as the definition.
pub fn located(faults: Vec<FlagFault>) -> Vec<Fault> {
    let located = faults
        .into_iter()
        .map(|fault| Fault::at(fault.pointer, fault.why));
    located.collect()
}
