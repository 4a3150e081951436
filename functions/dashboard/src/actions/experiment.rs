//! Start, pause, resume, stop, release, archive and change of the traffic of an experiment.

use super::{Done, number, set, version};
use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::pages::change::{Change, confirm};
use crate::visit::segment;
use serde_json::{Value, json};

/// Changes the experiment.
///
/// # Errors
/// What the API says against it.
pub(crate) async fn act(desk: Desk<'_>, id: &str, change: &str) -> Result<Done, Failure> {
    let Some(change) = Change::read(change) else {
        return Ok(Done::Shown(unknown()));
    };
    let mut body = body(change, desk);
    set(&mut body, "reason", desk.visit.field("reason"));
    let call = Call::new("PATCH", "/experiments/{id}", &[id]);
    let call = call.body(body).of_version(version(desk));
    match desk.api.call(change_experiment::handle, call).await {
        Ok(_) => {
            let page = format!("experiments/{}?done={}", segment(id), change.name());
            Ok(Done::At(page))
        }
        // What was typed is wrong, or does not fit in the layer.
        Err(failure) if [409, 422].contains(&failure.status) => {
            let page = confirm(desk, id, change.name(), Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
        Err(failure) => Err(failure),
    }
}

fn body(change: Change, desk: Desk<'_>) -> Value {
    let field = |name: &str| desk.visit.field(name);
    match change {
        Change::Start | Change::Resume => json!({"status": "running"}),
        Change::Pause => json!({"status": "paused"}),
        Change::Archive => json!({"status": "archived"}),
        Change::Traffic => json!({"traffic_percent": number(field("traffic_percent"))}),
        Change::Layer => {
            json!({"layer": {"id": field("layer"), "percent": number(field("percent"))}})
        }
        Change::Release => json!({"release": field("variant")}),
        Change::Stop => {
            let mut body = json!({"status": "stopped"});
            if !field("outcome").is_empty() {
                let mut conclusion = json!({"outcome": field("outcome")});
                set(&mut conclusion, "variant", field("variant"));
                set(&mut conclusion, "notes", field("notes"));
                body["conclusion"] = conclusion;
            }
            body
        }
    }
}
