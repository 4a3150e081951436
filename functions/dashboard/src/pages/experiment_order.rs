//! Which experiments a page of the list has, and in which order.

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::text::text;
use domain::experiment::Status;
use domain::limits::{DASHBOARD_PAGE, DASHBOARD_SORTED, MAX_PAGE};
use maud::{Markup, html};
use serde_json::Value;

/// An order other than newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Order {
    by: &'static str,
    is_descending: bool,
}

impl Order {
    /// Columns that the list is sorted by, with their titles. Verdicts, users and effects are computed for each experiment
    /// that is shown, so sorting by them would compute those of all experiments.
    pub(super) const COLUMNS: [(&'static str, &'static str); 3] = [
        ("name", "Experiment"),
        ("status", "Status"),
        ("start", "Days"),
    ];

    /// Reads `name`, or `-name` for the other direction.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (is_descending, wanted) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut columns = Self::COLUMNS.into_iter();
        let (by, _) = columns.find(|(known, _)| *known == wanted)?;
        Some(Self { by, is_descending })
    }

    /// Experiments that are equal in this order stay newest first.
    fn sort(self, experiments: &mut [Value]) {
        let key = |experiment: &Value| -> String {
            match self.by {
                "name" => text(&experiment["name"]).to_lowercase(),
                "status" => {
                    let place = Status::ALL
                        .iter()
                        .position(|(status, _)| experiment["status"] == *status);
                    place.unwrap_or(usize::MAX).to_string()
                }
                // A draft has no start, and comes last.
                _ => experiment["started_at"].as_str().unwrap_or("~").to_owned(),
            }
        };
        experiments.sort_by(|one, other| {
            let ordering = key(one).cmp(&key(other));
            if self.is_descending {
                ordering.reverse()
            } else {
                ordering
            }
        });
    }
}

/// Calls of the API that look for all experiments that fit. Each looks through up to a thousand of each status.
const CALLS: usize = 4;

/// The experiments of a page.
pub(super) struct Found {
    pub(super) experiments: Vec<Value>,
    /// The parameter that leads to the next page.
    pub(super) next: Option<(&'static str, String)>,
    /// Whether too many experiments fit to be sorted.
    pub(super) is_unsorted: bool,
}

/// A page of the API.
pub(super) async fn newest_first(
    desk: Desk<'_>,
    limit: usize,
    cursor: Option<String>,
) -> Result<Found, Failure> {
    let query = |name: &str| desk.visit.query(name);
    let call = Call::new("GET", "/experiments", &[])
        .with("limit", Some(limit))
        .with("status", query("status"))
        .with("text", query("text"))
        .with("owner", query("owner"))
        .with("tag", query("tag"))
        .with("cursor", cursor);
    let mut found = desk.api.call(list_experiments::handle, call).await?;
    let experiments = match found["experiments"].take() {
        Value::Array(experiments) => experiments,
        _ => Vec::new(),
    };
    let next = found["next_cursor"].as_str();
    Ok(Found {
        experiments,
        next: next.map(|cursor| ("cursor", cursor.to_owned())),
        is_unsorted: false,
    })
}

/// A page of all experiments that fit, in another order. If they are too many, the first page newest first: to sort only a part
/// of them would hide what comes first.
pub(super) async fn sorted(desk: Desk<'_>, order: Order) -> Result<Found, Failure> {
    let cursor = desk.visit.query("cursor");
    // After the first page of too many, the others are asked for by a cursor.
    let mut all = Vec::new();
    let mut after = None;
    let mut is_complete = false;
    // A page of a search can have fewer experiments than asked for.
    for _ in 0..CALLS {
        if cursor.is_some() {
            break;
        }
        let page = newest_first(desk, MAX_PAGE, after.take()).await?;
        all.extend(page.experiments);
        after = page.next.map(|(_, cursor)| cursor);
        is_complete = after.is_none() && all.len() <= DASHBOARD_SORTED;
        if after.is_none() || all.len() >= DASHBOARD_SORTED {
            break;
        }
    }
    if !is_complete {
        let page = newest_first(desk, DASHBOARD_PAGE, cursor).await?;
        return Ok(Found {
            is_unsorted: true,
            ..page
        });
    }
    order.sort(&mut all);
    let page: usize = desk
        .visit
        .query("page")
        .and_then(|page| page.parse().ok())
        .unwrap_or(1);
    let skipped = page.saturating_sub(1).saturating_mul(DASHBOARD_PAGE);
    let more = all.len() > skipped.saturating_add(DASHBOARD_PAGE);
    Ok(Found {
        experiments: all.into_iter().skip(skipped).take(DASHBOARD_PAGE).collect(),
        next: more.then(|| ("page", (page + 1).to_string())),
        is_unsorted: false,
    })
}

/// The title of a column that sorts the list by it, or the other way round if it is sorted by it.
pub(super) fn column(
    desk: Desk<'_>,
    (by, title): (&'static str, &str),
    order: Option<Order>,
) -> Markup {
    let current = order.filter(|order| order.by == by);
    let turned = current.is_some_and(|order| !order.is_descending);
    let sort = if turned {
        format!("-{by}")
    } else {
        by.to_owned()
    };
    let mut query = form_urlencoded::Serializer::new(String::new());
    for name in SEARCH {
        if let Some(value) = desk.visit.query(name) {
            query.append_pair(name, &value);
        }
    }
    let link = format!(
        "{}?{}",
        desk.visit.link("experiments"),
        query.append_pair("sort", &sort).finish()
    );
    let direction = current.map(|order| {
        if order.is_descending {
            "descending"
        } else {
            "ascending"
        }
    });
    html! {
        th scope="col" aria-sort=[direction] {
            a href=(link) { (title) @if let Some(direction) = direction { span aria-hidden="true" { (if direction == "ascending" { " ↑" } else { " ↓" }) } } }
        }
    }
}

/// The parameters of the search.
pub(super) const SEARCH: [&str; 4] = ["status", "text", "owner", "tag"];

#[cfg(test)]
mod tests;
