//! One metric of an experiment: every method, every day, every dimension.

use crate::api::{Call, Failure};
use crate::desk::Desk;
use crate::layout::Page;
use crate::picture::{decisive, series};
use crate::text::{
    amount, badge, count, interval, lift, list, mean, metric_name, name, p_value, sentence, share,
    text, words,
};
use crate::visit::segment;
use maud::{Markup, html};
use serde_json::Value;

/// Days that the table of a series shows. The picture shows all.
const DAYS_SHOWN: usize = 31;

/// A metric. The query can choose the deciding method, one dimension, and CUPED.
///
/// # Errors
/// 404 if there is no such experiment, 400 if it has no such metric.
pub(crate) async fn show(desk: Desk<'_>, id: &str, key: &str) -> Result<Page, Failure> {
    let query = |name: &str| desk.visit.query(name);
    let call = Call::new("GET", "/experiments/{id}/results", &[id])
        .with("metrics", Some(key))
        .with("method", query("method"))
        .with("cuped", query("cuped"));
    let report = desk.api.call(get_results::handle, call).await?;
    let metrics = list(&report["metrics"]).iter();
    let mut found = metrics.filter(|metric| text(&metric["key"]) == key);
    let Some(metric) = found.next() else {
        return Ok(crate::desk::unknown());
    };
    let experiment = &report["experiment"];
    let content = html! {
        p.facts { (badge(&experiment["status"])) span { (words(&metric["role"])) " metric" } span { (words(&metric["kind"])) " of " (name(text(&metric["event_type"]))) } span { "an " (words(&metric["direction"])) " is better" } }
        (methods(desk))
        (variants(metric))
        @for comparison in list(&metric["comparisons"]) { (comparison_of(metric, comparison)) }
        (by_day(metric))
        (dimensions(metric))
        (novelty(metric))
    };
    let title = metric["name"].as_str().unwrap_or(key).to_owned();
    let above = format!("experiments/{}", segment(id));
    let page = Page::new(title, content).below("experiments", "Experiments");
    Ok(page.below(above, text(&experiment["name"])))
}

/// The method chooser: each choice is a page of its own.
fn methods(desk: Desk<'_>) -> Markup {
    let chosen = |name: &str, value: &str| desk.visit.query(name).as_deref() == Some(value);
    html! {
        form.search method="get" {
            div {
                label for="method" { "Deciding method" }
                select #method name="method" {
                    option value="" { "as defined" }
                    @for method in ["sequential", "fixed", "hybrid", "bayesian"] { option value=(method) selected[chosen("method", method)] { (method) } }
                }
            }
            div {
                label for="cuped" { "Adjusted by the time before (CUPED)" }
                select #cuped name="cuped" { option value="" { "no" } option value="true" selected[chosen("cuped", "true")] { "yes" } }
            }
            button type="submit" { "Show" }
        }
    }
}

fn variants(metric: &Value) -> Markup {
    let converts = text(&metric["kind"]) == "conversion";
    html! {
        h2 { "Variants" }
        table.cards {
            thead { tr {
                th scope="col" { "Variant" } th scope="col" { "Users" } @if converts { th scope="col" { "Converted" } }
                th scope="col" { "Mean" } th scope="col" { "Chance to be best" }
            } }
            tbody { @for variant in list(&metric["variants"]) { tr {
                th scope="row" data-label="Variant" { (name(text(&variant["key"]))) }
                td.number data-label="Users" { (count(&variant["users"])) }
                @if converts { td.number data-label="Converted" { (count(&variant["converted"])) } }
                td.number data-label="Mean" { (mean(metric, &variant["mean"])) }
                td.number data-label="Chance to be best" { (share(&variant["chance_to_be_best"])) }
            } } }
        }
        p.how { "The mean counts all users of a variant, also those without an event." }
    }
}

/// A number with its meaning: name, value, how to read it.
type Reading = (&'static str, Markup, &'static str);

fn comparison_of(metric: &Value, comparison: &Value) -> Markup {
    let readings: [Reading; 9] = [
        (
            "Lift",
            interval(decisive(comparison)),
            "by the deciding method: how much higher the variant is, relative to the control. The range fits the data; without 0, it shows an effect.",
        ),
        (
            "Difference",
            absolute(metric, comparison),
            "the same in the unit of the metric.",
        ),
        (
            "p-value",
            p_value(&comparison["decisive"]["adjusted_p_value"]),
            "how often chance alone would give such a difference, corrected for the number of comparisons.",
        ),
        (
            "Lift, fixed method",
            interval(&comparison["relative"]),
            "valid for one look at the planned end, and too narrow if you look often.",
        ),
        (
            "Lift, sequential method",
            interval(&comparison["sequential"]["relative"]),
            "valid at every look, so the experiment may be stopped at any time.",
        ),
        (
            "Lift, Bayesian",
            interval(&comparison["bayesian"]["relative"]),
            "the lift with the given probability, if small lifts are more plausible than large ones.",
        ),
        (
            "Chance to win",
            share(&comparison["bayesian"]["chance_to_win"]),
            "the probability that the variant is better than the control.",
        ),
        (
            "Loss if it ships",
            share(&comparison["bayesian"]["loss_if_variant_ships"]),
            "what is lost on average, relative to the control, if the variant is worse after all.",
        ),
        (
            "Power to date",
            share(&comparison["power_to_date"]["power"]),
            "the probability to find an effect of the planned size with the users so far.",
        ),
    ];
    html! {
        h2 { (name(text(&comparison["variant"]))) " compared with " (name(text(&comparison["baseline"]))) " " (badge(&comparison["finding"])) }
        table.readings {
            thead { tr { th scope="col" { "Number" } th scope="col" { "Value" } th scope="col" { "How to read it" } } }
            tbody { @for (title, value, how) in readings { tr { th scope="row" { (title) } td { (value) } td.how { (how) } } } }
        }
        @for missing in list(&comparison["missing"]) { p.faint { (sentence(text(&missing["message"]))) } }
    }
}

fn absolute(metric: &Value, comparison: &Value) -> Markup {
    let difference = &comparison["decisive"]["absolute"];
    let shown = |value: &Value| match text(&metric["kind"]) {
        "conversion" => lift(value),
        _ => amount(value),
    };
    html! {
        @if difference.is_null() { "–" } @else {
            b { (shown(&difference["estimate"])) } " (" (shown(&difference["ci_lower"])) " to " (shown(&difference["ci_upper"])) ")"
        }
    }
}

fn by_day(metric: &Value) -> Markup {
    let days = list(&metric["series"]["days"]);
    let first = days.len().saturating_sub(DAYS_SHOWN);
    html! {
        @if !days.is_empty() {
            h2 { "By day" }
            (series(metric))
            details {
                summary { "The last " (days.len() - first) " days as a table" }
                @for column in list(&metric["series"]["comparisons"]) {
                    table.cards {
                        caption { (name(text(&column["variant"]))) }
                        thead { tr { th scope="col" { "Day" } th scope="col" { "Lift until then" } th scope="col" { "from" } th scope="col" { "to" } } }
                        tbody { @for place in first..days.len() { tr {
                            th scope="row" data-label="Day" { (text(&days[place])) }
                            td.number data-label="Lift" { (lift(&column["lift"][place])) }
                            td.number data-label="from" { (lift(&column["ci_lower"][place])) }
                            td.number data-label="to" { (lift(&column["ci_upper"][place])) }
                        } } }
                    }
                }
            }
            p.how { "Each day shows the result with all data until its end, by the deciding method. The band of the sequential method may be looked at every day." }
        }
    }
}

fn dimensions(metric: &Value) -> Markup {
    html! {
        @for dimension in list(&metric["dimensions"]) {
            h2 { "By " (name(text(&dimension["by"]))) ", " (name(text(&dimension["variant"]))) }
            table.cards {
                thead { tr { th scope="col" { "Value" } th scope="col" { "Users" } th scope="col" { "Lift, fixed method" } th scope="col" { "p-value" } th scope="col" { "Differs" } } }
                tbody { @for value in list(&dimension["values"]) { tr {
                    th scope="row" data-label="Value" { (name(text(&value["value"]))) }
                    td.number data-label="Users" { (count(&value["users"][0])) " / " (count(&value["users"][1])) }
                    td.number data-label="Lift" { (interval(&value["relative"])) }
                    td.number data-label="p-value" { (p_value(&value["adjusted_p_value"])) }
                    td data-label="Differs" { @if list(&dimension["different"]).contains(&value["value"]) { "yes" } @else { "no" } }
                } } }
            }
            p.how {
                "The effect of each group of users, compared with all other groups. The p-value that the effects differ at all is "
                (p_value(&dimension["heterogeneity"]["p_value"])) "."
            }
        }
    }
}

fn novelty(metric: &Value) -> Markup {
    html! {
        @if !list(&metric["novelty"]).is_empty() {
            h2 { "Novelty" }
            ul.plain { @for trend in list(&metric["novelty"]) { li {
                (name(text(&trend["variant"]))) ": "
                @match trend["novelty_effect"].as_bool() {
                    Some(true) => "the effect decays from one day's new users to the next",
                    _ => "no decay is shown",
                }
                " (" (lift(&trend["slope_per_day"])) " per day, p-value " (p_value(&trend["p_value"])) ", " (metric_name(metric)) ")."
            } } }
            p.how { "A novelty effect wears off: users of later days react less, so the lift of the first days is too high." }
        }
    }
}
