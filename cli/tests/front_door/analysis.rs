//! The analysis: kinds of metrics, methods side by side, parts of the users, days, and what can be asked.

use super::people::{Person, bring, crowd};
use super::support::{Caller, World, ago};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::{Value, json};

fn number(value: &Value) -> f64 {
    value
        .as_f64()
        .unwrap_or_else(|| panic!("{value} is no number"))
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1e-12)
}

fn metric<'r>(report: &'r Value, key: &str) -> &'r Value {
    let metrics = report["metrics"].as_array().unwrap();
    metrics.iter().find(|metric| metric["key"] == key).unwrap()
}

fn comparison<'r>(report: &'r Value, key: &str) -> &'r Value {
    &metric(report, key)["comparisons"][0]
}

/// Shoppers with orders, some large, from three countries.
fn shoppers(seed: u64) -> Vec<Person> {
    let mut random = Pcg64::seed_from_u64(seed);
    let mut people = Vec::new();
    for number in 0..800 {
        let variant = if number % 2 == 0 { "control" } else { "green" };
        let country = ["DE", "FR", "IT"][number % 3];
        let mut person = Person::new(variant, 1 + i64::from(random.random_range(0..6_u8)));
        if number % 7 != 6 {
            person = person.who_is(json!({"country": country}));
        }
        for order in 0..random.random_range(0..4_u8) {
            let value = f64::from(random.random_range(100..9_000_u32)) / 100.0;
            person = person.did_at("order", 0.1 + f64::from(order) / 4.0, Some(value));
        }
        if number == 7 {
            person = person.did_at("order", 1.2, Some(90_000.0));
        }
        people.push(person);
    }
    people
}

async fn shop(admin: &Caller) -> Vec<Person> {
    let metrics = json!([
        {"key": "revenue", "kind": "sum", "event_type": "order", "role": "primary", "cap_quantile": 0.99},
        {"key": "per_order", "kind": "ratio", "event_type": "order", "denominator": {"event_type": "order"}},
        {"key": "median", "kind": "quantile", "event_type": "order", "quantile": 0.5},
        {"key": "orders", "kind": "count", "event_type": "order"},
        {"key": "buyers", "kind": "conversion", "event_type": "order"},
    ]);
    admin
        .experiment("shop", json!({"metrics": metrics, "segments": ["country"]}))
        .await;
    let people = shoppers(1);
    bring(admin, "shop", &people).await;
    people
}

/// Σ of a user's orders, and how many.
fn orders(person: &Person) -> (f64, f64) {
    let values = person.events.iter().filter_map(|(_, _, value)| *value);
    #[expect(clippy::cast_precision_loss, reason = "up to five")]
    let count = person.events.len() as f64;
    (values.sum(), count)
}

#[tokio::test]
async fn ratios_quantiles_and_cuts_are_what_the_users_numbers_say() {
    let world = World::start().await;
    let admin = world.admin();
    let people = shop(&admin).await;
    let report = admin.results("shop", "series=none").await;
    for (place, variant) in ["control", "green"].into_iter().enumerate() {
        let users: Vec<(f64, f64)> = people
            .iter()
            .filter(|person| person.variant == variant)
            .map(orders)
            .collect();
        let (sum, count) = users
            .iter()
            .fold((0.0, 0.0), |all, one| (all.0 + one.0, all.1 + one.1));
        let value = |key: &str| number(&metric(&report, key)["variants"][place]["mean"]);
        assert!(close(value("per_order"), sum / count));
        let denominator = &metric(&report, "per_order")["variants"][place]["denominator"];
        assert_eq!(denominator["sum"], format!("{count}"));
        #[expect(clippy::cast_precision_loss, reason = "hundreds of users")]
        let n = users.len() as f64;
        assert!(close(value("revenue"), sum / n));
        assert!(close(value("orders"), count / n));
        let mut totals: Vec<f64> = users.iter().map(|(sum, _)| *sum).collect();
        totals.sort_by(f64::total_cmp);
        let median = totals[(totals.len() - 1) / 2];
        // A bucket is two per cent wide.
        assert!(
            (value("median") / median - 1.0).abs() < 0.03,
            "{} {median}",
            value("median")
        );
    }
    // One user with 90,000 drowns everything; with the cut something can be seen.
    let revenue = comparison(&report, "revenue");
    let width =
        |difference: &Value| number(&difference["ci_upper"]) - number(&difference["ci_lower"]);
    assert!(
        width(&revenue["absolute"]) > 5.0 * width(&revenue["capped"]["absolute"]),
        "{revenue}"
    );
    assert!(number(&revenue["capped"]["cap"]) < 1_000.0, "{revenue}");
}

#[tokio::test]
async fn every_method_is_shown_and_the_one_that_was_asked_for_decides() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics =
        json!([{"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"}]);
    admin.experiment("e", json!({"metrics": metrics})).await;
    let mut people = crowd("control", 1000, 150, 8);
    people.extend(crowd("green", 1000, 200, 8));
    bring(&admin, "e", &people).await;
    let asked = async |method: &str| {
        admin
            .results("e", &format!("series=none&method={method}"))
            .await
    };
    let (fixed, sequential, bayesian) = (
        asked("fixed").await,
        asked("sequential").await,
        asked("bayesian").await,
    );
    let of = |report: &Value| comparison(report, "buyers").clone();
    for report in [&fixed, &sequential, &bayesian] {
        let mine = of(report);
        for part in ["absolute", "relative", "sequential", "bayesian"] {
            assert_eq!(
                mine[part],
                of(&fixed)[part],
                "the same numbers, whoever decides"
            );
        }
    }
    assert_eq!(of(&fixed)["finding"], "better");
    assert_eq!(
        of(&fixed)["decisive"]["p_value"],
        of(&fixed)["absolute"]["p_value"]
    );
    // Watched without a plan the same data are not clear yet.
    assert_eq!(of(&sequential)["finding"], "undecided");
    assert_eq!(
        of(&sequential)["decisive"]["relative"],
        of(&fixed)["sequential"]["relative"]
    );
    assert!(
        number(&of(&sequential)["decisive"]["p_value"])
            > number(&of(&fixed)["decisive"]["p_value"])
    );
    let chances = &of(&bayesian)["bayesian"];
    let smaller = number(&chances["chance_to_win"]).min(number(&chances["chance_to_lose"]));
    assert!(close(
        number(&of(&bayesian)["decisive"]["p_value"]),
        2.0 * smaller
    ));
    let notes = fixed["decision"]["notes"].to_string();
    assert!(notes.contains("one look"), "{notes}");

    // A wider level narrows the interval, and is said.
    let loose = admin.results("e", "series=none&alpha=0.2").await;
    assert_eq!(loose["method"]["alpha"], 0.2);
    let width = |report: &Value| {
        let lift = &of(report)["decisive"]["relative"];
        number(&lift["ci_upper"]) - number(&lift["ci_lower"])
    };
    assert!(width(&loose) < width(&sequential));
}

#[tokio::test]
async fn another_baseline_turns_the_comparison_round() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let (usual, turned) = (
        admin.results("shop", "series=none&segment=none").await,
        admin
            .results("shop", "series=none&segment=none&baseline=green")
            .await,
    );
    for key in ["revenue", "per_order", "median", "orders", "buyers"] {
        let (one, other) = (comparison(&usual, key), comparison(&turned, key));
        assert_eq!(
            (&one["variant"], &other["variant"]),
            (&json!("green"), &json!("control"))
        );
        let (a, b) = (&one["absolute"], &other["absolute"]);
        assert!(
            close(number(&a["estimate"]), -number(&b["estimate"])),
            "{key}"
        );
        assert!(
            close(number(&a["ci_lower"]), -number(&b["ci_upper"])),
            "{key}"
        );
        assert!(close(number(&a["p_value"]), number(&b["p_value"])), "{key}");
        assert!(
            close(
                number(&one["sequential"]["p_value"]),
                number(&other["sequential"]["p_value"])
            ),
            "{key}"
        );
    }
}

#[tokio::test]
async fn parts_of_the_users_add_up_to_all_and_one_part_can_be_looked_at_alone() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let report = admin.results("shop", "series=none").await;
    let segment = &metric(&report, "revenue")["segments"][0];
    let values = segment["values"].as_array().unwrap();
    let mut names: Vec<&str> = values
        .iter()
        .map(|value| value["value"].as_str().unwrap())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["(none)", "DE", "FR", "IT"]);
    for place in [0, 1] {
        let users: u64 = values
            .iter()
            .map(|value| value["users"][place].as_u64().unwrap())
            .sum();
        assert_eq!(users, report["variants"][place]["users"].as_u64().unwrap());
    }
    for country in ["DE", "(none)"] {
        let only = admin
            .results("shop", &format!("series=none&segment=country:{country}"))
            .await;
        assert_eq!(only["segment"], json!({"country": country}));
        let value = values
            .iter()
            .find(|value| value["value"] == country)
            .unwrap();
        for (place, users) in value["users"].as_array().unwrap().iter().enumerate() {
            assert_eq!(only["variants"][place]["users"], *users);
            let mean = &metric(&only, "revenue")["variants"][place]["mean"];
            assert!(
                close(number(mean), number(&value["means"][place])),
                "{country}"
            );
        }
        assert_ne!(only["digest"], report["digest"]);
    }
    // As rows of the table, too: two variants and four parts for each of five metrics.
    let answer = admin.get("/experiments/shop/results?format=csv").await;
    assert_eq!(answer.text.lines().count(), 1 + 5 * (2 + 4));
}

#[tokio::test]
async fn a_part_that_acts_differently_is_found_and_parts_that_do_not_are_left_in_peace() {
    let differing = async |green_in_fr: usize| {
        let world = World::start().await;
        let admin = world.admin();
        let metrics = json!([{"key": "buyers", "kind": "conversion", "event_type": "buy", "role": "primary"}]);
        admin
            .experiment("e", json!({"metrics": metrics, "segments": ["country"]}))
            .await;
        let mut people = Vec::new();
        for country in ["DE", "FR", "IT", "ES"] {
            let green = if country == "FR" { green_in_fr } else { 60 };
            for (variant, buyers) in [("control", 60), ("green", green)] {
                let of_country = crowd(variant, 200, buyers, 3).into_iter();
                people.extend(of_country.map(|person| person.who_is(json!({"country": country}))));
            }
        }
        bring(&admin, "e", &people).await;
        let report = admin.results("e", "series=none").await;
        metric(&report, "buyers")["segments"][0]["different"].clone()
    };
    assert_eq!(differing(60).await, json!([]));
    assert_eq!(differing(140).await, json!(["FR"]));
}

#[tokio::test]
async fn what_users_did_before_sharpens_the_result_and_a_difference_before_is_an_alarm() {
    let world = World::start().await;
    let admin = world.admin();
    let metrics = json!([{"key": "spent", "kind": "sum", "event_type": "buy", "role": "primary"}]);
    for id in ["fair", "biased"] {
        admin.experiment(id, json!({"metrics": metrics})).await;
        let mut random = Pcg64::seed_from_u64(5);
        let mut people = Vec::new();
        for number in 0..400 {
            let variant = if number % 2 == 0 { "control" } else { "green" };
            let mut habit = f64::from(random.random_range(0..1_000_u32)) / 10.0;
            if id == "biased" && variant == "green" {
                habit += 40.0;
            }
            let now = (habit + f64::from(random.random_range(0..100_u32)) / 10.0).round();
            let person = Person::new(variant, 2)
                .did_at("buy", -24.0, Some(habit))
                // Too long ago to tell anything.
                .did_at("buy", -24.0 * 15.0, Some(100_000.0))
                .did("buy", Some(now));
            people.push(person);
        }
        bring(&admin, id, &people).await;
    }
    let plain = admin.results("fair", "series=none").await;
    let adjusted = admin.results("fair", "series=none&cuped=true").await;
    let error = |report: &Value| number(&comparison(report, "spent")["absolute"]["standard_error"]);
    assert!(
        error(&adjusted) < 0.2 * error(&plain),
        "{} {}",
        error(&adjusted),
        error(&plain)
    );
    let adjustment = &comparison(&adjusted, "spent")["adjusted"];
    assert!(
        number(&adjustment["variance_reduction"]) > 0.95,
        "{adjustment}"
    );
    assert!(
        (number(&adjustment["coefficients"][0]) - 1.0).abs() < 0.1,
        "{adjustment}"
    );
    // The sums that it is computed from are those of the plain result.
    assert_eq!(
        metric(&plain, "spent")["variants"],
        metric(&adjusted, "spent")["variants"]
    );
    assert!(adjusted["health"]["bias_before"].is_null());

    let biased = admin.results("biased", "series=none&cuped=true").await;
    assert_eq!(
        biased["decision"]["reason"], "bias_before",
        "{}",
        biased["decision"]
    );
    assert_eq!(biased["health"]["bias_before"][0]["metric"], "spent");
}

#[tokio::test]
async fn the_last_day_of_the_series_is_the_result_and_a_day_is_what_was_known_then() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let report = admin.results("shop", "").await;
    for key in ["revenue", "per_order", "median", "buyers"] {
        let series = &metric(&report, key)["series"];
        let days = series["days"].as_array().unwrap();
        assert!(days.len() >= 6, "{series}");
        let last = |column: &Value| column.as_array().unwrap().last().unwrap().clone();
        for (place, variant) in metric(&report, key)["variants"]
            .as_array()
            .unwrap()
            .iter()
            .enumerate()
        {
            assert_eq!(last(&series["variants"][place]["users"]), variant["users"]);
            assert_eq!(
                last(&series["variants"][place]["mean"]),
                variant["mean"],
                "{key}"
            );
        }
        let lift = &comparison(&report, key)["decisive"]["relative"];
        assert_eq!(
            last(&series["comparisons"][0]["ci_lower"]),
            lift["ci_lower"]
        );

        // The state at the end of the third day, by itself.
        let end = format!("{}T00:00:00Z", days[3].as_str().unwrap());
        let then = admin
            .results("shop", &format!("series=none&as_of={end}"))
            .await;
        for place in [0, 1] {
            let users = &series["variants"][place]["users"][2];
            assert_eq!(then["variants"][place]["users"], *users);
            assert_eq!(
                metric(&then, key)["variants"][place]["mean"],
                series["variants"][place]["mean"][2]
            );
        }
    }
}

#[tokio::test]
async fn a_digest_stands_for_the_sums_and_not_for_the_hour() {
    let world = World::start().await;
    let admin = world.admin();
    let people = shop(&admin).await;
    let digest = async || admin.results("shop", "series=none").await["digest"].clone();
    let before = digest().await;
    bring(&admin, "shop", &people[..50]).await;
    assert_eq!(digest().await, before, "what comes twice counts once");
    let event = json!({"user_id": "shop control 0", "type": "order", "event_id": "one more", "value": 0.01});
    admin.track(&[event]).await;
    assert_ne!(digest().await, before);
}

#[tokio::test]
async fn the_ledger_says_where_every_stored_event_went() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("e", json!({})).await;
    let people = [
        Person::new("control", 2)
            .did("buy", None)
            .did_at("buy", 2.0, None),
        Person::new("green", 2).did("view", None),
    ];
    bring(&admin, "e", &people).await;
    let end = ago(2 * 86_400 + 3_000).to_string();
    admin.change("e", &json!({"ends_at": end})).await.json(200);
    let report = admin.results("e", "series=none").await;
    let fates = |counted: u64, after_end: u64| json!({"counted": counted, "after_end": after_end, "robots": 0, "other_users": 0});
    assert_eq!(
        report["ledger"],
        json!({"buy": fates(1, 1), "view": fates(1, 0)})
    );
}

#[tokio::test]
async fn whoever_watches_the_launch_sees_traffic_by_the_hour() {
    let world = World::start().await;
    let admin = world.admin();
    let people = shop(&admin).await;
    let report = admin.results("shop", "view=monitoring").await;
    let hours = report["traffic"]["hours"].as_array().unwrap().len();
    assert!(hours <= 72, "{hours}");
    for variant in report["traffic"]["variants"].as_array().unwrap() {
        assert_eq!(variant["assigned"].as_array().unwrap().len(), hours);
        assert_eq!(variant["events"]["order"].as_array().unwrap().len(), hours);
    }
    // An early look sees everybody within the 72 hours.
    let early = ago(86_400 * 4).to_string();
    let report = admin
        .results("shop", &format!("view=monitoring&as_of={early}"))
        .await;
    let assigned = |place: usize| -> u64 {
        let column = report["traffic"]["variants"][place]["assigned"]
            .as_array()
            .unwrap();
        column.iter().map(|users| users.as_u64().unwrap()).sum()
    };
    for place in [0, 1] {
        assert_eq!(
            assigned(place),
            report["variants"][place]["users"].as_u64().unwrap()
        );
    }
    assert!(report["health"]["sample_ratio"]["watched"]["p_value"].is_number());
    let buyers: usize = people
        .iter()
        .filter(|person| !person.events.is_empty())
        .count();
    assert!(buyers > 0 && number(&report["rates"][0]["per_user"]["control"]) > 0.0);
}

#[tokio::test]
async fn pictures_are_svg_and_what_has_none_says_so() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    for query in [
        "format=svg",
        "format=svg&view=summary",
        "format=svg&series=day&metrics=orders",
    ] {
        let answer = admin
            .get(&format!("/experiments/shop/results?{query}"))
            .await;
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, "image/svg+xml")
        );
        assert!(
            answer.text.starts_with("<svg ") && answer.text.ends_with("</svg>\n"),
            "{query}"
        );
        assert!(!answer.text.contains("NaN"));
    }
    let none = admin
        .get("/experiments/shop/results?format=svg&view=monitoring")
        .await;
    assert_eq!(none.code(400), "bad_parameters");
}

#[tokio::test]
async fn all_that_is_wrong_with_a_question_is_said_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    shop(&admin).await;
    let wrong = "view=x&format=pdf&metrics=y&baseline=z&method=hybrid&alpha=2&correction=q&cuped=maybe&segment=planet\
                 &from=yesterday&to=x&as_of=2999-01-01T00:00:00Z&series=hour&source=memory&more=1";
    let answer = admin
        .get(&format!("/experiments/shop/results?{wrong}"))
        .await;
    let problem = answer.json(400);
    let pointers: std::collections::BTreeSet<&str> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["pointer"].as_str().unwrap())
        .collect();
    let names = wrong
        .split('&')
        .map(|pair| pair.split_once('=').unwrap().0.trim());
    let expected: Vec<String> = names.map(|name| format!("?{name}")).collect();
    assert_eq!(pointers, expected.iter().map(String::as_str).collect());
}
