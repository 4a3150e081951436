//! `GET /dashboard` and the pages below it: what readers look at, decide by and change, as HTML that this function writes.
//!
//! Every page shows the answers of the API, and every form calls a handler of the API, in this process and as the caller of
//! the session: numbers, scopes, versions and the audit trail are those of the API. Only tokens, backfills and audiences, which
//! have no route, are read from the store (infra/decisions/0034-a-page-over-the-handlers.md).
//!
//! | module | holds |
//! | --- | --- |
//! | `visit` | what the browser asks for: page, query, cookie, form |
//! | `session` | signing in and out, and which forms are accepted |
//! | `api` | calls of the handlers |
//! | `routing` | the page of a path |
//! | `pages` | what a page shows |
//! | `actions` | what a form does |
//! | `desk` | what a page needs, and what pages share |
//! | `form`, `json` | fields with what was typed and what is wrong with it |
//! | `layout`, `headers`, `text`, `picture`, `assets` | the frame of all pages, words and numbers, drawings, the style sheet |

mod actions;
mod api;
mod assets;
mod desk;
mod form;
mod headers;
mod json;
mod layout;
mod pages;
mod picture;
mod routing;
mod session;
mod text;
mod visit;

use shared::app::App;
use shared::http::{Problem, Request, Response};
use visit::Visit;

/// Answers a request of a browser. A failure is a page too.
///
/// # Errors
/// If the database fails, or a session is damaged.
pub async fn handle(app: App, request: Request) -> Result<Response, Problem> {
    let visit = Visit::read(&request);
    // Assets are the same for everybody: they need no session, which costs two reads.
    if let Some(asset) = assets::answer(&visit) {
        return Ok(asset);
    }
    let session = session::of(&app, &request).await?;
    match visit.is_post {
        true => routing::post(&app, &visit, session).await,
        false => routing::get(&app, &visit, session).await,
    }
}
