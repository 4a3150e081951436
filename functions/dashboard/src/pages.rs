//! What a page shows.

mod catalog;
pub(crate) mod change;
pub(crate) mod erase;
mod experiment;
mod experiments;
mod flags;
mod history;
mod metric;
pub(crate) mod new_experiment;
mod notifications;
mod quality;
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
        ["new-experiment"] => Ok(new_experiment::form(desk, None)),
        ["experiments", id] => experiment::show(desk, id).await,
        ["experiments", id, "metrics", key] => metric::show(desk, id, key).await,
        ["experiments", id, "history"] => history::of_experiment(desk, id).await,
        ["experiments", id, "change", change] => change::confirm(desk, id, change).await,
        ["flags"] => flags::list_page(desk).await,
        ["flags", key] => flags::show(desk, key).await,
        ["flags", key, "history"] => history::of_flag(desk, key).await,
        ["flags", key, "switch", environment] => switch::confirm(desk, key, environment).await,
        ["segments"] => catalog::segments(desk).await,
        ["segments", id] => catalog::segment(desk, id).await,
        ["layers"] => catalog::layers(desk).await,
        ["layers", id] => catalog::layer(desk, id).await,
        ["holdouts"] => catalog::holdouts(desk).await,
        ["users"] => user::show(desk).await,
        ["users", "erase"] => Ok(erase::confirm(desk)),
        _ => Ok(unknown()),
    }
}
