//! The edge: requests from API Gateway and responses to it.
//!
//! A handler reads [`caller`] → input ([`body`], [`params`]) → domain call → output ([`response`]). It fails with a
//! [`Problem`], the only type that turns a failure into a status.

pub mod assignment;
pub mod body;
pub mod caller;
pub mod client_key;
pub mod flag;
pub mod flag_evaluation;
pub mod flag_user;
pub mod history;
pub mod idempotency;
pub mod if_match;
pub mod input;
pub mod layer;
pub mod ofrep;
pub mod params;
pub mod placement;
pub mod policy;
pub mod problem;
pub mod recording;
pub mod response;
pub mod routes;
pub mod run;
pub mod sdk_payload;
pub mod segment;

pub use lambda_http::Request;
pub use problem::{Fault, Problem};
pub use run::run;

/// The response of a handler.
pub type Response = lambda_http::Response<lambda_http::Body>;
