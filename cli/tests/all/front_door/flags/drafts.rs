//! Drafts of flags, and flags whose changes need the approval of another token.

use super::super::support::{Answer, Caller, World, expected};
use super::{change, change_if, checkout, created, revert};
use domain::access::Scope;
use serde_json::{Value, json};

async fn save(caller: &Caller, key: &str, body: &Value) -> Answer {
    let headers = [("content-type", "application/json"), ("if-match", "*")];
    let path = format!("/flags/{key}/draft");
    caller.send("PUT", &path, &headers, body.to_string()).await
}

async fn publish(caller: &Caller, key: &str, draft: &str) -> Answer {
    let path = format!("/flags/{key}/publish");
    caller.send("POST", &path, &[("if-match", draft)], "").await
}

async fn read(caller: &Caller, key: &str) -> Value {
    caller.get(&format!("/flags/{key}")).await.json(200)
}

#[tokio::test]
async fn a_draft_is_shown_with_its_changes_and_is_in_use_only_when_it_is_published() {
    let world = World::start().await;
    let admin = world.admin();
    created(&admin, checkout("f")).await;
    let draft = json!({
        "name": "Checkout on one page", "reason": "the new name",
        "environments": {"production": {"enabled": true, "off_variant": "off", "default_variant": "on"}},
    });
    let saved = save(&admin, "f", &draft).await;
    let number = saved.header("etag").to_owned();
    let saved = saved.json(200);
    assert_eq!(number, format!("\"{}\"", saved["number"]));
    let changes = saved["changes"].as_array().unwrap();
    let fields: Vec<_> = changes
        .iter()
        .map(|one| one["field"].as_str().unwrap())
        .collect();
    assert_eq!(
        fields,
        [
            "environments/production/default_variant",
            "environments/production/rules",
            "name"
        ]
    );
    assert_eq!(changes[2]["before"], "New checkout");
    assert_eq!(
        (&saved["base_version"], &saved["reason"]),
        (&json!(1), &json!("the new name"))
    );

    let flag = read(&admin, "f").await;
    assert_eq!(
        (&flag["version"], &flag["name"]),
        (&json!(1), &json!("New checkout"))
    );
    assert_eq!(flag["draft"], saved);
    let listed = admin.get("/flags").await.json(200);
    assert_eq!(listed["flags"].as_array().unwrap().len(), 1);

    // A token that may not change flags can neither save nor publish.
    let reader = world.caller(&[Scope::Read, Scope::Assign]).await;
    assert_eq!(read(&reader, "f").await["draft"], saved);
    assert_eq!(save(&reader, "f", &draft).await.code(403), "forbidden");
    assert_eq!(publish(&reader, "f", &number).await.code(403), "forbidden");

    assert_eq!(
        publish(&admin, "f", "\"1\"").await.code(412),
        "stale_version"
    );
    let published = publish(&admin, "f", &number).await;
    assert_eq!(published.header("etag"), "\"2\"");
    let published = published.json(200);
    assert_eq!(
        published["environments"]["production"]["default_variant"],
        "on"
    );
    assert!(read(&admin, "f").await.get("draft").is_none());
    let history = admin.get("/flags/f/history").await.json(200);
    let reason = history["entries"][0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("draft of ") && reason.ends_with(": the new name"),
        "{reason}"
    );
    assert_eq!(history["entries"].as_array().unwrap().len(), 2);
    // There is nothing to publish any more.
    assert_eq!(publish(&admin, "f", &number).await.code(409), "no_draft");
}

#[tokio::test]
async fn a_draft_is_checked_and_is_for_the_version_that_it_was_made_of() {
    let world = World::start().await;
    let admin = world.admin();
    created(&admin, checkout("f")).await;
    let unknown = json!({"prerequisites": [{"flag": "nothing", "variants": ["on"]}], "name": " "});
    let faults = save(&admin, "f", &unknown).await.faults();
    assert_eq!(faults, expected([("/name", "empty")]));
    let unknown = json!({"prerequisites": [{"flag": "nothing", "variants": ["on"]}]});
    let faults = save(&admin, "f", &unknown).await.faults();
    assert_eq!(
        faults,
        expected([("/prerequisites/0/flag", "unknown_flag")])
    );
    assert_eq!(
        save(&admin, "nothing", &json!({"name": "N"}))
            .await
            .code(404),
        "flag_not_found"
    );
    assert_eq!(
        publish(&admin, "nothing", "*").await.code(404),
        "flag_not_found"
    );
    assert_eq!(publish(&admin, "f", "*").await.code(409), "no_draft");
    let without = admin.send("POST", "/flags/f/publish", &[], "").await;
    assert_eq!(without.code(428), "if_match_required");

    // The second draft replaces the first one, and one that changes nothing takes it away.
    let first = save(&admin, "f", &json!({"name": "First"})).await;
    let second = save(&admin, "f", &json!({"name": "Second"})).await;
    assert_ne!(first.header("etag"), second.header("etag"));
    let outdated = publish(&admin, "f", first.header("etag")).await;
    assert_eq!(outdated.code(412), "stale_version");
    assert_eq!(
        read(&admin, "f").await["draft"]["definition"]["name"],
        "Second"
    );
    save(&admin, "f", &json!({"name": "New checkout"}))
        .await
        .json(200);
    assert!(read(&admin, "f").await.get("draft").is_none());
    assert_eq!(publish(&admin, "f", "*").await.code(409), "no_draft");

    // Another change makes the draft one of an earlier version.
    let third = save(&admin, "f", &json!({"name": "Third"})).await;
    change(&admin, "f", &json!({"description": "Other."}))
        .await
        .json(200);
    assert!(read(&admin, "f").await.get("draft").is_none());
    let refused = publish(&admin, "f", third.header("etag")).await;
    assert_eq!(refused.code(409), "no_draft");
    let headers = [("content-type", "application/json"), ("if-match", "\"1\"")];
    let body = json!({"name": "N"}).to_string();
    let stale = admin.send("PUT", "/flags/f/draft", &headers, body).await;
    assert_eq!(stale.code(412), "stale_version");

    // What was valid may not be any more.
    created(&admin, checkout("needed")).await;
    let needs = json!({"prerequisites": [{"flag": "needed", "variants": ["on"]}]});
    let draft = save(&admin, "f", &needs).await;
    change(&admin, "needed", &json!({"archived": true}))
        .await
        .json(200);
    let refused = publish(&admin, "f", draft.header("etag")).await;
    assert_eq!(refused.code(422), "invalid");
}

#[tokio::test]
async fn a_protected_flag_changes_only_with_the_approval_of_another_token_except_the_kill_switch() {
    let world = World::start().await;
    let scopes = [Scope::Manage, Scope::Read];
    let author = world.bearer(&world.new_token("author", &scopes, None).await);
    let other = world.bearer(&world.new_token("other", &scopes, None).await);
    created(&author, checkout("f")).await;
    let on =
        |variant: &str| json!({"enabled": true, "off_variant": "off", "default_variant": variant});
    let changed = |environment: Value| json!({"environments": {"production": environment}});
    change(&author, "f", &json!({"requires_approval": true}))
        .await
        .json(200);

    for body in [
        changed(on("on")),
        json!({"name": "Other"}),
        json!({"archived": true}),
        json!({"requires_approval": false}),
        json!({"environments": {"production": null}}),
    ] {
        for token in [&author, &other] {
            let refused = change(token, "f", &body).await;
            assert_eq!(refused.code(409), "approval_required", "{body}");
        }
    }
    let draft = save(&author, "f", &changed(on("on"))).await;
    let number = draft.header("etag").to_owned();
    let own = publish(&author, "f", &number).await;
    assert_eq!(own.code(409), "approval_required");
    // The approval is for the draft that was read.
    assert_eq!(
        publish(&other, "f", "*").await.code(428),
        "if_match_required"
    );
    let replaced = save(&author, "f", &changed(on("on"))).await;
    assert_eq!(
        publish(&other, "f", &number).await.code(412),
        "stale_version"
    );
    let published = publish(&other, "f", replaced.header("etag"))
        .await
        .json(200);
    assert_eq!(published["version"], 3);
    // A token that replaces the draft of another one becomes its author.
    save(&author, "f", &json!({"name": "A"})).await.json(200);
    let draft = save(&other, "f", &json!({"name": "B"})).await;
    let own = publish(&other, "f", draft.header("etag")).await;
    assert_eq!(own.code(409), "approval_required");
    publish(&author, "f", draft.header("etag")).await.json(200);

    // The kill switch and a revert need no other token.
    let mut off = on("on");
    off["enabled"] = json!(false);
    let off = change_if(&author, "f", "\"4\"", &changed(off))
        .await
        .json(200);
    assert_eq!(off["environments"]["production"]["enabled"], false);
    let again = change(&author, "f", &changed(on("on"))).await;
    assert_eq!(again.code(409), "approval_required");
    let reverted = revert(&author, "f", &json!({"version": 1})).await.json(200);
    assert_eq!(reverted["requires_approval"], true, "it stays protected");
    assert_eq!(reverted["environments"]["production"]["enabled"], true);
    // The end of the protection needs an approval, too.
    let draft = save(&author, "f", &json!({"requires_approval": false})).await;
    publish(&other, "f", draft.header("etag")).await.json(200);
    change(&author, "f", &json!({"name": "Free"}))
        .await
        .json(200);
}
