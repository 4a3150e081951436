//! Planning and creating an experiment from the form.

use super::{Done, Typed, number, set};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::pages::new_experiment::{Planned, VARIANTS, form};
use crate::text::text;
use crate::visit::segment;
use serde_json::{Value, json};

/// Plans, or creates: the button that was used says which.
///
/// # Errors
/// Never: what the API says is shown above the form.
pub(crate) async fn act(desk: Desk<'_>) -> Result<Done, Failure> {
    let plan = match plan_body(desk) {
        Some(body) => {
            let call = Call::new("POST", "/experiments/plan", &[]).body(body);
            match desk.api.call(plan_experiment::handle, call).await {
                Ok(plan) => Some(plan),
                Err(failure) => return Ok(shown(desk, Planned::Refused(failure)).await),
            }
        }
        None => None,
    };
    let wants = desk.visit.field("do");
    let body = match body(desk, plan.as_ref(), wants == "start") {
        Ok(body) => body,
        Err(failure) => return Ok(shown(desk, Planned::Refused(failure)).await),
    };
    if wants == "plan" {
        return Ok(shown(desk, Planned::Calculated { plan, body }).await);
    }
    let call = Call::new("POST", "/experiments", &[]).body(body);
    match desk.api.call(create_experiment::handle, call).await {
        Ok(created) => {
            let id = segment(text(&created["id"]));
            let done = if wants == "start" { "?done=start" } else { "" };
            Ok(Done::At(format!("experiments/{id}{done}")))
        }
        Err(failure) => Ok(shown(desk, Planned::Refused(failure)).await),
    }
}

async fn shown(desk: Desk<'_>, planned: Planned) -> Done {
    let status = match &planned {
        Planned::Refused(failure) => failure.status,
        Planned::Calculated { .. } => 200,
    };
    Done::Shown(form(desk, Some(planned)).await.with_status(status))
}

/// The body of the plan; none if the form has no smallest effect.
fn plan_body(desk: Desk<'_>) -> Option<Value> {
    let field = |name: &str| desk.visit.field(name);
    if field("effect").is_empty() {
        return None;
    }
    let kind = field("kind");
    let mut metric = json!({"kind": kind, "key": field("metric")});
    match kind {
        "conversion" => metric["rate"] = percent(field("baseline")),
        _ => {
            metric["mean"] = number(field("baseline"));
            metric["standard_deviation"] = number(field("deviation"));
        }
    }
    let mut body = json!({
        "metric": metric,
        "minimum_detectable_effect": percent(field("effect")),
        "variants": variants(desk, false),
    });
    for (name, to) in [
        ("traffic_percent", "traffic_percent"),
        ("users_per_day", "users_per_day"),
    ] {
        if !field(name).is_empty() {
            body[to] = number(field(name));
        }
    }
    Some(body)
}

/// A percentage of the form as a share.
fn percent(text: &str) -> Value {
    match text.trim_end_matches('%').trim().parse::<f64>() {
        Ok(percent) => json!(percent / 100.0),
        Err(_) => Value::String(text.to_owned()),
    }
}

/// The variants of the form that have a key.
fn variants(desk: Desk<'_>, with_names: bool) -> Value {
    let field = |name: &str, place: usize| desk.visit.field(&format!("{name}{place}")).to_owned();
    let rows = (0..VARIANTS).filter(|place| !field("variant", *place).is_empty());
    let variants = rows.map(|place| {
        let mut variant =
            json!({"key": field("variant", place), "percent": number(&field("weight", place))});
        if with_names {
            set(&mut variant, "name", &field("name_of_variant", place));
        }
        variant
    });
    variants.collect()
}

/// The body that creates the experiment.
///
/// # Errors
/// If the condition is malformed JSON, or one that the API refuses.
fn body(desk: Desk<'_>, plan: Option<&Value>, starts: bool) -> Result<Value, Failure> {
    let mut typed = Typed::default();
    let field = |name: &str| desk.visit.field(name);
    let metric = json!({
        "key": field("metric"), "kind": field("kind"), "event_type": field("event_type"),
        "role": "primary", "direction": field("direction"),
    });
    let mut metrics = vec![metric];
    if !field("guardrail").is_empty() {
        metrics.push(json!({
            "key": field("guardrail"), "kind": field("guardrail_kind"), "event_type": field("guardrail_event_type"),
            "role": "guardrail", "direction": field("guardrail_direction"),
        }));
    }
    let mut body = json!({
        "name": field("name"),
        "status": if starts { "running" } else { "draft" },
        "variants": variants(desk, true),
        "metrics": metrics,
    });
    for name in ["id", "hypothesis", "owner"] {
        set(&mut body, name, field(name));
    }
    if !field("traffic_percent").is_empty() {
        body["traffic_percent"] = number(field("traffic_percent"));
    }
    if let Some(plan) = plan {
        body["plan"] = plan["plan"].clone();
    }
    let dimensions = field("dimensions").split(',').map(str::trim);
    let dimensions: Vec<&str> = dimensions.filter(|one| !one.is_empty()).collect();
    if !dimensions.is_empty() {
        body["dimensions"] = json!(dimensions);
    }
    if !field("targeting").is_empty() {
        let condition = typed.json("/targeting", field("targeting"));
        typed.condition("/targeting", &condition);
        body["targeting"] = condition;
    }
    typed.check(body)
}
