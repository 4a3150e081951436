//! All integration tests of the platform in one binary, since each binary links the whole platform again.
//!
//! | module | tests |
//! | --- | --- |
//! | `commands` | the commands of `assay` as they are typed |
//! | `contracts` | template, code, folders and recorded requests agree |
//! | `exact` | aggregates equal the raw records after any history |
//! | `front_door` | the API over HTTP: real functions, a real engine |
//! | `gateway` | the local API Gateway |
//! | `openapi` | openapi.yaml and the docs agree with the code and its answers |
//! | `platform` | starting, stopping, restarting and crashing; the streams |
//! | `shared_world` | worlds that several tests read |
//! | `soak` | how much the long searches search |
//! | `template` | reading `template.yaml` |
//!
//! `cargo test --test all gateway::` runs one module.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod commands;
mod contracts;
mod exact;
mod front_door;
mod gateway;
mod openapi;
mod platform;
mod shared_world;
mod soak;
mod template;
