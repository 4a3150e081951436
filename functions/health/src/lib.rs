//! `GET /health`: shows that the function runs. It needs no token and reads no table.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::app::App;
use shared::http::{Problem, Request, Response, response};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// Returns the status and the version.
///
/// # Errors
/// Never.
pub async fn handle(_app: App, _request: Request) -> Result<Response, Problem> {
    let health = Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(response::json(StatusCode::OK, &health))
}
