//! What the platform promises, held to through its front door: HTTP on a real socket, real functions, a real
//! engine.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod analysis;
mod audit;
mod backfill;
mod bad_bodies;
mod bad_requests;
mod budget;
mod counting;
mod crash;
mod dimensions;
mod drift;
mod erasure;
mod first_wins;
mod life;
mod listing;
mod model;
mod mutations;
mod order;
mod parts;
mod permissions;
mod plan;
mod plan_bodies;
mod plan_earlier;
mod proxy;
mod race;
mod results;
mod shop;
mod sums;
mod support;
mod user_ids;
mod users;
mod verdict;
