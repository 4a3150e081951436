//! Signing in and out, and what ends a session.

use super::super::support::{World, ago};
use super::Browser;
use assay::client::http_client;
use domain::access::Scope;
use domain::session::{Secret, Session};
use serde_json::json;

#[tokio::test]
async fn without_a_session_every_page_leads_to_the_sign_in_page_and_back() {
    let world = World::start().await;
    world.admin().experiment("e", json!({})).await;
    let mut browser = Browser::new(&world);
    for (page, to) in [
        ("", "dashboard/sign-in"),
        ("/experiments", "./sign-in?to=experiments"),
        ("/experiments/e", "../sign-in?to=experiments%2Fe"),
    ] {
        let shown = browser.get(page).await;
        assert_eq!(shown.status, 303, "{page}");
        assert_eq!(shown.header("location"), to, "{page}");
        assert!(shown.html.is_empty(), "{page}");
    }
    let fields = [("token", &*world.platform.token), ("to", "experiments/e")];
    let shown = browser.post("sign-in", &fields).await;
    assert_eq!(shown.header("location"), "./experiments/e?signed-in=yes");
    browser.keep(&shown);
    browser.get("/experiments/e").await.page(200);
}

#[tokio::test]
async fn the_cookie_is_a_secret_of_its_own_and_only_its_hash_is_stored() {
    let world = World::start().await;
    let mut browser = Browser::new(&world);
    let shown = browser.sign_in(&world.platform.token).await;
    let cookie = shown.header("set-cookie").to_owned();
    for attribute in ["; HttpOnly", "; Secure", "; SameSite=Strict", "; Max-Age="] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    // Without a path, a browser takes the folder of the page, below any stage.
    assert!(!cookie.contains("Path="), "{cookie}");
    let secret = cookie.split(['=', ';']).nth(1).unwrap();
    assert!(!cookie.contains(&world.platform.token));
    let stored = format!("{:?}", world.items("TokensTable").await);
    assert!(!stored.contains(secret) && !stored.contains(&world.platform.token));
    assert!(stored.contains(&Secret::parse(secret).unwrap().sha256()));
}

#[tokio::test]
async fn a_wrong_token_is_refused_and_so_is_one_that_cannot_read() {
    let world = World::start().await;
    let expired = world
        .new_token("expired", &[Scope::Read], Some(ago(1)))
        .await;
    let blind = world.new_token("blind", &[Scope::Track], None).await;
    let mut browser = Browser::new(&world);
    for token in [
        "",
        "short",
        "assay_a_token_that_was_never_created",
        &expired,
        &blind,
    ] {
        let shown = browser.sign_in(token).await;
        assert!(shown.page(403).contains("role=\"alert\""), "{token}");
        assert_eq!(browser.cookie, None, "{token}");
        assert!(token.is_empty() || !shown.html.contains(token), "{token}");
    }
    browser.cookie = Some("assay_session=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned());
    assert_eq!(browser.get("/experiments").await.status, 303);
}

#[tokio::test]
async fn a_sign_out_a_revoked_token_and_the_time_end_a_session() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world, "one", &[Scope::Read]).await;
    let shown = browser.get("/experiments").await;
    let form_token = shown.hidden("form_token");
    let out = browser
        .post("sign-out", &[("form_token", &form_token)])
        .await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(browser.get("/experiments").await.status, 303);

    let browser = Browser::signed_in(&world, "two", &[Scope::Read]).await;
    browser.get("/experiments").await.page(200);
    world.store().revoke_token("two").await.unwrap();
    assert_eq!(browser.get("/experiments").await.status, 303);

    let mut browser = Browser::signed_in(&world, "three", &[Scope::Read]).await;
    let bits = shared::clock::random_bits().unwrap();
    let secret = Secret::from_bits(bits);
    let token = domain::access::Token::parse(&world.platform.token).unwrap();
    let mut session = Session::start_code(token.sha256(), ago(0));
    browser.cookie = Some(format!("assay_session={}", secret.reveal()));
    for (expires_at, status) in [(ago(-60), 200), (ago(1), 303)] {
        session.expires_at = expires_at;
        let store = world.store();
        store.store_session(&secret, &session).await.unwrap();
        assert_eq!(browser.get("/experiments").await.status, status);
    }
}

#[tokio::test]
async fn a_start_link_signs_in_once() {
    let world = World::start().await;
    let link = world.platform.start_link().await.unwrap().unwrap();
    assert!(!link.contains(&world.platform.token), "{link}");
    let page = link.split("/dashboard").nth(1).unwrap();
    let mut browser = Browser::new(&world);
    let shown = browser.get(page).await;
    assert_eq!(shown.status, 303);
    browser.keep(&shown);
    browser.get("/experiments").await.page(200);
    let again = Browser::new(&world).get(page).await;
    assert!(again.page(403).contains("used already"));
    assert_eq!(again.header("set-cookie"), "");
}

#[tokio::test]
async fn every_answer_forbids_scripts_frames_and_caches() {
    let world = World::start().await;
    let browser = Browser::signed_in(&world, "reader", &[Scope::Read]).await;
    for page in [
        "/sign-in",
        "/experiments",
        "/nowhere",
        "/experiments/nowhere",
    ] {
        let shown = browser.get(page).await;
        let policy = shown.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(part), "{page}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{page}: {policy}");
        assert_eq!(shown.header("cache-control"), "no-store", "{page}");
        assert_eq!(shown.header("x-content-type-options"), "nosniff", "{page}");
        assert_eq!(shown.header("referrer-policy"), "same-origin", "{page}");
        assert!(!shown.html.contains("<script") && !shown.html.contains(" style="));
    }
    let home = browser.get("/experiments").await;
    let (_, rest) = home.html.split_once("href=\"./assets/").unwrap();
    let style = format!("/assets/{}", rest.split('"').next().unwrap());
    let style = http_client().get(format!("{}/dashboard{style}", world.platform.url()));
    let style = style.send().await.unwrap();
    assert_eq!(style.status(), 200);
    assert!(
        style.headers()["cache-control"]
            .to_str()
            .unwrap()
            .contains("immutable")
    );
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}
