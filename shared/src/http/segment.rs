//! What the functions that create and change segments share.

use super::input::segment::located;
use super::problem::{Fault, Problem};
use crate::app::App;
use crate::store::catalog::Catalog;
use domain::Invalid;
use domain::condition::Condition;
use domain::evaluation_context::EvaluationContext;
use domain::ids::{SegmentId, UserId};
use domain::limits::MAX_SEGMENT_IDS;
use domain::prose::grouped_size;

/// Checks the segments that the condition of a segment names.
///
/// # Errors
/// 422 with all faults.
pub fn check_names(
    catalog: &Catalog,
    id: &SegmentId,
    condition: Option<&Condition>,
) -> Result<(), Problem> {
    let graph = catalog.graph();
    let faults = condition.map(|condition| graph.faults_of_segment(id, condition));
    match located("/condition", faults.unwrap_or_default()) {
        none if none.is_empty() => Ok(()),
        faults => Err(Problem::invalid(faults)),
    }
}

/// Checks that no id is that of an erased user. It is called after the catalog was read: an erasure that writes its
/// tombstone later passes the catalog, so that the write of these ids is tried again.
///
/// # Errors
/// 422 with all faults; if the database fails.
pub async fn check_not_erased(
    app: &App,
    attribute: &str,
    ids: &[String],
    pointer: &str,
) -> Result<(), Problem> {
    if attribute != EvaluationContext::USER_ID_ATTRIBUTE || ids.is_empty() {
        return Ok(());
    }
    let users: Vec<Option<UserId>> = ids.iter().map(|id| UserId::parse(id).ok()).collect();
    let erased = app.store().erased_for_certain(users.iter().flatten());
    let erased = erased.await?;
    let faults: Vec<Fault> = users
        .iter()
        .enumerate()
        .filter(|(_, user)| user.as_ref().is_some_and(|user| erased.contains(user)))
        .map(|(index, _)| Fault::erased(format!("{pointer}/{index}")))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(Problem::invalid(faults))
    }
}

/// Checks the number of ids of a list.
///
/// # Errors
/// 422.
pub fn check_size(ids: usize, pointer: &str) -> Result<(), Problem> {
    if ids <= MAX_SEGMENT_IDS {
        return Ok(());
    }
    let detail = format!(
        "A segment may have at most {} ids; with these it would have {}.",
        grouped_size(MAX_SEGMENT_IDS),
        grouped_size(ids)
    );
    let invalid = Invalid::new("too_many", detail);
    Err(Problem::invalid(vec![Fault::at(pointer, invalid)]))
}
