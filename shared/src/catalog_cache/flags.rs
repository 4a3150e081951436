//! The flags that a process keeps.

use super::CatalogCache;
use crate::store::StoreError;
use domain::flag::Flag;
use domain::ids::FlagKey;
use futures::future::try_join_all;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// All flags by key.
pub(crate) type Flags = BTreeMap<FlagKey, Arc<Flag>>;

/// Flags as they were at a number of the catalog.
#[derive(Clone)]
pub(crate) struct FlagsAt {
    /// The number of the catalog. While it is equal, no definition has changed.
    pub number: u64,
    /// The flags.
    pub flags: Arc<Flags>,
}

/// What is known of the flags.
#[derive(Default)]
pub(super) struct FlagState {
    known: Option<Arc<Flags>>,
    changed: BTreeSet<FlagKey>,
}

impl FlagState {
    /// Notes that a flag has changed.
    pub(super) fn note(&mut self, key: &FlagKey) {
        self.changed.insert(key.clone());
    }
}

impl CatalogCache {
    /// All flags, at most some seconds old. The first call reads all of them, later ones those that have changed.
    pub(crate) async fn flags(&self) -> Result<FlagsAt, StoreError> {
        let mut state = self.looked().await?;
        let number = state.seen;
        let kept = state.flags.known.clone();
        let flags = match kept.filter(|_| !self.look_every.is_zero()) {
            Some(known) if state.flags.changed.is_empty() => known,
            Some(known) => {
                let reads = state.flags.changed.iter().map(|key| self.store.flag(key));
                let reads = try_join_all(reads).await?;
                let mut all = Flags::clone(&known);
                for (key, read) in state.flags.changed.iter().zip(reads) {
                    match read {
                        Some(stored) => drop(all.insert(key.clone(), checked(stored.flag)?)),
                        None => drop(all.remove(key)),
                    }
                }
                Arc::new(all)
            }
            None => {
                let read = self.store.flags().await?.into_iter();
                let named = read.map(|stored| {
                    let key = stored.flag.key.clone();
                    checked(stored.flag).map(|flag| (key, flag))
                });
                Arc::new(named.collect::<Result<Flags, _>>()?)
            }
        };
        state.flags = FlagState {
            known: Some(flags.clone()),
            changed: BTreeSet::new(),
        };
        Ok(FlagsAt { number, flags })
    }
}

/// The flag, if its conditions can be evaluated.
fn checked(flag: Flag) -> Result<Arc<Flag>, StoreError> {
    if flag.conditions().all(|(_, condition)| condition.is_valid()) {
        return Ok(Arc::new(flag));
    }
    let text = format!("a condition of flag `{}`", flag.key);
    Err(StoreError::Corrupt(text))
}
