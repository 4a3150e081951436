//! Pages of the experiments that match a search. An index has one partition for each status, with the texts that searches look
//! at; only the definitions that are answered are read.

use domain::experiment::{Experiment, Status};
use domain::ids::ExperimentId;
use domain::search::Search;
use futures::future::try_join_all;
use shared::store::experiments::{Page, SearchEntry};
use shared::store::{Store, StoreError};
use std::collections::{BTreeMap, BTreeSet};

/// Pages of the index that one request reads for each status. A request that finds too little in them answers with what it
/// found and a cursor.
const PAGES: usize = 10;
/// Entries of a page of the index that a search reads. A page has at most 1 MB, so it can have fewer.
const SEARCHED_AT_ONCE: usize = 500;
/// Definitions without texts in the index that a search reads for each status: each has up to 300 KB.
const READ_WITHOUT_TEXTS: usize = 100;
/// Definitions that are read in one call.
const DEFINITIONS_AT_ONCE: usize = 25;
/// Definitions in one response, in bytes of JSON. A response of Lambda has at most 6 MB.
const PAGE_BYTES: usize = 4_000_000;

/// Experiments that match, by their positions, the newest last.
type Found = BTreeMap<String, ExperimentId>;

/// The experiments of one status that match, and how far the index was read, if not to its end.
struct Scan {
    found: Found,
    next: Option<String>,
}

/// A page of the experiments that match.
///
/// # Errors
/// If the database fails or an item is damaged.
pub(crate) async fn page(
    store: &Store,
    status: Option<Status>,
    search: &Search,
    limit: usize,
    before: Option<&str>,
) -> Result<Page, StoreError> {
    let all = || Status::ALL.map(|(_, status)| status).to_vec();
    let statuses = status.map_or_else(all, |status| vec![status]);
    let scans = statuses
        .iter()
        .map(|status| scan(store, *status, search, limit, before));
    let scans = try_join_all(scans).await?;
    // What is older than the end of one scan may be between two experiments that were not read.
    let horizon = scans.iter().filter_map(|scan| scan.next.clone()).max();
    let mut found: Found = scans.into_iter().flat_map(|scan| scan.found).collect();
    if let Some(horizon) = &horizon {
        found = found.split_off(horizon);
    }
    let newest: Vec<_> = found.iter().rev().take(limit).collect();
    let (mut experiments, last) = definitions(store, &newest).await?;
    let oldest = found.keys().next();
    let next = match last {
        Some(last) if Some(last) != oldest => Some(last.clone()),
        _ => horizon,
    };
    // The index can be older than the definitions.
    experiments.retain(|experiment| {
        status.is_none_or(|status| experiment.status == status)
            && search.matches_experiment(experiment)
    });
    Ok(Page { experiments, next })
}

/// The first of these experiments, as many as a response has room for and at least one, and the position of the last one.
async fn definitions<'f>(
    store: &Store,
    found: &[(&'f String, &'f ExperimentId)],
) -> Result<(Vec<Experiment>, Option<&'f String>), StoreError> {
    let mut experiments = Vec::new();
    let mut last = None;
    let mut bytes = 0;
    for part in found.chunks(DEFINITIONS_AT_ONCE) {
        let ids: BTreeSet<ExperimentId> = part.iter().map(|(_, id)| (*id).clone()).collect();
        let read = store.experiments_by_id(&ids).await?.into_iter();
        let mut read: BTreeMap<_, _> = read.map(|one| (one.id.clone(), one)).collect();
        for (position, id) in part {
            if let Some(experiment) = read.remove(*id) {
                bytes += serde_json::to_string(&experiment).map_or(0, |text| text.len());
                if bytes > PAGE_BYTES && !experiments.is_empty() {
                    return Ok((experiments, last));
                }
                experiments.push(experiment);
            }
            last = Some(*position);
        }
    }
    Ok((experiments, last))
}

/// The newest experiments of a status that match.
async fn scan(
    store: &Store,
    status: Status,
    search: &Search,
    limit: usize,
    before: Option<&str>,
) -> Result<Scan, StoreError> {
    let mut found = Found::new();
    let mut next = before.map(str::to_owned);
    let read_at_once = if search.is_empty() {
        limit
    } else {
        SEARCHED_AT_ONCE
    };
    let lacks_texts = |entry: &SearchEntry| !search.is_empty() && entry.texts.is_none();
    let mut left = READ_WITHOUT_TEXTS;
    for _ in 0..PAGES {
        let read = store.search_entries(status, read_at_once, next.as_deref());
        let (mut entries, mut more) = read.await?;
        let lacking = entries.iter().enumerate();
        let lacking = lacking.filter(|(_, entry)| lacks_texts(entry));
        let lacking: Vec<usize> = lacking.map(|(index, _)| index).collect();
        if let Some(beyond) = lacking.get(left) {
            entries.truncate(*beyond);
            more = true;
        }
        left = left.saturating_sub(lacking.len());
        next = entries
            .last()
            .filter(|_| more)
            .map(|entry| entry.position.clone());
        found.extend(matching(store, search, entries).await?);
        if next.is_none() || found.len() >= limit || left == 0 {
            break;
        }
    }
    Ok(Scan { found, next })
}

/// The entries that match. The definitions of those without texts are read, if a search looks at texts.
async fn matching(
    store: &Store,
    search: &Search,
    entries: Vec<SearchEntry>,
) -> Result<Found, StoreError> {
    let mut found = Found::new();
    let mut without_texts = BTreeMap::new();
    for entry in entries {
        let matches = match &entry.texts {
            Some(texts) => Some(search.matches(&entry.id, texts)),
            None => search.is_empty().then_some(true),
        };
        match matches {
            Some(true) => drop(found.insert(entry.position, entry.id)),
            Some(false) => {}
            None => drop(without_texts.insert(entry.id, entry.position)),
        }
    }
    let ids: Vec<ExperimentId> = without_texts.keys().cloned().collect();
    for ids in ids.chunks(DEFINITIONS_AT_ONCE) {
        let ids = ids.iter().cloned().collect();
        for experiment in store.experiments_by_id(&ids).await? {
            if search.matches_experiment(&experiment)
                && let Some(position) = without_texts.remove(&experiment.id)
            {
                found.insert(position, experiment.id);
            }
        }
    }
    Ok(found)
}
