//! How many users a condition matches, as far as stored data says it.
//!
//! Attributes are evaluated and not stored. Only the dimensions that an experiment declares are stored with its assignments,
//! so the preview evaluates the condition on these, for users who were assigned a short time ago.

use crate::desk::Desk;
use crate::text::{count, name, share};
use domain::condition::{Condition, NoSegments, number_text};
use domain::experiment::{Experiment, Status};
use domain::ids::{UnitKind, UserId};
use domain::limits::{AUDIENCE_ASSIGNMENTS, AUDIENCE_DAYS, AUDIENCE_EXPERIMENTS, MAX_PAGE};
use domain::time::Timestamp;
use futures::future::try_join_all;
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::store::StoreError;
use shared::store::assignments::IndexedAssignment;
use std::collections::BTreeMap;

/// Index shards that are read of each experiment. Users are in a shard by a hash, so some shards are a sample of all.
const SHARDS: u16 = 8;
const DAY_MICROS: i64 = 86_400_000_000;

/// What is known about the users that a condition matches.
#[derive(Debug, PartialEq)]
enum Audience {
    /// The condition names segments, which are not evaluated here.
    NamesSegments,
    /// No running experiment stores all of these attributes.
    NotStored(Vec<String>),
    /// No user was assigned in these experiments a short time ago.
    NoRecentUser(Vec<String>),
    /// A sample.
    Sample {
        experiments: Vec<String>,
        users: u64,
        matching: u64,
        oldest: Timestamp,
    },
}

/// The preview of a condition that the API accepts; nothing for another one, whose faults the form shows.
pub(super) async fn preview(desk: Desk<'_>, condition: &Value) -> Markup {
    let Ok(condition) = Condition::compile(condition.clone()) else {
        return html! {};
    };
    match audience(desk, &condition).await {
        Ok(audience) => shown(&audience),
        Err(error) => {
            tracing::error!(%error, "an audience could not be read");
            html! { p.note.warn { "The assignments could not be read, so it is not known how many users match." } }
        }
    }
}

async fn audience(desk: Desk<'_>, condition: &Condition) -> Result<Audience, StoreError> {
    if !condition.segments().is_empty() {
        return Ok(Audience::NamesSegments);
    }
    let mut names = condition.attributes();
    // Every assignment has the user id.
    names.remove("id");
    let page = desk
        .app
        .store()
        .experiments_by_status(Status::Running, MAX_PAGE, None);
    let running = page.await?.experiments;
    let stores_all = |experiment: &&Experiment| {
        let dimensions = &experiment.analysis.dimensions;
        let has = |name: &&str| dimensions.iter().any(|key| key.as_str() == *name);
        experiment.allocation.unit == UnitKind::default() && names.iter().all(has)
    };
    let chosen: Vec<&Experiment> = running
        .iter()
        .filter(stores_all)
        .take(AUDIENCE_EXPERIMENTS)
        .collect();
    if chosen.is_empty() {
        let names = names.into_iter().map(str::to_owned).collect();
        return Ok(Audience::NotStored(names));
    }
    let after = desk.app.now().plus_micros(-AUDIENCE_DAYS * DAY_MICROS);
    let reads = chosen.iter().flat_map(|experiment| {
        let shards = experiment.shards.clamp(1, SHARDS);
        let limit = AUDIENCE_ASSIGNMENTS.div_ceil(usize::from(shards));
        (0..shards).map(move |shard| {
            let store = desk.app.store();
            store.last_assignments_in_shard(&experiment.id, shard, after, limit)
        })
    });
    let read = try_join_all(reads).await?;
    let experiments = chosen.iter().map(|one| one.id.to_string()).collect();
    Ok(counted(condition, experiments, read.into_iter().flatten()))
}

/// Counts each user once, with all dimension values that were read.
fn counted(
    condition: &Condition,
    experiments: Vec<String>,
    assignments: impl Iterator<Item = IndexedAssignment>,
) -> Audience {
    let mut users: BTreeMap<UserId, Value> = BTreeMap::new();
    let mut oldest: Option<Timestamp> = None;
    for assignment in assignments {
        let at = assignment.assigned_at;
        oldest = Some(oldest.map_or(at, |oldest| oldest.min(at)));
        let user = &assignment.user_id;
        let known = users.entry(user.clone());
        let known = known.or_insert_with(|| json!({"id": user.as_str()}));
        for (key, label) in assignment.attributes {
            known[key.as_str()] = value_of(label.as_str());
        }
    }
    let Some(oldest) = oldest else {
        return Audience::NoRecentUser(experiments);
    };
    let matching = users
        .values()
        .filter(|user| condition.matches(user, &NoSegments));
    Audience::Sample {
        experiments,
        matching: u64::try_from(matching.count()).unwrap_or(u64::MAX),
        users: u64::try_from(users.len()).unwrap_or(u64::MAX),
        oldest,
    }
}

/// A stored dimension value as the attribute that it was: numbers and truths are stored as texts.
fn value_of(label: &str) -> Value {
    let number = label.parse::<f64>().ok();
    match (label, number) {
        ("true", _) => json!(true),
        ("false", _) => json!(false),
        (label, Some(number)) if number_text(number) == label => json!(number),
        (label, _) => json!(label),
    }
}

fn shown(audience: &Audience) -> Markup {
    let named = |names: &[String]| {
        html! { @for (place, one) in names.iter().enumerate() { @if place > 0 { ", " } code { (name(one)) } } }
    };
    html! {
        h3 { "Audience" }
        @match audience {
            Audience::NamesSegments => p.note.warn { "The condition names segments, so it is not known how many users match: attributes of users are not stored, and a list of ids has only hashes." },
            Audience::NotStored(names) => p.note.warn {
                "It is not known how many users match. Attributes are evaluated and not stored, and no running experiment stores "
                (named(names)) " as dimensions of its users."
            },
            Audience::NoRecentUser(experiments) => p.note.warn { "No user was assigned in " (named(experiments)) " in the last " (AUDIENCE_DAYS) " days, so it is not known how many users match." },
            Audience::Sample { experiments, users, matching, oldest } => {
                @let ratio = ratio(*matching, *users);
                p.headline { "About " b { (share(&json!(ratio))) } " of recent users match: " (count(&json!(matching))) " of " (count(&json!(users))) "." }
                p.how {
                    "These are the last users who were assigned in " (named(experiments)) ", since " (crate::text::time(&json!(oldest)))
                    ", at most " (AUDIENCE_ASSIGNMENTS) " of each and of " (AUDIENCE_DAYS) " days, with the dimensions that these experiments store. Users whom they do not enrol are not among them."
                }
            },
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "at most some thousands of users"
)]
fn ratio(part: u64, all: u64) -> f64 {
    part as f64 / all as f64
}

#[cfg(test)]
mod tests;
