//! Access: tokens, scopes, and the policies that the gateway caches.

use super::support::{World, ago};
use assay::serve::PlatformOptions;
use domain::access::Scope;
use serde_json::json;
use shared::http::routes::{ROUTES, Route};

/// The routes that a token opens. Those with a client key in the path or the query have no token.
fn routes() -> Vec<&'static Route> {
    let routes = ROUTES.iter();
    routes
        .filter(|route| route.path != "/track" && !route.path.contains("{client_key}"))
        .collect()
}

/// Every set of scopes.
fn scope_sets() -> Vec<Vec<Scope>> {
    let pick = |bits: usize| {
        let chosen = Scope::ALL.into_iter().enumerate();
        let chosen = chosen.filter(|(index, _)| bits >> index & 1 == 1);
        chosen.map(|(_, (_, scope))| scope).collect()
    };
    (0..16).map(pick).collect()
}

/// Paths of a route, with ids that look like parts of other routes.
fn paths(route: &Route) -> Vec<String> {
    if !route.path.contains('{') {
        return vec![route.path.to_owned()];
    }
    let mut paths = Vec::new();
    for (id, user) in [
        ("e", "u"),
        ("assignment", "results"),
        ("results", "assignment"),
        ("e", "assignments"),
        ("nowhere", "a%2Fb"),
    ] {
        paths.push(route.path.replace("{id}", id).replace("{user_id}", user));
    }
    paths.dedup();
    paths
}

async fn call(
    caller: &super::support::Caller,
    route: &Route,
    path: &str,
) -> super::support::Answer {
    caller
        .send(
            route.method,
            path,
            &[("content-type", "application/json")],
            "{}",
        )
        .await
}

#[tokio::test]
async fn a_token_opens_exactly_the_routes_of_its_scopes_in_any_order_of_calls() {
    let world = World::with(PlatformOptions::for_tests()).await;
    for id in ["e", "assignment", "results"] {
        world.admin().experiment(id, json!({})).await;
    }
    let routes = routes();
    let mut calls = 0;
    for (number, scopes) in scope_sets().into_iter().enumerate() {
        // One token for each first route: the gateway caches the policy of the first call.
        for first in 0..routes.len() {
            // To save time, each first route is tested with a sixth of the sets of scopes.
            if (first + number) % 6 != 0 {
                continue;
            }
            let caller = world.caller(&scopes).await;
            for step in 0..routes.len() {
                let route = routes[(first + step) % routes.len()];
                for path in paths(route) {
                    let answer = call(&caller, route, &path).await;
                    let open = route.scope.is_none_or(|scope| scopes.contains(&scope));
                    let what = format!("{scopes:?} {} {path}: {}", route.method, answer.status);
                    assert_eq!(answer.status != 403, open, "{what}");
                    assert!(answer.status != 401 && answer.status < 500, "{what}");
                    if answer.status >= 400 {
                        // An open route of OFREP reports errors as its protocol does.
                        if route.path.starts_with("/ofrep/") && open {
                            let failure = answer.json(answer.status);
                            assert!(failure["errorCode"].is_string(), "{what}");
                        } else {
                            answer.problem().unwrap();
                        }
                    }
                    calls += 1;
                }
            }
        }
    }
    assert!(calls > 1000, "{calls}");
}

#[tokio::test]
async fn a_missing_or_unknown_token_is_401_with_a_challenge_on_every_route() {
    let world = World::start().await;
    let token = world.platform.token.clone();
    let headers = [
        None,
        Some(String::new()),
        Some("Bearer".to_owned()),
        Some("Bearer ".to_owned()),
        Some(token.clone()),
        Some(format!("Basic {token}")),
        Some(format!("bearer {token}")),
        Some(format!("Bearer  {token}")),
        Some(format!("Bearer {token} "))
            .filter(|_| false)
            .or(Some("Bearer short".to_owned())),
        Some(format!("Bearer {}", "a".repeat(129))),
        Some(format!("Bearer {token}x")),
        Some(format!("Bearer {}", token.to_uppercase())),
        Some("Bearer assay_a_token_that_was_never_created".to_owned()),
        Some(format!("Bearer {token}, Bearer {token}")),
        Some("Bearer ' OR 1=1 --aaaaaaaaaaaaaaaaaaaaaaaaa".to_owned()),
    ];
    for header in &headers {
        let caller = world.authorization(header.as_deref());
        for route in ROUTES.iter().filter(|route| route.scope.is_some()) {
            let answer = call(&caller, route, &paths(route)[0]).await;
            assert_eq!(
                answer.code(401),
                "unauthorized",
                "{header:?} {}",
                route.path
            );
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
        assert_eq!(caller.get("/health").await.status, 200, "{header:?}");
    }
}

#[tokio::test]
async fn the_key_of_the_token_registry_is_not_a_token() {
    let world = World::start().await;
    // The table has the key of the registry in the attribute of the token hashes.
    let caller = world.bearer("registryregistryregistry");
    assert_eq!(caller.get("/experiments").await.status, 401);
}

#[tokio::test]
async fn an_expired_token_is_refused_and_one_that_expires_later_is_accepted() {
    let world = World::start().await;
    let expired = world.new_token("old", &[Scope::Read], Some(ago(1))).await;
    let valid = world.new_token("new", &[Scope::Read], Some(ago(-60))).await;
    assert_eq!(
        world.bearer(&expired).get("/experiments").await.code(401),
        "unauthorized"
    );
    assert_eq!(world.bearer(&valid).get("/experiments").await.status, 200);
}

#[tokio::test]
async fn a_revoked_token_is_refused_when_no_policy_is_cached() {
    let options = PlatformOptions::for_tests().with_parameter("AuthorizerTtlSeconds", "0");
    let world = World::with(options).await;
    let token = world.new_token("leaver", &[Scope::Read], None).await;
    let caller = world.bearer(&token);
    assert_eq!(caller.get("/experiments").await.status, 200);
    let revoked = world.store().revoke_token("leaver").await.unwrap();
    assert_eq!(revoked.unwrap().token_id, "leaver");
    assert_eq!(caller.get("/experiments").await.code(401), "unauthorized");
    assert_eq!(world.admin().get("/experiments").await.status, 200);
}

#[tokio::test]
async fn an_unknown_route_is_404_with_and_without_a_token() {
    let world = World::start().await;
    for caller in [world.admin(), world.authorization(None)] {
        for (method, path) in [
            ("GET", "/"),
            ("GET", "/nowhere"),
            ("GET", "/events"),
            ("DELETE", "/experiments/e"),
            ("PUT", "/experiments/e"),
            ("POST", "/experiments/e/results"),
            ("GET", "/experiments/e/assignment"),
            ("GET", "/experiments/e/assignment/a/b"),
            ("POST", "/experiments/e/assignment/u"),
            ("GET", "/experiments/e/assignments"),
            ("PATCH", "/experiments"),
            ("PATCH", "/experiments/plan"),
            ("GET", "/Experiments"),
            ("OPTIONS", "/experiments"),
            ("POST", "/health"),
        ] {
            let answer = caller.send(method, path, &[], "").await;
            assert_eq!(answer.code(404), "route_not_found", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_token_is_stored_only_as_its_hash() {
    let world = World::start().await;
    let token = world
        .new_token("secret", &Scope::ALL.map(|(_, scope)| scope), None)
        .await;
    let caller = world.bearer(&token);
    caller.experiment("e", json!({})).await;
    caller.assign("e", "u").await;
    let contents = world.contents().await;
    assert!(contents.iter().any(|item| item.contains("secret")));
    for secret in [&token, &world.platform.token] {
        assert!(!contents.iter().any(|item| item.contains(secret.as_str())));
    }
}
