//! `POST /flags/{key}/evaluate`: shows how a feature flag is evaluated for a user, without storing anything.

use domain::access::Scope;
use domain::flag::{FlagReason, LeftOutRule};
use domain::ids::{EnvironmentName, ExperimentId, FlagKey, RuleId, VariantKey};
use lambda_http::http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use shared::app::App;
use shared::http::flag_evaluation::{EvaluatedFlag, Mode, Step, evaluate};
use shared::http::input::flag::read_explanation;
use shared::http::{Problem, Request, Response, body, caller::Caller, params, response};

#[derive(Serialize)]
struct Answer {
    key: FlagKey,
    environment: EnvironmentName,
    version: u64,
    variant: VariantKey,
    value: Value,
    reason: FlagReason,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<RuleId>,
    /// The experiment that the user would take part in.
    #[serde(skip_serializing_if = "Option::is_none")]
    experiment: Option<ExperimentVariant>,
    /// What was looked at, in this order.
    trace: Vec<Step>,
    /// The rules that let no user take part at present.
    left_out: Vec<LeftOutRule>,
}

#[derive(Serialize)]
struct ExperimentVariant {
    id: ExperimentId,
    variant: VariantKey,
}

/// Evaluates a flag for a user with a trace. Nothing is stored.
///
/// # Errors
/// 404 if the environment has no such flag, 422 with all faults of the body.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let caller = Caller::with_scope(&request, Scope::Read)?;
    let key = params::flag_key(&request)?;
    let input = read_explanation(body::json(&request)?, app.environments())?;
    let environment = input.environment.as_ref();
    let environment = environment.unwrap_or_else(|| caller.environment(&app));

    let set = app.flags(environment).await?;
    let evaluated = evaluate(&app, &set, &[&key], &input.user, Mode::Explain).await?;
    let flag = evaluated.into_iter().next();
    let flag = flag.ok_or_else(|| Problem::unknown_flag(key.as_str()))?;
    let body = answer(flag, environment.clone());
    Ok(response::json(StatusCode::OK, &body))
}

fn answer(flag: EvaluatedFlag, environment: EnvironmentName) -> Answer {
    let experiment = flag.experiment;
    Answer {
        key: flag.key,
        environment,
        version: flag.version,
        variant: flag.variant,
        value: flag.value,
        reason: flag.reason,
        rule: flag.rule,
        experiment: experiment.map(|(id, variant)| ExperimentVariant { id, variant }),
        trace: flag.trace,
        left_out: flag.left_out,
    }
}
