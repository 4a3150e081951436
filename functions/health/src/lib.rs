//! `GET /health`: the function runs. Needs no token and touches no table.

use lambda_http::http::StatusCode;
use serde::Serialize;
use shared::http::{App, Problem, Request, Response, answer};

#[derive(Serialize)]
struct Health {
    status: &'static str,
    version: &'static str,
}

/// Says that it is there, and in which version.
///
/// # Errors
/// Never.
pub async fn handle(_app: App, _request: Request) -> Result<Response, Problem> {
    let health = Health {
        status: "ok",
        version: env!("CARGO_PKG_VERSION"),
    };
    Ok(answer::json(StatusCode::OK, &health))
}
