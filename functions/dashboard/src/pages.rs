//! What a page shows.

mod audience;
pub(crate) mod audit;
mod catalog;
pub(crate) mod change;
pub(crate) mod erase;
mod experiment;
mod experiment_order;
mod experiments;
pub(crate) mod flag_act;
mod flag_rule;
pub(crate) mod flag_rules;
pub(crate) mod flag_texts;
mod flags;
mod history;
pub(crate) mod holdouts;
pub(crate) mod layers;
mod metric;
pub(crate) mod new_experiment;
pub(crate) mod new_flag;
mod notifications;
mod operations;
mod quality;
pub(crate) mod segments;
pub(crate) mod sign_in;
mod switch;
mod user;

use crate::api::Failure;
use crate::desk::{Desk, unknown};
use crate::layout::Page;

/// The page of a visit.
///
/// # Errors
/// What the API says against it.
pub(crate) async fn of(desk: Desk<'_>) -> Result<Page, Failure> {
    match desk.visit.parts()[..] {
        ["experiments"] => experiments::list_page(desk).await,
        ["new-experiment"] => Ok(new_experiment::form(desk, None).await),
        ["operations"] => operations::show(desk).await,
        ["experiments", id] => experiment::show(desk, id).await,
        ["experiments", id, "metrics", key] => metric::show(desk, id, key).await,
        ["experiments", id, "history"] => history::of_experiment(desk, id).await,
        ["experiments", id, "change", change] => change::confirm(desk, id, change, None).await,
        ["experiments", id, "audit"] => audit::show(desk, id, None).await,
        ["flags"] => flags::list_page(desk).await,
        ["flags", key] => flags::show(desk, key).await,
        ["flags", key, "history"] => history::of_flag(desk, key).await,
        ["flags", key, "switch", environment] => switch::confirm(desk, key, environment).await,
        ["new-flag"] => Ok(new_flag::form(desk, None)),
        ["flags", key, "edit"] => flag_texts::edit(desk, key, None).await,
        ["flags", key, "rules", environment] => {
            flag_rules::edit(desk, key, environment, None).await
        }
        ["flags", key, "do", act] => flag_act::confirm(desk, key, act, None).await,
        ["segments"] => segments::list_page(desk).await,
        ["new-segment"] => Ok(segments::create(desk, None)),
        ["segments", id] => segments::show(desk, id).await,
        ["segments", id, "edit"] => segments::edit(desk, id, None).await,
        ["segments", id, "delete"] => segments::delete(desk, id, None).await,
        ["layers"] => layers::list_page(desk).await,
        ["new-layer"] => Ok(layers::create(desk, None)),
        ["layers", id] => layers::show(desk, id).await,
        ["layers", id, "edit"] => layers::edit(desk, id, None).await,
        ["layers", id, "delete"] => layers::delete(desk, id, None).await,
        ["holdouts"] => holdouts::list_page(desk).await,
        ["new-holdout"] => Ok(holdouts::create(desk, None)),
        ["users"] => user::show(desk).await,
        ["users", "erase"] => Ok(erase::confirm(desk)),
        _ => Ok(unknown()),
    }
}
