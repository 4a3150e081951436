//! Creating a flag, and changing what it is and its rules, at once or as a draft.

use super::{Done, Typed, number, set, text_or_null, version};
use crate::api::{Call, Failure};
use crate::desk::{Desk, unknown};
use crate::pages::new_flag::{VARIANTS, environments};
use crate::pages::{flag_rules, flag_texts, new_flag};
use crate::text::{list, text};
use crate::visit::segment;
use serde_json::{Value, json};

/// Creates a flag that is off.
///
/// # Errors
/// Never: what the API says is shown above the form.
pub(crate) async fn create(desk: Desk<'_>) -> Result<Done, Failure> {
    match created(desk).await {
        Ok(key) => Ok(Done::At(format!("flags/{key}?done=created"))),
        Err(failure) => Ok(Done::again(new_flag::form(desk, Some(&failure)), &failure)),
    }
}

async fn created(desk: Desk<'_>) -> Result<String, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let rows: Vec<usize> = (0..VARIANTS)
        .filter(|place| !field(&format!("variant{place}")).is_empty())
        .collect();
    let variants = rows.into_iter().map(|place| {
        let value = field(&format!("value{place}"));
        let value = match field("value_type") {
            "string" => Value::String(value.to_owned()),
            _ => typed.json(&format!("/variants/{place}/value"), value),
        };
        json!({"key": field(&format!("variant{place}")), "value": value})
    });
    let variants: Vec<Value> = variants.collect();
    let mut body = json!({
        "key": field("key"), "name": field("name"), "value_type": field("value_type"), "variants": variants, "environments": {},
    });
    for environment in environments(desk) {
        if desk.visit.has_field(&format!("in_{environment}")) {
            body["environments"][environment] = json!({
                "enabled": false, "off_variant": field("off_variant"), "default_variant": field("default_variant"),
            });
        }
    }
    for name in ["description", "owner"] {
        set(&mut body, name, field(name));
    }
    if desk.visit.has_field("requires_approval") {
        body["requires_approval"] = Value::Bool(true);
    }
    let call = Call::new("POST", "/flags", &[]).body(typed.check(body)?);
    let created = desk.api.call(create_flag::handle, call).await?;
    Ok(segment(text(&created["key"])))
}

/// Changes the texts, variants and prerequisites of a flag.
///
/// # Errors
/// 404 if there is none.
pub(crate) async fn edit(desk: Desk<'_>, key: &str) -> Result<Done, Failure> {
    match save(desk, key, texts(desk)).await {
        Ok(done) => Ok(Done::At(format!("flags/{}?done={done}", segment(key)))),
        Err(failure) => {
            let page = flag_texts::edit(desk, key, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

fn texts(desk: Desk<'_>) -> Result<Value, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let tags = field("tags").split(',').map(str::trim);
    let tags: Vec<&str> = tags.filter(|tag| !tag.is_empty()).collect();
    let mut body = json!({
        "name": field("name"),
        "description": text_or_null(field("description")),
        "owner": text_or_null(field("owner")),
        "tags": tags,
        "variants": typed.json("/variants", field("variants")),
        "prerequisites": typed.json("/prerequisites", or(field("prerequisites"), "[]")),
        "requires_approval": desk.visit.has_field("requires_approval"),
    });
    if desk.visit.has_field("schema") {
        body["schema"] = typed.json("/schema", or(field("schema"), "null"));
    }
    set(&mut body, "reason", field("reason"));
    typed.check(body)
}

/// A text, or another one in place of an empty one.
fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

/// Sends a change of a flag, at once or as a draft, and returns the word for what was done.
async fn save(
    desk: Desk<'_>,
    key: &str,
    body: Result<Value, Failure>,
) -> Result<&'static str, Failure> {
    let body = body?;
    if desk.visit.field("as") == "draft" {
        let call = Call::new("PUT", "/flags/{key}/draft", &[key]).body(body);
        let call = call.of_version(version(desk));
        desk.api.call(put_flag_draft::handle, call).await?;
        return Ok("draft");
    }
    let call = Call::new("PATCH", "/flags/{key}", &[key]).body(body);
    let call = call.of_version(version(desk));
    desk.api.call(change_flag::handle, call).await?;
    Ok("changed")
}

/// Changes the rules of a flag in an environment.
///
/// # Errors
/// 404 if there is no such flag.
pub(crate) async fn rules(desk: Desk<'_>, key: &str, environment: &str) -> Result<Done, Failure> {
    // A change replaces an environment as a whole, so the rest of it is sent as it is. The version guards both.
    let flag = flag_texts::read(desk, key).await?;
    let settings = &flag["environments"][environment];
    if settings.is_null() {
        return Ok(Done::Shown(unknown()));
    }
    let body = match desk.visit.field("do") {
        "add" => with_another(desk, environment, settings),
        "json" => replaced(desk, environment, settings),
        small => moved(desk, small, settings),
    };
    let body = body.map(|(settings, reason)| {
        let mut body = json!({"environments": {}});
        body["environments"][environment] = settings;
        set(&mut body, "reason", desk.visit.field(reason));
        body
    });
    match save(desk, key, body).await {
        Ok(done) => {
            let page = format!("flags/{}/rules/{}", segment(key), segment(environment));
            Ok(Done::At(format!("{page}?done={done}")))
        }
        Err(failure) => {
            let page = flag_rules::edit(desk, key, environment, Some(&failure)).await?;
            Ok(Done::again(page, &failure))
        }
    }
}

/// The settings, and the name of the field with the reason.
type Settings = (Value, &'static str);

/// The settings with the rule of the form.
fn with_another(desk: Desk<'_>, environment: &str, settings: &Value) -> Result<Settings, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let mut rules = list(&settings["rules"]).to_vec();
    let place = flag_rules::place_of_new(field("place") == "first", rules.len());
    let mut rule = json!({"id": field("rule_id"), "type": field("kind")});
    if field("kind") == "rollout" {
        rule["variants"] = json!([{"variant": field("variant"), "percent": 100}]);
        rule["traffic_percent"] = number(field("traffic_percent"));
    } else {
        set(&mut rule, "variant", field("variant"));
    }
    for name in ["description", "starts_at", "ends_at"] {
        set(&mut rule, name, field(name));
    }
    if !field("condition").is_empty() {
        let pointer = format!("/environments/{environment}/rules/{place}/condition");
        rule["condition"] = typed.json(&pointer, field("condition"));
    }
    rules.insert(place, rule);
    let mut settings = settings.clone();
    settings["rules"] = Value::Array(rules);
    Ok((typed.check(settings)?, "reason"))
}

/// The settings with the rules of the form.
fn replaced(desk: Desk<'_>, environment: &str, settings: &Value) -> Result<Settings, Failure> {
    let field = |name: &str| desk.visit.field(name);
    let mut typed = Typed::default();
    let mut settings = settings.clone();
    let pointer = format!("/environments/{environment}/rules");
    settings["rules"] = typed.json(&pointer, field("rules"));
    for name in ["default_variant", "off_variant"] {
        settings[name] = Value::String(field(name).to_owned());
    }
    Ok((typed.check(settings)?, "json_reason"))
}

/// The settings with one rule at another place, with another percentage, or without it.
fn moved(desk: Desk<'_>, act: &str, settings: &Value) -> Result<Settings, Failure> {
    let mut rules = list(&settings["rules"]).to_vec();
    let id = desk.visit.field("rule");
    let place = rules.iter().position(|rule| text(&rule["id"]) == id);
    let last = rules.len().saturating_sub(1);
    match (place, act) {
        (Some(place), "up") if place > 0 => rules.swap(place, place - 1),
        (Some(place), "down") if place < last => rules.swap(place, place + 1),
        (Some(place), "remove") => drop(rules.remove(place)),
        (Some(place), "percent") => {
            rules[place]["traffic_percent"] = number(desk.visit.field("percent"));
        }
        _ => {
            let why = "There is no such rule, or it cannot move there.".to_owned();
            return Err(Failure::of_input(&[("/rule".to_owned(), why)]));
        }
    }
    let mut settings = settings.clone();
    settings["rules"] = Value::Array(rules);
    Ok((settings, "reason"))
}
