//! The dashboard as a browser sees it: pages, forms, cookies and headers.

mod audience;
mod editors;
mod flag_editors;
mod forms;
mod numbers;
mod operations;
mod sessions;
mod texts;

use super::support::World;
use domain::access::Scope;
use regex::Regex;
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;

/// The fields of the form of a new experiment: those that each needs, and others.
pub(crate) fn new_experiment<'f>(others: &[(&'f str, &'f str)]) -> Vec<(&'f str, &'f str)> {
    let mut fields = vec![
        ("name", "New"),
        ("variant0", "control"),
        ("weight0", "50"),
        ("variant1", "green"),
        ("weight1", "50"),
        ("metric", "buy"),
        ("kind", "conversion"),
        ("event_type", "buy"),
        ("direction", "increase"),
    ];
    fields.extend(others);
    fields
}

/// A browser with at most one cookie. It follows no redirect by itself.
pub(crate) struct Browser {
    http: reqwest::Client,
    url: String,
    pub(crate) cookie: Option<String>,
}

/// What a browser gets.
pub(crate) struct Shown {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) html: String,
}

impl Shown {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().unwrap())
    }

    /// The page. Panics if it has another status.
    pub(crate) fn page(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.html);
        &self.html
    }

    /// The value of a hidden field.
    pub(crate) fn hidden(&self, name: &str) -> String {
        let found = self.find_hidden(name);
        found.unwrap_or_else(|| panic!("no field {name} in {}", self.html))
    }

    /// The value of a hidden field, if there is one.
    fn find_hidden(&self, name: &str) -> Option<String> {
        let field = Regex::new(&format!(r#"name="{name}" value="([^"]*)""#)).unwrap();
        Some(field.captures(&self.html)?[1].to_owned())
    }
}

impl Browser {
    pub(crate) fn new(world: &World) -> Self {
        let http = reqwest::Client::builder().redirect(Policy::none());
        Self {
            http: http.build().unwrap(),
            url: world.platform.url(),
            cookie: None,
        }
    }

    /// A browser that is signed in with a new token that has these scopes.
    pub(crate) async fn signed_in(world: &World, token_id: &str, scopes: &[Scope]) -> Self {
        let token = world.new_token(token_id, scopes, None).await;
        let mut browser = Self::new(world);
        browser.sign_in(&token).await.page(303);
        browser
    }

    /// Pastes a token, and keeps the cookie.
    pub(crate) async fn sign_in(&mut self, token: &str) -> Shown {
        let shown = self.post("sign-in", &[("token", token)]).await;
        self.keep(&shown);
        shown
    }

    /// Keeps the cookie that a page sets.
    pub(crate) fn keep(&mut self, shown: &Shown) {
        let set = shown.header("set-cookie");
        if let Some((cookie, _)) = set.split_once(';') {
            self.cookie = Some(cookie.to_owned());
        }
    }

    pub(crate) async fn get(&self, page: &str) -> Shown {
        let request = self.http.get(format!("{}/dashboard{page}", self.url));
        self.send(request).await
    }

    /// Sends a form from a page of this origin.
    pub(crate) async fn post(&self, page: &str, fields: &[(&str, &str)]) -> Shown {
        self.post_with(page, fields, &[("sec-fetch-site", "same-origin")])
            .await
    }

    /// Sends a form with headers that say where it comes from.
    pub(crate) async fn post_with(
        &self,
        page: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Shown {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        let mut request = self.http.post(format!("{}/dashboard/{page}", self.url));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(form.finish())).await
    }

    /// Fills in the form of a page: sends it with the token and the version of the page.
    pub(crate) async fn submit(&self, page: &str, fields: &[(&str, &str)]) -> Shown {
        let shown = self.get(&format!("/{page}")).await;
        shown.page(200);
        let mut fields = fields.to_vec();
        let (form_token, version) = (shown.hidden("form_token"), shown.find_hidden("version"));
        fields.push(("form_token", &form_token));
        if let Some(version) = &version {
            fields.push(("version", version));
        }
        self.post(page, &fields).await
    }

    /// Sends a form with the token of a page of the session.
    pub(crate) async fn send_form(&self, page: &str, fields: &[(&str, &str)]) -> Shown {
        let form_token = self.get("/experiments").await.hidden("form_token");
        let mut fields = fields.to_vec();
        fields.push(("form_token", &form_token));
        self.post(page, &fields).await
    }

    async fn send(&self, mut request: reqwest::RequestBuilder) -> Shown {
        if let Some(cookie) = &self.cookie {
            request = request.header("cookie", cookie);
        }
        let response = request.send().await.unwrap();
        Shown {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            html: response.text().await.unwrap(),
        }
    }
}
