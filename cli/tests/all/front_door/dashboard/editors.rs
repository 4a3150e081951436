//! The forms of segments, layers and holdouts, the order of the list of experiments, and paths with a slash at their end.

use super::super::support::World;
use super::Browser;
use domain::access::Scope;
use serde_json::json;

const SCOPES: [Scope; 2] = [Scope::Read, Scope::Manage];

#[tokio::test]
async fn a_segment_is_created_changed_and_deleted_and_faults_are_beside_what_was_typed() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let new = |condition: &'static str| {
        [
            ("name", "Adults"),
            ("id", "adults"),
            ("kind", "condition"),
            ("condition", condition),
        ]
    };
    // What is malformed, what repeats a name, and what the API refuses.
    for (condition, why) in [
        (r#"{"age":"#, "This is malformed JSON"),
        (r#"{"age": 1, "age": 2}"#, "is repeated"),
        (r#"{"age": {"$over": 18}}"#, "/age/$over"),
    ] {
        let shown = browser.submit("new-segment", &new(condition)).await;
        let html = shown.page(422);
        assert!(html.contains(r#"id="condition-wrong""#), "{html}");
        assert!(html.contains(why), "{why}: {html}");
        assert!(html.contains("value=\"Adults\""), "{html}");
        let kept = condition.replace('"', "&quot;");
        assert!(html.contains(&format!("\n{kept}</textarea>")), "{html}");
    }
    let adults = r#"{"age": {"$gte": 18}}"#;
    browser.submit("new-segment", &new(adults)).await.page(303);
    let segment = admin.get("/segments/adults").await.json(200);
    assert_eq!(segment["condition"], json!({"age": {"$gte": 18}}));

    let change = [
        ("name", "Grown-ups"),
        ("description", "all of them"),
        ("condition", r#"{"age": {"$gte": 21}}"#),
        ("reason", "another country"),
    ];
    browser
        .submit("segments/adults/edit", &change)
        .await
        .page(303);
    let segment = admin.get("/segments/adults").await.json(200);
    assert_eq!(segment["name"], "Grown-ups");
    assert_eq!(segment["condition"], json!({"age": {"$gte": 21}}));
    let history = admin.get("/segments/adults/history").await.json(200);
    assert_eq!(history["entries"][0]["reason"], "another country");
    assert_eq!(history["entries"][0]["by"], "manager");
    // A form of an outdated page changes nothing, and keeps what was typed.
    let outdated = [
        ("name", "Outdated"),
        ("condition", adults),
        ("version", "1"),
    ];
    let shown = browser.send_form("segments/adults/edit", &outdated).await;
    let html = shown.page(412);
    assert!(html.contains("value=\"Outdated\"") && html.contains("name=\"version\" value=\"1\""));
    assert_eq!(admin.get("/segments/adults").await.json(200), segment);

    let user = json!({"targeting": {"$savedGroups": ["adults"]}, "status": "draft"});
    admin.experiment("uses-it", user).await;
    let shown = browser.get("/segments/adults/delete").await;
    let html = shown.page(200);
    assert!(html.contains("experiments/uses-it") && !html.contains(">Delete</button>"));
    let shown = browser
        .send_form("segments/adults/delete", &[("version", "2")])
        .await;
    assert!(shown.page(409).contains("is used by"));
    admin
        .change("uses-it", &json!({"targeting": null}))
        .await
        .json(200);
    browser
        .submit("segments/adults/delete", &[])
        .await
        .page(303);
    assert_eq!(admin.get("/segments/adults").await.status, 404);
}

#[tokio::test]
async fn ids_of_a_list_are_one_in_each_line() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let new = [
        ("name", "Testers"),
        ("id", "testers"),
        ("kind", "list"),
        ("ids", "ann\r\n bea \r\n\r\neve\r\n"),
        ("attribute", "id"),
        ("condition", "not read"),
    ];
    browser.submit("new-segment", &new).await.page(303);
    let count = async || admin.get("/segments/testers").await.json(200)["id_count"].clone();
    assert_eq!(count().await, 3);
    let change = [
        ("name", "Testers"),
        ("add", "dan"),
        ("remove", "ann\r\nbea"),
    ];
    browser
        .submit("segments/testers/edit", &change)
        .await
        .page(303);
    assert_eq!(count().await, 2);
    let user = admin.get("/users/eve").await.json(200);
    assert_eq!(user["segments"], json!(["testers"]));
    let too_long = "x".repeat(300);
    let change = [("name", "Testers"), ("add", &*too_long)];
    let shown = browser.submit("segments/testers/edit", &change).await;
    let html = shown.page(422);
    assert!(html.contains(r#"id="add-wrong""#) && html.contains(&too_long));
    // A body that is larger than forms may be is not read, so nothing of it is applied.
    let large = "id\r\n".repeat(70_000);
    let change = [("name", "Testers"), ("add", &*large)];
    let shown = browser.submit("segments/testers/edit", &change).await;
    assert!(shown.page(403).contains("too large"));
    assert_eq!(count().await, 2);
}

#[tokio::test]
async fn a_layer_is_created_changed_resized_and_deleted() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let new = [("name", "Checkout"), ("id", "checkout")];
    browser.submit("new-layer", &new).await.page(303);
    // A layer that exists already is not changed by the form of a new one.
    let again = browser.submit("new-layer", &[("name", "X"), ("id", "checkout")]);
    again.await.page(428);
    let wrong = browser.submit("new-layer", &[("name", "X"), ("id", "no id")]);
    assert!(wrong.await.page(400).contains(r#"id="id-wrong""#));
    let part = json!({"status": "draft", "layer": {"id": "checkout", "percent": 40}});
    admin.experiment("e", part).await;
    let texts = [("name", "Payment"), ("description", "both pages")];
    browser
        .submit("layers/checkout/edit", &texts)
        .await
        .page(303);
    let layer = admin.get("/layers/checkout").await.json(200);
    assert_eq!(layer["name"], "Payment");
    assert_eq!(layer["experiments"][0]["percent"], 40.0);

    let page = "experiments/e/change/layer";
    let too_much = [("layer", "checkout"), ("percent", "140")];
    let shown = browser.submit(page, &too_much).await;
    let html = shown.page(422);
    assert!(html.contains(r#"id="percent-wrong""#) && html.contains("value=\"140\""));
    let more = [("layer", "checkout"), ("percent", "60")];
    browser.submit(page, &more).await.page(303);
    let layer = admin.get("/layers/checkout").await.json(200);
    assert_eq!(layer["experiments"][0]["percent"], 60.0);

    let shown = browser.get("/layers/checkout/delete").await;
    assert!(!shown.page(200).contains(">Delete</button>"));
    let shown = browser.send_form("layers/checkout/delete", &[]).await;
    shown.page(409);
    browser
        .submit("new-layer", &[("name", "X"), ("id", "x")])
        .await
        .page(303);
    browser.submit("layers/x/delete", &[]).await.page(303);
    assert_eq!(admin.get("/layers/x").await.status, 404);
}

#[tokio::test]
async fn a_holdout_is_created_by_its_form() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "manager", &SCOPES).await;
    let mut fields = vec![
        ("name", "Winter"),
        ("id", "winter"),
        ("percent", "90"),
        ("metric", "buy"),
        ("event_type", "buy"),
        ("kind", "conversion"),
        ("status", "running"),
    ];
    let shown = browser.submit("new-holdout", &fields).await;
    assert!(shown.page(422).contains(r#"id="percent-wrong""#));
    fields[2] = ("percent", "5");
    browser.submit("new-holdout", &fields).await.page(303);
    let created = admin.get("/experiments/winter").await.json(200);
    assert_eq!(created["holdout"]["percent"], 5.0);
    assert_eq!(created["status"], "running");
    assert!(browser.get("/holdouts").await.page(200).contains("winter"));
}

/// The ids of the experiments on a page of the list, in their order.
fn ids(html: &str) -> Vec<String> {
    let (_, rows) = html.split_once("<tbody>").unwrap();
    let id = regex::Regex::new(r#"<span class="id"><bdi>([^<]*)</bdi>"#).unwrap();
    id.captures_iter(rows)
        .map(|found| found[1].to_owned())
        .collect()
}

#[tokio::test]
async fn the_list_is_sorted_over_all_its_pages_or_says_that_it_is_not() {
    let world = World::start().await;
    let admin = world.admin();
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    for number in 0..12 {
        // The names are in another order than the creations.
        let name = format!("Name {:02}", (number * 7) % 12);
        let fields = json!({"status": "draft", "name": name, "owner": "Ann"});
        admin.experiment(&format!("e{number}"), fields).await;
    }
    let started = json!({"status": "running"});
    admin.change("e5", &started).await.json(200);
    let expected: Vec<String> = (0..12)
        .map(|place| format!("e{}", (place * 7) % 12))
        .collect();
    let first = browser.get("/experiments?sort=name").await;
    assert_eq!(ids(first.page(200)), expected[..10]);
    assert!(first.html.contains(r#"aria-sort="ascending""#));
    let (_, rest) = first
        .html
        .split_once("rel=\"next\" href=\"./experiments?")
        .unwrap();
    let next = rest.split('"').next().unwrap().replace("&amp;", "&");
    let second = browser.get(&format!("/experiments?{next}")).await;
    assert_eq!(ids(second.page(200)), expected[10..]);
    assert!(!second.html.contains("rel=\"next\""));
    let turned = browser.get("/experiments?sort=-name").await;
    assert_eq!(ids(turned.page(200))[0], expected[11]);
    let by_start = browser.get("/experiments?sort=start").await;
    assert_eq!(ids(by_start.page(200))[0], "e5");
    // The search stays in the links that sort.
    let found = browser.get("/experiments?owner=ann").await;
    assert!(found.page(200).contains("?owner=ann&amp;sort=name"));

    // With more than 100 that fit, a page that is sorted by itself would not have the first ones.
    for number in 0..95 {
        let fields = json!({"status": "draft", "name": format!("More {number}")});
        admin.experiment(&format!("more{number}"), fields).await;
    }
    let shown = browser.get("/experiments?sort=name").await;
    let html = shown.page(200);
    assert!(html.contains("At most 100 experiments are sorted") && !html.contains("aria-sort"));
    assert_eq!(ids(html)[0], "more94");
    let narrowed = browser.get("/experiments?sort=name&owner=ann").await;
    assert_eq!(ids(narrowed.page(200)), expected[..10]);
}

#[tokio::test]
async fn a_slash_at_the_end_of_a_path_leads_to_the_same_pages() {
    let world = World::start().await;
    world.admin().experiment("e", json!({})).await;
    let mut browser = Browser::new(&world);
    for (page, to) in [
        ("", "dashboard/sign-in"),
        ("/", "./sign-in"),
        ("/experiments/", "../sign-in?to=experiments"),
    ] {
        let shown = browser.get(page).await;
        assert_eq!(
            (shown.status, shown.header("location")),
            (303, to),
            "{page}"
        );
    }
    browser.sign_in(&world.platform.token).await.page(303);
    let home = browser.get("/").await;
    assert_eq!(home.header("location"), "./experiments");
    let shown = browser.get("/experiments/e/").await;
    assert!(shown.page(200).contains("href=\"../../experiments\""));
}
