//! What a form does. Each form calls one handler of the API, with the version of the page on which the reader decided.

mod experiment;
mod flag;
mod new_experiment;
mod user;

use crate::api::Failure;
use crate::desk::{Desk, unknown};
use crate::layout::Page;
use serde_json::Value;

/// What follows a form.
pub(crate) enum Done {
    /// Another page, so that reloading repeats nothing.
    At(String),
    /// A page with what is still missing.
    Shown(Page),
}

/// Does what the form of a visit says.
///
/// # Errors
/// What the API says against it.
pub(crate) async fn of(desk: Desk<'_>) -> Result<Done, Failure> {
    match desk.visit.parts()[..] {
        ["new-experiment"] => new_experiment::act(desk).await,
        ["experiments", id, "change", change] => experiment::act(desk, id, change).await,
        ["flags", key, "switch", environment] => flag::act(desk, key, environment).await,
        ["users", "erase"] => user::act(desk).await,
        _ => Ok(Done::Shown(unknown())),
    }
}

/// The version on whose page the form was.
fn version(desk: Desk<'_>) -> u64 {
    // 0 is the version of nothing, so the API refuses it.
    desk.visit.field("version").parse().unwrap_or(0)
}

/// A field as a JSON number, or as the text that it is: the API says what is wrong with it.
fn number(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(Value::Number(number)) => Value::Number(number),
        _ => Value::String(text.to_owned()),
    }
}

/// Sets a field of a body, unless the text is empty.
fn set(body: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        body[name] = Value::String(text.to_owned());
    }
}
