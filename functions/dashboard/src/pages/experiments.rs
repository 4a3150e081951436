//! The list of experiments.

use super::experiment_order::{Found, Order, SEARCH, column, newest_first, sorted};
use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::desk::next;
use crate::layout::{Page, note};
use crate::picture::{reach, small};
use crate::text::{badge, count, interval, metric_name, name, text, time};
use crate::visit::segment;
use domain::access::Scope;
use domain::experiment::Status;
use domain::limits::{DASHBOARD_PAGE, DASHBOARD_SORTED};
use domain::prose::counted;
use domain::time::Timestamp;
use futures::future::join_all;
use maud::{Markup, html};
use serde_json::Value;

/// An experiment of the list with the summary of its results, or what the API says instead.
struct Row {
    experiment: Value,
    summary: Option<Result<Value, Failure>>,
}

impl Row {
    async fn read(desk: Desk<'_>, experiment: Value) -> Self {
        let call = Call::new(
            "GET",
            "/experiments/{id}/results",
            &[text(&experiment["id"])],
        );
        let call = call.with("view", Some("summary"));
        let summary = match text(&experiment["status"]) {
            "draft" => None,
            _ => Some(desk.api.call(get_results::handle, call).await),
        };
        Self {
            experiment,
            summary,
        }
    }

    fn found(&self) -> Option<&Value> {
        self.summary.as_ref()?.as_ref().ok()
    }

    /// The lift of the deciding metric: of the variant that the decision names, or else of the first one that has a lift.
    fn lift(&self) -> Option<(&Value, &Value)> {
        let summary = self.found()?;
        let metric = summary["metrics"].get(0)?;
        let variants = metric["variants"].as_array()?;
        let chosen = |variant: &&Value| variant["key"] == summary["variant"];
        let with_lift = || variants.iter().filter(|variant| !variant["lift"].is_null());
        let variant = with_lift().find(chosen).or_else(|| with_lift().next())?;
        Some((metric, &variant["lift"]))
    }
}

/// Ten experiments with their summaries: each page has a bounded number of calls.
///
/// # Errors
/// What the API says against the search.
pub(crate) async fn list_page(desk: Desk<'_>) -> Result<Page, Failure> {
    let query = |name: &str| desk.visit.query(name);
    let order = query("sort").and_then(|sort| Order::read(&sort));
    let found = match order {
        None => newest_first(desk, DASHBOARD_PAGE, query("cursor")).await?,
        Some(order) => sorted(desk, order).await?,
    };
    let Found {
        experiments,
        next: next_page,
        is_unsorted,
    } = found;
    let rows = join_all(experiments.into_iter().map(|one| Row::read(desk, one))).await;
    let reach = reach(rows.iter().filter_map(Row::lift).map(|(_, lift)| lift));
    let content = html! {
        @if query("signed-in").is_some() { (note("good", "You are signed in.")) }
        div.bar {
            (search(desk))
            @if desk.signed.may(Scope::Manage) {
                a.button.main href=(desk.visit.link("new-experiment")) { "New experiment" }
            }
        }
        @if is_unsorted {
            (note("warn", &format!("At most {DASHBOARD_SORTED} experiments are sorted, and more fit. They are newest first; narrow the search to sort them.")))
        }
        @if rows.is_empty() {
            p.empty { "No experiment fits. " @if desk.signed.may(Scope::Manage) { "Create one, or change the search." } }
        } @else {
            table.cards {
                @let [of_name, of_status, of_days] = Order::COLUMNS.map(|one| column(desk, one, order.filter(|_| !is_unsorted)));
                thead { tr {
                    (of_name) (of_status) th scope="col" { "Verdict" }
                    th scope="col" { "Users" } (of_days) th scope="col" { "Effect on the primary metric" }
                } }
                tbody { @for row in &rows { (shown(desk, row, reach)) } }
            }
            p.how { "The verdict follows from the primary metric and the guardrails. The bar is the interval of the lift: left of the line is a fall, right of it a rise. An open circle means that the interval contains 0, so no effect is shown yet. All bars of this page have one scale." }
        }
        (next(desk, "experiments", &[&SEARCH[..], &["sort"]].concat(), next_page.as_ref().map(|(name, value)| (*name, &**value))))
    };
    Ok(Page::new("Experiments", content))
}

fn search(desk: Desk<'_>) -> Markup {
    let value = |name: &str| desk.visit.query(name).unwrap_or_default();
    html! {
        form.search method="get" action=(desk.visit.link("experiments")) role="search" {
            div { label for="text" { "Search" } input #text type="search" name="text" value=(value("text")) maxlength="200"; }
            div {
                label for="status" { "Status" }
                select #status name="status" {
                    option value="" { "all" }
                    @for (status, _) in Status::ALL { option value=(status) selected[value("status") == status] { (status) } }
                }
            }
            div { label for="owner" { "Owner" } input #owner name="owner" value=(value("owner")) maxlength="200"; }
            div { label for="tag" { "Tag" } input #tag name="tag" value=(value("tag")) maxlength="50"; }
            button type="submit" { "Search" }
        }
    }
}

fn shown(desk: Desk<'_>, row: &Row, reach: f64) -> Markup {
    let one = &row.experiment;
    let id = text(&one["id"]);
    let page = format!("experiments/{}", segment(id));
    html! {
        tr {
            th scope="row" data-label="Experiment" {
                a href=(desk.visit.link(&page)) { (name(text(&one["name"]))) }
                span.id { (name(id)) }
            }
            td data-label="Status" { (badge(&one["status"])) }
            td data-label="Verdict" {
                @match &row.summary {
                    None => span.faint { "not started" },
                    Some(Ok(summary)) => (badge(&summary["verdict"])),
                    Some(Err(failure)) => span.faint { "no results: " (crate::text::sentence(failure.detail())) },
                }
            }
            td.number data-label="Users" { @if let Some(summary) = row.found() { (count(&summary["users"])) } @else { "–" } }
            td.number data-label="Days" { (days(one)) }
            td data-label="Effect" {
                @if let Some((metric, lift)) = row.lift() {
                    div.effect {
                        (small(lift, text(&metric["direction"]) == "increase", reach))
                        span { (interval(lift)) " on " (metric_name(metric)) }
                    }
                } @else { span.faint { "no interval yet" } }
            }
        }
    }
}

/// The days since the start, until the end or now.
fn days(experiment: &Value) -> Markup {
    let instant = |name: &str| Timestamp::parse(text(&experiment[name])).ok();
    let Some(start) = instant("started_at") else {
        return html! { "–" };
    };
    let now = shared::clock::now();
    let end = [instant("stopped_at"), instant("ends_at"), Some(now)];
    let end = end.into_iter().flatten().min().unwrap_or(now);
    let micros = end.micros().saturating_sub(start.micros());
    let days = u64::try_from(micros / 86_400_000_000).unwrap_or(0);
    html! { span title={ "since " (text(&experiment["started_at"])) } { (counted(days, "day")) } }
}

/// Since when an experiment runs, for headings.
pub(crate) fn since(experiment: &Value) -> Markup {
    html! {
        (days(experiment)) " since " (time(&experiment["started_at"]))
    }
}
