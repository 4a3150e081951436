//! Notifies about a changed definition: an experiment that ended, and a ramp that is on hold or continues.

use domain::experiment::Experiment;
use shared::app::App;
use shared::notifications::Notifier;
use shared::store::raw::RawError;

/// Notifies about a change. A failure is logged, because the change itself must not be processed again for it.
pub(crate) async fn notify(
    app: &App,
    notifier: &Notifier,
    before: &Experiment,
    after: &Experiment,
) {
    let is_end = before.status != after.status || before.end() != after.end();
    let is_hold = before.allocation.ramp_hold != after.allocation.ramp_hold;
    if !is_end && !is_hold {
        return;
    }
    // Boxed, because the compiler limits the depth of futures within each other.
    if let Err(error) = Box::pin(look(app, notifier, after)).await {
        tracing::warn!(experiment_id = %after.id, %error, "a changed experiment could not be looked at");
    }
}

async fn look(app: &App, notifier: &Notifier, changed: &Experiment) -> Result<(), RawError> {
    // A record can be delivered again after later changes, so the current definition counts.
    let Some(current) = app.store().experiment(&changed.id, true).await? else {
        return Ok(());
    };
    // Some verdicts need the end, and no later record may come.
    let has_ended = current.end().is_some_and(|end| end <= app.now());
    match has_ended {
        true => notifier.look(app, &current).await,
        false => notifier.notify(app, &current, None).await,
    }
}
