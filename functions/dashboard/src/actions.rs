//! What a form does. Each form calls one handler of the API, with the version of the page on which the reader decided.

mod audit;
mod experiment;
mod flag;
mod flag_act;
mod flag_editor;
mod layer;
mod new_experiment;
mod segment;
mod user;

use crate::api::Failure;
use crate::desk::{Desk, unknown};
use crate::json;
use crate::layout::Page;
use domain::condition::Condition;
use serde_json::Value;

/// What follows a form.
pub(crate) enum Done {
    /// Another page, so that reloading repeats nothing.
    At(String),
    /// A page with what is still missing.
    Shown(Page),
}

impl Done {
    /// The page of a form once more, with what is wrong.
    fn again(page: Page, failure: &Failure) -> Self {
        Self::Shown(page.with_status(failure.status))
    }
}

/// What was typed and is malformed JSON.
#[derive(Default)]
struct Typed(Vec<(String, String)>);

impl Typed {
    /// Reads JSON for a place in a body, and notes what is wrong with it.
    fn json(&mut self, pointer: &str, text: &str) -> Value {
        json::read(text).unwrap_or_else(|why| {
            self.0.push((pointer.to_owned(), why));
            Value::Null
        })
    }

    /// Notes the faults of a condition, before a preview evaluates it.
    fn condition(&mut self, pointer: &str, condition: &Value) {
        if condition.is_null() {
            return;
        }
        let faults = Condition::compile(condition.clone()).err();
        for fault in faults.into_iter().flatten() {
            let pointer = format!("{pointer}{}", fault.pointer);
            self.0.push((pointer, fault.why.detail));
        }
    }

    /// The body, if all of it could be read.
    ///
    /// # Errors
    /// All that could not.
    fn check(self, body: Value) -> Result<Value, Failure> {
        match self.0.is_empty() {
            true => Ok(body),
            false => Err(Failure::of_input(&self.0)),
        }
    }
}

/// Does what the form of a visit says.
///
/// # Errors
/// What the API says against it.
pub(crate) async fn of(desk: Desk<'_>) -> Result<Done, Failure> {
    match desk.visit.parts()[..] {
        ["new-experiment"] => new_experiment::act(desk).await,
        ["experiments", id, "change", change] => experiment::act(desk, id, change).await,
        ["experiments", id, "audit"] => audit::act(desk, id).await,
        ["new-flag"] => flag_editor::create(desk).await,
        ["flags", key, "edit"] => flag_editor::edit(desk, key).await,
        ["flags", key, "rules", environment] => flag_editor::rules(desk, key, environment).await,
        ["flags", key, "switch", environment] => flag::act(desk, key, environment).await,
        ["flags", key, "do", act] => flag_act::act(desk, key, act).await,
        ["new-segment"] => segment::create(desk).await,
        ["segments", id, "edit"] => segment::edit(desk, id).await,
        ["segments", id, "delete"] => segment::delete(desk, id).await,
        ["new-layer"] => layer::create(desk).await,
        ["layers", id, "edit"] => layer::edit(desk, id).await,
        ["layers", id, "delete"] => layer::delete(desk, id).await,
        ["new-holdout"] => layer::create_holdout(desk).await,
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

/// A text, or null in place of an empty one, which takes the field away.
fn text_or_null(text: &str) -> Value {
    match text {
        "" => Value::Null,
        text => Value::String(text.to_owned()),
    }
}

/// The lines of a text that are not empty, without spaces around them.
fn lines(text: &str) -> Value {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty()).collect()
}

/// Sets a field of a body, unless the text is empty.
fn set(body: &mut Value, name: &str, text: &str) {
    if !text.is_empty() {
        body[name] = Value::String(text.to_owned());
    }
}
