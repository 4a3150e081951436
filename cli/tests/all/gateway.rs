//! The local gateway with small functions, called over real sockets.

mod access_log;
mod authorizer;
mod bodies;
mod direct;
mod failures;
mod paths;
mod policy;
mod preflight;
mod requests;
mod responses;
mod support;
