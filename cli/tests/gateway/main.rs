//! The gateway, driven over real sockets, in front of small real functions.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_log;
mod authorizer;
mod bodies;
mod failures;
mod paths;
mod policy;
mod requests;
mod responses;
mod support;
