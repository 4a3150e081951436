//! What every function shares.
//!
//! - [`domain`] says what the words mean: experiments, variants, assignments, events, metrics, the report
//! - [`stats`] turns sums into estimates with their uncertainty
//! - [`store`] reads and writes DynamoDB
//! - [`http`] is the way in and out of API Gateway: who calls, what is asked, what is answered
//! - [`clock`], [`config`] and [`telemetry`] hold time and randomness, settings, and logs
//!
//! Imports run one way: `domain` and `stats` know no AWS crate, no clock and no randomness; `store` uses
//! them; `http` uses all. A request goes authorizer → function → `http` (read) → `domain` (decide) →
//! `store` (keep) → `http` (answer).

pub mod clock;
pub mod config;
pub mod http;
pub mod store;
pub mod telemetry;
