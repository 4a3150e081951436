//! The compiled flags of an environment.

use super::Flag;
use super::compile::{CompiledFlag, FlagCompiler};
use crate::feature::{Feature, Features};
use crate::ids::{EnvironmentName, FlagKey};
use crate::limits::MAX_COMPILED_FLAGS_BYTES;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Compiled flags of one environment by key.
#[derive(Debug, Clone, Default)]
pub struct CompiledFlags(HashMap<FlagKey, CompiledFlag>);

impl FromIterator<CompiledFlag> for CompiledFlags {
    fn from_iter<I: IntoIterator<Item = CompiledFlag>>(flags: I) -> Self {
        let by_key = |flag: CompiledFlag| (flag.key.clone(), flag);
        Self(flags.into_iter().map(by_key).collect())
    }
}

impl Features for CompiledFlags {
    fn feature(&self, key: &str) -> Option<&Feature> {
        self.0.get(key).map(|flag| &flag.feature)
    }
}

impl CompiledFlags {
    /// Compiles flags, in their order, for as long as they need at most [`MAX_COMPILED_FLAGS_BYTES`] of memory. The rules of a
    /// flag that has no room are left out. Its definition is small, and what an experiment adds to it need not be: each rule
    /// of each flag that names an experiment has the conditions of that experiment.
    pub fn compile<'f>(
        compiler: &FlagCompiler<'_>,
        flags: impl IntoIterator<Item = &'f Flag>,
        environment: &EnvironmentName,
    ) -> Self {
        let mut room = MAX_COMPILED_FLAGS_BYTES;
        let compiled = flags.into_iter().filter_map(|flag| {
            let compiled = compiler.compile(flag, environment)?;
            match room.checked_sub(compiled.memory_bytes) {
                Some(left) => {
                    room = left;
                    Some(compiled)
                }
                None => compiler.compile_without_rules(flag, environment),
            }
        });
        compiled.collect()
    }

    /// The flag with a key.
    pub fn get(&self, key: &str) -> Option<&CompiledFlag> {
        self.0.get(key)
    }

    /// All flags, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &CompiledFlag> {
        self.0.values()
    }

    /// The memory that all of them need, as it is estimated.
    pub fn memory_bytes(&self) -> usize {
        self.iter().map(|flag| flag.memory_bytes).sum()
    }

    /// The flags whose evaluation can hash an attribute: in one of their rules, or in one of a flag that they need.
    pub fn hashing(&self, attribute: &str) -> BTreeSet<FlagKey> {
        let mut users_of = BTreeMap::<&str, Vec<&FlagKey>>::new();
        for flag in self.iter() {
            for needed in flag.feature.parents() {
                users_of.entry(needed).or_default().push(&flag.key);
            }
        }
        let hashes = self.iter().filter(|flag| flag.hashes(attribute));
        let mut open: Vec<&FlagKey> = hashes.map(|flag| &flag.key).collect();
        let mut hashing = BTreeSet::new();
        while let Some(key) = open.pop() {
            if hashing.insert(key.clone()) {
                open.extend(users_of.get(key.as_str()).into_iter().flatten());
            }
        }
        hashing
    }
}

impl CompiledFlag {
    /// Whether one of its own rules hashes an attribute.
    fn hashes(&self, attribute: &str) -> bool {
        self.definition.rules.iter().any(|rule| {
            let experiment = &rule.experiment;
            let filters = experiment.filters.iter().flatten();
            let mut hashed = filters.map(|filter| filter.attribute.as_deref());
            experiment.hash_attribute.as_deref() == Some(attribute)
                || hashed.any(|name| name.is_none_or(|name| name == attribute))
        })
    }
}
