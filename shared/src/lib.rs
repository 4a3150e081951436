//! What every function shares.
//!
//! - [`store`] reads and writes DynamoDB
//! - [`app`] keeps the store, the compiled flags of each environment, and caches of definitions and client keys between invocations
//! - [`event_budget`] limits the events of a token or a client key
//! - [`http`] is the edge to API Gateway: caller, input, output, problems
//! - [`notifications`] looks at experiments, notes what is said about them, and sends it
//! - [`clock`], [`config`] and [`telemetry`] hold time and randomness, settings, and logs
//!
//! The rules are in the crate [`domain`], the statistics in [`stats`]. Imports run one way: `stats` and `domain` know no
//! AWS crate, no clock and no randomness; `store` uses them; `app` uses `store`; `http` uses all. A request goes
//! authorizer → function → `http` (read) → `domain` (decide) → `store` (keep) → `http` (respond).

pub mod app;
mod catalog_cache;
mod client_key_cache;
pub mod clock;
pub mod config;
pub mod event_budget;
pub mod http;
pub mod notifications;
pub mod store;
pub mod telemetry;
