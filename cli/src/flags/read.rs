//! Shows flags, their definitions and their histories.

use super::FlagsError;
use crate::client::{Client, ClientError, path_segment};
use crate::output::{print, print_table, printable};
use domain::flag::{Flag, FlagEnvironment, FlagRule, FlagRuleKind, Rollout};
use domain::ids::{EnvironmentName, VariantKey};
use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

/// One page of the list.
#[derive(Deserialize)]
struct Page {
    flags: Vec<Value>,
    next_cursor: Option<String>,
}

/// What a response adds to the definition.
#[derive(Deserialize)]
struct Staleness {
    stale: Vec<StaleEnvironment>,
}

/// An environment in which a flag is stale.
#[derive(Deserialize)]
struct StaleEnvironment {
    environment: EnvironmentName,
    variant: VariantKey,
    unchanged_since: Timestamp,
}

/// One page of a history.
#[derive(Deserialize)]
struct HistoryPage {
    entries: Vec<HistoryEntry>,
    next_cursor: Option<String>,
}

/// A version of a flag.
#[derive(Deserialize)]
struct HistoryEntry {
    version: u64,
    action: String,
    at: Timestamp,
    by: String,
    reason: Option<String>,
    changes: Vec<FieldChange>,
}

/// A field with another value.
#[derive(Deserialize)]
struct FieldChange {
    field: String,
    before: Option<Value>,
    after: Option<Value>,
}

/// A value of a history is cut after this number of characters. A line stays readable, and `--json` of `show` has all.
const MAX_SHOWN_CHARS: usize = 200;

/// Lists flags as a table, or as JSON.
pub(super) async fn list(
    client: &Client,
    stale: bool,
    tag: Option<&str>,
    json: bool,
) -> Result<(), FlagsError> {
    let mut query = String::new();
    if stale {
        query.push_str("&stale=true");
    }
    if let Some(tag) = tag {
        query.push_str(&format!("&tag={}", path_segment(tag)));
    }
    let flags = all(client, &query).await?;
    if json {
        print(json!(flags));
        return Ok(());
    }
    let heads = ["key", "type", "environments", "rules", "stale", "owner"].map(str::to_owned);
    let mut rows = vec![heads];
    for value in &flags {
        let flag: Flag = parsed(value)?;
        rows.push(row(&flag, &parsed::<Staleness>(value)?.stale));
    }
    print_table(&rows);
    Ok(())
}

/// All flags that a query selects, as the API sends them. `query` begins with `&`.
pub(super) async fn all(client: &Client, query: &str) -> Result<Vec<Value>, ClientError> {
    let mut flags = Vec::new();
    let mut path = format!("/flags?limit=100{query}");
    loop {
        let page: Page = client.get(&path).await?;
        flags.extend(page.flags);
        let Some(cursor) = page.next_cursor else {
            return Ok(flags);
        };
        path = format!("/flags?limit=100{query}&cursor={}", path_segment(&cursor));
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(value: &Value) -> Result<T, FlagsError> {
    T::deserialize(value).map_err(|error| {
        let reason = format!("the API sent a flag of another form: {error}");
        FlagsError::DoesNotFit(reason)
    })
}

fn row(flag: &Flag, stale: &[StaleEnvironment]) -> [String; 6] {
    let environments = flag.environments.iter();
    let states = environments.map(|(name, environment)| format!("{name} {}", state(environment)));
    let rules = flag.environments.values();
    let rules = rules.map(|environment| environment.rules.len().to_string());
    let stale = stale.iter().map(|each| each.environment.to_string());
    [
        flag.key.to_string(),
        type_name(flag),
        listed(states),
        listed(rules),
        listed(stale),
        flag.owner.as_deref().map(printable).unwrap_or_default(),
    ]
}

fn listed(texts: impl Iterator<Item = String>) -> String {
    let texts: Vec<_> = texts.collect();
    if texts.is_empty() {
        "-".to_owned()
    } else {
        texts.join(", ")
    }
}

fn state(environment: &FlagEnvironment) -> &'static str {
    if environment.enabled { "on" } else { "off" }
}

fn type_name(flag: &Flag) -> String {
    let names = domain::flag::ValueType::ALL;
    let name = names.iter().find(|(_, kind)| *kind == flag.value_type);
    name.map(|(name, _)| (*name).to_owned()).unwrap_or_default()
}

/// Shows the definition of a flag.
pub(super) async fn show(client: &Client, key: &str, json: bool) -> Result<(), FlagsError> {
    let value: Value = client.get(&format!("/flags/{}", path_segment(key))).await?;
    if json {
        print(value);
        return Ok(());
    }
    let flag: Flag = parsed(&value)?;
    for line in lines(&flag, &parsed::<Staleness>(&value)?.stale) {
        print(line);
    }
    Ok(())
}

fn lines(flag: &Flag, stale: &[StaleEnvironment]) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", flag.key, printable(&flag.name))];
    let mut about = vec![
        format!("{} flag", type_name(flag)),
        format!("version {}", flag.version),
        format!("changed {} UTC", flag.updated_at.to_minute()),
    ];
    let owner = flag.owner.as_deref();
    about.extend(owner.map(|owner| format!("owner {}", printable(owner))));
    if !flag.tags.is_empty() {
        about.push(format!("tags {}", printable(&flag.tags.join(", "))));
    }
    if flag.archived {
        about.push("archived".to_owned());
    }
    lines.push(about.join(", "));
    let description = flag.description.iter().flat_map(|text| text.lines());
    lines.extend(description.map(printable));
    lines.push("variants".to_owned());
    for variant in &flag.variants {
        lines.push(format!(
            "  {} = {}",
            variant.key,
            printable(&variant.value.to_string())
        ));
    }
    for needed in &flag.prerequisites {
        let variants = needed.variants.iter().map(VariantKey::to_string);
        lines.push(format!("needs {} with {}", needed.flag, listed(variants)));
    }
    for (name, environment) in &flag.environments {
        lines.push(format!(
            "{name}: {}, default {}, off variant {}",
            state(environment),
            environment.default_variant,
            environment.off_variant
        ));
        let rules = environment.rules.iter().enumerate();
        lines.extend(rules.map(|(index, rule)| format!("  {}. {}", index + 1, rule_text(rule))));
    }
    lines.extend(stale.iter().map(|each| {
        format!(
            "stale in {}: all users get {}, unchanged since {} UTC",
            each.environment,
            each.variant,
            each.unchanged_since.to_minute()
        )
    }));
    lines
}

fn rule_text(rule: &FlagRule) -> String {
    let mut text = format!("{}: {}", rule.id, kind_text(&rule.kind));
    if let Some(condition) = &rule.condition {
        text.push_str(&format!(
            " if {}",
            printable(&condition.source().to_string())
        ));
    }
    for (word, time) in [("from", rule.starts_at), ("until", rule.ends_at)] {
        if let Some(time) = time {
            text.push_str(&format!(", {word} {time}"));
        }
    }
    if let Some(description) = &rule.description {
        text.push_str(&format!(" ({})", printable(description)));
    }
    text
}

fn kind_text(kind: &FlagRuleKind) -> String {
    match kind {
        FlagRuleKind::Serve { variant } => format!("serve {variant}"),
        FlagRuleKind::Rollout(rollout) => rollout_text(rollout),
        FlagRuleKind::Experiment {
            experiment,
            variants,
        } => {
            let pairs = variants.iter().map(|(of, to)| format!("{of} gets {to}"));
            format!("experiment {experiment}: {}", listed(pairs))
        }
    }
}

fn rollout_text(rollout: &Rollout) -> String {
    let shares = rollout.variants.iter();
    let shares = shares.map(|each| format!("{} {}%", each.variant, each.percent));
    let mut text = format!(
        "rollout to {}% by {}: {}",
        rollout.traffic_percent,
        printable(&rollout.attribute),
        listed(shares)
    );
    for step in rollout.ramp.steps() {
        text.push_str(&format!(", {}% from {}", step.traffic_percent, step.at));
    }
    text
}

/// Shows the history of a flag.
pub(super) async fn history(client: &Client, key: &str) -> Result<(), FlagsError> {
    let first = format!("/flags/{}/history?limit=100", path_segment(key));
    let mut path = first.clone();
    loop {
        let page: HistoryPage = client.get(&path).await?;
        for entry in &page.entries {
            let reason = entry.reason.as_deref().map(printable);
            let reason = reason
                .map(|reason| format!(": {reason}"))
                .unwrap_or_default();
            print(format_args!(
                "version {}  {}  {} by {}{reason}",
                entry.version,
                entry.at,
                printable(&entry.action),
                printable(&entry.by)
            ));
            for change in &entry.changes {
                print(format_args!(
                    "  {}: {} -> {}",
                    printable(&change.field),
                    shown(change.before.as_ref()),
                    shown(change.after.as_ref())
                ));
            }
        }
        let Some(cursor) = page.next_cursor else {
            return Ok(());
        };
        path = format!("{first}&cursor={}", path_segment(&cursor));
    }
}

fn shown(value: Option<&Value>) -> String {
    let Some(value) = value else {
        return "(none)".to_owned();
    };
    let text = printable(&value.to_string());
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
