//! Signing in and out, and which forms are accepted.

use crate::visit::Visit;
use domain::access::{Grant, Scope, Token};
use domain::session::{Secret, Session};
use lambda_http::http::header::COOKIE;
use shared::app::App;
use shared::clock;
use shared::http::{Problem, Request};

/// The name of the cookie with the secret of a session.
const COOKIE_NAME: &str = "assay_session";

/// A browser that is signed in.
pub(crate) struct Signed {
    secret: Secret,
    /// The permissions of the token, read a moment ago.
    pub(crate) grant: Grant,
}

/// Why a sign-in was refused.
pub(crate) enum Refused {
    /// There is no such token, or it is revoked or expired.
    Unknown,
    /// The token has not the scope `read`, which every page needs.
    WithoutRead,
}

impl Signed {
    /// Whether the token has a scope.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.grant.scopes.contains(&scope)
    }

    /// The hidden field of every form.
    pub(crate) fn form_token(&self) -> String {
        self.secret.form_token()
    }

    /// Whether a form is from a page that was shown to this session. Both tokens have 64 digits, and are compared in a time
    /// that does not depend on them.
    pub(crate) fn sent(&self, visit: &Visit<'_>) -> bool {
        let (own, sent) = (self.form_token(), visit.field("form_token").as_bytes());
        let differences = own.bytes().zip(sent).filter(|(own, sent)| own != *sent);
        own.len() == sent.len() && differences.count() == 0
    }

    /// The secret of the session.
    pub(crate) fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// The session of a request. The token is read again, so a revoked token has no session.
///
/// # Errors
/// If the database fails or an item is damaged.
pub(crate) async fn of(app: &App, request: &Request) -> Result<Option<Signed>, Problem> {
    let Some(secret) = secret(request) else {
        return Ok(None);
    };
    let now = app.now();
    let session = app.store().session(&secret).await?;
    let Some(session) = session.filter(|session| session.is_valid_at(now)) else {
        return Ok(None);
    };
    let grant = app.store().grant(&session.of_token).await?;
    let grant = grant.filter(|grant| grant.is_valid_at(now));
    Ok(grant.map(|grant| Signed { secret, grant }))
}

/// The secret of the session, if the cookie has one.
fn secret(request: &Request) -> Option<Secret> {
    let headers = request.headers().get_all(COOKIE).iter();
    let cookies = headers.filter_map(|header| header.to_str().ok());
    let mut cookies = cookies.flat_map(|header| header.split(';'));
    cookies.find_map(|cookie| {
        let (name, value) = cookie.trim().split_once('=')?;
        (name == COOKIE_NAME).then(|| Secret::parse(value))?
    })
}

/// Begins a session with a token, and returns its cookie.
///
/// # Errors
/// If the database fails or there are no random bits.
pub(crate) async fn sign_in(app: &App, text: &str) -> Result<Result<String, Refused>, Problem> {
    let Ok(token) = Token::parse(text) else {
        return Ok(Err(Refused::Unknown));
    };
    begin(app, token.sha256()).await
}

/// Begins a session with the code of a start link, which is used up, and returns its cookie.
///
/// # Errors
/// If the database fails or there are no random bits.
pub(crate) async fn start(app: &App, code: &str) -> Result<Result<String, Refused>, Problem> {
    let Some(code) = Secret::parse(code) else {
        return Ok(Err(Refused::Unknown));
    };
    let found = app.store().use_start_code(&code).await?;
    match found.filter(|code| code.is_valid_at(app.now())) {
        Some(code) => begin(app, code.of_token).await,
        None => Ok(Err(Refused::Unknown)),
    }
}

async fn begin(app: &App, of_token: String) -> Result<Result<String, Refused>, Problem> {
    let now = app.now();
    let grant = app.store().grant(&of_token).await?;
    let Some(grant) = grant.filter(|grant| grant.is_valid_at(now)) else {
        return Ok(Err(Refused::Unknown));
    };
    if !grant.scopes.contains(&Scope::Read) {
        return Ok(Err(Refused::WithoutRead));
    }
    let bits = clock::random_bits().map_err(|error| Problem::internal(error.to_string()))?;
    let (secret, session) = (Secret::from_bits(bits), Session::of(&grant, of_token, now));
    app.store().store_session(&secret, &session).await?;
    let micros = session.expires_at.micros().saturating_sub(now.micros());
    Ok(Ok(cookie(secret.reveal(), micros / 1_000_000)))
}

/// The cookie that ends the session in the browser.
pub(crate) fn no_cookie() -> String {
    cookie("", 0)
}

/// A cookie of the folder of the page that sets it, which is that of all pages: without a path, the browser takes the folder
/// of the request as it sees it, also below a stage or a base path.
fn cookie(value: &str, seconds: i64) -> String {
    format!("{COOKIE_NAME}={value}; Max-Age={seconds}; HttpOnly; Secure; SameSite=Strict")
}
