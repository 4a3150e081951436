//! Concurrent changes of segments and of the definitions that name them.

use super::super::support::World;
use super::{change, create, delete, segment};
use futures::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeSet;

#[tokio::test]
async fn concurrent_uploads_are_all_in_the_list() {
    let world = World::start().await;
    let admin = world.admin();
    create(&admin, "beta", json!({"ids": ["gone"]}))
        .await
        .json(201);
    let uploads = (0..8).map(|part| {
        let admin = &admin;
        async move {
            let ids: Vec<_> = (0..200)
                .map(|number| format!("{}", part * 100 + number))
                .collect();
            let body = json!({"ids": {"add": ids, "remove": ["gone"]}});
            change(admin, "beta", &body).await.json(200)
        }
    });
    join_all(uploads).await;
    let beta = segment(&admin, "beta").await;
    assert_eq!(beta["id_count"], 900);
    // Each upload that changed something is a version, and the history adds up.
    let history = admin
        .get("/segments/beta/history?limit=100")
        .await
        .json(200);
    let entries = history["entries"].as_array().unwrap();
    assert_eq!(beta["version"], entries.len());
    let sum = |field: &str| {
        entries
            .iter()
            .map(|entry| entry[field].as_i64().unwrap())
            .sum::<i64>()
    };
    assert_eq!(sum("ids_added") - sum("ids_removed"), 900);
}

/// A used segment exists, and the users of a segment are exactly the definitions that name it, after any order of
/// concurrent changes.
#[tokio::test]
async fn uses_are_exact_after_concurrent_changes_and_deletions() {
    let world = World::start().await;
    let admin = world.admin();
    let names = ["s0", "s1", "s2"];
    for experiment in ["e0", "e1", "e2"] {
        admin.experiment(experiment, json!({})).await;
    }
    let (mut deleted, mut refused) = (0, 0);
    for round in 0..8 {
        for name in names {
            create(&admin, name, json!({"ids": [name]})).await;
        }
        let naming = (0..3).map(|number| {
            let (admin, name) = (&admin, names[(round + number) % 3]);
            async move {
                let targeting = json!({"targeting": {"$savedGroups": [name]}});
                let path = format!("e{number}");
                let status = admin.change(&path, &targeting).await.status;
                assert!([200, 409, 422].contains(&status), "{status}");
                // Half of the experiments give the segment up again.
                if (round + number) % 2 == 0 {
                    admin
                        .change(&path, &json!({"targeting": null}))
                        .await
                        .json(200);
                }
            }
        });
        let deletions = names.map(|name| delete(&admin, name));
        let ((), statuses) =
            futures::join!(async { drop(join_all(naming).await) }, join_all(deletions));
        for answer in statuses {
            match answer.status {
                200 => deleted += 1,
                409 => refused += 1,
                _ => panic!("{answer:?}"),
            }
        }
        check(&world, &names).await;
        for number in 0..3 {
            let none = json!({"targeting": null});
            admin.change(&format!("e{number}"), &none).await.json(200);
        }
    }
    assert!(deleted > 0, "{deleted} {refused}");
}

async fn check(world: &World, names: &[&str]) {
    let admin = world.admin();
    let all = admin.get("/experiments").await.json(200);
    for name in names {
        let naming = |experiment: &&Value| experiment["targeting"]["$savedGroups"][0] == **name;
        let experiments = all["experiments"].as_array().unwrap().iter().filter(naming);
        let naming: BTreeSet<_> = experiments.map(|one| one["id"].to_string()).collect();
        let answer = admin.get(&format!("/segments/{name}")).await;
        if answer.status == 404 {
            assert_eq!(naming, BTreeSet::new(), "{name} is deleted");
            continue;
        }
        let users = answer.json(200)["used_by"].as_array().unwrap().clone();
        let users: BTreeSet<_> = users.iter().map(|user| user["id"].to_string()).collect();
        assert_eq!(users, naming, "{name}");
    }
}

#[tokio::test]
async fn concurrent_changes_make_no_circle() {
    let world = World::start().await;
    let admin = world.admin();
    for id in ["a", "b", "c"] {
        create(&admin, id, json!({"condition": {}})).await.json(201);
    }
    for _ in 0..5 {
        let changes = [("a", "b"), ("b", "c"), ("c", "a")].map(|(id, named)| {
            let body = json!({"condition": {"$savedGroups": [named]}});
            let admin = &admin;
            async move { change(admin, id, &body).await.status }
        });
        let mut statuses = join_all(changes).await;
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 422]);
        for id in ["a", "b", "c"] {
            change(&admin, id, &json!({"condition": {}}))
                .await
                .json(200);
        }
    }
}

#[tokio::test]
async fn many_definitions_are_changed_at_once() {
    let world = World::start().await;
    let admin = world.admin();
    let ids: Vec<String> = (0..20).map(|number| format!("e{number}")).collect();
    join_all(ids.iter().map(|id| admin.experiment(id, json!({})))).await;
    let all = admin.get("/experiments?limit=100").await.json(200);
    assert_eq!(all["experiments"].as_array().unwrap().len(), ids.len());
}
