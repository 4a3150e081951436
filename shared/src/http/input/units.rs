//! The ids in a body: a user, and units of other kinds.

use crate::http::body::{Faults, Node, Object};
use domain::ids::{UnitKind, UserId};
use domain::{Invalid, limits};
use std::collections::BTreeMap;

/// The units of a body by kind, at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Units(BTreeMap<UnitKind, UserId>);

impl Units {
    /// Reads `user_id` and `units` of an object.
    pub(super) fn read(fields: &mut Object<'_>, faults: &mut Faults) -> Option<Self> {
        let others = fields.optional("units");
        let user = match (fields.optional("user_id"), &others) {
            (Some(node), _) => Some(node.text(faults, UserId::parse)),
            (None, Some(_)) => None,
            (None, None) => {
                fields.required("user_id", faults);
                return None;
            }
        };
        let mut units = BTreeMap::new();
        if let Some(node) = others {
            let named: Vec<_> = node.object(faults)?.into_fields().collect();
            let excess = match named.len() {
                0 if user.is_none() => {
                    Some("Must have a unit, because there is no `user_id`.".to_owned())
                }
                number if number > limits::MAX_UNITS => {
                    Some(format!("Must have at most {} units.", limits::MAX_UNITS))
                }
                _ => None,
            };
            if let Some(detail) = excess {
                faults.push(node.pointer(), Invalid::new("wrong_number", detail));
                return None;
            }
            let read = named
                .into_iter()
                .map(|(name, node)| unit(&name, &node, faults));
            // All of them, so that each fault is noted.
            let read: Vec<_> = read.collect();
            units.extend(read.into_iter().collect::<Option<Vec<_>>>()?);
        }
        if let Some(user) = user {
            units.insert(UnitKind::default(), user?);
        }
        Some(Self(units))
    }

    /// The unit of a kind.
    pub fn of_kind(&self, kind: &UnitKind) -> Option<&UserId> {
        self.0.get(kind)
    }

    /// All units as they are stored, a user first.
    pub fn stored(&self) -> Vec<UserId> {
        let mut all: Vec<_> = self.0.iter().collect();
        all.sort_by_key(|(kind, _)| !kind.is_user());
        let stored = |(kind, id): (&UnitKind, &UserId)| UserId::of_unit(kind, id);
        all.into_iter().map(stored).collect()
    }
}

fn unit(name: &str, node: &Node<'_>, faults: &mut Faults) -> Option<(UnitKind, UserId)> {
    let id = node.text(faults, UserId::parse);
    match UnitKind::parse(name) {
        Ok(kind) if !kind.is_user() => Some((kind, id?)),
        Ok(_) => {
            let detail = "The id of a user is the field `user_id`.";
            faults.push(node.pointer(), Invalid::new("reserved", detail));
            None
        }
        Err(invalid) => {
            faults.push(node.pointer(), invalid);
            None
        }
    }
}
