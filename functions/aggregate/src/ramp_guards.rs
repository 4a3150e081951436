//! Holds guarded ramps while a guardrail is worse, and lets them continue.

use domain::coverage::DataSource;
use domain::experiment::Experiment;
use domain::filter::RecordFilter;
use domain::guarded_ramp::GuardedChange;
use domain::ids::{ExperimentId, MetricKey};
use domain::metric::MetricRole;
use domain::placement::Placement;
use domain::report::{AnalysisRequest, Breakdown, Correction, DecidingMethod, Report};
use shared::app::App;
use shared::store::aggregates::AggregateSections;
use shared::store::experiments::{Author, ChangeOutcome};
use shared::store::raw::RawError;
use std::collections::BTreeSet;
use std::time::Instant;

/// The author of the changes in the history. No token has this id.
const AUTHOR: &str = "guarded-ramp";

/// Looks at the guardrails of these experiments where it is time to. A failure is logged: the next look tries again.
pub(crate) async fn apply(app: &App, experiments: &BTreeSet<&ExperimentId>, deadline: Instant) {
    for id in experiments {
        if Instant::now() >= deadline {
            return;
        }
        let Ok(Some(definition)) = app.experiment(id).await else {
            continue;
        };
        if definition.is_ramp_guarded(app.now())
            && app.guardrails_are_due(id).await
            && let Err(error) = guard(app, id).await
        {
            tracing::warn!(experiment_id = %id, %error, "the guardrails of a ramp could not be looked at");
        }
    }
}

async fn guard(app: &App, id: &ExperimentId) -> Result<(), RawError> {
    let Some((before, digest)) = app.store().definition(id, true).await? else {
        return Ok(());
    };
    let Some(worse) = worse_guardrails(app, &before).await? else {
        return Ok(());
    };
    let Some(GuardedChange { experiment, reason }) = before.guard_ramp(&worse, app.now()) else {
        return Ok(());
    };
    let author = Author {
        by: AUTHOR,
        reason: Some(&reason),
    };
    let store = app.store();
    let placed = Placement::unchanged(experiment);
    let catalog = store.catalog_with(false).await?;
    let changed = store.change_experiment(&before, &placed, &digest, author, catalog);
    // Otherwise a caller or another process has changed it, and the next look decides.
    if changed.await? == ChangeOutcome::Changed {
        tracing::warn!(experiment_id = %id, reason, "a guarded ramp was changed");
    }
    Ok(())
}

/// The guardrails that are worse in any variant, by the method that is valid however often one looks. None if the
/// aggregates cannot say, because too many records are pending or a backfill is under way.
async fn worse_guardrails(
    app: &App,
    experiment: &Experiment,
) -> Result<Option<Vec<MetricKey>>, RawError> {
    let filter = RecordFilter::default();
    let sections = AggregateSections::default();
    let sourced = app
        .store()
        .sourced_aggregates(experiment, &filter, sections, Some(DataSource::Aggregates))
        .await;
    let sourced = match sourced {
        Err(RawError::CoverageGap(_)) => return Ok(None),
        other => other?,
    };
    let pending = sourced.provenance.pending.unwrap_or_default();
    if pending.still_counting() {
        return Ok(None);
    }
    let guardrails = experiment.analysis.metrics.iter();
    let guardrails = guardrails.filter(|metric| metric.role == MetricRole::Guardrail);
    let request = AnalysisRequest {
        filter,
        as_of: app.now(),
        metrics: guardrails.map(|metric| metric.key.clone()).collect(),
        baseline: None,
        method: Some(DecidingMethod::Sequential),
        alpha: None,
        correction: Correction::default(),
        breakdown: Breakdown::None,
        series: false,
    };
    let report = Report::new(
        experiment,
        &sourced.aggregates,
        &request,
        &sourced.provenance,
    )?;
    Ok(Some(report.worse_guardrails()))
}
