//! The variants of an experiment or of a plan, with their weights, and the ramp of an experiment.

use super::text::name;
use crate::http::body::{Faults, Node};
use domain::allocation::{self, Variant, Variants};
use domain::ids::VariantKey;
use domain::limits;
use domain::ramp::{OnWorseGuardrail, Ramp, RampStep};
use domain::time::Timestamp;

pub(super) fn variants(node: &Node<'_>, faults: &mut Faults) -> Option<Variants> {
    let elements = node.array(faults, limits::MAX_VARIANTS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| variant(element, faults))
        .collect();
    // Rules about all variants are checked on the valid elements, so that an invalid key does not hide a wrong sum.
    let whole = read.iter().all(Option::is_some);
    let variants = Variants::new(read.into_iter().flatten().collect());
    match variants {
        Ok(variants) if whole => Some(variants),
        Ok(_) => None,
        Err(wrong) => {
            for (index, invalid) in wrong {
                let about_one = index
                    .filter(|_| whole)
                    .and_then(|index| elements.get(index));
                match about_one {
                    Some(element) => faults.push(format!("{}/key", element.pointer()), invalid),
                    None if whole || index.is_some() => faults.push(node.pointer(), invalid),
                    None => {} // a sum or number that is wrong only because an element could not be read
                }
            }
            None
        }
    }
}

fn variant(node: &Node<'_>, faults: &mut Faults) -> Option<Variant> {
    let mut fields = node.object(faults)?;
    let key = fields
        .required("key", faults)
        .and_then(|node| node.text(faults, VariantKey::parse));
    let percent = fields
        .required("percent", faults)
        .and_then(|node| node.number(faults, allocation::percent));
    let name = fields.optional("name").and_then(|node| name(&node, faults));
    fields.finish(faults, "key, percent, name");
    Some(Variant {
        key: key?,
        percent: percent?,
        name,
    })
}

pub(super) fn ramp(node: &Node<'_>, faults: &mut Faults) -> Option<Ramp> {
    let elements = node.array(faults, limits::MAX_RAMP_STEPS)?;
    let read: Vec<_> = elements
        .iter()
        .map(|element| ramp_step(element, faults))
        .collect();
    let steps = read.into_iter().collect::<Option<_>>()?;
    match Ramp::new(steps) {
        Ok(ramp) => Some(ramp),
        Err(wrong) => {
            for (index, invalid) in wrong {
                let element = index.and_then(|index| elements.get(index));
                let pointer = element.map_or_else(
                    || node.pointer().to_owned(),
                    |element| format!("{}/at", element.pointer()),
                );
                faults.push(pointer, invalid);
            }
            None
        }
    }
}

fn ramp_step(node: &Node<'_>, faults: &mut Faults) -> Option<RampStep> {
    let mut fields = node.object(faults)?;
    let at = fields
        .required("at", faults)
        .and_then(|node| node.text(faults, Timestamp::parse));
    let traffic_percent = fields
        .required("traffic_percent", faults)
        .and_then(|node| node.number(faults, allocation::percent));
    let on_worse_guardrail = fields
        .optional("on_worse_guardrail")
        .map(|node| node.choice(faults, &OnWorseGuardrail::ALL));
    fields.finish(faults, "at, traffic_percent, on_worse_guardrail");
    Some(RampStep {
        at: at?,
        traffic_percent: traffic_percent?,
        on_worse_guardrail: match on_worse_guardrail {
            Some(read) => Some(read?),
            None => None,
        },
    })
}
