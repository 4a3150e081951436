//! The rules of a flag in the body of a request.

use super::allocation::ramp;
use super::segment::condition;
use super::text::description;
use super::{optional, or_default};
use crate::http::body::{Faults, Node, Object};
use domain::allocation;
use domain::evaluation_context::EvaluationContext;
use domain::flag::{FlagRule, FlagRuleKind, Rollout, RolloutVariant};
use domain::ids::{ExperimentId, RuleId, VariantKey};
use domain::limits;
use domain::segment;
use domain::time::Timestamp;
use std::collections::BTreeMap;

/// The kinds of rules.
#[derive(Clone, Copy)]
enum Kind {
    Serve,
    Rollout,
    Experiment,
}

const KINDS: [(&str, Kind); 3] = [
    ("serve", Kind::Serve),
    ("rollout", Kind::Rollout),
    ("experiment", Kind::Experiment),
];

/// The fields of every rule.
const COMMON_FIELDS: &str = "id, type, description, condition, starts_at, ends_at";

pub(super) fn rule(node: &Node<'_>, flag: &str, faults: &mut Faults) -> Option<FlagRule> {
    let mut fields = node.object(faults)?;
    let id = fields
        .required("id", faults)
        .and_then(|node| node.text(faults, RuleId::parse));
    let about = fields
        .optional("description")
        .map(|node| description(&node, faults));
    let users = fields
        .optional("condition")
        .map(|node| condition(&node, faults));
    let mut time = |name| {
        let node = fields.optional(name)?;
        Some(node.text(faults, Timestamp::parse))
    };
    let (starts_at, ends_at) = (time("starts_at"), time("ends_at"));
    let kind = fields
        .required("type", faults)
        .and_then(|node| node.choice(faults, &KINDS))?;
    let (kind, own_fields) = match kind {
        Kind::Serve => (serve(&mut fields, faults), "variant"),
        Kind::Rollout => {
            let rule = id.as_ref().map(RuleId::as_str).unwrap_or_default();
            let seed = format!("{flag}:{rule}:");
            (
                rollout(&mut fields, seed, faults),
                "variants, traffic_percent, ramp, attribute, hash_seed",
            )
        }
        Kind::Experiment => (experiment(&mut fields, faults), "experiment, variants"),
    };
    fields.finish(faults, &format!("{COMMON_FIELDS}, {own_fields}"));
    Some(FlagRule {
        id: id?,
        description: optional(about)?,
        condition: optional(users)?,
        starts_at: optional(starts_at)?,
        ends_at: optional(ends_at)?,
        kind: kind?,
    })
}

fn serve(fields: &mut Object<'_>, faults: &mut Faults) -> Option<FlagRuleKind> {
    let variant = fields
        .required("variant", faults)
        .and_then(|node| node.text(faults, VariantKey::parse));
    Some(FlagRuleKind::Serve { variant: variant? })
}

/// A rollout. `seed` is that of a rollout that names none: it follows from the flag and the rule, so that a change of the flag
/// moves no user, and users get the same variants in all environments.
fn rollout(fields: &mut Object<'_>, seed: String, faults: &mut Faults) -> Option<FlagRuleKind> {
    let variants = fields.required("variants", faults).and_then(|node| {
        let elements = node.array(faults, limits::MAX_VARIANTS)?;
        let read: Vec<_> = elements
            .iter()
            .map(|element| rollout_variant(element, faults))
            .collect();
        read.into_iter().collect::<Option<Vec<_>>>()
    });
    let traffic_percent = fields
        .optional("traffic_percent")
        .map_or(Some(100.0), |node| node.number(faults, allocation::percent));
    let ramp = fields.optional("ramp").map(|node| ramp(&node, faults));
    let attribute = fields.optional("attribute").map_or_else(
        || Some(EvaluationContext::USER_ID_ATTRIBUTE.to_owned()),
        |node| node.text(faults, segment::attribute_name),
    );
    let hash_seed = fields.optional("hash_seed").map_or(Some(seed), |node| {
        node.text(faults, |text| Ok(text.to_owned()))
    });
    Some(FlagRuleKind::Rollout(Rollout {
        variants: variants?,
        traffic_percent: traffic_percent?,
        ramp: or_default(ramp)?,
        attribute: attribute?,
        hash_seed: hash_seed?,
    }))
}

fn rollout_variant(node: &Node<'_>, faults: &mut Faults) -> Option<RolloutVariant> {
    let mut fields = node.object(faults)?;
    let variant = fields
        .required("variant", faults)
        .and_then(|node| node.text(faults, VariantKey::parse));
    let percent = fields
        .required("percent", faults)
        .and_then(|node| node.number(faults, allocation::percent));
    fields.finish(faults, "variant, percent");
    Some(RolloutVariant {
        variant: variant?,
        percent: percent?,
    })
}

fn experiment(fields: &mut Object<'_>, faults: &mut Faults) -> Option<FlagRuleKind> {
    let experiment = fields
        .required("experiment", faults)
        .and_then(|node| node.text(faults, ExperimentId::parse));
    let variants = fields.required("variants", faults).and_then(|node| {
        let (mut variants, mut whole) = (BTreeMap::new(), true);
        for (text, node) in node.object(faults)?.into_fields() {
            let of_experiment = VariantKey::parse(&text)
                .map_err(|invalid| faults.push(node.pointer(), invalid))
                .ok();
            match (of_experiment, node.text(faults, VariantKey::parse)) {
                (Some(key), Some(variant)) => drop(variants.insert(key, variant)),
                _ => whole = false,
            }
        }
        whole.then_some(variants)
    });
    Some(FlagRuleKind::Experiment {
        experiment: experiment?,
        variants: variants?,
    })
}
