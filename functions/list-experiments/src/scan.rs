//! Pages of the experiments that match a search. The index has one partition for each status, and knows no texts.

use domain::experiment::{Experiment, Status};
use domain::limits::MAX_PAGE;
use domain::search::Search;
use futures::future::try_join_all;
use shared::store::experiments::Page;
use shared::store::{Store, StoreError, keys};
use std::cmp::Reverse;

/// Pages of the index that one request reads for each status. A request that finds too little in them answers with what it
/// found and a cursor.
const PAGES: usize = 10;
/// Definitions of one status that are kept at most, in bytes of JSON, not counting the last page.
const SCAN_BYTES: usize = 1_000_000;
/// Definitions in one response, in bytes of JSON. A response of Lambda has at most 6 MB.
const PAGE_BYTES: usize = 4_000_000;

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
    let statuses = status.map_or_else(
        || Status::ALL.map(|(_, status)| status).to_vec(),
        |status| vec![status],
    );
    let scans = statuses
        .iter()
        .map(|status| scan(store, *status, search, limit, before));
    let scans = try_join_all(scans).await?;
    // What is older than the end of one scan may be between two experiments that were not read.
    let horizon = scans.iter().filter_map(|scan| scan.next.clone()).max();
    let is_reached = |experiment: &Experiment| {
        let horizon = horizon.as_ref();
        horizon.is_none_or(|horizon| position(experiment) >= *horizon)
    };
    let found = scans.into_iter().flat_map(|scan| scan.experiments);
    let mut experiments: Vec<Experiment> = found.filter(is_reached).collect();
    experiments.sort_by_key(|experiment| Reverse(position(experiment)));
    let fitting = fitting(&experiments).min(limit);
    let next = if experiments.len() > fitting {
        experiments.truncate(fitting);
        experiments.last().map(position)
    } else {
        horizon
    };
    Ok(Page { experiments, next })
}

/// How many of these experiments one response has room for, at least one.
fn fitting(experiments: &[Experiment]) -> usize {
    let mut bytes = 0;
    let fits = experiments.iter().take_while(|experiment| {
        bytes += size(experiment);
        bytes <= PAGE_BYTES
    });
    fits.count().max(1)
}

fn size(experiment: &Experiment) -> usize {
    serde_json::to_string(experiment).map_or(0, |text| text.len())
}

/// The newest experiments of a status that match, and how far the index was read, if not to its end.
async fn scan(
    store: &Store,
    status: Status,
    search: &Search,
    limit: usize,
    before: Option<&str>,
) -> Result<Page, StoreError> {
    let mut experiments: Vec<Experiment> = Vec::new();
    let mut next = before.map(str::to_owned);
    let read_at_once = if search.is_empty() { limit } else { MAX_PAGE };
    let mut bytes = 0;
    for _ in 0..PAGES {
        let page = store.experiments_by_status(status, read_at_once, next.as_deref());
        let page = page.await?;
        let mut matching = page.experiments;
        matching.retain(|experiment| search.matches(experiment));
        bytes += matching.iter().map(size).sum::<usize>();
        experiments.extend(matching);
        next = page.next;
        if next.is_none() || experiments.len() >= limit || bytes > SCAN_BYTES {
            break;
        }
    }
    Ok(Page { experiments, next })
}

fn position(experiment: &Experiment) -> String {
    keys::created_at_id(experiment.created_at, experiment.id.as_str())
}
