//! Lists of experiments: newest first, in pages, each experiment exactly once.

use super::support::{Caller, World, expected as expected_faults};
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use serde_json::json;

/// The ids on all pages of a list.
async fn pages(caller: &Caller, query: &str, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/experiments?limit={limit}{query}{cursor}");
        let page = caller.get(&path).await.json(200);
        let experiments = page["experiments"].as_array().unwrap();
        assert!(experiments.len() <= limit);
        ids.extend(
            experiments
                .iter()
                .map(|e| e["id"].as_str().unwrap().to_owned()),
        );
        let Some(next) = page.get("next_cursor") else {
            return ids;
        };
        assert_eq!(experiments.len(), limit, "only the last page may be short");
        cursor = format!("&cursor={}", next.as_str().unwrap());
    }
}

#[tokio::test]
async fn pages_of_any_size_contain_every_experiment_once_newest_first() {
    let world = World::start().await;
    let admin = world.admin();
    assert_eq!(pages(&admin, "", 1).await, Vec::<String>::new());
    let mut random = Pcg64::seed_from_u64(7);
    let mut made = Vec::new();
    for number in 0..23 {
        let id = format!("e{number}");
        let status = ["draft", "running"][random.random_range(0..2)];
        admin.experiment(&id, json!({"status": status})).await;
        let next: &[&str] = match (status, random.random_range(0..3)) {
            ("draft", 0) => &["archived"],
            ("running", 0) => &["paused"],
            ("running", 1) => &["stopped", "archived"],
            _ => &[],
        };
        let mut now = status;
        for status in next {
            admin
                .change(&id, &json!({"status": status}))
                .await
                .json(200);
            now = status;
        }
        made.insert(0, (id, now));
    }
    let all: Vec<String> = made.iter().map(|(id, _)| id.clone()).collect();
    for limit in [1, 2, 3, 5, 7, 22, 23, 24, 100] {
        assert_eq!(pages(&admin, "", limit).await, all, "limit {limit}");
    }
    for status in ["draft", "running", "paused", "stopped", "archived"] {
        let of_status = made.iter().filter(|(_, now)| *now == status);
        let expected: Vec<String> = of_status.map(|(id, _)| id.clone()).collect();
        for limit in [1, 3, 100] {
            let query = format!("&status={status}");
            assert_eq!(
                pages(&admin, &query, limit).await,
                expected,
                "{status} {limit}"
            );
        }
    }
}

#[tokio::test]
async fn an_experiment_that_is_created_between_two_pages_does_not_change_the_second() {
    let world = World::start().await;
    let admin = world.admin();
    for number in 0..6 {
        admin.experiment(&format!("e{number}"), json!({})).await;
    }
    let first = admin.get("/experiments?limit=3").await.json(200);
    admin.experiment("newer", json!({})).await;
    let cursor = first["next_cursor"].as_str().unwrap();
    let second = admin
        .get(&format!("/experiments?limit=3&cursor={cursor}"))
        .await
        .json(200);
    let ids: Vec<_> = second["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["e2", "e1", "e0"]);
}

#[tokio::test]
async fn an_experiment_in_a_list_equals_the_experiment_read_by_id() {
    let world = World::start().await;
    let admin = world.admin();
    let made = admin
        .experiment("e", json!({"description": "d", "traffic_percent": 12.5}))
        .await;
    assert_eq!(
        admin.get("/experiments").await.json(200)["experiments"][0],
        made
    );
    assert_eq!(admin.get("/experiments/e").await.json(200), made);
}

/// The ids of all experiments that match a search, page by page.
async fn found(caller: &Caller, query: &str, limit: usize) -> Vec<String> {
    let mut ids = Vec::new();
    let mut cursor = String::new();
    loop {
        let path = format!("/experiments?limit={limit}&{query}{cursor}");
        let page = caller.get(&path).await.json(200);
        let experiments = page["experiments"].as_array().unwrap().iter();
        ids.extend(experiments.map(|one| one["id"].as_str().unwrap().to_owned()));
        let Some(next) = page.get("next_cursor") else {
            return ids;
        };
        cursor = format!("&cursor={}", next.as_str().unwrap());
    }
}

#[tokio::test]
async fn a_search_finds_every_matching_experiment_once_newest_first() {
    let world = World::start().await;
    let admin = world.admin();
    let mut random = Pcg64::seed_from_u64(11);
    let mut made = Vec::new();
    for number in 0..40 {
        let tags: Vec<&str> = ["checkout", "price"]
            .into_iter()
            .filter(|_| random.random_range(0..2) == 0)
            .collect();
        let owner = ["Ana", "Ben"][random.random_range(0..2)];
        let hypothesis = ["More trust, more SALES", "Fewer clicks"][random.random_range(0..2)];
        let status = ["draft", "running"][random.random_range(0..2)];
        let id = format!("e{number}");
        let fields =
            json!({"status": status, "tags": tags, "owner": owner, "hypothesis": hypothesis});
        admin.experiment(&id, fields).await;
        made.insert(0, (id, tags, owner, hypothesis, status));
    }
    for limit in [1, 7, 100] {
        for (query, expected) in [
            (
                "tag=price",
                made.iter()
                    .filter(|one| one.1.contains(&"price"))
                    .collect::<Vec<_>>(),
            ),
            (
                "owner=ana",
                made.iter().filter(|one| one.2 == "Ana").collect(),
            ),
            (
                "text=sales",
                made.iter().filter(|one| one.3.contains("SALES")).collect(),
            ),
            (
                "text=E1",
                made.iter().filter(|one| one.0.contains("e1")).collect(),
            ),
            (
                "tag=checkout&owner=BEN&text=Trust&status=draft",
                made.iter()
                    .filter(|one| one.1.contains(&"checkout") && one.2 == "Ben")
                    .filter(|one| one.3.contains("trust") && one.4 == "draft")
                    .collect(),
            ),
            ("tag=pric", Vec::new()),
        ] {
            let expected: Vec<String> = expected.into_iter().map(|one| one.0.clone()).collect();
            assert_eq!(
                found(&admin, query, limit).await,
                expected,
                "{query} {limit}"
            );
        }
    }
    let long = "x".repeat(201);
    let refused = admin
        .get(&format!("/experiments?tag={long}&owner={long}&text={long}"))
        .await;
    let faults = [
        ("?owner", "too_long"),
        ("?tag", "too_long"),
        ("?text", "too_long"),
    ];
    assert_eq!(refused.faults(), expected_faults(faults));
}

#[tokio::test]
async fn a_search_reads_many_pages_of_the_index_and_no_definition_that_does_not_match() {
    let world = World::start().await;
    let admin = world.admin();
    admin.experiment("first", json!({"status": "draft"})).await;
    let archived = json!({"status": "archived", "name": "The wanted one"});
    admin.change("first", &archived).await.json(200);
    // Newer than the first, and without definitions, so reading one would fail.
    let table = &world.platform.template.tables["ExperimentsTable"].name;
    let others = json!({"name": "Another", "metrics": ["buyers"]});
    for chunk in (0..1_100).collect::<Vec<_>>().chunks(25) {
        let puts = chunk.iter().map(|number| {
            let id = format!("e{number:04}");
            let item = json!({"experiment_id": id, "record": "definition", "status": "archived",
                "created_at_id": format!("2099-01-01T00:00:00.000000Z#{id}"), "texts": others});
            let put = PutRequest::builder().set_item(Some(serde_dynamo::to_item(item).unwrap()));
            WriteRequest::builder()
                .put_request(put.build().unwrap())
                .build()
        });
        let write = world.platform.dynamodb.batch_write_item();
        let write = write.request_items(table, puts.collect());
        write.send().await.unwrap();
    }
    let page = admin.get("/experiments?text=wanted").await.json(200);
    assert_eq!(page["experiments"][0]["id"], "first");
    assert!(page.get("next_cursor").is_none());
}

#[tokio::test]
async fn a_page_of_the_largest_definitions_fits_a_response() {
    let world = World::start().await;
    let admin = world.admin();
    let description = "d".repeat(4_000);
    let links: Vec<_> = (0..20)
        .map(|link| json!({"url": format!("https://example.com/{link}/{}", "u".repeat(1_900)), "title": "t".repeat(200)}))
        .collect();
    let users: Vec<String> = (0..1_000).map(|user| format!("{user:0>120}")).collect();
    let overrides = json!([{"variant": "green", "users": &users[..300]}]);
    let fields = json!({
        "status": "draft", "description": description, "hypothesis": description, "links": links, "overrides": overrides,
    });
    let mut made = Vec::new();
    for number in 0..60 {
        let id = format!("e{number}");
        admin.experiment(&id, fields.clone()).await;
        made.insert(0, id);
    }
    let page = admin.get("/experiments?limit=100").await;
    assert!(page.text.len() < 6_000_000, "{}", page.text.len());
    assert!(page.json(200).get("next_cursor").is_some());
    assert_eq!(found(&admin, "status=draft", 100).await, made);
}
