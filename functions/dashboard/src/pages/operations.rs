//! How the service is doing, as far as its tables say it: the running experiments, tokens and client keys.
//!
//! What a deployment measures is in CloudWatch, which the role of this function cannot read. The page names the way there.

use crate::api::{Call, Failure};
use crate::desk::{Desk, cursor, next};
use crate::layout::{Page, note};
use crate::text::{NONE, badge, count, list, name, sentence, text, time};
use crate::visit::segment;
use domain::access::{Grant, Scope};
use domain::ids::ExperimentId;
use domain::limits::DASHBOARD_PAGE;
use domain::prose::counted;
use domain::time::Timestamp;
use futures::future::join_all;
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::http::Problem;
use shared::store::StoreError;
use shared::store::generations::Generations;

/// Tokens that the page shows, newest first. A team has a few dozen.
const TOKENS: usize = 100;
/// Client keys on a page.
const CLIENT_KEYS: usize = 25;

/// A running experiment with the summary of its results and its generations of aggregates.
struct Running {
    experiment: Value,
    summary: Result<Value, Failure>,
    generations: Result<Generations, StoreError>,
}

impl Running {
    /// Two calls, so that a page of ten makes twenty.
    async fn read(desk: Desk<'_>, experiment: Value) -> Self {
        let id = text(&experiment["id"]).to_owned();
        let call = Call::new("GET", "/experiments/{id}/results", &[&id]);
        let summary = call.with("view", Some("summary"));
        let summary = desk.api.call(get_results::handle, summary).await;
        let generations = match ExperimentId::parse(&id) {
            Ok(id) => desk.app.store().generations(&id).await,
            Err(_) => Ok(Generations::default()),
        };
        Self {
            experiment,
            summary,
            generations,
        }
    }

    fn freshness(&self) -> &Value {
        static NOTHING: Value = Value::Null;
        let summary = self.summary.as_ref();
        summary.map_or(&NOTHING, |summary| &summary["freshness"])
    }

    /// Whether too many records are pending for a verdict.
    fn is_counting(&self) -> bool {
        let summary = self.summary.as_ref();
        summary.is_ok_and(|summary| summary["decision"]["reason"] == "still_counting")
    }

    fn number(&self, name: &str) -> u64 {
        self.freshness()[name].as_u64().unwrap_or(0)
    }
}

/// The page.
///
/// # Errors
/// What the API says against the query.
pub(crate) async fn show(desk: Desk<'_>) -> Result<Page, Failure> {
    let call = Call::new("GET", "/experiments", &[])
        .with("status", Some("running"))
        .with("limit", Some(DASHBOARD_PAGE))
        .with("cursor", desk.visit.query("cursor"));
    let mut found = desk.api.call(list_experiments::handle, call).await?;
    let experiments = match found["experiments"].take() {
        Value::Array(experiments) => experiments,
        _ => Vec::new(),
    };
    let running = join_all(experiments.into_iter().map(|one| Running::read(desk, one))).await;
    let is_manager = desk.signed.may(Scope::Manage);
    let access = match is_manager {
        true => access(desk).await?,
        false => {
            html! { p.help { "Tokens and client keys are shown to tokens with the scope " code { "manage" } "." } }
        }
    };
    let content = html! {
        (attention(&running))
        section aria-labelledby="counting" {
            h2 #counting { "Running experiments" }
            (counting(desk, &running))
            (next(desk, "operations", &[], cursor(&found)))
        }
        (access)
        (elsewhere())
    };
    Ok(Page::new("Operations", content))
}

/// What needs the operator, or that nothing does.
fn attention(running: &[Running]) -> Markup {
    let sum = |name: &str| running.iter().map(|one| one.number(name)).sum::<u64>();
    let (overdue, quarantined) = (sum("overdue_records"), sum("quarantined_users"));
    let pending = sum("pending_records");
    let failed = running.iter().filter(|one| one.summary.is_err()).count();
    let is_counting = running.iter().any(Running::is_counting);
    html! {
        @if overdue > 0 { (note("bad", "Stored records have been pending for more than a minute. Audit the experiments below; docs/operations.md says what to do at `OverdueRecordsAlarm`.")) }
        @if quarantined > 0 { (note("bad", "Users are quarantined: they are in no number. docs/operations.md says what to do at `QuarantinedUsersAlarm`.")) }
        @if failed > 0 { (note("warn", "Some experiments have no results; the reason is in the table.")) }
        @if is_counting { (note("warn", "Some experiments are still being counted, so they have no verdict.")) }
        @if overdue == 0 && quarantined == 0 && failed == 0 && !is_counting && !running.is_empty() {
            @match pending {
                0 => (note("good", "The numbers of all experiments of this page are up to date.")),
                _ => (note("good", &format!("The numbers of all experiments of this page are up to date, except for {}.", counted(pending, "pending record")))),
            }
        }
    }
}

fn counting(desk: Desk<'_>, running: &[Running]) -> Markup {
    let is_manager = desk.signed.may(Scope::Manage);
    html! {
        @if running.is_empty() { p.empty { "No experiment runs." } } @else {
            table.cards {
                thead { tr {
                    th scope="col" { "Experiment" } th scope="col" { "Stored records" } th scope="col" { "Pending" } th scope="col" { "Overdue" }
                    th scope="col" { "Quarantined users" } th scope="col" { "Last assignment" } th scope="col" { "Last event received" } th scope="col" { "Aggregates" }
                } }
                tbody { @for one in running { (row(desk, one, is_manager)) } }
            }
            p.how { "Pending records are stored and not in the numbers yet: that takes some seconds. Overdue ones have been pending for more than a minute. A quarantined user is one whom the database refuses to count; all others are counted." }
        }
    }
}

fn row(desk: Desk<'_>, one: &Running, is_manager: bool) -> Markup {
    let id = text(&one.experiment["id"]);
    let page = format!("experiments/{}", segment(id));
    let freshness = one.freshness();
    // The API leaves out a number that is 0.
    let zero = |name: &str| match freshness[name].is_null() {
        true => json!(0),
        false => freshness[name].clone(),
    };
    html! {
        tr {
            th scope="row" data-label="Experiment" {
                a href=(desk.visit.link(&page)) { (name(text(&one.experiment["name"]))) }
                span.id { (name(id)) }
            }
            @match &one.summary {
                Err(failure) => td colspan="6" data-label="Results" { span.faint { "no results: " (sentence(failure.detail())) } },
                Ok(_) => {
                    td.number data-label="Stored records" { (count(&freshness["stored_records"])) }
                    td.number data-label="Pending" { (count(&freshness["pending_records"])) @if freshness["count_incomplete"] == true { " or more" } }
                    td.number data-label="Overdue" { (count(&zero("overdue_records"))) }
                    td.number data-label="Quarantined users" { (count(&zero("quarantined_users"))) }
                    td data-label="Last assignment" { (time(&freshness["last_assignment_at"])) }
                    td data-label="Last event received" { (time(&freshness["last_event_received_at"])) }
                },
            }
            td data-label="Aggregates" {
                (aggregates(one))
                @if is_manager { " " a href=(desk.visit.link(&format!("{page}/audit"))) { "Audit" span.hidden { " " (id) } } }
            }
        }
    }
}

/// Whether the aggregates are complete, or since when a backfill builds new ones.
fn aggregates(one: &Running) -> Markup {
    let next = one.generations.as_ref().map(|found| found.next.as_ref());
    html! {
        @match next {
            Err(_) => span.faint { "not readable" },
            Ok(Some(next)) => {
                (badge(&json!("backfill"))) " since "
                (time(&json!(Timestamp::from_micros(i64::try_from(next.number).unwrap_or(i64::MAX)))))
            },
            Ok(None) => "complete",
        }
    }
}

/// Tokens and client keys. Neither tokens nor their hashes are shown.
async fn access(desk: Desk<'_>) -> Result<Markup, Failure> {
    let call = Call::new("GET", "/client-keys", &[])
        .with("limit", Some(CLIENT_KEYS))
        .with("cursor", desk.visit.query("keys"));
    let keys = desk.api.call(list_client_keys::handle, call).await?;
    // No route of the API lists tokens. The role of the function may read them anyway, for its sessions.
    let listed = desk.app.store().list_tokens().await;
    let listed =
        listed.map_err(|error| Failure::of(Problem::from(error), desk.visit.request_id()))?;
    let mut grants: Vec<Grant> = listed.into_iter().map(|one| one.grant).collect();
    grants.reverse();
    Ok(html! {
        (tokens(desk, &grants))
        (client_keys(desk, &keys))
    })
}

fn tokens(desk: Desk<'_>, grants: &[Grant]) -> Markup {
    let now = desk.app.now();
    let scopes = |grant: &Grant| {
        let names: Vec<&str> = grant.scopes.iter().map(|scope| scope.name()).collect();
        names.join(", ")
    };
    let more = grants.len().saturating_sub(TOKENS);
    html! {
        section aria-labelledby="tokens" {
            h2 #tokens { "Tokens" }
            table.cards {
                thead { tr {
                    th scope="col" { "Token" } th scope="col" { "Scopes" } th scope="col" { "Environment" } th scope="col" { "Events per second" }
                    th scope="col" { "Created" } th scope="col" { "Expires" }
                } }
                tbody { @for grant in grants.iter().take(TOKENS) { tr {
                    th scope="row" data-label="Token" { (name(&grant.name)) span.id { (name(&grant.token_id)) } }
                    td data-label="Scopes" { (scopes(grant)) }
                    td data-label="Environment" { @match &grant.environment { Some(environment) => (name(environment.as_str())), None => "the first one" } }
                    td.number data-label="Events per second" { @if grant.scopes.contains(&Scope::Track) { (count(&json!(grant.events_per_second()))) } @else { (NONE) } }
                    td data-label="Created" { (time(&json!(grant.created_at))) }
                    td data-label="Expires" {
                        @match grant.expires_at { Some(end) => (time(&json!(end))), None => "never" }
                        @if !grant.is_valid_at(now) { " " (badge(&json!("expired"))) }
                    }
                } } }
            }
            @if more > 0 { p { (sentence(&format!("{more} older ones are in `assay token list`."))) } }
            p.how { (sentence("The tokens themselves are not stored, and when a token was last used is not stored either. `assay token create` and `assay token revoke` make and end them.")) }
        }
    }
}

fn client_keys(desk: Desk<'_>, found: &Value) -> Markup {
    let keys = list(&found["client_keys"]);
    let texts = |value: &Value, none: &'static str| {
        let all: Vec<&str> = list(value).iter().map(text).collect();
        html! { @if all.is_empty() { (none) } @else { (name(&all.join(", "))) } }
    };
    html! {
        section aria-labelledby="keys" {
            h2 #keys { "Client keys" }
            @if keys.is_empty() { p.empty { "There is no client key." } } @else {
                table.cards {
                    thead { tr {
                        th scope="col" { "Client key" } th scope="col" { "Environment" } th scope="col" { "Origins" } th scope="col" { "Tags of flags" }
                        th scope="col" { "Events" } th scope="col" { "Created" }
                    } }
                    tbody { @for key in keys { tr {
                        th scope="row" data-label="Client key" {
                            (name(text(&key["name"]))) span.id { (name(text(&key["id"]))) }
                            @if !key["revoked_at"].is_null() { " " (badge(&json!("revoked"))) }
                        }
                        td data-label="Environment" { (name(text(&key["environment"]))) }
                        td data-label="Origins" { (texts(&key["origins"], "all")) }
                        td data-label="Tags of flags" { (texts(&key["flag_tags"], "all flags")) }
                        td data-label="Events" { (texts(&key["event_types"], "none")) }
                        td data-label="Created" { (time(&key["created_at"])) }
                    } } }
                }
            }
            @if let Some(cursor) = found["next_cursor"].as_str() {
                nav.paging aria-label="Pages of client keys" {
                    a.button rel="next" href={ (desk.visit.link("operations")) "?" (form_urlencoded::Serializer::new(String::new()).append_pair("keys", cursor).finish()) "#keys" } { "More client keys" }
                }
            }
        }
    }
}

/// What this page cannot say, and where it is.
fn elsewhere() -> Markup {
    const ALL: [(&str, &str); 5] = [
        (
            "Throughput, latency and refused requests",
            "the CloudWatch dashboard with the name of the stack",
        ),
        (
            "Counting lag and dead letters",
            "the same dashboard, and `scripts/doctor STACK`",
        ),
        (
            "Results of the daily audit",
            "the same dashboard: differing numbers and overdue records",
        ),
        (
            "Alarms",
            "the same dashboard; docs/operations.md has a section for each of them",
        ),
        (
            "Whether the stack is as it should be",
            "`scripts/doctor STACK`: it reads settings, streams, alarms and the queue",
        ),
    ];
    html! {
        section aria-labelledby="elsewhere" {
            h2 #elsewhere { "Not on this page" }
            p { "The function of the dashboard reaches the tables and nothing else, so that a fault in it goes no further. A deployment shows the rest elsewhere:" }
            dl.pairs { @for (what, place) in ALL { dt { (what) } dd { (sentence(place)) } } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overdue_records_ask_for_attention() {
        let one = |overdue: u64| Running {
            experiment: json!({"id": "e", "name": "E"}),
            summary: Ok(json!({"freshness": {"pending_records": 3, "overdue_records": overdue}})),
            generations: Ok(Generations::default()),
        };
        let html = attention(&[one(0), one(2)]).into_string();
        assert!(html.contains("OverdueRecordsAlarm"), "{html}");
        let html = attention(&[one(0)]).into_string();
        assert!(html.contains("up to date"), "{html}");
        assert!(html.contains("except for 3 pending records"), "{html}");
    }

    #[test]
    fn numbers_of_a_part_of_the_records_are_not_said_to_be_up_to_date() {
        let freshness = json!({"pending_records": 48_000, "stored_records": 64_000});
        let one = Running {
            experiment: json!({"id": "e", "name": "E"}),
            summary: Ok(json!({"freshness": freshness, "decision": {"reason": "still_counting"}})),
            generations: Ok(Generations::default()),
        };
        let html = attention(&[one]).into_string();
        assert!(html.contains("still being counted"), "{html}");
        assert!(!html.contains("up to date"), "{html}");
    }
}
