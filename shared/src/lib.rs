//! What every function shares.
//!
//! - [`domain`] has experiments, variants, assignments, events, metrics and their rules; the report
//! - [`stats`] has from sums to estimates with their uncertainty
//! - [`store`] has DynamoDB
//! - [`http`] has API Gateway in and out: who calls, what is asked, what is answered
//! - [`clock`], [`config`] and [`telemetry`] have time and randomness, settings, logs
//!
//! Imports run one way: `domain` and `stats` know no AWS crate, no clock and no randomness; `store` uses
//! them; `http` uses all. A request goes authorizer → function → `http` (read) → `domain` (decide) →
//! `store` (keep) → `http` (answer).

pub mod clock;
pub mod config;
pub mod domain;
pub mod http;
pub mod stats;
pub mod store;
pub mod telemetry;
