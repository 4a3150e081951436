//! Which flags may be prerequisites: those that exist, without circles, to a limited depth.

use super::Flag;
use super::fault::FlagFault;
use crate::Invalid;
use crate::ids::{FlagKey, VariantKey};
use crate::json_value::Place;
use crate::limits::MAX_PREREQUISITE_LEVELS;
use std::collections::{BTreeMap, BTreeSet};

/// All flags at one version of the catalog, as far as prerequisites need them. Archived flags are in it too.
#[derive(Debug, Clone, Default)]
pub struct FlagGraph {
    flags: BTreeMap<FlagKey, Node>,
}

/// A flag, its variants and its prerequisites.
#[derive(Debug, Clone)]
struct Node {
    archived: bool,
    variants: BTreeSet<VariantKey>,
    needs: BTreeMap<FlagKey, BTreeSet<VariantKey>>,
}

impl<'f> FromIterator<&'f Flag> for FlagGraph {
    fn from_iter<I: IntoIterator<Item = &'f Flag>>(flags: I) -> Self {
        let mut graph = Self::default();
        for flag in flags {
            graph.insert(flag);
        }
        graph
    }
}

impl FlagGraph {
    /// Adds a flag, or replaces its earlier version.
    pub fn insert(&mut self, flag: &Flag) {
        let prerequisites = flag.prerequisites.iter();
        let node = Node {
            archived: flag.archived,
            variants: flag.variants.iter().map(|each| each.key.clone()).collect(),
            needs: prerequisites
                .map(|each| (each.flag.clone(), each.variants.clone()))
                .collect(),
        };
        self.flags.insert(flag.key.clone(), node);
    }

    /// The faults of the prerequisites of a flag: each must be another flag with these variants that is not archived, and
    /// flags must not need each other in a circle or in too many levels. And the faults that the flag makes for the flags that
    /// need it: it must not be archived, nor lose a variant that they name.
    pub fn faults_of(&self, flag: &Flag) -> Vec<FlagFault> {
        let mut faults = Vec::new();
        let root = Place::root();
        let above = self.levels_above(&flag.key);
        for (index, prerequisite) in flag.prerequisites.iter().enumerate() {
            let place = root.field("prerequisites").element(index);
            let other = &prerequisite.flag;
            if let Some(why) = self.fault_of_name(flag, other, above) {
                faults.push(FlagFault::new(&place.field("flag"), why));
                continue;
            }
            let known = self.flags.get(other).map(|node| &node.variants);
            for variant in &prerequisite.variants {
                if known.is_some_and(|known| !known.contains(variant)) {
                    let detail = format!("The flag `{other}` has no variant `{variant}`.");
                    let why = Invalid::new("unknown_variant", detail);
                    faults.push(FlagFault::new(&place.field("variants"), why));
                }
            }
        }
        self.check_users(flag, &mut faults);
        faults
    }

    fn check_users(&self, flag: &Flag, faults: &mut Vec<FlagFault>) {
        let root = Place::root();
        let mut in_use = |place: &str, detail: String| {
            let why = Invalid::new("in_use", detail);
            faults.push(FlagFault::new(&root.field(place), why));
        };
        for user in self.users_of(&flag.key) {
            if flag.archived {
                let detail = format!(
                    "The flag `{user}` needs this one. Remove it from its prerequisites first."
                );
                in_use("archived", detail);
            }
            let named = self
                .flags
                .get(user)
                .and_then(|node| node.needs.get(&flag.key));
            let named = named.into_iter().flatten();
            for variant in named.filter(|variant| flag.variant(variant).is_none()) {
                let detail = format!(
                    "The flag `{user}` names the variant `{variant}` in its prerequisites. Keep it, or change that flag first."
                );
                in_use("variants", detail);
            }
        }
    }

    fn fault_of_name(&self, flag: &Flag, other: &FlagKey, above: usize) -> Option<Invalid> {
        if *other == flag.key {
            let detail = "A flag cannot be its own prerequisite.";
            return Some(Invalid::new("prerequisite_circle", detail));
        }
        let Some(node) = self.flags.get(other) else {
            let detail = format!("There is no flag `{other}`. Create it with `POST /flags`.");
            return Some(Invalid::new("unknown_flag", detail));
        };
        if node.archived && !flag.archived {
            let detail =
                format!("The flag `{other}` is archived, so no user gets a variant of it.");
            return Some(Invalid::new("archived_flag", detail));
        }
        if self.needed_by(other).contains(&flag.key) {
            let detail = format!(
                "The flag `{other}` needs `{}`, so this is a circle.",
                flag.key
            );
            return Some(Invalid::new("prerequisite_circle", detail));
        }
        let levels = above + 1 + self.levels(other);
        (levels > MAX_PREREQUISITE_LEVELS).then(|| {
            let detail = format!(
                "Flags may need flags in at most {MAX_PREREQUISITE_LEVELS} levels; with `{other}` there are more."
            );
            Invalid::new("too_deep", detail)
        })
    }

    /// The flags that need a flag.
    pub fn users_of<'g>(&'g self, key: &'g FlagKey) -> impl Iterator<Item = &'g FlagKey> {
        let all = self.flags.iter();
        let users = all.filter(move |(_, node)| !node.archived && node.needs.contains_key(key));
        users.map(|(user, _)| user)
    }

    /// The flags that must be compiled to evaluate a flag: itself and all that it needs, directly or not.
    pub fn needed_by(&self, key: &FlagKey) -> BTreeSet<FlagKey> {
        let mut needed = BTreeSet::from([key.clone()]);
        let mut open = vec![key.clone()];
        while let Some(next) = open.pop() {
            let needs = self.flags.get(&next).map(|node| &node.needs);
            for other in needs.into_iter().flat_map(BTreeMap::keys) {
                if needed.insert(other.clone()) {
                    open.push(other.clone());
                }
            }
        }
        needed
    }

    /// The levels of a flag and of those that it needs.
    fn levels(&self, key: &FlagKey) -> usize {
        1 + rounds(key, |level| {
            let nodes = level.iter().filter_map(|key| self.flags.get(*key));
            nodes.flat_map(|node| node.needs.keys()).collect()
        })
    }

    /// The levels of the flags that need a flag.
    fn levels_above(&self, key: &FlagKey) -> usize {
        rounds(key, |level| {
            let all = self.flags.iter().filter(|(_, node)| !node.archived);
            let users = all.filter(|(_, node)| node.needs.keys().any(|need| level.contains(need)));
            users.map(|(user, _)| user).collect()
        })
    }
}

/// How often there is a next level: the length of the longest path from a flag. A level is a set, so flags on many paths are
/// looked at once for each level. One more than the levels that are allowed ends it, also in a circle.
fn rounds<'g>(
    from: &'g FlagKey,
    next: impl Fn(&BTreeSet<&'g FlagKey>) -> BTreeSet<&'g FlagKey>,
) -> usize {
    let mut level = BTreeSet::from([from]);
    for round in 0..=MAX_PREREQUISITE_LEVELS {
        level = next(&level);
        if level.is_empty() {
            return round;
        }
    }
    MAX_PREREQUISITE_LEVELS + 1
}
