//! An audit of an experiment. It changes nothing.

use super::Done;
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::pages::audit::show;

/// Audits the experiment, and shows what was found.
///
/// # Errors
/// 404 if there is no such experiment.
pub(crate) async fn act(desk: Desk<'_>, id: &str) -> Result<Done, Failure> {
    let call = Call::new("POST", "/experiments/{id}/audit", &[id]);
    let outcome = desk.api.call(audit::handle, call).await;
    Ok(Done::Shown(show(desk, id, Some(outcome)).await?))
}
