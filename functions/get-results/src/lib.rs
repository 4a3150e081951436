//! `GET /experiments/{id}/results`: what the experiment shows so far.

use futures::{StreamExt, TryStreamExt, stream};
use lambda_http::http::StatusCode;
use shared::domain::Invalid;
use shared::domain::access::Scope;
use shared::domain::experiment::Experiment;
use shared::domain::fold::{Fold, Tally, Window};
use shared::domain::ids::MetricKey;
use shared::domain::report::{Report, Summary, to_csv};
use shared::domain::time::Timestamp;
use shared::http::{App, Fault, Problem, Request, Response, answer, caller::Caller, params};
use std::collections::BTreeSet;
use std::pin::pin;

pub mod plot;

/// Index shards read at once.
const AT_ONCE: usize = 8;

#[derive(Clone, Copy)]
enum View {
    Summary,
    Analysis,
}

#[derive(Clone, Copy)]
enum Format {
    Json,
    Csv,
}

/// Reports an experiment's results.
///
/// # Errors
/// 400 with all faults of the query, 404.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    Caller::with_scope(&request, Scope::Read)?;
    let id = params::experiment_id(&request)?;
    let mut query = params::Query::read(
        &request,
        &["view", "format", "metrics", "from", "to", "source"],
    );
    let view = query.optional(
        "view",
        params::choice(&[("summary", View::Summary), ("analysis", View::Analysis)]),
    );
    let format = query.optional(
        "format",
        params::choice(&[("json", Format::Json), ("csv", Format::Csv)]),
    );
    let only = query.optional("metrics", metric_keys).unwrap_or_default();
    let window = Window {
        from: query.optional("from", Timestamp::parse),
        to: query.optional("to", Timestamp::parse),
    };
    query.optional("source", params::choice(&[("raw", ())]));
    if let (Some(from), Some(to)) = (window.from, window.to)
        && to <= from
    {
        query.fault(
            "to",
            Invalid::new("empty_window", format!("Must lie after `from`, {from}.")),
        );
    }
    query.finish()?;

    let found = app.store().experiment(&id, true).await?;
    let experiment = found.ok_or_else(|| Problem::unknown_experiment(id.as_str()))?;
    known_metrics(&experiment, &only)?;
    let as_of = app.now();
    let tally = tally(&app, &experiment, window).await?;
    let report = Report::new(&experiment, &tally, window, &only, as_of);

    Ok(
        match (
            format.unwrap_or(Format::Json),
            view.unwrap_or(View::Analysis),
        ) {
            (Format::Csv, _) => {
                answer::text_of(StatusCode::OK, "text/csv; charset=utf-8", to_csv(&report))
            }
            (Format::Json, View::Summary) => answer::json(StatusCode::OK, &Summary::new(&report)),
            (Format::Json, View::Analysis) => answer::json(StatusCode::OK, &report),
        },
    )
}

/// Sums from the raw records, shard by shard: all records of a user lie in one.
async fn tally(app: &App, experiment: &Experiment, window: Window) -> Result<Tally, Problem> {
    let shards = (0..experiment.shards).map(|shard| shard_tally(app, experiment, window, shard));
    let tallies: Vec<Tally> = stream::iter(shards)
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut all = Tally::default();
    for tally in tallies {
        all = all.merge(tally)?;
    }
    Ok(all)
}

/// Assignments before events: an event is only found once its assignment is stored, so whoever has an event
/// in this answer is counted as a user too.
async fn shard_tally(
    app: &App,
    experiment: &Experiment,
    window: Window,
    shard: u16,
) -> Result<Tally, Problem> {
    let mut fold = Fold::new(experiment, window);
    let mut pages = pin!(
        app.store()
            .assignments_in_shard(&experiment.id, shard, window.to)
    );
    while let Some(page) = pages.try_next().await? {
        for assignment in page {
            fold.assignment(
                assignment.user_id,
                &assignment.variant,
                assignment.assigned_at,
            );
        }
    }
    let mut pages =
        pin!(
            app.store()
                .events_in_shard(&experiment.id, shard, window.from, window.to)
        );
    while let Some(page) = pages.try_next().await? {
        for event in page {
            fold.event(
                &event.user_id,
                &event.event_type,
                event.value,
                event.counted_at,
            )?;
        }
    }
    Ok(fold.finish()?)
}

fn metric_keys(text: &str) -> Result<BTreeSet<MetricKey>, Invalid> {
    text.split(',')
        .map(|key| MetricKey::parse(key.trim()))
        .collect()
}

/// A misspelt key must not look like a metric without data. What an experiment without declared metrics may
/// still see, nobody knows.
fn known_metrics(experiment: &Experiment, only: &BTreeSet<MetricKey>) -> Result<(), Problem> {
    let declared: Vec<&str> = experiment
        .metrics
        .iter()
        .map(|metric| metric.key.as_str())
        .collect();
    let unknown = only.iter().find(|key| !declared.contains(&key.as_str()));
    match unknown {
        Some(key) if !declared.is_empty() => {
            let detail = format!(
                "There is no metric `{key}`; there are {}.",
                declared.join(", ")
            );
            let fault = Fault::at("?metrics", Invalid::new("unknown_metric", detail));
            Err(Problem::bad_parameters(vec![fault]))
        }
        _ => Ok(()),
    }
}
