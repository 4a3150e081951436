//! Looks at the experiments of a batch: holds guarded ramps while a guardrail is worse, and notifies about changes.

use domain::experiment::Experiment;
use domain::guarded_ramp::GuardedChange;
use domain::ids::{ExperimentId, MetricKey};
use domain::placement::Placement;
use shared::app::App;
use shared::notifications::{Notifier, ResultsLook};
use shared::store::StoreError;
use shared::store::experiments::{Author, ChangeOutcome};
use shared::store::raw::RawError;
use std::collections::BTreeSet;
use std::time::Instant;

/// The author of the changes in the history. No token has this id.
const AUTHOR: &str = "guarded-ramp";

/// Experiments that one invocation looks at. Each takes about as long as a request for results, and the next batch must not
/// be late for it.
const MAX_LOOKS: usize = 20;

/// Looks at these experiments where it is time to. A failure is logged: the next look tries again.
pub(crate) async fn look(
    app: &App,
    notifier: &Notifier,
    experiments: &BTreeSet<&ExperimentId>,
    deadline: Instant,
) {
    let mut looks = 0;
    for id in experiments {
        if Instant::now() >= deadline || looks == MAX_LOOKS {
            return;
        }
        match look_at(app, notifier, id).await {
            Ok(looked) => looks += usize::from(looked),
            Err(error) => {
                tracing::warn!(experiment_id = %id, %error, "an experiment could not be looked at");
            }
        }
    }
}

/// Looks at an experiment if it is time to. Returns whether it was.
async fn look_at(app: &App, notifier: &Notifier, id: &ExperimentId) -> Result<bool, RawError> {
    let Some(cached) = app.experiment(id).await? else {
        return Ok(false);
    };
    let guards = cached.is_ramp_guarded(app.now()) && app.guardrails_are_due(id).await;
    // If it is not known whether notifications are due, the ramp is guarded nevertheless.
    let notifies = app.notifications_are_due(id).await;
    if !guards && !matches!(notifies, Ok(true)) {
        notifies?;
        return Ok(false);
    }
    let Some((experiment, digest)) = app.store().definition(id, true).await? else {
        return Ok(false);
    };
    // One reading of the aggregates serves both.
    let results = ResultsLook::new(app, &experiment).await?;
    if guards && let Some(results) = &results {
        guard(app, &experiment, &digest, &results.worse_guardrails()?).await?;
    }
    if notifies? {
        notifier.notify(app, &experiment, results.as_ref()).await?;
    }
    Ok(true)
}

/// Changes the ramp if the guardrails demand it. The changed definition causes a notification of its own.
async fn guard(
    app: &App,
    before: &Experiment,
    digest: &str,
    worse: &[MetricKey],
) -> Result<(), StoreError> {
    let Some(GuardedChange { experiment, reason }) = before.guard_ramp(worse, app.now()) else {
        return Ok(());
    };
    let id = &before.id;
    let author = Author {
        by: AUTHOR,
        reason: Some(&reason),
    };
    let store = app.store();
    let placed = Placement::unchanged(experiment);
    let catalog = store.catalog_with(false).await?;
    let changed = store.change_experiment(before, &placed, digest, author, catalog);
    // Otherwise a caller or another process has changed it, and the next look decides.
    if changed.await? == ChangeOutcome::Changed {
        tracing::warn!(experiment_id = %id, reason, "a guarded ramp was changed");
    }
    Ok(())
}
