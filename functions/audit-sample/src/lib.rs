//! Audits some running experiments a day, different ones each day, so that differing numbers are noticed without a
//! request. Experiments that have reached their planned end are looked at for notifications.

use domain::aggregates::{VariantAggregates, day_of};
use domain::coverage::DataSource;
use domain::experiment::{Experiment, Status};
use domain::filter::RecordFilter;
use domain::limits::MAX_PAGE;
use domain::notification::is_news;
use lambda_runtime::{Context, Diagnostic, LambdaEvent};
use serde::Serialize;
use shared::app::App;
use shared::clock;
use shared::notifications::Notifier;
use shared::store::StoreError;
use shared::store::aggregates::AggregateSections;
use shared::store::audit::Patience;
use shared::store::raw::RawError;
use std::time::{Duration, Instant};

/// The event of the schedule, which is ignored.
pub type Tick = serde_json::Value;

/// Experiments per day.
const A_DAY: usize = 20;
/// Experiments of one status that are looked through.
const MOST: usize = 2_000;
/// Longer than the batch window of the aggregator.
const PATIENCE: Patience = Patience {
    least: Duration::from_secs(12),
    most: Duration::from_secs(60),
};
/// With less time left no further audit starts.
const LEAST: Duration = Duration::from_secs(120);

/// The result of a run.
#[derive(Debug, Default, Serialize)]
pub struct Sample {
    /// Experiments.
    pub experiments: usize,
    /// Experiments with differing numbers.
    pub drifted: usize,
}

/// Audits today's experiments.
///
/// # Errors
/// If the experiments could not be listed, or if an audit failed. The other audits are done.
pub async fn handle(
    app: App,
    notifier: Notifier,
    event: LambdaEvent<Tick>,
) -> Result<Sample, Failed> {
    let day = day_of(app.now());
    let mut sample = Sample::default();
    let mut failed = 0;
    let all = of_status(&app, Status::Running).await?;
    let paused = of_status(&app, Status::Paused).await?;
    let experiments = all.iter().chain(&paused);
    notify_of_ends(&app, &notifier, experiments, &event.context).await;
    for experiment in chosen(all, day) {
        if left(&event.context) < LEAST {
            break;
        }
        match app.store().audit(&experiment, PATIENCE).await {
            Ok(audit) => {
                sample.experiments += 1;
                sample.drifted += usize::from(audit.differing_numbers > 0);
            }
            Err(error) => {
                failed += 1;
                tracing::error!(experiment_id = %experiment.id, %error, "an audit failed");
            }
        }
        let deadline = clock::ahead_of(event.context.deadline(), LEAST);
        if let Err(error) = complete(&app, &experiment, deadline).await {
            failed += 1;
            tracing::error!(experiment_id = %experiment.id, %error, "the stored records could not be counted");
        }
        note_outlier_users(&app, &experiment).await;
        look(&app, &notifier, &experiment).await;
    }
    tracing::info!(
        experiments = sample.experiments,
        drifted = sample.drifted,
        failed,
        "sample audited"
    );
    if failed > 0 {
        return Err(Failed(format!(
            "{failed} audits failed; the log has the reasons"
        )));
    }
    Ok(sample)
}

/// Repairs an experiment with records that were stored long ago and are in no aggregate, such as those of a stream that lost
/// them.
async fn complete(app: &App, experiment: &Experiment, deadline: Instant) -> Result<(), RawError> {
    app.store()
        .recount_checkpoints(experiment, deadline)
        .await?;
    let (filter, sections) = (RecordFilter::default(), AggregateSections::default());
    let source = Some(DataSource::Aggregates);
    let sourced = app
        .store()
        .sourced_aggregates(experiment, &filter, sections, source);
    let pending = match sourced.await {
        Ok(sourced) => sourced.provenance.pending.unwrap_or_default(),
        // A backfill is running, which counts all records.
        Err(RawError::CoverageGap(_)) => return Ok(()),
        Err(error) => return Err(error),
    };
    // The metric filter of the template uses this field.
    let overdue_records = pending.overdue;
    if overdue_records == 0 {
        return Ok(());
    }
    let repair = app.store().ask_for_sums(experiment).await?;
    tracing::error!(experiment_id = %experiment.id, overdue_records, repair, "stored records are in no aggregate");
    Ok(())
}

/// Notifies about experiments that have reached their planned end, and about their final verdict. No later record may come
/// to an experiment that has ended, so no batch causes a look. They are looked at as long as the end is news, so that a failed
/// run is made up for.
async fn notify_of_ends(
    app: &App,
    notifier: &Notifier,
    experiments: impl Iterator<Item = &Experiment>,
    context: &Context,
) {
    let now = app.now();
    let ended = experiments.filter(|experiment| {
        let end = experiment.end();
        end.is_some_and(|end| end <= now && is_news(end, now))
    });
    for experiment in ended {
        if left(context) < LEAST {
            return;
        }
        look(app, notifier, experiment).await;
    }
}

/// Looks at an experiment for notifications. A failure is logged.
async fn look(app: &App, notifier: &Notifier, experiment: &Experiment) {
    if let Err(error) = notifier.look(app, experiment).await {
        tracing::error!(experiment_id = %experiment.id, %error, "an experiment could not be looked at");
    }
}

/// Logs the share of outlier users, which results leave out. Nothing is logged if the aggregates cannot be read: the audit
/// has logged the reason.
async fn note_outlier_users(app: &App, experiment: &Experiment) {
    let (filter, sections) = (RecordFilter::default(), AggregateSections::default());
    let source = Some(DataSource::Aggregates);
    let sourced = app
        .store()
        .sourced_aggregates(experiment, &filter, sections, source);
    let Ok(sourced) = sourced.await else {
        return;
    };
    let variants = &sourced.aggregates.variants;
    let outlier_users: u64 = variants.iter().map(|variant| variant.outlier_users).sum();
    let users: u64 = variants.iter().map(VariantAggregates::users).sum();
    // The metric filters of the template use these fields.
    let outlier_percent = 100 * outlier_users / (users + outlier_users).max(1);
    tracing::info!(experiment_id = %experiment.id, users, outlier_users, outlier_percent, "outlier users counted");
}

/// Some audits failed.
#[derive(Debug)]
pub struct Failed(String);

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<Failed> for Diagnostic {
    fn from(failed: Failed) -> Self {
        Self {
            error_type: "AuditFailed".to_owned(),
            error_message: failed.0,
        }
    }
}

async fn of_status(app: &App, status: Status) -> Result<Vec<Experiment>, StoreError> {
    let mut all = Vec::new();
    let mut before: Option<String> = None;
    while all.len() < MOST {
        let page = app
            .store()
            .experiments_by_status(status, MAX_PAGE, before.as_deref())
            .await?;
        all.extend(page.experiments);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    Ok(all)
}

/// Each day the next experiments, so that all are audited in turn.
fn chosen(mut all: Vec<Experiment>, day: i64) -> impl Iterator<Item = Experiment> {
    all.sort_by(|a, b| a.id.cmp(&b.id));
    let turns = all.len().div_ceil(A_DAY).max(1);
    let turn = usize::try_from(day).unwrap_or_default() % turns;
    all.into_iter().skip(turn * A_DAY).take(A_DAY)
}

fn left(context: &Context) -> Duration {
    clock::time_left(context.deadline())
}
