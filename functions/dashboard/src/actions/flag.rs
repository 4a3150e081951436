//! Switching a flag on or off in an environment.

use super::{Done, set, version};
use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::visit::segment;
use serde_json::{Value, json};

/// Switches the flag.
///
/// # Errors
/// What the API says against it.
pub(crate) async fn act(desk: Desk<'_>, key: &str, environment: &str) -> Result<Done, Failure> {
    // A change replaces an environment as a whole, so the rest of it is sent as it is. The version guards both.
    let call = Call::new("GET", "/flags/{key}", &[key]);
    let mut flag = desk.api.call(get_flag::handle, call).await?;
    let mut settings = flag["environments"][environment].take();
    if settings.is_null() {
        return Ok(Done::Shown(unknown()));
    }
    let turns_on = desk.visit.field("enabled") == "true";
    settings["enabled"] = Value::Bool(turns_on);
    let mut body = json!({"environments": {}});
    body["environments"][environment] = settings;
    set(&mut body, "reason", desk.visit.field("reason"));
    let call = Call::new("PATCH", "/flags/{key}", &[key]);
    let call = call.body(body).of_version(version(desk));
    desk.api.call(change_flag::handle, call).await?;
    let word = if turns_on { "on" } else { "off" };
    Ok(Done::At(format!("flags/{}?done={word}", segment(key))))
}
