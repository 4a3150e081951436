//! The edge: API Gateway in and out.
//!
//! A handler reads [`caller`] → input ([`body`], [`params`]) → domain call → output ([`answer`]), and
//! fails with a [`Problem`], the only place where a failure becomes a status.

pub mod answer;
pub mod app;
pub mod body;
pub mod caller;
pub mod input;
pub mod params;
pub mod policy;
pub mod problem;
pub mod routes;
pub mod run;

pub use app::App;
pub use lambda_http::Request;
pub use problem::{Fault, Problem};
pub use run::run;

/// What a handler answers.
pub type Response = lambda_http::Response<lambda_http::Body>;
